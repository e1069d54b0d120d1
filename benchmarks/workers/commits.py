"""Small blocks, each committed durably, and the disk's own speed at that."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

from benchmarks.data import PERIOD_US, START_US
from benchmarks.workers.node import create, load, open_node, percentile

#: Pages of the file that `sync` writes round and round.
_PAGES = 4096


def commits(source: str, path: str, stream: str, n_commits: int, n_rows: int) -> dict[str, float]:
    """Write `n_commits` blocks of `n_rows` rows through one open pipe."""
    return asyncio.run(_commits(source, path, stream, n_commits, n_rows))


async def _commits(
    source: str, path: str, stream: str, n_commits: int, n_rows: int
) -> dict[str, float]:
    rows = load(source)
    blocks = []
    for index in range(n_commits):
        first = index * n_rows % max(len(rows) - n_rows + 1, 1)
        block = rows[first : first + n_rows].copy()
        # a short recording is used again, with times that go on
        block["timestamp"] += START_US + index * n_rows * PERIOD_US - rows["timestamp"][first]
        blocks.append(block)
    times = []
    async with open_node(path) as node:
        await create(node, stream)
        async with await node.data_write(stream) as pipe:
            last = begin = time.perf_counter()
            for block in blocks:
                await pipe.write(block)
                now = time.perf_counter()
                times.append((now - last) * 1e3)
                last = now
            spent = last - begin
        stored = await node.data_count(stream)
    if stored != sum(map(len, blocks)):
        raise SystemExit(f"{stored} rows are stored of {sum(map(len, blocks))}")
    return {
        "rate": n_commits / spent,
        "p50": percentile(times, 50),
        "p99": percentile(times, 99),
        "p99.9": percentile(times, 99.9),
        "max": max(times),
    }


def sync(path: str, n_commits: int) -> dict[str, float]:
    """Overwrite 4 KiB and wait for the disk, again and again: no durable commit is faster."""
    page = bytes(4096)
    times = []
    descriptor = os.open(Path(path), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        # the blocks exist, as those of a write-ahead log that has gone round once
        os.write(descriptor, page * _PAGES)
        os.fsync(descriptor)
        for index in range(n_commits):
            begin = time.perf_counter()
            os.pwrite(descriptor, page, index % _PAGES * len(page))
            os.fdatasync(descriptor)
            times.append((time.perf_counter() - begin) * 1e3)
    finally:
        os.close(descriptor)
    return {
        "rate": n_commits / sum(times) * 1e3,
        "p50": percentile(times, 50),
        "p99.9": percentile(times, 99.9),
    }
