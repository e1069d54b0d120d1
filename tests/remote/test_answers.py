"""Every recorded answer of Joule 1.0.1 becomes the right object or error of our client.

What was asked does not matter here: each answer is given to the call that asks its endpoint.
"""

from __future__ import annotations

import base64
import itertools
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from aiohttp import web

from joule_cli.errors import ApiError, AuthorizationError, NotFoundError, SubscriptionError
from joule_cli.model import Annotation, DataStream, Element, Event, EventStream, Folder
from joule_cli.remote.node import RemoteNode
from joule_cli.wire import endpoints
from joule_cli.wire.frames import FrameDecoder
from tests.server.replay import body_bytes, read_recording
from tests.serving import listening

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

T = 1_700_000_000_000_000
LINES = [
    line
    for recording in ("daemon", "client")
    for line in read_recording(recording)
    if "direction" not in line
]
#: What our client never asks of a node, and why.
NOT_ASKED = {
    "/": "tells a person what answers here",
    "/version": "the version is in /version.json",
    "/data.json": "rows are read in binary form",
    "/folder/map.json": "for links into Lumen, which only the original client makes",
    "/app.json": "for web interfaces",
    "/app/auth": "for reverse proxies",
    "/archives.json": "is no endpoint",
    "/nothing/here": "is no endpoint",
    "//version.json": "is no endpoint",
    "/Version.json": "is no endpoint",
    "/stream.json/": "is no endpoint",
    "/interface/p0/": "is no endpoint",
    "POST /follower.json": "nodes ask it of each other",
    "GET /folder/move.json": "the method is refused",
    "POST /version.json": "the method is refused",
    "PUT /data": "the method is refused",
    "HEAD": "a request for headers alone",
    "OPTIONS": "the method is refused",
}

STREAM = {
    "id": 201,
    "name": "flow",
    "description": "",
    "datatype": "float32",
    "keep_us": -1,
    "decimate": True,
    "is_configured": False,
    "is_source": False,
    "is_destination": False,
    "locked": False,
    "active": False,
    "elements": [Element("a").to_json() | {"id": i, "index": i} for i in range(2)],
}
EVENT_INFO = {"start": T, "end": T + 10**9, "event_count": 9, "bytes": 0, "total_time": 10**9}
#: What is answered to the other requests of a call.
OTHERS = {
    ("GET", endpoints.VERSION_JSON): {"version": "1.0.1", "name": "peer", "uuid": "u"},
    ("GET", endpoints.DB_INFO): dict.fromkeys(("other", "reserved", "free", "size"), 1)
    | {"path": "/x"},
    ("GET", endpoints.STREAM): STREAM,
    ("GET", endpoints.EVENT): EventStream("e", id=301).to_json() | {"data_info": EVENT_INFO},
    ("GET", endpoints.EVENT_COUNT): {"count": 5},
    # what follows the page under test
    ("GET", endpoints.EVENT_DATA): {"count": 0, "events": [], "type": "events"},
}

Line = dict[str, Any]


async def write(node: RemoteNode, line: Line) -> None:
    async with await node.data_write("/rec/data/flow") as pipe:
        await pipe.write([[T, 1, 2]])


async def read(node: RemoteNode, line: Line) -> Any:
    """Return layout, level, rows and breaks of a read or a subscription."""
    model = stream_with(line)
    if ["subscribe", "1"] in line["request"]["query"]:
        stream = DataStream.from_json(model | {"is_destination": True})
        pipe = await node.data_subscribe(stream, follow=True)
    else:
        pipe = await node.data_read(DataStream.from_json(model))
    blocks, breaks = [], 0
    async with pipe:
        async for rows, ends in pipe.blocks():
            blocks.append(rows.copy())
            breaks += ends
        return pipe.layout, pipe.decimation_level, b"".join(b.tobytes() for b in blocks), breaks


