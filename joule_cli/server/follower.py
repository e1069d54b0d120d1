"""Follower actions over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from joule_cli.errors import ApiError, AuthorizationError
from joule_cli.server.body import json_response, read_object
from joule_cli.server.join import call_back, read_location
from joule_cli.server.joins import JOINS
from joule_cli.server.peers import peers_of
from joule_cli.server.refusals import Refusal
from joule_cli.server.state import CLIENT, NODE, SETTINGS
from joule_cli.wire import endpoints

if TYPE_CHECKING:
    from joule_cli.model import Joining

routes = web.RouteTableDef()

#: Anybody may send it; the longest address fits.
_LONGEST_REQUEST = 8 * 1024


@routes.get(endpoints.FOLLOWERS)
async def followers(request: web.Request) -> web.Response:
    """List the followers with their keys, for the masters of this node."""
    records = await request.app[NODE].follower_records()
    return json_response([each.to_json() for each in records])


@routes.post(endpoints.FOLLOWER)
async def join(request: web.Request) -> web.Response:
    """Take a node as a follower that offers itself; needs no key, but must be expected."""
    peers, settings = peers_of(request.app), request.app[SETTINGS]
    joining = await peers.joining()
    if joining is None and not settings.accept_followers:
        text = "403: no nodes may join now; open this one with: joule follower accept --for 10m"
        raise Refusal(403, text, code=AuthorizationError.code)
    body = await read_object(request, _LONGEST_REQUEST)
    location = read_location(request, body)
    key = body["key"]
    if not isinstance(key, str) or not key or not (key.isascii() and key.isprintable()):
        raise ApiError("Invalid request, [key] is not one")
    private = settings.private_followers or (joining is not None and joining.private)
    with request.app[JOINS].one(request[CLIENT], joining):
        name = await call_back(location, key, ca_file=settings.ca_file, private=private)
        await peers.add_follower(name, key, location)
    return json_response({"name": settings.name})


@routes.post(endpoints.FOLLOWER_ACCEPT)
async def accept(request: web.Request) -> web.Response:
    """Let nodes join for a while: an extension."""
    body = await read_object(request)
    duration_us, private = body.get("duration_us"), body.get("private", False)
    if type(duration_us) is not int or type(private) is not bool:
        raise ApiError("specify duration_us as us integer, and private as true or false")
    joining: Joining = await request.app[NODE].follower_accept(duration_us, private=private)
    return json_response(joining.to_json())


@routes.delete(endpoints.FOLLOWER)
async def delete(request: web.Request) -> web.Response:
    """Forget one follower."""
    name = request.query.get("name")
    if name is None:
        raise ApiError("specify name to remove")
    await request.app[NODE].follower_delete(name)
    return web.Response(text="OK")
