"""Copying events, with interruptions at every possible place."""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joule_cli.errors import (
    FilterError,
    InvalidReference,
    NameTakenError,
    StorageError,
    StreamNotFound,
)
from joule_cli.model import EventStream
from joule_cli.ops import event_copy
from joule_cli.ops.errors import EventsPresentError, OperationError, PartialError
from joule_cli.ops.event_copy import (
    Action,
    EventCopyOptions,
    EventCopyResult,
    copy_events,
    plan_events,
)
from joule_cli.ops.streams import Place
from tests.nodes import FileNode
from tests.ops.events import got, numbered, put
from tests.ops.helpers import T0, fill

ALL = EventCopyOptions()
SKIP = EventCopyOptions(action=Action.SKIP)
REPLACE = EventCopyOptions(action=Action.REPLACE)
IGNORE = EventCopyOptions(action=Action.IGNORE)


@pytest.fixture
async def other(fresh_node):
    async with fresh_node() as node:
        yield node


async def test_creates_the_destination_as_the_source_is(node, other):
    model = EventStream(
        "src",
        "noted",
        chunk_duration_us=3_600_000_000,
        keep_us=10**18,
        event_fields={"power": "numeric", "kind": 'category:["a","b"]'},
    )
    await node.event_stream_create(model, "/a")
    events = [
        (0, 5, {"power": 2**70, "nested": [{"ä": None}, 1.5]}),
        (3, None, {}),
        (3, None, {}),
        (4, 9, [1, "two"]),
    ]
    await put(node, "/a/src", events)
    result = await copy_events(Place(node, "/a/src"), Place(other, "/new/place/dst"), ALL)
    assert result == EventCopyResult(created=True, events=4)
    assert await got(other, "/new/place/dst") == await got(node, "/a/src")
    copied = await other.event_stream_get("/new/place/dst")
    assert (copied.description, copied.keep_us) == ("noted", 10**18)
    assert copied.chunk_duration_us == 3_600_000_000
    assert copied.event_fields == model.event_fields


async def test_an_empty_stream_is_created(node):
    await put(node, "/a/src", [])
    result = await copy_events(Place(node, "/a/src"), Place(node, "/a/dst"), ALL)
    assert result == EventCopyResult(created=True)
    assert (await node.event_stream_info("/a/dst")).event_count == 0


async def test_bounds_are_for_the_start_and_meet(node):
    await put(node, "/a/src", [(0, 100, "long"), *numbered(range(10, 60, 10))])
    source, destination = Place(node, "/a/src"), Place(node, "/b/dst")
    for start, end in ((None, 20), (20, 40), (40, None)):
        bounds = [None if t is None else T0 + t for t in (start, end)]
        plan = await plan_events(source, destination, EventCopyOptions(*bounds))
        result = await copy_events(source, destination, EventCopyOptions(*bounds))
        assert plan.events == result.events == 2
    assert await got(node, "/b/dst") == await got(node, "/a/src")


async def test_present_events_need_a_decision(node):
    await put(node, "/a/src", numbered(range(5)))
    await put(node, "/a/dst", numbered([2, 9]))
    source, destination = Place(node, "/a/src"), Place(node, "/a/dst")
    for call in (plan_events, copy_events):
        with pytest.raises(EventsPresentError) as caught:
            await call(source, destination, ALL)
        assert caught.value.events == 2
    # an event that began before the range is not in the range
    await copy_events(source, destination, EventCopyOptions(start=T0 + 3, end=T0 + 5))
    assert await got(node, "/a/dst") == sorted(numbered([2, 3, 4, 9]), key=repr)


async def test_ignore_doubles(node):
    await put(node, "/a/src", numbered(range(3)))
    source, destination = Place(node, "/a/src"), Place(node, "/a/dst")
    for _ in range(2):
        assert (await plan_events(source, destination, IGNORE)).events == 3
        assert (await copy_events(source, destination, IGNORE)).events == 3
    assert len(await got(node, "/a/dst")) == 6


