"""Clients without a key, or with a wrong one: they get an answer, and nothing else is done."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from contextlib import suppress
from typing import TYPE_CHECKING

import aiohttp
import pytest

from joule_cli.server.settings import ServerSettings
from tests.serving import KEY, serve

if TYPE_CHECKING:
    from joule_cli.api.node import Node

#: What one request may bring in before its key is looked at; buffers of sockets are not counted.
SMALL = 4 * 1024 * 1024


@pytest.fixture
def unpacked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of all that is unpacked meanwhile."""
    sizes: list[int] = []
    make = zlib.decompressobj

    def counting(*args, **kwargs):
        inner = make(*args, **kwargs)

        class Counting:
            def decompress(self, *args):
                found = inner.decompress(*args)
                sizes.append(len(found))
                return found

            def __getattr__(self, name):
                return getattr(inner, name)

        return Counting()

    monkeypatch.setattr(zlib, "decompressobj", counting)
    return sizes


class Raw:
    """One request as bytes, over a connection of its own."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def open(cls, url: str) -> Raw:
        host, _, port = url.rpartition("/")[2].partition(":")
        return cls(*await asyncio.open_connection(host, int(port)))

    async def send(self, *lines: str, body: bytes = b"") -> None:
        self.writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        await self.writer.drain()

    async def status(self) -> int:
        return int((await self.reader.readuntil(b"\r\n\r\n")).split()[1])

    async def close(self) -> None:
        self.writer.transport.abort()
        self.writer.close()


def head(method: str, path: str, *more: str) -> list[str]:
    return [f"{method} {path} HTTP/1.1", "Host: x", "Content-Type: application/json", *more]


BOMB = gzip.compress(b"\0" * 50_000_000, 9)


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/stream.json"), ("POST", "/data"), ("POST", "/archive.json"), ("PUT", "/nothing"),
     ("POST", "/interface/p0/"), ("POST", "/follower.json"), ("GET", "/version.json")],
)  # fmt: skip
async def test_nothing_is_unpacked_before_the_key_is_right(
    node: Node, unpacked: list[int], method: str, path: str, coding: str
):
    body = BOMB if coding == "gzip" else zlib.compress(b"\0" * 50_000_000, 9)
    async with serve(node) as served, aiohttp.ClientSession() as session:
        for headers in ({}, {"X-API-KEY": "wrong"}):
            async with session.request(
                method,
                served.url + path,
                data=body,
                headers={"Content-Encoding": coding, "Content-Type": "application/json", **headers},
            ) as response:
                # joins are not for the nodes of this test
                assert response.status == (400 if path == "/follower.json" else 403)
    assert unpacked == []


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_stranger_cannot_make_the_server_read_on(node: Node, chunked: bool):
    async with serve(node) as served:
        raw = await Raw.open(served.url)
        length = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {10**12}"
        await raw.send(*head("POST", "/data", length))
        assert await raw.status() == 403
        sent = 0
        part = b"x" * 65536
        with suppress(ConnectionError):
            while sent < 2**30:
                raw.writer.write(b"%x\r\n%b\r\n" % (len(part), part) if chunked else part)
                await raw.writer.drain()
                sent += len(part)
        assert sent < SMALL + 8 * 2**20  # buffers of the sockets
        await raw.close()


async def test_a_small_body_of_a_stranger_does_not_cost_its_answer(node: Node):
    async with serve(node) as served, aiohttp.ClientSession() as session:
        for _ in range(3):
            async with session.post(f"{served.url}/stream.json", data=b"x" * 1_000_000) as response:
                assert (response.status, await response.text()) == (403, "403: Forbidden")


@pytest.mark.parametrize("name", [b"X-API-KEY: ", b"Cookie: X-API-KEY="])
@pytest.mark.parametrize("key", [b"\xff\xfe", b"\xed\xa0\x80", b"\xc3", "ü".encode() * 40])
async def test_bytes_that_are_no_text_are_a_wrong_key(node: Node, name: bytes, key: bytes, caplog):
    settings = ServerSettings(name="n", importer_key="importer", stop_timeout_s=1)
    async with serve(node, settings=settings) as served:
        for path in (b"/archive.json", b"/interface/p0/", b"/version.json"):
            raw = await Raw.open(served.url)
            head = b"GET %b HTTP/1.1\r\nHost: x\r\nOrigin: http://x\r\n%b%b\r\n\r\n"
            raw.writer.write(head % (path, name, key))
            assert await raw.status() in {400, 403}
            await raw.close()
    assert not [record for record in caplog.records if record.exc_info]


# bodies of clients with a key


async def test_sizes_count_after_unpacking(node: Node, unpacked: list[int]):
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip", "X-API-KEY": KEY}
    async with serve(node) as served, aiohttp.ClientSession() as session:
        async with session.put(f"{served.url}/folder.json", data=BOMB, headers=headers) as response:
            assert response.status == 413
        assert sum(unpacked) < 2**21
        for body in (gzip.compress(b"{}"), gzip.compress(b"{") + gzip.compress(b"}")):
            async with session.put(
                f"{served.url}/folder.json", data=body, headers=headers
            ) as response:
                assert await response.text() == "400: Invalid request: specify id"


PACKED = gzip.compress(b"{}", mtime=0)


@pytest.mark.parametrize(
    ("coding", "body", "status"),
    [
        ("gzip", PACKED[:-3], 400),
        ("gzip", PACKED + b"x", 400),
        ("gzip", gzip.compress(b"", mtime=0) * 200 + PACKED, 400),
        ("gzip", b"nothing of the kind", 400),
        ("deflate", zlib.compress(b"{}")[:-1], 400),
        ("br", b"\x0b\x00\x80{}\x03", 415),
        ("zstd", b"{}", 415),
        ("gzip, gzip", gzip.compress(PACKED, mtime=0), 415),
        ("x", b"{}", 415),
    ],
    ids=["cut", "garbage", "members", "text", "deflate", "br", "zstd", "twice", "unknown"],
)
async def test_bodies_that_cannot_be_unpacked(node: Node, coding: str, body: bytes, status: int):
    headers = {"Content-Type": "application/json", "Content-Encoding": coding, "X-API-KEY": KEY}
    async with (
        serve(node) as served,
        aiohttp.ClientSession() as session,
        session.put(f"{served.url}/folder.json", data=body, headers=headers) as response,
    ):
        assert response.status == status, await response.text()


@pytest.mark.parametrize("coding", ["deflate", "identity", "GZIP", "x-gzip"])
async def test_codings_that_a_node_knows(node: Node, coding: str):
    raw = zlib.compressobj(wbits=-15)
    bodies = {
        "deflate": [zlib.compress(b"{}"), raw.compress(b"{}") + raw.flush()],
        "identity": [b"{}"],
    }.get(coding, [gzip.compress(b"{}")])
    headers = {"Content-Type": "application/json", "Content-Encoding": coding, "X-API-KEY": KEY}
    async with serve(node) as served, aiohttp.ClientSession() as session:
        for body in bodies:
            async with session.put(
                f"{served.url}/folder.json", data=body, headers=headers
            ) as response:
                assert await response.text() == "400: Invalid request: specify id"
