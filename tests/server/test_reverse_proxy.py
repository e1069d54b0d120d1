"""Web interfaces behind a served node, with a real backend."""

from __future__ import annotations

import asyncio
import gzip
import ipaddress
from contextlib import AsyncExitStack

import aiohttp
import pytest
from aiohttp import WSMsgType, web
from yarl import URL

from joule_cli.errors import ConfigurationError
from joule_cli.server.proxy_config import make_proxies, read_option, read_proxies
from joule_cli.server.settings import ServerSettings
from tests.nodes import FileNode
from tests.serving import KEY, listening, serve

BIG = 8 * 1024 * 1024


class Backend:
    """A web interface; remembers what it was asked."""

    def __init__(self):
        self.seen = []
        self.closed_with = None
        self.more = asyncio.Event()
        self.url = ""

    def app(self):
        app = web.Application(client_max_size=2 * BIG)
        app.router.add_get("/socket", self.socket)
        app.router.add_get("/refused", self.refused)
        app.router.add_get("/stream", self.stream)
        app.router.add_get("/cut", self.cut)
        app.router.add_get("/zipped", self.zipped)
        app.router.add_get("/moved", self.moved)
        app.router.add_get("/cookies", self.cookies)
        app.router.add_post("/count", self.count)
        app.router.add_route("*", "/raw", self.raw)
        app.router.add_route("*", "/{rest:.*}", self.echo)
        return app

    async def echo(self, request):
        self.seen.append(request)
        body = await request.text()
        return web.json_response(
            {
                "method": request.method,
                "path": request.raw_path,
                "headers": dict(request.headers),
                "body": body,
            },
            status=418 if request.path == "/teapot" else 200,
        )

    async def socket(self, request):
        socket = web.WebSocketResponse(protocols=("chat",))
        await socket.prepare(request)
        self.seen.append(request)
        async for message in socket:
            if message.type is WSMsgType.TEXT and message.data == "close":
                await socket.close(code=4001, message=b"bye")
            elif message.type is WSMsgType.TEXT and message.data == "vanish":
                request.transport.abort()
            elif message.type is WSMsgType.TEXT:
                await socket.send_str(message.data.upper())
            else:
                await socket.send_bytes(message.data[::-1])
        self.closed_with = socket.close_code
        self.more.set()
        return socket

    async def refused(self, request):
        return web.Response(status=401)

    async def stream(self, request):
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"first")
        await self.more.wait()
        await response.write(b"second")
        return response

    async def cut(self, request):
        response = web.StreamResponse(headers={"Content-Length": "100"})
        await response.prepare(request)
        await response.write(b"part")
        request.transport.close()
        return response

    async def zipped(self, request):
        headers = {"Content-Encoding": "gzip", "Content-Type": "text/plain"}
        return web.Response(body=gzip.compress(b"hello" * 100), headers=headers)

    async def moved(self, request):
        raise web.HTTPFound(request.query["to"].replace("SELF", self.url))

    async def cookies(self, request):
        response = web.Response()
        response.headers.add("Set-Cookie", "session=1; Path=/; HttpOnly")
        response.headers.add("Set-Cookie", "X-API-KEY=mine; Path=/")
        response.headers.add("Set-Cookie", "plain=2")
        return response

    async def raw(self, request):
        self.seen.append(request)
        # as it came over the wire: `started` switches unpacking off
        body = await request.read()
        return web.Response(body=body, headers={"Server": "Grafana/7.5", "X-Own": "1"})

    async def count(self, request):
        n_bytes = 0
        async for block in request.content.iter_any():
            n_bytes += len(block)
        self.seen.append(request)
        return web.Response(text=str(n_bytes))


async def started(stack, app):
    return await stack.enter_async_context(listening(app, auto_decompress=False))


@pytest.fixture
async def backend():
    async with AsyncExitStack() as stack:
        found = Backend()
        found.url = await started(stack, found.app())
        yield found


@pytest.fixture
async def front(backend, tmp_path, unused_tcp_port):
    """URL of a node with three proxies: the backend, a part of it, and a dead one."""
    proxies = make_proxies(
        [
            ("Web", backend.url),
            ("part", f"{backend.url}/below/here"),
            ("dead", f"http://127.0.0.1:{unused_tcp_port}"),
        ]
    )
    settings = ServerSettings(name="lab", proxies=proxies, stop_timeout_s=1)
    async with (
        FileNode("lab", tmp_path / "lab.db") as node,
        serve(node, settings=settings) as served,
    ):
        yield served.url