async def test_skip_tells_events_apart_by_times_and_content(node, other):
    same = [(1, 2, {"a": 1, "b": 2.0}), (1, 2, {"x": [True]}), (1, None, {})]
    await put(node, "/a/src", [*same, (1, 2, "one"), (1, 2, "one"), (1, 2, True), (1, 3, {})])
    await put(other, "/a/dst", [(1, 2, {"b": 2, "a": 1.0}), *same[1:], (1, 2, "one"), (1, 2, 1)])
    source, destination = Place(node, "/a/src"), Place(other, "/a/dst")
    plan = await plan_events(source, destination, SKIP)
    result = await copy_events(source, destination, SKIP)
    assert (plan.events, plan.present) == (result.events, result.present) == (3, 4)
    assert Counter(map(repr, await got(other, "/a/dst")))["(1, 2, 'one')"] == 2
    again = await copy_events(source, destination, SKIP)
    assert (again.events, again.present) == (0, 7)


async def test_replace_leaves_what_lies_outside(node, other):
    await put(node, "/a/src", numbered(range(10, 20)))
    before = [(0, 100, "ongoing"), (3, None, "open"), (30, 31, "later")]
    await put(other, "/a/dst", [*before, *numbered([12, 15]), (12, 15, "old"), (19, 500, "old")])
    kept = {e.id for e in await other.event_stream_read("/a/dst") if e.content in ({"n": 12},)}
    source, destination = Place(node, "/a/src"), Place(other, "/a/dst")
    options = EventCopyOptions(T0 + 10, T0 + 20, action=Action.REPLACE)
    plan = await plan_events(source, destination, options)
    result = await copy_events(source, destination, options)
    assert (plan.events, plan.present, plan.removed) == (8, 2, 2)
    assert result == EventCopyResult(events=8, present=2, removed=2)
    assert await got(other, "/a/dst") == sorted([*before, *numbered(range(10, 20))], key=repr)
    assert kept <= {e.id for e in await other.event_stream_read("/a/dst")}


async def test_replace_by_nothing(node):
    await put(node, "/a/src", [])
    await put(node, "/a/dst", numbered(range(5)))
    result = await copy_events(Place(node, "/a/src"), Place(node, "/a/dst"), REPLACE)
    assert result == EventCopyResult(removed=5)
    assert await got(node, "/a/dst") == []


async def test_a_filter_is_for_both_sides(node):
    heat = [(n, n + 1, {"kind": "heat"}) for n in range(4)]
    cool = [(n, n + 1, {"kind": "cool"}) for n in range(4)]
    await put(node, "/a/src", heat + cool)
    await put(node, "/a/dst", [(2, 9, {"kind": "heat"}), (3, 9, {"kind": "cool"})])
    chosen = '[[["kind","is","heat"]]]'
    source, destination = Place(node, "/a/src"), Place(node, "/a/dst")
    await copy_events(
        source, destination, EventCopyOptions(action=Action.REPLACE, json_filter=chosen)
    )
    assert await got(node, "/a/dst") == sorted([*heat, (3, 9, {"kind": "cool"})], key=repr)
    with pytest.raises(FilterError):
        await copy_events(source, destination, EventCopyOptions(json_filter="[[1]]"))


async def test_new_continues_at_the_last_start(node, other):
    await put(node, "/a/src", [(0, 10**9, "long"), *numbered(range(1, 50)), *numbered([30] * 3)])
    source, destination = Place(node, "/a/src"), Place(other, "/a/dst")
    await copy_events(source, destination, EventCopyOptions(end=T0 + 30))
    await put(other, "/a/dst", numbered([30, 30]))
    new = EventCopyOptions(new=True)
    plan = await plan_events(source, destination, new)
    result = await copy_events(source, destination, new)
    assert (plan.events, plan.present) == (result.events, result.present) == (21, 2)
    assert await got(other, "/a/dst") == await got(node, "/a/src")
    await put(node, "/a/src", [(49, None, "open"), (60, 61, {})])
    assert (await copy_events(source, destination, new)).events == 2
    assert (await copy_events(source, destination, new)).events == 0
    assert (await copy_events(source, Place(other, "/a/fresh"), new)).events == 55
    ended = EventCopyOptions(new=True, end=T0 + 10)
    assert (await copy_events(source, destination, ended)).events == 0


async def test_new_of_some_content_continues_at_the_last_of_that_content(node):
    await put(node, "/a/src", [(n, n + 1, {"kind": "ab"[n % 2]}) for n in range(10)])
    source, destination = Place(node, "/a/src"), Place(node, "/a/dst")
    for kind, expected in (("a", 5), ("b", 5), ("c", 0)):
        chosen = f'[[["kind","is","{kind}"]]]'
        result = await copy_events(
            source, destination, EventCopyOptions(new=True, json_filter=chosen)
        )
        assert result.events == expected
    assert await got(node, "/a/dst") == await got(node, "/a/src")


