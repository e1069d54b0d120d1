"""Odd requests to every endpoint of the real program, from several clients at once.

None is a server fault, none is lost, none does harm, and none keeps others waiting. Beside
`test_fuzz`, which looks at single groups: each run sends other requests, unless
``JOULE_FUZZ_SEED`` names those of an earlier one.
"""

from __future__ import annotations

import asyncio
import io
import os
import random
import subprocess
import sys
from collections import Counter
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
from yarl import URL

from joule_cli.model import Event, EventStream
from tests.contracts.streams import flow
from tests.nodes import FileNode
from tests.server.odd_requests import OddRequest, odd_request
from tests.server.test_fuzz import ensure_streams
from tests.serving import KEY

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from joule_cli.api.node import Node
    from joule_cli.model import DataStream

N_REQUESTS = 10_000
CLIENTS = 8
#: Seconds; of a request that the server forgot.
HANG_S = 600
N_KEPT = 20_000
#: Seconds of its time that the server may need from a request for its version to the answer, with
#: whatever comes in between. It is the time of its processor, so that a crowded machine is none.
PROMPT_S = 0.2
#: Bytes that the memory of the server may grow by, once every endpoint has been used.
FLAT_BYTES = 24 * 2**20


class Program:
    """The program that serves, as the system sees it."""

    def __init__(self, process: subprocess.Popen[bytes], url: str) -> None:
        self.process, self.url = process, url
        self._proc = Path(f"/proc/{process.pid}")

    def loop_s(self) -> float:
        """Return the time that its event loop has had a processor."""
        task = self._proc / "task" / str(self.process.pid) / "schedstat"
        return int(task.read_text().split()[0]) / 1e9

    def memory_bytes(self) -> int:
        """Return its resident memory."""
        pages = int((self._proc / "statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")


@asynccontextmanager
async def serving(file: Path, log: Path) -> AsyncIterator[Program]:
    """Serve a node file by the real program."""
    reading, writing = os.pipe()
    command = [sys.executable, "-m", "joule_cli", "node", "serve", str(file), "--port", "0"]
    command += ["--name", "n", "--accept-followers", "--private-followers", "--grace", "5s"]
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*command, "--ready-fd", str(writing)], stderr=out, pass_fds=[writing]
        )
        os.close(writing)
        try:
            with os.fdopen(reading, "rb") as ready:
                url = (await asyncio.to_thread(ready.readline)).decode().strip()
            yield Program(process, url)
            process.terminate()
            assert await asyncio.to_thread(process.wait, HANG_S) == 0
        finally:
            process.kill()
            process.wait()


async def send_many(
    program: Program, rng: random.Random, number: int, answered: Counter[int]
) -> None:
    """Send requests one after the other; fail on the first answer that no client should get."""
    before: list[OddRequest] = []
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        for _ in range(number):
            request = odd_request(rng, KEY)
            before = [*before[-4:], request]
            if rng.random() < 0.03:
                await break_off(program.url, rng, request)
                continue
            try:
                status, text = await send(session, program.url, request, rng)
            except TimeoutError:
                raise AssertionError(f"no answer to the last of {before}") from None
            answered[status] += 1
            assert status < 500, (request, text[:300])
            assert b"Traceback" not in text, request


async def send(
    session: aiohttp.ClientSession, base: str, request: OddRequest, rng: random.Random
) -> tuple[int, bytes]:
    """Send one request, that of a guessed key from an address of its own."""
    data = None if request.body is None else io.BytesIO(request.body)
    options = {} if data is None or not request.chunked else {"chunked": True}
    headers = dict(request.headers)
    url = URL(f"{base}{request.target.raw_path_qs}", encoded=True)
    guessed = headers.get("X-API-KEY", KEY) != KEY or "Cookie" in headers
    async with (
        asyncio.timeout(HANG_S),
        from_elsewhere(rng) if guessed else same(session) as client,
        client.request(
            request.method, url, headers=headers, data=data, allow_redirects=False, **options
        ) as response,
    ):
        return response.status, await response.read()


@asynccontextmanager
async def same(session: aiohttp.ClientSession) -> AsyncIterator[aiohttp.ClientSession]:
    yield session


@asynccontextmanager
async def from_elsewhere(rng: random.Random) -> AsyncIterator[aiohttp.ClientSession]:
    """Give a client at an address that has guessed nothing so far."""
    place = f"127.{rng.randrange(1, 255)}.{rng.randrange(255)}.{rng.randrange(1, 255)}"
    connector = aiohttp.TCPConnector(local_addr=(place, 0))
    async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as session:
        yield session


