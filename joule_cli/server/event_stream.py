"""Event stream actions over HTTP."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from joule_cli.errors import ApiError
from joule_cli.model import EventStream
from joule_cli.server.body import (
    json_response,
    ok,
    read_attributes,
    read_destination,
    read_id,
    read_object,
    read_source,
)
from joule_cli.server.refusals import Refusal, prefixed
from joule_cli.server.state import NODE
from joule_cli.wire import endpoints
from joule_cli.wire.params import read_key

routes = web.RouteTableDef()

_SPECIFICATION = "Invalid stream specification: "


@routes.get(endpoints.EVENT)
async def get(request: web.Request) -> web.Response:
    """Give a stream, with what it holds."""
    stream = await request.app[NODE].event_stream_get(read_key(request.query), info=True)
    assert stream.info is not None
    return json_response(stream.to_json() | {"data_info": stream.info.to_json()})


@routes.post(endpoints.EVENT)
async def create(request: web.Request) -> web.Response:
    """Create a stream."""
    body = await read_object(request)
    if body.get("stream") is None:
        raise ApiError("provide a stream")
    destination = read_destination(body)
    stream = _new_stream(body["stream"])
    with prefixed(_SPECIFICATION, bare=True):
        stored = await request.app[NODE].event_stream_create(stream, destination)
    return json_response(stored.to_json())


@routes.put(endpoints.EVENT)
async def update(request: web.Request) -> web.Response:
    """Store the attributes that are given."""
    node = request.app[NODE]
    body = await read_object(request)
    stream = await node.event_stream_get(read_id(body, "id", "Invalid request: specify id"))
    attributes = read_attributes(body, "stream")
    for name in ("name", "description", "event_fields", "chunk_duration_us", "keep_us"):
        setattr(stream, name, attributes.get(name, getattr(stream, name)))
    with prefixed(_SPECIFICATION):
        await node.event_stream_update(stream)
    return json_response((await node.event_stream_get(stream)).to_json())


@routes.put(endpoints.EVENT_MOVE)
async def move(request: web.Request) -> web.Response:
    """Move a stream into another folder."""
    node = request.app[NODE]
    body = await read_object(request)
    stream = await node.event_stream_get(read_source(body, "src_"))
    await node.event_stream_move(stream, read_destination(body))
    return json_response({"stream": (await node.event_stream_get(stream)).to_json()})


@routes.delete(endpoints.EVENT)
async def delete(request: web.Request) -> web.Response:
    """Delete a stream with its events."""
    await request.app[NODE].event_stream_delete(read_key(request.query))
    return ok()


def _new_stream(given: Any) -> EventStream:
    """Return a stream to be created; every key of the protocol must be there."""
    stream = EventStream()
    try:
        given["id"]  # decided by the node, and required all the same
        # set one by one: the node shall see the values as they are
        for name in ("name", "description", "event_fields", "chunk_duration_us", "keep_us"):
            setattr(stream, name, given[name])
    except KeyError as exc:
        code = ApiError.code
        raise Refusal(400, f"Invalid or missing stream attribute: {exc}", code=code) from exc
    except TypeError as exc:
        raise Refusal(400, f"Invalid stream JSON: {exc!r}", code=ApiError.code) from exc
    return stream