async def test_ids_of_a_copied_node_file_mean_nothing(tmp_path):
    path, twin = tmp_path / "a.db", tmp_path / "b.db"
    async with FileNode("a", path) as node:
        await put(node, "/a/src", numbered(range(3)))
        await node.event_stream_create(EventStream("dst"), "/a")
    twin.write_bytes(path.read_bytes())
    async with FileNode("a", path) as node, FileNode("b", twin) as copy:
        await put(copy, "/a/src", numbered([7]))
        await put(node, "/a/src", [(9, 10, "mine")])
        await copy_events(Place(copy, "/a/src"), Place(node, "/a/src"), SKIP)
        assert await got(node, "/a/src") == sorted(
            [*numbered([0, 1, 2, 7]), (9, 10, "mine")], key=repr
        )


async def test_what_cannot_be_copied_changes_nothing(node, other):
    await put(node, "/a/src", numbered(range(3)))
    await fill(other, "/a/data", [])
    source = Place(node, "/a/src")
    for bad, error in (
        ((Place(node, "/a/none"), Place(other, "/a/dst"), ALL), StreamNotFound),
        ((source, Place(other, "no folder"), ALL), InvalidReference),
        ((source, Place(other, "/a/data"), ALL), NameTakenError),
        ((source, source, SKIP), OperationError),
        ((source, Place(other, "/a/dst"), EventCopyOptions(5, 5)), OperationError),
        ((source, Place(other, "/a/dst"), EventCopyOptions(5, new=True)), OperationError),
        (
            (source, Place(other, "/a/dst"), EventCopyOptions(new=True, action=Action.REPLACE)),
            OperationError,
        ),
    ):
        for call in (plan_events, copy_events):
            with pytest.raises(error):
                await call(*bad)
    assert list((await other.folder_root()).events()) == []


@pytest.mark.parametrize("block", [1000, 10_500, 5000])
async def test_thousands_of_events_with_one_start_arrive_once(node, other, monkeypatch, block):
    monkeypatch.setattr(event_copy, "BLOCK_EVENTS", block)
    await put(node, "/a/src", [(5, 6, {"n": n}) for n in range(10_500)])
    source, destination = Place(node, "/a/src"), Place(other, "/a/dst")
    assert (await copy_events(source, destination, ALL)).events == 10_500
    assert sorted(e[2]["n"] for e in await got(other, "/a/dst")) == [*range(10_500)]
    for options in (SKIP, REPLACE, EventCopyOptions(new=True)):
        result = await copy_events(source, destination, options)
        assert (result.events, result.present, result.removed) == (0, 10_500, 0)


async def test_a_failure_tells_how_far_it_got(node, other, monkeypatch):
    monkeypatch.setattr(event_copy, "BLOCK_EVENTS", 4)
    await put(node, "/a/src", numbered(range(0, 100, 2)))
    reports = []

    def report(progress):
        reports.append(progress)
        if progress.rows == 12:
            raise StorageError("gone")

    source, destination = Place(node, "/a/src"), Place(other, "/a/dst")
    with pytest.raises(PartialError) as caught:
        await copy_events(source, destination, ALL, report)
    error = caught.value
    assert (error.exit_code, error.rows, error.last, error.unit) == (3, 12, T0 + 22, "events")
    assert [p.rows for p in reports] == [4, 8, 12]
    assert reports[-1].fraction == pytest.approx(22 / 103)
    assert len(await got(other, "/a/dst")) == 12
    assert (await copy_events(source, destination, EventCopyOptions(new=True))).events == 38
    assert await got(other, "/a/dst") == await got(node, "/a/src")


EVENTS = st.lists(
    st.tuples(
        st.integers(0, 6),
        st.one_of(st.none(), st.integers(7, 9)),
        st.sampled_from([{}, {"a": 1}, {"a": "1"}, {"a": [1.5, None]}, 10**20]),
    ),
    max_size=25,
)


