"""Merging streams: which rows are kept, and their values."""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from joule_cli.errors import ElementNamesError, InvalidValuesError, StorageError
from joule_cli.ops import rows as rows_module
from joule_cli.ops.errors import OperationError, OverlapError, PartialError
from joule_cli.ops.merge import MergeInput, MergeOptions, merge_streams, plan_merge
from joule_cli.ops.resample import sample
from joule_cli.series.element_names import Naming
from tests.nodes import FileNode
from tests.ops.helpers import T0, fill, model, read, rows_at

P, S = MergeInput("/a/p"), MergeInput("/a/s")


async def test_elements_are_named_after_their_streams(node):
    await fill(node, "/a/p", [range(10)], "int16")
    await fill(node, "/a/s", [range(10)], names=("x",))
    result = await merge_streams(node, P, [S, MergeInput("/a/s", "t")], "/m/d", MergeOptions())
    stream = await node.data_stream_get("/m/d")
    assert [e.name for e in stream.elements] == ["p x", "p y", "s x", "t x"]
    assert (stream.layout, stream.keep_us, result.rows) == ("float32_4", -1, 10)
    with pytest.raises(OperationError, match="s x"):
        await merge_streams(node, P, [S, S], "/m/e", MergeOptions())
    with pytest.raises(OperationError, match="secondary"):
        await merge_streams(node, P, [], "/m/e", MergeOptions())
    with pytest.raises(ElementNamesError, match="nothing for t x"):
        await merge_streams(node, P, [S], "/m/d", MergeOptions())
    with pytest.raises(OperationError, match="same stream"):
        await merge_streams(node, P, [S], "/a/s", MergeOptions())


async def test_values_go_to_the_element_of_their_name(node):
    await fill(node, "/a/p", [range(10)])
    await fill(node, "/a/s", [range(10)], names=("z",))
    source = await read(node, "/a/p")
    for name, elements, naming in (
        ("same", ("s z", "p y", "p x"), Naming()),
        ("mapped", ("z", "y", "p x"), Naming({"s z": "z", "p y": "y"})),
    ):
        await node.data_stream_create(model(name, names=elements), "/m")
        await merge_streams(node, P, [S], f"/m/{name}", MergeOptions(naming=naming))
        found = await read(node, f"/m/{name}")
        assert found["data"][:, 2].tolist() == source["data"][:, 0].tolist()
        assert found["data"][:, 1].tolist() == source["data"][:, 1].tolist()
        assert found["data"][:, 0].tolist() == (await read(node, "/a/s"))["data"][:, 0].tolist()
    await node.data_stream_create(model("other", names=("a", "b", "c")), "/m")
    with pytest.raises(ElementNamesError):
        await merge_streams(node, P, [S], "/m/other", MergeOptions())
    options = MergeOptions(naming=Naming(by_position=True))
    assert (await merge_streams(node, P, [S], "/m/other", options)).rows == 10
    await merge_streams(node, P, [S], "/m/new", MergeOptions(naming=Naming({"s z": "z"})))
    names = [each.name for each in (await node.data_stream_get("/m/new")).elements]
    assert names == ["p x", "p y", "z"]


@pytest.mark.parametrize(
    ("types", "result"),
    [
        (("float32", "int16"), "float32"),
        (("float32", "float64"), "float64"),
        (("int32", "uint8"), "float64"),
        (("uint16", "int64"), "float64"),
    ],
)
async def test_the_result_holds_every_value_of_its_sources(node, types, result):
    for name, datatype in zip("ps", types, strict=True):
        await fill(node, f"/a/{name}", [range(10)], datatype)
    await merge_streams(node, P, [S], "/m/d", MergeOptions())
    assert (await node.data_stream_get("/m/d")).datatype == result
    await merge_streams(node, P, [S], "/m/small", MergeOptions(datatype="float32"))
    assert (await node.data_stream_get("/m/small")).datatype == "float32"


