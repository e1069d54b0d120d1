"""Annotation actions of every `Node`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from joule_cli.errors import AnnotationNotFound, ApiError, InvalidReference, StreamNotFound
from joule_cli.model import Annotation
from tests.contracts.streams import flow

if TYPE_CHECKING:
    from joule_cli.api.node import Node


async def noted(node: Node, *starts: int) -> None:
    """Create the stream /a/flow with a note at each of `starts`."""
    await node.data_stream_create(flow(), "/a")
    for start in starts:
        await node.annotation_create(Annotation(f"at {start}", start), "/a/flow")


async def starts(node: Node, *bounds: int | None) -> list[int]:
    return [a.start for a in await node.annotation_get("/a/flow", *bounds)]


class AnnotationContract:
    async def test_created_annotation_is_stored_whole(self, node: Node):
        stream = await node.data_stream_create(flow(), "/a")
        note = Annotation(title="Valve", content="see log", start=1_000, end=2_000)
        created = await node.annotation_create(note, "/a/flow")
        assert (note.id, note.stream_id) == (created.id, stream.id)
        for found in (created, *await node.annotation_get(stream)):
            assert (found.id, found.stream_id) == (created.id, stream.id)
            assert (found.title, found.content) == ("Valve", "see log")
            assert (found.start, found.end) == (1_000, 2_000)

    async def test_several_annotations_at_once(self, node: Node):
        await noted(node)
        notes = [Annotation("a", 1), Annotation("b", 2, 3), Annotation("", 4)]
        with pytest.raises(ApiError):
            await node.annotation_create_all(notes, "/a/flow")
        # those with an id are there, and no others: in a node file none
        assert await starts(node) == [note.start for note in notes if note.id is not None]
        if node.url.startswith("file:"):
            assert await starts(node) == []
        notes = [Annotation("c", 8), Annotation("d", 9)]
        created = await node.annotation_create_all(notes, "/a/flow")
        assert (await starts(node))[-2:] == [8, 9]
        assert [(await node.annotation_find(each)).title for each in created] == ["c", "d"]
        assert await node.annotation_create_all([], "/a/flow") == []

    async def test_annotation_is_found_by_its_id(self, node: Node):
        await noted(node, 1, 2)
        first, second = await node.annotation_get("/a/flow")
        assert (await node.annotation_find(second.id)).to_json() == second.to_json()
        assert (await node.annotation_find(first)).to_json() == first.to_json()
        for unknown in (0, -1, 999_999, 2**70):
            with pytest.raises(AnnotationNotFound):
                await node.annotation_find(unknown)

    async def test_point_annotation_without_content(self, node: Node):
        await noted(node)
        created = await node.annotation_create(Annotation("t", -5, content=None), "/a/flow")
        assert (created.start, created.end, created.content) == (-5, None, None)

    @pytest.mark.parametrize(
        ("note", "text"),
        [
            (Annotation("", 1), "title"),
            (Annotation("t", 5, 5), r"\[start\] must be before \[end\]"),
            (Annotation("t", 5, 4), r"\[start\] must be before \[end\]"),
            (Annotation("t", None), "start"),
            (Annotation("t", 2**63), "start"),
            (Annotation("\udcff", 1), "Unicode"),
        ],
    )
    async def test_create_refuses(self, node: Node, note: Annotation, text: str):
        await noted(node)
        with pytest.raises(ApiError, match=text):
            await node.annotation_create(note, "/a/flow")
        assert await starts(node) == []

    async def test_unknown_stream(self, node: Node):
        for call in (node.annotation_get, node.annotation_info):
            with pytest.raises(StreamNotFound):
                await call("/no/such")
        with pytest.raises(StreamNotFound):
            await node.annotation_create(Annotation("t", 1), "/no/such")

    async def test_update_changes_title_and_content_only(self, node: Node):
        await noted(node, 10)
        (note,) = await node.annotation_get("/a/flow")
        note.title, note.content, note.start, note.end = "new", "text", 99, 100
        updated = await node.annotation_update(note)
        for found in (updated, *await node.annotation_get("/a/flow")):
            assert (found.title, found.content) == ("new", "text")
            assert (found.start, found.end) == (10, None)

    async def test_update_refuses_an_empty_title(self, node: Node):
        await noted(node, 10)
        (note,) = await node.annotation_get("/a/flow")
        note.title = ""
        with pytest.raises(ApiError, match="title"):
            await node.annotation_update(note)

    async def test_delete_by_id_and_object(self, node: Node):
        await noted(node, 1, 2, 3)
        first, second, _ = await node.annotation_get("/a/flow")
        await node.annotation_delete(first)
        await node.annotation_delete(second.id)
        assert await starts(node) == [3]

    async def test_unknown_annotation(self, node: Node):
        await noted(node, 1)
        for reference in (4711, 0, -1, 2**70):
            with pytest.raises(AnnotationNotFound, match="annotation does not exist"):
                await node.annotation_delete(reference)
        with pytest.raises(AnnotationNotFound):
            await node.annotation_update(Annotation("t", 1, id=4711))

    @pytest.mark.parametrize("reference", [None, "1", 1.0, True])
    async def test_reference_of_a_wrong_type(self, node: Node, reference: object):
        with pytest.raises(InvalidReference):
            await node.annotation_delete(reference)

    async def test_annotation_without_an_id_is_refused(self, node: Node):
        with pytest.raises(ApiError, match="no ID"):
            await node.annotation_delete(Annotation("t", 1))

    async def test_listed_by_start_with_inclusive_bounds(self, node: Node):
        await noted(node, 30, 10, 20)
        assert await starts(node) == [10, 20, 30]
        assert await starts(node, 10, 20) == [10, 20]
        assert await starts(node, 11) == [20, 30]
        assert await starts(node, None, 29) == [10, 20]
        assert await starts(node, 20, 10) == []

    async def test_delete_in_inclusive_bounds(self, node: Node):
        await noted(node, 10, 20, 30, 40)
        await node.data_stream_annotation_delete("/a/flow", 20, 30)
        assert await starts(node) == [10, 40]
        await node.data_stream_annotation_delete("/a/flow", start=40)
        assert await starts(node) == [10]
        await node.data_stream_annotation_delete("/a/flow")
        assert await starts(node) == []

    async def test_streams_have_their_own_annotations(self, node: Node):
        await noted(node, 1)
        await node.data_stream_create(flow("other"), "/a")
        await node.annotation_create(Annotation("t", 2), "/a/other")
        await node.data_stream_annotation_delete("/a/other")
        assert await starts(node) == [1]

    async def test_info_counts_and_bounds_the_starts(self, node: Node):
        await noted(node)
        info = await node.annotation_info("/a/flow")
        assert (info.start, info.end, info.count) == (None, None, 0)
        await node.annotation_create(Annotation("t", 7, 99), "/a/flow")
        await node.annotation_create(Annotation("t", -3), "/a/flow")
        info = await node.annotation_info("/a/flow")
        assert (info.start, info.end, info.count) == (-3, 7, 2)
