"""What a node says about itself."""

from __future__ import annotations

from aiohttp import web

from joule_cli.errors import ApiError
from joule_cli.server.body import json_response
from joule_cli.server.state import IDENTITY, NODE, SETTINGS
from joule_cli.wire import endpoints

routes = web.RouteTableDef()


@routes.get(endpoints.ROOT)
async def index(request: web.Request) -> web.Response:
    """Tell what answers here."""
    return web.Response(text="Joule server")


@routes.get(endpoints.VERSION)
async def version(request: web.Request) -> web.Response:
    """Tell the version."""
    return web.Response(text=request.app[IDENTITY].version)


@routes.get(endpoints.VERSION_JSON)
async def version_json(request: web.Request) -> web.Response:
    """Tell version, name and identity."""
    # watched by monitoring and asked first by every client: it waits for no other work
    info = request.app[IDENTITY]
    return json_response(
        {
            "version": info.version,
            "name": request.app[SETTINGS].name,
            "uuid": info.uuid,
            # a Joule 1.0.1 client ignores them
            "capabilities": sorted(info.capabilities),
        }
    )


@routes.get(endpoints.DB_INFO)
async def db_info(request: web.Request) -> web.Response:
    """Tell where the data is, and how much."""
    info = await request.app[NODE].info()
    return json_response(
        {
            "path": info.path,
            "other": info.size_other,
            "reserved": info.size_reserved,
            "free": info.size_free,
            "size": info.size_db,
        }
    )


@routes.get(endpoints.DB_CONNECTION)
async def db_connection(request: web.Request) -> web.Response:
    """Tell how to speak SQL to the data."""
    info = await request.app[NODE].db_connection_info()
    if info.is_file:
        raise ApiError("this node keeps its data in a file, there is no SQL server to connect to")
    return json_response(info.to_json())


async def ensure_identity(app: web.Application) -> None:
    """Give a node an identity before a client asks: a new node gets one with its first change."""
    node = app[NODE]
    info = await node.info()
    if not info.uuid:
        await node.folder_create("/")
        info = await node.info()
    app[IDENTITY] = info
