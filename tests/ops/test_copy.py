"""Copying streams, with interruptions at every possible place."""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joule_cli.errors import (
    ElementNamesError,
    InvalidReference,
    LayoutMismatchError,
    StorageError,
    StreamNotFound,
)
from joule_cli.model import Annotation
from joule_cli.ops import rows as rows_module
from joule_cli.ops.copy import CopyOptions, copy_stream, plan_copy
from joule_cli.ops.errors import (
    OperationError,
    PartialError,
    UnitsMismatchError,
    VerificationError,
)
from joule_cli.ops.streams import Place
from joule_cli.series.element_names import Naming
from joule_cli.series.intervals import Interval
from tests.nodes import FileNode
from tests.ops.helpers import T0, fill, model, read, rows_at, same

ALL = CopyOptions()


@pytest.fixture
async def other(fresh_node):
    async with fresh_node() as node:
        yield node


async def test_creates_the_destination_as_the_source_is(node, other):
    source = await fill(node, "/a/src", [range(0, 50, 5), range(100, 120)])
    source.keep_us = 10**18
    source.description = "noted"
    source.decimate = False
    source.elements[1].offset = 2.5
    await node.data_stream_update(source)
    result = await copy_stream(Place(node, "/a/src"), Place(other, "/new/place/dst"), ALL)
    assert (result.created, result.rows) == (True, 30)
    assert result.intervals == [(T0, T0 + 46), (T0 + 100, T0 + 120)]
    copied = await other.data_stream_get("/new/place/dst")
    assert (copied.keep_us, copied.description, copied.decimate) == (10**18, "noted", False)
    assert [(e.name, e.units, e.offset) for e in copied.elements] == [
        ("x", "V", 0),
        ("y", "V", 2.5),
    ]
    assert await same((node, "/a/src"), (other, "/new/place/dst"))
    again = await copy_stream(Place(node, "/a/src"), Place(other, "/new/place/dst"), ALL)
    assert (again.created, again.rows, again.intervals) == (False, 0, [])


async def test_keep_can_be_chosen(node):
    await fill(node, "/a/src", [])
    place = Place(node, "/a/dst")
    await copy_stream(Place(node, "/a/src"), place, CopyOptions(keep_us=-1))
    assert (await node.data_stream_get("/a/dst")).keep_us == -1


async def test_fills_holes_and_joins_them(node, other):
    await fill(node, "/a/src", [range(0, 100, 3), range(200, 300, 7)])
    stream = await fill(other, "/a/dst", [range(30, 40, 3), range(60, 70, 3), range(207, 215, 7)])
    assert len(await other.data_intervals(stream)) == 3
    source, destination = Place(node, "/a/src"), Place(other, "/a/dst")
    plan = await plan_copy(source, destination, ALL)
    result = await copy_stream(source, destination, ALL)
    assert plan.rows == result.rows == 34 + 15 - 4 - 4 - 2
    assert plan.intervals == result.intervals
    assert await same((node, "/a/src"), (other, "/a/dst"))


async def test_rows_of_the_destination_alone_stay(node, other):
    await fill(node, "/a/src", [range(10), range(50, 60)])
    await fill(other, "/a/dst", [range(20, 30), range(70, 80)])
    source, destination = Place(node, "/a/src"), Place(other, "/a/dst")
    result = await copy_stream(source, destination, CopyOptions(verify=True))
    assert result.verified_rows == 20
    assert await other.data_intervals("/a/dst") == [[T0 + a, T0 + a + 10] for a in (0, 20, 50, 70)]


async def test_bounds_meet_without_a_break(node, other):
    await fill(node, "/a/src", [range(0, 100, 10)])
    source, destination = Place(node, "/a/src"), Place(other, "/a/dst")
    await copy_stream(source, destination, CopyOptions(end=T0 + 35))
    await copy_stream(source, destination, CopyOptions(start=T0 + 70))
    # between them is time that nobody asked for
    assert len(await other.data_intervals("/a/dst")) == 2
    await copy_stream(source, destination, CopyOptions(start=T0 + 35, end=T0 + 70))
    assert await same((node, "/a/src"), (other, "/a/dst"))


