"""The handshake by which a node comes under the control of another one.

The operator of F asks F to add the master M. F makes a key and sends it to M with its own address;
M calls F back with this key, to see that it gets there, and stores F as a follower; F stores M as
a master. Source: Joule wire protocol, "Handshake sequence".
"""

from __future__ import annotations

import asyncio
import re
import ssl
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import aiohttp

from joule_cli.api.connect import open_entry
from joule_cli.api.registry import NodeEntry
from joule_cli.errors import ApiError, ConfigurationError, JouleError
from joule_cli.server.auth import KEY_HEADER, over_unix_socket
from joule_cli.server.refusals import Refusal
from joule_cli.server.state import SETTINGS
from joule_cli.wire import codec, endpoints

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from aiohttp import web

#: Seconds for a node of unknown scheme to answer at all.
_PROBE_S: Final = 5.0
#: Seconds for another node to answer; it may be calling back meanwhile.
_ANSWER_S: Final = 30.0
#: Seconds for each of the calls back.
_CALL_BACK_S: Final = 10.0
_LONGEST_ANSWER: Final = 64 * 1024
#: What a Lumen server, which knows no keys of nodes, gets in the header.
_LUMEN_KEY: Final = "stub_key"
_HOST: Final = re.compile(r"[A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\]|[0-9A-Fa-f:.]+")
_BASE_URI: Final = re.compile(r"(/[A-Za-z0-9._~!$&'()*+,;=:@%-]+)*/?")


class JoinError(ApiError):
    """The other node could not be reached, or refused."""


class Other:
    """A node or Lumen server that this node calls.

    Parameters
    ----------
    ca_file
        A certificate authority to trust besides the system's.
    """

    def __init__(self, url: str, *, ca_file: Path | None) -> None:
        self.url = url
        self._tls = _tls(ca_file)

    async def post(self, endpoint: str, key: str, body: Mapping[str, Any]) -> Any:
        """Send JSON and return that of the answer, `None` for ``ok``.

        Raises
        ------
        JoinError
            With the text that the operator sees.
        """
        headers = {
            KEY_HEADER: key,
            "Content-Type": codec.MEDIA_TYPE,
            "Connection": "close",
        }
        timeout = aiohttp.ClientTimeout(total=_ANSWER_S)
        try:
            async with (
                aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session,
                session.post(
                    f"{self.url}{endpoint}",
                    data=codec.dump(body).encode(),
                    headers=headers,
                    allow_redirects=False,
                    ssl=self._tls,
                    timeout=timeout,
                ) as response,
            ):
                content = await response.content.read(_LONGEST_ANSWER)
                status, media_type = response.status, response.content_type
        except aiohttp.ClientConnectorCertificateError as exc:
            raise JoinError(
                "the specified certificate authority did not validate this server"
            ) from exc
        except (aiohttp.ClientError, TimeoutError, ValueError) as exc:
            raise JoinError(f"Cannot contact node at [{self.url}]") from exc
        text = content.decode("utf-8", "replace").strip()
        if status != 200:
            told = response.reason if media_type == "text/html" else " ".join(text.splitlines())
            raise JoinError(f"{told} [{status}]")
        if media_type == codec.MEDIA_TYPE:
            try:
                return codec.load_response(content)
            except ApiError as exc:
                raise JoinError(exc.message) from exc
        if text.lower() == "ok":
            return None
        raise JoinError(f"Invalid node response: {text[:200]}")

    async def answers(self) -> bool:
        """Tell whether anything speaks HTTP there, whatever it says."""
        try:
            async with (
                aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session,
                session.get(
                    self.url,
                    allow_redirects=False,
                    ssl=self._tls,
                    timeout=aiohttp.ClientTimeout(total=_PROBE_S),
                ),
            ):
                return True
        except (aiohttp.ClientError, TimeoutError, ValueError):
            return False


def _tls(ca_file: Path | None) -> ssl.SSLContext | bool:
    if ca_file is None:
        return True
    context = ssl.create_default_context()
    try:
        context.load_verify_locations(cafile=ca_file)
    except (OSError, ssl.SSLError) as exc:
        raise ConfigurationError(
            "cannot read the certificate authority", object=str(ca_file)
        ) from exc
    return context


async def find_other(identifier: str, *, path: str, ca_file: Path | None) -> Other:
    """Return the node at a URL, or at a host with HTTPS or HTTP.

    Parameters
    ----------
    path
        Where it is expected below a host.

    Raises
    ------
    JoinError
        Nothing answers at the host.
    """
    if identifier.startswith(("http://", "https://")):
        return Other(identifier.rstrip("/"), ca_file=ca_file)
    if _is_place(identifier):
        for scheme in ("https", "http"):
            other = Other(f"{scheme}://{identifier}{path}", ca_file=ca_file)
            if await other.answers():
                return other
    raise JoinError(f"cannot connect to {identifier}, try using a full URL like http(s)://...")


