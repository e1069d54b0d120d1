"""Every recorded call gives the right objects or errors, from the recorded answers."""

from __future__ import annotations

import base64
import json
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from joule_cli.errors import (
    ApiError,
    FilterError,
    LockedError,
    NameTakenError,
    NotFoundError,
    PipeError,
    StreamInUseError,
    SubscriptionError,
)
from joule_cli.model import Annotation, DataStream, Element, Event, EventStream
from joule_cli.wire.frames import FrameDecoder
from tests.remote.recorded import CALLS, T, arguments, replayed

if TYPE_CHECKING:
    from pathlib import Path

    from joule_cli.remote.node import RemoteNode

CLASSES = {
    "Annotation": Annotation,
    "DataStream": DataStream,
    "Element": Element,
    "EventStream": EventStream,
}
#: Calls that the client refuses, with their errors.
OWN_ERRORS = {
    "node.data_write('/live/random')  # already produced": StreamInUseError,
    "node.data_subscribe('/rec/data/flow')  # not produced": SubscriptionError,
    "async for event in node.event_stream_read(event_stream_object, "
    """json_filter='[[["power","==",2]]]')  # refused""": FilterError,
}
#: The original client removes without counting.
NOT_ASKED = {"event_stream_remove"}


def _new_stream(lines: list[dict[str, Any]]) -> DataStream:
    return DataStream.from_json(json.loads(lines[0]["request"]["body"]["text"])["stream"])


def _destination(lines: list[dict[str, Any]]) -> Any:
    body = json.loads(lines[0]["request"]["body"]["text"])
    return body.get("dest_path", body.get("dest_id"))


def _events(lines: list[dict[str, Any]]) -> list[Event]:
    """Return the events that were sent, as if they had been read where they have an id."""
    uuid = lines[0]["response"]["body"]["json"]["uuid"]
    return [
        Event.from_json(event, uuid)
        for line in lines[1:]
        for event in json.loads(line["request"]["body"]["text"])["events"]
    ]


async def _write(node: RemoteNode, call: str, lines: list[dict[str, Any]]) -> None:
    names = arguments(lines)
    stream = DataStream.from_json(lines[0]["response"]["body"]["json"])
    options: dict[str, Any] = {}
    if "merge_gap" in call:
        options = {"merge_gap": 100_000}
    if "start=" in call:
        options = {"start": T + 100, "end": T + 200}
    sent = base64.b64decode(lines[-1]["request"]["body"]["base64"])
    items = FrameDecoder(stream.layout).decode(sent)
    target = "/rec/data/flow" if "'/rec/data/flow'" in call else names["stream_object"]
    if "float64" in call:
        target = "/rec/data/f64"
    pipe = await node.data_write(target, **options)
    async with pipe:
        # the last break is sent by the client
        for item in items[:-1]:
            await (pipe.close_interval() if item is None else pipe.write(item))


async def _call(node: RemoteNode, call: str, lines: list[dict[str, Any]], folder: Path) -> Any:
    """Make a recorded call; most of them are Python as they stand."""
    code = call.partition("  #")[0]
    names = CLASSES | arguments(lines) | {"node": node}
    if "data_write(" in code and code.startswith("pipe"):
        return await _write(node, code, lines)
    if code.startswith("pipe = "):
        reading = code.removeprefix("pipe = ").partition(";")[0]
        return await eval(f"{reading}", names)
    if code.startswith("async for"):
        reading = eval(code.partition(" in ")[2], names)
        return [item async for item in reading]
    match code.partition("(")[0].removeprefix("node."):
        case "data_stream_create" if "..." in code:
            return await node.data_stream_create(_new_stream(lines), _destination(lines))
        case "data_read_array" if "int32 stream" in code:
            stream = DataStream("ints", datatype="int32", elements=[Element("")] * 3, id=202)
            return await node.data_read_array(stream)
        case "event_stream_write":
            target = "/rec/events/chunked" if "chunked" in code else names["event_stream_object"]
            target = 301 if target is names["event_stream_object"] else target
            return await node.event_stream_write(target, _events(lines))
        case "master_add" if "api_key" in code:
            key = json.loads(lines[0]["request"]["body"]["text"])["api_key"]
            return await node.master_add("user", "recuser", api_key=key)
        case "archive_upload":
            file = folder / "file.zip"
            file.write_bytes(b"this is not a zip file")
            return await node.archive_upload(file)
    return await eval(code, names)


#: What refusals mean whose status and text do not tell.
MEANINGS: dict[str, type[ApiError]] = {
    "node.data_stream_create(DataStream('flow', ...), '/rec/data')  # name taken": NameTakenError,
    "node.data_stream_move(stream_id, folder_id)  # same folder": NameTakenError,
    "node.folder_delete('/live')  # locked": LockedError,
}


def _expected_message(failure: str) -> str:
    text = failure.removeprefix("ApiError: ")
    status = text.rpartition("[")[2].rstrip("]")
    return text.removeprefix(f"{status}: ")


