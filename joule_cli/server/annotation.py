"""Annotation actions over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiohttp import web

from joule_cli.errors import ApiError, StreamNotFound
from joule_cli.model import Annotation
from joule_cli.server.body import json_response, ok, read_id, read_object
from joule_cli.server.refusals import Refusal
from joule_cli.server.state import NODE
from joule_cli.wire import endpoints
from joule_cli.wire.params import read_int, read_key

if TYPE_CHECKING:
    from collections.abc import Mapping

routes = web.RouteTableDef()


@routes.post(endpoints.ANNOTATION)
async def create(request: web.Request) -> web.Response:
    """Attach an annotation to a stream."""
    node = request.app[NODE]
    body = await read_object(request)
    stream = await node.data_stream_get(_stream_of(body))
    annotation = _new_annotation(body)
    return json_response((await node.annotation_create(annotation, stream)).to_json())


@routes.put(endpoints.ANNOTATION)
async def update(request: web.Request) -> web.Response:
    """Store title and content, as far as they are given."""
    node = request.app[NODE]
    body = await read_object(request)
    annotation = await node.annotation_find(read_id(body, "id", "specify an id"))
    if body.keys().isdisjoint({"title", "content"}):
        return json_response(annotation.to_json())
    annotation.title = body.get("title", annotation.title)
    annotation.content = body.get("content", annotation.content)
    if not annotation.title:
        raise ApiError("annotation title is reqiured")  # the spelling of the protocol
    return json_response((await node.annotation_update(annotation)).to_json())


@routes.delete(endpoints.ANNOTATION)
async def delete(request: web.Request) -> web.Response:
    """Delete an annotation."""
    number = read_int(request.query, "id")
    if number is None:
        raise ApiError("specify an id")
    await request.app[NODE].annotation_delete(number)
    return ok()


@routes.get(endpoints.ANNOTATIONS)
async def get(request: web.Request) -> web.Response:
    """List the annotations of one or more streams."""
    node, query = request.app[NODE], request.query
    ids = [read_int({"stream_id": text}, "stream_id") for text in query.getall("stream_id", ())]
    paths = query.getall("stream_path", ())
    if not ids and not paths:
        # without the status in front, unlike nearly every other text
        raise Refusal(400, "must specify at least one stream_id or stream_path")
    window = read_window(query)
    found: list[Annotation] = []
    for number in ids:
        try:
            found += await node.annotation_get(number or 0, *window)
        except StreamNotFound:  # an unknown id has no annotations; an unknown path is an error
            continue
    for path in paths:
        found += await node.annotation_get(path, *window)
    return json_response([annotation.to_json() for annotation in found])


@routes.get(endpoints.ANNOTATIONS_INFO)
async def info(request: web.Request) -> web.Response:
    """Tell how many annotations a stream has."""
    found = await request.app[NODE].annotation_info(read_key(request.query, "stream_"))
    return json_response(found.to_json())


def read_window(query: Mapping[str, str]) -> tuple[int | None, int | None]:
    """Return the bounds of starts, both inclusive.

    Raises
    ------
    ApiError
        One is not an integer.
    """
    try:
        return read_int(query, "start"), read_int(query, "end")
    except ApiError:
        raise ApiError("[start] and [end] must be microsecond utc timestamps") from None


def _stream_of(body: Mapping[str, Any]) -> str | int:
    # here, and only here, the id wins
    if body.get("stream_id") is not None:
        return read_id(body, "stream_id", "")
    path = body.get("stream_path")
    if not isinstance(path, str):
        raise ApiError("specify a stream_id")
    return path


def _new_annotation(body: Mapping[str, Any]) -> Annotation:
    try:
        title, start = body["title"], _time(body["start"])
        end = None if body.get("end") is None else _time(body["end"])
    except (KeyError, TypeError, ValueError, OverflowError):
        raise ApiError("invalid values for annotation") from None
    if title is None or title == "":
        raise ApiError("title is reqiured")  # the spelling of the protocol
    if not isinstance(title, str):
        raise ApiError("invalid values for annotation")
    return Annotation(title=title, start=start, end=end, content=body.get("content"))


def _time(value: Any) -> int:
    """Return µs, given as a number or as the text of one; fractions are rounded."""
    if isinstance(value, str):
        try:
            return int(value)
        except ValueError:
            return round(float(value))
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError
    return round(value)
