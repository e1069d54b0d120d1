"""A server that answers as a Joule 1.0.1 node was recorded to answer, and the recorded calls."""

from __future__ import annotations

import itertools
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from aiohttp import web

from joule_cli.model import Annotation, DataStream, EventStream, Folder
from joule_cli.remote.node import RemoteNode
from joule_cli.wire import endpoints
from tests.server.replay import body_bytes, read_recording
from tests.serving import listening

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

T = 1_700_000_000_000_000
KEY = "TESTKEY"

#: What our client asks differently, on purpose: fewer and larger pages of events.
IGNORED = {
    endpoints.EVENT_DATA: {"limit", "open-ended", "include-ongoing-events"},
    endpoints.EVENT_COUNT: {"include-ongoing-events"},
}

LINES = [line for line in read_recording("client") if "call" in line]
#: Our client looks into the tree to see what a refusal means.
TREE = next(line for line in LINES if line["name"] == "folders_get_2")
#: Consecutive lines with the same call belong to it.
CALLS = [
    (call, list(lines))
    for call, lines in itertools.groupby(LINES, key=lambda line: line["call"])
    if not call.startswith("joule ")
]


class Recorded:
    """Answers the requests of one call; a request that was not recorded fails the test.

    After a refusal, the tree may be asked for.
    """

    def __init__(self, lines: list[dict[str, Any]]) -> None:
        self.left = [line for line in lines if not _is_later_page(line)]
        self.unknown: list[str] = []
        self._refused = False
        self._pages = [line for line in lines if _is_later_page(line)]

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        for line in self.left:
            if self._matches(line, request, body):
                self.left.remove(line)
                self._refused = line["response"]["status"] == 400
                return await self._send(request, line)
        if self._refused and self._matches(TREE, request, body):
            return await self._send(request, TREE)
        self.unknown.append(f"{request.method} {request.path_qs} {body[:300]!r}")
        return web.Response(status=500, text="this request was not recorded")

    def _matches(self, line: dict[str, Any], request: web.Request, body: bytes) -> bool:
        recorded = line["request"]
        ignored = IGNORED.get(request.path, set())
        query = {(k, v) for k, v in request.query.items() if k not in ignored}
        wanted = {(k, _plain(k, v)) for k, v in recorded["query"] if k not in ignored}
        return (
            request.headers.get("X-API-KEY") == KEY
            and (request.method, request.path) == (recorded["method"], recorded["path"])
            and {(k, _plain(k, v)) for k, v in query} == wanted
            and _same_body(recorded, body)
        )

    async def _send(self, request: web.Request, line: dict[str, Any]) -> web.StreamResponse:
        recorded = line["response"]
        headers = {
            name: value
            for name, value in recorded["headers"].items()
            if name not in {"content-length", "transfer-encoding"}
        }
        body = body_bytes(recorded["body"]) or b""
        if _is_page(line) and recorded["status"] == 200:
            body = json.dumps(self._all_pages(line)).encode()
        if "content-length" in recorded["headers"]:
            return web.Response(status=recorded["status"], headers=headers, body=body)
        response = web.StreamResponse(status=recorded["status"], headers=headers)
        await response.prepare(request)
        # odd sizes cut rows
        for begin in range(0, len(body), 37):
            await response.write(body[begin : begin + 37])
        return response

    def _all_pages(self, line: dict[str, Any]) -> dict[str, Any]:
        events = {}
        for page in [line, *self._pages]:
            events |= {event["id"]: event for event in page["response"]["body"]["json"]["events"]}
        return {"count": len(events), "events": list(events.values()), "type": "events"}


def _is_page(line: dict[str, Any]) -> bool:
    request = line["request"]
    return (request["method"], request["path"]) == ("GET", endpoints.EVENT_DATA)


def _is_later_page(line: dict[str, Any]) -> bool:
    return _is_page(line) and ["include-ongoing-events", "0"] in line["request"]["query"]


def _plain(name: str, value: str) -> str:
    return json.dumps(json.loads(value)) if name == "filter" and value else value


def _same_body(recorded: dict[str, Any], body: bytes) -> bool:
    wanted = body_bytes(recorded["body"]) or b""
    if not wanted.startswith(b"{"):
        return wanted == body
    one, two = json.loads(wanted), json.loads(body)
    for element in one.get("stream", {}).get("elements", ()):
        # a node takes any case
        element["display_type"] = element["display_type"].upper()
    if recorded["path"] == endpoints.FOLDER:
        # what is below the folder has no effect
        one["folder"]["children"] = two["folder"]["children"] = []
    return one == two


@asynccontextmanager
async def replayed(lines: list[dict[str, Any]]) -> AsyncIterator[tuple[RemoteNode, Recorded]]:
    """Give a node that answers with these lines."""
    recorded = Recorded(lines)
    app = web.Application(client_max_size=2**24)
    app.router.add_route("*", "/{path:.*}", recorded.answer)
    async with (
        listening(app, shutdown_timeout=0.1) as url,
        RemoteNode("peer", url, key=KEY) as node,
    ):
        yield node, recorded


def arguments(lines: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what the names in a recorded call stand for."""
    sent: dict[str, Any] = {}
    for line in lines:
        sent |= dict(line["request"]["query"])
        text = (line["request"]["body"] or {}).get("text", "")
        sent |= json.loads(text) if text.startswith("{") else {}
    own = sent.get("id", sent.get("src_id", sent.get("stream_id", 201)))
    folder_id = int(sent.get("dest_id", own))
    folder = sent.get("folder") or {"id": folder_id, "name": "folder"}
    if lines[0]["name"] == "folder_move_put_2":
        folder = {"id": own, "name": "newer"}
    stream = _latest(endpoints.STREAM, int(own), lines[0]) if str(own).isdecimal() else {}
    names: dict[str, Any] = {
        "T": T,
        "folder_id": folder_id,
        "folder_object": Folder.from_json(folder),
        "stream_id": int(own),
        "event_stream_id": int(own),
        "stream_object": DataStream.from_json(sent.get("stream") or stream),
        "event_stream_object": EventStream.from_json(sent.get("stream") or {"name": "", "id": own}),
        "annotation_object": Annotation.from_json({"start": T, "title": "", **sent}),
    }
    names["event_stream_object"].id = names["annotation_object"].id = int(own)
    return names


def _latest(path: str, number: int, before: dict[str, Any]) -> dict[str, Any]:
    """Return how a stream was last answered before a line."""
    found: dict[str, Any] = {"name": "", "id": number}
    for line in LINES[: LINES.index(before)]:
        body = (line["response"]["body"] or {}).get("json")
        if line["request"]["path"] == path and body and body.get("id") == number:
            found = body
    return found