async def test_the_last_row_before_a_bound_is_kept(node):
    """The sample behind it lies outside of the bounds."""
    await fill(node, "/a/p", [range(0, 1000, 7)])
    await fill(node, "/a/s", [range(0, 1005, 4)])
    options = MergeOptions(start=T0 + 5, end=T0 + 500, datatype="float64")
    result = await merge_streams(node, P, [S], "/a/d", options)
    assert (await read(node, "/a/d"))["timestamp"].tolist() == [
        T0 + t for t in range(0, 1000, 7) if 5 <= t < 500
    ]
    assert result.unmatched == 0


async def test_linear_values_lie_on_the_line(node):
    await fill(node, "/a/p", [range(0, 100, 3)], names=("x",))
    secondary = rows_at(range(0, 101, 10), "int64_1")
    secondary["data"][:, 0] = (secondary["timestamp"] - T0) * 2
    stream = await node.data_stream_create(model("s", "int64", names=("x",)), "/a")
    async with await node.data_write(stream) as pipe:
        await pipe.write(secondary)
    await merge_streams(node, P, [S], "/a/d", MergeOptions(datatype="float64"))
    found = await read(node, "/a/d")
    np.testing.assert_allclose(found["data"][:, 1], (found["timestamp"] - T0) * 2, rtol=1e-12)
    assert (found["data"][:, 0] == rows_at(range(0, 100, 3), "float64_1")["data"][:, 0]).all()


@pytest.mark.parametrize(
    ("method", "tolerance", "expected"),
    [
        ("linear", None, {10: 1, 12: 1.2, 15: 1.5, 18: 1.8, 20: 2}),
        ("linear", 2, {10: 1, 12: 1.2, 18: 1.8, 20: 2}),
        ("previous", None, {10: 1, 12: 1, 15: 1, 18: 1, 20: 2}),
        ("previous", 3, {10: 1, 12: 1, 20: 2, 23: 2}),
        ("none", None, {10: 1, 20: 2}),
        ("none", 2, {8: 1, 10: 1, 12: 1, 18: 2, 20: 2}),
    ],
)
async def test_methods_and_tolerance(node, method, tolerance, expected):
    await fill(node, "/a/p", [[0, 8, 10, 12, 15, 18, 20, 23, 30]], names=("x",))
    rows = rows_at([10, 20], "float64_1")
    rows["data"][:, 0] = [1, 2]
    stream = await node.data_stream_create(model("s", "float64", names=("x",)), "/a")
    async with await node.data_write(stream) as pipe:
        await pipe.write(rows)
    options = MergeOptions(interpolate=method, tolerance=tolerance, datatype="float64")
    await merge_streams(node, P, [S], "/a/d", options)
    found = await read(node, "/a/d")
    values = dict(zip((found["timestamp"] - T0).tolist(), found["data"][:, 1], strict=True))
    assert values == pytest.approx(expected)


def test_extreme_values_do_not_overflow():
    rows = rows_at([0, 10], "float64_1")
    rows["data"][:, 0] = [-1.7e308, 1.7e308]
    values, found = sample(rows, np.array([T0, T0 + 5, T0 + 10]), "linear", None)
    assert found.all()
    assert values[:, 0].tolist() == [-1.7e308, 0.0, 1.7e308]


def test_infinities_are_interpolated():
    inf = np.inf
    rows = rows_at([0, 10, 20, 30, 40], "float64_1")
    rows["data"][:, 0] = [1, inf, inf, -inf, 5]
    times = T0 + np.arange(0, 41, 5)
    values, found = sample(rows, times, "linear", None)
    # between infinities of opposite signs there is nothing
    assert found.tolist() == [True] * 5 + [False] + [True] * 3
    assert values[found, 0].tolist() == [1, inf, inf, inf, inf, -inf, -inf, 5]
    for method in ("previous", "none"):
        values, found = sample(rows, times, method, 5)
        assert found.all()
        assert set(values[:, 0].tolist()) == {1, inf, -inf, 5}


