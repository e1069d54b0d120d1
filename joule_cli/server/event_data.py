"""Events over HTTP."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, NamedTuple

from aiohttp import web

from joule_cli.errors import ApiError, InvalidEventError
from joule_cli.model import Event
from joule_cli.server.body import json_response, ok, read_object, read_source
from joule_cli.server.refusals import start
from joule_cli.server.state import NODE, SETTINGS
from joule_cli.wire import endpoints
from joule_cli.wire.codec import LINES_TYPE, MEDIA_TYPE, dump
from joule_cli.wire.params import OPEN_ENDED, read_bounds, read_int, read_key

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from joule_cli.model import EventBucket, EventStream

routes = web.RouteTableDef()

#: Events that are read and encoded at once, so that other requests are not kept waiting.
_BLOCK_EVENTS = 500
#: How long the place of a follower that left, or takes nothing, is kept.
_LOOK_AROUND_S, _STALLED_S = 1.0, 30.0
#: Answers up to this size are sent in one piece; the rest as they are read.
_MOST_AT_ONCE_BYTES = 4 * 1024 * 1024


class _Selection(NamedTuple):
    """Which events a request means; filled as the arguments of `Node` are called."""

    stream: EventStream
    start: int | None
    end: int | None
    json_filter: str | None
    ongoing: bool


@routes.get(endpoints.EVENT_COUNT)
async def count(request: web.Request) -> web.Response:
    """Count events."""
    selection = await _selection(request)
    return json_response({"count": await request.app[NODE].event_stream_count(*selection)})


@routes.get(endpoints.EVENT_DATA)
async def read(request: web.Request) -> web.StreamResponse:
    """Give events, or a histogram if there are more than asked for and not a part of them."""
    node = request.app[NODE]
    stream = await node.event_stream_get(read_key(request.query))
    if request.query.get("subscribe") == "1":
        return await _follow(request, await _selection(request, stream))
    limit, is_subset = _limit(request), "return-subset" in request.query
    selection = await _selection(request, stream)
    if is_subset and limit == 0:
        raise ApiError("limit parameter must be an integer > 0")
    if not is_subset:
        total = await node.event_stream_count(*selection)
        if total > limit:
            buckets = await node.event_stream_histogram(*selection[:4])
            return json_response(_histogram(total, buckets))
    return await _send_events(request, selection, max(limit, 1))


@routes.post(endpoints.EVENT_DATA)
async def write(request: web.Request) -> web.Response:
    """Store events, and give them back with their ids."""
    node = request.app[NODE]
    body = await read_object(request)
    stream = await node.event_stream_get(read_source(body))
    given = body.get("events")
    if given is None:
        raise ApiError("specify events to add")
    if not isinstance(given, list) or not all(isinstance(event, dict) for event in given):
        raise ApiError("events must be a list of objects")
    if not all("event_stream_id" in event for event in given):
        raise ApiError("all events must have an event_stream_id")
    uuid = (await node.info()).uuid
    events = [_event(index, event, stream, uuid) for index, event in enumerate(given)]
    for event, stored in zip(given, await node.event_stream_write(stream, events), strict=True):
        # everything else comes back as it was sent
        event["event_stream_id"], event["id"] = stream.id, stored.id
    return json_response({"count": len(given), "events": given})


@routes.delete(endpoints.EVENT_DATA)
async def remove(request: web.Request) -> web.Response:
    """Remove events."""
    selection = await _selection(request)
    await request.app[NODE].event_stream_remove(*selection[:4])
    return ok()


async def _selection(request: web.Request, stream: EventStream | None = None) -> _Selection:
    query = request.query
    if stream is None:
        stream = await request.app[NODE].event_stream_get(read_key(query))
    bounds = read_bounds(query)
    ongoing = bool(read_int(query, "include-ongoing-events"))
    return _Selection(stream, *bounds, query.get("filter"), ongoing)


def _limit(request: web.Request) -> int:
    if "limit" not in request.query:
        raise ApiError("limit parameter is required")
    try:
        limit = read_int(request.query, "limit")
    except ApiError:
        limit = None
    if limit is None or limit < 0:
        raise ApiError("limit parameter must be an integer > 0")
    return limit


def _event(index: int, given: dict[str, Any], stream: EventStream, uuid: str) -> Event:
    for name in ("start_time", "end_time", "content"):
        if name not in given:
            raise InvalidEventError(f"event {index}: missing {name}")
    is_known = given["event_stream_id"] == stream.id
    return Event(
        start_time=given["start_time"],
        end_time=given["end_time"],
        content=given["content"],
        id=given.get("id") if is_known else None,
        event_stream_id=stream.id,
        node_uuid=uuid,
    )


def _histogram(total: int, buckets: list[EventBucket]) -> dict[str, Any]:
    events = [
        {
            "id": -1,
            "start_time": bucket.start,
            # the last one has no length in the protocol
            "end_time": bucket.start if bucket is buckets[-1] else bucket.end,
            "content": {"count": bucket.count},
        }
        for bucket in buckets
    ]
    return {"count": total, "events": events, "type": "histogram"}


async def _send_events(
    request: web.Request, selection: _Selection, limit: int
) -> web.StreamResponse:
    """Send at most `limit` events: the first, or with an end alone the last ones before it."""
    node = request.app[NODE]
    pieces: list[str] = []
    n_events = size = 0
    async with aclosing(_pieces(request, selection, limit)) as found:
        async for n, piece in found:
            pieces.append(piece)
            n_events += n
            size += len(piece)
            if size > _MOST_AT_ONCE_BYTES:
                break
        else:
            text = f'{{"count": {n_events}, "events": [{", ".join(pieces)}], "type": "events"}}'
            return web.Response(text=text, content_type=MEDIA_TYPE)
        total = min(limit, await node.event_stream_count(*selection))
        response = web.StreamResponse(
            headers={"Content-Type": f"{MEDIA_TYPE}; charset=utf-8"},
        )
        await start(request, response)
        await response.write(f'{{"count": {total}, "events": [{", ".join(pieces)}'.encode())
        pieces.clear()
        async for _, piece in found:
            await response.write(f", {piece}".encode())
        await response.write(b'], "type": "events"}')
    return response


async def _follow(request: web.Request, selection: _Selection) -> web.StreamResponse:
    """Send events as they are stored, one line for each."""
    wire_form = _wire_form(request)
    stream, begin, _, json_filter, ongoing = selection
    following = request.app[NODE].event_stream_follow(stream, begin, json_filter, ongoing)
    async with aclosing(following) as blocks:
        await anext(blocks)
        response = web.StreamResponse(headers={"Content-Type": LINES_TYPE})
        await start(request, response)
        sending = asyncio.create_task(_send_lines(response, blocks, wire_form))
        try:
            # a stream may rest for hours, in which nothing else tells that the client is gone
            while not sending.done() and request.transport is not None:
                await asyncio.wait({sending}, timeout=_LOOK_AROUND_S)
        finally:
            sending.cancel()
            await asyncio.wait({sending})
        if not sending.cancelled():
            sending.result()
    return response


async def _send_lines(
    response: web.StreamResponse,
    blocks: AsyncGenerator[list[Event], None],
    wire_form: Callable[[Event], dict[str, Any]],
) -> None:
    async for events in blocks:
        lines = "".join(f"{dump(wire_form(event))}\n" for event in events)
        async with asyncio.timeout(_STALLED_S):
            await response.write(lines.encode())


async def _pieces(
    request: web.Request, selection: _Selection, limit: int
) -> AsyncGenerator[tuple[int, str], None]:
    """Give (number of events, their JSON) bit by bit."""
    wire_form = _wire_form(request)
    reading = request.app[NODE].event_stream_read(
        selection.stream,
        selection.start,
        selection.end,
        limit,
        selection.json_filter,
        selection.ongoing,
        block_size=min(limit, _BLOCK_EVENTS),
        latest=selection.start is None and selection.end is not None,
    )
    async with aclosing(aiter(reading)) as blocks:
        async for block in blocks:
            yield len(block), dump([wire_form(event) for event in block])[1:-1]


def _wire_form(request: web.Request) -> Callable[[Event], dict[str, Any]]:
    """Return what turns an event into JSON.

    Clients of Joule 1.0.1 know no event without an end, and read nothing at all if there is one.
    For them an event that is still going on has lasted until now.
    """
    if OPEN_ENDED in request.query:
        return Event.to_json
    now = request.app[SETTINGS].clock()

    def closed(event: Event) -> dict[str, Any]:
        found = event.to_json()
        if found["end_time"] is None:
            found["end_time"] = max(now, event.start_time + 1)
        return found

    return closed
