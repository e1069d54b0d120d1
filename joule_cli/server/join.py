"""The handshake by which a node comes under the control of another one.

The operator of F asks F to add the master M. F makes a key and sends it to M with its own address;
M calls F back with this key, to see that it gets there, and stores F as a follower; F stores M as
a master. Source: Joule wire protocol, "Handshake sequence".
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from joule_cli.errors import ApiError, AuthorizationError, JouleError
from joule_cli.server.front import forwarded, over_unix_socket
from joule_cli.server.other import JoinError, Other, is_public
from joule_cli.server.refusals import Refusal
from joule_cli.server.state import CLIENT, SETTINGS
from joule_cli.wire import codec, endpoints

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from aiohttp import web

#: Seconds for each of the calls back.
_CALL_BACK_S: Final = 10.0
#: Longest name of a node.
_LONGEST_NAME: Final = 255
#: What a Lumen server, which knows no keys of nodes, gets in the header.
_LUMEN_KEY: Final = "stub_key"
_HOST: Final = re.compile(r"[A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\]|[0-9A-Fa-f:.]+")
_BASE_URI: Final = re.compile(r"(/[A-Za-z0-9._~!$&'()*+,;=:@%-]+)*/?")


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
    if not _is_name(name):
        raise JoinError("Invalid node response: it has no name")
    return str(name)


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
    # the port stays the text that it is
    port: int | str | None = forwarded(request, "X-Api-Port") or settings.port
    scheme = forwarded(request, "X-Api-Scheme") or settings.scheme
    base_uri = forwarded(request, "X-Api-Base-Uri")
    if base_uri is None:
        base_uri = settings.base_uri
    if request.transport is not None and not over_unix_socket(request):
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
    if scheme not in ("http", "https") or port is None:
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
    if not request[CLIENT]:
        raise ApiError(
            "could not determine remote host, specify with X-Forwarded-For if using a reverse proxy"
        )
    return request[CLIENT]


def _port(value: Any) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 5:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 < value < 65536 else None


async def call_back(location: str, key: str, *, ca_file: Path | None, private: bool) -> str:
    """Return the name of the node at a location that takes a key.

    Parameters
    ----------
    private
        Call an address that is not public, too.

    Raises
    ------
    ApiError
        ``no route to node at <location>``, whatever went wrong there.
    Refusal
        The address is not public.
    """
    other = Other(location, ca_file=ca_file, public=not private)
    try:
        async with asyncio.timeout(2 * _CALL_BACK_S):
            if not private:
                await _require_public(urlsplit(location).hostname or "")
            version = await other.get(endpoints.VERSION_JSON, key, _CALL_BACK_S)
            storage = await other.get(endpoints.DB_INFO, key, _CALL_BACK_S)
        if not _is_node(version, storage):
            raise JoinError("Invalid node response")
    except (JouleError, TimeoutError) as exc:
        raise ApiError(f"no route to node at {location}") from exc
    return str(version["name"])


async def _require_public(host: str) -> None:
    """Tell a node near this one what keeps it out; the connection is checked once more."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None)
    except OSError:
        return
    if not all(is_public(str(place[0])) for *_, place in found):
        raise Refusal(
            403,
            f"403: [{host}] is no public address, "
            "let it join with: joule follower accept --for 10m --private",
            code=AuthorizationError.code,
        )


def _is_node(version: Any, storage: Any) -> bool:
    """Tell whether two answers are what a node says about itself and about its storage."""
    return (
        isinstance(version, dict)
        and isinstance(version.get("version"), str)
        and _is_name(version.get("name"))
        and isinstance(storage, dict)
        and isinstance(storage.get("path"), str)
        and all(type(storage.get(name)) is int for name in ("other", "reserved", "free", "size"))
    )


def _is_name(name: Any) -> bool:
    """Tell whether a text can be the name of a node."""
    return (
        isinstance(name, str)
        and bool(name.strip())
        and name.isprintable()
        and len(name) <= _LONGEST_NAME
    )


def join_refused(error: JoinError) -> Refusal:
    """Return the answer to the operator of a join that failed."""
    return Refusal(
        400,
        codec.dump({"error": error.message}),
        content_type=codec.MEDIA_TYPE,
        code=ApiError.code,
    )
