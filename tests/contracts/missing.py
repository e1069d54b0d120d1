"""What every node of ours does with missing values."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from joule_cli.errors import InvalidValuesError, MissingValuesError
from joule_cli.model.node_info import MISSING_VALUES
from joule_cli.series.layout import Layout
from tests.contracts.streams import flow

if TYPE_CHECKING:
    from joule_cli.api.node import Node

T = 1_700_000_000_000_000
PATH = "/a/flow"
FLOATS = ("float32", "float64")


def rows_of(values: object, datatype: str = "float64", start: int = T) -> np.ndarray:
    """Return rows of two values."""
    values = np.asarray(values, np.float64).reshape(-1, 2)
    rows = np.zeros(len(values), Layout(datatype, 2).dtype)
    rows["timestamp"] = start + np.arange(len(values))
    rows["data"] = values
    return rows


def holed(n_rows: int, seed: int = 0) -> np.ndarray:
    """Return values of which some are missing: here and there, a stretch, whole rows."""
    random = np.random.default_rng(seed)
    values = random.integers(-1000, 1000, (n_rows, 2)).astype(np.float64)
    values[random.random((n_rows, 2)) < 0.2] = np.nan
    values[n_rows // 3 : n_rows // 2, 0] = np.nan
    values[n_rows // 2 : n_rows // 2 + n_rows // 8] = np.nan
    return values


async def write(node: Node, *blocks: np.ndarray, missing: bool = True) -> None:
    async with await node.data_write(PATH, missing=missing) as pipe:
        for block in blocks:
            await pipe.write(block)


class MissingValuesContract:
    async def test_a_node_tells_that_it_holds_missing_values(self, node: Node):
        assert MISSING_VALUES in await node.capabilities()
        assert (await node.info()).capabilities == await node.capabilities()

    @pytest.mark.parametrize("datatype", FLOATS)
    async def test_missing_values_come_back(self, node: Node, datatype: str):
        await node.data_stream_create(flow(datatype=datatype), "/a")
        rows = rows_of(holed(5000), datatype)
        await write(node, rows[:1], rows[1:70], rows[70:])
        async with await node.data_read(PATH) as pipe:
            assert (await pipe.read_all(maxrows=10**6)).tobytes() == rows.tobytes()
        assert await node.data_count(PATH) == 5000
        assert await node.data_intervals(PATH) == [[T, T + 5000]]
        info = await node.data_stream_info(PATH)
        assert (info.rows, info.start, info.end) == (5000, T, T + 4999)

    async def test_a_row_of_missing_values_is_a_row(self, node: Node):
        await node.data_stream_create(flow(), "/a")
        await write(node, rows_of([np.nan, np.nan], "float32"))
        assert await node.data_count(PATH) == 1
        found = await node.data_read_array(PATH)
        assert np.isnan(found["data"]).all()
        assert found["timestamp"].tolist() == [T]

    async def test_lists_may_have_none(self, node: Node):
        await node.data_stream_create(flow(), "/a")
        async with await node.data_write(PATH, missing=True) as pipe:
            await pipe.write([[T, None, 1.5], [T + 1, float("nan"), None]])
        found = await node.data_read_array(PATH)
        assert np.isnan(found["data"]).tolist() == [[True, False], [True, True]]

    async def test_without_being_asked_for_they_are_refused(self, node: Node):
        await node.data_stream_create(flow(datatype="float64"), "/a")
        await write(node, rows_of([1, np.nan]))
        bad = rows_of([[1, 2], [3, np.nan]], start=T + 10)
        pipe = await node.data_write(PATH)
        with pytest.raises(InvalidValuesError):
            await pipe.write(bad)
        await pipe.close()
        assert await node.data_count(PATH) == 1

    @pytest.mark.parametrize("datatype", ["int16", "uint64"])
    async def test_streams_of_integers_hold_none(self, node: Node, datatype: str):
        await node.data_stream_create(flow(datatype=datatype), "/a")
        pipe = await node.data_write(PATH, missing=True)
        for bad in ([[T, 1, None]], np.array([[T, 1, np.nan]])):
            with pytest.raises(MissingValuesError, match=datatype) as failure:
                await pipe.write(bad)
            assert failure.value.hint
        await pipe.write([[T, 1, 2]])
        await pipe.close()
        assert await node.data_count(PATH) == 1

    async def test_who_follows_gets_them(self, node: Node):
        await node.data_stream_create(flow(datatype="float64"), "/a")
        rows = rows_of([[1, np.nan], [np.nan, np.nan], [2, 3]])
        async with (
            await node.data_write(PATH, missing=True) as pipe,
            await node.data_subscribe(PATH) as live,
        ):
            await pipe.write(rows)
            await pipe.flush_cache()
            found = await live.read()
            while len(found) < 3:
                found = await live.read()
        assert found.tobytes() == rows.tobytes()

    async def test_infinities_are_no_missing_values(self, node: Node):
        await node.data_stream_create(flow(datatype="float64"), "/a")
        rows = rows_of([[np.inf, np.nan], [-np.inf, np.inf], [1, 2]])
        await write(node, rows)
        assert (await node.data_read_array(PATH)).tobytes() == rows.tobytes()
        [row] = (await node.data_read_array(PATH, max_rows=1))["data"].tolist()
        assert row[1:] == [np.inf, -np.inf, 2, np.inf, np.inf]
        assert np.isnan(row[0])

    @pytest.mark.parametrize("kept", [True, False])
    @pytest.mark.parametrize("datatype", FLOATS)
    async def test_every_level_has_the_means_of_what_is_there(
        self, node: Node, datatype: str, kept: bool
    ):
        await node.data_stream_create(flow(datatype=datatype, width=3, decimate=kept), "/a")
        rows = counted(holed(30_000), datatype)
        await write(node, *np.split(rows, [1, 64, 400, 9000]))
        for level in (4, 16, 64, 256, 1024, 4096, 16384, 65536):
            async with await node.data_read(PATH, decimation_level=level) as pipe:
                found = await pipe.read_all(maxrows=10**6)
            check_level(rows, found, level)
        check_level(rows, await node.data_read_array(PATH, max_rows=7), 30_000)

    async def test_levels_are_right_after_rows_were_put_between(self, node: Node):
        await node.data_stream_create(flow(datatype="float64", width=3), "/a")
        rows = counted(holed(6000), "float64")
        between = np.arange(6000) % 3 == 1
        await write(node, rows[~between])
        await write(node, rows[between])
        await node.data_consolidate(PATH, 10)
        await node.data_delete(PATH, T + 100, T + 200)
        left = np.concatenate([rows[:100], rows[200:]])
        for level in (4, 256, 4096):
            async with await node.data_read(PATH, decimation_level=level) as pipe:
                check_level(left, await pipe.read_all(maxrows=10**6), level)


def counted(values: np.ndarray, datatype: str) -> np.ndarray:
    """Return rows with their number as a third value."""
    rows = np.zeros(len(values), Layout(datatype, 3).dtype)
    rows["timestamp"] = T + np.arange(len(values))
    rows["data"] = np.column_stack([values, np.arange(len(values))])
    return rows


def check_level(rows: np.ndarray, found: np.ndarray, level: int) -> None:
    """Compare decimated rows with those that they stand for, which their third values tell."""
    means, lows, highs = found["data"].astype(np.float64).reshape(-1, 3, 3).swapaxes(0, 1)
    numbers = rows["data"][:, 2]
    starts = np.searchsorted(numbers, lows[:, 2])
    ends = np.searchsorted(numbers, highs[:, 2]) + 1
    # no row is left out, and none is in two groups
    assert [0, *ends.tolist()] == [*starts.tolist(), len(numbers)]
    assert (ends - starts).max() <= level
    values = rows["data"].astype(np.float64)
    there = ~np.isnan(values)
    counts = np.add.reduceat(there, starts, dtype=np.int64)
    sums = np.add.reduceat(np.where(there, values, 0), starts)
    expected = np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)
    np.testing.assert_allclose(means, expected, rtol=1e-5, atol=1e-3)
    np.testing.assert_array_equal(lows, np.fmin.reduceat(values, starts))
    np.testing.assert_array_equal(highs, np.fmax.reduceat(values, starts))
