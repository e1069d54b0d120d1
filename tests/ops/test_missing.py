"""Missing values in copies, merges and filters."""

from __future__ import annotations

import math
import statistics
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from joule_cli.errors import InvalidValuesError, MissingValuesError
from joule_cli.ops.copy import CopyOptions, copy_stream, plan_copy
from joule_cli.ops.filters import FilterOptions, filter_stream, plan_filter
from joule_cli.ops.merge import MergeInput, MergeOptions, merge_streams
from joule_cli.ops.streams import Place
from joule_cli.ops.windows import WindowFilter, moving_mean, running_median
from joule_cli.series.layout import Layout
from tests.nodes import FileNode
from tests.older import OlderNode
from tests.ops.helpers import T0, fill, model, read, rows_at, same

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from joule_cli.api.node import Node
    from joule_cli.series.layout import Rows

NAN = math.nan
NAIVE = {"mean": statistics.fmean, "median": statistics.median}
KERNELS = {"mean": moving_mean, "median": running_median}
LAYOUT = Layout("float64", 2)


def rows_of(values: list[list[float]], start: int = 0) -> Rows:
    rows = rows_at(range(start, start + len(values)), str(LAYOUT))
    rows["data"] = values
    return rows


async def store(node: Node, name: str, *pieces: Rows) -> None:
    stream = await node.data_stream_create(model(name, "float64"), "/a")
    for piece in pieces:
        async with await node.data_write(stream, missing=True) as pipe:
            await pipe.write(piece)


@asynccontextmanager
async def older(tmp_path: Path) -> AsyncIterator[OlderNode]:
    async with OlderNode("old", tmp_path / "old.db") as node:
        yield node


# -- windows


@given(
    st.sampled_from(["mean", "median"]),
    st.lists(
        st.lists(st.floats(-1e6, 1e6) | st.just(NAN), min_size=2, max_size=2),
        min_size=1,
        max_size=60,
    ),
    st.integers(0, 8).map(lambda n: 2 * n + 1),
    st.lists(st.integers(0, 20), max_size=10),
)
def test_a_window_leaves_missing_values_out(kind, values, window, sizes):
    rows = rows_of(values)
    kernel = WindowFilter(KERNELS[kind], window, LAYOUT, "float64", destination="/d")
    cuts = np.minimum(np.cumsum(sizes), len(rows)).astype(int)
    found = np.concatenate([kernel.feed(block) for block in np.split(rows, cuts)])
    expected = []
    for first in range(len(rows) - window + 1):
        columns = rows["data"][first : first + window].T
        there = [[v for v in column if not math.isnan(v)] for column in columns]
        expected.append([NAIVE[kind](c) if c else NAN for c in there])
    np.testing.assert_allclose(
        found["data"], np.array(expected).reshape(-1, 2), rtol=1e-9, atol=1e-7
    )


@pytest.mark.parametrize("kind", ["mean", "median"])
async def test_filtered_rows_stay_where_values_are_missing(node: Node, kind: str):
    values = [[1, NAN], [NAN, NAN], [3, NAN], [NAN, NAN], [NAN, 5], [NAN, 6], [7, NAN]]
    await store(node, "src", rows_of(values))
    result = await filter_stream(
        Place(node, "/a/src"), Place(node, "/a/dst"), FilterOptions(kind, 3, datatype="float64")
    )
    assert result.rows == 5
    found = await read(node, "/a/dst")
    expected = [[2, NAN], [3, NAN], [3, 5], [NAN, 5.5], [7, 5.5]]
    np.testing.assert_array_equal(found["data"], expected)
    assert found["timestamp"].tolist() == [T0 + i for i in range(1, 6)]


async def test_infinities_of_both_signs_are_no_missing_values(node: Node):
    values = [[math.inf, NAN], [-math.inf, NAN], [NAN, NAN]]
    await store(node, "src", rows_of(values))
    with pytest.raises(InvalidValuesError, match="is not a number"):
        await filter_stream(Place(node, "/a/src"), Place(node, "/a/dst"), FilterOptions("mean", 3))