@pytest.fixture
async def browser(front):
    """A client that has the key in a cookie, with a page of the node, as a browser would."""
    async with aiohttp.ClientSession(
        headers={"Cookie": f"a=b; X-API-KEY={KEY}; c=d", "Origin": front},
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
    ) as session:
        yield session


async def echoed(session, url, **kwargs):
    async with session.request(kwargs.pop("method", "GET"), url, **kwargs) as response:
        return await response.json()


async def test_a_request_passes_as_it_comes(front, browser):
    url = URL(f"{front}/interface/p0/a%20b/%2Bc;d/?q=1&q=%2F+2", encoded=True)
    found = await echoed(
        browser, url, method="PATCH", data=b"text", headers={"X-Own": "1", "Accept": "x/y"}
    )
    assert (found["method"], found["body"]) == ("PATCH", "text")
    assert found["path"] == "/a%20b/%2Bc;d/?q=1&q=%2F+2"
    assert (found["headers"]["X-Own"], found["headers"]["Accept"]) == ("1", "x/y")


async def test_no_key_of_the_node_is_passed_on(front, browser, backend):
    async with browser.get(
        f"{front}/interface/p0/x", headers={"X-API-KEY": KEY, "X-Auth-Required": "1"}
    ) as response:
        headers = (await response.json())["headers"]
    assert KEY not in str(headers)
    assert not {"X-API-KEY", "X-Auth-Required"} & headers.keys()
    assert headers["Cookie"] == "a=b; c=d"
    assert headers["Host"] == backend.url.removeprefix("http://")
    assert headers["X-Forwarded-Prefix"] == "/interface/p0"
    assert headers["X-Forwarded-For"] == "127.0.0.1"
    assert headers["X-Forwarded-Host"] == front.removeprefix("http://")


async def test_headers_of_the_connection_stay_behind(front, browser):
    found = await echoed(
        browser,
        f"{front}/interface/p0/x",
        headers={"Connection": "keep-alive, X-Private", "X-Private": "1", "Keep-Alive": "5"},
    )
    assert not {"X-Private", "Keep-Alive"} & found["headers"].keys()


@pytest.mark.parametrize("path", ["/interface/p0/", "/interface/p0", "/interface/p9/"])
async def test_nobody_passes_without_a_key(front, path, backend):
    async with aiohttp.ClientSession() as session:
        for headers in ({}, {"X-API-KEY": "wrong"}, {"Cookie": "X-API-KEY=wrong"}):
            async with session.get(front + path, headers=headers) as response:
                assert (response.status, await response.text()) == (403, "403: Forbidden")
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await session.ws_connect(f"{front}/interface/p0/socket")
        assert refused.value.status == 403
    assert backend.seen == []


async def test_the_cookie_opens_nothing_but_interfaces(front, browser):
    for path in ("/version.json", "/masters.json", "/interface", "/data"):
        async with browser.get(front + path) as response:
            assert response.status == 403


async def test_statuses_and_methods_pass(front, browser):
    async with browser.get(f"{front}/interface/p0/teapot") as response:
        assert response.status == 418
    async with browser.head(f"{front}/interface/p0/x") as response:
        assert (response.status, await response.read()) == (200, b"")
        assert int(response.headers["Content-Length"]) > 0
    async with browser.options(f"{front}/interface/p0/x") as response:
        assert (await response.json())["method"] == "OPTIONS"


async def test_the_slash_is_added(front, browser):
    async with browser.get(f"{front}/interface/p0?a=%20", allow_redirects=False) as response:
        assert response.status == 308
        assert response.headers["Location"] == "/interface/p0/?a=%20"
    for path in ("/interface/p9", "/interface/p9/x"):
        async with browser.get(front + path) as response:
            assert (response.status, await response.text()) == (404, "404: proxy does not exist")
    for path in ("/interface/", "/interface/px/", "/interface/p-1/", "/interface/m0/"):
        async with browser.get(front + path, headers={"X-API-KEY": KEY}) as response:
            assert response.status == 404


