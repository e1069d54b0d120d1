"""Pages of other sites must not use the cookie that a browser adds to their requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aiohttp import hdrs

from joule_cli.errors import AuthorizationError
from joule_cli.server.front import forwarded
from joule_cli.server.refusals import Refusal
from joule_cli.server.state import SETTINGS

if TYPE_CHECKING:
    from aiohttp import web

#: What a page of another site may cause as well, and cannot read the answer of.
_HARMLESS: Final = frozenset({hdrs.METH_GET, hdrs.METH_HEAD, hdrs.METH_OPTIONS})


def require_own_page(request: web.Request) -> None:
    """Refuse a change or a WebSocket unless a page of this node asks for it.

    Browsers say which page it is with every such request; programs can send the key as a header.

    Raises
    ------
    Refusal
        ``Origin`` is missing, or names another place.
    """
    if request.method in _HARMLESS and hdrs.UPGRADE not in request.headers:
        return
    scheme, _, place = request.headers.get(hdrs.ORIGIN, "").lower().partition("://")
    # a page that came in clear may have been changed on its way
    encrypted = (forwarded(request, "X-Api-Scheme") or request.scheme) == "https"
    if place not in _own_places(request) or scheme not in {"https", "" if encrypted else "http"}:
        raise Refusal(
            403,
            "403: the cookie is for pages of this node, other programs send the key as a header",
            code=AuthorizationError.code,
        )


def _own_places(request: web.Request) -> set[str]:
    """Return host and port, unless that of the scheme, of this node as browsers know it."""
    hosts = [request.headers.get(hdrs.HOST), forwarded(request, "X-Forwarded-Host")]
    settings = request.app[SETTINGS]
    if settings.host is not None:
        usual = settings.port == {"https": 443, "http": 80}.get(settings.scheme or "http")
        hosts.append(settings.host if usual else f"{settings.host}:{settings.port}")
    return {host.lower() for host in hosts if host}
