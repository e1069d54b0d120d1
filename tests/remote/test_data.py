"""Rows over a socket, where it differs from rows in one process."""

from __future__ import annotations

import asyncio
import json
import random
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pytest

from joule_cli.errors import (
    ApiError,
    AuthorizationError,
    DataError,
    DuplicateTimestampError,
    EmptyPipeError,
    LayoutMismatchError,
    NodeTimeoutError,
    NonMonotonicError,
    PipeError,
    ProtocolError,
    StreamInUseError,
    StreamNotFound,
    TransferCutError,
    UnsupportedError,
)
from joule_cli.model import DataStream, Element
from joule_cli.remote.node import RemoteNode
from tests.contracts.data import PATH, T, add, pieces_of, read, rows_at
from tests.contracts.pipe_contract import drain, expected, write_sequence
from tests.contracts.streams import flow
from tests.nodes import FileNode
from tests.older import OlderNode
from tests.remote.conftest import connect
from tests.remote.hostile import answer, hostile
from tests.serving import serve

if TYPE_CHECKING:
    from pathlib import Path

    from joule_cli.pipes import Pipe
    from tests.remote.hostile import Hostile

STREAM = DataStream(name="flow", id=3, elements=[Element("a"), Element("b")])
ROW = 16
ZERO = bytes(ROW)
PROCEED = b"HTTP/1.1 100 Continue\r\n\r\n"
OK = answer(b"ok", "text/plain")
BUSY = answer(b"400: DataStream [flow] is already being produced", "text/plain", "400 Bad Request")


def bytes_of(*times: int) -> bytes:
    return rows_at(times).tobytes()


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def head(*lines: str, layout: str = "float32_2", level: int = 1, chunked: bool = True) -> bytes:
    lines = ("HTTP/1.1 200 OK", f"joule-layout: {layout}", f"joule-decimation: {level}", *lines)
    if chunked:
        lines = (*lines, "Transfer-Encoding: chunked")
    return "\r\n".join([*lines, "", ""]).encode()


END = b"0\r\n\r\n"


