"""A server that means harm: the client ends in time, within its memory, and writes nowhere else."""

from __future__ import annotations

import asyncio
import json
import struct
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest

from joule_cli.errors import ApiError, NodeTimeoutError, ProtocolError, TransferCutError
from joule_cli.model import DataStream, Element
from joule_cli.remote import bodies, event_paging
from joule_cli.remote.arrival import SLOWEST, Arrival
from joule_cli.remote.node import RemoteNode
from tests.remote.hostile import answer, hostile, sends

if TYPE_CHECKING:
    from pathlib import Path

#: No test waits for it, but for what it ends.
LIMIT_S = 0.4
FLOW = DataStream(name="flow", elements=[Element("a")], id=3)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
ROWS_HEAD = b"HTTP/1.1 200 OK\r\njoule-layout: %b\r\njoule-decimation: %d\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"


@asynccontextmanager
async def facing(behaviour, timeout_s=LIMIT_S):
    async with (
        hostile(behaviour) as server,
        RemoteNode("bad", f"http://localhost:{server.port}", timeout_s=timeout_s) as node,
    ):
        yield node, server


def drips(begin: bytes, part: bytes = b"x", pause_s: float = 0.05):
    """Answer with something, and then with little bits for ever."""

    async def behave(reader, writer):
        writer.write(begin)
        with suppress(ConnectionError):
            while True:
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(pause_s)

    return behave


def pours(begin: bytes, part: bytes):
    """Answer with something, and then with as much as is taken."""
    return drips(begin, part, 0)


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


CALLS = {
    "get": lambda node: node.folder_root(),
    "put": lambda node: node.folder_move("/a", "/b"),
    "read": lambda node: node.data_read(FLOW),
    "follow": lambda node: anext(node.event_stream_follow("/e")),
}


# slow drip


