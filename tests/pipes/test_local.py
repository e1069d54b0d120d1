from __future__ import annotations

import asyncio
import logging

import numpy as np
import pytest

from joule_cli.errors import ApiError, ClosedPipeError, EmptyPipeError, PipeError
from joule_cli.pipes import LocalPipe, OutputPipe, Pipe
from tests.contracts.pipe_contract import LAYOUT, PipeContract, make_rows, settle


class TestLocalPipe(PipeContract):
    async def connect(self, layout: str = LAYOUT) -> tuple[Pipe, Pipe]:
        pipe = LocalPipe(layout)
        return pipe, pipe


class TestNarrowLocalPipe(PipeContract):
    async def connect(self, layout: str = LAYOUT) -> tuple[Pipe, Pipe]:
        pipe = LocalPipe(layout, write_limit=3)
        return pipe, pipe


def test_what_it_says_of_itself() -> None:
    pipe = LocalPipe("float32_2", name="x")
    assert repr(pipe) == "<joule.models.Pipe name='x' direction='TWOWAY' layout='float32_2'>"
    assert pipe.dtype == np.dtype([("timestamp", "<i8"), ("data", "<f4", (2,))])
    assert (pipe.width, pipe.decimation_level, pipe.decimated) == (2, 1, False)
    pipe.decimation_level = 4
    assert pipe.decimated
    with pytest.raises(ValueError, match=r"^bad layout: \[float31_2\]$"):
        LocalPipe("float31_2")


async def test_a_writer_waits_for_room() -> None:
    pipe = LocalPipe(LAYOUT, write_limit=2)
    for start in (1, 2):
        await pipe.write(make_rows(1, start))
        await pipe.close_interval()
    third = asyncio.ensure_future(pipe.write(make_rows(1, 3)))
    await settle()
    assert not third.done()
    assert len(await pipe.read()) == 1
    await third
    await pipe.close()
    assert len(await pipe.read_all()) == 3


async def test_a_reader_that_closes_wakes_the_writer() -> None:
    pipe = LocalPipe(LAYOUT, write_limit=1)
    await pipe.write(make_rows(1))
    waiting = asyncio.ensure_future(pipe.write(make_rows(1, 2)))
    await settle()
    await pipe.close()
    with pytest.raises(ClosedPipeError):
        await waiting


async def test_a_reader_can_close_a_full_pipe_with_a_cache() -> None:
    pipe = LocalPipe(LAYOUT, write_limit=1)
    await pipe.write(make_rows(1))
    pipe.enable_cache(5)
    await pipe.write(make_rows(1, 2))
    await asyncio.wait_for(pipe.close(), 5)
    assert len(await pipe.read_all()) == 2


async def test_a_failure_wakes_the_waiting_writer() -> None:
    pipe = LocalPipe(LAYOUT, write_limit=1)
    await pipe.write(make_rows(1))
    waiting = asyncio.ensure_future(pipe.write(make_rows(1, 2)))
    await settle()
    pipe.fail(ApiError("no space"))
    with pytest.raises(ApiError, match="no space"):
        await waiting
    await pipe.close()


async def test_delivered_rows_are_read_before_the_failure() -> None:
    pipe = LocalPipe(LAYOUT)
    await pipe.write(make_rows(2))
    await pipe.close_interval()
    await pipe.write(make_rows(2, 3))
    error = ApiError("lost")
    pipe.fail(error)
    seen = []

    async def read() -> None:
        async for rows, broken in pipe.blocks():
            seen.append((len(rows), broken))

    with pytest.raises(ApiError) as caught:
        await read()
    assert seen == [(2, True), (2, False)]
    assert caught.value is error
    await pipe.close()


async def test_read_all_does_not_hide_a_failure() -> None:
    pipe = LocalPipe(LAYOUT)
    await pipe.write(make_rows(2))
    pipe.fail(ApiError("lost"))
    with pytest.raises(ApiError, match="lost"):
        await pipe.read_all()


async def test_close_raises_a_failure_that_nobody_got() -> None:
    pipe = LocalPipe(LAYOUT)
    await pipe.write(make_rows(2))
    pipe.fail(ApiError("refused"))
    with pytest.raises(ApiError, match="refused"):
        await pipe.close()
    assert pipe.closed
    await pipe.close()


async def test_close_raises_what_the_close_callback_finds() -> None:
    async def answer() -> None:
        pipe.fail(ApiError("refused"))

    pipe = LocalPipe(LAYOUT, close_cb=answer)
    with pytest.raises(ApiError, match="refused"):
        await pipe.close()