async def test_new_and_intervals(node, other):
    await fill(node, "/a/src", [range(100)])
    await fill(other, "/a/dst", [range(20, 30)])
    source, destination = Place(node, "/a/src"), Place(other, "/a/dst")
    pieces = [Interval(T0 + 5, T0 + 8), Interval(T0 + 40, T0 + 50)]
    result = await copy_stream(source, destination, CopyOptions(new=True, intervals=pieces))
    assert result.intervals == [pieces[1]]
    result = await copy_stream(source, destination, CopyOptions(new=True))
    assert result.intervals == [(T0 + 50, T0 + 100)]
    assert await other.data_intervals("/a/dst") == [[T0 + 20, T0 + 30], [T0 + 40, T0 + 100]]
    with pytest.raises(OperationError):
        await copy_stream(source, destination, CopyOptions(new=True, start=T0))


async def test_annotations_are_copied_once(node, other):
    await fill(node, "/a/src", [range(10)])
    for title, start, end in [("a", 0, None), ("a", 0, None), ("b", 3, 5), ("late", 90, None)]:
        note = Annotation(title, T0 + start, None if end is None else T0 + end, "text")
        await node.annotation_create(note, "/a/src")
    source, destination = Place(node, "/a/src"), Place(other, "/a/dst")
    first = await copy_stream(source, destination, CopyOptions(end=T0 + 90))
    assert first.annotations == 3
    assert (await plan_copy(source, destination, ALL)).annotations == 1
    assert (await copy_stream(source, destination, ALL)).annotations == 1
    assert (await copy_stream(source, destination, ALL)).annotations == 0
    found = await other.annotation_get("/a/dst")
    assert [(n.title, n.content, n.start - T0) for n in found] == [
        ("a", "text", 0),
        ("a", "text", 0),
        ("b", "text", 3),
        ("late", "text", 90),
    ]
    await copy_stream(source, Place(other, "/a/bare"), CopyOptions(annotations=False))
    assert await other.annotation_get("/a/bare") == []


async def test_what_cannot_be_copied_changes_nothing(node, other):
    await fill(node, "/a/src", [range(10)])
    source = Place(node, "/a/src")
    with pytest.raises(StreamNotFound):
        await copy_stream(Place(node, "/a/none"), Place(other, "/a/dst"), ALL)
    with pytest.raises(InvalidReference):
        await copy_stream(source, Place(other, "no folder"), ALL)
    with pytest.raises(OperationError):
        await copy_stream(source, source, ALL)
    with pytest.raises(OperationError):
        await copy_stream(source, Place(other, "/a/dst"), CopyOptions(start=5, end=5))
    assert [path for path, _ in (await other.folder_root()).streams()] == []
    await other.data_stream_create(model("dst", "float64"), "/a")
    with pytest.raises(LayoutMismatchError):
        await copy_stream(source, Place(other, "/a/dst"), ALL)
    await other.data_stream_create(model("named", names=("x", "z")), "/a")
    with pytest.raises(ElementNamesError) as caught:
        await copy_stream(source, Place(other, "/a/named"), ALL)
    assert caught.value.sentence() == (
        "the names differ: the elements are x, y, those of the destination x, z; nothing for z; "
        "no place for y: /a/named"
    )
    assert await other.data_count("/a/named") == 0


async def test_values_go_to_the_element_of_their_name(node, other):
    await fill(node, "/a/src", [range(10), range(20, 30)])
    rows = await read(node, "/a/src")
    for name, elements, naming, columns in (
        ("same", ("y", "x"), Naming(), [1, 0]),
        ("mapped", ("y", "z"), Naming({"x": "z"}), [1, 0]),
        ("placed", ("y", "x"), Naming(by_position=True), [0, 1]),
        ("others", ("a", "b"), Naming(by_position=True), [0, 1]),
    ):
        await other.data_stream_create(model(name, names=elements), "/a")
        options = CopyOptions(naming=naming, verify=True)
        result = await copy_stream(Place(node, "/a/src"), Place(other, f"/a/{name}"), options)
        assert (result.rows, result.verified_rows) == (20, 20)
        found = await read(other, f"/a/{name}")
        assert found["timestamp"].tolist() == rows["timestamp"].tolist()
        assert found["data"].tolist() == rows["data"][:, columns].tolist()
        assert len(await other.data_intervals(f"/a/{name}")) == 2