@pytest.mark.parametrize(
    "rest", ["../x", "a/../../x", "%2e%2e/x", "..%2fx", ".%2E%5cx", "a/%2e./x", "./x"]
)
async def test_paths_do_not_lead_out(front, backend, rest):
    host, _, port = front.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    lines = [
        f"GET /interface/p1/{rest} HTTP/1.1",
        "Host: x",
        f"X-API-KEY: {KEY}",
        "Connection: close",
    ]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    status = (await reader.readline()).split()[1]
    writer.close()
    await writer.wait_closed()
    assert status in {b"400", b"404"}
    assert backend.seen == []


async def test_a_path_in_the_target_comes_first(front, browser):
    assert (await echoed(browser, f"{front}/interface/p1/x?y"))["path"] == "/below/here/x?y"


async def test_a_stream_arrives_while_it_is_made(front, browser, backend):
    async with browser.get(f"{front}/interface/p0/stream") as response:
        assert await response.content.readany() == b"first"
        backend.more.set()
        assert await response.content.readany() == b"second"


async def test_big_bodies_pass_in_blocks(front, browser, backend):
    async def blocks():
        for _ in range(BIG // 65536):
            yield b"x" * 65536

    async with browser.post(f"{front}/interface/p0/count", data=blocks()) as response:
        assert await response.text() == str(BIG)
    assert backend.seen[-1].headers["Transfer-Encoding"] == "chunked"
    async with browser.post(f"{front}/interface/p0/count", data=b"y" * 100) as response:
        assert await response.text() == "100"
    assert backend.seen[-1].headers["Content-Length"] == "100"


async def test_a_compressed_answer_stays_compressed(front, browser):
    async with browser.get(f"{front}/interface/p0/zipped") as response:
        assert response.headers["Content-Encoding"] == "gzip"
        assert gzip.decompress(await response.read()) == b"hello" * 100


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "x-own"])
async def test_a_packed_body_stays_packed(front, browser, coding):
    body = gzip.compress(b"hello" * 1000) if coding == "gzip" else b"whatever it is" * 1000
    headers = {"Content-Encoding": coding}
    async with browser.put(f"{front}/interface/p0/raw", data=body, headers=headers) as response:
        assert await response.read() == body


async def test_a_bomb_for_an_interface_is_not_unpacked(front, browser, backend):
    bomb = gzip.compress(b"\0" * 100_000_000, 9)
    headers = {"Content-Encoding": "gzip"}
    async with browser.post(f"{front}/interface/p0/count", data=bomb, headers=headers) as response:
        assert await response.text() == str(len(bomb))
    assert backend.seen[-1].headers["Content-Encoding"] == "gzip"


async def test_an_interface_tells_no_version_of_its_server(front, browser):
    async with browser.get(f"{front}/interface/p0/raw") as response:
        assert response.headers.getall("Server") == ["joule"]
        assert response.headers["X-Own"] == "1"


# whose cookie it is


FOREIGN = [None, "http://evil.example", "https://evil.example", "null", "", "HOST", "file://"]


@pytest.mark.parametrize("origin", FOREIGN)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_pages_of_other_sites_change_nothing(front, backend, method, origin):
    headers = {"Cookie": f"X-API-KEY={KEY}"}
    if origin is not None:
        headers["Origin"] = origin.replace("HOST", front.removeprefix("http://"))
    async with (
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session,
        session.request(method, f"{front}/interface/p0/x", headers=headers) as response,
    ):
        assert response.status == 403
    assert backend.seen == []


@pytest.mark.parametrize("origin", FOREIGN)
async def test_pages_of_other_sites_open_no_socket(front, backend, origin):
    headers = {"Cookie": f"X-API-KEY={KEY}"} | ({} if origin is None else {"Origin": origin})
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await session.ws_connect(f"{front}/interface/p0/socket", headers=headers)
        assert refused.value.status == 403
        # a program sends the key itself, whatever page it is from
        headers = {"X-API-KEY": KEY, "Origin": "http://evil.example"}
        async with session.ws_connect(f"{front}/interface/p0/socket", headers=headers) as socket:
            await socket.send_str("hello")
            assert await socket.receive_str() == "HELLO"


async def test_pages_of_other_sites_may_link_to_an_interface(front, backend):
    headers = {"Cookie": f"X-API-KEY={KEY}", "Origin": "http://evil.example"}
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        for method in ("GET", "HEAD", "OPTIONS"):
            async with session.request(method, f"{front}/interface/p0/x", headers=headers) as found:
                assert found.status == 200


