"""Event stream actions of every `Node`, apart from their events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from joule_cli.errors import (
    ApiError,
    FolderNotFound,
    InvalidEventStreamParameter,
    InvalidReference,
    NameTakenError,
    StreamNotFound,
)
from joule_cli.model import Event, EventStream
from tests.contracts.folder import MALFORMED
from tests.contracts.streams import flow, starts_stream

if TYPE_CHECKING:
    from joule_cli.api.node import Node

FIELDS = {"power": "numeric", "note": "string", "kind": 'category:["heat","cool"]'}


class EventStreamContract:
    async def test_created_event_stream_is_stored_whole(self, node: Node):
        stream = EventStream(
            name="starts 1",
            description="pump starts",
            chunk_duration="2w",
            keep_us=3_600_000_000,
            event_fields=FIELDS,
        )
        created = await node.event_stream_create(stream, "/plant/pumps")
        for found in (created, await node.event_stream_get("/plant/pumps/starts 1")):
            assert found.id == created.id
            assert (found.name, found.description) == ("starts 1", "pump starts")
            assert found.chunk_duration_us == 14 * 86_400_000_000
            assert (found.keep_us, found.event_fields) == (3_600_000_000, FIELDS)
            assert list(found.event_fields) == list(FIELDS)
            assert found.updated_at

    async def test_event_stream_is_found_by_path_id_and_object(self, node: Node):
        created = await node.event_stream_create(starts_stream(), "/a/b")
        for reference in ("/a/b/starts", created.id, created):
            assert (await node.event_stream_get(reference)).id == created.id

    async def test_event_stream_in_a_folder_by_id_or_object(self, node: Node):
        folder = await node.folder_create("/a")
        await node.event_stream_create(starts_stream("one"), folder)
        await node.event_stream_create(starts_stream("two"), folder.id)
        assert [s.name for s in (await node.folder_get("/a")).event_streams] == ["one", "two"]

    async def test_event_stream_may_live_in_the_locked_root(self, node: Node):
        created = await node.event_stream_create(starts_stream(), "/")
        assert (await node.event_stream_get("/starts")).id == created.id
        created.name = "renamed"
        await node.event_stream_update(created)
        await node.event_stream_move("/renamed", "/a")
        await node.event_stream_move("/a/renamed", "/")
        assert [s.name for s in (await node.folder_root()).event_streams] == ["renamed"]
        await node.event_stream_delete("/renamed")
        assert (await node.folder_root()).event_streams == []

    async def test_get_creates_on_request(self, node: Node):
        with pytest.raises(StreamNotFound):
            await node.event_stream_get("/a/new")
        created = await node.event_stream_get(
            "/a/new", create=True, description="d", event_fields=FIELDS, chunk_duration="1h"
        )
        assert (created.name, created.description) == ("new", "d")
        assert (created.event_fields, created.chunk_duration_us) == (FIELDS, 3_600_000_000)
        again = await node.event_stream_get("/a/new", create=True, description="other")
        assert (again.id, again.description) == (created.id, "d")
        bare = await node.event_stream_get("/bare", create=True)
        assert (bare.event_fields, bare.chunk_duration_us, bare.keep_us) == ({}, 0, -1)

    @pytest.mark.parametrize(
        "arguments",
        [
            pytest.param((FIELDS, "", 7_000_000), id="reference"),
            pytest.param((FIELDS, None, 7_000_000), id="reference without a text"),
            pytest.param(("", 7_000_000, FIELDS), id="1.0.1"),
            pytest.param((None, 7_000_000, FIELDS), id="1.0.1 without a text"),
        ],
    )
    async def test_get_takes_both_orders_of_arguments(
        self, node: Node, arguments: tuple[Any, Any, Any]
    ):
        created = await node.event_stream_get("/a/new", True, "text", *arguments)
        assert created.description == "text"
        assert (created.event_fields, created.chunk_duration_us) == (FIELDS, 7_000_000)

    async def test_get_takes_both_orders_with_a_text_duration(self, node: Node):
        one = await node.event_stream_get("/a/one", True, "", FIELDS, "1d")
        two = await node.event_stream_get("/a/two", True, "", "1d", None, FIELDS)
        for found in (one, two):
            assert (found.event_fields, found.chunk_duration_us) == (FIELDS, 86_400_000_000)

    async def test_get_creates_no_unknown_id(self, node: Node):
        with pytest.raises(StreamNotFound):
            await node.event_stream_get(4711, create=True)

    @pytest.mark.parametrize(
        ("changes", "text"),
        [
            ({"name": ""}, "missing name"),
            ({"name": None}, "missing name"),
            ({"name": "a/b"}, r"invalid name, '\\' not allowed"),
            ({"name": "\udcff"}, "Unicode"),
            ({"description": "\udcff"}, "Unicode"),
            ({"event_fields": ["a"]}, "event_fields must be a dictionary, not a list"),
            ({"event_fields": {"a": "text"}}, r"invalid value in event_fields, must be \[numeric"),
            ({"event_fields": {"a": None}}, "invalid value in event_fields"),
            ({"event_fields": {"a": "category"}}, "invalid value in event_fields"),
            ({"event_fields": {"a": "category:"}}, "category type must a have JSON list"),
            ({"event_fields": {"a": "category:[]"}}, "category type must a have JSON list"),
            ({"event_fields": {"a": "category:[1]"}}, "category type must a have JSON list"),
            ({"event_fields": {"a": "Numeric"}}, "invalid value in event_fields"),
            ({"event_fields": {"\udcff": "string"}}, "Unicode"),
            ({"chunk_duration_us": "1h"}, "invalid chunk_duration_us, must be an integer"),
            ({"chunk_duration_us": -1}, "invalid chunk_duration_us, must be > 0"),
            ({"chunk_duration_us": 2**63}, "invalid chunk_duration_us"),
            ({"keep_us": 1.5}, "invalid keep_us, must be an integer"),
            ({"keep_us": -2}, r"invalid keep_us, must be -1 \(KEEP_ALL\) or >= 0"),
            ({"keep_us": 2**63}, "invalid keep_us"),
        ],
    )
    async def test_event_stream_is_refused(self, node: Node, changes: dict[str, Any], text: str):
        bad = starts_stream()
        for attribute, value in changes.items():
            setattr(bad, attribute, value)
        with pytest.raises(ApiError, match=text):
            await node.event_stream_create(bad, "/new/folder")
        assert (await node.folder_root()).children == []
        stored = await node.event_stream_create(starts_stream(), "/a")
        for attribute, value in {"description": "changed", **changes}.items():
            setattr(stored, attribute, value)
        with pytest.raises(ApiError, match=text):
            await node.event_stream_update(stored)
        found = await node.event_stream_get(stored)
        assert (found.name, found.description, found.event_fields) == ("starts", "", {})
        assert (found.chunk_duration_us, found.keep_us) == (0, -1)

    async def test_streams_of_a_folder_share_their_names(self, node: Node):
        taken = "stream with the same name exists in the folder"
        data = await node.data_stream_create(flow("data"), "/a")
        events = await node.event_stream_create(starts_stream("events"), "/a")
        for name in ("data", "events"):
            with pytest.raises(NameTakenError, match=taken):
                await node.event_stream_create(starts_stream(name), "/a")
            with pytest.raises(NameTakenError, match=taken):
                await node.data_stream_create(flow(name), "/a")
        with pytest.raises(NameTakenError, match=taken):
            await node.event_stream_get("/a/data", create=True)
        events.name, data.name = "data", "events"
        with pytest.raises(NameTakenError, match=taken):
            await node.event_stream_update(events)
        with pytest.raises(NameTakenError, match=taken):
            await node.data_stream_update(data)
        folder = await node.folder_get("/a")
        assert [s.name for s in folder.data_streams] == ["data"]
        assert [s.name for s in folder.event_streams] == ["events"]

    async def test_names_are_shared_when_streams_move(self, node: Node):
        data = await node.data_stream_create(flow("same"), "/data")
        events = await node.event_stream_create(starts_stream("same"), "/events")
        taken = "stream with the same name exists in the destination folder"
        with pytest.raises(NameTakenError, match=taken):
            await node.event_stream_move(events, "/data")
        with pytest.raises(NameTakenError, match=taken):
            await node.data_stream_move(data, "/events")
        with pytest.raises(NameTakenError, match=taken) as caught:
            await node.event_stream_move("/events/same", "/data")
        assert caught.value.object == "/events/same"
        with pytest.raises(NameTakenError, match=taken) as caught:
            await node.data_stream_move("/data/same", "/events")
        assert caught.value.object == "/data/same"
        with pytest.raises(NameTakenError, match=taken):
            await node.event_stream_move(events, "/events")
        assert (await node.event_stream_get("/events/same")).id == events.id
        assert (await node.data_stream_get("/data/same")).id == data.id

    async def test_folder_and_event_stream_may_share_a_name(self, node: Node):
        created = await node.event_stream_create(starts_stream("same"), "/a")
        await node.folder_create("/a/same/below")
        assert (await node.event_stream_get("/a/same")).id == created.id
        await node.event_stream_move("/a/same", "/a/same")
        assert (await node.event_stream_get("/a/same/same")).id == created.id

    @pytest.mark.parametrize(
        "reference", ["/no", "/a/no/starts", "/a", "/", "/a/flow", *MALFORMED, 99, -1, 0, 2**70]
    )
    async def test_unknown_event_stream(self, node: Node, reference: str | int):
        await node.event_stream_create(starts_stream("b"), "/a")
        await node.data_stream_create(flow(), "/a")
        calls = (
            node.event_stream_get,
            node.event_stream_info,
            node.event_stream_delete,
            node.event_stream_count,
            node.event_stream_remove,
            node.event_stream_read,
            node.event_stream_read_list,
            node.event_stream_histogram,
        )
        for call in calls:
            with pytest.raises(StreamNotFound) as caught:
                await call(reference)
            assert str(caught.value) == "stream does not exist [404]"
        with pytest.raises(StreamNotFound):
            await node.event_stream_move(reference, "/x")
        with pytest.raises(StreamNotFound):
            await node.event_stream_write(reference, [Event(1, 2)])
        with pytest.raises(StreamNotFound):
            async for _ in node.event_stream_read(reference):
                pass

    @pytest.mark.parametrize("reference", [None, 1.5, True, b"/a", ["/a"]])
    async def test_event_stream_reference_of_a_wrong_type(self, node: Node, reference: Any):
        text = "Invalid stream datatype. Must be EventStream, Path, or ID"
        for call in (node.event_stream_get, node.event_stream_delete, node.event_stream_read):
            with pytest.raises(InvalidEventStreamParameter, match=text):
                await call(reference)

    async def test_data_stream_is_no_event_stream(self, node: Node):
        data = await node.data_stream_create(flow(), "/a")
        events = await node.event_stream_create(starts_stream(), "/a")
        with pytest.raises(InvalidEventStreamParameter):
            await node.event_stream_get(data)
        with pytest.raises(InvalidEventStreamParameter):
            await node.event_stream_create(data, "/b")
        with pytest.raises(InvalidEventStreamParameter):
            await node.event_stream_update(data)
        with pytest.raises(StreamNotFound):
            await node.data_stream_get("/a/starts")
        with pytest.raises(ApiError):
            await node.data_stream_get(events)

    async def test_event_stream_without_an_id_is_refused(self, node: Node):
        for call in (node.event_stream_update, node.event_stream_get, node.event_stream_delete):
            with pytest.raises(ApiError, match="no ID"):
                await call(starts_stream())

    async def test_update_stores_attributes_of_an_event_stream(self, node: Node):
        stream = await node.event_stream_create(starts_stream(event_fields=FIELDS), "/a")
        stream.name, stream.description = "renamed", None
        stream.keep_us, stream.chunk_duration_us = 0, 5
        stream.event_fields = {"note": "string"}
        await node.event_stream_update(stream)
        found = await node.event_stream_get("/a/renamed")
        assert (found.id, found.description) == (stream.id, None)
        assert (found.keep_us, found.chunk_duration_us) == (0, 5)
        assert found.event_fields == {"note": "string"}
        await node.event_stream_delete(found)
        with pytest.raises(StreamNotFound):
            await node.event_stream_update(found)

    @pytest.mark.parametrize("path", MALFORMED)
    async def test_malformed_destination_of_events(self, node: Node, path: str):
        stream = await node.event_stream_create(starts_stream(), "/a")
        with pytest.raises(InvalidReference, match=r"Destination error: invalid path \["):
            await node.event_stream_create(starts_stream(), path)
        with pytest.raises(InvalidReference, match=r"Destination error: invalid path \["):
            await node.event_stream_move(stream, path)

    async def test_unknown_destination_id_of_events(self, node: Node):
        stream = await node.event_stream_create(starts_stream(), "/a")
        with pytest.raises(FolderNotFound):
            await node.event_stream_create(starts_stream(), 4711)
        with pytest.raises(FolderNotFound):
            await node.event_stream_move(stream, 4711)
        assert (await node.event_stream_get("/a/starts")).id == stream.id

    async def test_event_stream_moves_with_its_events(self, node: Node):
        stream = await node.event_stream_create(starts_stream(), "/a")
        await node.event_stream_write(stream, [Event(1, 2, {"n": 1})])
        await node.event_stream_move("/a/starts", "/x/y")
        assert (await node.event_stream_get("/x/y/starts")).id == stream.id
        assert await node.event_stream_read("/x/y/starts") == [Event(1, 2, {"n": 1})]
        with pytest.raises(StreamNotFound):
            await node.event_stream_get("/a/starts")

    async def test_folder_tree_has_event_streams(self, node: Node):
        for path in ("/a/one", "/a/two", "/a/b/three"):
            folder, name = path.rsplit("/", 1)
            await node.event_stream_create(starts_stream(name, event_fields=FIELDS), folder)
        await node.data_stream_create(flow(), "/a")
        root = await node.folder_root()
        found = [(path, s.event_fields) for path, s in root.events()]
        assert found == [(path, FIELDS) for path in ("/a/one", "/a/two", "/a/b/three")]
        assert [path for path, _ in root.streams()] == ["/a/flow"]
        await node.folder_move("/a/b", "/x")
        below = (await node.folder_get("/x")).events("/x")
        assert [path for path, _ in below] == ["/x/b/three"]

    async def test_deleted_folders_take_their_event_streams(self, node: Node):
        for folder in ("/a", "/a/b", "/c"):
            stream = await node.event_stream_create(starts_stream(), folder)
            await node.event_stream_write(stream, [Event(1, 2)])
        await node.folder_delete("/a", recursive=True)
        assert [path for path, _ in (await node.folder_root()).events()] == ["/c/starts"]
        again = await node.event_stream_create(starts_stream(), "/a/b")
        assert await node.event_stream_count(again) == 0
        assert await node.event_stream_count("/c/starts") == 1

    async def test_deleted_event_stream_is_gone_with_its_events(self, node: Node):
        stream = await node.event_stream_create(starts_stream(), "/a")
        await node.event_stream_write(stream, [Event(1, 2)])
        await node.event_stream_delete("/a/starts")
        with pytest.raises(StreamNotFound):
            await node.event_stream_get(stream)
        with pytest.raises(StreamNotFound):
            await node.event_stream_count(stream)
        again = await node.event_stream_create(starts_stream(), "/a")
        assert again.id > stream.id
        assert await node.event_stream_read(again) == []

    async def test_changes_of_event_streams_are_dated_up_to_the_root(self, node: Node):
        async def dates() -> dict[str, str]:
            root = await node.folder_root()
            objects = [*root.walk(), *((f":{path}", s) for path, s in root.events())]
            return {path: item.updated_at for path, item in objects}

        await node.folder_create("/quiet")
        stream = await node.event_stream_create(starts_stream(), "/a/b")
        seen = await dates()
        assert len({seen[path] for path in ("/", "/a", "/a/b", ":/a/b/starts")}) == 1
        await node.event_stream_update(stream)
        updated = await dates()
        assert [p for p in seen if updated[p] == seen[p]] == ["/quiet"]
        await node.event_stream_move(stream, "/a/c")
        moved = await dates()
        assert all(moved[p] > updated[p] for p in ("/", "/a", "/a/b"))
        assert moved[":/a/c/starts"] > updated[":/a/b/starts"]
        await node.event_stream_write(stream, [Event(1, 2)])
        assert await dates() == moved
        await node.event_stream_delete(stream)
        deleted = await dates()
        assert [p for p in deleted if deleted[p] > moved[p]] == ["/", "/a", "/a/c"]
