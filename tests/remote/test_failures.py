"""What goes wrong on the way to a node, and how it is told apart."""

from __future__ import annotations

import asyncio
import gc
import gzip
import socket
import struct
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from joule_cli.errors import (
    ApiError,
    AuthorizationError,
    CertificateError,
    ConfigurationError,
    FolderNotFound,
    NodeTimeoutError,
    NodeUnreachableError,
    ProtocolError,
    TransferCutError,
)
from joule_cli.model import DataStream, Element, Event
from joule_cli.remote.node import RemoteNode
from tests.certificates import make_certificates
from tests.nodes import FileNode
from tests.remote.hostile import Hostile, answer, hostile, never, sends
from tests.serving import serve

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.certificates import Certificates
    from tests.remote.hostile import Behaviour

KEY = "secret-key-0123456789"
VERSION = b'{"version": "1.0.1", "name": "peer", "uuid": "u"}'
FLOW = DataStream(name="flow", elements=[Element("a")], id=3)


@asynccontextmanager
async def facing(
    behaviour: Behaviour, timeout_s: float = 20, tls: ssl.SSLContext | None = None, **options: Any
) -> AsyncIterator[tuple[RemoteNode, Hostile]]:
    async with hostile(behaviour, tls) as server:
        url = f"http{'s' if tls else ''}://localhost:{server.port}"
        options = {"key": KEY, "timeout_s": timeout_s} | options
        async with RemoteNode("bad", url, **options) as node:
            yield node, server


async def failure(behaviour: Behaviour, **options: Any) -> ApiError:
    """Return what a request ends with."""
    async with facing(behaviour, **options) as (node, _):
        with pytest.raises(ApiError) as caught:
            await node.folder_root()
    assert KEY not in repr(caught.value) + str(caught.value.sentence()) + str(caught.value.hint)
    return caught.value