def stream_with(line: Line) -> dict[str, Any]:
    """Return a stream that has the recorded rows."""
    headers = line["response"]["headers"]
    width = int(headers.get("joule-layout", "float32_2").partition("_")[2])
    width //= 1 if headers.get("joule-decimation", "1") == "1" else 3
    return STREAM | {"elements": [Element(f"e{i}").to_json() for i in range(width)]}


async def read_events(node: RemoteNode, line: Line) -> Any:
    if line["response"]["status"] == 200 and line["response"]["body"]["json"]["type"] != "events":
        return await node.event_stream_histogram("/rec/events/many", T, T + 10**9)
    return [event async for event in node.event_stream_read("/rec/events/starts")]


async def write_events(node: RemoteNode, line: Line) -> Any:
    body = line["response"]["body"]
    count = body["json"]["count"] if "json" in body else 1
    events = [Event(T, T + 1, {}) for _ in range(count)]
    return await node.event_stream_write("/rec/events/starts", events)


async def upload(node: RemoteNode, line: Line) -> Any:
    return await node.archive_upload(__file__)


def folder() -> Folder:
    return Folder.from_json({"id": 7, "name": "folder"})


def stream() -> DataStream:
    return DataStream.from_json(STREAM)


def annotation() -> Annotation:
    return Annotation.from_json({"id": 5, "title": "a", "start": T, "stream_id": 201})


CALLS: dict[tuple[str, str], Callable[[RemoteNode, Line], Awaitable[Any]]] = {
    ("GET", "/version.json"): lambda node, line: node.info(),
    ("GET", "/dbinfo"): lambda node, line: node.info(),
    ("GET", "/db/connection.json"): lambda node, line: node.db_connection_info(),
    ("GET", "/folders.json"): lambda node, line: node.folder_root(),
    ("GET", "/folder.json"): lambda node, line: node.folder_get("/a"),
    ("PUT", "/folder.json"): lambda node, line: node.folder_update(folder()),
    ("DELETE", "/folder.json"): lambda node, line: node.folder_delete("/a"),
    ("PUT", "/folder/move.json"): lambda node, line: node.folder_move("/a", "/b"),
    ("GET", "/stream.json"): lambda node, line: node.data_stream_get("/a/b"),
    ("POST", "/stream.json"): lambda node, line: node.data_stream_create(stream(), "/a"),
    ("PUT", "/stream.json"): lambda node, line: node.data_stream_update(stream()),
    ("DELETE", "/stream.json"): lambda node, line: node.data_stream_delete("/a/b"),
    ("PUT", "/stream/move.json"): lambda node, line: node.data_stream_move("/a/b", "/c"),
    ("DELETE", "/stream/annotations.json"): lambda node, line: node.data_stream_annotation_delete(
        "/a/b"
    ),
    ("GET", "/data"): read,
    ("POST", "/data"): write,
    ("DELETE", "/data"): lambda node, line: node.data_delete("/a/b"),
    ("GET", "/data/intervals.json"): lambda node, line: node.data_intervals("/a/b"),
    ("POST", "/data/consolidate.json"): lambda node, line: node.data_consolidate("/a/b", 5),
    ("POST", "/data/decimate.json"): lambda node, line: node.data_decimate("/a/b"),
    ("DELETE", "/data/decimate.json"): lambda node, line: node.data_drop_decimations("/a/b"),
    ("GET", "/event.json"): lambda node, line: node.event_stream_get("/a/b"),
    ("POST", "/event.json"): lambda node, line: node.event_stream_create(EventStream("e"), "/a"),
    ("PUT", "/event.json"): lambda node, line: node.event_stream_update(EventStream("e", id=301)),
    ("DELETE", "/event.json"): lambda node, line: node.event_stream_delete("/a/b"),
    ("PUT", "/event/move.json"): lambda node, line: node.event_stream_move("/a/b", "/c"),
    ("GET", "/event/data.json"): read_events,
    ("POST", "/event/data.json"): write_events,
    ("DELETE", "/event/data.json"): lambda node, line: node.event_stream_remove("/a/b"),
    ("GET", "/event/data/count.json"): lambda node, line: node.event_stream_count("/a/b"),
    ("GET", "/annotations.json"): lambda node, line: node.annotation_get("/a/b"),
    ("GET", "/annotations/info.json"): lambda node, line: node.annotation_info("/a/b"),
    ("POST", "/annotation.json"): lambda node, line: node.annotation_create(annotation(), "/a/b"),
    ("PUT", "/annotation.json"): lambda node, line: node.annotation_update(annotation()),
    ("DELETE", "/annotation.json"): lambda node, line: node.annotation_delete(annotation()),
    ("GET", "/modules.json"): lambda node, line: node.module_list(statistics=True),
    ("GET", "/module.json"): lambda node, line: node.module_get("m", statistics=True),
    ("GET", "/module/logs.json"): lambda node, line: node.module_logs("m"),
    ("GET", "/proxies.json"): lambda node, line: node.proxy_list(),
    ("GET", "/proxy.json"): lambda node, line: node.proxy_get("p"),
    ("GET", "/masters.json"): lambda node, line: node.master_list(),
    ("POST", "/master.json"): lambda node, line: node.master_add(
        "user" if "key" in str(line["response"]["body"].get("json")) else "joule", "x"
    ),
    ("DELETE", "/master.json"): lambda node, line: node.master_delete("user", "x"),
    ("GET", "/followers.json"): lambda node, line: node.follower_records(),
    ("DELETE", "/follower.json"): lambda node, line: node.follower_delete("x"),
    ("POST", "/archive.json"): upload,
}


