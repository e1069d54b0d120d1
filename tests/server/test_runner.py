"""A server from its first connection to its last: addresses, limits, and its end."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import stat
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import aiohttp
import numpy as np
import pytest

from joule_cli.daemon import served
from joule_cli.errors import ConfigurationError, ConflictError
from joule_cli.server.app import make_app
from joule_cli.server.in_flight import REQUESTS
from joule_cli.server.listeners import SocketAddress, TcpAddress, open_tcp, open_unix
from joule_cli.server.runner import Server
from joule_cli.server.settings import ServerSettings
from tests.certificates import make_certificates
from tests.contracts.streams import flow
from tests.nodes import FileNode
from tests.serving import KEY, FixedKeys

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from joule_cli.api.node import Node

ROW = np.dtype([("timestamp", "<i8"), ("data", "<f4", (2,))])
WITH_KEY = {"X-API-KEY": KEY}
PATIENCE_S = 10


def rows(first: int, number: int) -> bytes:
    made = np.zeros(number, ROW)
    # zeros alone would be the end of an interval
    made["timestamp"] = np.arange(first + 1, first + number + 1)
    return made.tobytes()


@asynccontextmanager
async def running(
    node: Node, *addresses: TcpAddress | SocketAddress, **options
) -> AsyncIterator[tuple[Server, list[str]]]:
    settings = ServerSettings(name="n", **{"stop_timeout_s": PATIENCE_S, **options})
    server = Server(make_app(node, keys=FixedKeys({KEY: 1}), settings=settings))
    try:
        async with asyncio.timeout(PATIENCE_S):
            yield server, await server.start(addresses or [TcpAddress(port=0)])
    finally:
        await server.stop()


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(headers=WITH_KEY) as session:
        yield session


def place(url: str) -> tuple[str, int]:
    host, _, port = url.rpartition("/")[2].rpartition(":")
    return host, int(port)


class Upload:
    """A request with a body that is sent bit by bit."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def begin(cls, url: str, stream: int) -> Upload:
        reader, writer = await asyncio.open_connection(*place(url))
        head = f"POST /data?id={stream}&merge-gap=0 HTTP/1.1\r\nHost: x\r\nX-API-KEY: {KEY}\r\n"
        writer.write(f"{head}Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        return cls(reader, writer)

    async def send(self, data: bytes) -> None:
        self._writer.write(b"%x\r\n%b\r\n" % (len(data), data))
        await self._writer.drain()

    async def end(self) -> None:
        self._writer.write(b"0\r\n\r\n")
        await self._writer.drain()

    async def answer(self) -> tuple[int, str]:
        """Return status and text, and wait for the end of the connection."""
        head, _, body = (await self._reader.read()).partition(b"\r\n\r\n")
        self._writer.close()
        return int(head.split()[1]), body.decode()


async def until_stored(node: Node, stream, number: int) -> None:
    while await node.data_count(stream) < number:
        await asyncio.sleep(0)


async def until(condition) -> None:
    while not condition():
        await asyncio.sleep(0)


# the end


async def test_an_upload_that_ends_in_time_is_finished(node: Node):
    stream = await node.data_stream_create(flow(), "/a")
    async with running(node) as (server, [url]):
        upload = await Upload.begin(url, stream.id)
        await upload.send(rows(0, 100))
        await until_stored(node, stream, 100)
        stopping = asyncio.create_task(server.stop())
        await until(lambda: server._app[REQUESTS].stopping)
        await upload.send(rows(100, 100))
        await upload.end()
        assert await upload.answer() == (200, "ok")
        await stopping
    assert await node.data_count(stream) == 200


async def test_an_upload_without_end_keeps_its_rows_and_is_refused(node: Node):
    stream = await node.data_stream_create(flow(), "/a")
    async with running(node, stop_timeout_s=0) as (server, [url]):
        upload = await Upload.begin(url, stream.id)
        await upload.send(rows(0, 100))
        await until_stored(node, stream, 100)
        answer = asyncio.create_task(upload.answer())
        await server.stop()
        status, text = await answer
    assert (status, text) == (500, "500: the node was stopped before the request was finished")
    assert await node.data_count(stream) == 100
    # the stream is free, and goes on where it was
    async with await node.data_write(stream) as pipe:
        await pipe.write([[1000, 1, 2]])


async def test_nothing_new_is_taken(node: Node, session: aiohttp.ClientSession):
    stream = await node.data_stream_create(flow(), "/a")
    async with running(node) as (server, [url]):
        reader, writer = await asyncio.open_connection(*place(url))
        upload = await Upload.begin(url, stream.id)
        await upload.send(rows(0, 1))
        await until_stored(node, stream, 1)
        stopping = asyncio.create_task(server.stop())
        await until(lambda: server._app[REQUESTS].stopping)
        with pytest.raises(aiohttp.ClientConnectorError):
            await session.get(f"{url}/version")
        # on a connection that was open already
        writer.write(b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.1 503")
        writer.close()
        await upload.end()
        assert (await upload.answer())[0] == 200
        await stopping


async def test_a_download_that_nobody_takes_is_cut_off(node: Node):
    stream = await node.data_stream_create(flow(), "/a")
    async with await node.data_write(stream) as pipe:
        await pipe.write(np.frombuffer(rows(0, 1_000_000), ROW))
    async with running(node, stop_timeout_s=0) as (server, [url]):
        reader, writer = await asyncio.open_connection(*place(url))
        writer.write(
            f"GET /data?id={stream.id} HTTP/1.1\r\nHost: x\r\nX-API-KEY: {KEY}\r\n\r\n".encode()
        )
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        await server.stop()
        with pytest.raises(ConnectionError):
            await until_closed(reader)
        writer.close()


async def test_subscribers_see_all_that_was_stored_and_a_proper_end(
    node: Node, session: aiohttp.ClientSession
):
    stream = await node.data_stream_create(flow(), "/a")
    async with running(node, stop_timeout_s=0) as (server, [url]):
        upload = await Upload.begin(url, stream.id)
        await upload.send(rows(0, 1))
        await until_stored(node, stream, 1)
        async with session.get(f"{url}/data?id={stream.id}&subscribe=1") as response:
            await upload.send(rows(1, 10))
            await until_stored(node, stream, 11)
            stopping = asyncio.create_task(server.stop())
            found = np.frombuffer(await response.read(), ROW)
        assert (await upload.answer())[0] == 500
        await stopping
    assert found["timestamp"].tolist() == list(range(2, 12))


async def test_stopping_twice_and_without_start(node: Node):
    server = Server(make_app(node, keys=FixedKeys({}), settings=ServerSettings(name="n")))
    await server.stop()
    async with running(node) as (server, _):
        await server.stop()


# limits


async def test_idle_connections_make_room(node: Node, session: aiohttp.ClientSession):
    async with running(node, connection_limit=4) as (server, [url]), AsyncExitStack() as stack:
        ends = []
        for number in range(40):
            reader, writer = await asyncio.open_connection(*place(url))
            stack.callback(writer.close)
            # nothing at all, a part of a head, a whole request with a wrong key
            writer.write(
                [b"", b"GET / HTTP/1.1\r\nX: ", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"][number % 3]
            )
            ends.append(reader)
            async with session.get(f"{url}/version") as response:
                assert response.status == 200
            assert len(server._connections[0]) <= 4
        # the client that is known kept its connection all the time
        (made,) = [len(each._conns) for each in [session.connector]]
        assert made == 1
        for reader in ends[:36]:
            with pytest.raises(ConnectionError):
                await until_closed(reader)


async def until_closed(reader: asyncio.StreamReader) -> None:
    """Read until the connection breaks."""
    while part := await reader.read(1 << 20):
        assert not part.endswith(b"0\r\n\r\n")
    raise ConnectionResetError


async def test_requests_are_never_cut_off_for_new_connections(node: Node):
    stream = await node.data_stream_create(flow(), "/a")
    async with running(node, connection_limit=3) as (_, [url]), AsyncExitStack() as stack:
        upload = await Upload.begin(url, stream.id)
        for number in range(30):
            _, writer = await asyncio.open_connection(*place(url))
            stack.callback(writer.close)
            await upload.send(rows(number, 1))
            await until_stored(node, stream, number + 1)
        await upload.end()
        reading = asyncio.create_task(upload.answer())
        # makes room for the newcomer, as the upload is answered
        for _ in range(4):
            _, writer = await asyncio.open_connection(*place(url))
            stack.callback(writer.close)
        assert await reading == (200, "ok")


async def test_newcomers_wait_while_all_connections_are_in_use(
    node: Node, session: aiohttp.ClientSession
):
    streams = [await node.data_stream_create(flow(f"s{n}"), "/a") for n in range(2)]
    async with running(node, connection_limit=2) as (_, [url]):
        uploads = [await Upload.begin(url, stream.id) for stream in streams]
        for upload, stream in zip(uploads, streams, strict=True):
            await upload.send(rows(0, 1))
            await until_stored(node, stream, 1)
        waiting = asyncio.create_task(session.get(f"{url}/version"))
        for number in range(1, 20):
            await uploads[1].send(rows(number, 1))
            await until_stored(node, streams[1], number + 1)
        assert not waiting.done()
        await uploads[0].end()
        async with await waiting as response:
            assert response.status == 200
        await uploads[1].end()
        for upload in uploads:
            assert await upload.answer() == (200, "ok")


async def test_tls_connections_count_before_they_have_agreed_on_keys(node: Node, tmp_path: Path):
    certificates = make_certificates(tmp_path / "pki")
    context = ssl.create_default_context(cafile=str(certificates.authority))
    address = TcpAddress("localhost", 0, certificates.server_context())
    async with (
        running(node, address, connection_limit=3) as (server, urls),
        AsyncExitStack() as stack,
    ):
        assert all(url.startswith("https://") for url in urls)
        where = place(urls[0])
        for number in range(20):
            _, writer = await asyncio.open_connection(*where)
            stack.callback(writer.close)
            writer.write([b"", b"\x16\x03\x01", b"GET / HTTP/1.1\r\n\r\n"][number % 3])
            assert len(server._connections[0]) <= 3
        connector = aiohttp.TCPConnector(ssl=context)
        async with (
            aiohttp.ClientSession(connector=connector, headers=WITH_KEY) as session,
            session.get(f"https://localhost:{where[1]}/version") as response,
        ):
            assert response.status == 200


async def test_connections_of_vanished_clients_are_found_out(node: Node):
    async with running(node) as (server, [url]):
        _, writer = await asyncio.open_connection(*place(url))
        await until(lambda: any(each.transport for each in server._connections[0]._all))
        (connection,) = server._connections[0]._all
        accepted = connection.transport.get_extra_info("socket")
        assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 60
        writer.close()


# addresses


async def test_one_node_at_several_addresses(node: Node, tmp_path: Path):
    path = tmp_path / "deep" / "api"
    addresses = [TcpAddress(port=0), SocketAddress(path)]
    async with running(node, *addresses) as (_, [tcp, unix]):
        assert unix == f"unix:{path}"
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path))) as session:
            # without a key, except for what a reverse proxy passes on
            for headers, status in [({}, 200), ({"X-Auth-Required": "true"}, 403),
                                    ({"X-Auth-Required": "true", **WITH_KEY}, 200)]:  # fmt: skip
                async with session.get("http://x/version", headers=headers) as response:
                    assert response.status == status
        async with aiohttp.ClientSession() as session, session.get(f"{tcp}/version") as response:
            assert response.status == 403
    assert not path.exists()