def _is_place(text: str) -> bool:
    try:
        parts = urlsplit(f"//{text}")
        _ = parts.port
    except ValueError:
        return False
    return parts.netloc == text and parts.hostname is not None and "@" not in text


async def ask_to_be_master(other: Other, key: str, introduction: Mapping[str, Any]) -> str:
    """Ask another node to take this one as a follower, and return its name.

    Raises
    ------
    JoinError
        It cannot be reached, or refuses.
    """
    answer = await other.post(endpoints.FOLLOWER, key, {"key": key, **introduction})
    name = answer.get("name") if isinstance(answer, dict) else None
    if not isinstance(name, str) or not name.strip() or not name.isprintable():
        raise JoinError("Invalid node response: it has no name")
    return name


async def ask_lumen_to_be_master(
    other: Other, key: str, introduction: Mapping[str, Any], credentials: Mapping[str, Any]
) -> None:
    """Ask a Lumen server to take this node; `credentials` say who asks.

    Raises
    ------
    JoinError
        It cannot be reached, or refuses.
    """
    body = {"api_key": key, **introduction, **credentials}
    await other.post("/nilms.json", _LUMEN_KEY, body)


def introduce(request: web.Request) -> dict[str, Any]:
    """Return how this node tells another one where it is, as far as it knows.

    Raises
    ------
    ApiError
        It has no address that others could use.
    """
    settings = request.app[SETTINGS]
    port: int | str | None = settings.port
    scheme, base_uri = settings.scheme, settings.base_uri
    if over_unix_socket(request):
        # set by the reverse proxy in front; the port stays the text that it is
        port = request.headers.get("X-Api-Port", port)
        scheme = request.headers.get("X-Api-Scheme", scheme)
        base_uri = request.headers.get("X-Api-Base-Uri", base_uri)
    elif request.transport is not None:
        port = port or request.transport.get_extra_info("sockname")[1]
        scheme = scheme or request.scheme
    if port is None:
        raise ApiError(
            "this node listens on no address that another node could call",
            hint="serve it with --port, or set X-Api-Port in the reverse proxy",
        )
    # a certificate is for a name, and an address may be the only thing that the other one sees
    by_name = settings.host is not None or settings.ca_file is not None
    return {
        "port": port,
        "name": settings.host or settings.name,
        "base_uri": base_uri,
        "scheme": scheme or "http",
        **({"name_is_host": 1} if by_name else {}),
    }


def read_location(request: web.Request, body: Mapping[str, Any]) -> str:
    """Return the URL at which a node that joins says it is.

    Raises
    ------
    ApiError
        Something is missing, or no part of a URL.
    """
    for name in ("key", "port", "scheme", "base_uri"):
        if name not in body:
            raise ApiError(f"Invalid request, missing ['{name}']")
    host = _host(request, body)
    scheme, base_uri = body["scheme"], body["base_uri"]
    port = _port(body["port"])
    if scheme not in {"http", "https"} or port is None:
        raise ApiError("Invalid request, [scheme] and [port] are not those of a node")
    if not isinstance(base_uri, str) or not _BASE_URI.fullmatch(base_uri):
        raise ApiError("Invalid request, [base_uri] is not a path")
    if not isinstance(host, str) or not _HOST.fullmatch(host):
        raise ApiError("Invalid request, the host is not one")
    place = f"[{host}]" if ":" in host and not host.startswith("[") else host
    return f"{scheme}://{place}:{port}{base_uri}".rstrip("/")


def _host(request: web.Request, body: Mapping[str, Any]) -> Any:
    if "name_is_host" in body:
        if "name" not in body:
            raise ApiError("Invalid request, missing ['name']")
        return body["name"]
    forwarded = request.headers.get("X-Forwarded-For")
    if forwarded is not None:
        return forwarded
    if over_unix_socket(request) or request.remote is None:
        raise ApiError(
            "could not determine remote host, specify with X-Forwarded-For if using a reverse proxy"
        )
    return request.remote


def _port(value: Any) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 5:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 < value < 65536 else None


async def call_back(location: str, key: str, *, ca_file: Path | None) -> str:
    """Return the name of the node at a location that takes a key.

    Raises
    ------
    ApiError
        ``no route to node at <location>``, whatever went wrong.
    """
    extra = {} if ca_file is None else {"ca_file": str(ca_file)}
    try:
        found = open_entry(NodeEntry("follower", location, key, extra), timeout_s=_CALL_BACK_S)
        async with asyncio.timeout(2 * _CALL_BACK_S), found as node:
            return (await node.info()).name
    except (JouleError, TimeoutError) as exc:
        raise ApiError(f"no route to node at {location}") from exc


def join_refused(error: JoinError) -> Refusal:
    """Return the answer to the operator of a join that failed."""
    return Refusal(
        400,
        codec.dump({"error": error.message}),
        content_type=codec.MEDIA_TYPE,
        code=ApiError.code,
    )
