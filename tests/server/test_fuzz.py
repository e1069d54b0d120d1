"""Thousands of odd requests: each gets an answer, and none of them is a server fault."""

from __future__ import annotations

import json
import random
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from joule_cli.model import Event, EventStream
from joule_cli.server import annotation, data_stream, event_data, event_stream, folder, info
from tests.contracts.streams import flow

if TYPE_CHECKING:
    from joule_cli.api.node import Node
    from tests.server.conftest import Client

GROUPS = [info, folder, data_stream, event_stream, event_data, annotation]
N_REQUESTS = 1_700  # for each group: more than 10,000 in all

# fmt: off
NAMES = [
    "path", "id", "src_path", "src_id", "dest_path", "dest_id", "stream_path", "stream_id",
    "start", "end", "limit", "filter", "include-ongoing-events", "return-subset", "no-info",
    "data-info", "recursive", "data_stream_elements", "event_streams", "open-ended", "stream",
    "folder", "events", "title", "content", "name", "description", "event_fields",
    "chunk_duration_us", "keep_us", "datatype", "elements", "decimate", "is_configured",
    "is_source", "is_destination", "units", "plottable", "display_type", "offset",
    "scale_factor", "default_max", "default_min", "event_stream_id", "start_time", "end_time",
]
# fmt: on
TEXTS = [
    "",
    "/",
    "/a",
    "/a/flow",
    "/a/e",
    "/a/b/c",
    "a",
    "//",
    "/../../etc/passwd",
    "/a/./flow",
    "/a" * 300,
    "/\x00",
    "/\ud800",
    "é" * 50,
    "0",
    "1",
    "2",
    "-1",
    "9" * 30,
    str(2**63),
    str(-(2**63)),
    str(2**63 - 1),
    "1e5",
    "nan",
    "[]",
    "[1]",
    "[[]]",
    '[[["n", "gt", 1]]]',
    '[[["n", "like", "%\\\\"]]]',
    '[[["n", "is", "x"], ["\\u0000", "eq", 1e999]]]',
    "[" * 3000,
    "float32",
    "event",
    "numeric",
    "category:[1]",
    "'; DROP TABLE folder; --",
    "%s%n{0}",
]
NUMBERS = [0, 1, 2, 3, -1, 7, 1.5, -0.0, 1e308, 2**31, 2**53, 2**63 - 1, 2**63, -(2**63), 10**400]


def value(rng: random.Random, depth: int = 0) -> Any:
    kind = rng.randrange(8 if depth < 3 else 5)
    if kind < 2:
        return rng.choice(TEXTS)
    if kind < 4:
        return rng.choice(NUMBERS)
    if kind == 4:
        return rng.choice([None, True, False, float("nan"), float("inf")])
    if kind == 5:
        return [value(rng, depth + 1) for _ in range(rng.randrange(4))]
    return {rng.choice(NAMES): value(rng, depth + 1) for _ in range(rng.randrange(8))}


def plausible(rng: random.Random) -> dict[str, Any]:
    """A body that is nearly right, so that what lies behind the first checks is reached."""
    element = flow().to_json()["elements"][0]
    body: dict[str, Any] = {
        "id": rng.choice([1, 2, 3]),
        "path": rng.choice(["/a/e", "/a/flow"]),
        "src_path": rng.choice(["/a/flow", "/a/e", "/a"]),
        "dest_path": rng.choice(["/x", "/a", "/a/b"]),
        "stream_path": "/a/flow",
        "title": "t",
        "start": 5,
        "stream": flow(f"s{rng.randrange(9)}").to_json()
        | {"event_fields": {"n": "numeric"}, "chunk_duration_us": 0},
        "folder": {"name": "a"},
        "events": [
            {"event_stream_id": 1, "start_time": 1, "end_time": 2, "content": {}, "id": 1},
        ],
    }
    target = rng.choice([body, body["stream"], element, body["events"][0], body["folder"]])
    body["stream"]["elements"] = [element]
    for _ in range(rng.randrange(3)):
        target[rng.choice(list(target))] = value(rng)
    if rng.random() < 0.2:
        del body[rng.choice(list(body))]
    return body


def body_of(rng: random.Random) -> bytes:
    found = plausible(rng) if rng.random() < 0.8 else value(rng)
    body = json.dumps(found).encode()
    if rng.random() < 0.05:
        body = body[: rng.randrange(len(body) + 1)]
    if rng.random() < 0.05:
        body = bytes(rng.randrange(256) for _ in range(rng.randrange(200)))
    return body


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.__name__.rpartition(".")[2])
async def test_no_request_is_a_server_fault(client: Client, node: Node, group, caplog):
    rng = random.Random(group.__name__)
    routes = [(route.method, route.path) for route in group.routes]
    kept = await node.data_stream_create(flow("kept"), "/kept")
    async with await node.data_write(kept) as pipe:
        await pipe.write([[ts, 1, 2] for ts in range(1, 100)])
    answered: Counter[int] = Counter()
    for number in range(N_REQUESTS):
        if number % 100 == 0:
            await ensure_streams(node)
        method, path = rng.choice(routes)
        if rng.random() < 0.05:
            method = rng.choice(["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"])
        query = [
            (rng.choice(NAMES), rng.choice(TEXTS).replace("\ud800", "\ufffd"))
            for _ in range(rng.randrange(5))
        ]
        if rng.random() < 0.7:
            query = [("path", rng.choice(["/a/flow", "/a/e", "/a"])), ("limit", "5"), *query]
        data = body_of(rng) if method in {"POST", "PUT"} else None
        media_type = rng.choice(["application/json"] * 9 + ["text/plain"])
        headers = {} if data is None else {"Content-Type": media_type}
        answer = await client.send(method, path, query, body=data, headers=headers)
        assert answer.status in {200, 400, 404, 405, 413}, (method, path, query, data, answer)
        answered[answer.status] += 1
    assert not [record for record in caplog.records if record.levelname == "ERROR"]
    assert answered[200] > 50, "hardly anything was reached"
    for path, stream in (await node.folder_root()).streams():
        if stream.id == kept.id:  # unless it was deleted, which is fine
            assert (await node.data_stream_info(path)).rows == 99


async def ensure_streams(node: Node) -> None:
    """Create again what a request has deleted or moved away."""
    streams = {path for path, _ in (await node.folder_root()).streams()}
    events = {path for path, _ in (await node.folder_root()).events()}
    if "/a/flow" not in streams | events:
        await node.data_stream_create(flow(), "/a")
    if "/a/e" not in streams | events:
        await node.event_stream_create(EventStream("e"), "/a")
        await node.event_stream_write("/a/e", [Event(n, n + 5, {"n": n}) for n in range(50)])