async def test_a_new_destination_has_the_names_that_are_mapped(node, other):
    await fill(node, "/a/src", [range(10)])
    source, options = Place(node, "/a/src"), CopyOptions(naming=Naming({"x": "volts"}))
    for _ in range(2):
        await copy_stream(source, Place(other, "/a/dst"), options)
    stream = await other.data_stream_get("/a/dst")
    assert [each.name for each in stream.elements] == ["volts", "y"]
    with pytest.raises(ElementNamesError) as caught:
        await copy_stream(source, Place(other, "/a/new"), CopyOptions(naming=Naming({"X": "v"})))
    assert (caught.value.message, caught.value.hint) == ("there is no element X", "did you mean x?")


async def test_other_units_are_a_decision(node, other):
    await fill(node, "/a/src", [range(10)])
    stream = model("dst", names=("y", "x"))
    stream.elements[0].units = "mV"
    await other.data_stream_create(stream, "/a")
    source, destination = Place(node, "/a/src"), Place(other, "/a/dst")
    with pytest.raises(UnitsMismatchError) as caught:
        await copy_stream(source, destination, ALL)
    assert caught.value.differences == ["y is in mV, not V"]
    accepted = await copy_stream(source, destination, CopyOptions(accept_units=True))
    assert accepted.rows == 10


async def test_verification_finds_a_difference(node, other):
    await fill(node, "/a/src", [range(10)])
    stream = await fill(other, "/a/dst", [])
    wrong = rows_at(range(10), "float32_2", seed=1)
    async with await other.data_write(stream) as pipe:
        await pipe.write(wrong)
    with pytest.raises(VerificationError):
        await copy_stream(Place(node, "/a/src"), Place(other, "/a/dst"), CopyOptions(verify=True))


async def test_a_failure_tells_how_far_it_got(node, other, monkeypatch):
    monkeypatch.setattr(rows_module, "BLOCK_ROWS", 4)
    await fill(node, "/a/src", [[*range(a, a + 4)] for a in range(0, 100, 10)])
    reports = []

    def report(progress):
        reports.append(progress)
        if progress.rows == 12:
            raise StorageError("gone")

    source, destination = Place(node, "/a/src"), Place(other, "/a/dst")
    with pytest.raises(PartialError) as caught:
        await copy_stream(source, destination, ALL, report)
    error = caught.value
    assert (error.exit_code, error.rows, error.last) == (3, 12, T0 + 23)
    assert isinstance(error.cause, StorageError)
    assert [p.rows for p in reports] == [4, 8, 12]
    assert reports[-1].fraction == pytest.approx(23 / 94)
    assert await other.data_count("/a/dst") == 12
    await copy_stream(source, destination, ALL)
    assert await same((node, "/a/src"), (other, "/a/dst"))


@given(
    st.lists(
        st.tuples(st.integers(1, 9), st.integers(1, 12), st.integers(1, 5)), min_size=1, max_size=6
    ),
    st.lists(st.tuples(st.integers(1, 8), st.booleans()), max_size=5),
    st.integers(1, 9),
)
def test_interrupted_copies_end_in_an_equal_stream(pieces, interruptions, block_rows):
    """Copy, stop after some reports, copy again: no break and no row too many or too few."""
    times, now = [], 0
    for gap, count, step in pieces:
        now += gap
        times.append(range(now, now + count * step, step))
        now += count * step

    async def run(directory):
        async with (
            FileNode("a", Path(directory, "a.db")) as a,
            FileNode("b", Path(directory, "b.db")) as b,
        ):
            await fill(a, "/s/src", times)
            source, destination = Place(a, "/s/src"), Place(b, "/s/dst")
            for reports, cancels in interruptions:
                left = reports

                def stop(progress, cancels=cancels):
                    nonlocal left
                    left -= 1
                    if left == 0:
                        raise asyncio.CancelledError if cancels else StorageError("stop")

                with suppress(PartialError, asyncio.CancelledError):
                    await copy_stream(source, destination, ALL, stop)
            await copy_stream(source, destination, CopyOptions(verify=True))
            assert await same((a, "/s/src"), (b, "/s/dst"))

    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as directory:
        patch.setattr(rows_module, "BLOCK_ROWS", block_rows)
        asyncio.run(run(directory))


async def test_a_large_copy_is_read_back_bit_for_bit(node, other):
    await fill(node, "/a/src", [range(0, 500_000, 2)], "int64")
    await copy_stream(Place(node, "/a/src"), Place(other, "/a/dst"), CopyOptions(verify=True))
    assert len(await read(other, "/a/dst")) == 250_000