async def test_infinities_are_merged_and_numbers_that_are_too_large_refused(node):
    await fill(node, "/a/p", [range(0, 40, 5)])
    rows = rows_at([0, 10, 20, 30, 40], "float64_2")
    rows["data"][1:4, 0] = [np.inf, -np.inf, -np.inf]
    stream = await node.data_stream_create(model("s", "float64"), "/a")
    async with await node.data_write(stream) as pipe:
        await pipe.write(rows)
    result = await merge_streams(node, P, [S], "/a/d", MergeOptions(datatype="float32"))
    assert (result.rows, result.unmatched) == (7, 1)
    merged = await read(node, "/a/d")
    assert (merged["timestamp"] - T0).tolist() == [0, 5, 10, 20, 25, 30, 35]
    assert merged["data"][1:, 2].tolist() == [np.inf] * 2 + [-np.inf] * 4
    rows["timestamp"] += 100
    rows["data"][2, 1] = 1e300
    async with await node.data_write(stream) as pipe:
        await pipe.write(rows)
    await fill(node, "/a/p", [range(100, 140, 5)])
    with pytest.raises(InvalidValuesError) as caught:
        await merge_streams(node, P, [S], "/a/d", MergeOptions(resume=True))
    assert caught.value.sentence() == (
        f"the result at {T0 + 120} is out of the range of float32: /a/d"
    )


async def test_short_pieces_are_done_or_reported(node):
    await fill(node, "/a/p", [range(5), range(100, 200)])
    await fill(node, "/a/s", [range(200)])
    plan = await plan_merge(node, P, [S], "/a/d", MergeOptions(min_interval=50))
    assert plan.short == [(T0, T0 + 5)]
    assert (plan.rows, plan.creates) == (100, True)
    assert (await merge_streams(node, P, [S], "/a/d", MergeOptions())).rows == 105


async def test_rows_in_the_way_without_resumption(node):
    await fill(node, "/a/p", [range(20)], names=("x",))
    await fill(node, "/a/s", [range(20)], names=("x",))
    await fill(node, "/a/d", [range(5, 8)], names=("p x", "s x"))
    with pytest.raises(OverlapError):
        await merge_streams(node, P, [S], "/a/d", MergeOptions(resume=False))
    result = await merge_streams(node, P, [S], "/a/d", MergeOptions())
    assert result.rows == 17
    assert await node.data_intervals("/a/d") == [[T0, T0 + 20]]


_PIECES = st.lists(st.tuples(st.integers(1, 30), st.integers(1, 15), st.integers(1, 6)), max_size=4)


def _times(pieces):
    now, out = 0, []
    for gap, count, step in pieces:
        now += gap
        out.append(range(now, now + count * step, step))
        now += count * step
    return out


@given(_PIECES, _PIECES, _PIECES, st.lists(st.integers(1, 5), max_size=3), st.integers(1, 9))
def test_every_covered_row_is_kept(primary, second, third, interruptions, block_rows):
    streams = [_times(pieces) for pieces in (primary, second, third)]

    def covered(t):
        return all(any(piece[0] <= t <= piece[-1] for piece in pieces) for pieces in streams[1:])

    expected = [T0 + t for piece in streams[0] for t in piece if covered(t)]

    async def run(directory):
        async with FileNode("a", Path(directory, "a.db")) as node:
            inputs = [MergeInput(f"/s/{n}") for n in range(3)]
            for source, pieces in zip(inputs, streams, strict=True):
                await fill(node, source.path, pieces, names=("x",))
            options = MergeOptions(datatype="float64")
            for left in interruptions:
                reports = iter(range(left))

                def stop(progress, reports=reports):
                    if next(reports, None) is None:
                        raise StorageError("stop")

                with suppress(PartialError):
                    await merge_streams(node, inputs[0], inputs[1:], "/s/d", options, stop)
            await merge_streams(node, inputs[0], inputs[1:], "/s/d", options)
            found = await read(node, "/s/d")
            assert found["timestamp"].tolist() == expected
            for column, pieces in enumerate(streams[1:], 1):
                times = np.array([T0 + t for piece in pieces for t in piece], float)
                values = np.concatenate(
                    [rows_at(piece, "float32_1")["data"][:, 0] for piece in pieces] or [[]]
                )
                if expected:
                    wanted = np.interp(np.array(expected, float) - T0, times - T0, values)
                    np.testing.assert_allclose(found["data"][:, column], wanted, rtol=1e-9)

    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as directory:
        patch.setattr(rows_module, "BLOCK_ROWS", block_rows)
        asyncio.run(run(directory))
