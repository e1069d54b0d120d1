"""What holds for every endpoint: keys, routing, bodies, faults, and clients that misbehave."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import ssl
from contextlib import suppress
from typing import TYPE_CHECKING

import aiohttp
import pytest
from aiohttp import web

from joule_cli.errors import DiskFullError, FolderNotFound
from joule_cli.server.app import make_app, make_runner
from joule_cli.server.refusals import start
from joule_cli.server.settings import ServerSettings
from joule_cli.wire import endpoints
from joule_cli.wire.status import CODE_HEADER
from tests.certificates import make_certificates
from tests.contracts.streams import flow
from tests.server.conftest import Client
from tests.serving import KEY, FixedKeys, serve

if TYPE_CHECKING:
    from pathlib import Path

    from joule_cli.api.node import Node

PATHS = sorted(
    value for name, value in vars(endpoints).items() if name.isupper() and isinstance(value, str)
)
METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS")


# keys


@pytest.mark.parametrize("key", ["", "wrong", KEY + "x", KEY[:-1], "ü" * 43])
@pytest.mark.parametrize("path", [*PATHS, "/nothing", "/../etc/passwd", "/%2e%2e/x"])
async def test_nothing_is_told_without_a_key(client: Client, path: str, key: str):
    for method in METHODS:
        if (method, path) == ("POST", endpoints.FOLLOWER):
            continue
        answer = await client.send(method, path, key=key)
        assert (answer.status, answer.text) == (403, "403: Forbidden")
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"


async def test_a_key_in_the_query_opens_nothing(client: Client):
    answer = await client.send("GET", "/version", {"X-API-KEY": KEY, "key": KEY}, key="")
    assert answer.status == 403


async def test_importer_key_opens_nothing_but_the_archive(node: Node):
    settings = ServerSettings(name="n", importer_key="importer", stop_timeout_s=1)
    async with serve(node, settings=settings) as served, aiohttp.ClientSession() as session:
        client = Client(session, served)
        for path in PATHS:
            for method in ("GET", "PUT", "DELETE"):
                answer = await client.send(method, path, key="importer")
                assert answer.status == 403
        assert (await client.send("POST", endpoints.ARCHIVE, key="importer")).status != 403
        assert (await client.send("POST", endpoints.ARCHIVE, key="import")).status == 403


async def test_unix_socket_is_trusted_unless_a_proxy_says_otherwise(node: Node, tmp_path: Path):
    socket = tmp_path / "api"
    connector = aiohttp.UnixConnector(str(socket))
    async with serve(node, unix=socket) as served, aiohttp.ClientSession(connector=connector) as s:
        client = Client(s, served)
        behind = {"X-Auth-Required": ""}
        assert (await client.send("GET", "/version", key="")).status == 200
        assert (await client.send("GET", "/version", key="", headers=behind)).status == 403
        assert (await client.send("GET", "/version", key=KEY, headers=behind)).status == 200


async def test_tls(node: Node, tmp_path: Path):
    certificates = make_certificates(tmp_path / "pki")
    context = ssl.create_default_context(cafile=str(certificates.authority))
    connector = aiohttp.TCPConnector(ssl=context)
    async with (
        serve(node, certificates=certificates) as served,
        aiohttp.ClientSession(connector=connector) as session,
    ):
        assert served.url.startswith("https://")
        assert (await Client(session, served).send("GET", "/version")).status == 200
        assert (await Client(session, served).send("GET", "/version", key="x")).status == 403


# routing


async def test_wrong_method_names_the_right_ones(client: Client):
    for method in ("PATCH", "OPTIONS"):
        answer = await client.send(method, "/event.json")
        assert (answer.status, answer.text) == (405, "405: Method Not Allowed")
        assert answer.headers["allow"] == "DELETE,GET,HEAD,POST,PUT"


async def test_head_sends_the_headers_of_get(client: Client):
    get = await client.send("GET", "/folders.json")
    head = await client.send("HEAD", "/folders.json")
    assert (head.status, head.text) == (200, "")
    for name in ("content-type", "content-length"):
        assert head.headers[name] == get.headers[name]


@pytest.mark.parametrize("path", ["/stream.json/", "//stream.json", "/Stream.json", "/x", "/a/../"])
async def test_paths_match_exactly(client: Client, path: str):
    answer = await client.send("GET", path, {"id": "1"})
    assert (answer.status, answer.text) == (404, "404: Not Found")


async def test_connection_is_kept(node: Node):
    connector = aiohttp.TCPConnector(limit=1)
    async with serve(node) as served, aiohttp.ClientSession(connector=connector) as session:
        client = Client(session, served)
        for path in ("/version", "/nothing", "/folder.json"):
            await client.send("GET", path)
        reader, writer = await asyncio.open_connection(*_address(served.url))
        for _ in range(2):
            writer.write(f"GET /version HTTP/1.1\r\nHost: x\r\nX-API-KEY: {KEY}\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 OK")
            await reader.readexactly(5)
        writer.close()
        await writer.wait_closed()


# bodies

WITH_BODY = [
    ("PUT", "/folder.json"),
    ("PUT", "/folder/move.json"),
    ("POST", "/stream.json"),
    ("PUT", "/stream.json"),
    ("PUT", "/stream/move.json"),
    ("POST", "/event.json"),
    ("PUT", "/event.json"),
    ("PUT", "/event/move.json"),
    ("POST", "/event/data.json"),
    ("POST", "/annotation.json"),
    ("PUT", "/annotation.json"),
]
NOT_JSON = [
    b"",
    b"{",
    b"\xff\xfe\xfd",
    b'{"id": 1} x',
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b'{"id": ' + b"9" * 5000 + b"}",
]


@pytest.mark.parametrize(("method", "path"), WITH_BODY)
async def test_bodies_that_are_no_objects(client: Client, method: str, path: str):
    for body in NOT_JSON:
        answer = await client.send(
            method, path, body=body, headers={"Content-Type": "application/json"}
        )
        assert (answer.status, answer.text) == (400, "400: invalid json")
    for value in ("text", 5, None, [], [{}], True, 1.5):
        answer = await client.send(
            method,
            path,
            body=json.dumps(value).encode(),
            headers={"Content-Type": "application/json"},
        )
        assert (answer.status, answer.text) == (400, "400: the body must be a JSON object")


@pytest.mark.parametrize(("method", "path"), WITH_BODY)
async def test_media_type_must_be_json(client: Client, method: str, path: str):
    for media_type in ("text/plain", "application/json-patch+json", "application/*", ""):
        answer = await client.send(method, path, body=b"{}", headers={"Content-Type": media_type})
        assert (answer.status, answer.text) == (400, "400: content-type must be application/json")
    for media_type in ("application/json; charset=utf-8", "Application/JSON"):
        answer = await client.send(method, path, body=b"{}", headers={"Content-Type": media_type})
        assert "content-type" not in answer.text


@pytest.mark.parametrize(("method", "path"), WITH_BODY)
async def test_values_of_the_wrong_type_are_refused(client: Client, node: Node, method, path):
    stream = await node.data_stream_create(flow(), "/a")
    good = {
        "id": stream.id,
        "stream": {},
        "folder": {},
        "src_path": "/a/flow",
        "dest_path": "/b",
        "path": "/a/e",
        "stream_path": "/a/flow",
        "events": [],
        "title": "t",
        "start": 1,
    }
    for name in [*good, "src_id", "dest_id", "stream_id", "end", "content"]:
        for bad in (True, 1.5, {}, [], [1], "", "\ud800", -1, 2**70, "9" * 50, 1e308):
            body = good | {name: bad}
            if name.endswith("_id"):
                body.pop(name.replace("_id", "_path"), None)
            answer = await client.send(method, path, body=body)
            assert answer.status in {200, 400, 404}, (name, bad, answer)


async def test_large_bodies_are_refused_before_they_are_read(node: Node):
    settings = ServerSettings(name="n", json_limit_bytes=1000, stop_timeout_s=1)
    async with serve(node, settings=settings) as served, aiohttp.ClientSession() as session:
        client = Client(session, served)
        json_type = {"Content-Type": "application/json"}
        fits = b"{}".ljust(1000)
        answer = await client.send("PUT", "/folder.json", body=fits, headers=json_type)
        assert answer.text == "400: Invalid request: specify id"
        answer = await client.send("PUT", "/folder.json", body=fits + b" ", headers=json_type)
        expected = "Maximum request body size 1000 exceeded, actual body size 1001"
        assert (answer.status, answer.text) == (413, expected)
        # what counts is the size of what was compressed
        answer = await client.send(
            "PUT",
            "/folder.json",
            body=gzip.compress(b" " * 10_000_000),
            headers=json_type | {"Content-Encoding": "gzip"},
        )
        assert answer.status == 413


async def test_body_that_cannot_be_unpacked(client: Client):
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    answer = await client.send("PUT", "/folder.json", body=b"no gzip at all", headers=headers)
    assert answer.status == 400


# clients that are slow or gone


def _address(url: str) -> tuple[str, int]:
    host, _, port = url.rpartition("/")[2].partition(":")
    return host, int(port)


async def _head(url: str, *lines: str) -> bytes:
    """Send the beginning of a request, and return what comes until the server hangs up."""
    reader, writer = await asyncio.open_connection(*_address(url))
    writer.write("\r\n".join(lines).encode())
    found = await reader.read()
    writer.close()
    await writer.wait_closed()
    return found


async def test_unfinished_head_is_not_waited_for(node: Node):
    settings = ServerSettings(name="n", idle_timeout_s=0.2, stop_timeout_s=1)
    async with serve(node, settings=settings) as served, asyncio.timeout(10):
        assert await _head(served.url, "GET / HTTP/1.1", "Host: x", "X-Slow: ") == b""
        assert await _head(served.url) == b""


async def test_dripping_head_is_not_waited_for(node: Node):
    settings = ServerSettings(name="n", idle_timeout_s=0.3, stop_timeout_s=1)
    async with serve(node, settings=settings) as served, asyncio.timeout(10):
        reader, writer = await asyncio.open_connection(*_address(served.url))
        writer.write(b"GET / HTTP/1.1\r\n")
        closed = asyncio.ensure_future(reader.read())
        number = 0
        while not closed.done():
            writer.write(f"X-{number}: 1\r\n".encode())
            number += 1
            await asyncio.wait([closed], timeout=0.05)
        assert await closed == b""
        writer.close()


async def test_unfinished_body_is_not_waited_for(node: Node):
    settings = ServerSettings(name="n", body_timeout_s=0.2, stop_timeout_s=1)
    async with serve(node, settings=settings) as served, asyncio.timeout(10):
        reader, writer = await asyncio.open_connection(*_address(served.url))
        head = f"PUT /folder.json HTTP/1.1\r\nHost: x\r\nX-API-KEY: {KEY}\r\n"
        writer.write(
            f"{head}Content-Type: application/json\r\nContent-Length: 9\r\n\r\n{{".encode()
        )
        assert (await reader.readline()).startswith(b"HTTP/1.1 408")
        writer.write(b"        ")
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize(
    "lines",
    [
        ["GET / HTTP/1.1", "Host: x", f"X-Long: {'x' * 100_000}", "", ""],
        [f"GET /version?x={'x' * 100_000} HTTP/1.1", "Host: x", "", ""],
        ["GET / HTTP/1.1", "Host: x", *(f"X-{i}: 1" for i in range(5000)), "", ""],
        ["GET / HTTP/1.1", "Host: x", "Content-Length: -5", "", ""],
        ["GET / HTTP/1.1", "Host: x", "Content-Length: 5", "Transfer-Encoding: chunked", "", ""],
        ["GET / HTTP/7.x", "Host: x", "", ""],
        ["\x00\x01\x02\x03", "", ""],
    ],
    ids=["header", "line", "headers", "length", "smuggling", "version", "garbage"],
)
async def test_heads_that_are_no_requests(node: Node, lines: list[str]):
    async with serve(node) as served, asyncio.timeout(10):
        found = await _head(served.url, *lines)
        assert found.startswith((b"HTTP/1.1 4", b"HTTP/1.0 4"))
        assert b"Traceback" not in found


async def test_broken_chunks(node: Node):
    async with serve(node) as served, asyncio.timeout(10):
        found = await _head(
            served.url,
            "PUT /folder.json HTTP/1.1",
            "Host: x",
            f"X-API-KEY: {KEY}",
            "Content-Type: application/json",
            "Transfer-Encoding: chunked",
            "",
            "zz",
            "",
            "",
        )
        assert found.startswith((b"HTTP/1.1 4", b"HTTP/1.0 4"))


# faults


async def test_answers_to_errors(node: Node, caplog: pytest.LogCaptureFixture):
    """Not of our endpoints: what becomes of errors that are hard to provoke."""

    async def fail(request: web.Request) -> web.Response:
        match request.path:
            case "/full":
                raise DiskFullError("no space is left")
            case "/odd":
                raise FolderNotFound("no\r\nSet-Cookie: x\udcff")
        raise ZeroDivisionError("secret details")

    app = make_app(
        node, keys=FixedKeys({KEY: 1}), settings=ServerSettings(name="n", stop_timeout_s=1)
    )
    for path in ("/full", "/odd", "/bug"):
        app.router.add_get(path, fail)
    async with _running(app) as client:
        full = await client.send("GET", "/full")
        # the original client repeats what fails with more than 500
        assert (full.status, full.text) == (500, "500: no space is left")
        assert full.headers[CODE_HEADER] == "disk_full_error"
        odd = await client.send("GET", "/odd")
        assert (odd.status, odd.text) == (404, "404: no\r\nSet-Cookie: x\\udcff")
        assert "set-cookie" not in odd.headers
        assert odd.headers[CODE_HEADER] == "folder_not_found"
        lines = [(record.levelname, record.getMessage()) for record in caplog.records]
        assert [level for level, _ in lines] == ["ERROR", "WARNING"]
        assert lines[0][1].endswith(" no space is left")
        assert lines[1][1].endswith(r" no\r\nSet-Cookie: x\udcff")
        assert not any(record.exc_info for record in caplog.records)
        bug = await client.send("GET", "/bug")
        assert (bug.status, bug.text) == (500, "500: Internal Server Error")
    assert "secret details" in caplog.text


async def test_failure_after_the_head_cuts_the_connection(node: Node):
    async def fail(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await start(request, response)
        await response.write(b"beginning")
        raise FolderNotFound("folder does not exist")

    app = make_app(
        node, keys=FixedKeys({KEY: 1}), settings=ServerSettings(name="n", stop_timeout_s=1)
    )
    app.router.add_get("/cut", fail)
    async with _running(app) as client:
        with pytest.raises(aiohttp.ClientError):
            await client.send("GET", "/cut")
        assert (await client.send("GET", "/version")).status == 200


class _running:
    """A client of an application that is not `serve`'s."""

    def __init__(self, app: web.Application) -> None:
        self._runner = make_runner(app)
        self._app = app

    async def __aenter__(self) -> Client:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        host, port = self._runner.addresses[0][:2]
        self._session = aiohttp.ClientSession()
        from tests.serving import Served

        return Client(self._session, Served(f"http://{host}:{port}", KEY, None, self._app))

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()
        await self._runner.cleanup()


