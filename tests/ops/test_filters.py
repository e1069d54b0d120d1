"""Filters compared with the plainest possible computation."""

from __future__ import annotations

import asyncio
import math
import statistics
import tempfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from joule_cli.errors import (
    ElementNamesError,
    InvalidValuesError,
    LayoutMismatchError,
    StorageError,
)
from joule_cli.ops import rows as rows_module
from joule_cli.ops.errors import OperationError, OverlapError, PartialError
from joule_cli.ops.filters import FilterOptions, filter_stream, plan_filter
from joule_cli.ops.streams import Place
from joule_cli.ops.windows import WindowFilter, moving_mean, running_median
from joule_cli.series.layout import Layout
from tests.nodes import FileNode
from tests.ops.helpers import T0, fill, model, read, rows_at

NAIVE = {"mean": statistics.fmean, "median": statistics.median}
KERNELS = {"mean": moving_mean, "median": running_median}


def naive(kind, times, window, layout="float32_2", unit="rows"):
    """Timestamps and values of one interval, computed row by row."""
    return naive_rows(kind, rows_at(times, layout), window, unit)


def naive_rows(kind, rows, window, unit="rows"):
    half = window // 2
    stamps = rows["timestamp"].tolist()
    out = []
    for at, stamp in enumerate(stamps):
        if unit == "rows":
            first, last = at - half, at - half + window
            if first < 0 or last > len(rows):
                continue
            chosen = slice(first, last)
        else:
            begin, end = stamp - half, stamp - half + window
            if begin < stamps[0] or end > stamps[-1] + 1:
                continue
            chosen = [begin <= each < end for each in stamps]
        values = rows["data"][chosen].astype(float)
        out.append((stamp, *(NAIVE[kind](column) for column in values.T)))
    return out


def as_tuples(rows):
    return [(int(r["timestamp"]), *(float(v) for v in r["data"])) for r in rows]


@given(
    st.sampled_from(["mean", "median"]),
    st.lists(
        st.lists(st.floats(-1e300, 1e300) | st.just(math.inf), min_size=2, max_size=2),
        min_size=1,
        max_size=60,
    ),
    st.integers(1, 17),
    st.sampled_from(["rows", "us"]),
    st.lists(st.integers(1, 9), min_size=60, max_size=60),
    st.lists(st.integers(0, 20), max_size=10),
)
def test_any_blocks_give_the_naive_result(kind, values, window, unit, steps, sizes):
    rows = np.empty(len(values), Layout("float64", 2).dtype)
    rows["timestamp"] = np.cumsum(steps)[: len(values)]
    rows["data"] = values
    kernel = WindowFilter(
        KERNELS[kind], window, Layout("float64", 2), "float64", destination="/d", unit=unit
    )
    cuts = np.minimum(np.cumsum(sizes), len(rows)).astype(int)
    found = np.concatenate([kernel.feed(block) for block in np.split(rows, cuts)])
    expected = naive_rows(kind, rows, window, unit)
    assert found["timestamp"].tolist() == [row[0] for row in expected]
    finite = np.where(np.isfinite(rows["data"]), rows["data"], 0)
    scale = np.abs(finite).max() if kind == "mean" else 0
    np.testing.assert_allclose(
        found["data"],
        np.array([row[1:] for row in expected]).reshape(-1, 2),
        rtol=1e-14,
        atol=scale * 1e-15,
    )


def test_a_time_takes_as_many_rows_as_it_has_steps():
    rows = np.empty(100, Layout("float64", 1).dtype)
    rows["timestamp"] = T0 + np.arange(100) * 1000
    rows["data"][:, 0] = np.arange(100)
    results = []
    for window, unit in ((20, "rows"), (20_000, "us"), (21, "rows"), (21_000, "us")):
        layout = Layout("float64", 1)
        kernel = WindowFilter(moving_mean, window, layout, "float64", destination="/d", unit=unit)
        found = kernel.feed(rows)
        results.append(dict(zip(found["timestamp"].tolist(), found["data"][:, 0], strict=True)))
    even, even_time, odd, odd_time = results
    # half a step before the row; of the time, the last is not known to be inside the interval
    assert even[T0 + 50_000] == 49.5
    assert even_time == {stamp: value for stamp, value in even.items() if stamp < T0 + 90_000}
    assert odd[T0 + 50_000] == 50
    # half a step more on both sides than the rows
    assert odd_time == dict(list(odd.items())[1:-1])


