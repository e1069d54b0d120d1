"""Copying folders."""

from __future__ import annotations

import pytest

from joule_cli.errors import FolderNotFound, LayoutMismatchError
from joule_cli.ops.errors import OperationError
from joule_cli.ops.streams import Place
from joule_cli.ops.tree import TreeOptions, copy_tree, plan_tree
from tests.ops.helpers import fill, model, same


@pytest.fixture
async def filled(node):
    await fill(node, "/a/one", [range(10), range(20, 30)])
    await fill(node, "/a/b/two", [range(5)])
    await fill(node, "/a/b/empty", [])
    await node.folder_create("/a/bare/deep", "nothing here")
    await fill(node, "/elsewhere", [range(3)])
    return node


@pytest.fixture
async def other(fresh_node):
    async with fresh_node() as node:
        yield node


async def test_everything_below_is_copied(filled, other):
    told = []
    outcomes = await copy_tree(
        Place(filled, "/a"), Place(other, "/x/y"), TreeOptions(), finished=told.append
    )
    assert told == outcomes
    assert {(o.destination, o.error) for o in outcomes} == {
        ("/x/y/one", None),
        ("/x/y/b/two", None),
        ("/x/y/b/empty", None),
    }
    for name in ("one", "b/two", "b/empty"):
        assert await same((filled, f"/a/{name}"), (other, f"/x/y/{name}"))
    assert (await other.folder_get("/x/y/bare/deep")).description == "nothing here"


async def test_the_root_is_copied_too(filled, other):
    await copy_tree(Place(filled, "/"), Place(other, "/"), TreeOptions())
    found = {path for path, _ in (await other.folder_root()).streams()}
    assert found == {"/elsewhere", "/a/one", "/a/b/two", "/a/b/empty"}


async def test_patterns(filled, other):
    options = TreeOptions(include=["b/*", "one"], exclude=["*pty"])
    await copy_tree(Place(filled, "/a"), Place(other, "/x"), options)
    assert {p for p, _ in (await other.folder_root()).streams()} == {"/x/one", "/x/b/two"}


async def test_a_filled_destination_needs_resumption(filled, other):
    source, destination = Place(filled, "/a"), Place(other, "/x")
    await fill(other, "/x/one", [range(4)])
    with pytest.raises(OperationError):
        await copy_tree(source, destination, TreeOptions())
    plan = await plan_tree(source, destination, TreeOptions(resume=True))
    assert {o.destination: o.plan.rows for o in plan} == {
        "/x/one": 16,
        "/x/b/two": 5,
        "/x/b/empty": 0,
    }
    await copy_tree(source, destination, TreeOptions(resume=True))
    assert await same((filled, "/a/one"), (other, "/x/one"))


async def test_one_failure_does_not_stop_the_others(filled, other):
    await other.data_stream_create(model("one", "int16"), "/x")
    outcomes = await copy_tree(Place(filled, "/a"), Place(other, "/x"), TreeOptions(resume=True))
    failed = {o.source: o.error for o in outcomes if o.error}
    assert list(failed) == ["/a/one"]
    assert isinstance(failed["/a/one"], LayoutMismatchError)
    assert await same((filled, "/a/b/two"), (other, "/x/b/two"))


async def test_impossible_places(filled, other):
    with pytest.raises(FolderNotFound):
        await copy_tree(Place(filled, "/none"), Place(other, "/x"), TreeOptions())
    for inside in ("/a", "/a/", "/a/b/c"):
        with pytest.raises(OperationError):
            await copy_tree(Place(filled, "/a"), Place(filled, inside), TreeOptions(resume=True))
