"""Odd requests to every endpoint from several clients at once: none is lost, none does harm.

Beside `test_fuzz`, which looks at single groups: other requests in each run, bodies of rows and
archives, keys and joins, and what the network does to requests.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import TYPE_CHECKING

import aiohttp
import numpy as np
import pytest
from yarl import URL

from joule_cli.engine.node import EmbeddedNode
from joule_cli.model import Event, EventStream
from joule_cli.server.app import make_app
from joule_cli.server.listeners import TcpAddress
from joule_cli.server.runner import Server
from joule_cli.server.settings import ServerSettings
from joule_cli.wire import endpoints
from tests.contracts.streams import flow
from tests.server.test_fuzz import NAMES, TEXTS, body_of, ensure_streams
from tests.serving import KEY, FixedKeys

if TYPE_CHECKING:
    from pathlib import Path

    from joule_cli.api.node import Node
    from joule_cli.model import DataStream

PATHS = sorted(
    value for name, value in vars(endpoints).items() if name.isupper() and isinstance(value, str)
)
METHODS = ["GET", "GET", "POST", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "TRACE", "X"]
PARAMETERS = [
    *NAMES, "max-rows", "decimation-level", "merge-gap", "max_gap", "subscribe", "statistics",
    "master_type", "identifier", "api_key", "key", "port", "scheme", "base_uri", "name_is_host",
]  # fmt: skip
#: Nobody listens there, and nobody beyond this machine is asked.
PLACES = ["http://127.0.0.1:1", "127.0.0.1:1", "http://[::1]:1/x", "ftp://x", "::", "", "a b"]
CLIENTS = 8
#: Of a request that the server forgot.
HANG_S = 60
ROW = np.dtype([("timestamp", "<i8"), ("data", "<f4", (2,))])
N_KEPT = 20_000


def rows_of(rng: random.Random) -> bytes:
    """Return rows that increase, mostly, with breaks, odd values and a cut end."""
    rows = np.zeros(rng.randrange(200), ROW)
    step = rng.choice([1, 1, 1, 0, -1, 2**40])
    start = rng.choice([0, 10**15 + rng.randrange(10**9), -(2**62), 2**63 - 100])
    with np.errstate(over="ignore"):
        rows["timestamp"] = start + step * np.arange(len(rows), dtype="<i8")
    for _ in range(rng.randrange(3)):
        if len(rows):
            rows["data"][rng.randrange(len(rows))] = rng.choice([np.nan, np.inf, 1e38, -0.0])
            rows[rng.randrange(len(rows))] = 0
    data = rows.tobytes()
    return data[: rng.randrange(len(data) + 1)] if rng.random() < 0.2 else data


def request_of(rng: random.Random) -> tuple[str, URL, dict[str, str], bytes | None]:
    method = rng.choice(METHODS)
    path = rng.choice(PATHS)
    if rng.random() < 0.05:
        path = rng.choice(
            [path + "/", path.upper(), "/interface/p0/x", "/%00", "/..%2f..%2fetc", "//"]
        )
    texts = [*TEXTS, *PLACES]
    query = [
        (rng.choice(PARAMETERS), rng.choice(texts).replace("\ud800", "\ufffd"))
        for _ in range(rng.randrange(5))
    ]
    if rng.random() < 0.6:
        query.insert(0, ("path", rng.choice(["/a/flow", "/a/e", "/a"])))
    # a subscription may go on for ever, which is no fault
    query = [(name, value) for name, value in query if (name, value) != ("subscribe", "1")]
    headers = {"X-API-KEY": KEY}
    if rng.random() < 0.05:
        headers["X-API-KEY"] = rng.choice(["", "x", "é".encode().decode("latin-1"), KEY[:-1]])
    body = None
    if method in {"POST", "PUT", "PATCH"} or rng.random() < 0.05:
        media_type = rng.choice(["application/json"] * 9 + ["text/plain", "a/b; c", "\x7f"])
        headers["Content-Type"] = media_type.replace("\x7f", "-")
        rows = path == endpoints.DATA or rng.random() < 0.05
        body = rows_of(rng) if rows else body_of(rng)
        if path in {endpoints.MASTER, endpoints.FOLLOWER}:
            place = rng.choice(PLACES)
            body = (
                f'{{"master_type": "{rng.choice(["user", "joule", "lumen", "x"])}", '
                f'"identifier": "{place}", "lumen_params": {{}}, "api_key": null, '
                f'"key": "{"k" * 40}", "port": {rng.choice(["1", "99999", "null"])}, '
                '"scheme": "http", "base_uri": "", "name": "127.0.0.1", "name_is_host": 1}'
            ).encode()
    return method, URL.build(path=path, encoded=True).with_query(query), headers, body


async def send_many(base: str, rng: random.Random, number: int, answered: Counter[int]) -> None:
    """Send requests one after the other; fail on the first answer that no client should get."""
    async with aiohttp.ClientSession() as session:
        for _ in range(number):
            method, target, headers, body = request_of(rng)
            url = URL(f"{base}{target.raw_path_qs}", encoded=True)
            if rng.random() < 0.03:
                await break_off(base, rng, method, target, headers)
                continue
            async with (
                asyncio.timeout(HANG_S),
                session.request(
                    method, url, headers=headers, data=body, allow_redirects=False
                ) as response,
            ):
                answered[response.status] += 1
                text = await response.read()
                where = (method, str(target), headers, body, text[:200])
                assert response.status < 500, where
                assert b"Traceback" not in text, where


async def break_off(
    base: str, rng: random.Random, method: str, target: URL, headers: dict[str, str]
) -> None:
    """Send a part of a request, perhaps with garbage in it, and go away."""
    host, _, port = base.removeprefix("http://").partition(":")
    _, writer = await asyncio.open_connection(host, int(port))
    lines = [f"{method} {target.raw_path_qs} HTTP/1.1", "Host: x"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lines += ["Content-Length: 100000", "", "{"]
    data = bytearray("\r\n".join(lines).encode("utf-8", "replace"))
    if rng.random() < 0.5:
        data[rng.randrange(len(data))] = rng.randrange(256)
    writer.write(data[: rng.randrange(len(data) + 1)])
    await writer.drain()
    if rng.random() < 0.5:
        writer.transport.abort()
    writer.close()


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


@pytest.mark.parametrize("number", [400, 10_000])
async def test_nothing_is_lost_and_everybody_gets_an_answer(tmp_path: Path, number: int, caplog):
    seed = random.randrange(10**9)
    print(f"seed {seed}")
    answered: Counter[int] = Counter()
    async with EmbeddedNode("demo", tmp_path / "n.db") as node:
        kept = await make_kept(node)
        settings = ServerSettings(name="n", stop_timeout_s=5)
        server = Server(make_app(node, keys=FixedKeys({KEY: 1}), settings=settings))
        try:
            [base] = await server.start([TcpAddress(port=0)])
            rngs = [random.Random(f"{seed} {client}") for client in range(CLIENTS)]
            async with asyncio.TaskGroup() as group:
                for rng in rngs:
                    group.create_task(send_many(base, rng, number // CLIENTS, answered))
        finally:
            await server.stop()
        async with await node.data_read(kept) as pipe:
            rows = await pipe.read_all(maxrows=2 * N_KEPT)
        assert rows["timestamp"].tolist() == list(range(1, N_KEPT + 1))
        assert (rows["data"][:, 0] == rows["timestamp"] % 7).all()
        assert await node.event_stream_count("/kept/below/kept_too") == 100
    faults = [record for record in caplog.records if record.levelname == "ERROR"]
    assert not [(each.getMessage(), each.exc_info) for each in faults]
    assert answered[200] > number // 50, "hardly anything was reached"