class Peer:
    """A node of 1.0.1's manners that a test writes: one coroutine for each kind of request."""

    def __init__(self, **attributes: Any) -> None:
        self.stream = STREAM.to_json() | attributes
        self.bodies: list[bytes] = []  # of uploads, as far as they came

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = self.server.requests[-1].split(b"\r\n")[0]
        if b"/stream.json" in line:
            writer.write(answer(json.dumps(self.stream).encode()))
        elif line.startswith(b"DELETE"):
            writer.write(OK)
        elif line.startswith(b"POST /data?"):
            await self.upload(reader, writer)
        elif line.startswith(b"GET /data?"):
            await self.download(writer)
        else:
            writer.write(answer(b"404: Not Found", "text/plain", "404 Not Found"))

    server: Hostile

    async def upload(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take everything."""
        await self.proceed(writer)
        self.bodies.append(b"")
        while part := await self.take(reader):
            self.bodies[-1] += part
        writer.write(OK)

    async def download(self, writer: asyncio.StreamWriter) -> None:
        """Send nothing."""
        writer.write(head() + END)

    async def proceed(self, writer: asyncio.StreamWriter) -> None:
        assert b"expect: 100-continue" in self.server.requests[-1].lower()
        writer.write(PROCEED)
        await writer.drain()

    async def take(self, reader: asyncio.StreamReader) -> bytes:
        size = int(await reader.readline(), 16)
        data = await reader.readexactly(size)
        await reader.readexactly(2)
        return data


@asynccontextmanager
async def facing(peer: Peer, timeout_s: float = 20) -> AsyncIterator[RemoteNode]:
    async with hostile(peer) as server:
        peer.server = server
        async with RemoteNode("n", f"http://127.0.0.1:{server.port}", timeout_s=timeout_s) as node:
            yield node


def sending(*parts: bytes) -> Peer:
    """Answer reads with these bytes, then close."""

    class Sending(Peer):
        async def download(self, writer: asyncio.StreamWriter) -> None:
            for part in parts:
                writer.write(part)
                await writer.drain()
            writer.close()

    return Sending()


async def cut(writer: asyncio.StreamWriter) -> None:
    """Reset the connection, as when a process is killed."""
    await writer.drain()
    linger = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.close()


# -- reading


async def test_rows_cut_anywhere():
    """Chunks end inside of rows and tokens."""
    data = bytes_of(1, 2) + ZERO + bytes_of(5) + ZERO + ZERO + bytes_of(9, 10)
    for size in (1, 3, 7, 15, 16, 17, 31, 200):
        chunks = [chunk(data[i : i + size]) for i in range(0, len(data), size)]
        async with facing(sending(head(), *chunks, END)) as node:
            assert await pieces_of(await node.data_read(STREAM)) == [[1, 2], [5], [9, 10]]


async def test_rows_are_there_as_soon_as_they_are_sent():
    sent, taken = asyncio.Event(), asyncio.Event()

    class Slow(Peer):
        async def download(self, writer: asyncio.StreamWriter) -> None:
            writer.write(head() + chunk(bytes_of(1, 2)))
            await sent.wait()
            writer.write(chunk(bytes_of(3)) + END)

    async with facing(Slow()) as node, await node.data_read(STREAM) as pipe:
        assert len(await pipe.read()) == 2
        pipe.consume_all()
        sent.set()
        assert len(await pipe.read()) == 1
        taken.set()


@pytest.mark.parametrize(
    "parts",
    [
        [head(), chunk(bytes_of(1, 2))],
        [head(), chunk(bytes_of(1, 2))[:-10]],
        [head(), chunk(bytes_of(1, 2)), b"0\r\n"],
        [head("Content-Length: 48", chunked=False), bytes_of(1, 2)],
        [head(), chunk(bytes_of(1, 2)), chunk(bytes_of(3)[:7]), END],
    ],
    ids=["between chunks", "in a chunk", "in the last chunk", "below its length", "in a row"],
)
async def test_a_cut_is_never_an_end(parts: list[bytes]):
    async with facing(sending(*parts)) as node:
        pipe = await node.data_read(STREAM)
        with pytest.raises(TransferCutError):
            await pieces_of(pipe)
        with pytest.raises(TransferCutError):
            await node.data_read_array(STREAM)
        with pytest.raises(TransferCutError):
            await node.data_count(STREAM)


async def test_rows_before_a_cut_are_given_first():
    class Killed(Peer):
        async def download(self, writer: asyncio.StreamWriter) -> None:
            writer.write(head() + chunk(bytes_of(1, 2)))
            await writer.drain()
            await arrived.wait()
            await cut(writer)

    arrived = asyncio.Event()
    async with facing(Killed()) as node, await node.data_read(STREAM) as pipe:
        assert len(await pipe.read()) == 2
        pipe.consume_all()
        arrived.set()
        with pytest.raises(TransferCutError):
            await pipe.read()


async def test_an_end_that_cannot_be_told_from_a_cut_is_refused():
    async with facing(sending(head(chunked=False), bytes_of(1, 2))) as node:
        with pytest.raises(ProtocolError, match="without a mark at their end"):
            await node.data_read(STREAM)


@pytest.mark.parametrize("level", [1, 4])
async def test_rows_that_begin_anew_are_an_error(level: int):
    """As those of Joule 1.0.1 when 49,999 rows lie before a break, for ever."""
    layout = "float32_2" if level == 1 else "float32_6"
    rows = rows_at([1, 2, 3], layout).tobytes()
    parts = [head(layout=layout, level=level), chunk(rows), chunk(rows), END]
    async with facing(sending(*parts)) as node:
        with pytest.raises(ProtocolError, match="do not increase"):
            await pieces_of(await node.data_read(STREAM))


NO_DATA = answer(b"this stream has no data", "application/json", "400 Bad Request")


async def test_both_forms_of_no_data():
    for response, never_written in ((NO_DATA, False), (head() + END, True)):
        async with facing(sending(response)) as node:
            pipe = await node.data_read(STREAM, T, T + 1)
            with pytest.raises(EmptyPipeError):
                await pipe.read()
            assert (pipe.layout, pipe.never_written) == ("float32_2", never_written)
            with pytest.raises(PipeError, match="No data in pipe"):
                await node.data_read_array(STREAM)
            assert await node.data_count(STREAM) == 0
    async with facing(sending(NO_DATA)) as node:
        pipe = await node.data_read(STREAM, decimation_level=16)
        assert (pipe.layout, pipe.decimation_level) == ("float32_6", 16)
        assert await pipe.is_empty()


@pytest.mark.parametrize(
    ("response", "kind", "text"),
    [
        (answer(b"400: this stream has no data", "text/plain", "400 No"), ApiError, "has no data"),
        (answer(b'{"error": "no"}', status="400 Bad Request"), ApiError, "no"),
        (answer(b'"no"', status="400 Bad Request"), ApiError, "no"),
        (answer(b"x" * 100_000, status="400 Bad Request"), ProtocolError, "too long"),
        (answer(b"x", "application/json", "400 No", "joule-error: data_error"), DataError, "x"),
        (answer(b"404: stream does not exist", "text/plain", "404 No"), StreamNotFound, "exist"),
        (answer(b"403: Forbidden", "text/plain", "403 Forbidden"), AuthorizationError, "key"),
        (answer(b"ok", "text/plain"), ProtocolError, "layout"),
    ],
)
async def test_other_refusals_are_errors(response: bytes, kind: type[ApiError], text: str):
    async with facing(sending(response)) as node:
        with pytest.raises(kind, match=text) as caught:
            await node.data_read(STREAM)
    assert type(caught.value) is kind


async def test_only_breaks():
    async with facing(sending(head(), chunk(ZERO), chunk(ZERO), END)) as node:
        pipe = await node.data_read(STREAM)
        with pytest.raises(EmptyPipeError):
            await pipe.read()
        assert not pipe.never_written


async def test_breaks_around_the_rows_are_none():
    data = ZERO + bytes_of(1) + ZERO + ZERO + bytes_of(2) + ZERO
    async with facing(sending(head(), chunk(data), END)) as node:
        pipe = await node.data_read(STREAM)
        assert await pieces_of(pipe) == [[1], [2]]
        assert pipe.ends_in_gap


async def test_a_dropped_connection_is_tried_once_more():
    class Dropping(Peer):
        async def download(self, writer: asyncio.StreamWriter) -> None:
            if len(self.server.requests) > 1:
                writer.write(head() + chunk(bytes_of(1)) + END)
            else:
                await cut(writer)

    async with facing(Dropping()) as node:
        assert await pieces_of(await node.data_read(STREAM)) == [[1]]


async def test_a_reader_that_stands_still_stops_the_node():
    """What waits is bounded, however much the node would send; leaving closes the connection."""
    state = {"sent": 0}
    stopped, left = asyncio.Event(), asyncio.Event()
    rows = 16_384

    class Endless(Peer):
        async def download(self, writer: asyncio.StreamWriter) -> None:
            writer.write(head())
            try:
                while True:
                    first = state["sent"] * rows
                    writer.write(chunk(rows_at(range(first, first + rows)).tobytes()))
                    try:
                        async with asyncio.timeout(0.3):
                            await writer.drain()
                    except TimeoutError:
                        stopped.set()
                        await writer.drain()
                    state["sent"] += 1
            except ConnectionError:
                left.set()

    async with facing(Endless()) as node:
        pipe = await node.data_read(STREAM)
        async with asyncio.timeout(20):
            await stopped.wait()
        assert state["sent"] * rows * ROW < 40 * 2**20
        assert len(await pipe.read())
        await pipe.close()
        async with asyncio.timeout(20):
            await left.wait()


async def test_counting_on_a_node_that_does_not_tell():
    peer = sending(head(), chunk(bytes_of(1, 2) + ZERO + bytes_of(5)), END)
    async with facing(peer) as node:
        assert await node.data_count(STREAM) == 3
        assert await node.data_count(STREAM) == 3
    asked = [request.split()[1].decode().split("?")[0] for request in peer.server.requests]
    assert asked == ["/data/count.json", "/data", "/data"]


# -- writing


async def test_what_an_upload_looks_like():
    peer = Peer()
    async with facing(peer) as node:
        async with await node.data_write("/a/flow", T, merge_gap=5) as pipe:
            await pipe.write(rows_at([1, 2]))
            await pipe.close_interval()
            await pipe.write(rows_at([9]))
        async with await node.data_write(STREAM, end_interval=False) as pipe:
            await pipe.write(rows_at([1]))
        async with await node.data_write(STREAM):
            pass
    assert peer.bodies == [bytes_of(1, 2) + ZERO + bytes_of(9) + ZERO, bytes_of(1), ZERO]
    lines = [request.split(b"\r\n")[0].decode() for request in peer.server.requests]
    assert lines[:3] == [
        "GET /stream.json?path=/a/flow&no-info= HTTP/1.1",
        f"DELETE /data?start={T}&id=3 HTTP/1.1",
        "POST /data?id=3&merge-gap=5 HTTP/1.1",
    ]
    assert lines[4] == "POST /data?id=3&merge-gap=0 HTTP/1.1"
    assert b"transfer-encoding: chunked" in peer.server.requests[2].lower()


async def test_a_stream_in_use_is_known_before_anything_is_deleted():
    peer = Peer(is_destination=True)
    async with facing(peer) as node:
        with pytest.raises(StreamInUseError):
            await node.data_write(STREAM, T)
    assert len(peer.server.requests) == 1


async def test_a_stream_object_of_another_layout():
    peer = Peer()
    old = DataStream(name="flow", id=3, elements=[Element("a")])
    async with facing(peer) as node:
        with pytest.raises(LayoutMismatchError, match=r"\[float32_1\].*\[float32_2\]"):
            await node.data_write(old, T)
    assert len(peer.server.requests) == 1


async def test_a_refusal_comes_before_the_first_row():
    class Busy(Peer):
        async def upload(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(BUSY)

    async with facing(Busy()) as node:
        with pytest.raises(ApiError, match="already being produced"):
            await node.data_write(STREAM)


async def write_until_it_fails(pipe: Pipe) -> None:
    for block in range(10**9):
        await pipe.write(rows_at(range(block * 1000, block * 1000 + 1000)))


@pytest.mark.parametrize("rest", ["read on", "close"])
async def test_a_refusal_while_rows_are_sent(rest: str):
    class Refusing(Peer):
        async def upload(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await self.proceed(writer)
            await self.take(reader)
            code = "joule-error: duplicate_timestamp_error"
            writer.write(answer(b"400: exists", "text/plain", "400 Bad Request", code))
            await writer.drain()
            if rest == "read on":
                while await reader.read(65536):
                    pass
            else:
                writer.write_eof()
                await reader.read()
            writer.close()

    async with facing(Refusing()) as node:
        pipe = await node.data_write(STREAM)
        with pytest.raises(DuplicateTimestampError, match="exists"):
            await write_until_it_fails(pipe)
        with pytest.raises(DuplicateTimestampError):
            await pipe.write(rows_at([10**9]))
        await pipe.close()


Ending: TypeAlias = Callable[[Peer, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def is_cut(peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await cut(writer)


async def is_closed(peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def says_nothing(
    peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    await reader.read()


async def says_fine(peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while await peer.take(reader):
        pass
    writer.write(answer(b"fine", "text/plain"))


@pytest.mark.parametrize(
    ("ending", "kind"),
    [
        (is_cut, TransferCutError),
        (is_closed, TransferCutError),
        (says_nothing, NodeTimeoutError),
        (says_fine, ProtocolError),
    ],
)
async def test_without_a_whole_answer_nothing_is_stored(ending: Ending, kind: type[ApiError]):
    """Also if everything was sent: each is an error of `close` or of a write before, once."""

    class Unreliable(Peer):
        async def upload(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await self.proceed(writer)
            await self.take(reader)
            await ending(self, reader, writer)

    peer = Unreliable()
    async with facing(peer, timeout_s=1.5 if kind is NodeTimeoutError else 20) as node:
        pipe = await node.data_write(STREAM)
        with pytest.raises(kind):
            await write_a_little(pipe)
        await pipe.close()
    assert sum(request.startswith(b"POST") for request in peer.server.requests) == 1


async def test_an_ok_before_the_end_is_none():
    class Hasty(Peer):
        async def upload(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await self.proceed(writer)
            await self.take(reader)
            writer.write(OK)
            await reader.read()

    async with facing(Hasty()) as node:
        pipe = await node.data_write(STREAM)
        with pytest.raises(ProtocolError, match="before the last row"):
            await write_until_it_fails(pipe)
        await pipe.close()


async def write_a_little(pipe: Pipe) -> None:
    await pipe.write(rows_at([1, 2]))
    await pipe.close()


async def test_a_node_that_never_wants_the_rows():
    class Silent(Peer):
        async def upload(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()

    async with facing(Silent(), timeout_s=0.2) as node:
        with pytest.raises(NodeTimeoutError):
            await node.data_write(STREAM)


class Stuck(Peer):
    """Takes the beginning of an upload and then nothing, until it may."""

    def __init__(self) -> None:
        super().__init__()
        self.go_on = asyncio.Event()

    async def upload(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self.proceed(writer)
        await self.go_on.wait()
        self.bodies.append(b"")
        while part := await self.take(reader):
            self.bodies[-1] += part
        writer.write(OK)


async def fill(pipe: Pipe) -> int:
    """Write until a write waits; return the number of rows of finished writes."""
    for block in range(10**9):
        rows = rows_at(range(block * 10_000, block * 10_000 + 10_000))
        try:
            async with asyncio.timeout(0.3):
                await pipe.write(rows)
        except TimeoutError:
            return block * 10_000
    raise AssertionError


async def test_writes_wait_for_a_slow_node_and_a_cancelled_one_ends_the_pipe():
    peer = Stuck()
    async with facing(peer) as node:
        pipe = await node.data_write(STREAM)
        written = await fill(pipe)
        assert written * ROW < 40 * 2**20
        with pytest.raises(PipeError, match="cancelled"):
            await pipe.write(rows_at([10**9]))
        peer.go_on.set()
        await pipe.close()
    rows = np.frombuffer(peer.bodies[0][:-ROW], rows_at([]).dtype)
    assert peer.bodies[0][-ROW:] == ZERO
    # all of the finished writes, whole rows of the cancelled one
    assert written <= len(rows) <= written + 10_000
    assert (rows["timestamp"] == T + np.arange(len(rows))).all()


async def test_a_node_that_takes_no_more():
    async with facing(Stuck(), timeout_s=1.5) as node:
        pipe = await node.data_write(STREAM)
        with pytest.raises(NodeTimeoutError, match="has taken nothing"):
            await write_until_it_fails(pipe)
        await pipe.close()


async def test_a_cancelled_close_is_no_success():
    peer = Stuck()
    async with facing(peer) as node:
        pipe = await node.data_write(STREAM)
        await pipe.write(rows_at([1]))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await pipe.close()
        with pytest.raises(PipeError, match="may or may not"):
            await pipe.close()
        peer.go_on.set()


async def test_closing_the_node_finishes_uploads():
    peer = Peer()
    async with facing(peer) as node:
        pipe = await node.data_write(STREAM)
        await pipe.write(rows_at([1, 2]))
        pipe.enable_cache(100)
        await pipe.write(rows_at([3]))
        await node.close()
        with pytest.raises(ApiError, match="the node was closed"):
            await pipe.write(rows_at([4]))
    assert peer.bodies == [bytes_of(1, 2, 3) + ZERO]


async def test_a_row_that_reads_as_a_break():
    peer = Peer()
    async with facing(peer) as node:
        pipe = await node.data_write(STREAM)
        with pytest.raises(DataError, match="would read as a break"):
            await pipe.write([[-1, 0, 0], [0, 0, 0]])
        await pipe.close()
    assert peer.bodies == [ZERO]


# -- live


async def test_a_subscription_passes_on_what_comes():
    go_on = asyncio.Event()

    class Live(Peer):
        async def download(self, writer: asyncio.StreamWriter) -> None:
            assert b"subscribe=1" in self.server.requests[-1]
            writer.write(head() + chunk(bytes_of(1)) + chunk(ZERO))
            await go_on.wait()
            # a producer that was started again may begin anywhere
            writer.write(chunk(ZERO + bytes_of(0)) + END)

    async with facing(Live(is_destination=True), timeout_s=0.2) as node:
        live = await node.data_subscribe(STREAM)
        await live.read()
        live.consume_all()
        if not live.end_of_interval:
            assert len(await live.read()) == 0
        assert live.end_of_interval
        # longer than the limit for answers: a producer may rest
        await asyncio.sleep(0.4)
        go_on.set()
        assert await pieces_of(live) == [[0]]


async def test_a_subscription_that_is_cut():
    class Killed(Peer):
        async def download(self, writer: asyncio.StreamWriter) -> None:
            writer.write(head() + chunk(bytes_of(1)))
            await cut(writer)

    async with facing(Killed(is_destination=True)) as node:
        live = await node.data_subscribe(STREAM)
        with pytest.raises(TransferCutError):
            await pieces_of(live)


async def test_a_subscription_without_an_answer():
    class Silent(Peer):
        async def download(self, writer: asyncio.StreamWriter) -> None:
            await asyncio.Event().wait()

    async with facing(Silent(is_destination=True), timeout_s=0.1) as node:
        with pytest.raises(NodeTimeoutError):
            await node.data_subscribe(STREAM)


# -- facing our own node


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[tuple[FileNode, RemoteNode]]:
    """A node and the way to it."""
    async with (
        FileNode("demo", tmp_path / "n.db") as own,
        serve(own) as place,
        connect(place) as node,
    ):
        await own.data_stream_create(flow(), "/a")
        yield own, node


async def test_rows_are_visible_before_the_pipe_is_closed(pair: tuple[FileNode, RemoteNode]):
    own, node = pair
    async with await node.data_write(PATH) as pipe, await own.data_subscribe(PATH) as live:
        await pipe.write(rows_at([1, 2]))
        assert len(await live.read()) == 2
        assert await own.data_count(PATH) == 2


async def test_any_blocks_and_breaks_arrive_as_written(pair: tuple[FileNode, RemoteNode]):
    """Stored and live, whatever is consumed of each read."""
    _, node = pair
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    chance = random.Random(seed)
    for number in range(30):
        sequence = [
            None if chance.random() < 0.3 else chance.choice((0, 1, 7, 40, 5000))
            for _ in range(chance.randrange(20))
        ]
        takes = [chance.choice((0, 1, 30, 4000)) for _ in range(7)] + [10**6]
        stream = await node.data_stream_create(flow(f"s{number}", datatype="int32"), "/a")
        writer = await node.data_write(stream)
        if chance.random() < 0.5:
            writer.enable_cache(chance.choice((1, 7, 50)))
        live = await node.data_subscribe(stream)
        _, got = await asyncio.gather(write_sequence(writer, sequence), drain(live, takes))
        stored = await drain(await node.data_read(stream), takes)
        wanted = expected(sequence)
        while wanted and wanted[-1] is None:
            wanted.pop()
        assert [got[: len(wanted)], stored] == [wanted, wanted]
        assert set(got[len(wanted) :]) <= {None}
        await live.close()


async def test_two_clients_and_one_stream(pair: tuple[FileNode, RemoteNode]):
    own, node = pair
    async with RemoteNode("other", node.url, key=node.key) as other:
        async with await node.data_write(PATH):
            with pytest.raises(StreamInUseError):
                await other.data_write(PATH)
            with pytest.raises(StreamInUseError):
                await own.data_write(PATH)
        async with await own.data_write(PATH):
            with pytest.raises(StreamInUseError):
                await node.data_write(PATH)
        await add(other, [1])
    assert await read(own) == [[1]]


async def test_simultaneous_producers(pair: tuple[FileNode, RemoteNode]):
    """All ask at once; one gets the stream, and the others learn it before their first row."""
    _, node = pair
    found = await asyncio.gather(*(node.data_write(PATH) for _ in range(8)), return_exceptions=True)
    pipes = [pipe for pipe in found if not isinstance(pipe, BaseException)]
    assert len(pipes) == 1
    assert all(isinstance(e, StreamInUseError) for e in found if isinstance(e, BaseException))
    await pipes[0].close()


async def test_an_error_of_the_node_reaches_the_writer(pair: tuple[FileNode, RemoteNode]):
    own, node = pair
    await add(own, range(100, 110))
    pipe = await node.data_write(PATH)
    with pytest.raises(DuplicateTimestampError):
        await write_until_it_fails(pipe)
    await pipe.close()
    async with await node.data_write(PATH) as pipe:
        await pipe.write(rows_at([10**10]))
    with pytest.raises(NonMonotonicError):
        async with await node.data_write(PATH) as pipe:
            await pipe.write(rows_at([10**10 + 2, 10**10 + 1]))
    assert not (await node.data_stream_get(PATH)).is_destination


async def test_the_stream_is_deleted_meanwhile(pair: tuple[FileNode, RemoteNode]):
    own, node = pair
    await add(own, range(10))
    found = await node.data_stream_get(PATH)
    await own.data_stream_delete(PATH)
    for call in (node.data_read, node.data_write, node.data_subscribe, node.data_count):
        with pytest.raises(StreamNotFound):
            await call(found)


async def test_a_node_that_cannot_break_intervals_is_told_so(tmp_path: Path):
    async with (
        OlderNode("old", tmp_path / "old.db") as own,
        serve(own) as place,
        connect(place, "old") as node,
    ):
        await node.data_stream_create(flow(), "/a")
        with pytest.raises(UnsupportedError, match="cannot break intervals") as failure:
            await node.data_split(PATH, 10)
        assert failure.value.hint
