"""Module actions over HTTP."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from aiohttp import web

from joule_cli.errors import ModuleNotFound
from joule_cli.server.body import json_response
from joule_cli.server.refusals import Refusal
from joule_cli.server.state import NODE
from joule_cli.wire import endpoints
from joule_cli.wire.params import read_int

if TYPE_CHECKING:
    from collections.abc import Iterator

routes = web.RouteTableDef()


@routes.get(endpoints.MODULES)
async def modules(request: web.Request) -> web.Response:
    """List the modules."""
    statistics = request.query.get("statistics", "0") != "0"
    found = await request.app[NODE].module_list(statistics)
    return json_response([module.to_json() for module in found])


@routes.get(endpoints.MODULE)
async def module(request: web.Request) -> web.Response:
    """Describe one module; statistics are always among it."""
    key = _key(request, "specify a name or id")
    with _bare():
        found = await request.app[NODE].module_get(key, statistics=True)
    return json_response(found.to_json())


@routes.get(endpoints.MODULE_LOGS)
async def logs(request: web.Request) -> web.Response:
    """Give the latest lines of a module."""
    key = _key(request, "specify a name")
    with _bare():
        lines = await request.app[NODE].module_logs(key)
    return json_response(lines)


def _key(request: web.Request, missing: str) -> str | int:
    name = request.query.get("name")
    if name is not None:
        return name
    number = read_int(request.query, "id")
    if number is None:
        raise Refusal(400, missing)
    return number


@contextmanager
def _bare() -> Iterator[None]:
    """Leave out the status in front of the text, as these endpoints do."""
    try:
        yield
    except ModuleNotFound as exc:
        raise Refusal(404, "module does not exist", code=exc.code) from exc