async def break_off(base: str, rng: random.Random, request: OddRequest) -> None:
    """Send a part of a request, perhaps with garbage in it, and go away."""
    host, _, port = base.removeprefix("http://").partition(":")
    _, writer = await asyncio.open_connection(host, int(port))
    lines = [f"{request.method} {request.target.raw_path_qs} HTTP/1.1", "Host: x"]
    lines += [f"{name}: {value}" for name, value in request.headers.items()]
    lines += ["Content-Length: 100000", "", "{"]
    data = bytearray("\r\n".join(lines).encode("utf-8", "replace"))
    if rng.random() < 0.5:
        data[rng.randrange(len(data))] = rng.randrange(256)
    writer.write(data[: rng.randrange(len(data) + 1)])
    with suppress(ConnectionError):
        await writer.drain()
    if rng.random() < 0.5:
        writer.transport.abort()
    writer.close()


async def look(program: Program, sizes: list[int], times: list[float]) -> None:
    """Ask for the version again and again; note how large the server is, and its time for it."""
    url = f"{program.url}/version.json"
    async with aiohttp.ClientSession(headers={"X-API-KEY": KEY}) as session:
        while True:
            before = program.loop_s()
            async with session.get(url) as response:
                assert response.status == 200
                await response.read()
            taken = program.loop_s() - before
            assert taken < PROMPT_S, f"{taken} s"
            sizes.append(program.memory_bytes())
            times.append(taken)
            await asyncio.sleep(0.02)


async def make_kept(node: Node) -> DataStream:
    """Store rows that no request means, behind others that take the low ids."""
    await ensure_streams(node)
    for number in range(8):
        await node.data_stream_create(flow(f"t{number}"), "/t")
        await node.event_stream_create(EventStream(f"u{number}"), f"/t{number}")
    kept = await node.data_stream_create(flow("kept"), "/kept/below")
    await node.event_stream_create(EventStream("kept_too"), "/kept/below")
    await node.event_stream_write("/kept/below/kept_too", [Event(n, n + 1) for n in range(100)])
    async with await node.data_write(kept) as pipe:
        await pipe.write([[ts, ts % 7, 2] for ts in range(1, N_KEPT + 1)])
    return kept


async def test_nothing_is_lost_and_everybody_gets_an_answer(tmp_path: Path):
    seed = os.environ.get("JOULE_FUZZ_SEED") or str(random.randrange(10**9))
    print(f"JOULE_FUZZ_SEED={seed}")
    file, log = tmp_path / "n.db", tmp_path / "log"
    async with FileNode("demo", file) as node:
        kept = await make_kept(node)
        await node.master_add("user", "operator", api_key=KEY)
    answered: Counter[int] = Counter()
    sizes: list[int] = []
    times: list[float] = []
    async with serving(file, log) as program:
        rngs = [random.Random(f"{seed} {client}") for client in range(CLIENTS)]
        looking = asyncio.create_task(look(program, sizes, times))
        async with asyncio.TaskGroup() as group:
            for rng in rngs:
                group.create_task(send_many(program, rng, N_REQUESTS // CLIENTS, answered))
        looking.cancel()
        with suppress(asyncio.CancelledError):
            await looking
    async with FileNode("demo", file) as node:
        async with await node.data_read(kept) as pipe:
            rows = await pipe.read_all(maxrows=2 * N_KEPT)
        assert rows["timestamp"].tolist() == list(range(1, N_KEPT + 1))
        assert (rows["data"][:, 0] == rows["timestamp"] % 7).all()
        assert await node.event_stream_count("/kept/below/kept_too") == 100
    lines = log.read_text("utf-8", "replace").splitlines()
    assert not [line for line in lines if "Traceback" in line or '  File "' in line]
    # one line for each answer, and little else
    assert len(lines) < 2 * N_REQUESTS + len(sizes)
    assert answered[200] > N_REQUESTS // 50, "hardly anything was reached"
    assert answered[403] > N_REQUESTS // 50, "hardly anything was refused"
    warm = sizes[len(sizes) // 4]
    print(sorted(answered.items()), f"{max(sizes) - warm:,} bytes more", f"{max(times):.3f} s")
    assert max(sizes) - warm < FLAT_BYTES, (warm, max(sizes))
