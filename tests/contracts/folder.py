"""Folder actions of every `Node`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from joule_cli.errors import (
    ApiError,
    ConflictError,
    FolderNotFound,
    InvalidReference,
    LockedError,
    NameTakenError,
    StreamNotFound,
)
from joule_cli.model import Folder
from tests.contracts.folder_tree import compare_with_model
from tests.contracts.names import compare_names
from tests.contracts.streams import flow

if TYPE_CHECKING:
    from joule_cli.api.node import Node

MALFORMED = ["", "a", "a/b", "/a/", "//", "/a//b", "//a", "/\udcff"]


async def tree(node: Node) -> list[str]:
    """Return the paths of all folders and, with a colon in front, of all streams."""
    root = await node.folder_root()
    return sorted([path for path, _ in root.walk()] + [f":{path}" for path, _ in root.streams()])


class FolderContract:
    async def test_new_node_has_a_locked_root(self, node: Node):
        root = await node.folder_root()
        assert (root.name, root.locked, root.description) == ("root", True, None)
        assert (root.children, root.data_streams) == ([], [])
        assert (await node.folder_get("/")).id == root.id

    async def test_folder_is_found_by_path_id_and_object(self, node: Node):
        created = await node.folder_create("/a/b c/ü")
        for reference in ("/a/b c/ü", created.id, created):
            found = await node.folder_get(reference)
            assert (found.id, found.name, found.locked) == (created.id, "ü", False)

    async def test_get_returns_everything_below(self, node: Node):
        await node.data_stream_create(flow("s"), "/a/b/c")
        await node.data_stream_create(flow("r"), "/a")
        await node.data_stream_create(flow("elsewhere"), "/x")
        folder = await node.folder_get("/a")
        assert [path for path, _ in folder.walk("/a")] == ["/a", "/a/b", "/a/b/c"]
        assert [path for path, _ in folder.streams("/a")] == ["/a/r", "/a/b/c/s"]
        assert [e.name for _, s in folder.streams() for e in s.elements] == ["e0", "e1"] * 2

    async def test_tree_has_a_greatest_depth(self, node: Node):
        await node.folder_create("/a" * 100)
        assert len(list((await node.folder_root()).walk())) == 101
        with pytest.raises(InvalidReference, match="100 deep at most"):
            await node.folder_create("/b" * 101)
        with pytest.raises(InvalidReference, match="100 deep at most"):
            await node.data_stream_create(flow(), "/b" * 101)
        await node.folder_create("/x/y")
        with pytest.raises(ConflictError, match="100 deep at most"):
            await node.folder_move("/x", "/a" * 99)
        await node.folder_move("/x", "/a" * 98)

    async def test_create_returns_the_folder_that_exists(self, node: Node):
        first = await node.folder_create("/a/b", description="kept")
        again = await node.folder_create("/a/b")
        assert (again.id, again.description) == (first.id, "kept")
        changed = await node.folder_create("/a/b", description="new")
        assert (changed.id, changed.description) == (first.id, "new")

    @pytest.mark.parametrize("path", MALFORMED)
    async def test_malformed_path_is_no_folder(self, node: Node, path: str):
        await node.folder_create("/a/b")
        with pytest.raises(FolderNotFound):
            await node.folder_get(path)
        with pytest.raises(InvalidReference):
            await node.folder_create(path)
        with pytest.raises(InvalidReference):
            await node.folder_move("/a/b", path)
        assert await tree(node) == ["/", "/a", "/a/b"]

    @pytest.mark.parametrize("reference", ["/no", "/a/no", 4711, -1, 0, 2**70])
    async def test_unknown_folder(self, node: Node, reference: str | int):
        await node.folder_create("/a")
        with pytest.raises(FolderNotFound) as caught:
            await node.folder_get(reference)
        assert str(caught.value) == "folder does not exist [404]"
        with pytest.raises(FolderNotFound):
            await node.folder_move(reference, "/")
        with pytest.raises(FolderNotFound):
            await node.folder_delete(reference)

    @pytest.mark.parametrize("reference", [None, 1.5, True, b"/a", ["/a"]])
    async def test_reference_of_a_wrong_type(self, node: Node, reference: object):
        await node.folder_create("/a")
        for call in (node.folder_get, node.folder_delete):
            with pytest.raises(InvalidReference):
                await call(reference)
        with pytest.raises(InvalidReference):
            await node.folder_move(reference, "/b")
        with pytest.raises(InvalidReference):
            await node.folder_move("/a", reference)

    async def test_folder_without_an_id_is_refused(self, node: Node):
        with pytest.raises(ApiError, match="no ID"):
            await node.folder_update(Folder(name="a"))

    async def test_move_creates_the_destination(self, node: Node):
        await node.data_stream_create(flow("s"), "/a/b")
        await node.folder_move("/a/b", "/new/deep")
        assert await tree(node) == sorted(
            ["/", "/a", "/new", "/new/deep", "/new/deep/b", ":/new/deep/b/s"]
        )

    async def test_move_to_the_root(self, node: Node):
        await node.folder_create("/a/b")
        await node.folder_move("/a/b", "/")
        assert await tree(node) == ["/", "/a", "/b"]

    async def test_move_refuses_a_taken_name(self, node: Node):
        await node.folder_create("/a/x")
        await node.folder_create("/b/x")
        taken = "a folder with this name is in the destination"
        with pytest.raises(NameTakenError, match=taken) as caught:
            await node.folder_move("/a/x", "/b")
        assert caught.value.object == "/a/x"
        with pytest.raises(NameTakenError):
            await node.folder_move("/a/x", "/a")

    @pytest.mark.parametrize("destination", ["/a", "/a/b", "/a/b/c", "/a/new/one"])
    async def test_move_into_itself_changes_nothing(self, node: Node, destination: str):
        await node.folder_create("/a/b/c")
        with pytest.raises(ConflictError, match="cannot place a parent in a child folder"):
            await node.folder_move("/a", destination)
        assert await tree(node) == ["/", "/a", "/a/b", "/a/b/c"]

    async def test_move_to_an_unknown_id(self, node: Node):
        await node.folder_create("/a")
        with pytest.raises(FolderNotFound):
            await node.folder_move("/a", 4711)

    async def test_update_stores_name_and_description(self, node: Node):
        folder = await node.folder_create("/a/b")
        folder.name, folder.description = "B", "text"
        await node.folder_update(folder)
        found = await node.folder_get("/a/B")
        assert (found.id, found.description) == (folder.id, "text")
        found.description = None
        await node.folder_update(found)
        assert (await node.folder_get("/a/B")).description is None

    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("", "missing name"),
            (None, "missing name"),
            ("b/c", r"invalid name, '\\' not allowed"),
        ],
    )
    async def test_update_refuses_a_name(self, node: Node, name: str, text: str):
        folder = await node.folder_create("/a")
        folder.name = name
        with pytest.raises(ApiError, match=text):
            await node.folder_update(folder)
        assert await tree(node) == ["/", "/a"]

    async def test_update_refuses_a_sibling_name(self, node: Node):
        folder = await node.folder_create("/a")
        await node.folder_create("/b")
        folder.name = "b"
        with pytest.raises(NameTakenError):
            await node.folder_update(folder)

    async def test_folder_and_stream_may_share_a_name(self, node: Node):
        await node.data_stream_create(flow("same"), "/a")
        await node.folder_create("/a/same")
        assert await tree(node) == sorted(["/", "/a", "/a/same", ":/a/same"])

    async def test_names_differ_by_case_and_blanks(self, node: Node):
        paths = ["/a", "/A", "/ a", "/a ", "/ä", "/a\N{COMBINING DIAERESIS}", "/%", "/_", "/a\nb"]
        ids = {(await node.folder_create(path)).id for path in paths}
        assert len(ids) == len(paths)
        assert await tree(node) == sorted(["/", *paths])

    async def test_root_cannot_be_changed(self, node: Node):
        root = await node.folder_root()
        root.name = "other"
        await node.folder_create("/a")
        with pytest.raises(LockedError, match="folder is locked"):
            await node.folder_update(root)
        with pytest.raises(LockedError):
            await node.folder_delete("/", recursive=True)
        with pytest.raises(LockedError):
            await node.folder_move("/", "/a")

    async def test_delete_needs_recursive_for_child_folders(self, node: Node):
        stream = await node.data_stream_create(flow(), "/a/b")
        with pytest.raises(ConflictError) as caught:
            await node.folder_delete("/a")
        assert str(caught.value) == "specify [recursive] or remove child folders first [400]"
        await node.folder_delete("/a", recursive=True)
        assert await tree(node) == ["/"]
        with pytest.raises(StreamNotFound):
            await node.data_stream_get(stream)

    async def test_delete_takes_the_streams_of_the_folder(self, node: Node):
        await node.data_stream_create(flow(), "/a/b")
        await node.folder_delete("/a/b")
        assert await tree(node) == ["/", "/a"]

    async def test_ids_are_not_used_again(self, node: Node):
        first = await node.folder_create("/a")
        await node.folder_delete("/a")
        assert (await node.folder_create("/a")).id > first.id

    async def test_changes_are_dated_up_to_the_root(self, node: Node):
        async def dates() -> dict[str, str]:
            return {path: f.updated_at for path, f in (await node.folder_root()).walk()}

        await node.folder_create("/a/b/c")
        await node.folder_create("/x")
        before = await dates()
        assert all(text.endswith("+00:00") for text in before.values())
        await node.folder_move("/a/b", "/x")
        after = await dates()
        for path in ("/", "/a", "/x"):
            assert after[path] > before[path]
        assert after["/x/b"] > before["/a/b"]
        assert after["/x/b/c"] == before["/a/b/c"]
        await node.folder_delete("/x/b/c")
        last = await dates()
        assert [path for path in last if last[path] > after[path]] == ["/", "/x", "/x/b"]

    async def test_concurrent_creations_make_one_folder(self, node: Node):
        made = await asyncio.gather(*(node.folder_create("/a/b/c") for _ in range(20)))
        assert len({folder.id for folder in made}) == 1
        assert await tree(node) == ["/", "/a", "/a/b", "/a/b/c"]

    def test_names_are_any_text(self, fresh_node):
        compare_names(fresh_node)

    def test_tree_behaves_like_nested_dicts(self, fresh_node):
        compare_with_model(fresh_node)