async def test_a_node_that_is_not_closed_drops_its_connections(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    """As after a session in a console: a warning for who asks for it, and no word of a library."""
    async with FileNode("demo", tmp_path / "demo.db") as served, serve(served) as place:
        node = RemoteNode("open", place.url, key=place.key)
        await node.folder_create("/a")
        caplog.clear()
        with pytest.warns(ResourceWarning, match="was not closed"):
            del node
        assert caplog.records == []


@pytest.mark.filterwarnings("ignore:Unclosed:ResourceWarning", "ignore:unclosed:ResourceWarning")
def test_a_node_that_outlives_its_loop_is_no_word_of_a_library(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    async def leave() -> RemoteNode:
        async with FileNode("demo", tmp_path / "demo.db") as served, serve(served) as place:
            node = RemoteNode("open", place.url, key=place.key)
            await node.folder_create("/a")
        return node

    with asyncio.Runner() as runner:
        node = runner.run(leave())
    caplog.clear()
    with pytest.warns(ResourceWarning, match="was not closed"):
        del node
    gc.collect()
    assert caplog.records == []


# -- the six


async def test_nobody_listens():
    with socket.socket() as bound:
        # bound, so that nobody else gets the port
        bound.bind(("127.0.0.1", 0))
        async with RemoteNode("gone", f"http://127.0.0.1:{bound.getsockname()[1]}") as node:
            with pytest.raises(NodeUnreachableError, match="Cannot contact node at") as caught:
                await node.info()
    assert type(caught.value) is NodeUnreachableError
    assert "Connect call failed" not in caught.value.sentence()


async def test_no_such_host_and_no_such_socket(tmp_path: Path):
    for url in ("http://no-such-host.invalid", f"unix:{tmp_path}/none", f"unix:/{'x' * 200}"):
        async with RemoteNode("gone", url) as node:
            with pytest.raises(NodeUnreachableError):
                await node.info()


async def test_no_answer():
    error = await failure(never, timeout_s=0.05)
    assert type(error) is NodeTimeoutError
    assert "no answer from node" in error.message


async def test_an_answer_that_stops_without_an_end():
    async def stall(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer(b"{", length=100))
        await asyncio.Event().wait()

    assert type(await failure(stall, timeout_s=0.05)) is NodeTimeoutError


async def test_a_wrong_key():
    error = await failure(sends(answer(b"403: Forbidden", "text/plain", "403 Forbidden")))
    assert type(error) is AuthorizationError
    assert str(error) == "the node refuses the key [403]"
    missing = await failure(sends(answer(b"403: Forbidden", "text/plain", "403 No")), key="")
    assert str(missing) == "the node asks for a key [403]"


@pytest.mark.parametrize(
    "parts",
    [
        [answer(b'{"id": 1', length=1000)],
        [b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
         b"8\r\n{\"id\": 1\r\n"],
        [b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
         b"8\r\n{\"id\": 1"],
        [],
        [b"HTTP/1.1 200"],
    ],
    ids=["length", "chunks", "in a chunk", "nothing", "head"],
)  # fmt: skip
async def test_an_answer_that_is_cut(parts: list[bytes]):
    assert type(await failure(sends(*parts))) is TransferCutError


async def test_a_node_that_never_answered_may_speak_tls():
    async with facing(sends()) as (node, server):
        with pytest.raises(TransferCutError) as caught:
            await node.folder_delete("/a")
        assert "begins with https" in (caught.value.hint or "")
        server.behaviour = sends(answer(b"ok", "text/plain"))
        await node.folder_delete("/a")
        server.behaviour = sends()
        with pytest.raises(TransferCutError) as caught:
            await node.folder_delete("/a")
        assert caught.value.hint is None


@pytest.mark.parametrize(
    "response",
    [
        b"not http at all\r\n\r\n",
        b"HTTP/1.1 nonsense\r\n\r\n",
        b"\x15\x03\x03\x00\x02\x02\x46\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: " + b"x" * 20_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"Bad header\r\n\r\n",
        answer(b"{not json}"),
        answer(b"\xff\xfe\xfd"),
        answer(b"[" * 100_000),
        answer(b""),
        answer(b'"text"'),
        answer(b"[]"),
        answer(b'{"id": "1", "name": "r", "children": [], "streams": [], "event_streams": []}'),
        answer(b'{"id": 1, "name": "r", "children": [1], "streams": [], "event_streams": []}'),
        answer(b'{"id": 1, "name": "r", "children": [], "streams": {}, "event_streams": 7}'),
        answer(b'{"id": 1, "name": "r"}'),
        answer(b"<html>welcome</html>", "text/html"),
        answer(b"okay", "text/plain"),
        answer(b"{}", "application/json", "201 Created"),
        answer(b"", "application/json", "302 Found", "Location: http://elsewhere.invalid/"),
        answer(b"\x1f\x8b\x08garbage", "application/json", "200 OK", "Content-Encoding: gzip"),
    ],
    ids=lambda response: repr(response[-40:]),
)
async def test_an_answer_that_cannot_be_read(response: bytes):
    assert type(await failure(sends(response))) is ProtocolError


async def test_where_an_ok_is_expected():
    async with facing(sends(answer(b"[1]"))) as (node, _):
        with pytest.raises(ProtocolError, match="ok was expected"):
            await node.folder_delete("/a")
    async with facing(sends(answer(b"OK\n", "text/plain"))) as (node, _):
        await node.folder_delete("/a")


async def test_a_redirect_is_not_followed_with_the_key():
    async with hostile(sends(answer(b"{}"))) as other:
        place = f"Location: http://localhost:{other.port}/folders.json"
        error = await failure(sends(answer(b"", "text/plain", "307 Elsewhere", place)))
        assert other.requests == []
    assert f"localhost:{other.port}" in error.hint


# -- errors that a node or what is before it sends


async def test_a_failure_of_the_node_is_one_line():
    body = b"500 Internal Server Error\n\nTraceback (most recent call last):\n  File ..."
    error = await failure(sends(answer(body, "text/plain", "500 Internal Server Error")))
    assert (type(error), str(error)) == (ApiError, "500 Internal Server Error [500]")


async def test_a_failure_of_the_node_tells_its_reason():
    body = b"""500 Internal Server Error

Traceback (most recent call last):
  File "event_store.py", line 92, in count
    record = await conn.fetch(query)
asyncpg.exceptions.InvalidTextRepresentationError: invalid input syntax for "n0"

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
sqlalchemy.exc.DataError: (psycopg2.errors.UndefinedTable) relation "data.event1" does not exist
[SQL: SELECT 1]
(Background on this error at: https://sqlalche.me/e/20/f405)
"""
    error = await failure(sends(answer(body, "text/plain", "500 Internal Server Error")))
    assert error.message == (
        "500 Internal Server Error "
        '(DataError: (psycopg2.errors.UndefinedTable) relation "data.event1" does not exist)'
    )


async def test_a_refusal_is_one_line():
    body = b"400: it has\n  two lines\r\nand one more"
    error = await failure(sends(answer(body, "text/plain", "400 Bad Request")))
    assert error.message == "it has   two lines and one more"


async def test_a_proxy_without_a_node_behind_it():
    page = b"<html><body>Bad Gateway</body></html>"
    error = await failure(sends(answer(page, "text/html", "502 Bad Gateway")))
    assert type(error) is NodeUnreachableError
    assert "502 Bad Gateway" in error.message
    assert "<html>" not in error.sentence()


async def test_an_error_without_an_end_is_cut():
    body = b"x" * 10_000_000
    error = await failure(sends(answer(body, "text/plain", "400 Bad Request")))
    assert len(error.message) < 100_000


async def test_errors_of_a_node_are_rebuilt_and_name_their_object():
    response = answer(b"404: folder does not exist", "text/plain", "404 Not Found")
    async with facing(sends(response)) as (node, _):
        with pytest.raises(FolderNotFound) as caught:
            await node.folder_get("/a/b")
    assert str(caught.value) == "folder does not exist [404]"
    assert caught.value.sentence() == "folder does not exist: /a/b"


async def test_an_object_with_the_error():
    body = b'{"error": "Cannot contact node"}'
    error = await failure(sends(answer(body, status="400 Bad Request")))
    assert str(error) == "Cannot contact node [400]"


# -- repeating


def after(n_failures: int, response: bytes) -> Behaviour:
    """Drop the first connections without an answer."""
    seen = []

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(1)
        if len(seen) > n_failures:
            writer.write(response)
        else:
            # a reset, as from a process that was killed
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            writer.close()

    return behave


async def test_a_read_is_sent_again_when_its_connection_is_dropped():
    async with facing(after(1, answer(b"[[1, 2]]"))) as (node, server):
        assert await node.data_intervals("/a/flow") == [[1, 2]]
        assert len(server.requests) == 2
    async with facing(after(9, b"")) as (node, server):
        with pytest.raises(TransferCutError):
            await node.data_intervals("/a/flow")
        assert len(server.requests) == 2


async def test_a_read_that_was_answered_in_part_is_not_sent_again():
    async with facing(sends(answer(b"[[1", length=50))) as (node, server):
        with pytest.raises(TransferCutError):
            await node.data_intervals("/a/flow")
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda node: node.folder_delete("/a"),
        lambda node: node.data_delete("/a/flow"),
        lambda node: node.folder_move("/a", "/b"),
        lambda node: node.data_stream_create(FLOW, "/a"),
        lambda node: node.data_decimate("/a/flow"),
    ],
)
async def test_a_change_is_sent_once(change: Any):
    async with facing(after(1, answer(b"ok", "text/plain"))) as (node, server):
        with pytest.raises(TransferCutError):
            await change(node)
        assert len(server.requests) == 1