async def test_port_in_use(node: Node):
    async with running(node) as (_, [url]):
        port = place(url)[1]
        with pytest.raises(
            ConfigurationError, match=rf"127.0.0.1:{port}\]: Address already in use"
        ):
            open_tcp(TcpAddress(port=port))


@pytest.mark.parametrize("host", ["no.such.host.invalid", "192.0.2.1", "a" * 300, "x\0y"])
def test_addresses_of_other_machines(host: str):
    with pytest.raises(ConfigurationError, match="cannot listen on"):
        open_tcp(TcpAddress(host, 0))


def test_socket_of_a_dead_server_is_replaced(tmp_path: Path):
    path = tmp_path / "api"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with open_unix(SocketAddress(path)) as opened:
        assert opened.getsockname() == str(path)
        with pytest.raises(ConfigurationError, match="another server listens there"):
            open_unix(SocketAddress(path))


def test_other_files_are_not_replaced_by_a_socket(tmp_path: Path):
    path = tmp_path / "api"
    path.write_text("precious")
    with pytest.raises(ConfigurationError, match="a file is in the way"):
        open_unix(SocketAddress(path))
    assert path.read_text() == "precious"
    with pytest.raises(ConfigurationError, match="cannot listen on"):
        open_unix(SocketAddress(tmp_path / ("x" * 200)))


