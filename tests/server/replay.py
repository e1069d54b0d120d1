"""Sends recorded requests to a served node, and tells where its answers differ.

The recordings are traffic of a Joule 1.0.1 node. Ids of what it created are mapped to ours, in the
order in which they first occur in an answer.
"""

from __future__ import annotations

import base64
import gzip
import io
import json
import re
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from yarl import URL

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    import aiohttp

RECORDINGS = Path(__file__).parent.parent / "wire" / "recordings"

#: Headers that a recording keeps and that must be the same; lengths depend on ids.
HEADERS = ("content-type", "transfer-encoding", "joule-layout", "joule-decimation", "allow")

#: The kind of thing that the parameter ``id`` means, by the beginning of the path.
KINDS = {
    "/folder": "folder",
    "/stream": "data_stream",
    "/data": "data_stream",
    "/event": "event_stream",
    "/annotation": "annotation",
    "/master": "master",
    "/follower": "follower",
}
#: What other names of ids mean, wherever they are.
NAMES = {
    "dest_id": "folder",
    "stream_id": "data_stream",
    "event_stream_id": "event_stream",
    "grantor_id": "master",
    "folder_ids": "folder",
    "data_stream_ids": "data_stream",
    "active_data_streams": "data_stream",
    "data_stream_elements": "element",
    "data_element_ids": "element",
    "event_stream_ids": "event_stream",
    "event_streams": "event_stream",
}
#: Lists in no particular order.
UNORDERED = {"children", "streams", "event_streams"}
#: Values that are different each time, with the form that they have.
VOLATILE = {
    "updated_at": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?\+00:00",
    "uuid": r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    "node_uuid": r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    "version": r"\d+\.\d+.*",
    "bytes": r"\d+",
}
#: Objects whose keys the original node sorts in a way of its own.
SORTED = {"event_fields", "content"}

#: Keys that only our node has; clients of the original ignore them.
ADDED = {"capabilities"}


