"""What every node does with rows."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from joule_cli.errors import (
    ClosedPipeError,
    DataError,
    DuplicateTimestampError,
    EmptyPipeError,
    InvalidValuesError,
    JouleError,
    LayoutMismatchError,
    NonMonotonicError,
    PipeError,
    StreamInUseError,
    StreamNotFound,
    SubscriptionError,
    TransferCutError,
)
from joule_cli.model.data_stream import DATATYPES
from joule_cli.series.decimation import decimate
from joule_cli.series.layout import Layout
from tests.contracts.streams import flow

if TYPE_CHECKING:
    from collections.abc import Iterable

    from joule_cli.api.node import Node
    from joule_cli.pipes import Pipe

T = 1_700_000_000_000_000
PATH = "/a/flow"


def rows_at(times: Iterable[int], layout: str = "float32_2") -> np.ndarray:
    """Return rows at `T` plus each of the times, whose values tell the time."""
    datatype, _, width = layout.partition("_")
    offsets = np.fromiter(times, "<i8")
    rows = np.empty(
        len(offsets), [("timestamp", "<i8"), ("data", np.dtype(datatype), (int(width),))]
    )
    rows["timestamp"] = T + offsets
    rows["data"] = (offsets % 100)[:, None] + np.arange(int(width))
    return rows


async def store(node: Node, *blocks: Iterable[int], **attributes: Any) -> None:
    """Make a stream with an interval for each block of times."""
    await node.data_stream_create(flow(**attributes), "/a")
    await add(node, *blocks)


async def add(node: Node, *blocks: Iterable[int], **options: Any) -> None:
    """Write an interval for each block of times."""
    async with await node.data_write(PATH, **options) as pipe:
        for block in blocks:
            await pipe.write(rows_at(block, pipe.layout))
            await pipe.close_interval()


class Times:
    """Times of the rows that a live pipe gives, with `None` for each break between them."""

    def __init__(self, pipe: Pipe) -> None:
        self._pipe = pipe
        self._waiting: list[int | None] = []
        self._break_due = False

    async def next(self, count: int) -> list[int | None]:
        """Wait for so many rows and breaks."""
        async with asyncio.timeout(20):
            while len(self._waiting) < count:
                rows = await self._pipe.read()
                self._pipe.consume_all()
                if len(rows) and self._break_due:
                    self._waiting.append(None)
                    self._break_due = False
                self._waiting += (rows["timestamp"] - T).tolist()
                self._break_due = self._break_due or self._pipe.end_of_interval
        found, self._waiting = self._waiting[:count], self._waiting[count:]
        return found


async def pieces_of(pipe: Pipe) -> list[list[int]]:
    """Return the times of each interval that is read."""
    pieces: list[list[int]] = [[]]
    async with pipe:
        async for rows, ends in pipe.blocks():
            pieces[-1] += (rows["timestamp"] - T).tolist()
            if ends:
                pieces.append([])
    return [piece for piece in pieces if piece]


async def read(node: Node, *bounds: int | None, **options: Any) -> list[list[int]]:
    return await pieces_of(await node.data_read(PATH, *bounds, **options))


class DataContract:
    # -- reading

    @pytest.mark.parametrize("datatype", DATATYPES)
    async def test_rows_come_back_as_they_were_written(self, node: Node, datatype: str):
        rows = rows_at(range(5000), f"{datatype}_3")
        await node.data_stream_create(flow(width=3, datatype=datatype), "/a")
        async with await node.data_write(PATH) as pipe:
            assert pipe.layout == f"{datatype}_3"
            await pipe.write(rows[:10])
            await pipe.write(rows[10:])
        async with await node.data_read(PATH) as pipe:
            assert (pipe.layout, pipe.decimation_level) == (f"{datatype}_3", 1)
            found = await pipe.read_all(maxrows=10**6)
        assert found.dtype == rows.dtype
        assert found.tobytes() == rows.tobytes()

    async def test_breaks_come_back(self, node: Node):
        await store(node, range(10), [20], range(30, 35))
        assert await read(node) == [[*range(10)], [20], [*range(30, 35)]]

    async def test_bounds_are_half_open(self, node: Node):
        await store(node, range(10), range(20, 25))
        assert await read(node, T + 3, T + 21) == [[*range(3, 10)], [20]]
        assert await read(node, None, T + 2) == [[0, 1]]
        assert await read(node, T + 24) == [[24]]
        assert await read(node, -(2**80), 2**80) == [[*range(10)], [*range(20, 25)]]

    async def test_a_break_behind_the_last_row_is_no_break(self, node: Node):
        await store(node, range(10), range(20, 25))
        pipe = await node.data_read(PATH, T, T + 15)
        assert await pieces_of(pipe) == [[*range(10)]]
        assert pipe.ends_in_gap
        assert not pipe.end_of_interval
        pipe = await node.data_read(PATH, T, T + 5)
        assert await pieces_of(pipe) == [[*range(5)]]
        assert not pipe.ends_in_gap

    async def test_nothing_to_read(self, node: Node):
        await node.data_stream_create(flow(), "/a")
        for times in ([], range(10)):
            if times:
                await add(node, times)
            pipe = await node.data_read(PATH, T + 1000, T + 2000)
            assert pipe.layout == "float32_2"
            with pytest.raises(EmptyPipeError):
                await pipe.read()
            assert pipe.never_written == (not times)
            await pipe.close()
            with pytest.raises(PipeError, match="No data in pipe"):
                await node.data_read_array(PATH, T + 1000, T + 2000)
        await node.data_delete(PATH)
        assert await read(node) == []
        assert await read(node, max_rows=5) == []

    async def test_decimated_rows(self, node: Node):
        await store(node, range(0, 64000, 10), range(100_000, 100_640, 10))
        async with await node.data_read(PATH, max_rows=1000) as pipe:
            assert (pipe.layout, pipe.decimation_level, pipe.decimated) == ("float32_6", 16, True)
            found = await pipe.read_all()
        assert 0 < len(found) <= 1000
        mean, low, high = found["data"].reshape(len(found), 3, 2).transpose(1, 0, 2)
        assert (low <= mean).all()
        assert (mean <= high).all()
        pipe = await node.data_read(PATH, decimation_level=4)
        assert (pipe.layout, pipe.decimation_level) == ("float32_6", 4)
        first, second = await pieces_of(pipe)
        assert (len(first), len(second)) == (1600, 16)
        assert len((await read(node, decimation_level=1, max_rows=1))[0]) == 6400

    async def test_read_into_one_array(self, node: Node):
        await store(node, range(10), range(20, 30))
        rows = await node.data_read_array(PATH)
        assert rows["timestamp"].tolist() == [T + i for i in [*range(10), *range(20, 30)]]
        matrix = await node.data_read_array(PATH, T + 5, T + 7, flatten=True)
        assert matrix.tolist() == [[T + 5, 5, 6], [T + 6, 6, 7]]
        assert len(await node.data_read_array(PATH, max_rows=5)) <= 5

    async def test_a_large_read_that_is_left_early(self, node: Node):
        await store(node, range(300_000))
        for _ in range(3):
            async with await node.data_read(PATH) as pipe:
                assert len(await pipe.read())
        assert sum(map(len, await read(node))) == 300_000

    async def test_a_cancelled_read_loses_nothing(self, node: Node):
        await store(node, range(100_000))
        times: list[int] = []
        async with await node.data_read(PATH) as pipe:
            while True:
                reading = asyncio.ensure_future(pipe.read())
                await asyncio.sleep(0)
                reading.cancel()
                await asyncio.wait([reading])
                try:
                    rows = await pipe.read()
                except EmptyPipeError:
                    break
                times += (rows["timestamp"] - T).tolist()
                pipe.consume_all()
        assert times == [*range(100_000)]

    async def test_reads_of_one_node_do_not_wait_for_each_other(self, node: Node):
        await store(node, range(200_000))
        idle = [await node.data_read(PATH) for _ in range(20)]
        assert sum(map(len, await read(node))) == 200_000
        assert sum(map(len, await pieces_of(idle[7]))) == 200_000
        for pipe in idle:
            await pipe.close()

    async def test_closing_the_node_ends_a_read_with_an_error(self, node: Node):
        await store(node, range(300_000))
        pipe = await node.data_read(PATH)
        await node.close()
        with pytest.raises(JouleError, match="the node was closed"):
            async for _ in pipe.blocks():
                pass

    # -- what is refused

    async def test_unknown_stream(self, node: Node):
        for call in (
            node.data_read,
            node.data_read_array,
            node.data_write,
            node.data_subscribe,
            node.data_count,
            node.data_delete,
            node.data_intervals,
            node.data_decimate,
            node.data_drop_decimations,
        ):
            with pytest.raises(StreamNotFound):
                await call("/none/at/all")
        with pytest.raises(StreamNotFound):
            await node.data_consolidate("/none/at/all", 5)
        with pytest.raises(StreamNotFound):
            await node.data_split("/none/at/all", 5)

    async def test_impossible_numbers(self, node: Node):
        await store(node, range(10))
        for call in (
            node.data_read,
            node.data_read_array,
            node.data_count,
            node.data_delete,
            node.data_intervals,
            node.data_write,
        ):
            with pytest.raises(DataError):
                await call(PATH, T + 5, T + 5)
        for number in (0, -1):
            with pytest.raises(DataError):
                await node.data_read(PATH, max_rows=number)
            with pytest.raises(DataError):
                await node.data_read(PATH, decimation_level=number)
            with pytest.raises(DataError):
                await node.data_consolidate(PATH, number)
            with pytest.raises(DataError):
                await node.data_split(PATH, number)
        with pytest.raises(DataError):
            await node.data_write(PATH, merge_gap=-1)
        assert await read(node) == [[*range(10)]]

    # -- writing

    async def test_rows_are_stored_when_the_pipe_is_closed(self, node: Node):
        await node.data_stream_create(flow(), "/a")
        pipe = await node.data_write(PATH)
        await pipe.write(rows_at([1]))
        await pipe.close()
        assert await node.data_count(PATH) == 1
        await pipe.close()
        with pytest.raises(ClosedPipeError):
            await pipe.write(rows_at([2]))

    async def test_many_small_writes_and_a_cache(self, node: Node):
        await node.data_stream_create(flow(), "/a")
        async with await node.data_write(PATH) as pipe:
            for i in range(200):
                await pipe.write([[T + i, i, i]])
            pipe.enable_cache(64)
            for i in range(200, 400):
                await pipe.write([[T + i, i, i]])
        assert await read(node) == [[*range(400)]]

    async def test_a_buffer_may_be_used_again(self, node: Node):
        await node.data_stream_create(flow(), "/a")
        buffer = rows_at(range(100_000))
        async with await node.data_write(PATH) as pipe:
            for block in range(5):
                buffer["timestamp"] = T + block * 100_000 + np.arange(100_000)
                await pipe.write(buffer)
                buffer["timestamp"] = 0
        (times,) = await read(node)
        assert times == [*range(500_000)]

    async def test_time_must_increase(self, node: Node):
        await node.data_stream_create(flow(), "/a")
        for times in ([3, 2], [3, 3], [0]):
            async with await node.data_write(PATH) as pipe:
                await pipe.write(rows_at([0, 1]))
                await pipe.close_interval()
                with pytest.raises(NonMonotonicError):
                    await pipe.write(rows_at(times))
            assert await read(node) == [[0, 1]], times
            await node.data_delete(PATH)

    async def test_a_value_that_is_no_number(self, node: Node):
        await node.data_stream_create(flow(), "/a")
        bad = rows_at([5, 6, 7])
        bad["data"][1, 1] = np.nan
        pipe = await node.data_write(PATH)
        await pipe.write(rows_at([0, 1]))
        with pytest.raises(InvalidValuesError):
            await pipe.write(bad)
        with pytest.raises(InvalidValuesError):
            await pipe.write(rows_at([8]))
        await pipe.close()
        assert await read(node) == [[0, 1]]

    @pytest.mark.parametrize("datatype", ["float32", "float64"])
    async def test_infinities_come_back(self, node: Node, datatype: str):
        await node.data_stream_create(flow(datatype=datatype), "/a")
        layout = Layout(datatype, 2)
        rows = np.zeros(400, layout.dtype)
        rows["timestamp"] = T + np.arange(len(rows))
        rows["data"][:2] = [[np.inf, 1], [-np.inf, -np.inf]]
        rows["data"][200, 0] = np.inf
        pipe = await node.data_write(PATH)
        await pipe.write(rows)
        bad = rows[:3].copy()
        bad["timestamp"] += 1000
        bad["data"][2, 1] = np.nan
        with pytest.raises(InvalidValuesError):
            await pipe.write(bad)
        await pipe.close()
        async with await node.data_read(PATH) as reader:
            assert (await reader.read_all()).tobytes() == rows.tobytes()
        async with await node.data_read(PATH, max_rows=25) as reader:
            means = await reader.read_all()
        assert reader.decimated
        expected = decimate(rows, reader.decimation_level, layout).rows
        np.testing.assert_array_equal(means["data"], expected["data"])
        assert np.isnan(means["data"][0, 0])
        assert means["data"][0, 1:].tolist() == [-np.inf, -np.inf, -np.inf, np.inf, 1]

    async def test_rows_of_another_layout_are_refused_and_the_pipe_goes_on(self, node: Node):
        await node.data_stream_create(flow(), "/a")
        async with await node.data_write(PATH) as pipe:
            for bad in ([[T, 1]], [[T, 1, 2, 3]]):
                with pytest.raises(LayoutMismatchError):
                    await pipe.write(bad)
            await pipe.write(rows_at([1]))
        assert await read(node) == [[1]]

    async def test_a_time_that_exists(self, node: Node):
        await store(node, range(10))
        with pytest.raises(DuplicateTimestampError):
            async with await node.data_write(PATH) as pipe:
                await pipe.write(rows_at([-1, 5, 40]))
        assert (await read(node))[0] == [*range(10)]

    async def test_one_producer_at_a_time(self, node: Node):
        await store(node, range(10))
        async with await node.data_write(PATH) as pipe:
            assert (await node.data_stream_get(PATH)).is_destination
            with pytest.raises(StreamInUseError):
                await node.data_write(PATH)
            with pytest.raises(StreamInUseError):
                await node.data_write(PATH, start=T)
            await pipe.write(rows_at([10]))
        assert not (await node.data_stream_get(PATH)).is_destination
        await add(node, [20])
        assert await node.data_count(PATH) == 12

    async def test_bounds_are_replaced(self, node: Node):
        await store(node, range(10))
        await add(node, [3, 4], start=T + 2, end=T + 6)
        assert await read(node) == [[0, 1], [3, 4], [6, 7, 8, 9]]
        await add(node, [100], start=T + 4)
        assert await read(node) == [[0, 1], [3], [100]]

    async def test_rows_that_follow_closely_join(self, node: Node):
        await store(node, range(10))
        await add(node, [12], merge_gap=5)
        await add(node, [30], merge_gap=5)
        assert await read(node) == [[*range(10), 12], [30]]

    async def test_an_interval_that_is_left_open(self, node: Node):
        await store(node, range(10), range(20, 30))
        async with await node.data_write(PATH, merge_gap=3, end_interval=False) as pipe:
            await pipe.write(rows_at([11]))
        await add(node, [13], merge_gap=3)
        assert (await read(node))[0][:11] == [*range(10), 11]

    async def test_nothing_is_written(self, node: Node):
        await node.data_stream_create(flow(), "/a")
        async with await node.data_write(PATH) as pipe:
            await pipe.close_interval()
        assert await read(node) == []
        assert not (await node.data_stream_get(PATH)).is_destination

    # -- the rest

    async def test_count(self, node: Node):
        await node.data_stream_create(flow(), "/a")
        assert await node.data_count(PATH) == 0
        await add(node, range(1000), range(2000, 3000))
        assert await node.data_count(PATH) == 2000
        assert await node.data_count(PATH, T + 990, T + 2010) == 20
        assert await node.data_count(PATH, T + 1500, T + 1600) == 0

    async def test_delete(self, node: Node):
        await store(node, range(10))
        await node.data_delete(PATH, T + 3, T + 5)
        assert await read(node) == [[0, 1, 2], [5, 6, 7, 8, 9]]
        await node.data_delete(PATH, None, T + 6)
        await node.data_delete(PATH, T + 8)
        assert await read(node) == [[6, 7]]

    async def test_intervals_and_consolidation(self, node: Node):
        await store(node, range(10), range(12, 20), range(50, 60))
        spans = [[T, T + 10], [T + 12, T + 20], [T + 50, T + 60]]
        assert await node.data_intervals(PATH) == spans
        assert await node.data_intervals(PATH, T + 15, T + 55) == [
            [T + 15, T + 20],
            [T + 50, T + 55],
        ]
        assert await node.data_consolidate(PATH, 5) == 1
        assert await node.data_intervals(PATH) == [[T, T + 20], [T + 50, T + 60]]

    async def test_intervals_are_split_at_long_gaps(self, node: Node):
        await store(node, [*range(10), *range(15, 20), *range(40, 50)])
        gaps = [[T + 10, T + 15], [T + 20, T + 40]]
        assert await node.data_split(PATH, 4, dry_run=True) == gaps
        assert await node.data_split(PATH, 5, T + 5, T + 45, dry_run=True) == gaps[1:]
        assert await node.data_intervals(PATH) == [[T, T + 50]]
        before = await node.data_read_array(PATH, max_rows=10, flatten=True)
        assert await node.data_split(PATH, 4, None, T + 20) == gaps[:1]
        assert await node.data_intervals(PATH) == [[T, T + 10], [T + 15, T + 50]]
        assert await node.data_split(PATH, 4) == gaps[1:]
        assert await node.data_split(PATH, 4) == []
        assert await node.data_count(PATH) == 25
        assert await node.data_consolidate(PATH, 20) == 2
        after = await node.data_read_array(PATH, max_rows=10, flatten=True)
        assert after.tobytes() == before.tobytes()

    async def test_levels_can_be_dropped_and_computed(self, node: Node):
        await store(node, range(10_000))
        before = await node.data_read_array(PATH, max_rows=100)
        await node.data_drop_decimations(PATH)
        assert (await node.data_read_array(PATH, max_rows=100)).tobytes() == before.tobytes()
        await node.data_decimate(PATH)
        assert (await node.data_read_array(PATH, max_rows=100)).tobytes() == before.tobytes()

    # -- live

    async def test_a_subscriber_gets_each_row_once(self, node: Node):
        await store(node, range(10))
        async with await node.data_write(PATH) as pipe:
            first = await node.data_subscribe(PATH)
            await pipe.write(rows_at([20]))
            assert (await first.read())["timestamp"].tolist() == [T + 20]
            first.consume_all()
            second = await node.data_subscribe(PATH)
            await pipe.write(rows_at([21, 22]))
            await pipe.close_interval()
            await pipe.write(rows_at([23]))
        assert await pieces_of(first) == [[21, 22], [23]]
        assert await pieces_of(second) == [[21, 22], [23]]

    async def test_a_subscriber_may_leave(self, node: Node):
        await node.data_stream_create(flow(), "/a")
        async with await node.data_write(PATH) as pipe:
            async with await node.data_subscribe(PATH) as live:
                await pipe.write(rows_at([1]))
                assert len(await live.read()) == 1
            await pipe.write(rows_at([2]))
        assert await read(node) == [[1, 2]]

    async def test_nobody_produces(self, node: Node):
        await store(node, range(10))
        with pytest.raises(SubscriptionError):
            await node.data_subscribe(PATH)

    async def test_a_stream_that_keeps_nothing_is_live_all_the_same(self, node: Node):
        await node.data_stream_create(flow(keep_us=0), "/a")
        async with await node.data_write(PATH) as pipe:
            live = await node.data_subscribe(PATH)
            await pipe.write(rows_at([1, 2]))
        assert await pieces_of(live) == [[1, 2]]
        assert await node.data_count(PATH) == 0

    @pytest.mark.parametrize("keep_us", [-1, 0])
    async def test_following_outlasts_producers(self, node: Node, keep_us: int):
        await node.data_stream_create(flow(keep_us=keep_us), "/a")
        async with await node.data_subscribe(PATH, follow=True) as live:
            times = Times(live)
            async with await node.data_write(PATH) as pipe:
                await pipe.write(rows_at([1, 2]))
                assert await times.next(2) == [1, 2]
                await pipe.write(rows_at([3]))
            async with await node.data_write(PATH) as pipe:
                await pipe.write(rows_at([10]))
                await pipe.close_interval()
                await pipe.write(rows_at([12]))
                assert await times.next(5) == [3, None, 10, None, 12]
            async with await node.data_write(PATH) as pipe:
                await pipe.write(rows_at([14]))
            assert await times.next(2) == [None, 14]

    async def test_following_begins_behind_the_last_row(self, node: Node):
        await store(node, range(10))
        async with await node.data_subscribe(PATH, follow=True) as live:
            times = Times(live)
            async with await node.data_write(PATH) as pipe:
                await pipe.write(rows_at([20, 21]))
            assert await times.next(2) == [20, 21]

    async def test_following_shows_the_joints_of_a_merge_gap(self, node: Node):
        await node.data_stream_create(flow(), "/a")
        async with await node.data_subscribe(PATH, follow=True) as live:
            times = Times(live)
            async with await node.data_write(PATH) as pipe:
                await pipe.write(rows_at([1]))
            assert await times.next(1) == [1]
            async with await node.data_write(PATH, merge_gap=5) as pipe:
                await pipe.write(rows_at([3]))
                assert await times.next(1) == [3]
                await pipe.close_interval()
                await pipe.write(rows_at([4]))
            assert await times.next(2) == [None, 4]

    async def test_a_stream_is_deleted_after_it_was_looked_up(self, node: Node):
        stream = await node.data_stream_create(flow(), "/a")
        await node.data_stream_delete(stream)
        for options in ({}, {"max_rows": 5}, {"decimation_level": 4}):
            with pytest.raises(StreamNotFound):
                async with await node.data_read(stream, **options) as pipe:
                    await pipe.read_all()

    async def test_a_stream_that_is_followed_is_deleted(self, node: Node):
        await node.data_stream_create(flow(), "/a")
        async with await node.data_subscribe(PATH, follow=True) as live:
            await node.data_stream_delete(PATH)
            with pytest.raises((StreamNotFound, TransferCutError)):
                await live.read()