async def test_missing_results_are_not_sent_to_a_node_that_cannot_hold_them(
    node: Node, tmp_path: Path
):
    await store(node, "some", rows_of([[1, 2], [NAN, 3], [4, 5]] * 100))
    await store(node, "all", rows_of([[1, 2]] * 300 + [[NAN, 3]] * 10))
    await fill(node, "/a/whole", [range(20)], "int16")
    async with older(tmp_path) as old:
        ends = Place(node, "/a/all"), Place(old, "/a/dst")
        for act in (plan_filter, filter_stream):
            with pytest.raises(MissingValuesError, match="values are missing at") as failure:
                await act(*ends, FilterOptions("mean", 3))
            assert failure.value.object == "/a/dst"
        assert not (await old.folder_root()).children
        for name, rows in (("some", 298), ("whole", 18)):
            source, destination = Place(node, f"/a/{name}"), Place(old, f"/a/{name}")
            result = await filter_stream(source, destination, FilterOptions("mean", 3))
            assert result.rows == rows


# -- copies


async def test_missing_values_are_copied(node: Node, tmp_path: Path):
    random = np.random.default_rng(1)
    values = np.where(random.random((3000, 2)) < 0.3, NAN, random.random((3000, 2)))
    rows = rows_of(values)
    await store(node, "src", rows[:1000], rows[1500:])
    async with FileNode("other", tmp_path / "other.db") as other:
        ends = Place(node, "/a/src"), Place(other, "/a/dst")
        result = await copy_stream(*ends, CopyOptions(verify=True))
        assert (result.rows, result.verified_rows) == (2500, 2500)
        assert await same((node, "/a/src"), (other, "/a/dst"))


async def test_missing_values_are_not_copied_to_a_node_that_cannot_hold_them(
    node: Node, tmp_path: Path
):
    rows = rows_of([[1, 2]] * 200_000)
    rows["data"][150_000, 1] = NAN
    await store(node, "src", rows[:100], rows[1000:])
    async with older(tmp_path) as old:
        ends = Place(node, "/a/src"), Place(old, "/a/dst")
        for act in (plan_copy, copy_stream):
            with pytest.raises(MissingValuesError, match="values are missing at") as failure:
                await act(*ends, CopyOptions())
            assert "node old" in failure.value.message
            assert failure.value.hint
        assert not (await old.folder_root()).children
        before = CopyOptions(end=T0 + 150_000)
        assert (await copy_stream(*ends, before)).rows == 149_100
        with pytest.raises(MissingValuesError):
            await copy_stream(*ends, CopyOptions())
        assert await old.data_count("/a/dst") == 149_100
        after = CopyOptions(start=T0 + 150_001)
        assert (await copy_stream(*ends, after)).rows == 49_999


# -- merges


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("linear", [1, NAN, NAN, NAN, 3, 3.5, 4]),
        ("previous", [1, 1, NAN, NAN, 3, 3, 4]),
        ("none", [1, 1, NAN, NAN, 3, 3, 4]),
    ],
)
async def test_merged_rows_stay_where_values_are_missing(node: Node, method: str, expected):
    primary = [[0, NAN], [NAN, NAN], *([i, i] for i in range(2, 7))]
    await store(node, "p", rows_of(primary))
    secondary = rows_of([[1, 1], [NAN, 1], [3, 1], [4, 1]])
    secondary["timestamp"] = T0 + np.arange(0, 8, 2)
    await store(node, "s", secondary)
    inputs = [MergeInput("/a/p"), MergeInput("/a/s")]
    options = MergeOptions(interpolate=method, tolerance=1, datatype="float64")
    result = await merge_streams(node, inputs[0], inputs[1:], "/a/d", options)
    assert (result.rows, result.unmatched) == (7, 0)
    found = await read(node, "/a/d")
    np.testing.assert_array_equal(found["data"][:, :2], primary)
    np.testing.assert_array_equal(found["data"][:, 2], expected)
    assert (found["data"][:, 3] == 1).all()


async def test_a_node_that_cannot_hold_missing_values_merges_the_others(tmp_path: Path):
    async with older(tmp_path) as old:
        for path in ("/a/p", "/a/s"):
            await fill(old, path, [range(10)])
        inputs = [MergeInput("/a/p"), MergeInput("/a/s")]
        result = await merge_streams(old, inputs[0], inputs[1:], "/a/d", MergeOptions())
        assert result.rows == 10