class Answering:
    """Answers one request with a recorded answer, and all others as a node may."""

    def __init__(self) -> None:
        self.line: Line | None = None

    async def answer(self, request: web.Request) -> web.StreamResponse:
        await request.read()
        line, asked = self.line, (request.method, request.path)
        if line is None or asked != (line["request"]["method"], line["request"]["path"]):
            if asked == ("GET", endpoints.STREAM) and line is not None:
                return web.json_response(stream_with(line))
            return web.json_response(OTHERS[asked])
        self.line = None
        recorded = line["response"]
        headers = {
            name: value
            for name, value in recorded["headers"].items()
            if name not in {"content-length", "transfer-encoding"}
        }
        body = body_bytes(recorded["body"]) or b""
        if "transfer-encoding" not in recorded["headers"]:
            return web.Response(status=recorded["status"], headers=headers, body=body)
        response = web.StreamResponse(status=recorded["status"], headers=headers)
        response.enable_chunked_encoding()
        await response.prepare(request)
        for begin in range(0, len(body), 4099):
            await response.write(body[begin : begin + 4099])
        return response


@asynccontextmanager
async def answering() -> AsyncIterator[tuple[RemoteNode, Answering]]:
    answers = Answering()
    app = web.Application(client_max_size=2**24)
    app.router.add_route("*", "/{path:.*}", answers.answer)
    async with (
        listening(app, shutdown_timeout=0.1) as url,
        RemoteNode("peer", url, key="k") as node,
    ):
        yield node, answers


def kind_of(line: Line) -> tuple[str, str]:
    return line["request"]["method"], line["request"]["path"]


def is_asked(line: Line) -> bool:
    method, path = kind_of(line)
    return not {method, path, f"{method} {path}"} & set(NOT_ASKED)


GROUPS = {
    kind: list(lines)
    for kind, lines in itertools.groupby(sorted(filter(is_asked, LINES), key=kind_of), key=kind_of)
}


def test_no_recorded_answer_is_left_out():
    assert set(GROUPS) == set(CALLS)
    assert sum(map(len, GROUPS.values())) > 850


@pytest.mark.parametrize("kind", GROUPS, ids=" ".join)
async def test_answers(kind: tuple[str, str]):
    async with answering() as (node, answers):
        for line in GROUPS[kind]:
            answers.line = line
            where = f"{line['name']}: {str(line['response'])[:300]}"
            result = await outcome(CALLS[kind](node, line))
            if isinstance(result, ApiError):
                check_error(line, result, where)
            else:
                check_result(line, result, where)
            # nothing is sent for no events
            asked = answers.line is None or line["name"] == "event_write_empty"
            assert asked, f"{where} was not asked for"


