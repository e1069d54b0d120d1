"""What every pair of a writing and a reading pipe does; subclass and give `connect`."""

from __future__ import annotations

import asyncio
import contextlib
from abc import ABC, abstractmethod
from itertools import cycle

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from joule_cli.errors import ClosedPipeError, EmptyPipeError, LayoutMismatchError, PipeError
from joule_cli.pipes import LocalPipe, Pipe
from joule_cli.series.layout import Layout

LAYOUT = "int32_2"

#: Blocks of so many rows, or a break.
items = st.lists(st.one_of(st.none(), st.integers(0, 40)), max_size=25)
amounts = st.lists(st.integers(0, 30), min_size=1, max_size=8)
quick = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.differing_executors, HealthCheck.function_scoped_fixture],
)


def make_rows(n: int, start: int = 1, layout: str = LAYOUT) -> np.ndarray:
    rows = np.zeros(n, Layout.parse(layout).dtype)
    rows["timestamp"] = np.arange(start, start + n)
    rows["data"] = rows["timestamp"][:, None] * 10 + np.arange(rows["data"].shape[1])
    return rows


def expected(sequence: list[int | None]) -> list[int | None]:
    """Timestamps and breaks that a reader gets: no break before the first row, none repeated."""
    out: list[int | None] = []
    for item in sequence:
        if item is not None:
            seen = sum(value is not None for value in out)
            out.extend(range(seen + 1, seen + item + 1))
        elif out and out[-1] is not None:
            out.append(None)
    return out


async def write_sequence(writer: Pipe, sequence: list[int | None]) -> None:
    start = 1
    for item in sequence:
        if item is None:
            await writer.close_interval()
        else:
            await writer.write(make_rows(item, start))
            start += item
    await writer.close()


async def drain(reader: Pipe, takes: list[int]) -> list[int | None]:
    """Read to the end, consuming `takes` rows in turn, and check that the rest comes again."""
    got: list[int | None] = []
    rest: list[int] = []
    for count, take in enumerate(cycle(takes)):
        try:
            rows = await reader.read()
        except EmptyPipeError:
            assert not rest
            return got
        stamps = rows["timestamp"].tolist()
        assert stamps[: len(rest)] == rest
        assert np.array_equal(rows["data"][:, 1], rows["timestamp"] * 10 + 1)
        n = len(rows) if count % 4 == 3 else min(take, len(rows))
        reader.consume(n)
        got += stamps[:n]
        rest = stamps[n:]
        if not rest and reader.end_of_interval:
            got.append(None)
    raise AssertionError


async def settle() -> None:
    """Let every task run until it waits for something outside."""
    for _ in range(10):
        await asyncio.sleep(0)


def run(scenario) -> None:
    """Run a coroutine in a loop of its own and check that it leaves no task behind."""

    async def checked() -> None:
        await asyncio.wait_for(scenario, 10)
        await settle()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(checked())


