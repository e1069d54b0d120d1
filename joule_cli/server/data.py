"""Rows of data streams over HTTP."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from aiohttp import HttpVersion11, hdrs, web

from joule_cli.errors import ApiError, CorruptChunkError, DecimationError, StorageError
from joule_cli.series.layout import Layout
from joule_cli.server.body import json_response, ok
from joule_cli.server.data_json import JsonRows
from joule_cli.server.in_flight import REQUESTS
from joule_cli.server.payload import Payload
from joule_cli.server.refusals import Refusal, start
from joule_cli.server.state import NODE
from joule_cli.server.upload import receive
from joule_cli.wire import endpoints
from joule_cli.wire.codec import MEDIA_TYPE
from joule_cli.wire.frames import DECIMATION_HEADER, LAYOUT_HEADER, PRECISE_HEADER, FrameEncoder
from joule_cli.wire.params import FOLLOW, MISSING, read_bounds, read_int, read_key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from joule_cli.pipes import Pipe
    from joule_cli.pipes.blocks import Item
    from joule_cli.series.layout import Rows

routes = web.RouteTableDef()

#: Less is not sent by itself while more is to come.
_PART_BYTES = 64 * 1024
#: More is not written at once.
_WRITE_BYTES = 512 * 1024
#: How long the place of a subscriber that left is kept.
_LOOK_AROUND_S = 1.0
#: A subscriber that takes nothing for this long is cut off.
_STALLED_S = 30.0


class _Request(NamedTuple):
    """What a read asks for."""

    key: str | int
    start: int | None
    end: int | None
    max_rows: int | None
    level: int | None


@routes.get(endpoints.DATA)
async def read(request: web.Request) -> web.StreamResponse:
    """Send rows, or follow them."""
    if request.query.get("subscribe") == "1":
        return await _subscribe(request)
    wanted = _read_request(request.query)
    async with await _open(request, wanted) as pipe:
        layout = _wire_layout(request, pipe)
        response = _head(pipe, layout)
        if request.method == hdrs.METH_HEAD:
            return response
        first = await _first(pipe)
        if first is None and _tells_no_data(pipe, wanted):
            raise Refusal(400, "this stream has no data", content_type=MEDIA_TYPE)
        await start(request, response)
        sender = _Sender(response, layout)
        if first is not None:
            await sender.send(*first)
            async for rows, ends in pipe.blocks():
                await sender.send(rows, ends)
        if pipe.ends_in_gap:
            await sender.send(None, True)
        await sender.flush()
        await response.write_eof()
        return response


def _wire_layout(request: web.Request, pipe: Pipe) -> Layout:
    """Return the layout to send: of decimated rows always float32, unless the client knows more."""
    layout = pipe.row_layout
    if pipe.decimation_level > 1 and PRECISE_HEADER not in request.headers:
        return Layout("float32", layout.width)
    return layout


class _Sender:
    """Writes rows and breaks; small blocks together, large ones without copying them."""

    def __init__(self, response: web.StreamResponse, layout: Layout) -> None:
        self._response = response
        self._layout = layout
        self._encoder = FrameEncoder(str(layout))
        self._waiting = bytearray()

    async def send(self, rows: Rows | None, ends: bool) -> None:
        if rows is not None and rows.dtype != self._layout.dtype:
            with np.errstate(over="ignore"):
                rows = rows.astype(self._layout.dtype)
        items: list[Item] = [] if rows is None or not len(rows) else [rows]
        for part in self._encoder.encode([*items, None] if ends else items):
            if len(part) >= _PART_BYTES:
                await self.flush()
                # in pieces: what is written at once is copied into the buffer of the connection
                whole = memoryview(part)
                for index in range(0, len(whole), _WRITE_BYTES):
                    await self._response.write(whole[index : index + _WRITE_BYTES])
            else:
                self._waiting += part
                if len(self._waiting) >= _PART_BYTES:
                    await self.flush()

    async def flush(self) -> None:
        if self._waiting:
            waiting, self._waiting = self._waiting, bytearray()
            await self._response.write(waiting)


async def _subscribe(request: web.Request) -> web.StreamResponse:
    node = request.app[NODE]
    endless = request.query.get(FOLLOW) == "1"
    async with await node.data_subscribe(read_key(request.query), follow=endless) as pipe:
        response = _head(pipe, pipe.row_layout)
        if request.method == hdrs.METH_HEAD:
            return response
        await start(request, response)
        following = asyncio.create_task(_follow(response, pipe))
        try:
            # a stream may rest for hours, in which nothing else tells that the client is gone
            while not following.done() and request.transport is not None:
                await asyncio.wait({following}, timeout=_LOOK_AROUND_S)
        finally:
            following.cancel()
            await asyncio.wait({following})
        if not following.cancelled():
            following.result()
            await response.write_eof()
    return response


async def _follow(response: web.StreamResponse, pipe: Pipe) -> None:
    sender = _Sender(response, pipe.row_layout)
    async for rows, ends in pipe.blocks():
        async with asyncio.timeout(_STALLED_S):
            await sender.send(rows, ends)
            await sender.flush()


@routes.get(endpoints.DATA_JSON)
async def read_json(request: web.Request) -> web.StreamResponse:
    """Send rows as JSON."""
    wanted = _read_request(request.query)
    if request.query.get("subscribe") == "1":
        raise ApiError("JSON subscription not implemented")
    async with await _open(request, wanted) as pipe:
        first = await _first(pipe)
        if first is None and _tells_no_data(pipe, wanted):
            return json_response({"data": [], "decimation_factor": 1})
        if first is None:
            return json_response({"data": [[]], "decimation_factor": pipe.decimation_level})
        return await JsonRows(pipe).answer(request, first)


async def _wait(request: web.Request) -> None:
    """Leave it to the handler to ask for the body."""
    if request.headers[hdrs.EXPECT].lower() != "100-continue":
        raise web.HTTPExpectationFailed


def _ask_for_body(request: web.Request) -> None:
    """Tell a client that waits for it that its rows are wanted: the stream is its own."""
    expected = hdrs.EXPECT in request.headers and request.version == HttpVersion11
    if expected and request.transport is not None:
        # beside the writer, which counts what it has sent of the answer
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")


@routes.post(endpoints.DATA, expect_handler=_wait)
async def write(request: web.Request) -> web.Response:
    """Store rows while they arrive."""
    query = request.query
    key, merge_gap = read_key(query), 0
    if "merge-gap" in query:
        try:
            merge_gap = read_int(query, "merge-gap") or 0
        except ApiError:
            raise ApiError("merge-gap must be an integer") from None
    payload = Payload(request)
    missing = query.get(MISSING) == "1"
    pipe = await request.app[NODE].data_write(
        key, merge_gap=merge_gap, end_interval=False, missing=missing
    )
    try:
        _ask_for_body(request)
    except BaseException:
        await pipe.close()
        raise
    await receive(payload, pipe, request.app[REQUESTS].read_by, missing=missing)
    return ok()


@routes.delete(endpoints.DATA)
async def delete(request: web.Request) -> web.Response:
    """Delete rows."""
    key = read_key(request.query)
    await request.app[NODE].data_delete(key, *read_bounds(request.query))
    return ok()


@routes.get(endpoints.DATA_INTERVALS)
async def intervals(request: web.Request) -> web.Response:
    """List the spans of time with rows."""
    key = read_key(request.query)
    return json_response(await request.app[NODE].data_intervals(key, *read_bounds(request.query)))


@routes.get(endpoints.DATA_COUNT)
async def count(request: web.Request) -> web.Response:
    """Tell the exact number of rows: an extension."""
    key = read_key(request.query)
    number = await request.app[NODE].data_count(key, *read_bounds(request.query))
    return json_response({"count": number})


def _read_gap(query: Mapping[str, str]) -> int:
    if "max_gap" not in query:
        raise ApiError("specify max_gap as us integer")
    try:
        max_gap = read_int(query, "max_gap") or 0
    except ApiError:
        max_gap = 0
    if max_gap <= 0:
        raise ApiError("max_gap must be postive integer")
    return max_gap


@routes.post(endpoints.DATA_SPLIT)
async def split(request: web.Request) -> web.Response:
    """Break intervals at long gaps: an extension."""
    query = request.query
    key, bounds, max_gap = read_key(query), read_bounds(query), _read_gap(query)
    dry_run = query.get("dry_run", "") == "1"
    gaps = await request.app[NODE].data_split(key, max_gap, *bounds, dry_run=dry_run)
    return json_response({"gaps": gaps})


@routes.post(endpoints.DATA_CONSOLIDATE)
async def consolidate(request: web.Request) -> web.Response:
    """Join intervals that are near each other."""
    query = request.query
    key, bounds, max_gap = read_key(query), read_bounds(query), _read_gap(query)
    number = await request.app[NODE].data_consolidate(key, max_gap, *bounds)
    return json_response({"num_consolidated": number})


@routes.post(endpoints.DATA_DECIMATE)
async def decimate(request: web.Request) -> web.Response:
    """Compute all levels anew."""
    await request.app[NODE].data_decimate(read_key(request.query))
    return ok()


@routes.delete(endpoints.DATA_DECIMATE)
async def drop_decimations(request: web.Request) -> web.Response:
    """Delete the stored levels."""
    await request.app[NODE].data_drop_decimations(read_key(request.query))
    return ok()


def _read_request(query: Mapping[str, str]) -> _Request:
    return _Request(
        read_key(query),
        *read_bounds(query),
        read_int(query, "max-rows"),
        read_int(query, "decimation-level"),
    )


async def _open(request: web.Request, wanted: _Request) -> Pipe:
    try:
        return await request.app[NODE].data_read(
            wanted.key,
            wanted.start,
            wanted.end,
            wanted.max_rows,
            decimation_level=wanted.level,
        )
    except (StorageError, CorruptChunkError) as exc:
        raise _read_error(exc) from exc
    except DecimationError as exc:
        text = f"400: decimated data is not available: {exc.message}"
        raise Refusal(400, text, code=exc.code) from exc


async def _first(pipe: Pipe) -> tuple[Rows, bool] | None:
    """Return the first rows before anything is sent: a failure can still be told."""
    try:
        return await anext(pipe.blocks(), None)
    except (StorageError, CorruptChunkError) as exc:
        raise _read_error(exc) from exc


def _read_error(exc: ApiError) -> Refusal:
    return Refusal(400, f"400: read error: {exc.message}", code=exc.code)


def _tells_no_data(pipe: Pipe, wanted: _Request) -> bool:
    """Whether an empty read is an error, as it is where rows could have been."""
    level = pipe.decimation_level
    stored = level.bit_count() == 1 and level.bit_length() % 2 == 1
    limited = wanted.max_rows is not None and wanted.level is None
    return stored and not limited and not pipe.never_written


def _head(pipe: Pipe, layout: Layout) -> web.StreamResponse:
    return web.StreamResponse(
        headers={LAYOUT_HEADER: str(layout), DECIMATION_HEADER: str(pipe.decimation_level)}
    )
