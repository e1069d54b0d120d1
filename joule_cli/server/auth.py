"""Who may send requests."""

from __future__ import annotations

import hmac
import socket
from typing import TYPE_CHECKING, Final, Protocol

from aiohttp import web

from joule_cli.errors import AuthorizationError
from joule_cli.server.pending import PENDING
from joule_cli.server.refusals import Refusal
from joule_cli.server.state import MASTER_ID, SETTINGS
from joule_cli.wire import endpoints

if TYPE_CHECKING:
    from aiohttp.typedefs import Handler, Middleware

KEY_HEADER: Final = "X-API-KEY"
#: For web interfaces behind the node, as a browser sends no header on its own account.
KEY_COOKIE: Final = "X-API-KEY"
#: Set by a reverse proxy on requests that it has not authenticated itself.
AUTH_REQUIRED_HEADER: Final = "X-Auth-Required"
#: What a node that this one joins calls, to see that the key works that it was sent.
_CALLS_BACK: Final = frozenset({("GET", endpoints.VERSION_JSON), ("GET", endpoints.DB_INFO)})


class Keys(Protocol):
    """The keys that open a node."""

    async def find(self, key: str) -> int | None:
        """Return the id of the master that has a key, in a time that tells nothing about it."""


def authentication(keys: Keys) -> Middleware:
    """Return the middleware that lets nobody pass without a key.

    It runs before routing: without a key, nobody learns which paths there are.
    """

    @web.middleware
    async def authenticate(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not is_trusted(request) and not await _has_key(request, keys):
            raise Refusal(403, "403: Forbidden", code=AuthorizationError.code)
        return await handler(request)

    return authenticate


def is_trusted(request: web.Request) -> bool:
    """Tell whether a request comes from the UNIX socket and from no further away."""
    return over_unix_socket(request) and AUTH_REQUIRED_HEADER not in request.headers


def over_unix_socket(request: web.Request) -> bool:
    """Tell whether a request came through the UNIX socket."""
    if request.transport is None:
        return False
    connection = request.transport.get_extra_info("socket")
    return connection is not None and connection.family == socket.AF_UNIX


async def _has_key(request: web.Request, keys: Keys) -> bool:
    call = (request.method, request.path)
    if call == ("POST", endpoints.FOLLOWER):
        return True  # a node that joins has no key yet; the one of its own is in the body
    key = request.headers.get(KEY_HEADER, "")
    if not key and request.path.startswith(endpoints.INTERFACE):
        key = request.cookies.get(KEY_COOKIE, "")
    if not key or not key.isascii():
        return False
    master = await keys.find(key)
    if master is not None:
        request[MASTER_ID] = master
        return True
    if call in _CALLS_BACK and request.app[PENDING].has(key):
        return True
    importer_key = request.app[SETTINGS].importer_key
    return (
        call == ("POST", endpoints.ARCHIVE)
        and bool(importer_key)
        and hmac.compare_digest(key.encode(), importer_key.encode())
    )
