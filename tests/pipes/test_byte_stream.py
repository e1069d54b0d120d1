from __future__ import annotations

import asyncio
import os
import socket

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from joule_cli.errors import ClosedPipeError, DataError, EmptyPipeError, PipeError
from joule_cli.pipes import (
    InputPipe,
    OutputPipe,
    Pipe,
    find_interval_token,
    interval_token,
    reader_factory,
    writer_factory,
)
from tests.contracts.pipe_contract import (
    LAYOUT,
    PipeContract,
    amounts,
    drain,
    expected,
    items,
    make_rows,
    quick,
    run,
    settle,
)


class TestOverPipe(PipeContract):
    async def connect(self, layout: str = LAYOUT) -> tuple[Pipe, Pipe]:
        source, target = os.pipe()
        writer = OutputPipe(layout=layout, writer_factory=writer_factory(target))
        reader = InputPipe(layout=layout, reader_factory=reader_factory(source))
        # opened now, so that no test can leave the descriptors behind
        await writer._open()
        await reader._open()
        return writer, reader


class TestOverSocket(PipeContract):
    async def connect(self, layout: str = LAYOUT) -> tuple[Pipe, Pipe]:
        left, right = socket.socketpair()
        for end in (left, right):
            # small, so that the stream is cut often and the writer has to wait
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
        _, out = await asyncio.open_connection(sock=left)
        incoming, back = await asyncio.open_connection(sock=right, limit=100)
        out.transport.set_write_buffer_limits(high=64)

        async def hang_up() -> None:
            back.close()
            await asyncio.gather(back.wait_closed(), return_exceptions=True)

        return OutputPipe(layout=layout, writer=out), InputPipe(
            layout=layout, reader=incoming, close_cb=hang_up
        )


def stream_of(data: bytes) -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    return reader


def packed(sequence: list[int | None]) -> bytes:
    out, start = b"", 1
    for item in sequence:
        if item is None:
            out += interval_token(LAYOUT).tobytes()
        else:
            out += make_rows(item, start).tobytes()
            start += item
    return out


@quick
@given(
    sequence=items,
    takes=amounts,
    cuts=st.lists(st.integers(1, 90), min_size=1, max_size=12),
    buffer_size=st.sampled_from([1, 5, 10_000]),
)
def test_a_stream_cut_anywhere_gives_the_same_rows(sequence, takes, cuts, buffer_size) -> None:
    async def scenario() -> None:
        reader = asyncio.StreamReader()
        pipe = InputPipe(layout=LAYOUT, reader=reader, buffer_size=buffer_size)

        async def feed() -> None:
            rest, n = packed(sequence), 0
            while rest:
                cut = cuts[n % len(cuts)]
                reader.feed_data(rest[:cut])
                rest, n = rest[cut:], n + 1
                await asyncio.sleep(0)
            reader.feed_eof()

        _, got = await asyncio.gather(feed(), drain(pipe, takes))
        assert got == expected(sequence)
        await pipe.close()

    run(scenario())


async def test_rows_after_a_break_in_the_same_block_come_with_the_next_read() -> None:
    reader = asyncio.StreamReader()
    reader.feed_data(packed([2, None, 3]))
    pipe = InputPipe(layout=LAYOUT, reader=reader)
    assert len(await pipe.read()) == 2
    assert pipe.end_of_interval
    pipe.consume_all()
    assert len(await asyncio.wait_for(pipe.read(), 5)) == 3
    await pipe.close()


async def test_an_end_inside_a_row_is_an_error_after_the_whole_rows() -> None:
    pipe = InputPipe(layout=LAYOUT, reader=stream_of(packed([3])[:-5]))
    assert len(await pipe.read()) == 2
    pipe.consume_all()
    with pytest.raises(PipeError, match="ended inside a row, after 11 of its 16 bytes"):
        await pipe.read()
    await pipe.close()


async def test_a_closed_input_pipe_says_so() -> None:
    pipe = InputPipe(layout=LAYOUT, reader=stream_of(packed([3])[:-5]))
    await pipe.read()
    await pipe.close()
    with pytest.raises(ClosedPipeError, match=r"^Cannot read from a closed pipe$"):
        await pipe.read()
    assert await pipe.is_empty()


async def test_a_broken_connection_is_an_error_after_the_rows() -> None:
    reader = asyncio.StreamReader()
    reader.feed_data(packed([2]))
    pipe = InputPipe(layout=LAYOUT, reader=reader)
    assert len(await pipe.read()) == 2
    reader.set_exception(ConnectionResetError("reset"))
    with pytest.raises(PipeError, match="broke off: reset"):
        await pipe.read()
    await pipe.close()


async def test_a_full_buffer_is_returned_at_once() -> None:
    reader = asyncio.StreamReader()
    reader.feed_data(packed([7]))
    pipe = InputPipe(layout=LAYOUT, reader=reader, buffer_size=4)
    for _ in range(2):
        assert (await pipe.read())["timestamp"].tolist() == [1, 2, 3, 4]
    pipe.consume(1)
    assert (await pipe.read())["timestamp"].tolist() == [2, 3, 4, 5]
    await pipe.close()


