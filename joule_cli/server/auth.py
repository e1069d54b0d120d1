"""Who may send requests."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Final, Protocol

from aiohttp import web

from joule_cli.errors import AuthorizationError
from joule_cli.server.front import over_unix_socket
from joule_cli.server.origin import require_own_page
from joule_cli.server.pending import PENDING
from joule_cli.server.refusals import Refusal
from joule_cli.server.state import ADMITTED, CLIENT, MASTER_ID, SETTINGS
from joule_cli.server.wrong_keys import WRONG_KEYS
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
    """Return the middleware that refuses every request without a key.

    It runs before routing: without a key, no client learns which paths there are.
    """

    @web.middleware
    async def authenticate(request: web.Request, handler: Handler) -> web.StreamResponse:
        if is_trusted(request) or await _has_key(request, keys):
            request[ADMITTED] = True
        elif (request.method, request.path) != ("POST", endpoints.FOLLOWER):
            # a node that joins has no key yet; the one of its own is in the body
            reason = "wrong key" if KEY_HEADER in request.headers else "no key"
            raise Refusal(403, "403: Forbidden", code=AuthorizationError.code, reason=reason)
        return await handler(request)

    return authenticate


def is_trusted(request: web.Request) -> bool:
    """Tell whether a request comes from the UNIX socket and from no further away."""
    return over_unix_socket(request) and AUTH_REQUIRED_HEADER not in request.headers


async def _has_key(request: web.Request, keys: Keys) -> bool:
    key = request.headers.get(KEY_HEADER, "")
    if not key and request.path.startswith(endpoints.INTERFACE):
        key = request.cookies.get(KEY_COOKIE, "")
        if key:
            require_own_page(request)
    if not key:
        return False
    address, wrong_keys = request[CLIENT], request.app[WRONG_KEYS]
    await wrong_keys.wait(address, key)
    if not key.isascii():
        # no key has such letters, and what has them may be no text at all
        wrong_keys.note(address, key, right=False)
        return False
    right = await _is_right(request, keys, key)
    if right or not _is_importers(request, key):
        wrong_keys.note(address, key, right=right)
    return right


async def _is_right(request: web.Request, keys: Keys, key: str) -> bool:
    master = await keys.find(key)
    if master is not None:
        request[MASTER_ID] = master
        return True
    call = (request.method, request.path)
    if call in _CALLS_BACK and request.app[PENDING].has(key):
        return True
    return call == ("POST", endpoints.ARCHIVE) and _is_importers(request, key)


def _is_importers(request: web.Request, key: str) -> bool:
    expected = request.app[SETTINGS].importer_key
    return bool(expected) and hmac.compare_digest(key.encode(), expected.encode())
