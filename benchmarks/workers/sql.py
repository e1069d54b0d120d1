"""Queries, by the node and by DuckDB on a Parquet file of the same rows."""

from __future__ import annotations

import asyncio
import time

import numpy as np

from benchmarks.workers.node import load, open_node
from joule_cli.api import Event, EventStream


def parquet(source: str, path: str) -> dict[str, float]:
    """Write rows with DuckDB: timestamps with time zone and float32, by zstd."""
    import duckdb

    rows = load(source)
    columns = {"us": rows["timestamp"].copy()}
    columns |= {f"e{i}": np.ascontiguousarray(rows["data"][:, i]) for i in range(4)}
    connection = duckdb.connect()
    connection.register("columns", columns)
    select = "SELECT make_timestamptz(us) AS time, e0, e1, e2, e3 FROM columns"
    connection.execute(f"COPY ({select}) TO '{path}' (FORMAT parquet, COMPRESSION zstd)")
    connection.close()
    return {"rows": len(rows)}


def parquet_events(path: str, starts: list[int]) -> dict[str, float]:
    """Write when events begin."""
    import duckdb

    connection = duckdb.connect()
    connection.register("columns", {"us": np.array(starts)})
    select = "SELECT make_timestamptz(us) AS start FROM columns"
    connection.execute(f"COPY ({select}) TO '{path}' (FORMAT parquet)")
    connection.close()
    return {"events": len(starts)}


def events(path: str, stream: str, starts: list[int]) -> dict[str, float]:
    """Write the same events to a node."""
    return asyncio.run(_events(path, stream, starts))


async def _events(path: str, stream: str, starts: list[int]) -> dict[str, float]:
    folder, _, name = stream.rpartition("/")
    async with open_node(path) as node:
        await node.event_stream_create(EventStream(name=name), folder)
        await node.event_stream_write(stream, [Event(start_time=us) for us in starts])
    return {"events": len(starts)}


def parquet_hourly(path: str, sql: str) -> dict[str, float]:
    """Run the query once, the file being cached."""
    import duckdb

    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    begin = time.perf_counter()
    found = connection.execute(sql.format(table=f"'{path}'")).fetchall()
    taken = time.perf_counter() - begin
    connection.close()
    return {"query": taken, **_checks(found)}


def node_hourly(path: str, stream: str, sql: str) -> dict[str, float]:
    """Run the query once through the node's own call, from the text to the last row."""
    return asyncio.run(_node_hourly(path, stream, sql))


async def _node_hourly(path: str, stream: str, sql: str) -> dict[str, float]:
    async with open_node(path) as node:
        # what loads once for any number of queries
        async with await node.db_query("SELECT 1", "UTC") as result:
            await result.read()
        begin = time.perf_counter()
        async with await node.db_query(sql.format(table=f'"{stream}"'), "UTC") as result:
            found = [row for rows in [block async for block in result] for row in rows]
        return {"query": time.perf_counter() - begin, **_checks(found)}


def _checks(found: list[tuple[float, ...]]) -> dict[str, float]:
    """Return what tells that two answers are the same."""
    return {
        "hours": len(found),
        "sum": round(sum(sum(row[1:]) for row in found), 3),
        "first": found[0][0],
    }