async def test_a_change_is_sent_once_over_a_connection_that_was_used():
    """The library would repeat a PUT or DELETE whose kept connection is gone."""
    seen = []

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(1)
        if len(seen) == 1:
            writer.write(answer(b"[[1, 2]]"))
        else:
            writer.close()

    async with facing(behave) as (node, server):
        await node.data_intervals("/a/flow")
        with pytest.raises(TransferCutError):
            await node.data_delete("/a/flow")
        assert len(server.requests) == 2


async def test_connections_of_more_than_a_few_requests_are_used_again():
    connections = []

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(writer)
        writer.write(answer(b"[]"))

    async with facing(behave) as (node, server):
        for _ in range(10):
            await node.data_intervals("/a/flow")
        assert (len(server.requests), len(set(connections))) == (10, 5)
        heads = [request.decode() for request in server.requests]
    for head in heads[0], heads[-1]:
        assert f"X-API-KEY: {KEY}" in head
        assert "GET /data/intervals.json?path=/a/flow HTTP/1.1" in head


async def test_an_answer_in_chunks_or_compressed_is_read():
    """As from a proxy: the request is sent again with the library that reads all of HTTP."""
    chunks = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
    chunks += b"Transfer-Encoding: chunked\r\n\r\n5\r\n[[1, \r\n3\r\n2]]\r\n0\r\n\r\n"
    packed = gzip.compress(b"[[1, 2]]")
    compressed = answer(packed).replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n", 1)
    for whole in chunks, compressed:
        async with facing(sends(whole)) as (node, server):
            assert await node.data_intervals("/a/flow") == [[1, 2]]
            assert len(server.requests) == 2