async def test_a_single_block_is_handed_over_without_a_copy() -> None:
    pipe = LocalPipe(LAYOUT)
    rows = make_rows(10)
    await pipe.hand_over([rows])
    assert await pipe.read() is rows
    pipe.consume_all()
    await pipe.write(rows)
    assert not np.shares_memory(await pipe.read(), rows)


async def test_a_busy_writer_lets_the_reader_run() -> None:
    pipe = LocalPipe(LAYOUT)
    sizes = []

    async def produce() -> None:
        for start in range(1, 51):
            await pipe.write(make_rows(1, start))
        await pipe.close()

    async def consume() -> None:
        async for rows, _ in pipe.blocks():
            sizes.append(len(rows))

    await asyncio.gather(consume(), produce())
    assert sum(sizes) == 50
    assert max(sizes) <= 2


async def test_writers_are_served_in_the_order_of_their_calls() -> None:
    pipe = LocalPipe(LAYOUT, write_limit=1)
    tasks = [asyncio.ensure_future(pipe.write(make_rows(1, start))) for start in range(1, 9)]
    await settle()
    got = []
    while len(got) < 8:
        got += (await pipe.read())["timestamp"].tolist()
        pipe.consume_all()
    await asyncio.gather(*tasks)
    assert got == list(range(1, 9))


def test_nowait() -> None:
    pipe = LocalPipe(LAYOUT)
    assert len(pipe.read_nowait()) == 0
    pipe.close_interval_nowait()
    pipe.write_nowait(make_rows(2))
    pipe.close_interval_nowait()
    pipe.close_interval_nowait()
    pipe.write_nowait([[3, 4, 5]])
    assert pipe.read_nowait()["timestamp"].tolist() == [1, 2]
    assert pipe.end_of_interval
    assert pipe.read_nowait()["timestamp"].tolist() == [1, 2]
    pipe.consume_all()
    assert pipe.read_nowait(flatten=True).tolist() == [[3, 4, 5]]
    assert not pipe.end_of_interval
    pipe.consume_all()
    pipe.reread_last()
    with pytest.raises(PipeError, match=r"^No data left to reread$"):
        pipe.read_nowait()
    pipe.close_nowait()
    with pytest.raises(EmptyPipeError):
        pipe.read_nowait()
    with pytest.raises(ClosedPipeError):
        pipe.write_nowait(make_rows(1))


def test_nowait_keeps_the_order_of_the_cache() -> None:
    pipe, listener = LocalPipe(LAYOUT), LocalPipe(LAYOUT)
    pipe.subscribe(listener)
    pipe.enable_cache(3)
    pipe.write_nowait(make_rows(2))
    assert len(pipe.read_nowait()) == 0
    pipe.close_interval_nowait()
    for end in (pipe, listener):
        assert len(end.read_nowait()) == 2
        assert end.end_of_interval
        end.consume_all()
    pipe.write_nowait(make_rows(3, 3))
    assert len(pipe.read_nowait()) == len(listener.read_nowait()) == 3


def test_nowait_does_nothing_by_halves() -> None:
    pipe, listener = LocalPipe(LAYOUT), LocalPipe(LAYOUT, write_limit=1)
    pipe.subscribe(listener)
    pipe.write_nowait(make_rows(1))
    with pytest.raises(PipeError, match="no room"):
        pipe.write_nowait(make_rows(1, 2))
    assert len(pipe.read_nowait()) == 1
    with pytest.raises(PipeError, match="cannot close_nowait subscribers"):
        pipe.close_nowait()
    other = LocalPipe(LAYOUT)
    other.subscribe(OutputPipe(layout=LAYOUT, name="far"))
    with pytest.raises(PipeError, match=r"^cannot write_nowait to subscriber \[far\]$"):
        other.write_nowait(make_rows(1))
    assert len(other.read_nowait()) == 0


async def test_layout_changes_only_while_the_pipe_is_empty() -> None:
    pipe = LocalPipe("float32_1")
    pipe.change_layout(LAYOUT)
    await pipe.write(make_rows(1))
    with pytest.raises(PipeError, match="while rows are in the pipe"):
        pipe.change_layout("float32_1")
    assert len(await pipe.read()) == 1
    assert pipe.layout == LAYOUT


async def test_debug_logs_reads_and_writes(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    pipe = LocalPipe(LAYOUT, name="p", debug=True)
    await pipe.write(make_rows(2))
    await pipe.read()
    assert caplog.messages == ["[p:write] queueing 2 rows", "[p:read] 2 rows unconsumed"]