@pytest.mark.parametrize(
    ("origin", "headers", "status"),
    [
        ("https://lab.example", {"Host": "lab.example"}, 200),
        ("http://lab.example", {"Host": "lab.example"}, 200),
        ("https://lab.example", {"Host": "LAB.example"}, 200),
        ("https://lab.example:444", {"Host": "lab.example"}, 403),
        ("https://lab.example", {"Host": "x", "X-Forwarded-Host": "lab.example"}, 200),
        ("https://public.example", {"Host": "x"}, 200),
        ("http://lab.example", {"Host": "lab.example", "X-Api-Scheme": "https"}, 403),
        ("https://lab.example", {"Host": "lab.example", "X-Api-Scheme": "https"}, 200),
    ],
)
async def test_a_node_knows_its_own_pages_behind_a_proxy(
    backend, tmp_path, origin, headers, status
):
    settings = ServerSettings(
        name="lab",
        proxies=make_proxies([("web", backend.url)]),
        trusted_proxies=(ipaddress.ip_network("127.0.0.0/8"),),
        scheme="https",
        host="public.example",
        port=443,
        stop_timeout_s=1,
    )
    sent = {"Cookie": f"X-API-KEY={KEY}", "Origin": origin} | headers
    async with (
        FileNode("lab", tmp_path / "lab.db") as node,
        serve(node, settings=settings) as served,
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session,
        session.post(f"{served.url}/interface/p0/x", headers=sent) as response,
    ):
        assert response.status == status


# what is believed


async def test_what_a_client_says_of_itself_is_not_believed(front, browser):
    said = {"X-Api-Scheme": "https", "X-Forwarded-For": "192.0.2.1", "X-Forwarded-Host": "evil"}
    async with browser.get(f"{front}/interface/p0/x", headers=said) as response:
        headers = (await response.json())["headers"]
    assert headers["X-Forwarded-Proto"] == "http"
    assert headers["X-Forwarded-For"] == "127.0.0.1"
    assert headers["X-Forwarded-Host"] == front.removeprefix("http://")


@pytest.mark.parametrize(
    ("network", "proto", "address"),
    [("127.0.0.0/8", "https", "192.0.2.1, 127.0.0.1"), ("192.0.2.0/24", "http", "127.0.0.1")],
)
async def test_a_configured_proxy_is_believed(backend, tmp_path, network, proto, address):
    settings = ServerSettings(
        name="lab",
        proxies=make_proxies([("web", backend.url)]),
        trusted_proxies=(ipaddress.ip_network(network),),
        stop_timeout_s=1,
    )
    said = {"X-API-KEY": KEY, "X-Api-Scheme": "https", "X-Forwarded-For": "192.0.2.1"}
    async with (
        FileNode("lab", tmp_path / "lab.db") as node,
        serve(node, settings=settings) as served,
        aiohttp.ClientSession() as session,
        session.get(f"{served.url}/interface/p0/x", headers=said) as response,
    ):
        headers = (await response.json())["headers"]
    assert headers["X-Forwarded-Proto"] == proto
    assert headers["X-Forwarded-For"] == address


async def test_a_cut_answer_is_cut(front, browser):
    with pytest.raises(aiohttp.ClientError):
        async with browser.get(f"{front}/interface/p0/cut") as response:
            await response.read()


async def test_a_dead_backend(front, browser):
    async with browser.get(f"{front}/interface/p2/") as response:
        assert response.status == 502
        assert await response.text() == "502: the interface [dead] does not answer"
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await browser.ws_connect(f"{front}/interface/p2/socket")
    assert refused.value.status == 502


@pytest.mark.parametrize(
    ("to", "expected"),
    [
        ("/login", "/interface/p0/login"),
        ("SELF/login?x=1", "/interface/p0/login?x=1"),
        ("next", "next"),
        ("http://example.com/", "http://example.com/"),
        ("//example.com/", "//example.com/"),
    ],
)
async def test_redirections_stay_inside(front, browser, to, expected):
    url = URL(f"{front}/interface/p0/moved").with_query(to=to)
    async with browser.get(url, allow_redirects=False) as response:
        assert response.headers["Location"] == expected


async def test_cookies_of_an_interface_are_for_its_own_pages(front, browser):
    async with browser.get(f"{front}/interface/p0/cookies") as response:
        assert response.headers.getall("Set-Cookie") == [
            "session=1; Path=/interface/p0/; HttpOnly",
            "plain=2",
        ]


