"""A stream of many short intervals."""

from __future__ import annotations

import asyncio
import time

from benchmarks.data import PERIOD_US, START_US
from benchmarks.workers.node import create, load, open_node

ROWS = 10


def write(source: str, path: str, stream: str, n_intervals: int) -> dict[str, float]:
    """Write `n_intervals` of 10 rows, each durable before the next."""
    return asyncio.run(_write(source, path, stream, n_intervals))


async def _write(source: str, path: str, stream: str, n_intervals: int) -> dict[str, float]:
    rows = load(source)
    async with open_node(path) as node:
        await create(node, stream)
        begin = time.perf_counter()
        async with await node.data_write(stream) as pipe:
            for index in range(n_intervals):
                first = index * ROWS % max(len(rows) - ROWS + 1, 1)
                block = rows[first : first + ROWS].copy()
                shift = START_US + index * ROWS * PERIOD_US - rows["timestamp"][first]
                block["timestamp"] += shift
                await pipe.write(block)
                await pipe.close_interval()
    return {"time": time.perf_counter() - begin}


def read(path: str, stream: str, n_intervals: int) -> dict[str, float]:
    """List the intervals, read every row and break, and read a decimated view."""
    return asyncio.run(_read(path, stream, n_intervals))


async def _read(path: str, stream: str, n_intervals: int) -> dict[str, float]:
    async with open_node(path) as node:
        begin = time.perf_counter()
        listed = len(await node.data_intervals(stream))
        list_s = time.perf_counter() - begin

        begin = time.perf_counter()
        rows = breaks = 0
        async with await node.data_read(stream) as pipe:
            while await pipe.not_empty():
                rows += len(await pipe.read())
                breaks += pipe.end_of_interval
                pipe.consume_all()
        read_s = time.perf_counter() - begin

        begin = time.perf_counter()
        async with await node.data_read(stream, max_rows=1000) as pipe:
            few = len(await pipe.read_all())
        decimated_ms = (time.perf_counter() - begin) * 1e3
    found = (listed, rows, breaks in (n_intervals - 1, n_intervals), 0 < few <= 1000)
    if found != (n_intervals, n_intervals * ROWS, True, True):
        raise SystemExit(
            f"intervals, rows, breaks and decimated rows are {listed, rows, breaks, few}"
        )
    return {"list": list_s, "read": read_s, "decimated": decimated_ms}
