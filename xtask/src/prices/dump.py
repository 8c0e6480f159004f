"""Prints the data of two price packages as JSON with every decimal as a string.

Usage: dump.py GENAI_PRICES.whl LITELLM.whl

The first package ships its data as Python expressions. They are read as a syntax tree, not run;
the second one ships JSON, whose numbers are kept as they are written.
"""

import ast
import json
import sys
import zipfile


def member(wheel, ending):
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if name.endswith(ending)]
        if len(names) != 1:
            raise SystemExit(f"{wheel}: expected one file `{ending}`, found {names}")
        return archive.read(names[0]).decode()


def plain(node):
    """A literal as itself, a call as an object with its name under `_` and its arguments."""
    match node:
        case ast.Constant(value=value):
            return value
        case ast.List(elts=items) | ast.Tuple(elts=items):
            return [plain(item) for item in items]
        case ast.Dict(keys=keys, values=values):
            return {plain(key): plain(value) for key, value in zip(keys, values)}
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Call(func=func, args=args, keywords=keywords):
            name = plain(func)
            if name == "Decimal":
                return plain(args[0])
            call = {"_": name, "args": [plain(arg) for arg in args]}
            return call | {keyword.arg: plain(keyword.value) for keyword in keywords}
    raise SystemExit(f"unexpected expression in line {node.lineno}: {ast.dump(node)[:100]}")


def providers(source):
    for statement in ast.parse(source).body:
        if isinstance(statement, ast.AnnAssign) and plain(statement.target) == "providers":
            return plain(statement.value)
    raise SystemExit("no list of providers in the package")


def main(genai, litellm):
    entries = json.loads(member(litellm, "/model_prices_and_context_window_backup.json"), parse_float=str)
    json.dump({"genai": providers(member(genai, "/data.py")), "litellm": entries}, sys.stdout)


main(*sys.argv[1:])
