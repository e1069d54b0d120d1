"""Folder actions over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiohttp import web

from joule_cli.errors import ApiError, LockedError, NameTakenError, StreamNotFound
from joule_cli.model import DataStreamInfo, EventStreamInfo
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
from joule_cli.wire.codec import load_request
from joule_cli.wire.params import read_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from joule_cli.api.node import Node
    from joule_cli.model import Folder

routes = web.RouteTableDef()


@routes.get(endpoints.FOLDERS)
async def folders(request: web.Request) -> web.Response:
    """Give the whole tree."""
    node = request.app[NODE]
    root = await node.folder_root()
    tree = root.to_json()
    if "data-info" in request.query:
        await _add_info(node, tree)
    tree["active_data_streams"] = sorted(s.id or 0 for _, s in root.streams() if s.active)
    return json_response(tree)


async def _add_info(node: Node, folder: dict[str, Any]) -> None:
    for stream in folder["streams"]:
        try:
            data = await node.data_stream_info(stream["id"])
        except StreamNotFound:  # deleted since the tree was read
            data = DataStreamInfo(start=None, end=None, rows=0)
        stream["data_info"] = data.to_json()
    for stream in folder["event_streams"]:
        try:
            events = await node.event_stream_info(stream["id"])
        except StreamNotFound:
            events = EventStreamInfo(start=None, end=None, event_count=0)
        stream["data_info"] = events.to_json()
    for child in folder["children"]:
        await _add_info(node, child)


@routes.get(endpoints.FOLDER)
async def get(request: web.Request) -> web.Response:
    """Give a folder with everything below it."""
    folder = await request.app[NODE].folder_get(read_key(request.query))
    return json_response(folder.to_json())


@routes.post(endpoints.FOLDER)
async def create(request: web.Request) -> web.Response:
    """Create a folder. An extension: a Joule 1.0.1 node makes them for streams only."""
    body = await read_object(request)
    path = body.get("path")
    if not isinstance(path, str):
        raise ApiError("specify a path")
    folder = await request.app[NODE].folder_create(path, body.get("description"))
    return json_response(folder.to_json())


@routes.put(endpoints.FOLDER_MOVE)
async def move(request: web.Request) -> web.Response:
    """Move a folder into another."""
    node = request.app[NODE]
    body = await read_object(request)
    folder = await node.folder_get(read_source(body, "src_"))
    _require_unlocked(folder)
    await node.folder_move(folder, read_destination(body))
    # the key is "stream" for folders too
    return json_response({"stream": (await node.folder_get(folder)).to_json()})


@routes.put(endpoints.FOLDER)
async def update(request: web.Request) -> web.Response:
    """Store name and description."""
    node = request.app[NODE]
    body = await read_object(request)
    folder = await node.folder_get(read_id(body, "id", "Invalid request: specify id"))
    _require_unlocked(folder)
    attributes = read_attributes(body, "folder")
    folder.name = attributes.get("name", folder.name)
    folder.description = attributes.get("description", folder.description)
    with prefixed("error: "):
        try:
            await node.folder_update(folder)
        except NameTakenError as exc:
            raise Refusal(400, exc.message, code=exc.code) from exc
    return json_response((await node.folder_get(folder)).to_json())


@routes.delete(endpoints.FOLDER)
async def delete(request: web.Request) -> web.Response:
    """Delete a folder with its streams."""
    query = request.query
    await request.app[NODE].folder_delete(read_key(query), query.get("recursive") == "1")
    return ok()


@routes.get(endpoints.FOLDER_MAP)
async def folder_map(request: web.Request) -> web.Response:
    """Tell the streams and folders of elements and event streams."""
    node = request.app[NODE]
    wanted_elements = _ids(request.query, "data_stream_elements")
    wanted_events = _ids(request.query, "event_streams") if "event_streams" in request.query else ()
    elements: dict[int | None, int | None] = {}
    events: set[int | None] = set()
    folders: set[int | None] = set()

    def visit(folder: Folder, above: tuple[int | None, ...]) -> None:
        ids = (*above, folder.id)
        found: dict[int | None, int | None] = {
            element.id: stream.id
            for stream in folder.data_streams
            for element in stream.elements
            if element.id in wanted_elements
        }
        here = {stream.id for stream in folder.event_streams if stream.id in wanted_events}
        elements.update(found)
        events.update(here)
        if found or here:
            folders.update(ids)
        for child in folder.children:
            visit(child, ids)

    visit(await node.folder_root(), ())
    return json_response(
        {
            "node_uuid": (await node.info()).uuid,
            "event_stream_ids": _sorted(events),
            "data_stream_ids": _sorted(elements.values()),
            "data_element_ids": _sorted(elements),
            "folder_ids": _sorted(folders),
            "data_stream_element_map": {str(e): elements[e] for e in _sorted(elements)},
        }
    )


def _ids(query: Mapping[str, str], name: str) -> frozenset[int]:
    text = query.get(name)
    if text is None:
        raise ApiError(f"specify {name}")
    value = load_request(text.encode(errors="replace"))
    if not isinstance(value, list) or not all(type(number) is int for number in value):
        raise ApiError(f"parameter {name} must be a list of ids")
    return frozenset(value)


def _sorted(ids: Iterable[int | None]) -> list[int]:
    return sorted({number for number in ids if number is not None})


def _require_unlocked(folder: Folder) -> None:
    # before the rest of the request is looked at; the node itself checks again
    if folder.locked:
        raise LockedError("folder is locked", object=folder.name)