def test_the_median_of_an_even_window_does_not_overflow():
    values = np.array([[1.7e308], [1.7e308], [-np.inf], [np.inf]])
    assert running_median(values, 2)[:2, 0].tolist() == [1.7e308, -np.inf]
    assert np.isnan(running_median(values, 2)[2, 0])
    assert running_median(np.array([[127], [126]], np.int8), 2).tolist() == [[126.5]]


def test_infinities_matter_in_their_windows_only():
    values = np.full((30, 1), 0.1)
    values[10], values[20] = np.inf, -np.inf
    means = moving_mean(values, 5)[:, 0]
    expected = np.full(26, moving_mean(values[:5], 5)[0, 0])
    expected[6:11], expected[16:21] = np.inf, -np.inf
    assert means.tolist() == pytest.approx(expected.tolist(), rel=1e-15)
    # where a sum is too large, the others are as exact as without it
    values[10], values[20] = 1.7e308, 1.7e308
    values[11] = 1.7e308
    assert moving_mean(values, 5)[6:12, 0].max() == pytest.approx(6.8e307)
    both = moving_mean(np.array([[np.inf], [-np.inf], [1.0], [2.0], [3.0]]), 3)[:, 0]
    assert np.isnan(both[0])
    assert both[1:].tolist() == [-np.inf, 2]


@pytest.mark.parametrize("mode", ["fail", "replace"])
async def test_a_mean_of_infinities_of_both_signs_is_told(node, mode):
    stream = await node.data_stream_create(model("src", "float64"), "/a")
    rows = rows_at(range(20), "float64_2")
    rows["data"][10:12, 0] = [np.inf, -np.inf]
    async with await node.data_write(stream) as pipe:
        await pipe.write(rows)
    source, destination = Place(node, "/a/src"), Place(node, "/a/dst")
    with pytest.raises(InvalidValuesError) as caught:
        await filter_stream(source, destination, FilterOptions("mean", 3, mode=mode))
    assert caught.value.sentence() == f"the result at {T0 + 10} is not a number: /a/dst"
    await filter_stream(source, destination, FilterOptions("median", 3, mode=mode))
    found = await read(node, "/a/dst")
    assert found["data"].tolist() == running_median(rows["data"], 3).tolist()


async def test_numbers_too_large_for_the_destination_do_not_become_infinities(node):
    stream = await node.data_stream_create(model("src", "float64"), "/a")
    rows = rows_at(range(20), "float64_2")
    rows["data"][10] = [np.inf, 1e300]
    async with await node.data_write(stream) as pipe:
        await pipe.write(rows)
    options = FilterOptions("mean", 3, datatype="float32")
    with pytest.raises(InvalidValuesError, match="is out of the range of float32"):
        await filter_stream(Place(node, "/a/src"), Place(node, "/a/dst"), options)
    # float64, as its source
    await filter_stream(Place(node, "/a/src"), Place(node, "/a/d64"), FilterOptions("mean", 3))
    found = await read(node, "/a/d64")
    assert found["data"][8:11, 0].tolist() == [np.inf] * 3
    assert np.isfinite(found["data"][11:]).all()


def test_large_values_outside_of_a_window_cost_no_precision():
    values = np.array([1e17, *[1.0] * 30, -1e17, *[3.0] * 30])[:, None]
    means = moving_mean(values, 7)
    assert set(means[1:25, 0]) == {1.0}
    assert set(means[32:, 0]) == {3.0}


