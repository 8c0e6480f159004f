"""Runs the views of a file of SQL over exported calls on a real engine, and prints their rows as JSON.

python engines.py ENGINE SQL_FILE PARQUET_FILE
"""

import json
import sys

engine, sql_file, parquet = sys.argv[1:]
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


run = {"duckdb": on_duckdb, "clickhouse": on_clickhouse, "bigquery": on_bigquery}[engine]
print(json.dumps(dict(run(views)), default=str))
