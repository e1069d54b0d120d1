"""Follower actions over HTTP."""

from __future__ import annotations

import asyncio
from typing import Final

from aiohttp import web

from joule_cli.errors import ApiError
from joule_cli.server.body import json_response, read_object
from joule_cli.server.join import call_back, read_location
from joule_cli.server.peers import peers_of
from joule_cli.server.refusals import Refusal
from joule_cli.server.state import NODE, SETTINGS
from joule_cli.wire import endpoints

routes = web.RouteTableDef()

#: Anybody may ask to join, and each time this node calls somebody: so many at the same time.
_MOST_JOINS: Final = 8
_JOINS: Final = web.AppKey("JOINS", asyncio.Semaphore)


@routes.get(endpoints.FOLLOWERS)
async def followers(request: web.Request) -> web.Response:
    """List the followers with their keys, for whoever controls this node."""
    records = await request.app[NODE].follower_records()
    return json_response([each.to_json() for each in records])


@routes.post(endpoints.FOLLOWER)
async def join(request: web.Request) -> web.Response:
    """Take a node as a follower that offers itself; needs no key."""
    peers, settings = peers_of(request.app), request.app[SETTINGS]
    body = await read_object(request)
    location = read_location(request, body)
    key = body["key"]
    if not isinstance(key, str) or not key or not (key.isascii() and key.isprintable()):
        raise ApiError("Invalid request, [key] is not one")
    joins = request.app[_JOINS]
    if joins.locked():
        raise Refusal(429, "429: too many nodes are joining, try again later")
    async with joins:
        name = await call_back(location, key, ca_file=settings.ca_file)
    await peers.add_follower(name, key, location)
    return json_response({"name": settings.name})


@routes.delete(endpoints.FOLLOWER)
async def delete(request: web.Request) -> web.Response:
    """Forget one follower."""
    name = request.query.get("name")
    if name is None:
        raise ApiError("specify name to remove")
    await request.app[NODE].follower_delete(name)
    return web.Response(text="OK")


async def limit_joins(app: web.Application) -> None:
    """Prepare the limit of joins at the same time."""
    app[_JOINS] = asyncio.Semaphore(_MOST_JOINS)