@pytest.mark.parametrize("kind", ["mean", "median"])
async def test_each_interval_on_its_own(node, kind):
    pieces = [range(0, 90, 3), range(100, 104), range(200, 450, 2)]
    await fill(node, "/a/src", pieces, "int32")
    options = FilterOptions(kind, 5, datatype="float64")
    result = await filter_stream(Place(node, "/a/src"), Place(node, "/a/new/dst"), options)
    expected = [row for piece in pieces for row in naive(kind, piece, 5, "int32_2")]
    assert as_tuples(await read(node, "/a/new/dst")) == [pytest.approx(row) for row in expected]
    assert result.rows == len(expected)
    assert result.short == [(T0 + 100, T0 + 104)]
    assert await node.data_intervals("/a/new/dst") == [
        [T0 + 6, T0 + 82],
        [T0 + 204, T0 + 445],
    ]
    created = await node.data_stream_get("/a/new/dst")
    assert (created.datatype, [e.units for e in created.elements]) == ("float64", ["V", "V"])


@pytest.mark.parametrize("window", [0, -3])
async def test_a_window_of_nothing_is_refused_first(node, window):
    await fill(node, "/a/src", [range(10)])
    stream = await fill(node, "/a/dst", [range(10)])
    options = FilterOptions("mean", window, mode="replace")
    with pytest.raises(OperationError, match="must be positive"):
        await filter_stream(Place(node, "/a/src"), Place(node, "/a/dst"), options)
    assert await node.data_count(stream) == 10


async def test_destinations_that_cannot_take_the_result(node):
    await fill(node, "/a/src", [range(10)])
    await node.data_stream_create(model("ints", "int32"), "/a")
    await node.data_stream_create(model("wide", names="xyz"), "/a")
    for name, error in (("ints", LayoutMismatchError), ("wide", ElementNamesError)):
        with pytest.raises(error):
            await filter_stream(
                Place(node, "/a/src"), Place(node, f"/a/{name}"), FilterOptions("mean", 3)
            )
    with pytest.raises(OperationError):
        await filter_stream(Place(node, "/a/src"), Place(node, "/a/src"), FilterOptions("mean", 3))
    with pytest.raises(OperationError):
        await filter_stream(
            Place(node, "/a/src"), Place(node, "/a/n"), FilterOptions("mean", 3, datatype="int16")
        )


async def test_rows_in_the_way_are_a_decision(node):
    await fill(node, "/a/src", [range(0, 100, 10), range(300, 400, 10)])
    await fill(node, "/a/dst", [range(15, 65, 10), range(200, 210), [900]])
    source, destination = Place(node, "/a/src"), Place(node, "/a/dst")
    with pytest.raises(OverlapError) as caught:
        await plan_filter(source, destination, FilterOptions("mean", 3))
    assert caught.value.rows == 5
    result = await filter_stream(source, destination, FilterOptions("mean", 3, mode="replace"))
    assert result.rows == 16
    # what lies between the source's intervals is not replaced
    assert await node.data_intervals("/a/dst") == [
        [T0 + 10, T0 + 81],
        [T0 + 200, T0 + 210],
        [T0 + 310, T0 + 381],
        [T0 + 900, T0 + 901],
    ]


async def test_replacing_with_values_that_do_not_fit_keeps_the_old_rows(node):
    stream = await node.data_stream_create(model("src", "float64"), "/a")
    rows = rows_at(range(20), "float64_2")
    rows["data"][10] = 1e300
    async with await node.data_write(stream) as pipe:
        await pipe.write(rows)
    await fill(node, "/a/dst", [range(20)])
    options = FilterOptions("mean", 3, mode="replace")
    with pytest.raises(InvalidValuesError):
        await filter_stream(Place(node, "/a/src"), Place(node, "/a/dst"), options)
    assert await node.data_count("/a/dst") == 20


