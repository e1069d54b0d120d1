"""Copying folders."""

from __future__ import annotations

import pytest

from joule_cli.errors import FolderNotFound, LayoutMismatchError, NameTakenError
from joule_cli.model import Annotation
from joule_cli.ops.copy import CopyOptions
from joule_cli.ops.errors import OperationError
from joule_cli.ops.streams import Place
from joule_cli.ops.tree import TreeOptions, copy_tree, plan_tree
from tests.ops.events import got, numbered, put
from tests.ops.helpers import T0, fill, model, same


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


@pytest.fixture
async def with_events(filled):
    await filled.annotation_create(Annotation("note", T0, None, "text"), "/a/one")
    await put(filled, "/a/ev", numbered(range(5)))
    await put(filled, "/a/only/deep/ev", [(0, None, {}), *numbered([3, 3])])
    await put(filled, "/a/b/none", [])
    return filled


async def test_event_streams_and_annotations_go_along(with_events, other):
    source, destination = Place(with_events, "/a"), Place(other, "/x")
    plan = await plan_tree(source, destination, TreeOptions())
    outcomes = await copy_tree(source, destination, TreeOptions())
    assert {(o.kind, o.destination) for o in outcomes} == {
        ("stream", "/x/one"),
        ("stream", "/x/b/two"),
        ("stream", "/x/b/empty"),
        ("event_stream", "/x/ev"),
        ("event_stream", "/x/b/none"),
        ("event_stream", "/x/only/deep/ev"),
    }
    for found in (plan, outcomes):
        holding = [o.plan or o.result for o in found if o.kind == "event_stream"]
        assert sorted(each.events for each in holding) == [0, 3, 5]
    for name in ("ev", "b/none", "only/deep/ev"):
        assert await got(other, f"/x/{name}") == await got(with_events, f"/a/{name}")
    assert [n.title for n in await other.annotation_get("/x/one")] == ["note"]
    # a folder with event streams is not an empty one that has to be made
    assert (await other.folder_get("/x/only")).description is None


async def test_resuming_adds_only_missing_events(with_events, other):
    source, destination = Place(with_events, "/a"), Place(other, "/x")
    await put(other, "/x/ev", numbered([3, 99]))
    with pytest.raises(OperationError):
        await copy_tree(source, destination, TreeOptions())
    for expected in (4, 0):
        outcomes = await copy_tree(source, destination, TreeOptions(resume=True))
        assert {o.result.events for o in outcomes if o.source == "/a/ev"} == {expected}
    assert await got(other, "/x/ev") == sorted(numbered([0, 1, 2, 3, 4, 99]), key=repr)


async def test_patterns_and_bounds_are_for_event_streams_too(with_events, other):
    bounds = CopyOptions(start=T0 + 1, end=T0 + 4)
    options = TreeOptions(bounds, include=["e*", "only/*"], exclude=["b/*"])
    await copy_tree(Place(with_events, "/a"), Place(other, "/x"), options)
    found = await other.folder_root()
    assert [path for path, _ in found.streams()] == []
    assert {path for path, _ in found.events()} == {"/x/ev", "/x/only/deep/ev"}
    assert await got(other, "/x/ev") == numbered([1, 2, 3])


async def test_a_name_of_the_other_kind_fails_alone(with_events, other):
    await fill(other, "/x/ev", [])
    outcomes = await copy_tree(
        Place(with_events, "/a"), Place(other, "/x"), TreeOptions(resume=True)
    )
    (failed,) = [o for o in outcomes if o.error]
    assert (failed.kind, failed.source) == ("event_stream", "/a/ev")
    assert isinstance(failed.error, NameTakenError)
    assert len(await got(other, "/x/only/deep/ev")) == 3
