"""What is served under ``/interface/pN/``: the web interface behind proxy N.

Requests, answers and WebSocket messages pass through as they come, with no more of them in memory
than is on its way. The keys of this node stay here: neither the header nor the cookie with one is
passed on.
"""

from __future__ import annotations

import asyncio
import re
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

import aiohttp
from aiohttp import WSMsgType, web
from multidict import CIMultiDict
from yarl import URL

from joule_cli.errors import ApiError, ProxyNotFound
from joule_cli.server.auth import AUTH_REQUIRED_HEADER, KEY_COOKIE, KEY_HEADER
from joule_cli.server.front import forwarded
from joule_cli.server.proxy import find_proxy
from joule_cli.server.refusals import Refusal, start
from joule_cli.wire import endpoints

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from multidict import MultiMapping

    from joule_cli.model import Proxy

routes = web.RouteTableDef()

_CLIENT: Final = web.AppKey("PROXY_CLIENT", aiohttp.ClientSession)
#: Seconds to reach the server behind a proxy; how long it takes to answer is its own affair.
_CONNECT_S: Final = 10.0
_LARGEST_MESSAGE: Final = 16 * 1024 * 1024
#: Headers that are about one connection, and not about what it carries (RFC 9110, 7.6.1).
_HOP_BY_HOP: Final = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
#: Headers of requests that are for this node, or are made anew.
_NOT_PASSED_ON: Final = frozenset(
    {
        KEY_HEADER.lower(),
        AUTH_REQUIRED_HEADER.lower(),
        "host",
        "cookie",
        "expect",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
        "x-forwarded-prefix",
    }
)
#: Headers of answers that this node makes itself: its own name, which tells no version.
_NOT_PASSED_BACK: Final = frozenset({"server", "date"})
_COOKIE_PATH: Final = re.compile(r"(;\s*path=)([^;]*)", re.IGNORECASE)


@routes.route("*", endpoints.INTERFACE + r"p{number:\d{1,9}}")
async def to_first_page(request: web.Request) -> web.Response:
    """Point to the first page with its slash, which the links of an interface need."""
    _proxy(request)
    query = request.rel_url.raw_query_string
    place = f"{request.rel_url.raw_path}/{'?' if query else ''}{query}"
    return web.Response(status=308, headers={"Location": place})


@routes.route("*", endpoints.INTERFACE + r"p{number:\d{1,9}}/{rest:.*}")
async def pass_on(request: web.Request) -> web.StreamResponse:
    """Pass a request on, and its answer back."""
    proxy = _proxy(request)
    target = _target(request, proxy)
    headers = _request_headers(request)
    if request.headers.get("Upgrade", "").lower() == "websocket":
        return await _pass_messages(request, proxy, target, headers)
    try:
        async with request.app[_CLIENT].request(
            request.method,
            target,
            headers=headers,
            data=_body(request),
            allow_redirects=False,
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
        ) as answer:
            response = web.StreamResponse(
                status=answer.status,
                reason=answer.reason,
                headers=_response_headers(request, proxy, answer.headers),
            )
            await start(request, response)
            async for block in answer.content.iter_any():
                await response.write(block)
            await response.write_eof()
            return response
    except aiohttp.ClientError as exc:
        raise _bad_gateway(proxy) from exc


def _proxy(request: web.Request) -> Proxy:
    found = find_proxy(request, int(request.match_info["number"]))
    if found is None:
        raise ProxyNotFound("proxy does not exist")
    return found


def _prefix(request: web.Request) -> str:
    """Return the path of the first page, without its slash."""
    return f"{endpoints.INTERFACE}p{int(request.match_info['number'])}"


def _target(request: web.Request, proxy: Proxy) -> URL:
    """Return the URL that a request is for, with its path and query as they came."""
    raw = request.rel_url.raw_path
    rest = raw.split("/", 3)[3] if raw.count("/") >= 3 else ""
    if any(unquote(name) in {".", ".."} for name in re.split(r"/|\\|%2f|%5c", rest, flags=re.I)):
        raise ApiError("the path must not lead out of the proxied server")
    query = request.rel_url.raw_query_string
    return URL(f"{proxy.target_url}{rest}{'?' if query else ''}{query}", encoded=True)


def _request_headers(request: web.Request) -> CIMultiDict[str]:
    headers = _kept(request.headers, _NOT_PASSED_ON)
    cookie = _without_key(request.headers.getall("Cookie", []))
    if cookie:
        headers["Cookie"] = cookie
    before = forwarded(request, "X-Forwarded-For")
    address = request.remote or "unix"
    headers["X-Forwarded-For"] = f"{before}, {address}" if before else address
    headers["X-Forwarded-Host"] = request.host
    headers["X-Forwarded-Proto"] = forwarded(request, "X-Api-Scheme") or request.scheme
    headers["X-Forwarded-Prefix"] = _prefix(request)
    return headers