async def test_a_finished_filter_has_nothing_left(node):
    await fill(node, "/a/src", [range(0, 100, 10), range(300, 400, 10)])
    source, destination = Place(node, "/a/src"), Place(node, "/a/dst")
    options = FilterOptions("median", 5, mode="resume")
    assert (await filter_stream(source, destination, options)).rows == 12
    assert (await plan_filter(source, destination, options)).intervals == []
    assert (await filter_stream(source, destination, options)).rows == 0


@given(
    st.sampled_from(["mean", "median"]),
    st.sampled_from(["resume", "replace"]),
    st.lists(st.integers(1, 40), min_size=1, max_size=4),
    st.tuples(st.integers(1, 9), st.just("rows")) | st.tuples(st.integers(1, 30), st.just("us")),
    st.lists(st.integers(1, 5), max_size=3),
    st.integers(1, 9),
)
def test_interrupted_filters_end_with_the_whole_result(
    kind, mode, sizes, window, interruptions, block_rows
):
    pieces = [range(1000 * at, 1000 * at + 3 * size, 3) for at, size in enumerate(sizes)]

    async def run(directory):
        async with FileNode("a", Path(directory, "a.db")) as node:
            await fill(node, "/s/src", pieces)
            source, destination = Place(node, "/s/src"), Place(node, "/s/dst")
            if mode == "replace":
                await fill(node, "/s/dst", [[t + 1 for t in piece[:-1]] for piece in pieces])
            options = FilterOptions(kind, window[0], mode=mode, unit=window[1])
            for left in interruptions:
                reports = iter(range(left))

                def stop(progress, reports=reports):
                    if next(reports, None) is None:
                        raise StorageError("stop")

                with suppress(PartialError):
                    await filter_stream(source, destination, options, stop)
            await filter_stream(source, destination, options)
            expected = [naive(kind, piece, window[0], unit=window[1]) for piece in pieces]
            found = as_tuples(await read(node, "/s/dst"))
            assert found == [pytest.approx(r, rel=1e-6) for rows in expected for r in rows]
            assert await node.data_intervals("/s/dst") == [
                [rows[0][0], rows[-1][0] + 1] for rows in expected if rows
            ]

    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as directory:
        patch.setattr(rows_module, "BLOCK_ROWS", block_rows)
        asyncio.run(run(directory))


@pytest.mark.parametrize("stop", range(9))
@pytest.mark.parametrize("kind", ["mean", "median"])
@pytest.mark.parametrize(("window", "unit"), [(5, "rows"), (4, "rows"), (16_000_000, "us")])
async def test_a_filter_continues_inside_an_interval(node, monkeypatch, stop, kind, window, unit):
    monkeypatch.setattr(rows_module, "BLOCK_ROWS", 4)
    # more than a second apart, so that rows before the joint have to be searched for
    piece = range(0, 120_000_000, 3_000_000)
    await fill(node, "/a/src", [piece])
    source, destination = Place(node, "/a/src"), Place(node, "/a/dst")
    options = FilterOptions(kind, window, mode="resume", unit=unit)
    reports = iter(range(stop))

    def fail(progress):
        if next(reports, None) is None:
            raise StorageError("stop")

    with pytest.raises(PartialError):
        await filter_stream(source, destination, options, fail)
    await filter_stream(source, destination, options)
    expected = naive(kind, piece, window, unit=unit)
    assert as_tuples(await read(node, "/a/dst")) == [pytest.approx(r, rel=1e-6) for r in expected]
    assert len(await node.data_intervals("/a/dst")) == 1


async def test_bounds(node):
    await fill(node, "/a/src", [range(0, 100, 10)])
    options = FilterOptions("mean", 3, T0 + 20, T0 + 71)
    result = await filter_stream(Place(node, "/a/src"), Place(node, "/a/dst"), options)
    assert result.rows == 4
    assert await node.data_intervals("/a/dst") == [[T0 + 30, T0 + 61]]
