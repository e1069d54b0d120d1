from __future__ import annotations

import asyncio

import numpy as np
import pytest

from joule_cli.errors import ClosedPipeError, LayoutMismatchError, NonMonotonicError, PipeError
from joule_cli.pipes import LocalPipe, SinkPipe
from tests.contracts.pipe_contract import LAYOUT, drain, make_rows, settle


class ListSink:
    """Keeps what it is given; raises `error` or waits for `gate` where one is set."""

    def __init__(self) -> None:
        self.calls: list[list[list[int] | None]] = []
        self.closed = 0
        self.error: Exception | None = None
        self.gate: asyncio.Event | None = None
        self.busy = False

    async def write(self, items) -> None:
        assert not self.busy
        self.busy = True
        try:
            if self.gate is not None:
                await self.gate.wait()
        finally:
            self.busy = False
        if self.error is not None:
            raise self.error
        self.calls.append([None if i is None else i["timestamp"].tolist() for i in items])

    async def close(self) -> None:
        assert not self.busy
        self.closed += 1


async def test_blocks_and_breaks_go_straight_to_the_sink() -> None:
    sink = ListSink()
    async with SinkPipe(LAYOUT, sink) as pipe:
        await pipe.close_interval()
        await pipe.write(make_rows(2))
        assert sink.calls == [[[1, 2]]]
        await pipe.close_interval()
        await pipe.close_interval()
        await pipe.write([[3, 0, 0]])
    assert sink.calls == [[[1, 2]], [None], [[3]]]
    assert sink.closed == 1


async def test_the_sink_gets_the_callers_array() -> None:
    class Memory(ListSink):
        async def write(self, items) -> None:
            self.items = items

    sink, rows = Memory(), make_rows(3)
    pipe = SinkPipe(LAYOUT, sink)
    await pipe.write(rows)
    assert np.shares_memory(sink.items[0], rows)
    await pipe.close()


async def test_a_cache_keeps_breaks_in_their_place() -> None:
    sink = ListSink()
    pipe = SinkPipe(LAYOUT, sink)
    pipe.enable_cache(5)
    await pipe.write(make_rows(1))
    await pipe.write(make_rows(1, 2))
    await pipe.close_interval()
    await pipe.write(make_rows(1, 3))
    await pipe.close_interval()
    assert sink.calls == []
    await pipe.write(make_rows(2, 4))
    assert sink.calls == [[[1, 2], None, [3], None, [4, 5]]]
    await pipe.close_interval()
    await pipe.close()
    assert sink.calls[1:] == [[None]]


async def test_a_break_without_waiting_goes_with_the_next_block() -> None:
    sink = ListSink()
    pipe = SinkPipe(LAYOUT, sink)
    await pipe.write(make_rows(1))
    pipe.close_interval_nowait()
    assert sink.calls == [[[1]]]
    await pipe.write(make_rows(1, 2))
    await pipe.close()
    assert sink.calls == [[[1]], [None, [2]]]


async def test_an_error_of_the_sink_ends_the_pipe() -> None:
    sink, listener = ListSink(), LocalPipe(LAYOUT)
    pipe = SinkPipe(LAYOUT, sink)
    pipe.subscribe(listener)
    sink.error = NonMonotonicError("timestamps fall")
    with pytest.raises(NonMonotonicError):
        await pipe.write(make_rows(2))
    sink.error = None
    with pytest.raises(NonMonotonicError, match="timestamps fall"):
        await pipe.write(make_rows(2))
    with pytest.raises(NonMonotonicError):
        await pipe.close_interval()
    await pipe.close()
    await pipe.close()
    assert (sink.calls, sink.closed) == ([], 1)
    with pytest.raises(NonMonotonicError):
        await listener.read()


async def test_rows_of_another_layout_do_not_end_the_pipe() -> None:
    sink = ListSink()
    async with SinkPipe(LAYOUT, sink) as pipe:
        with pytest.raises(LayoutMismatchError):
            await pipe.write([[1, 2]])
        await pipe.write(make_rows(1))
    assert sink.calls == [[[1]]]


async def test_a_failing_flush_at_close_still_closes_the_sink() -> None:
    sink = ListSink()
    pipe = SinkPipe(LAYOUT, sink)
    pipe.enable_cache(5)
    await pipe.write(make_rows(1))
    sink.error = NonMonotonicError("timestamps fall")
    with pytest.raises(NonMonotonicError):
        await pipe.close()
    await pipe.close()
    assert sink.closed == 1


async def test_a_cancelled_write_ends_the_pipe_and_closes_the_sink_once() -> None:
    sink = ListSink()
    sink.gate = asyncio.Event()
    pipe = SinkPipe(LAYOUT, sink)
    writing = asyncio.ensure_future(pipe.write(make_rows(1)))
    await settle()
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    with pytest.raises(PipeError, match="may or may not be stored"):
        await pipe.write(make_rows(1))
    await pipe.close()
    assert sink.closed == 1


async def test_a_write_cancelled_before_its_turn_keeps_the_pipe() -> None:
    sink = ListSink()
    sink.gate = asyncio.Event()
    pipe = SinkPipe(LAYOUT, sink)
    first = asyncio.ensure_future(pipe.write(make_rows(1)))
    second = asyncio.ensure_future(pipe.write(make_rows(1, 2)))
    await settle()
    second.cancel()
    sink.gate.set()
    await first
    await pipe.write(make_rows(1, 3))
    await pipe.close()
    assert sink.calls == [[[1]], [[3]]]


async def test_close_waits_for_the_write_in_progress() -> None:
    sink = ListSink()
    sink.gate = asyncio.Event()
    pipe = SinkPipe(LAYOUT, sink)
    writing = asyncio.ensure_future(pipe.write(make_rows(1)))
    await settle()
    closing = asyncio.ensure_future(pipe.close())
    await settle()
    assert sink.closed == 0
    sink.gate.set()
    await asyncio.gather(writing, closing)
    assert (sink.calls, sink.closed) == ([[[1]]], 1)
    with pytest.raises(ClosedPipeError):
        await pipe.write(make_rows(1))


async def test_a_failure_from_outside_reaches_the_writer() -> None:
    sink = ListSink()
    pipe = SinkPipe(LAYOUT, sink)
    pipe.fail(NonMonotonicError("stopped"))
    with pytest.raises(NonMonotonicError):
        await pipe.close()
    assert sink.closed == 1


async def test_subscribers_get_what_was_stored() -> None:
    sink, listener = ListSink(), LocalPipe(LAYOUT)
    async with SinkPipe(LAYOUT, sink) as pipe:
        pipe.subscribe(listener)
        pipe.enable_cache(3)
        await pipe.write(make_rows(2))
        await pipe.close_interval()
        await pipe.write(make_rows(2, 3))
    assert await drain(listener, [9]) == [1, 2, None, 3, 4]
