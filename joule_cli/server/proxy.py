"""Proxy actions over HTTP, and what has a web interface."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from joule_cli.errors import ApiError, NotFoundError, ProxyNotFound
from joule_cli.server.body import json_response
from joule_cli.server.state import NODE, SETTINGS
from joule_cli.wire import endpoints
from joule_cli.wire.params import read_int

if TYPE_CHECKING:
    from joule_cli.model import Proxy

routes = web.RouteTableDef()


@routes.get(endpoints.PROXIES)
async def proxies(request: web.Request) -> web.Response:
    """List the proxies."""
    return json_response([proxy.to_json() for proxy in request.app[SETTINGS].proxies])


@routes.get(endpoints.PROXY)
async def proxy(request: web.Request) -> web.Response:
    """Describe one proxy."""
    name, number = request.query.get("name"), None
    if name is None:
        number = read_int(request.query, "id")
        if number is None:
            raise ApiError("specify an id or a path")
    for each in request.app[SETTINGS].proxies:
        if each.name == name or (name is None and each.id == number):
            return json_response(each.to_json())
    raise ProxyNotFound("proxy does not exist")


@routes.get(endpoints.APPS)
async def apps(request: web.Request) -> web.Response:
    """List everything that has a web interface."""
    found = [
        {"id": f"m{module.id}", "name": module.name}
        for module in await request.app[NODE].module_list()
        if module.is_app
    ]
    found += [{"id": f"p{each.id}", "name": each.name} for each in request.app[SETTINGS].proxies]
    return json_response(found)


@routes.get(endpoints.APP_AUTH)
async def authorize(request: web.Request) -> web.Response:
    """Tell a reverse proxy in front, which asks with the key of its client, where to pass it on."""
    app_id = request.headers.get("X-App-Id", "")
    kind, digits = app_id[:1], app_id[1:]
    if kind not in {"m", "p"} or not (digits.isascii() and digits.isdigit()) or len(digits) > 9:
        raise ApiError("invalid id")
    found = find_proxy(request, int(digits)) if kind == "p" else None
    if found is None:
        raise NotFoundError("id not found")
    return web.Response(headers={"X-Proxy-Path": found.target_url})


def find_proxy(request: web.Request, number: int) -> Proxy | None:
    """Return the proxy with an id."""
    return next((p for p in request.app[SETTINGS].proxies if p.id == number), None)