@given(
    EVENTS,
    EVENTS,
    st.sampled_from(Action),
    st.tuples(st.integers(-1, 4), st.integers(5, 8)) | st.just((None, None)),
    st.lists(st.tuples(st.integers(1, 4), st.booleans()), max_size=4),
    st.integers(1, 5),
)
def test_any_copy_does_what_its_action_says(mine, theirs, action, bounds, interruptions, block):
    """Whatever the streams hold, and however often a copy that can be repeated was cut."""
    low, high = (-100, 100) if bounds[0] is None else bounds
    inside = [e for e in mine if low <= e[0] < high]
    ours, present = (Counter(map(repr, x)) for x in (inside, theirs))
    in_range = Counter(repr(e) for e in theirs if low <= e[0] < high)
    expected = {
        Action.IGNORE: present + ours,
        Action.SKIP: present + (ours - in_range),
        Action.REPLACE: present - in_range + ours,
    }[action]

    async def run(directory):
        async with (
            FileNode("a", Path(directory, "a.db")) as a,
            FileNode("b", Path(directory, "b.db")) as b,
        ):
            await put(a, "/s/src", mine)
            await put(b, "/s/dst", theirs)
            source, destination = Place(a, "/s/src"), Place(b, "/s/dst")
            ends = [None if t is None else T0 + t for t in bounds]
            options = EventCopyOptions(*ends, action=action)
            for reports, cancels in interruptions if action is not Action.IGNORE else ():
                left = reports

                def stop(progress, cancels=cancels):
                    nonlocal left
                    left -= 1
                    if left == 0:
                        raise asyncio.CancelledError if cancels else StorageError("stop")

                with suppress(PartialError, asyncio.CancelledError):
                    await copy_events(source, destination, options, stop)
            plan = await plan_events(source, destination, options)
            result = await copy_events(source, destination, options)
            assert plan == event_copy.EventCopyPlan(
                False, result.events, result.present, result.removed
            )
            assert Counter(map(repr, await got(b, "/s/dst"))) == expected

    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as directory:
        patch.setattr(event_copy, "BLOCK_EVENTS", block)
        asyncio.run(run(directory))


@given(EVENTS, st.integers(-1, 8), st.lists(st.integers(1, 4), max_size=3), st.integers(1, 5))
def test_new_copies_end_in_an_equal_stream(events, until, interruptions, block):
    async def run(directory):
        async with FileNode("a", Path(directory, "a.db")) as node:
            await put(node, "/s/src", events)
            source, destination = Place(node, "/s/src"), Place(node, "/s/dst")
            await copy_events(source, destination, EventCopyOptions(end=T0 + until))
            for reports in interruptions:
                left = reports

                def stop(progress):
                    nonlocal left
                    left -= 1
                    if left == 0:
                        raise StorageError("stop")

                with suppress(PartialError):
                    await copy_events(source, destination, EventCopyOptions(new=True), stop)
            await copy_events(source, destination, EventCopyOptions(new=True))
            assert await got(node, "/s/dst") == await got(node, "/s/src")

    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as directory:
        patch.setattr(event_copy, "BLOCK_EVENTS", block)
        asyncio.run(run(directory))


@pytest.mark.parametrize("chosen", [None, '[[["kind","is","heat"]]]'])
async def test_a_removal_that_fails_is_completed_by_a_repetition(node, monkeypatch, chosen):
    monkeypatch.setattr(event_copy, "BLOCK_EVENTS", 3)
    heat = [(n, n + 1, {"kind": "heat"}) for n in range(10)]
    cool = [(n, n + 1, {"kind": "cool"}) for n in range(5, 10)]
    await put(node, "/a/src", heat[:2] if chosen else [*heat[:2], *cool])
    await put(node, "/a/dst", heat[1:] + cool)
    source, destination = Place(node, "/a/src"), Place(node, "/a/dst")
    options = EventCopyOptions(action=Action.REPLACE, json_filter=chosen)
    remove = node.event_stream_remove
    for fails_at in (1, 2):
        calls = 0

        async def fail(*args, fails_at=fails_at, **kwargs):
            nonlocal calls
            calls += 1
            if calls == fails_at:
                raise StorageError("gone")
            return await remove(*args, **kwargs)

        with monkeypatch.context() as patch:
            patch.setattr(node, "event_stream_remove", fail)
            with pytest.raises(PartialError):
                await copy_events(source, destination, options)
        # nothing that is to stay was touched
        left = await got(node, "/a/dst")
        assert all(event in left for event in [*heat[:2], *cool])
    await copy_events(source, destination, options)
    assert await got(node, "/a/dst") == sorted([*heat[:2], *cool], key=repr)