# the log


async def test_access_log_has_one_line_for_each_request_and_no_secrets(
    client: Client, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO, logger="joule_cli.access")
    await client.send("GET", "/stream.json", {"path": "/a\nb", "token": "s3cret"})
    await client.send("GET", "/version", key="wrong-key")
    lines = [r.getMessage() for r in caplog.records if r.name == "joule_cli.access"]
    assert len(lines) == 2
    assert '"GET /stream.json?path=%2Fa%0Ab" 404 ' in lines[0]
    assert '"GET /version" 403 ' in lines[1]
    for secret in (KEY, "wrong-key", "s3cret"):
        assert secret not in caplog.text


async def test_heads_that_cannot_be_read_are_not_logged(node: Node, caplog):
    async with serve(node) as served, asyncio.timeout(10):
        for line in (f"X-API-KEY: {KEY}\x00", f"X-API-KEY : {KEY}", f"X API KEY: {KEY}"):
            found = await _head(served.url, "GET / HTTP/1.1", "Host: x", line, "", "")
            assert found.startswith(b"HTTP/1.0 400")
    assert caplog.records
    assert KEY not in caplog.text


def test_settings_do_not_show_keys():
    assert "s3cret" not in repr(ServerSettings(name="n", importer_key="s3cret"))


async def test_new_node_has_an_identity_when_it_is_served(client: Client):
    first = await client.get("/version.json")
    assert first["uuid"]
    assert (await client.get("/version.json"))["uuid"] == first["uuid"]