class PipeContract(ABC):
    """Subclasses inherit the tests for their pair of pipes."""

    @abstractmethod
    async def connect(self, layout: str = LAYOUT) -> tuple[Pipe, Pipe]:
        """Return a writing and a reading end; they may be the same object."""

    @contextlib.asynccontextmanager
    async def ends(self, layout: str = LAYOUT):
        writer, reader = await self.connect(layout)
        try:
            yield writer, reader
        finally:
            before = asyncio.all_tasks()
            # the reader first: a writer may be waiting for it
            await reader.close()
            with contextlib.suppress(PipeError):
                await writer.close()
            await settle()
            assert asyncio.all_tasks() <= before

    @quick
    @given(sequence=items, takes=amounts, cache=st.sampled_from([0, 0, 1, 7, 50]))
    def test_rows_and_breaks_arrive_as_written(self, sequence, takes, cache) -> None:
        async def scenario() -> None:
            async with self.ends() as (writer, reader):
                if cache:
                    writer.enable_cache(cache)
                _, got = await asyncio.gather(
                    write_sequence(writer, sequence), drain(reader, takes)
                )
            assert got == expected(sequence)

        run(scenario())

    @quick
    @given(sequence=items, takes=amounts, stops=st.lists(st.integers(0, 6), max_size=8))
    def test_cancelled_reads_and_writes_lose_nothing(self, sequence, takes, stops) -> None:
        async def patiently(call):
            # cancel the call after some turns of the loop, again and again, then let it be
            for stop in stops:
                task = asyncio.ensure_future(call())
                for _ in range(stop):
                    await asyncio.sleep(0)
                if not task.done():
                    task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    return await task
            return await call()

        async def scenario() -> None:
            async with self.ends() as (writer, reader):
                read, write = reader.read, writer.write
                reader.read = lambda: patiently(read)
                writer.write = lambda rows: patiently(lambda: write(rows))
                _, got = await asyncio.gather(
                    write_sequence(writer, sequence), drain(reader, takes)
                )
            assert got == expected(sequence)

        run(scenario())

    async def test_lists_matrices_and_structured_arrays(self) -> None:
        async with self.ends() as (writer, reader):
            await writer.write([[1, 10, 11], [2, 20, 21]])
            await writer.write(np.array([[3, 30, 31]]))
            await writer.write(make_rows(1, 4))
            await writer.close()
            assert np.array_equal(await reader.read_all(), make_rows(4))

    async def test_wrong_columns_are_refused_and_the_pipe_goes_on(self) -> None:
        async with self.ends() as (writer, reader):
            for bad in ([[1, 10]], np.ones((3, 2)), make_rows(2, layout="int32_3")):
                with pytest.raises(LayoutMismatchError):
                    await writer.write(bad)
            await writer.write(make_rows(2))
            assert len(await reader.read()) == 2

    async def test_empty_arrays_are_ignored(self) -> None:
        async with self.ends() as (writer, reader):
            await writer.write([])
            await writer.write(make_rows(0))
            await writer.close()
            assert await reader.is_empty()

    async def test_unconsumed_rows_come_again_with_new_ones(self) -> None:
        async with self.ends() as (writer, reader):
            await writer.write(make_rows(3))
            assert len(await reader.read()) == 3
            reader.consume(1)
            await writer.write(make_rows(2, 4))
            assert (await reader.read())["timestamp"].tolist() == [2, 3, 4, 5]

    async def test_rows_after_a_break_never_join_those_before(self) -> None:
        async with self.ends() as (writer, reader):
            await writer.write(make_rows(2))
            await writer.close_interval()
            await writer.write(make_rows(2, 3))
            await writer.close()
            assert await reader.not_empty()
            for _ in range(3):
                rows = await reader.read()
                reader.consume(0)
            reader.consume(1)
            while not reader.end_of_interval:
                await reader.read()
            assert rows["timestamp"].tolist() == [1, 2]
            assert (await reader.read())["timestamp"].tolist() == [2]
            assert reader.end_of_interval
            reader.consume_all()
            assert (await reader.read())["timestamp"].tolist() == [3, 4]
            assert not reader.end_of_interval

    async def test_a_late_break_comes_with_an_empty_read(self) -> None:
        async with self.ends() as (writer, reader):
            await writer.write(make_rows(2))
            await reader.read()
            assert not reader.end_of_interval
            reader.consume_all()
            await writer.close_interval()
            await writer.close()
            assert len(await reader.read()) == 0
            assert reader.end_of_interval
            with pytest.raises(EmptyPipeError):
                await reader.read()

    async def test_breaks_without_rows_are_nothing(self) -> None:
        async with self.ends() as (writer, reader):
            await writer.close_interval()
            await writer.close_interval()
            await writer.close()
            with pytest.raises(EmptyPipeError):
                await reader.read()

    async def test_a_pipe_without_rows_ends(self) -> None:
        async with self.ends() as (writer, reader):
            waiting = asyncio.ensure_future(reader.not_empty())
            await settle()
            await writer.close()
            assert await waiting is False

    async def test_consume_checks_its_number(self) -> None:
        async with self.ends() as (writer, reader):
            reader.consume(0)
            await writer.write(make_rows(3))
            await reader.read()
            with pytest.raises(PipeError, match=r"^cannot consume 5 rows: only 3 available$"):
                reader.consume(5)
            with pytest.raises(PipeError, match=r"^consume called with negative offset: -1$"):
                reader.consume(-1)

    @pytest.mark.parametrize(
        ("layout", "dtype"),
        [("float32_2", "f8"), ("int64_2", "i8"), ("uint8_2", "i8"), ("uint64_2", "u8")],
    )
    async def test_flatten(self, layout: str, dtype: str) -> None:
        async with self.ends(layout) as (writer, reader):
            await writer.write(make_rows(2, layout=layout))
            flat = await reader.read(flatten=True)
            assert flat.dtype == np.dtype(dtype)
            assert flat.tolist() == [[1, 10, 11], [2, 20, 21]]

    async def test_flatten_is_exact_for_large_integers(self) -> None:
        async with self.ends("uint64_1") as (writer, reader):
            await writer.write([[2**53 + 1, 2**64 - 1]])
            assert (await reader.read(flatten=True)).tolist() == [[2**53 + 1, 2**64 - 1]]

    async def test_not_empty_makes_the_next_read_return(self) -> None:
        async with self.ends() as (writer, reader):
            waiting = asyncio.ensure_future(reader.not_empty())
            await settle()
            assert not waiting.done()
            await writer.write(make_rows(2))
            assert await waiting
            assert await reader.not_empty()
            assert len(await reader.read()) == 2
            reader.consume_all()
            await writer.close()
            assert await reader.is_empty()

    async def test_reread_last_gives_the_unconsumed_rows_only(self) -> None:
        async with self.ends() as (writer, reader):
            await writer.write(make_rows(3))
            await reader.read()
            await writer.write(make_rows(3, 4))
            reader.consume(1)
            reader.reread_last()
            assert (await reader.read())["timestamp"].tolist() == [2, 3]
            assert (await reader.read())["timestamp"].tolist() == [2, 3, 4, 5, 6]

    async def test_read_all_ignores_breaks(self) -> None:
        async with self.ends() as (writer, reader):
            await writer.write(make_rows(2))
            await writer.close_interval()
            await writer.write(make_rows(2, 3))
            await writer.close()
            assert (await reader.read_all(flatten=True))[:, 0].tolist() == [1, 2, 3, 4]
            assert reader.closed

    @pytest.mark.parametrize("maxrows", [4, 5])
    async def test_read_all_stops_at_maxrows(self, maxrows: int) -> None:
        async with self.ends() as (writer, reader):
            await writer.write(make_rows(4))
            await writer.close_interval()
            await writer.write(make_rows(4, 5))
            assert len(await reader.read_all(maxrows=maxrows)) == maxrows
            assert reader.closed

    async def test_read_all_tells_of_more_rows_if_asked(self) -> None:
        async with self.ends() as (writer, reader):
            await writer.write(make_rows(5))
            with pytest.raises(PipeError, match=r"^More than \[4\] rows, increase maxrows or"):
                await reader.read_all(maxrows=4, error_on_overflow=True)

    async def test_read_all_of_exactly_maxrows_is_no_overflow(self) -> None:
        async with self.ends() as (writer, reader):
            await writer.write(make_rows(4))
            await writer.close()
            assert len(await reader.read_all(maxrows=4, error_on_overflow=True)) == 4

    async def test_read_all_of_nothing(self) -> None:
        async with self.ends() as (writer, reader):
            await writer.close()
            with pytest.raises(PipeError, match=r"^No data in pipe$"):
                await reader.read_all()

    async def test_a_buffer_may_be_used_again_after_write(self) -> None:
        async with self.ends() as (writer, reader):
            buffer = make_rows(2)
            await writer.write(buffer)
            buffer["data"] = 0
            writer.enable_cache(10)
            buffer[:] = make_rows(2, 3)
            await writer.write(buffer)
            buffer["data"] = 0
            await writer.close()
            assert np.array_equal(await reader.read_all(), make_rows(4))

    async def test_cache_waits_for_its_lines(self) -> None:
        async with self.ends() as (writer, reader):
            writer.enable_cache(4)
            waiting = asyncio.ensure_future(reader.read())
            for start in (1, 2, 3):
                await writer.write(make_rows(1, start))
            await settle()
            assert not waiting.done()
            await writer.write(make_rows(1, 4))
            assert np.array_equal(await waiting, make_rows(4))
            reader.consume_all()
            await writer.write(make_rows(1, 5))
            await writer.flush_cache()
            assert (await reader.read())["timestamp"].tolist() == [5]

    async def test_subscribers_get_later_rows_and_breaks(self) -> None:
        early, late = LocalPipe(LAYOUT), LocalPipe(LAYOUT)
        async with self.ends() as (writer, _):
            leave = writer.subscribe(early)
            await writer.write(make_rows(2))
            await writer.close_interval()
            writer.subscribe(late)
            leave()
            leave()
            await writer.write(make_rows(2, 3))
            await writer.close()
            assert not early.closed
            assert late.closed
        early.close_nowait()
        assert await drain(early, [9]) == [1, 2, None]
        assert await drain(late, [9]) == [3, 4]

    async def test_a_subscriber_that_left_is_dropped(self) -> None:
        gone = LocalPipe(LAYOUT)
        async with self.ends() as (writer, reader):
            writer.subscribe(gone)
            await gone.close()
            await writer.write(make_rows(2))
            assert len(await reader.read()) == 2
            assert writer.subscribers == []

    async def test_closing_twice_is_closing_once(self) -> None:
        async with self.ends() as (writer, reader):
            await writer.write(make_rows(1))
            await writer.close()
            await writer.close()
            with pytest.raises(ClosedPipeError, match=r"^Cannot write to a closed pipe$"):
                await writer.write(make_rows(1))
            with pytest.raises(ClosedPipeError):
                await writer.close_interval()
            assert len(await reader.read()) == 1

    async def test_close_callback_runs_once(self) -> None:
        calls = []

        async def callback() -> None:
            calls.append(1)

        async with self.ends() as (writer, _):
            writer.close_cb = callback
            await writer.close()
            await writer.close()
        assert calls == [1]

    async def test_a_failed_writer_raises_that_error(self) -> None:
        async with self.ends() as (writer, _):
            await writer.write(make_rows(1))
            writer.fail(LayoutMismatchError("stop"))
            writer.fail(PipeError("too late"))
            for _ in range(2):
                with pytest.raises(LayoutMismatchError, match="stop"):
                    await writer.write(make_rows(1, 2))
            await writer.close()

    async def test_failing_without_an_error(self) -> None:
        async with self.ends() as (writer, _):
            writer.fail()
            with pytest.raises(PipeError, match=r"^pipe failed$"):
                await writer.close()

    async def test_a_failed_reader_wakes_with_that_error(self) -> None:
        async with self.ends() as (_, reader):
            waiting = asyncio.ensure_future(reader.read())
            await settle()
            reader.fail(LayoutMismatchError("stop"))
            with pytest.raises(LayoutMismatchError, match="stop"):
                await waiting

    async def test_failing_fails_the_subscribers(self) -> None:
        listener = LocalPipe(LAYOUT)
        async with self.ends() as (writer, _):
            writer.subscribe(listener)
            await writer.write(make_rows(2))
            writer.fail(LayoutMismatchError("stop"))
            assert len(await listener.read()) == 2
            with pytest.raises(LayoutMismatchError, match="stop"):
                await listener.read()
            with pytest.raises(LayoutMismatchError, match="stop"):
                await writer.close()

    async def test_a_waiting_reader_wakes_when_its_side_closes(self) -> None:
        async with self.ends() as (_, reader):
            waiting = asyncio.ensure_future(reader.read())
            await settle()
            await reader.close()
            with pytest.raises(PipeError):
                await asyncio.wait_for(waiting, 5)

    async def test_blocks_ends_with_the_pipe(self) -> None:
        async with self.ends() as (writer, reader):
            await writer.write(make_rows(2))
            await writer.close_interval()
            await writer.write(make_rows(1, 3))
            await writer.close()
            await reader.not_empty()
            got: list[int | None] = []
            async for rows, broken in reader.blocks():
                got += rows["timestamp"].tolist()
                got += [None] * broken
            assert got == [1, 2, None, 3]

    async def test_leaving_the_context_closes(self) -> None:
        async with self.ends() as (writer, reader):
            async with writer:
                writer.enable_cache(5)
                await writer.write(make_rows(2))
            assert writer.closed
            assert len(await reader.read()) == 2

    async def test_the_body_s_error_is_not_hidden_by_the_pipe_s(self) -> None:
        async with self.ends() as (writer, _):

            async def body() -> None:
                async with writer:
                    writer.fail(PipeError("broken"))
                    raise ZeroDivisionError

            with pytest.raises(ZeroDivisionError) as caught:
                await body()
            assert caught.value.__notes__ == ["closing the pipe failed too: broken"]
