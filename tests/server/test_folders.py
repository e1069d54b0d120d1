"""What the recordings do not show of folders and data streams over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from joule_cli.model import Event, EventStream
from tests.contracts.streams import flow

if TYPE_CHECKING:
    from joule_cli.api.node import Node
    from tests.server.conftest import Client


async def test_tree_names_the_streams_that_are_written(client: Client, node: Node):
    await node.data_stream_create(flow("idle"), "/a")
    busy = await node.data_stream_create(flow("busy"), "/a/b")
    async with await node.data_write(busy):
        tree = await client.get("/folders.json")
        assert tree["active_data_streams"] == [busy.id]
        assert tree["children"][0]["locked"]
    assert (await client.get("/folders.json"))["active_data_streams"] == []


async def test_tree_with_what_the_streams_hold(client: Client, node: Node):
    stream = await node.data_stream_create(flow(), "/a")
    async with await node.data_write(stream) as pipe:
        await pipe.write([[1, 2, 3], [11, 2, 3]])
    events = await node.event_stream_create(EventStream("e"), "/a")
    await node.event_stream_write(events, [Event(5, 8, {})])
    plain = (await client.get("/folders.json"))["children"][0]
    assert "data_info" not in plain["streams"][0]
    for flag in ("", "0", "1"):
        folder = (await client.get("/folders.json", **{"data-info": flag}))["children"][0]
        data = folder["streams"][0]["data_info"]
        assert list(data) == ["start", "end", "rows", "bytes", "total_time"]
        assert (data["start"], data["end"], data["rows"], data["total_time"]) == (1, 11, 2, 10)
        found = folder["event_streams"][0]["data_info"]
        assert list(found) == ["start", "end", "event_count", "bytes", "total_time"]
        assert (found["start"], found["end"], found["event_count"]) == (5, 8, 1)


async def test_map_of_ids(client: Client, node: Node):
    first = await node.data_stream_create(flow("first"), "/a/b")
    second = await node.data_stream_create(flow("second"), "/c")
    events = await node.event_stream_create(EventStream("e"), "/d")
    await node.folder_create("/elsewhere")
    ids = {path: folder.id for path, folder in (await node.folder_root()).walk()}
    element, other = second.elements[1].id, first.elements[0].id
    found = await client.get(
        "/folder/map.json",
        data_stream_elements=f"[{element}, {other}, {other}, 999]",
        event_streams=f"[{events.id}, 999]",
    )
    assert list(found) == [
        "node_uuid",
        "event_stream_ids",
        "data_stream_ids",
        "data_element_ids",
        "folder_ids",
        "data_stream_element_map",
    ]
    assert found["event_stream_ids"] == [events.id]
    assert found["data_stream_ids"] == sorted([first.id, second.id])
    assert found["data_element_ids"] == sorted([element, other])
    assert found["folder_ids"] == sorted(ids[p] for p in ("/", "/a", "/a/b", "/c", "/d"))
    assert found["data_stream_element_map"] == {str(other): first.id, str(element): second.id}


@pytest.mark.parametrize(
    "text", ["", "x", "5", "{}", '["1"]', "[1.5]", "[true]", "[[1]]", "[" * 9999]
)
async def test_map_of_what_are_no_ids(client: Client, text: str):
    for query in (
        {"data_stream_elements": text},
        {"data_stream_elements": "[]", "event_streams": text},
    ):
        answer = await client.send("GET", "/folder/map.json", query)
        assert (answer.status, answer.text[:5]) == (400, "400: ")


@pytest.mark.parametrize("value", ["0", "true", "yes", "2", "", " 1"])
async def test_only_1_is_recursive(client: Client, node: Node, value: str):
    await node.folder_create("/a/b")
    answer = await client.send("DELETE", "/folder.json", {"path": "/a", "recursive": value})
    assert answer.text == "400: specify [recursive] or remove child folders first"


async def test_lock_is_told_before_anything_else(client: Client, node: Node):
    """Clients ask with half a request to find out."""
    stream = await node.data_stream_create(flow(), "/a")
    folder = await node.folder_get("/a")
    async with await node.data_write(stream):
        for path, body, text in (
            ("/stream.json", {"id": stream.id}, "stream is locked"),
            ("/stream/move.json", {"src_id": stream.id}, "stream is locked"),
            ("/folder.json", {"id": folder.id}, "folder is locked"),
            ("/folder/move.json", {"src_id": folder.id}, "folder is locked"),
        ):
            answer = await client.send("PUT", path, body=body)
            assert (answer.status, answer.text) == (400, f"400: {text}")


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("decimate", 1),
        ("decimate", None),
        ("decimate", "yes"),
        ("keep_us", "1w"),
        ("keep_us", 1.5),
        ("keep_us", 2**63),
        ("name", 5),
        ("name", "\ud800"),
        ("description", 5),
        ("elements", {}),
        ("elements", [5, 5]),
        ("elements", [{"plottable": 5}, {}]),
        ("elements", [{"units": 5}, {}]),
        ("elements", [{"name": None}, {}]),
        ("elements", [{"offset": None}, {}]),
        ("elements", [{"offset": "nan"}, {}]),
        ("elements", [{"scale_factor": "9" * 400}, {}]),
        ("elements", [{"default_max": []}, {}]),
        ("elements", [{"display_type": None}, {}]),
    ],
)
async def test_attributes_that_are_refused(client: Client, node: Node, attribute: str, value: Any):
    stream = await node.data_stream_create(flow(), "/a")
    before = (await node.data_stream_get(stream)).to_json()
    body = {"id": stream.id, "stream": {attribute: value}}
    answer = await client.send("PUT", "/stream.json", body=body)
    assert answer.status == 400
    assert answer.text.startswith("400: Invalid stream specification: ")
    assert (await node.data_stream_get(stream)).to_json() == before
    new = flow("new").to_json() | {attribute: value}
    if attribute == "elements":
        new["elements"] = [flow().to_json()["elements"][0] | e for e in value if type(e) is dict]
    answer = await client.send("POST", "/stream.json", body={"stream": new, "dest_path": "/b"})
    assert answer.status == 400
    # nothing is left behind, not even the folder
    assert [f.name for f in (await node.folder_root()).children] == ["a"]


async def test_full_object_of_another_node_is_taken_as_a_new_stream(client: Client, node: Node):
    source = await node.data_stream_create(flow(keep_us=5), "/a")
    body = {"stream": source.to_json(), "dest_path": "/b"}
    copy = (await client.send("POST", "/stream.json", body=body)).json
    assert copy["id"] != source.id
    assert "data_info" not in copy
    assert (copy["name"], copy["layout"], copy["keep_us"]) == ("flow", "float32_2", 5)


async def test_annotations_of_several_streams(client: Client, node: Node):
    for name in ("x", "y"):
        stream = await node.data_stream_create(flow(name), "/a")
        for start in (2, 1):
            body = {"stream_id": stream.id, "title": f"{name}{start}", "start": start}
            await client.send("POST", "/annotation.json", body=body)
    query = [("stream_path", "/a/x"), ("stream_id", "2"), ("stream_path", "/a/x")]
    found = (await client.send("GET", "/annotations.json", query)).json
    assert [a["title"] for a in found] == ["y1", "y2", "x1", "x2", "x1", "x2"]


@pytest.mark.parametrize("start", [None, True, "now", "nan", "inf", [], {}, 2**63, "9" * 5000])
async def test_times_of_annotations_that_are_none(client: Client, node: Node, start: Any):
    await node.data_stream_create(flow(), "/a")
    body = {"stream_path": "/a/flow", "title": "t", "start": start}
    answer = await client.send("POST", "/annotation.json", body=body)
    assert answer.status == 400
    assert await node.annotation_get("/a/flow") == []