@pytest.mark.parametrize(("call", "lines"), [pytest.param(*each, id=each[0]) for each in CALLS])
async def test_recorded_call(call: str, lines: list[dict[str, Any]], tmp_path: Path):
    name = call.partition("node.")[2].partition("(")[0]
    failure = lines[-1].get("call_failed_with") or lines[0].get("call_failed_with")
    async with replayed(lines) as (node, recorded):
        if name in NOT_ASKED:
            recorded.left.insert(0, _count_before(lines[0]))
        if call in OWN_ERRORS:
            with pytest.raises(OWN_ERRORS[call]):
                await _call(node, call, lines, tmp_path)
            # a filter is checked before the node is asked
            recorded.left = [] if "filter" in call else recorded.left
        elif failure:
            with pytest.raises(ApiError) as caught:
                await _call(node, call, lines, tmp_path)
            assert str(caught.value) == _expected_message(failure) or name == "master_add"
            assert isinstance(caught.value, NotFoundError) == ("[404]" in failure)
            if call in MEANINGS:
                assert type(caught.value) is MEANINGS[call]
        else:
            result = await _call(node, call, lines, tmp_path)
            if name == "data_read" and "no data" in call:
                with pytest.raises(PipeError):
                    await result.read()
                await result.close()
            else:
                await _compare(name, result, lines)
        assert recorded.unknown == []
        assert [line["name"] for line in recorded.left] == []


def _count_before(line: dict[str, Any]) -> dict[str, Any]:
    """Return the count that our client asks for before it removes."""
    request = line["request"] | {"method": "GET", "path": "/event/data/count.json"}
    response = {
        "status": 200,
        "headers": {"content-type": "application/json", "content-length": "1"},
        "body": {"json": {"count": 7}},
    }
    return {"name": "count", "request": request, "response": response}


async def _compare(name: str, result: Any, lines: list[dict[str, Any]]) -> None:
    """Compare what a call returned with what the node answered last."""
    body = lines[-1]["response"]["body"] or {}
    answer = body.get("json")
    if name in {"data_read", "data_subscribe", "data_read_array"}:
        await _compare_rows(name, result, lines[-1])
    elif name == "info":
        assert (result.name, result.version) == ("peer", "1.0.1")
        assert result.uuid == "00000000-0000-4000-8000-000000000001"
        assert result.size_db == answer["size"]
    elif name in {"data_stream_info", "event_stream_info"}:
        assert result.to_json() == answer["data_info"]
    elif name.endswith(("_move", "_update", "_delete", "_drop_decimations", "_decimate", "_write")):
        _compare_change(name, result, lines)
    elif name == "master_add":
        assert result.key == answer["key"]
    elif name == "db_connect":
        assert (result.url.host, result.url.port) == ("127.0.0.1", answer["port"])
        assert result.url.password == answer["password"]
        result.dispose()
    elif name == "event_stream_remove":
        assert result == 7
    elif name in {"data_consolidate", "event_stream_count"}:
        assert result == next(iter(answer.values()))
    elif name.startswith("event_stream_read"):
        _compare_events(result, lines)
    elif name == "annotation_info":
        assert result.to_json() == answer
    elif isinstance(answer, list) and name != "module_logs" and name != "data_intervals":
        assert len(result) == len(answer)
        for found, wanted in zip(result, answer, strict=True):
            _same_object(found, wanted)
    elif isinstance(answer, dict):
        _same_object(result, answer)
    else:
        assert result == answer


def _compare_change(name: str, result: Any, lines: list[dict[str, Any]]) -> None:
    if name == "event_stream_write":
        ids = [e["id"] for x in lines[1:] for e in x["response"]["body"]["json"]["events"]]
        assert [event.id for event in result] == ids
    elif name == "annotation_update":
        assert result.to_json() == lines[0]["response"]["body"]["json"]
    else:
        assert result is None


def _compare_events(result: Any, lines: list[dict[str, Any]]) -> None:
    blocks = result if result and isinstance(result[0], list) else [result]
    events = [event for block in blocks for event in block]
    answers = [x["response"]["body"]["json"] for x in lines if "event" in x["name"]]
    wanted = [event for answer in answers for event in answer["events"]]
    wanted = wanted[:5] if "limit=5" in lines[0]["call"] else wanted
    assert [event.to_json() for event in events] == wanted
    assert all(len(block) == 5 for block in blocks[:-1])


def _same_object(found: Any, wanted: dict[str, Any]) -> None:
    """Compare what the object and the answer both tell."""
    try:
        told = found.to_json()
    except AttributeError:
        told = {key: getattr(found, key) for key in wanted if hasattr(found, key)}
        assert told
    common = set(told) & set(wanted)
    assert common >= {"name"} & set(wanted)
    for key in common - {"host"}:
        if key in {"inputs", "outputs", "statistics", "type", "children"}:
            continue
        assert told[key] == wanted[key], key


async def _compare_rows(name: str, result: Any, line: dict[str, Any]) -> None:
    recorded = line["response"]
    data = base64.b64decode(recorded["body"]["base64"])
    layout = recorded["headers"]["joule-layout"]
    items = FrameDecoder(layout).decode(data)
    rows = np.concatenate([item for item in items if item is not None])
    if name == "data_read_array":
        if result.dtype.names is None:
            assert result.shape == (len(rows), rows["data"].shape[1] + 1)
            assert (result[:, 0] == rows["timestamp"]).all()
        else:
            assert result.tobytes() == rows.tobytes()
        return
    found, breaks = [], 0
    async with result as pipe:
        assert pipe.layout == layout
        assert pipe.decimation_level == int(recorded["headers"]["joule-decimation"])
        async for block, end_of_interval in pipe.blocks():
            found.append(block.copy())
            breaks += end_of_interval
    assert np.concatenate(found).tobytes() == rows.tobytes()
    # several in a row are one; whether one that nothing precedes or follows is told is open
    filled = [i for i, item in enumerate(items) if item is not None]
    between = sum(later - earlier > 1 for earlier, later in pairwise(filled))
    assert between <= breaks <= sum(item is None for item in items)
