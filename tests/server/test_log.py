"""What the log of a served node says of requests that are refused."""

from __future__ import annotations

import asyncio
import io
import logging
import subprocess
from typing import TYPE_CHECKING

import aiohttp
import numpy as np
import pytest

from joule_cli.server.settings import ServerSettings
from tests.contracts.streams import flow
from tests.nodes import FileNode
from tests.serving import KEY, serve

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from joule_cli.api.node import Node

ROW = np.dtype([("timestamp", "<i8"), ("data", "<f4", (2,))])
HEADERS = {"X-API-KEY": KEY, "Content-Type": "application/json"}


@pytest.fixture(autouse=True)
def lines(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG, "joule_cli")
    return caplog


def told(lines: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    """Return the lines of the log, those of requests without a fault left out."""
    records = lines.records
    assert not [record for record in records if record.exc_info]
    return [
        (record.levelname, record.getMessage())
        for record in records
        if record.levelno > logging.INFO
    ]


async def send(url: str, data: bytes) -> bytes:
    host, _, port = url.rpartition("/")[2].partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(data)
    found = await reader.read()
    writer.close()
    return found


@pytest.mark.parametrize(
    ("method", "path", "body", "end"),
    [
        ("GET", "/stream.json?path=/none", None, '" 404 193 TIME stream does not exist: /none'),
        ("POST", "/stream.json", b"{", " invalid json"),
        ("POST", "/stream.json", b'{"stream": {}}', "specify a destination"),
        ("POST", "/event/data.json", b'{"path": []}', "parameter path must be a text"),
        ("GET", "/folder.json?path=/%1b[31m%0aERROR", None, r"folder does not exist: /\x1b[31m\n"),
        ("GET", "/folder.json?path=/%e2%80%aex", None, r"folder does not exist: /\u202ex"),
        ("GET", "/nothing", None, " Not Found"),
        ("TRACE", "/data", None, " Method Not Allowed"),
    ],
)
async def test_a_refusal_is_one_line_with_its_reason(
    node: Node, lines, method: str, path: str, body: bytes | None, end: str
):
    async with serve(node) as served, aiohttp.ClientSession() as session:
        url = aiohttp.client.URL(served.url + path, encoded=True)
        async with session.request(method, url, data=body, headers=HEADERS) as response:
            assert response.status >= 400
    [(level, line)] = told(lines)
    assert level == "WARNING"
    assert end.rpartition("TIME")[2].strip() in line
    assert line.isprintable()


@pytest.mark.parametrize(
    "data",
    [
        b"garbage\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nBad Header: 1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
        b"GET /\xff HTTP/9.9\r\n\r\n",
        b"POST /data HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /?a=%ZZ%00\xc3 HTTP/1.1\r\nHost: \xff\r\n\r\n",
    ],
)
async def test_a_head_that_cannot_be_read_is_one_line(node: Node, lines, data: bytes):
    async with serve(node) as served, asyncio.timeout(20):
        assert (await send(served.url, data)).startswith((b"HTTP/1.1 4", b"HTTP/1.0 4"))
    [(level, _)] = told(lines)
    assert level == "WARNING"


async def test_an_answer_that_breaks_off_is_one_line(node: Node, lines, tmp_path: Path):
    stream = await node.data_stream_create(flow(), "/a")
    async with await node.data_write(stream) as pipe:
        rows = np.zeros(300_000, ROW)
        rows["timestamp"] = np.arange(1, len(rows) + 1)
        await pipe.write(rows)
    async with serve(node) as served, asyncio.timeout(20):
        host, _, port = served.url.rpartition("/")[2].partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(
            f"GET /data?id={stream.id} HTTP/1.1\r\nHost: x\r\nX-API-KEY: {KEY}\r\n\r\n".encode()
        )
        await reader.readline()
        writer.transport.abort()
        writer.close()
        while not told(lines):
            await asyncio.sleep(0)
    [(level, line)] = told(lines)
    assert (level, line.endswith("cut off: the client is gone")) == ("WARNING", True)


async def test_a_client_that_goes_away_while_it_sends_is_one_line(node: Node, lines):
    stream = await node.data_stream_create(flow(), "/a")
    async with serve(node) as served, asyncio.timeout(20):
        host, _, port = served.url.rpartition("/")[2].partition(":")
        _, writer = await asyncio.open_connection(host, int(port))
        head = f"POST /data?id={stream.id} HTTP/1.1\r\nHost: x\r\nX-API-KEY: {KEY}\r\n"
        writer.write(f"{head}Content-Length: 999\r\n\r\npart".encode())
        await writer.drain()
        while not (await node.data_stream_get(stream)).is_destination:
            await asyncio.sleep(0)
        writer.transport.abort()
        writer.close()
        while not told(lines):
            await asyncio.sleep(0)
    [(level, line)] = told(lines)
    assert (level, "the client is gone" in line) == ("WARNING", True)


# a full disk


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 3 MiB, on which a tenth is left."""
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "none", place]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("a small file system cannot be mounted here")
    (place / "ballast").write_bytes(bytes(1_500_000))
    yield place
    subprocess.run(["umount", place], check=True)


async def test_a_full_disk_is_told_with_its_file(full_disk: Path, lines):
    file = full_disk / "n.db"
    rng = np.random.default_rng(1)
    async with FileNode("n", file) as node:
        stream = await node.data_stream_create(flow(), "/a")
        async with serve(node) as served, aiohttp.ClientSession(headers=HEADERS) as session:
            status, first = 200, 1
            while status == 200:
                rows = np.zeros(20_000, ROW)
                rows["timestamp"] = first + np.arange(len(rows))
                rows["data"] = rng.random((len(rows), 2))
                first += len(rows)
                url = f"{served.url}/data?id={stream.id}&merge-gap=5"
                async with session.post(url, data=io.BytesIO(rows.tobytes())) as response:
                    status, text = response.status, await response.text()
    assert (status, text) == (500, "500: no space left on the disk")
    [(level, line)] = told(lines)
    assert level == "ERROR"
    assert f"no space left on the disk: {file}" in line


async def test_a_full_disk_of_archives_is_told(full_disk: Path, node: Node, lines):
    settings = ServerSettings(name="n", archive_directory=full_disk, stop_timeout_s=1)
    async with (
        serve(node, settings=settings) as served,
        aiohttp.ClientSession(headers=HEADERS) as session,
        session.post(f"{served.url}/archive.json", data=io.BytesIO(bytes(5_000_000))) as response,
    ):
        assert response.status == 500
        assert await response.text() == "500: no space left on the disk for the archive"
        while not told(lines):
            await asyncio.sleep(0)
    [(level, line)] = told(lines)
    assert (level, line.endswith("no space left on the disk for the archive")) == ("ERROR", True)
    assert [path.name for path in full_disk.iterdir()] == ["ballast"]
