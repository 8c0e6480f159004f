"""Runs the views of a file of SQL on a real engine, over exported calls or a log that was shipped, and prints their rows as JSON.

python engines.py ENGINE SQL_FILE PARQUET_FILE
python engines.py shipped SQL_FILE LOG TABLES_FILE
"""

import json
import sys

engine, sql_file, parquet, *tables = sys.argv[1:]
views = {}
for part in open(sql_file, encoding="utf-8").read().split("-- view: ")[1:]:
    name, _, query = part.partition("\n")
    views[name.strip()] = query.strip().rstrip(";")


def on_duckdb(queries):
    import duckdb

    base = duckdb.connect()
    base.execute("set timezone = 'UTC'")
    base.execute(f"create view tollgate_calls as select * from '{parquet}'")
    for name, query in queries.items():
        cursor = base.execute(query)
        heads = [column[0] for column in cursor.description]
        yield name, [dict(zip(heads, row)) for row in cursor.fetchall()]


def on_clickhouse(queries):
    from chdb import session

    base = session.Session()
    base.query("create database if not exists t engine = Atomic")
    base.query(
        "create table t.tollgate_calls engine = MergeTree order by time settings allow_nullable_key = 1 "
        f"as select * from file('{parquet}')"
    )
    base.query("use t")
    for name, query in queries.items():
        yield name, json.loads(str(base.query(query + " settings output_format_json_quote_decimals = 1", "JSON")))["data"]


def on_bigquery(queries):
    """Nobody can run BigQuery at home: its SQL is translated and runs on DuckDB."""
    import sqlglot

    yield from on_duckdb({name: sqlglot.transpile(query, read="bigquery", write="duckdb")[0] for name, query in queries.items()})


def on_shipped(queries):
    """Lines arrive as Vector sends them: one JSON object each, in batches, some twice."""
    from chdb import session

    base = session.Session()
    base.query("create database if not exists t engine = Atomic")
    base.query("use t")
    statements = "\n".join(line for line in open(tables[0], encoding="utf-8") if not line.startswith("--"))
    for statement in filter(str.strip, statements.split(";")):
        base.query(statement)
    lines = open(parquet, encoding="utf-8", errors="replace").read().splitlines()
    batches = [lines[at : at + 10_000] for at in range(0, len(lines), 10_000)]
    for number, batch in enumerate(batches + batches[:1]):
        events = [{"file": "/var/log/envoy/access.log", "host": "a", "message": line, "source_type": "file"} for line in batch]
        with open(f"batch-{number}.json", "w", encoding="utf-8") as file:
            file.writelines(json.dumps(event) + "\n" for event in events)
        base.query(
            f"insert into tollgate_lines select message from file('batch-{number}.json', 'JSONEachRow', 'message String') "
            "settings input_format_skip_unknown_fields = 1"
        )
    for name, query in {**queries, "other": "select is_json, sum(lines) as lines from tollgate_other_lines group by is_json"}.items():
        yield name, json.loads(str(base.query(query + " settings output_format_json_quote_decimals = 1", "JSON")))["data"]


run = {"duckdb": on_duckdb, "clickhouse": on_clickhouse, "bigquery": on_bigquery, "shipped": on_shipped}[engine]
print(json.dumps(dict(run(views)), default=str))