async def test_a_prefix_and_odd_names_in_the_address():
    async with hostile(sends(answer(b"[]"))) as server:
        async with RemoteNode("n", f"http://localhost:{server.port}/joule/") as node:
            await node.data_intervals("/a b/ü&x=1#+%41")
        line = server.requests[0].split(b"\r\n")[0].decode()
    assert line.startswith("GET /joule/data/intervals.json?path=")
    assert line.split()[1].endswith("path=/a+b/%C3%BC%26x%3D1%23%2B%2541")


# -- TLS


async def test_an_unknown_authority(certificates: Certificates):
    error = await failure(sends(answer(b"[]")), tls=certificates.server_context())
    assert type(error) is CertificateError
    assert "--ca" in error.hint


async def test_a_certificate_for_another_host(tmp_path: Path):
    wrong = make_certificates(tmp_path / "wrong", names="DNS:elsewhere.example")
    context = wrong.server_context()
    error = await failure(sends(answer(b"[]")), tls=context, ca_file=wrong.authority)
    assert type(error) is CertificateError
    assert "localhost" in error.message


async def test_the_authority_that_vouches_is_trusted(certificates: Certificates):
    tls = certificates.server_context()
    behaviour = sends(answer(b"[]"), close=False)
    for options in ({"ca_file": certificates.authority}, {"insecure": True}):
        async with facing(behaviour, tls=tls, **options) as (node, _):
            assert await node.data_intervals("/a/flow") == []
            assert node.insecure == ("insecure" in options)


async def test_an_authority_that_cannot_be_read(tmp_path: Path):
    (tmp_path / "empty.crt").write_text("nothing")
    for file in (tmp_path / "none.crt", tmp_path / "empty.crt"):
        async with RemoteNode("n", "https://localhost:1", ca_file=file) as node:
            with pytest.raises(ConfigurationError, match="certificate authority"):
                await node.info()


