"""A pipe between two tasks of one process."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import numpy as np

from joule_cli.errors import EmptyPipeError, PipeError
from joule_cli.pipes.base import CloseCallback, Pipe
from joule_cli.pipes.blocks import Item, flatten_rows
from joule_cli.pipes.reading import ReadingPipe
from joule_cli.pipes.writing import WritingPipe, own
from joule_cli.series.layout import Layout

if TYPE_CHECKING:
    from collections.abc import Sequence

    from joule_cli.model.data_stream import DataStream

#: The `write_limit` of pipes between a node and a program, as in Joule 1.0.1.
QUEUED_BLOCKS = 5

log = logging.getLogger(__name__)


class LocalPipe(ReadingPipe, WritingPipe):
    """A queue of blocks inside one process, for both directions.

    After `write` the rows are in memory, ready for the reader. Both sides hold the same object:
    a `close` by the writer lets the reader have what is left, a `close` by the reader makes a
    waiting or later write raise `ClosedPipeError`.

    Parameters
    ----------
    layout
        ``<datatype>_<width>``.
    name
        For logs and messages.
    close_cb
        Coroutine function, awaited once when the pipe closes.
    debug
        Log each read and write at debug level.
    stream
        The stream that the rows belong to.
    write_limit
        Blocks that may wait for the reader; a writer then waits for room. 0, the default, sets
        no limit, so that a program may fill a pipe before it reads from it. Breaks need no room.
    """

    def __init__(
        self,
        layout: str | None,
        name: str | None = None,
        close_cb: CloseCallback | None = None,
        debug: bool = False,
        stream: DataStream | None = None,
        write_limit: int = 0,
    ) -> None:
        super().__init__(name, Pipe.DIRECTION.TWOWAY, None, stream, layout)
        self.close_cb = close_cb
        self.debug = debug
        self._write_limit = write_limit
        self._queued_blocks = 0
        self._arrived = asyncio.Event()
        self._room = asyncio.Event()

    def change_layout(self, layout: str) -> None:
        """Set another layout.

        Raises
        ------
        PipeError
            Rows of the present layout are in the pipe.
        ValueError
            Not a layout.
        """
        if self._pending or self._cache or len(self._held):
            raise PipeError("layout cannot be changed while rows are in the pipe")
        self._row_layout = Layout.parse(layout)
        self._layout = layout
        self._held = np.empty(0, self.dtype)

    async def hand_over(self, items: Sequence[Item]) -> None:
        """Write rows and breaks that the caller gives up: neither copied nor cached.

        They wait for room together, and are then in the pipe together: many short intervals
        cost no more than one block.
        """
        async with self._turn:
            self._check_writable()
            if items:
                await self._send(items)
                await self._copy_to_subscribers(items)
                self._interval_open = items[-1] is not None

    async def wait_for_room(self) -> None:
        """Wait until `write` would not wait, or would raise."""
        while self.is_full and self._failure is None and not self.closed:
            self._room.clear()
            await self._room.wait()

    @property
    def waiting_bytes(self) -> int:
        """Memory of the rows that were written and not read yet."""
        return sum(item.nbytes for item in self._pending if item is not None)

    def read_nowait(self, flatten: bool = False) -> Any:
        """Return what `read` would without waiting, an empty array if there is nothing yet.

        Raises
        ------
        EmptyPipeError, PipeError
            As `read`; ``No data left to reread`` if that was asked for and all is consumed.
        """
        if self._reread:
            self._reread = False
            if not len(self._held):
                raise PipeError("No data left to reread")
        elif not (self._break_follows and len(self._held)):
            if not self._pending:
                self._raise_failure()
                if self.closed and not len(self._held):
                    raise EmptyPipeError("the pipe is closed and every row has been read")
                if not len(self._held):
                    self._break_follows = False
            self._take()
        return flatten_rows(self._held) if flatten else self._held

    def write_nowait(self, data: object) -> None:
        """Write rows without waiting.

        Raises
        ------
        PipeError
            As `write`; also if the pipe or a subscriber has no room or a subscriber is no
            `LocalPipe`. Nothing is written then.
        """
        self._check_writable()
        rows = own(self._accept(data), data)
        if not len(rows):
            return
        if self._cached_rows + len(rows) < self._cache_lines:
            self._put_in_cache(rows)
        else:
            subscribers = self._local_subscribers("write_nowait to")
            if any(pipe.is_full for pipe in (self, *subscribers)):
                raise PipeError("no room in the pipe")
            self._put_in_cache(rows)
            self._push_cache(subscribers)
        self._interval_open = True

    def close_interval_nowait(self) -> None:
        """Mark a break without waiting for room in the pipe; cached rows go before it."""
        self._check_writable()
        if not self._interval_open:
            return
        subscribers = self._local_subscribers("close_interval_nowait on")
        self._put_in_cache(None)
        self._push_cache(subscribers)
        self._interval_open = False

    @property
    def is_full(self) -> bool:
        """Whether a write would wait now."""
        return 0 < self._write_limit <= self._queued_blocks

    async def close(self) -> None:  # docstring inherited
        if not self.closed:
            # past the limit: a reader that closes would wait for itself to make room
            items = self._take_cache() if self._failure is None else []
            self._push(items)
            self.closed = True
            self._wake()
            async with self._ending():
                await self._copy_to_subscribers(items)
        self._raise_untold_failure()

    def close_nowait(self) -> None:
        """Close without waiting.

        Raises
        ------
        PipeError
            There are subscribers or a `close_cb`, which have to be awaited.
        """
        if self.subscribers:
            raise PipeError("cannot close_nowait subscribers, use async")
        if self.close_cb is not None:
            raise PipeError("close_cb cannot be executed, use async")
        if not self.closed:
            self._push(self._take_cache())
            self.closed = True
            self._wake()

    async def _fill(self) -> None:
        while not self._pending:
            self._raise_failure()
            if self.closed:
                await self._only_held()
                return
            self._arrived.clear()
            await self._arrived.wait()

    def _take(self) -> int:
        taken = super()._take()
        self._queued_blocks -= taken
        self._room.set()
        if self.debug:
            log.debug("[%s:read] %d rows unconsumed", self.name, len(self._held))
        return taken

    async def _send(self, items: Sequence[Item]) -> None:
        if self._pending:
            # the reader's turn: blocks taken one by one need not be joined, and a writer to a
            # pipe without limit must not keep the other tasks from running
            await asyncio.sleep(0)
        needs_room = any(item is not None for item in items)
        while needs_room and self.is_full and self._failure is None and not self.closed:
            self._room.clear()
            await self._room.wait()
        self._check_writable()
        self._push(items)

    def _push(self, items: Sequence[Item]) -> None:
        self._pending.extend(items)
        self._queued_blocks += sum(item is not None for item in items)
        self._arrived.set()
        if self.debug:
            for item in items:
                text = "break" if item is None else f"{len(item)} rows"
                log.debug("[%s:write] queueing %s", self.name, text)

    def _push_cache(self, subscribers: Sequence[LocalPipe]) -> None:
        items = self._take_cache()
        self._push(items)
        for pipe in subscribers:
            for item in items:
                if item is None:
                    pipe.close_interval_nowait()
                else:
                    pipe.write_nowait(item)

    def _local_subscribers(self, action: str) -> list[LocalPipe]:
        local = [pipe for pipe in self.subscribers if isinstance(pipe, LocalPipe)]
        for pipe in self.subscribers:
            if pipe not in local:
                raise PipeError(f"cannot {action} subscriber [{pipe.name}]")
        return [pipe for pipe in local if not pipe.closed]

    def _wake(self) -> None:
        self._arrived.set()
        self._room.set()