def _kept(headers: MultiMapping[str], without: Iterable[str] = ()) -> CIMultiDict[str]:
    """Return the headers that are for the other end."""
    given: CIMultiDict[str] = CIMultiDict(headers)
    named = ",".join(given.getall("Connection", [])).lower().split(",")
    dropped = {*_HOP_BY_HOP, *without, *(name.strip() for name in named)}
    return CIMultiDict(
        (name, value) for name, value in given.items() if name.lower() not in dropped
    )


def _without_key(cookies: Iterable[str]) -> str:
    parts = [part.strip() for cookie in cookies for part in cookie.split(";")]
    return "; ".join(
        part for part in parts if part and part.partition("=")[0].strip() != KEY_COOKIE
    )


def _body(request: web.Request) -> AsyncIterator[bytes] | None:
    return request.content.iter_any() if request.can_read_body else None


def _response_headers(
    request: web.Request, proxy: Proxy, headers: MultiMapping[str]
) -> CIMultiDict[str]:
    kept = _kept(headers, _NOT_PASSED_BACK)
    prefix = _prefix(request)
    if "Location" in kept:
        kept["Location"] = _moved(kept["Location"], proxy, prefix)
    cookies = kept.popall("Set-Cookie", [])
    for cookie in cookies:
        if _names_key(cookie):
            continue
        # what an interface stores for all its pages is for its own pages only
        kept.add(
            "Set-Cookie",
            _COOKIE_PATH.sub(lambda found: f"{found[1]}{prefix}/{found[2].lstrip('/')}", cookie),
        )
    return kept


def _names_key(cookie: str) -> bool:
    try:
        return KEY_COOKIE in SimpleCookie(cookie)
    except CookieError:
        return True


def _moved(location: str, proxy: Proxy, prefix: str) -> str:
    """Return where a redirection leads for a client outside."""
    if location.startswith(proxy.target_url):
        return f"{prefix}/{location.removeprefix(proxy.target_url)}"
    root = URL(proxy.target_url).raw_path
    if location.startswith(root) and not location.startswith("//"):
        return f"{prefix}/{location.removeprefix(root)}"
    return location


async def _pass_messages(
    request: web.Request, proxy: Proxy, target: URL, headers: CIMultiDict[str]
) -> web.StreamResponse:
    protocols = [
        name.strip()
        for value in headers.popall("Sec-WebSocket-Protocol", [])
        for name in value.split(",")
    ]
    for name in [name for name in headers if name.lower().startswith("sec-websocket-")]:
        headers.popall(name, None)
    try:
        async with request.app[_CLIENT].ws_connect(
            target,
            protocols=protocols,
            headers=headers,
            autoping=False,
            autoclose=False,
            max_msg_size=_LARGEST_MESSAGE,
        ) as inner:
            outer = web.WebSocketResponse(
                protocols=[inner.protocol] if inner.protocol else [],
                autoping=False,
                autoclose=False,
                max_msg_size=_LARGEST_MESSAGE,
            )
            await outer.prepare(request)
            await _join(outer, inner)
            return outer
    except aiohttp.WSServerHandshakeError as exc:
        raise Refusal(exc.status if exc.status >= 400 else 502, "the interface refuses") from exc
    except aiohttp.ClientError as exc:
        raise _bad_gateway(proxy) from exc


_Socket = web.WebSocketResponse | aiohttp.ClientWebSocketResponse


async def _join(outer: _Socket, inner: _Socket) -> None:
    """Pass messages in both directions until one end closes."""
    ways = [
        asyncio.create_task(_copy(outer, inner)),
        asyncio.create_task(_copy(inner, outer)),
    ]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)


async def _copy(source: _Socket, target: _Socket) -> None:
    code, reason = 1011, b""
    try:
        while True:
            message = await source.receive()
            match message.type:
                case WSMsgType.TEXT:
                    await target.send_str(message.data)
                case WSMsgType.BINARY:
                    await target.send_bytes(message.data)
                case WSMsgType.PING:
                    await target.ping(message.data)
                case WSMsgType.PONG:
                    await target.pong(message.data)
                case WSMsgType.CLOSE:
                    code, reason = message.data or 1000, (message.extra or "").encode()
                    break
                case _:
                    break
    except ConnectionError:
        pass
    finally:
        # each end is closed as the other one closed, and told so if it vanished
        await target.close(code=code, message=reason)


def _bad_gateway(proxy: Proxy) -> Refusal:
    return Refusal(502, f"502: the interface [{proxy.name}] does not answer")


async def client(app: web.Application) -> AsyncIterator[None]:
    """Keep connections to the servers behind the proxies while the node is served."""
    app[_CLIENT] = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S),
    )
    yield
    await app[_CLIENT].close()
