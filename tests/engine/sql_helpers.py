"""Streams to ask about, and queries together with what they have read."""

from __future__ import annotations

from typing import Any

import numpy as np

from joule_cli.engine.stores.sqlite.connection import open_connection
from joule_cli.engine.stores.sqlite.sql.duck import open_engine
from joule_cli.engine.stores.sqlite.sql.query import Query
from joule_cli.engine.stores.sqlite.sql.snapshot import Snapshot
from joule_cli.model import DataStream, Element

T0 = 1_700_000_000_000_000
SECOND = 1_000_000


async def make_stream(node, path="/house/mains", datatype="float32", elements=("a", "b")):
    folder, _, name = path.rpartition("/")
    stream = DataStream(
        name=name, datatype=datatype, elements=[Element(name=element) for element in elements]
    )
    return await node.data_stream_create(stream, folder or "/")


async def write(node, stream, blocks):
    """Write blocks of times, with a break between two; values follow from the time."""
    for times in blocks:
        async with await node.data_write(stream) as pipe:
            await pipe.write(rows_of(times, pipe))


def rows_of(times, pipe):
    times = np.asarray(times, np.int64)
    rows = np.zeros(len(times), pipe.dtype)
    rows["timestamp"] = times
    width = rows["data"].shape[1]
    rows["data"] = (times[:, None] // 1000 * np.arange(1, width + 1)) % 113
    return rows


async def read_all(node, stream):
    """Every row, in one array."""
    async with await node.data_read(stream) as pipe:
        if await pipe.is_empty():
            return np.zeros(0, pipe.dtype)
        return await pipe.read_all(maxrows=1_000_000)


async def ask(node, sql, tz="UTC") -> list[tuple[Any, ...]]:
    """All rows of an answer."""
    async with await node.db_query(sql, tz) as result:
        return [row for rows in [block async for block in result] for row in rows]


def run(path, sql, tz="UTC"):
    """Run a query without a node; return the finished query and its rows."""
    snapshot = Snapshot(open_connection(path, create=False), str(path))
    query = Query(open_engine(), snapshot, sql, tz)
    rows = []
    try:
        query.start()
        while block := query.read(1000):
            rows += block
    finally:
        query.close()
    return query, rows