def test_socket_is_for_owner_and_group_from_the_beginning(tmp_path: Path):
    before = os.umask(0)
    try:
        with open_unix(SocketAddress(tmp_path / "api")):
            assert stat.S_IMODE((tmp_path / "api").stat().st_mode) == 0o660
    finally:
        os.umask(before)


async def test_a_successor_keeps_its_socket(node: Node, tmp_path: Path):
    path = tmp_path / "api"
    async with running(node, SocketAddress(path)) as (server, _):
        path.unlink()
        with open_unix(SocketAddress(path)):
            await server.stop()
            assert path.exists()


# one file


async def test_a_file_has_one_server(tmp_path: Path):
    path = tmp_path / "n.db"
    link = tmp_path / "link.db"
    link.symlink_to(path)
    settings = ServerSettings(name="n", stop_timeout_s=0)
    async with FileNode("n", path) as node, FileNode("m", link) as other:
        async with served(node, settings, [TcpAddress(port=0)]):
            for each in (node, other):
                with pytest.raises(ConflictError, match="another process serves this node"):
                    async with served(each, settings, [TcpAddress(port=0)]):
                        pass
            # producers in this process and others go on
            stream = await other.data_stream_create(flow(), "/a")
            async with await other.data_write(stream) as pipe:
                await pipe.write([[1, 2, 3]])
        async with served(other, settings, [TcpAddress(port=0)]):
            pass


async def test_an_address_in_use_leaves_no_file(tmp_path: Path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = TcpAddress(port=taken.getsockname()[1])
        async with FileNode("n", tmp_path / "n.db") as node:
            with pytest.raises(ConfigurationError):
                async with served(node, ServerSettings(name="n"), [address]):
                    pass
    assert not (tmp_path / "n.db").exists()