async def test_tls_to_a_port_without_it():
    async def complain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(complain, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with RemoteNode("n", f"https://localhost:{port}", timeout_s=5) as node:
            with pytest.raises(NodeUnreachableError) as caught:
                await node.info()
    assert type(caught.value) is NodeUnreachableError


async def test_a_port_that_speaks_tls(certificates: Certificates):
    async with hostile(never, certificates.server_context()) as server:
        node = RemoteNode("n", f"http://localhost:{server.port}", timeout_s=5)
        with pytest.raises(TransferCutError) as caught:
            await node.info()
        await node.close()
    assert "https" in caught.value.hint


# -- rows


def rows_head(*headers: str) -> bytes:
    lines = ["HTTP/1.1 200 OK", "joule-layout: float32_1", "joule-decimation: 1", *headers]
    return "\r\n".join([*lines, "Transfer-Encoding: chunked", "", ""]).encode()


ROWS = struct.pack("<qfqf", 10, 1.0, 20, 2.0)


async def read_all(behaviour: Behaviour, **options: Any) -> Any:
    async with facing(behaviour, **options) as (node, _), await node.data_read(FLOW) as pipe:
        return await pipe.read_all()


async def test_rows_that_are_cut():
    whole = b"18\r\n" + ROWS + b"\r\n"
    with pytest.raises(TransferCutError):
        await read_all(sends(rows_head(), whole))
    assert len(await read_all(sends(rows_head(), whole, b"0\r\n\r\n"))) == 2
    with pytest.raises(TransferCutError, match="a part of the last row"):
        await read_all(sends(rows_head(), b"14\r\n" + ROWS[:20] + b"\r\n0\r\n\r\n"))


async def test_rows_that_stop_coming():
    async def stall(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(rows_head() + b"18\r\n" + ROWS + b"\r\n")
        await asyncio.Event().wait()

    with pytest.raises(NodeTimeoutError):
        await read_all(stall, timeout_s=0.05)


async def test_rows_of_no_layout():
    for head in (b"joule-layout: float3_1\r\njoule-decimation: 1", b"X: 1"):
        with pytest.raises(ProtocolError):
            await read_all(sends(b"HTTP/1.1 200 OK\r\n" + head + b"\r\nContent-Length: 0\r\n\r\n"))


async def test_an_upload_that_is_refused_early():
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if b"GET" in server.requests[-1]:
            writer.write(answer(b'{"id": 3, "name": "flow", "datatype": "float32", "elements": '
                                b'[{"name": "a"}]}'))  # fmt: skip
        else:
            writer.write(answer(b"400: no room", "text/plain", "400 Bad Request"))
            await writer.drain()
            writer.close()

    async with facing(refuse) as (node, server):
        with pytest.raises(ApiError, match="no room"):
            await node.data_write(FLOW)


# -- the node object


async def test_a_closed_node_answers_nothing():
    async with facing(sends(answer(b"[]"))) as (node, _):
        await node.close()
        await node.close()
        with pytest.raises(ApiError, match="the node was closed"):
            await node.data_intervals("/a/flow")


async def test_what_is_not_json_is_not_sent():
    async with facing(sends(answer(b"[]"))) as (node, server):
        stream = DataStream(name="a", elements=[Element("e", units=object())])  # type: ignore[arg-type]
        with pytest.raises(ApiError, match="cannot be written as JSON"):
            await node.data_stream_create(stream, "/a")
        assert server.requests == []


async def test_a_cancelled_call_leaves_the_node_usable():
    async with facing(never) as (node, _):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await node.folder_root()


# -- events


async def test_events_are_sent_in_requests_below_one_mebibyte():
    sizes: list[int] = []
    numbers: list[int] = []

    async def store(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = server.requests[-1]
        if head.startswith(b"GET"):
            writer.write(answer(VERSION))
            return
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        body = await reader.readexactly(length)
        sizes.append(length)
        numbers.append(body.count(b'"start_time"'))
        first = sum(numbers[:-1])
        events = ", ".join(f'{{"id": {first + i}}}' for i in range(numbers[-1]))
        writer.write(answer(f'{{"count": 1, "events": [{events}]}}'.encode()))

    async with facing(store) as (node, server):
        small = [Event(i, i + 1) for i in range(1234)]
        large = [Event(i, i + 1, {"text": "x" * 100_000}) for i in range(25)]
        written = await node.event_stream_write("/a/events", small + large)
    assert [event.id for event in written] == list(range(1234 + 25))
    assert numbers[:2] == [500, 500]
    assert max(sizes) < 2**20
    assert max(numbers) == 500


@pytest.mark.parametrize("body", [b'{"events": []}', b'{"events": [{"id": null}]}', b"{}"])
async def test_ids_that_do_not_fit(body: bytes):
    async def store(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = server.requests[-1]
        if not head.startswith(b"GET"):
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            await reader.readexactly(length)
        writer.write(answer(VERSION if head.startswith(b"GET") else body))

    async with facing(store) as (node, server):
        with pytest.raises(ProtocolError):
            await node.event_stream_write("/a/events", [Event(1, 2)])