@pytest.mark.parametrize("depth", [650, 690, 710, 960, 990, 2000])
@pytest.mark.parametrize("place", ["datatype", "name", "units", "display_type", "dest_path"])
async def test_deeply_nested_values_are_refused(client: Client, place: str, depth: int):
    given = flow().to_json()
    body = {"dest_path": "/a", "stream": given}
    nested = "[" * depth + "]" * depth
    text = json.dumps(body).replace(f'"{place}": ', f'"{place}": {nested}, "x": ')
    answer = await client.send(
        "POST", "/stream.json", body=text.encode(), headers={"Content-Type": "application/json"}
    )
    assert (answer.status, "Traceback" in answer.text) == (400, False)


@pytest.mark.parametrize("size", [0, 10, 70_000, 1_100_000])
@pytest.mark.parametrize("upgrade", ["h2c", "websocket"])
@pytest.mark.parametrize("path", ["/folder.json", "/data?id=1", "/nothing"])
async def test_a_connection_that_was_to_speak_something_else_ends(
    node: Node, path: str, upgrade: str, size: int
):
    """What follows the head could be a body, or what was to be spoken: neither is taken."""
    async with serve(node) as served, asyncio.timeout(20):
        reader, writer = await asyncio.open_connection(*_address(served.url))
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nX-API-KEY: {KEY}\r\nConnection: Upgrade\r\n"
        head += f"Upgrade: {upgrade}\r\nContent-Type: application/json\r\nContent-Length: {size}"
        writer.write(f"{head}\r\n\r\n".encode() + b"y" * size)
        found = b""
        with suppress(ConnectionError):
            while part := await reader.read(65536):
                found += part
        if size <= 70_000:
            assert found.startswith(b"HTTP/1.1 4")
        assert found.count(b"HTTP/1.") <= 1
        writer.transport.abort()
        writer.close()