async def test_the_head_of_a_subscription_that_drips_is_not_waited_for():
    async def behave(reader, writer):
        if b"/stream.json" in server.requests[-1]:
            writer.write(answer(json.dumps(FLOW.to_json()).encode()))
        else:
            await drips(b"HTTP/1.1 200 OK\r\n", b"X: 1\r\n")(reader, writer)

    async with facing(behave) as (node, server), asyncio.timeout(20):
        with pytest.raises(NodeTimeoutError):
            await node.data_subscribe(FLOW, follow=True)


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize(
    "behaviour",
    [
        drips(b""),
        drips(b"HTTP/1.1 200 OK\r\nX: "),
        drips(b"HTTP/1.1 200 OK\r\n", b"X: 1\r\n"),
        drips(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        drips(b"", b"HTTP/1.1 103 Early Hints\r\nX: 1\r\n\r\n"),
    ],
    ids=["line", "header", "headers", "continue", "hints"],
)
async def test_a_head_that_drips_is_not_waited_for(call, behaviour):
    async with facing(behaviour) as (node, _), asyncio.timeout(20):
        with pytest.raises((NodeTimeoutError, ProtocolError)):
            await call(node)


@pytest.mark.parametrize(
    "begin",
    [HEAD + b"Content-Length: 100000\r\n\r\n", HEAD + b"\r\n"],
    ids=["length", "until closed"],
)
async def test_a_body_that_drips_is_not_waited_for(begin):
    async with facing(drips(begin, b" ")) as (node, _), asyncio.timeout(20):
        with pytest.raises(NodeTimeoutError, match=r"has sent no more than \d+ bytes in 0.4 s"):
            await node.folder_root()


async def test_chunks_that_drip_are_not_waited_for():
    async with facing(drips(HEAD + CHUNKED, chunk(b" "))) as (node, _), asyncio.timeout(20):
        with pytest.raises(NodeTimeoutError):
            await node.folder_root()


async def test_a_refusal_that_drips_is_not_waited_for():
    begin = b"HTTP/1.1 400 Bad\r\nContent-Length: 10000\r\n\r\n"
    async with facing(drips(begin)) as (node, _), asyncio.timeout(20):
        with pytest.raises(NodeTimeoutError):
            await node.folder_delete("/a")


async def test_rows_that_drip_are_not_waited_for():
    begin = ROWS_HEAD % (b"float32_1", 1) + CHUNKED
    async with facing(drips(begin, chunk(b"\1"))) as (node, _), asyncio.timeout(20):
        pipe = await node.data_read(FLOW)
        with pytest.raises(NodeTimeoutError):
            await pipe.read_all()
        await pipe.close()


async def test_an_answer_to_an_upload_that_drips_is_not_waited_for():
    async def behave(reader, writer):
        if server.requests[-1].startswith(b"GET"):
            writer.write(answer(json.dumps(FLOW.to_json()).encode()))
            return
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        await drips(b"HTTP/1.1 200 OK\r\n", b"X: 1\r\n", 0.2)(reader, writer)

    async with facing(behave) as (node, server), asyncio.timeout(20):
        pipe = await node.data_write(FLOW)
        await pipe.write([[1, 2.0]])
        with pytest.raises(NodeTimeoutError):
            await pipe.close()


async def test_an_archive_that_is_not_taken_is_not_waited_for(tmp_path: Path):
    file = tmp_path / "a.zip"
    with file.open("wb") as out:
        out.truncate(30_000_000)

    async def behave(reader, writer):
        await asyncio.Event().wait()

    async with facing(behave, 0.05) as (node, _), asyncio.timeout(20):
        with pytest.raises(NodeTimeoutError):
            await node.archive_upload(file)


async def test_a_slow_line_is_waited_for():
    body = json.dumps([[n, n + 1] for n in range(0, 3000, 2)]).encode()

    async def behave(reader, writer):
        writer.write(answer(b"", length=len(body)))
        for begin in range(0, len(body), 2000):
            writer.write(body[begin : begin + 2000])
            await writer.drain()
            await asyncio.sleep(0.05)

    async with facing(behave, 0.5) as (node, _):
        assert len(await node.data_intervals("/a/flow")) == 1500


async def test_only_the_time_of_the_node_counts():
    """A reader may be as slow as it likes."""

    class Response:
        def __init__(self, parts):
            self.content = self
            self.parts = parts

        async def readany(self):
            return self.parts.pop(0)

    arrival = Arrival(Response([b"x"] * 50 + [b""]), 0.05, "u")  # type: ignore[arg-type]
    while await arrival.part():
        await asyncio.sleep(0.005)
    assert 0.05 * SLOWEST < 50


# without end


@pytest.mark.parametrize(
    "behaviour",
    [
        pours(b"HTTP/1.1 200 OK\r\nX: ", b"x" * 65536),
        pours(b"HTTP/1.1 200 OK\r\n", b"X: 1\r\n" * 1000),
        pours(b"HTTP/1.1 200 " + b"x" * 1000, b"x" * 65536),
        pours(b"HTTP/1.1 200 OK\r\n", b"Set-Cookie: a=" + b"x" * 1000 + b"\r\n"),
    ],
    ids=["header", "headers", "reason", "cookies"],
)
async def test_heads_without_end(behaviour):
    async with facing(behaviour, 20) as (node, _), asyncio.timeout(20):
        with pytest.raises(ProtocolError):
            await node.folder_root()


async def test_interim_answers_without_end():
    behaviour = pours(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100)
    async with facing(behaviour) as (node, _), asyncio.timeout(30):
        with pytest.raises(ApiError):
            await node.folder_root()


async def test_an_answer_without_end_is_bounded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(bodies, "_MOST_JSON", 2**20)
    behaviour = pours(HEAD + CHUNKED, chunk(b" " * 65536))
    async with facing(behaviour, 20) as (node, _), asyncio.timeout(20):
        with pytest.raises(ProtocolError, match="more than 1,048,576 bytes"):
            await node.folder_root()


@pytest.mark.parametrize("small", [b"[],", b"{},", b"1,"])
async def test_many_small_values_are_bounded(monkeypatch: pytest.MonkeyPatch, small):
    monkeypatch.setattr(bodies, "_MOST_VALUES", 10_000)
    body = b"[" + small * 10_000 + b"1]"
    async with facing(sends(answer(body)), 20) as (node, _):
        with pytest.raises(ProtocolError, match="more than 10,000 values"):
            await node.data_intervals("/a")


async def test_an_archive_log_without_end_is_bounded(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setattr(bodies, "_MOST_JSON", 2**20)
    (tmp_path / "a.zip").write_bytes(b"PK")
    async with facing(pours(HEAD + CHUNKED, chunk(b" " * 65536)), 20) as (node, _):
        with pytest.raises(ProtocolError, match="more than"):
            await node.archive_upload(tmp_path / "a.zip")


async def test_an_event_without_end_is_bounded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(event_paging, "_LONGEST_LINE", 2**20)
    version = answer(b'{"version": "1", "name": "x", "uuid": "u"}')

    async def behave(reader, writer):
        if b"/version" in server.requests[-1]:
            writer.write(version)
            return
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n"
        await pours(head + CHUNKED, chunk(b" " * 65536))(reader, writer)

    async with facing(behave, 20) as (node, server), asyncio.timeout(20):
        following = node.event_stream_follow("/a/e")
        assert await anext(following) == []
        with pytest.raises(ProtocolError, match="an event is too long"):
            await anext(following)


# rows that are none


def rows(*parts: bytes, layout: bytes = b"float32_1", level: int = 1):
    body = b"".join(map(chunk, parts)) + b"0\r\n\r\n"
    return sends(ROWS_HEAD % (layout, level) + CHUNKED + body)


def row(time: int, value: float = 1.0) -> bytes:
    return struct.pack("<qf", time, value)


async def read(behaviour, *bounds: int) -> Any:
    async with facing(behaviour, 20) as (node, _), await node.data_read(FLOW, *bounds) as pipe:
        return (await pipe.read_all())["timestamp"].tolist()


@pytest.mark.parametrize(
    ("layout", "level"),
    [
        (b"float32_2", 1),
        (b"float32_999999999", 1),
        (b"float64_99999999999999999999", 1),
        (b"float32_" + b"9" * 5000, 1),
        (b"float32_1", 4),
        (b"float32_6", 4),
        (b"object_1", 1),
        (b"float32_-1", 1),
    ],
)
async def test_rows_of_another_layout_are_refused_before_they_are_read(layout, level):
    with pytest.raises(ProtocolError) as caught:
        await read(rows(row(1), layout=layout, level=level))
    assert len(caught.value.message) < 200


@pytest.mark.parametrize("times", [[5, 4], [5, 5], [2**62, -(2**62)]])
async def test_rows_whose_time_goes_backwards(times):
    with pytest.raises(ProtocolError):
        await read(rows(*map(row, times)))


@pytest.mark.parametrize("time", [9, 20, 2**62, -5])
async def test_rows_that_were_not_asked_for(time):
    assert await read(rows(row(10), row(19)), 10, 20) == [10, 19]
    with pytest.raises(ProtocolError, match="not asked for"):
        await read(rows(row(time)), 10, 20)


async def test_breaks_without_end(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("joule_cli.remote.rows._MOST_BREAKS", 100_000)
    behaviour = pours(ROWS_HEAD % (b"float32_1", 1) + CHUNKED, chunk(b"\0" * 12 * 5000))
    async with facing(behaviour, 20) as (node, _), asyncio.timeout(20):
        pipe = await node.data_read(FLOW)
        with pytest.raises(ProtocolError, match="breaks without end"):
            await pipe.read_all()
        await pipe.close()


@pytest.mark.parametrize("length", [11, 13, 24, 10**9])
async def test_wrong_lengths(length):
    head = ROWS_HEAD % (b"float32_1", 1) + b"Content-Length: %d\r\n\r\n" % length
    with pytest.raises((TransferCutError, ProtocolError)):
        await read(sends(head + row(1)))


async def test_garbage_behind_an_answer_is_no_answer_to_the_next_request():
    first = answer(b"[[1, 2]]") + answer(b"[[6, 6, 6]]")

    async def behave(reader, writer):
        writer.write(first if len(server.requests) == 1 else answer(b"[[3, 4]]"))

    async with facing(behave, 20) as (node, server):
        assert await node.data_intervals("/a") == [[1, 2]]
        assert await node.data_intervals("/a") == [[3, 4]]