async def test_messages_pass_in_both_directions(front, browser, backend):
    async with browser.ws_connect(
        f"{front}/interface/p0/socket", protocols=("other", "chat")
    ) as socket:
        assert socket.protocol == "chat"
        await socket.send_str("hello ü")
        assert await socket.receive_str() == "HELLO Ü"
        await socket.send_bytes(bytes(range(256)) * 1000)
        assert await socket.receive_bytes() == (bytes(range(256)) * 1000)[::-1]
        for number in range(200):
            await socket.send_str(f"n{number}")
        assert [await socket.receive_str() for _ in range(200)] == [f"N{n}" for n in range(200)]
        await socket.close(code=4002)
    await asyncio.wait_for(backend.more.wait(), 5)
    assert backend.closed_with == 4002
    assert KEY not in str(backend.seen[0].headers)


async def test_the_backend_closes(front, browser):
    async with browser.ws_connect(f"{front}/interface/p0/socket") as socket:
        await socket.send_str("close")
        message = await socket.receive()
        assert (message.type, message.data, message.extra) == (WSMsgType.CLOSE, 4001, "bye")
    async with browser.ws_connect(f"{front}/interface/p0/socket") as socket:
        await socket.send_str("vanish")
        assert (await socket.receive()).type in {WSMsgType.CLOSE, WSMsgType.CLOSED}
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await browser.ws_connect(f"{front}/interface/p0/refused")
    assert refused.value.status == 401


async def test_proxies_are_listed(front, backend):
    async with aiohttp.ClientSession(headers={"X-API-KEY": KEY}) as session:
        assert [p["name"] for p in await echoed(session, f"{front}/proxies.json")] == [
            *("web", "part", "dead"),
        ]
        first = {"id": 0, "name": "web", "url": f"{backend.url}/"}
        for query in ("name=web", "id=0", "name=web&id=1"):
            assert await echoed(session, f"{front}/proxy.json?{query}") == first
        assert (await echoed(session, f"{front}/app.json"))[0] == {"id": "p0", "name": "web"}
        async with session.get(f"{front}/app/auth", headers={"X-App-Id": "p0"}) as response:
            assert response.headers["X-Proxy-Path"] == f"{backend.url}/"
            assert await response.read() == b""
        for app_id, status in (
            *(("", 400), ("p", 400), ("x1", 400), ("pz", 400), ("p²", 400)),
            *(("p9", 404), ("m0", 404), ("p99999999999", 400)),
        ):
            headers = {"X-App-Id": app_id} if app_id.isascii() else {"X-App-Id": "p\xb2"}
            async with session.get(f"{front}/app/auth", headers=headers) as response:
                assert response.status == status


# configuration


def test_a_file_of_proxies(tmp_path):
    file = tmp_path / "proxies.conf"
    file.write_text(
        "# interfaces\n[Main]\nName = x\n[Proxies]\nGrafana = http://127.0.0.1:3000\n"
        "my app: https://host/a%%20b/\n"
    )
    made = make_proxies(read_proxies(file))
    assert [(p.id, p.name, p.target_url) for p in made] == [
        (0, "grafana", "http://127.0.0.1:3000/"),
        (1, "my app", "https://host/a%20b/"),
    ]
    file.write_text("one = http://127.0.0.1:1\n")
    assert read_proxies(file) == [("one", "http://127.0.0.1:1")]
    file.write_text("[Main]\nName = x\n")
    assert read_proxies(file) == []


@pytest.mark.parametrize(
    "text", ["no equals sign", "[Proxies]\na = http://x\nA = http://y", "[Proxies\n", "a = 50%"]
)
def test_files_that_cannot_be_read(tmp_path, text):
    file = tmp_path / "proxies.conf"
    file.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        make_proxies(read_proxies(file))
    assert "\n" not in str(caught.value)
    with pytest.raises(ConfigurationError, match="No such file"):
        read_proxies(tmp_path / "missing.conf")


@pytest.mark.parametrize(
    "option", ["a", "=http://x", "a=", "a=ftp://x", "a=http://", "a=http://x:99999", "a=http://x?y"]
)
def test_options_that_are_no_proxy(option):
    with pytest.raises(ConfigurationError):
        make_proxies([read_option(option)])
    assert make_proxies([read_option("A = http://x:1/y")])[0].target_url == "http://x:1/y/"