def read_recording(name: str) -> list[dict[str, Any]]:
    """Return the lines of a recording: ``daemon`` or ``client``."""
    with gzip.open(RECORDINGS / f"{name}.jsonl.gz", "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def body_bytes(body: dict[str, Any] | None) -> bytes | None:
    """Return the body of a recorded message as it was on the wire."""
    match body:
        case None:
            return None
        case {"text": text}:
            return text.encode()
        case {"json": value}:
            return json.dumps(value).encode()
        case {"base64": data}:
            return base64.b64decode(data)
        case {"generate": [first, [text, count], last]}:
            return (first + text * count + last).encode()
    raise AssertionError(body)


@dataclass
class Difference(Exception):
    """An answer is not the recorded one."""

    where: str
    expected: Any
    found: Any

    def __str__(self) -> str:
        return f"{self.where}: {self.expected!r} was recorded, {self.found!r} was answered"


@dataclass
class Ids:
    """Which of our ids stands for a recorded one, by kind; events count in each stream."""

    known: dict[str, dict[int, int]] = field(default_factory=lambda: defaultdict(dict))

    def learn(self, kind: str, recorded: int, ours: int) -> None:
        """Note what a thing has been given as its id."""
        self.known[kind][recorded] = ours

    def ours(self, kind: str, recorded: Any) -> Any:
        """Return our id; what never occurred in an answer stays as it is."""
        if isinstance(recorded, list):
            return [self.ours(kind, number) for number in recorded]
        if isinstance(recorded, str):
            match = re.fullmatch(r"\s*\+?(\d+)\s*", recorded)
            if match is None:
                return recorded
            return recorded.replace(match[1], str(self.ours(kind, int(match[1]))))
        return self.known[kind].get(recorded, recorded)

    def matches(self, kind: str, recorded: Any, ours: Any) -> bool:
        """Tell whether an id in an answer is the right one; it is noted if it is new."""
        if type(recorded) is not int or type(ours) is not int:
            return recorded == ours
        if recorded not in self.known[kind] and ours not in self.known[kind].values():
            self.learn(kind, recorded, ours)
        return self.known[kind].get(recorded) == ours


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


class Replay:
    """Requests of a recording, sent in their order to one node.

    Parameters
    ----------
    session, url
        How it is reached.
    unix_session
        How it is reached on its UNIX socket.
    """

    def __init__(
        self, session: aiohttp.ClientSession, url: str, unix_session: aiohttp.ClientSession
    ) -> None:
        self._session = session
        self._url = url
        self._unix_session = unix_session
        self.ids = Ids()

    async def learn_folder(self, recorded: int, path: str) -> None:
        """Note the id of a folder that no answer told before a request names it."""
        headers = {"X-API-KEY": "TESTKEY"}
        url = URL(f"{self._url}/folder.json").with_query(path=path)
        async with self._session.get(url, headers=headers) as response:
            self.ids.learn("folder", recorded, (await response.json())["id"])

    async def send(self, line: dict[str, Any]) -> Answer:
        """Send the request of a line, with our ids."""
        request = line["request"]
        unix = line.get("transport") == "unix"
        session, base = (
            (self._unix_session, "http://localhost") if unix else (self._session, self._url)
        )
        url = URL(base + request["path"], encoded=True).with_query(self._query(request) or None)
        body = self._body(request)
        data: Any = body
        if body is not None:
            chunks = line.get("request_chunks")
            data = io.BytesIO(body) if chunks is None else _chunks(body, chunks)
        # set by whoever sends the body in chunks
        headers = {k: v for k, v in request["headers"].items() if k.lower() != "transfer-encoding"}
        async with session.request(
            request["method"],
            url,
            data=data,
            headers=headers,
            skip_auto_headers=("Content-Type",),
            allow_redirects=False,
        ) as response:
            headers = {name.lower(): value for name, value in response.headers.items()}
            return Answer(response.status, headers, await response.read())

    def compare(self, line: dict[str, Any], answer: Answer) -> None:
        """Raise `Difference` unless the answer is the recorded one."""
        recorded, method = line["response"], line["request"]["method"]
        _same("status", recorded["status"], answer.status)
        for name in HEADERS:
            _same(name, recorded["headers"].get(name), answer.headers.get(name))
        if "content-length" in recorded["headers"]:
            if "content-length" not in answer.headers:
                raise Difference("content-length", recorded["headers"]["content-length"], None)
            if method != "HEAD":
                _same("content-length", str(len(answer.body)), answer.headers["content-length"])
        if method == "HEAD":
            _same("body", b"", answer.body)
            return
        match recorded["body"]:
            case {"json": value}:
                text = answer.body.decode()
                found = json.loads(text)
                _same("form of the JSON", json.dumps(found), text)
                if isinstance(value, dict):
                    value = _without(value, line["volatile"], found)
                self._compare_json(value, found, "")
            case body if line["request"]["path"] == "/version":
                assert body is not None
            case body:
                _same("body", body_bytes(body) or b"", answer.body)

    def _query(self, request: dict[str, Any]) -> list[tuple[str, str]]:
        return [
            (name, self._mapped_text(request["path"], name, value))
            for name, value in request["query"]
        ]

    def _mapped_text(self, path: str, name: str, value: str) -> str:
        kind = _kind(path, name)
        if kind is None or not value:
            return value
        if value.startswith("["):
            return json.dumps(self.ids.ours(kind, json.loads(value)))
        return str(self.ids.ours(kind, value))

    def _body(self, request: dict[str, Any]) -> bytes | None:
        body = request["body"]
        data = body_bytes(body)
        if body is None or "base64" in body or "generate" in body:
            return data
        try:
            value = json.loads(data or b"")
        except ValueError:
            return data
        if not isinstance(value, dict):
            return data
        for name, found in value.items():
            kind = _kind(request["path"], name)
            if kind is not None and isinstance(found, int):
                value[name] = self.ids.ours(kind, found)
        for event in value.get("events") or ():
            self._map_event(event)
        return json.dumps(value).encode()

    def _map_event(self, event: dict[str, Any]) -> None:
        stream = event.get("event_stream_id")
        if stream is not None:
            event["event_stream_id"] = self.ids.ours("event_stream", stream)
            if "id" in event:
                event["id"] = self.ids.ours(f"event of {stream}", event["id"])

    def _compare_json(self, recorded: Any, found: Any, where: str) -> None:
        name = where.rpartition(".")[2]
        if isinstance(recorded, dict) and isinstance(found, dict):
            self._compare_objects(recorded, found, where)
        elif name in VOLATILE and recorded is not None:
            if not re.fullmatch(VOLATILE[name], str(found)):
                raise Difference(where, recorded, found)
        elif name in NAMES and isinstance(recorded, list) and _numbers(recorded):
            if name != "active_data_streams":
                expected = [self.ids.ours(NAMES[name], number) for number in recorded]
                _same(where, sorted(expected), sorted(found))
        elif isinstance(recorded, list) and isinstance(found, list):
            if name in UNORDERED:
                recorded, found = _by_name(recorded), _by_name(found)
            _same(f"length of {where}", len(recorded), len(found))
            for index, (a, b) in enumerate(zip(recorded, found, strict=True)):
                self._compare_json(a, b, f"{where}[{index}]")
        else:
            _same(where, recorded, found)
            _same(f"type of {where}", type(recorded), type(found))

    def _compare_objects(self, recorded: dict[str, Any], found: dict[str, Any], where: str) -> None:
        name = where.rpartition(".")[2]
        order = sorted if name in SORTED else list
        if name == "data_stream_element_map":
            ours = {
                str(self.ids.ours("element", int(element))): self.ids.ours("data_stream", stream)
                for element, stream in recorded.items()
            }
            _same(where, ours, found)
            return
        if name in SORTED:
            _same(where, recorded, found)
            return
        found = {key: value for key, value in found.items() if key not in ADDED}
        _same(f"keys of {where}", order(recorded), order(found))
        kind = _kind_of(recorded)
        if kind == "folder" and recorded["name"] == "root":
            recorded, found = _of_the_test(recorded), _of_the_test(found)
        for key, value in recorded.items():
            place = f"{where}.{key}"
            if key == "id" and kind is not None:
                if not self.ids.matches(kind, value, found[key]):
                    raise Difference(place, self.ids.ours(kind, value), found[key])
            elif key in NAMES and isinstance(value, int):
                if not self.ids.matches(NAMES[key], value, found[key]):
                    raise Difference(place, self.ids.ours(NAMES[key], value), found[key])
            else:
                self._compare_json(value, found[key], place)


def _kind(path: str, name: str) -> str | None:
    """Return what a parameter of a request identifies."""
    if name in {"id", "src_id"}:
        return next((kind for start, kind in KINDS.items() if path.startswith(start)), None)
    return NAMES.get(name)


def _kind_of(found: dict[str, Any]) -> str | None:
    """Return what an object in an answer is."""
    kinds = {
        "children": "folder",
        "datatype": "data_stream",
        "event_fields": "event_stream",
        "display_type": "element",
        "title": "annotation",
        "grantor_id": "master",
        "location": "follower",
    }
    if "event_stream_id" in found:
        return f"event of {found['event_stream_id']}"
    return next((kind for key, kind in kinds.items() if key in found), None)


def _without(
    recorded: dict[str, Any], volatile: list[str], found: dict[str, Any]
) -> dict[str, Any]:
    """Return a recorded object with our values where a line says that they are volatile."""
    names = {match[1] for text in volatile if (match := re.match(r"\$\.(\w+)", text))}
    return {key: found.get(key) if key in names else value for key, value in recorded.items()}


def _numbers(values: list[Any]) -> bool:
    return all(type(value) is int for value in values)


def _by_name(values: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(values, key=lambda value: value["name"])


def _of_the_test(root: dict[str, Any]) -> dict[str, Any]:
    """Leave out of the tree what was there before the recording began."""
    names = {"rec", "rec2"}
    return root | {"children": [child for child in root["children"] if child["name"] in names]}


def _same(where: str, expected: Any, found: Any) -> None:
    if expected != found:
        raise Difference(where, expected, found)


async def _chunks(data: bytes, sizes: list[int]) -> AsyncIterator[bytes]:
    def pieces() -> Iterator[bytes]:
        position = 0
        while position < len(data):
            for size in sizes:
                yield data[position : position + size]
                position += size

    for piece in pieces():
        if piece:
            yield piece