async def outcome(call: Awaitable[Any]) -> Any:
    """Return what a call returns, or its error."""
    try:
        return await call
    except ApiError as error:
        return error


def check_error(line: Line, error: ApiError, where: str) -> None:
    recorded = line["response"]
    status = recorded["status"]
    assert status != 200, (where, error)
    assert isinstance(error, NotFoundError) == (status == 404), where
    assert isinstance(error, AuthorizationError) == (status == 403), where
    if status == 403:
        return
    assert error.status == status or isinstance(error, SubscriptionError), where
    text = (body_bytes(recorded["body"]) or b"").decode()
    if text.startswith("{"):
        text = json.loads(text)["error"]
    told = text.partition("\n")[0].removeprefix(f"{status}: ").strip()
    assert error.message == (told or f"{status} Bad Request"), where


def check_result(line: Line, result: Any, where: str) -> None:
    recorded = line["response"]
    if kind_of(line) == ("GET", endpoints.DATA):
        check_rows(recorded, result, where)
        return
    assert recorded["status"] == 200, where
    body = recorded["body"]
    answer = body.get("json") if isinstance(body, dict) else None
    if answer is None or result is None:
        # changes are acknowledged, most of them with what no caller needs
        assert result in (None, 5), where
    elif kind_of(line) == ("GET", endpoints.EVENT_DATA):
        check_events(answer, result, where)
    elif kind_of(line) == ("POST", endpoints.EVENT_DATA):
        assert [event.id for event in result] == [event["id"] for event in answer["events"]], where
    elif kind_of(line) == ("POST", endpoints.MASTER) and "key" in answer:
        # the name of a user is not that of the node
        assert result.key == answer["key"], where
    elif kind_of(line) == ("GET", endpoints.ANNOTATIONS):
        in_order = sorted(answer, key=lambda each: (each["start"], each["id"]))
        assert covers(result, in_order), where
    elif isinstance(result, int):
        assert [result] == list(answer.values()), where
    else:
        assert covers(result, answer), where


def check_rows(recorded: dict[str, Any], result: Any, where: str) -> None:
    layout, level, data, breaks = result
    headers = recorded["headers"]
    if recorded["status"] != 200:
        assert body_bytes(recorded["body"]) == b"this stream has no data", where
        assert data == b"", where
        return
    assert (layout, str(level)) == (headers["joule-layout"], headers["joule-decimation"]), where
    raw = base64.b64decode((recorded["body"] or {}).get("base64", ""))
    items = FrameDecoder(layout).decode(raw)
    rows = [item for item in items if item is not None]
    assert data == (np.concatenate(rows).tobytes() if rows else b""), where
    filled = [index for index, item in enumerate(items) if item is not None]
    between = sum(later - earlier > 1 for earlier, later in itertools.pairwise(filled))
    assert between <= breaks <= sum(item is None for item in items), where


def check_events(answer: dict[str, Any], result: list[Any], where: str) -> None:
    if answer["type"] == "events":
        assert [event.to_json() for event in result] == answer["events"], where
    else:
        wanted = [(each["start_time"], each["content"]["count"]) for each in answer["events"]]
        assert [(bucket.start, bucket.count) for bucket in result] == wanted, where


def covers(found: Any, wanted: Any) -> bool:
    """Tell whether an object and an answer agree in all that both tell."""
    if isinstance(wanted, list):
        return len(found) == len(wanted) and all(map(covers, found, wanted))
    if not isinstance(wanted, dict):
        return bool(found == wanted)
    if not isinstance(found, dict):
        # a master does not tell its key
        if hasattr(found, "to_json") and "key" not in wanted:
            found = found.to_json()
        else:
            found = {key: getattr(found, key) for key in wanted if hasattr(found, key)}
    common = set(found) & set(wanted)
    return bool(common or not wanted) and all(covers(found[key], wanted[key]) for key in common)
