"""Data stream actions of every `Node`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from joule_cli.errors import (
    ApiError,
    FolderNotFound,
    InvalidDataStreamParameter,
    InvalidReference,
    LockedError,
    NameTakenError,
    StreamNotFound,
)
from joule_cli.model import Annotation, DataStream, Element
from joule_cli.model.data_stream import DATATYPES
from tests.contracts.folder import MALFORMED
from tests.contracts.streams import flow

if TYPE_CHECKING:
    from joule_cli.api.node import Node


def attributes(element: Element) -> tuple[Any, ...]:
    """Return all that a program sets on an element."""
    return (
        element.name,
        element.units,
        element.plottable,
        element.display_type,
        element.offset,
        element.scale_factor,
        element.default_max,
        element.default_min,
    )


class DataStreamContract:
    async def test_created_stream_is_stored_whole(self, node: Node):
        stream = DataStream(
            name="flow 1",
            description="coolant",
            datatype="INT16",
            keep_us=3_600_000_000,
            decimate=False,
            elements=[
                Element("inlet", "l/s", True, "continuous", 1.5, 0.1, 25.0, -1.0),
                Element("outlet", None, False, "Event"),
            ],
        )
        created = await node.data_stream_create(stream, "/plant/pumps")
        for found in (created, await node.data_stream_get("/plant/pumps/flow 1")):
            assert found.id == created.id
            assert (found.name, found.description) == ("flow 1", "coolant")
            assert (found.datatype, found.layout) == ("int16", "int16_2")
            assert (found.keep_us, found.decimate) == (3_600_000_000, False)
            assert not any((found.locked, found.active, found.is_source, found.is_configured))
            assert [attributes(e) for e in found.elements] == [
                ("inlet", "l/s", True, "CONTINUOUS", 1.5, 0.1, 25.0, -1.0),
                ("outlet", None, False, "EVENT", 0.0, 1.0, None, None),
            ]
            assert [e.index for e in found.elements] == [0, 1]
            assert len({e.id for e in found.elements}) == 2

    async def test_stream_is_found_by_path_id_and_object(self, node: Node):
        created = await node.data_stream_create(flow(), "/a/b")
        for reference in ("/a/b/flow", created.id, created):
            assert (await node.data_stream_get(reference)).id == created.id

    async def test_stream_may_live_in_the_root(self, node: Node):
        created = await node.data_stream_create(flow(), "/")
        assert (await node.data_stream_get("/flow")).id == created.id

    async def test_create_in_a_folder_by_id_or_object(self, node: Node):
        folder = await node.folder_create("/a")
        await node.data_stream_create(flow("one"), folder)
        await node.data_stream_create(flow("two"), folder.id)
        assert [s.name for s in (await node.folder_get("/a")).data_streams] == ["one", "two"]

    @pytest.mark.parametrize("datatype", DATATYPES)
    async def test_every_datatype(self, node: Node, datatype: str):
        created = await node.data_stream_create(flow(datatype=datatype), "/a")
        assert created.layout == f"{datatype}_2"

    @pytest.mark.parametrize(
        ("changes", "text"),
        [
            ({"name": ""}, "missing name"),
            ({"name": None}, "missing name"),
            ({"name": "a/b"}, r"invalid name, '\\' not allowed"),
            ({"datatype": "uint99"}, r"invalid datatype \[UINT99\], choose from \[float64, "),
            (
                {"elements": [Element("a", display_type="zip")]},
                r"invalid display_type \[ZIP\], choose from \[discrete, continuous, event\]",
            ),
            ({"elements": [Element("")]}, "missing name"),
            ({"elements": []}, "stream must have at least one element"),
            ({"elements": [Element("a"), Element("a")]}, "element names must be unique"),
            ({"elements": [Element("a", offset=float("nan"))]}, "offset"),
            ({"elements": [Element("a", scale_factor="wide")]}, "scale_factor"),
            ({"elements": [Element("a", default_max=float("inf"))]}, "default_max"),
            ({"keep_us": -2}, "keep_us"),
            ({"keep_us": 2**63}, "keep_us"),
            ({"name": "\udcff"}, "Unicode"),
            ({"description": "\udcff"}, "Unicode"),
        ],
    )
    async def test_create_refuses(self, node: Node, changes: dict[str, Any], text: str):
        with pytest.raises(ApiError, match=text):
            await node.data_stream_create(flow(**{"name": "flow", **changes}), "/a/b")
        assert (await node.folder_root()).children == []

    async def test_name_is_checked_before_datatype_and_elements(self, node: Node):
        bad = flow("", datatype="nothing", elements=[])
        with pytest.raises(ApiError, match="missing name"):
            await node.data_stream_create(bad, "/a")
        bad.name = "flow"
        with pytest.raises(ApiError, match="invalid datatype"):
            await node.data_stream_create(bad, "/a")

    async def test_create_refuses_a_taken_name(self, node: Node):
        await node.data_stream_create(flow(), "/a")
        with pytest.raises(NameTakenError, match="stream with the same name exists in the folder"):
            await node.data_stream_create(flow(), "/a")
        await node.data_stream_create(flow("Flow"), "/a")

    @pytest.mark.parametrize("path", MALFORMED)
    async def test_malformed_destination(self, node: Node, path: str):
        with pytest.raises(InvalidReference, match=r"Destination error: invalid path \["):
            await node.data_stream_create(flow(), path)

    async def test_unknown_destination_id(self, node: Node):
        with pytest.raises(FolderNotFound):
            await node.data_stream_create(flow(), 4711)

    @pytest.mark.parametrize(
        "reference", ["/no", "/a/no/flow", "/a", "/", *MALFORMED, 99, -1, 2**70]
    )
    async def test_unknown_stream(self, node: Node, reference: str | int):
        await node.data_stream_create(flow("b"), "/a")
        calls = (node.data_stream_get, node.data_stream_delete, node.data_stream_info)
        for call in (*calls, node.data_stream_annotation_delete):
            with pytest.raises(StreamNotFound) as caught:
                await call(reference)
            assert str(caught.value) == "stream does not exist [404]"
        with pytest.raises(StreamNotFound):
            await node.data_stream_move(reference, "/x")

    @pytest.mark.parametrize("reference", [None, 1.5, True, b"/a"])
    async def test_reference_of_a_wrong_type(self, node: Node, reference: object):
        with pytest.raises(InvalidDataStreamParameter):
            await node.data_stream_get(reference)

    async def test_stream_without_an_id_is_refused(self, node: Node):
        with pytest.raises(ApiError, match="no ID"):
            await node.data_stream_update(flow())

    async def test_update_stores_attributes(self, node: Node):
        stream = await node.data_stream_create(flow(), "/a")
        stream.name, stream.description = "renamed", None
        stream.keep_us, stream.decimate = 0, False
        stream.elements[1] = Element("e0", "V", None, "discrete", -1, 2, 5, -5)
        await node.data_stream_update(stream)
        found = await node.data_stream_get("/a/renamed")
        assert (found.id, found.description) == (stream.id, None)
        assert (found.keep_us, found.decimate) == (0, False)
        assert attributes(found.elements[1]) == (
            "e0",
            "V",
            None,
            "DISCRETE",
            -1.0,
            2.0,
            5.0,
            -5.0,
        )
        assert found.elements[0].name == "e0"

    async def test_update_leaves_the_datatype(self, node: Node):
        stream = await node.data_stream_create(flow(), "/a")
        stream.datatype = "int64"
        await node.data_stream_update(stream)
        assert (await node.data_stream_get(stream)).datatype == "float32"

    @pytest.mark.parametrize(
        ("changes", "text"),
        [
            ({"name": ""}, "missing name"),
            ({"name": "a/b"}, "not allowed"),
            ({"elements": [Element("a")]}, "incorrect number of elements"),
            ({"elements": [Element("a", display_type="bad"), Element("b")]}, "display_type"),
            (
                {"elements": [Element("a", default_max=1, default_min=1), Element("b")]},
                "default_min",
            ),
            ({"elements": [Element("a", offset="abc"), Element("b")]}, "offset|to float"),
            ({"keep_us": -5}, "keep_us"),
        ],
    )
    async def test_update_refuses(self, node: Node, changes: dict[str, Any], text: str):
        stream = await node.data_stream_create(flow(), "/a")
        stream.description = "changed"
        for attribute, value in changes.items():
            setattr(stream, attribute, value)
        with pytest.raises(ApiError, match=text):
            await node.data_stream_update(stream)
        found = await node.data_stream_get(stream)
        assert (found.name, found.description) == ("flow", "")
        assert [e.name for e in found.elements] == ["e0", "e1"]

    async def test_update_refuses_a_taken_name(self, node: Node):
        stream = await node.data_stream_create(flow("one"), "/a")
        await node.data_stream_create(flow("two"), "/a")
        stream.name = "two"
        with pytest.raises(NameTakenError):
            await node.data_stream_update(stream)

    async def test_update_of_a_deleted_stream(self, node: Node):
        stream = await node.data_stream_create(flow(), "/a")
        await node.data_stream_delete(stream)
        with pytest.raises(StreamNotFound):
            await node.data_stream_update(stream)

    async def test_move_creates_the_destination(self, node: Node):
        stream = await node.data_stream_create(flow(), "/a")
        await node.data_stream_move("/a/flow", "/x/y")
        assert (await node.data_stream_get("/x/y/flow")).id == stream.id
        with pytest.raises(StreamNotFound):
            await node.data_stream_get("/a/flow")

    async def test_move_refuses_a_taken_name(self, node: Node):
        stream = await node.data_stream_create(flow(), "/a")
        await node.data_stream_create(flow(), "/b")
        for destination in ("/a", "/b"):
            with pytest.raises(
                NameTakenError, match="stream with the same name exists in the destination folder"
            ):
                await node.data_stream_move(stream, destination)

    async def test_move_to_a_bad_destination(self, node: Node):
        stream = await node.data_stream_create(flow(), "/a")
        with pytest.raises(InvalidReference, match=r"Destination error: invalid path \[x\]"):
            await node.data_stream_move(stream, "x")
        with pytest.raises(FolderNotFound):
            await node.data_stream_move(stream, 4711)

    async def test_deleted_stream_is_gone_with_its_annotations(self, node: Node):
        stream = await node.data_stream_create(flow(), "/a")
        note = await node.annotation_create(Annotation("note", 1), stream)
        await node.data_stream_delete("/a/flow")
        with pytest.raises(StreamNotFound):
            await node.data_stream_get(stream)
        with pytest.raises(ApiError):
            await node.annotation_delete(note)
        assert (await node.data_stream_create(flow(), "/a")).id > stream.id

    async def test_stream_is_locked_while_it_is_written(self, node: Node):
        stream = await node.data_stream_create(flow(), "/a")
        async with await node.data_write(stream) as pipe:
            await pipe.write([[1, 2, 3]])
            found = await node.data_stream_get(stream)
            assert (found.is_destination, found.active, found.locked) == (True, True, True)
            assert (await node.folder_get("/a")).locked
            for call in (
                node.data_stream_update(stream),
                node.data_stream_move(stream, "/b"),
                node.data_stream_delete(stream),
            ):
                with pytest.raises(LockedError, match="stream is locked"):
                    await call
            for call in (
                node.folder_move("/a", "/b"),
                node.folder_delete("/a", recursive=True),
            ):
                with pytest.raises(LockedError, match="folder is locked"):
                    await call
        found = await node.data_stream_get(stream)
        assert (found.is_destination, found.active, found.locked) == (False, False, False)
        await node.folder_delete("/a")

    async def test_info_of_a_written_stream(self, node: Node):
        stream = await node.data_stream_create(flow(), "/a")
        async with await node.data_write(stream) as pipe:
            await pipe.write([[10, 2, 3], [20, 4, 5], [40, 6, 7]])
        info = await node.data_stream_info(stream)
        assert (info.start, info.end, info.rows, info.total_time) == (10, 40, 3, 30)
        assert info.bytes > 0
        assert (await node.data_stream_get(stream)).info is None
        assert (await node.data_stream_get(stream, info=True)).info == info

    async def test_changes_are_dated_up_to_the_root(self, node: Node):
        async def dates() -> dict[str, str]:
            root = await node.folder_root()
            objects = [*root.walk(), *((f":{path}", s) for path, s in root.streams())]
            return {path: item.updated_at for path, item in objects}

        await node.folder_create("/quiet")
        stream = await node.data_stream_create(flow(), "/a/b")
        seen = await dates()
        assert len({seen[path] for path in ("/", "/a", "/a/b", ":/a/b/flow")}) == 1
        await node.data_stream_update(stream)
        updated = await dates()
        assert [p for p in seen if updated[p] == seen[p]] == ["/quiet"]
        await node.data_stream_move(stream, "/a/c")
        moved = await dates()
        assert all(moved[p] > updated[p] for p in ("/", "/a", "/a/b"))
        assert moved[":/a/c/flow"] > updated[":/a/b/flow"]
        await node.data_stream_delete(stream)
        deleted = await dates()
        assert [p for p in deleted if deleted[p] > moved[p]] == ["/", "/a", "/a/c"]

    async def test_info_of_an_empty_stream(self, node: Node):
        stream = await node.data_stream_create(flow(), "/a")
        info = await node.data_stream_info(stream)
        assert (info.start, info.end, info.rows, info.total_time) == (None, None, 0, 0)
