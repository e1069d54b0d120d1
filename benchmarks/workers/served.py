"""Clients of a served node."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time
from contextlib import AsyncExitStack, ExitStack
from statistics import median
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

import aiohttp

from benchmarks.data import PERIOD_US
from benchmarks.workers.bare import PART_BYTES
from benchmarks.workers.node import BLOCK_ROWS, create, load, percentile
from joule_cli.remote.node import RemoteNode

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

_WARM_READS = 50
_WRITERS = 4
_READERS = 20
_PAUSE_S = 0.002
_SETTLED_S = 0.5
_STAND_S = 2.0


def write(url: str, key: str, source: str, stream: str) -> dict[str, float]:
    """Write a recording; the time ends when the node has said that all is stored."""
    return asyncio.run(_write(url, key, source, stream))


async def _write(url: str, key: str, source: str, stream: str) -> dict[str, float]:
    rows = load(source)
    async with RemoteNode("bench", url, key=key) as node:
        model = await create(node, stream)
        begin, cpu = time.perf_counter(), time.process_time()
        async with await node.data_write(model) as pipe:
            for first in range(0, len(rows), BLOCK_ROWS):
                await pipe.write(rows[first : first + BLOCK_ROWS])
        found = _spent(len(rows), begin, cpu)
        _expect(await node.data_count(model), len(rows))
    return found


def read(url: str, key: str, stream: str, n_rows: int) -> dict[str, float]:
    """Read everything, block by block."""
    return asyncio.run(_read(url, key, stream, n_rows))


async def _read(url: str, key: str, stream: str, n_rows: int) -> dict[str, float]:
    async with RemoteNode("bench", url, key=key) as node:
        model = await node.data_stream_get(stream)
        begin, cpu = time.perf_counter(), time.process_time()
        got = 0
        async with await node.data_read(model) as pipe:
            async for rows, _ in pipe.blocks():
                got += len(rows)
        found = _spent(got, begin, cpu)
    _expect(got, n_rows)
    return found


def send(url: str, key: str, source: str) -> dict[str, float]:
    """Send the bytes of a recording to a server that drops them."""
    return asyncio.run(_send(url, source))


async def _send(url: str, source: str) -> dict[str, float]:
    rows = load(source)
    whole = memoryview(rows.tobytes())

    async def parts() -> AsyncIterator[memoryview]:
        for first in range(0, len(whole), PART_BYTES):
            yield whole[first : first + PART_BYTES]

    async with aiohttp.ClientSession() as session:
        begin, cpu = time.perf_counter(), time.process_time()
        async with session.post(url, data=parts()) as response:
            size = int(await response.text())
        found = _spent(len(rows), begin, cpu)
    _expect(size, len(whole))
    return found


def fetch(url: str, key: str, n_rows: int, row_bytes: int) -> dict[str, float]:
    """Receive as many bytes as a recording has."""
    return asyncio.run(_fetch(url, n_rows, row_bytes))


async def _fetch(url: str, n_rows: int, row_bytes: int) -> dict[str, float]:
    async with aiohttp.ClientSession() as session:
        begin, cpu = time.perf_counter(), time.process_time()
        size = 0
        async with session.get(url, params={"bytes": n_rows * row_bytes}) as response:
            async for part in response.content.iter_any():
                size += len(part)
        found = _spent(n_rows, begin, cpu)
    _expect(size, n_rows * row_bytes)
    return found


def decimated(url: str, key: str, stream: str, max_rows: int = 1000) -> dict[str, float]:
    """Read a decimated view of everything: first with connecting, and then warm."""
    return asyncio.run(_decimated(url, key, stream, max_rows))


async def _decimated(url: str, key: str, stream: str, max_rows: int) -> dict[str, float]:
    times = []
    got = 0
    begin = time.perf_counter()
    async with RemoteNode("bench", url, key=key) as node:
        for _ in range(_WARM_READS + 1):
            async with await node.data_read(stream, max_rows=max_rows) as pipe:
                got = len(await pipe.read_all())
            now = time.perf_counter()
            times.append((now - begin) * 1e3)
            begin = now
    if not 0 < got <= max_rows:
        raise SystemExit(f"{got} rows for max_rows={max_rows}")
    return {"first": times[0], "warm": median(times[1:])}


def answers(url: str, key: str, source: str, seconds: float) -> dict[str, float]:
    """Time a small request, again and again: on an idle node, and while four programs write."""
    return asyncio.run(_answers(url, key, source, seconds))


async def _answers(url: str, key: str, source: str, seconds: float) -> dict[str, float]:
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession(headers={"X-API-KEY": key}))
        idle = await _times(session, url, seconds / 4)
        writers = [
            stack.enter_context(_writer(url, key, source, index)) for index in range(_WRITERS)
        ]
        for writer in writers:
            assert writer.stdout is not None
            writer.stdout.readline()  # it has begun
        begin = time.perf_counter()
        busy = await _times(session, url, seconds)
        n_rows = _stop(writers)
        spent = time.perf_counter() - begin
    return {
        "idle": percentile(idle, 99),
        "p50": percentile(busy, 50),
        "p99": percentile(busy, 99),
        "max": max(busy),
        "rate": n_rows / spent / 1e6,
    }


async def _times(session: aiohttp.ClientSession, url: str, seconds: float) -> list[float]:
    times: list[float] = []
    end = time.perf_counter() + seconds
    while (begin := time.perf_counter()) < end or not times:
        async with session.get(f"{url}/version.json") as response:
            await response.read()
            if response.status != 200:
                raise SystemExit(f"status {response.status}")
        times.append((time.perf_counter() - begin) * 1e3)
        await asyncio.sleep(_PAUSE_S)
    return times


def _writer(url: str, key: str, source: str, index: int) -> subprocess.Popen[bytes]:
    """Start a program that writes until its input is closed, and then says how many rows."""
    return subprocess.Popen(
        [sys.executable, "-m", "benchmarks.workers.served", url, source, f"/busy/writer_{index}"],
        env=os.environ | {"JOULE_API_KEY": key},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )


def _stop(writers: Sequence[subprocess.Popen[bytes]]) -> int:
    """Return how many rows all of them have written."""
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.close()
    n_rows = 0
    for writer in writers:
        assert writer.stdout is not None
        said = writer.stdout.read()
        if writer.wait():
            raise SystemExit("a writer failed")
        n_rows += int(said)
    return n_rows


async def write_on(url: str, key: str, source: str, stream: str) -> int:
    """Write a recording over and over, with times that go on, until the input is closed."""
    rows = load(source)
    step = int(rows["timestamp"][-1] - rows["timestamp"][0]) + PERIOD_US
    written = 0
    async with RemoteNode("bench", url, key=key) as node:
        model = await create(node, stream)
        closed = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
        async with await node.data_write(model) as pipe:
            print(flush=True)
            while not closed.done():
                for first in range(0, len(rows), BLOCK_ROWS):
                    if closed.done():
                        break
                    block = rows[first : first + BLOCK_ROWS]
                    await pipe.write(block)
                    written += len(block)
                rows["timestamp"] += step
    return written


def stall(url: str, key: str, source: str, stream: str, pid: int) -> dict[str, float]:
    """Have 20 clients ask for all rows and take none, then write beside them.

    Returns
    -------
    dict
        Memory of the server before and when they stand still, and how it went on from there.
    """
    before = _memory_mb(pid)
    place = urlsplit(url)
    head = (
        f"GET /data?{urlencode({'path': stream})} HTTP/1.1\r\n"
        f"Host: {place.netloc}\r\nX-API-KEY: {key}\r\n\r\n"
    )
    with ExitStack() as stack:
        for _ in range(_READERS):
            client = socket.create_connection((place.hostname, place.port))
            stack.enter_context(client).sendall(head.encode())
            if b" 200 " not in client.recv(64):
                raise SystemExit("a reader was refused")
        time.sleep(_SETTLED_S)
        standing = _memory_mb(pid)
        time.sleep(_STAND_S)
        later = _memory_mb(pid)
        asyncio.run(_write_beside(url, key, source))
    return {"before": before, "standing": standing, "growth": later / standing}


async def _write_beside(url: str, key: str, source: str) -> None:
    rows = load(source)

    async def write(index: int) -> None:
        model = await create(node, f"/beside/writer_{index}")
        async with await node.data_write(model) as pipe:
            for first in range(0, len(rows), BLOCK_ROWS):
                await pipe.write(rows[first : first + BLOCK_ROWS])

    async with RemoteNode("bench", url, key=key) as node:
        await asyncio.gather(*map(write, range(_WRITERS)))


def _memory_mb(pid: int) -> float:
    """Return what a process has in memory now."""
    # the one way that all systems have
    found = subprocess.run(
        ["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, check=True, text=True
    )
    return int(found.stdout) * 1024 / 1e6


def _spent(n_rows: int, begin: float, cpu: float) -> dict[str, float]:
    return {
        "rate": n_rows / (time.perf_counter() - begin) / 1e6,
        "cpu": time.process_time() - cpu,
    }


def _expect(got: int, wanted: int) -> None:
    if got != wanted:
        raise SystemExit(f"{got} came back, {wanted} were expected")


if __name__ == "__main__":
    print(asyncio.run(write_on(sys.argv[1], os.environ["JOULE_API_KEY"], *sys.argv[2:])))
