"""Pipes over byte streams: packed rows, an all-zero row for a break.

Source: Joule wire protocol, "Binary row encoding".
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

import numpy as np

from joule_cli.errors import ClosedPipeError, DataError, JouleError, PipeError
from joule_cli.pipes.base import CloseCallback, Pipe
from joule_cli.pipes.reading import ReadingPipe
from joule_cli.pipes.tokens import interval_token, split_at_tokens, token_indices
from joule_cli.pipes.writing import WritingPipe

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from joule_cli.model.data_stream import DataStream
    from joule_cli.pipes.blocks import Item
    from joule_cli.series.layout import Rows


class ByteReader(Protocol):
    """What an `InputPipe` reads from, for example `asyncio.StreamReader`."""

    async def read(self, n: int, /) -> bytes:
        """Wait for at least one byte and return at most `n`; nothing at the end.

        A cancelled read has taken no byte.
        """


class InputPipe(ReadingPipe):
    """Rows from a byte stream.

    The stream may be cut anywhere. After `close` nothing can be read.

    Parameters
    ----------
    name, stream, layout
        As for every pipe.
    reader
        Where the bytes come from; `close` does not close it.
    reader_factory
        Opens the reader at the first read: a coroutine function that returns the reader and a
        function that closes it.
    close_cb
        Coroutine function, awaited once when the pipe closes.
    buffer_size
        Unconsumed rows that the pipe holds at most; when it is full, `read` returns them again
        at once.
    """

    def __init__(
        self,
        name: str | None = None,
        stream: DataStream | None = None,
        layout: str | None = None,
        reader: ByteReader | None = None,
        reader_factory: Callable[[], Awaitable[tuple[ByteReader, Callable[[], None]]]]
        | None = None,
        close_cb: CloseCallback | None = None,
        buffer_size: int = 10_000,
    ) -> None:
        super().__init__(name, Pipe.DIRECTION.INPUT, None, stream, layout)
        self.reader = reader
        self.reader_factory = reader_factory
        self.close_cb = close_cb
        self._buffer_size = buffer_size
        self._close_reader: Callable[[], None] | None = None
        self._incoming: asyncio.Task[bytes] | None = None
        self._cut_row = b""
        self._in_interval = False
        self._ended = False

    async def close(self) -> None:  # docstring inherited
        if not self.closed:
            self.closed = True
            self._wake()
            async with self._ending():
                if self._incoming is not None:
                    await asyncio.gather(self._incoming, return_exceptions=True)
                if self._close_reader is not None:
                    self._close_reader()
        self._raise_untold_failure()

    async def _fill(self) -> None:
        while True:
            if self.closed:
                raise ClosedPipeError("Cannot read from a closed pipe")
            if self._pending:
                return
            self._raise_failure()
            room = self._buffer_size - len(self._held)
            if self._ended or room <= 0:
                await self._only_held()
                return
            await self._receive(room)

    async def _receive(self, n_rows: int) -> None:
        """Wait for bytes and make them pending items."""
        size = n_rows * self.dtype.itemsize - len(self._cut_row)
        try:
            data = await self._read_bytes(size)
        except (OSError, EOFError) as error:
            # aborted from the other side: what had arrived whole was delivered before
            failure = PipeError(f"the other end of the pipe broke off: {error}")
            failure.__cause__ = error
            self.fail(failure)
            return
        except JouleError as error:
            self.fail(error)
            return
        if data is None:
            return
        if data:
            self._decode(data)
        elif self._cut_row:
            self.fail(
                PipeError(
                    f"the pipe ended inside a row, after {len(self._cut_row)} of its "
                    f"{self.dtype.itemsize} bytes"
                )
            )
        else:
            self._ended = True

    async def _read_bytes(self, size: int) -> bytes | None:
        """Read from the transport; `None` if woken by `close` or `fail`."""
        # a task of its own, so that close and fail can end the wait, and kept, so that bytes
        # which arrive just as the reading task is cancelled are there for its next read
        if self._incoming is None:
            reader = await self._open()
            if self.closed or self._failure is not None:
                return None
            self._incoming = asyncio.ensure_future(reader.read(size))
        task = self._incoming
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            task.cancel()
            raise
        if self._incoming is task:
            self._incoming = None
        return None if task.cancelled() else task.result()

    async def _open(self) -> ByteReader:
        if self.reader is None:
            if self.reader_factory is None:
                raise PipeError("the pipe has no reader")
            self.reader, self._close_reader = await self.reader_factory()
            if self.closed:
                self._close_reader()
        return self.reader

    def _decode(self, data: bytes) -> None:
        raw = bytearray(self._cut_row)
        raw += data
        whole = len(raw) - len(raw) % self.dtype.itemsize
        self._cut_row = bytes(raw[whole:])
        rows = np.frombuffer(raw, self.dtype, count=whole // self.dtype.itemsize)
        for item in split_at_tokens(rows):
            if item is not None or self._in_interval:
                self._pending.append(item)
            self._in_interval = item is not None

    def _wake(self) -> None:
        if self._incoming is not None:
            self._incoming.cancel()


class OutputPipe(WritingPipe):
    """Rows to a byte stream.

    After `write` the rows are with the transport, which holds at most one block above its
    high-water mark in memory; after `close` it has passed on everything. The bytes cannot tell
    the reader of a failure: after `fail`, `close` aborts the transport.

    Parameters
    ----------
    name, stream, layout
        As for every pipe.
    close_cb
        Coroutine function, awaited once when the pipe closes.
    writer
        Where the bytes go; closed with the pipe.
    writer_factory
        Opens the writer at the first write or, so that the reader sees an end, at `close`.
    """

    _keeps_rows = False

    def __init__(
        self,
        name: str | None = None,
        stream: DataStream | None = None,
        layout: str | None = None,
        close_cb: CloseCallback | None = None,
        writer: asyncio.StreamWriter | None = None,
        writer_factory: Callable[[], Awaitable[asyncio.StreamWriter]] | None = None,
    ) -> None:
        super().__init__(name, Pipe.DIRECTION.OUTPUT, None, stream, layout)
        self.writer = writer
        self.writer_factory = writer_factory
        self.close_cb = close_cb
        self._token = interval_token(self.layout).tobytes()

    def close_interval_nowait(self) -> None:
        """Mark a break without waiting for room in the transport; cached rows go before it.

        Raises
        ------
        PipeError
            Nothing has been sent yet, so that the writer would have to be opened first.
        """
        self._check_writable()
        if not self._interval_open:
            return
        if self.writer is None:
            raise PipeError("the pipe is not open yet, use close_interval")
        if self.subscribers:
            raise PipeError("cannot close_interval_nowait subscribers, use async")
        self.writer.write(self._packed([*self._take_cache(), None]))
        self._interval_open = False

    def _accept(self, data: object) -> Rows:
        rows = super()._accept(data)
        if len(token_indices(rows)):
            raise DataError(
                "a row with timestamp 0 and only zeros cannot be sent, it would read as a break"
            )
        return rows

    async def _send(self, items: Sequence[Item]) -> None:
        writer = await self._open()
        try:
            # before, not after: a write that is cancelled while it waits has sent nothing
            await writer.drain()
        except OSError as error:
            raise self._broken(error) from error
        self._raise_failure()
        writer.write(self._packed(items))

    def _packed(self, items: Sequence[Item]) -> bytes:
        return b"".join(self._token if item is None else item.tobytes() for item in items)

    async def _open(self) -> asyncio.StreamWriter:
        if self.writer is None:
            if self.writer_factory is None:
                raise PipeError("the pipe has no writer")
            try:
                self.writer = await self.writer_factory()
            except OSError as error:
                raise self._broken(error) from error
        return self.writer

    async def _finish(self) -> None:
        await super()._finish()
        if self.writer is None and self.writer_factory is None:
            return
        writer = await self._open()
        writer.close()
        try:
            await writer.wait_closed()
        except OSError as error:
            raise self._broken(error) from error

    async def _release(self) -> None:
        if self.writer is None:
            return
        # drop what the transport still holds, unless it has ended by itself
        transport = self.writer.transport
        if not transport.is_closing() or transport.get_write_buffer_size():
            transport.abort()

    def _broken(self, error: OSError) -> PipeError:
        failure = PipeError(f"the other end of the pipe is gone: {error}")
        self.fail(failure)
        self._failure_told = True
        return failure