async def test_rows_read_can_be_changed() -> None:
    pipe = InputPipe(layout=LAYOUT, reader=stream_of(packed([2])))
    rows = await pipe.read()
    rows["data"] += 1
    assert rows["data"][0].tolist() == [11, 12]
    await pipe.close()


@pytest.mark.parametrize("cache", [0, 10])
async def test_a_row_that_would_read_as_a_break_is_refused(cache: int) -> None:
    source, target = os.pipe()
    writer = OutputPipe(layout="float32_2", writer_factory=writer_factory(target))
    reader = InputPipe(layout="float32_2", reader_factory=reader_factory(source))
    if cache:
        writer.enable_cache(cache)
    with pytest.raises(DataError, match="timestamp 0"):
        await writer.write([[-1, 1, 1], [0, 0, 0], [1, 1, 1]])
    await writer.write([[-1, 1, 1], [0, -0.0, 0.0], [1, 0, 0]])
    await writer.close()
    rows = await reader.read_all()
    assert rows["timestamp"].tolist() == [-1, 0, 1]
    assert np.signbit(rows["data"][1]).tolist() == [True, False]


async def test_writing_to_a_reader_that_left() -> None:
    source, target = os.pipe()
    writer = OutputPipe(layout=LAYOUT, writer_factory=writer_factory(target))
    await writer.write(make_rows(1))
    os.close(source)
    await asyncio.sleep(0.05)
    for _ in range(2):
        with pytest.raises(PipeError, match="the other end of the pipe is gone"):
            await writer.write(make_rows(1, 2))
    await writer.close()
    await settle()


async def test_closing_when_the_reader_left_does_not_pass_for_success() -> None:
    left, right = socket.socketpair()
    _, out = await asyncio.open_connection(sock=left)
    writer = OutputPipe(layout=LAYOUT, writer=out)
    await writer.write(make_rows(1_000_000))
    right.close()
    with pytest.raises(PipeError, match="the other end of the pipe is gone"):
        await writer.close()


async def test_a_cancelled_close_lets_go_of_the_stream() -> None:
    source, target = os.pipe()
    writer = OutputPipe(layout=LAYOUT, writer_factory=writer_factory(target))
    await writer.write(make_rows(1_000_000))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(writer.close(), 0.05)
    await settle()
    assert writer.closed
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(target)
    os.close(source)


async def test_a_reader_without_a_source() -> None:
    pipe = InputPipe(layout=LAYOUT)
    with pytest.raises(PipeError, match="no reader"):
        await pipe.read()
    await pipe.close()


async def test_wrong_directions() -> None:
    reader = InputPipe(layout=LAYOUT, reader=stream_of(b""))
    writer = OutputPipe(layout=LAYOUT)
    for call, text in [
        (writer.read, "cannot read from an output pipe"),
        (writer.read_all, "cannot read from an output pipe"),
        (writer.is_empty, "cannot check output pipes for empty condition"),
        (lambda: reader.write(make_rows(1)), "cannot write to an input pipe"),
        (reader.close_interval, "cannot write to an input pipe"),
        (reader.flush_cache, "cannot control cache on input pipes"),
    ]:
        with pytest.raises(PipeError, match=rf"^{text}$"):
            await call()
    for call, text in [
        (lambda: writer.consume(1), "cannot consume from an output pipe"),
        (writer.consume_all, "cannot consume from an output pipe"),
        (writer.reread_last, "cannot read from an output pipe"),
        (lambda: reader.enable_cache(1), "cannot control cache on input pipes"),
        (lambda: reader.subscribe(writer), "cannot subscribe to an input pipe"),
        (lambda: reader.change_layout(LAYOUT), "layout cannot be changed"),
        (reader.close_interval_nowait, "cannot write to an input pipe"),
    ]:
        with pytest.raises(PipeError, match=rf"^{text}$"):
            call()
    assert (reader.direction, writer.direction) == (Pipe.DIRECTION.INPUT, Pipe.DIRECTION.OUTPUT)
    await reader.close()


async def test_close_interval_nowait_goes_after_the_cached_rows() -> None:
    source, target = os.pipe()
    writer = OutputPipe(layout=LAYOUT, writer_factory=writer_factory(target))
    reader = InputPipe(layout=LAYOUT, reader_factory=reader_factory(source))
    await writer.write(make_rows(1))
    writer.enable_cache(10)
    await writer.write(make_rows(1, 2))
    writer.close_interval_nowait()
    await writer.write(make_rows(1, 3))
    await writer.close()
    assert await drain(reader, [9]) == [1, 2, None, 3]
    await reader.close()


async def test_the_end_of_a_drained_pipe_stays_the_end() -> None:
    pipe = InputPipe(layout=LAYOUT, reader=stream_of(b""))
    for _ in range(2):
        with pytest.raises(EmptyPipeError):
            await pipe.read()
    await pipe.close()


def test_find_interval_token_sees_aligned_tokens_only() -> None:
    token = bytes(16)
    row = make_rows(1).tobytes()
    assert find_interval_token(row + token + row, LAYOUT) == (16, 32)
    assert find_interval_token(row + row, LAYOUT) is None
    straddling = np.zeros(2, make_rows(0).dtype)
    straddling["timestamp"] = [1, 1 << 56]
    assert token in straddling.tobytes()
    assert find_interval_token(straddling.tobytes(), LAYOUT) is None
