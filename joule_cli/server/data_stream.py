"""Data stream actions over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiohttp import web

from joule_cli.errors import ApiError, LockedError
from joule_cli.model import DataStream, Element
from joule_cli.model.data_stream import DISPLAY_TYPES
from joule_cli.server.annotation import read_window
from joule_cli.server.body import (
    json_response,
    ok,
    read_attributes,
    read_destination,
    read_id,
    read_object,
    read_source,
)
from joule_cli.server.refusals import prefixed
from joule_cli.server.state import NODE
from joule_cli.wire import endpoints
from joule_cli.wire.params import read_key

if TYPE_CHECKING:
    from collections.abc import Mapping

routes = web.RouteTableDef()

_SPECIFICATION = "Invalid stream specification: "
_NUMBERS = ("offset", "scale_factor")
_LIMITS = ("default_max", "default_min")


@routes.get(endpoints.STREAM)
async def get(request: web.Request) -> web.Response:
    """Give a stream, with what it holds unless that is not wanted."""
    wanted = "no-info" not in request.query
    stream = await request.app[NODE].data_stream_get(read_key(request.query), info=wanted)
    info = {} if stream.info is None else {"data_info": stream.info.to_json()}
    return json_response(stream.to_json() | info)


@routes.post(endpoints.STREAM)
async def create(request: web.Request) -> web.Response:
    """Create a stream."""
    body = await read_object(request)
    if body.get("stream") is None:
        raise ApiError("provide a stream")
    destination = read_destination(body)
    stream = _new_stream(body["stream"])
    with prefixed(_SPECIFICATION):
        _check_flags(stream)
        stored = await request.app[NODE].data_stream_create(stream, destination)
    return json_response(stored.to_json())


@routes.put(endpoints.STREAM)
async def update(request: web.Request) -> web.Response:
    """Store the attributes that are given."""
    node = request.app[NODE]
    body = await read_object(request)
    stream = await node.data_stream_get(read_id(body, "id", "Invalid request: specify id"))
    _require_unlocked(stream)
    attributes = read_attributes(body, "stream")
    with prefixed(_SPECIFICATION):
        for name in ("name", "description", "keep_us", "decimate"):
            setattr(stream, name, attributes.get(name, getattr(stream, name)))
        if "elements" in attributes:
            _update_elements(stream, attributes["elements"])
        _check_flags(stream)
        await node.data_stream_update(stream)
    return json_response((await node.data_stream_get(stream)).to_json())


@routes.put(endpoints.STREAM_MOVE)
async def move(request: web.Request) -> web.Response:
    """Move a stream into another folder."""
    node = request.app[NODE]
    body = await read_object(request)
    source = read_source(body, "src_", "specify a source id or a path")
    stream = await node.data_stream_get(source)
    _require_unlocked(stream)
    await node.data_stream_move(stream, read_destination(body))
    return json_response({"stream": (await node.data_stream_get(stream)).to_json()})


@routes.delete(endpoints.STREAM)
async def delete(request: web.Request) -> web.Response:
    """Delete a stream with its data."""
    await request.app[NODE].data_stream_delete(read_key(request.query))
    return ok()


@routes.delete(endpoints.STREAM_ANNOTATIONS)
async def delete_annotations(request: web.Request) -> web.Response:
    """Delete the annotations of a stream."""
    node = request.app[NODE]
    stream = await node.data_stream_get(read_key(request.query, "stream_"))
    await node.data_stream_annotation_delete(stream, *read_window(request.query))
    return ok()


def _require_unlocked(stream: DataStream) -> None:
    # before the rest of the request is looked at; the node itself checks again
    if stream.locked:
        raise LockedError("stream is locked", object=stream.name)


def _new_stream(given: Any) -> DataStream:
    """Return a stream to be created; every key of the protocol must be there."""
    try:
        for name in ("id", "is_configured", "is_source", "is_destination"):
            given[name]  # decided by the node, and required all the same
        return DataStream(
            name=given["name"],
            description=given["description"],
            datatype=str(given["datatype"]).lower(),
            keep_us=given["keep_us"],
            decimate=given["decimate"],
            elements=[_new_element(element) for element in given["elements"]],
        )
    except KeyError as exc:
        raise ApiError(f"Invalid or missing stream attribute: {exc}") from exc
    except TypeError as exc:
        raise ApiError(f"Invalid stream JSON: {exc!r}") from exc


def _new_element(given: Any) -> Element:
    given["id"]  # decided by the node, and required all the same
    return Element(
        name=given["name"],
        units=given["units"],
        plottable=given["plottable"],
        display_type=given["display_type"],
        offset=given["offset"],
        scale_factor=given["scale_factor"],
        default_max=given["default_max"],
        default_min=given["default_min"],
    )


def _update_elements(stream: DataStream, given: Any) -> None:
    if not isinstance(given, list) or len(given) != len(stream.elements):
        raise ApiError("incorrect number of elements")
    for element, attributes in zip(stream.elements, given, strict=True):
        if not isinstance(attributes, dict):
            raise ApiError("Invalid element configuration: an element must be an object")
        _update_element(element, attributes)


def _update_element(element: Element, given: Mapping[str, Any]) -> None:
    for name in ("name", "units", "plottable"):
        setattr(element, name, given.get(name, getattr(element, name)))
    try:
        for name in (*_NUMBERS, *_LIMITS):
            if name in given:
                absent = given[name] is None and name in _LIMITS
                setattr(element, name, None if absent else float(given[name]))
    except (TypeError, ValueError, OverflowError) as exc:
        raise ApiError(f"Invalid element configuration: {exc!r}") from exc
    if "display_type" in given:
        display_type = given["display_type"]
        if str(display_type).upper() not in DISPLAY_TYPES:
            # shown as it was given, where a new stream has it in upper case
            choices = "discrete, continuous, event"
            raise ApiError(f"invalid display_type [{display_type}], choose from [{choices}]")
        element.display_type = display_type
    low, high = element.default_min, element.default_max
    if low is not None and high is not None and not low < high:
        # the names the wrong way round, as the protocol has them
        raise ApiError("[default_min] must be > [default_max]")


def _check_flags(stream: DataStream) -> None:
    """Check that flags are flags: a node would take any value for true or false."""
    if not isinstance(stream.decimate, bool):
        raise ApiError("[decimate] must be true or false")
    for element in stream.elements:
        if not isinstance(element.plottable, bool | None):
            raise ApiError("[plottable] must be true or false")
