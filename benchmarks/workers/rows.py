"""Writing and reading many rows through the node in this process."""

from __future__ import annotations

import asyncio
import random
import time
from statistics import median

from benchmarks.workers.node import BLOCK_ROWS, create, file_size, load, open_node

_WARM_READS, _MINUTES, _MINUTE_US = 50, 200, 60_000_000


def write(
    source: str, path: str, stream: str, times: int = 1, already: int = 0, scale: float = 1.0
) -> dict[str, float]:
    """Write a recording `times` times one after the other, behind `already` such copies.

    The time ends when the node is closed. With `scale` the counts become calibrated values.
    """
    return asyncio.run(_write(source, path, stream, times, already, scale))


async def _write(
    source: str, path: str, stream: str, times: int, already: int, scale: float
) -> dict[str, float]:
    rows = load(source)
    if scale != 1.0:
        rows["data"] *= scale
    span = int(rows["timestamp"][-1] - rows["timestamp"][0]) + 1000
    rows["timestamp"] += span * already
    spent = 0.0
    async with open_node(path) as node:
        if not already:
            await create(node, stream)
        begin = time.perf_counter()
        async with await node.data_write(stream) as pipe:
            for copy in range(times):
                if copy:
                    spent += time.perf_counter() - begin
                    rows["timestamp"] += span
                    begin = time.perf_counter()
                for first in range(0, len(rows), BLOCK_ROWS):
                    await pipe.write(rows[first : first + BLOCK_ROWS])
    spent += time.perf_counter() - begin
    n_rows = len(rows) * times
    raw = n_rows * rows.dtype.itemsize
    return {"rate": n_rows / spent / 1e6, "size": file_size(path) / raw}


def read(path: str, stream: str, n_rows: int) -> dict[str, float]:
    """Read everything, block by block."""
    return asyncio.run(_read(path, stream, n_rows))


async def _read(path: str, stream: str, n_rows: int) -> dict[str, float]:
    async with open_node(path) as node:
        # modules that the node loads on first use are no part of a rate
        await node.data_intervals(stream)
        begin = time.perf_counter()
        got = 0
        async with await node.data_read(stream) as pipe:
            while await pipe.not_empty():
                got += len(await pipe.read())
                pipe.consume_all()
        spent = time.perf_counter() - begin
        _expect(got, n_rows)
    return {"rate": got / spent / 1e6}


def decimated(path: str, stream: str, max_rows: int = 1000) -> dict[str, float]:
    """Read a decimated view of everything: first with opening and importing, and then warm."""
    return asyncio.run(_decimated(path, stream, max_rows))


async def _decimated(path: str, stream: str, max_rows: int) -> dict[str, float]:
    times = []
    got = 0
    begin = time.perf_counter()
    async with open_node(path) as node:
        for _ in range(_WARM_READS + 1):
            async with await node.data_read(stream, max_rows=max_rows) as pipe:
                got = len(await pipe.read_all())
            now = time.perf_counter()
            times.append((now - begin) * 1e3)
            begin = now
    if not 0 < got <= max_rows:
        raise SystemExit(f"{got} rows for max_rows={max_rows}")
    return {"first": times[0], "warm": median(times[1:])}


def minutes(path: str, stream: str) -> dict[str, float]:
    """Read single minutes at random places."""
    return asyncio.run(_minutes(path, stream))


async def _minutes(path: str, stream: str) -> dict[str, float]:
    rng = random.Random(7)
    times = []
    async with open_node(path) as node:
        info = await node.data_stream_info(stream)
        assert info.start is not None
        assert info.end is not None
        length = min(_MINUTE_US, (info.end - info.start) // 2)
        for _ in range(_MINUTES):
            start = rng.randrange(info.start, info.end - length)
            begin = time.perf_counter()
            async with await node.data_read(stream, start, start + length) as pipe:
                got = len(await pipe.read_all())
            times.append((time.perf_counter() - begin) * 1e3)
            # one row more or less for the jitter
            if abs(got - length // 1000) > 1:
                raise SystemExit(f"{got} rows in {length} µs")
    return {"median": median(times), "max": max(times)}


def count(path: str, stream: str) -> dict[str, float]:
    """Return how many rows a stream has."""

    async def body() -> float:
        async with open_node(path) as node:
            return await node.data_count(stream)

    return {"rows": asyncio.run(body())}


def _expect(got: int, wanted: int) -> None:
    if got != wanted:
        raise SystemExit(f"{got} rows came back, {wanted} were expected")
