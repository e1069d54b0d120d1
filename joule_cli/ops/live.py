"""Rows of a stream while they are being written, joined to those that are stored.

Whoever asks for history and live rows subscribes first and then reads what is stored, so that every
row is in one of both at least. The first live row behind the history tells how far that reaches:
what lies between is read again, with the break that may be there, and live rows that were read
already are dropped. After an interruption the same is done behind the last row given.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from joule_cli.errors import (
    CertificateError,
    FormatError,
    NodeUnreachableError,
    StorageError,
    SubscriptionError,
    TransferCutError,
)
from joule_cli.formats.base import StreamHead
from joule_cli.ops.errors import OperationError, partial_after
from joule_cli.ops.export import write_items
from joule_cli.ops.progress import Meter
from joule_cli.ops.select import Projection
from joule_cli.ops.streams import require_row
from joule_cli.ops.worker import Worker
from joule_cli.series.layout import Layout

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

    from joule_cli.api.node import Node
    from joule_cli.errors import ApiError
    from joule_cli.formats.base import Writer
    from joule_cli.model import DataStream
    from joule_cli.ops.export import OpenWriter
    from joule_cli.ops.progress import ProgressCallback
    from joule_cli.ops.streams import FoundStream
    from joule_cli.pipes import Pipe
    from joule_cli.pipes.blocks import Item
    from joule_cli.series.layout import Rows

#: Reading history for longer than this, seconds, may be too long for a subscriber that waits.
_SHORT_S: Final = 2.0
#: Seconds until the next try to reach a node: first, and at most.
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.25, 10.0


@dataclass(frozen=True, slots=True)
class LiveOptions:
    """Which rows to give out.

    Parameters
    ----------
    history
        Begin with what is stored, not with the next row.
    start
        Leave out rows before this time, µs.
    after
        Continue a file whose last row has this timestamp.
    elements
        Indices of the elements, in the order wanted; `None` for all.
    scale
        Apply offset and scale factor of the elements.
    limit
        End after this many rows.
    duration_s
        End after this time.
    reconnect
        Try again when the node cannot be reached or has stopped sending, instead of failing.
    keep_what_came
        Complete the output after a failure too.
    """

    history: bool = False
    start: int | None = None
    after: int | None = None
    elements: Sequence[int] | None = None
    scale: bool = False
    limit: int | None = None
    duration_s: float | None = None
    reconnect: bool = False
    keep_what_came: bool = False


async def export_live(
    source: FoundStream,
    open_writer: OpenWriter,
    options: LiveOptions,
    progress: ProgressCallback | None = None,
    tell: Callable[[ApiError], None] = lambda error: None,
) -> int:
    """Write rows of a stream as they come; every block is flushed.

    It ends by `limit`, by `duration_s` or by being cancelled, and completes the output then. A
    stream without a producer is waited for, except on a Joule 1.0.1 node.

    Parameters
    ----------
    tell
        Receives what interrupts the rows, with `reconnect`.

    Returns
    -------
    int
        Number of rows.

    Raises
    ------
    StreamNotFound, SubscriptionError
        The stream is gone, or it cannot be followed.
    OperationError
        The file to continue is not one of the stream.
    FormatError
        The output cannot be written.
    BrokenPipeError
        Whoever read the output has left.
    PartialError
        It failed after rows had been given out.
    """
    if options.limit is not None and options.limit < 0:
        raise OperationError("the limit cannot be negative")
    if options.after is not None:
        await require_row(source, options.after)
    live = LiveRows(
        source.node,
        source.model,
        history=options.history,
        start=options.start,
        after=options.after,
        reconnect=options.reconnect,
        tell=tell,
    )
    output = _Output(source, open_writer, options, Meter(source.path, progress))
    async with Worker("live") as worker:
        complete = options.keep_what_came
        try:
            with partial_after(output.meter):
                limit = asyncio.timeout(options.duration_s)
                try:
                    async with limit, aclosing(live.items()) as found:
                        async for items in found:
                            if await output.take(worker, items):
                                break
                except TimeoutError:
                    if not limit.expired():
                        raise
            complete = True
        except asyncio.CancelledError:
            # there is no other end for rows that go on for ever
            complete = True
            raise
        except BrokenPipeError:
            complete = False
            raise
        finally:
            await output.close(worker, complete=complete)
    return output.meter.rows


class LiveRows:
    """The rows of one stream from some time on, each once, in order, without an end.

    Parameters
    ----------
    history, start, after, reconnect
        As in `LiveOptions`.
    tell
        Receives what interrupts the rows, once for each interruption.
    """

    def __init__(
        self,
        node: Node,
        stream: DataStream,
        *,
        history: bool,
        start: int | None,
        after: int | None,
        reconnect: bool,
        tell: Callable[[ApiError], None],
    ) -> None:
        self._node = node
        self._stream = stream
        self._reconnect = reconnect
        self._tell = tell
        #: Rows up to here are not wanted, or were given.
        bounds = [start - 1] if start is not None else []
        bounds += [after] if after is not None else []
        self._floor: int | None = max(bounds, default=None)
        self._last = after
        #: A break follows the last row, as far as is known.
        self._break_due = False
        #: What is stored behind `_floor` is wanted before what comes.
        self._joins = history or self._floor is not None

    async def items(self) -> AsyncGenerator[list[Item], None]:
        """Give rows, with a break wherever one lies between them.

        An empty list tells that there is a subscription.

        Raises
        ------
        ApiError
            The node cannot be reached, or has stopped sending.
        """
        pause = 0.0
        while True:
            try:
                async with aclosing(self._once()) as found:
                    async for items in found:
                        yield items
                        pause = 0.0
            except (NodeUnreachableError, TransferCutError, SubscriptionError, StorageError) as exc:
                if not self._reconnect or isinstance(exc, CertificateError):
                    raise
                if not pause:
                    self._tell(exc)
            pause = min(max(2 * pause, _FIRST_PAUSE_S), _LONGEST_PAUSE_S)
            await asyncio.sleep(pause)
            self._joins = self._joins or self._floor is not None

    async def _once(self) -> AsyncGenerator[list[Item], None]:
        while True:
            async with await self._node.data_subscribe(self._stream, follow=True) as pipe:
                yield []
                if self._joins:
                    began = time.monotonic()
                    async with aclosing(self._stored(None)) as history:
                        async for items in history:
                            yield items
                    if time.monotonic() - began > _SHORT_S:
                        # the next time there is less to read
                        continue
                async with aclosing(self._coming(pipe)) as coming:
                    async for items in coming:
                        yield items
                break
        raise SubscriptionError("the node has stopped sending rows", object=self._stream.name)

    async def _coming(self, pipe: Pipe) -> AsyncGenerator[list[Item], None]:
        async for rows, ends in pipe.blocks():
            new = self._behind(rows) if self._joins else rows
            if self._joins and len(new):
                async with aclosing(self._stored(int(new["timestamp"][0]))) as between:
                    async for items in between:
                        yield items
                self._joins = False
            if len(new):
                yield self._given(new)
            if ends and not self._joins:
                self._break_due = True

    async def _stored(self, end: int | None) -> AsyncGenerator[list[Item], None]:
        """Give what is stored behind the floor and before `end`, and find the break before that."""
        # the last row tells what follows it; if it is gone, what is missing with it is unknown
        low = self._floor
        if low is not None and low != self._last:
            low += 1
        self._break_due = self._last is not None
        pipe = await self._node.data_read(self._stream, low, None if end is None else end + 1)
        async with pipe:
            async for rows, ends in pipe.blocks():
                if len(rows) and rows["timestamp"][0] == self._last:
                    self._break_due = False
                new = self._behind(rows)
                reached = False
                if end is not None and len(new) and new["timestamp"][-1] >= end:
                    reached = True
                    new = new[: int(new["timestamp"].searchsorted(end))]
                if len(new):
                    yield self._given(new)
                if reached:
                    return
                if ends:
                    self._break_due = True
            if pipe.ends_in_gap:
                self._break_due = True

    def _behind(self, rows: Rows) -> Rows:
        if self._floor is None:
            return rows
        return rows[int(rows["timestamp"].searchsorted(self._floor, "right")) :]

    def _given(self, rows: Rows) -> list[Item]:
        items: list[Item] = [rows]
        if self._break_due and self._last is not None:
            items.insert(0, None)
        self._break_due = False
        self._floor = self._last = int(rows["timestamp"][-1])
        return items


class _Output:
    """The writer, from the first subscription on."""

    def __init__(
        self,
        source: FoundStream,
        open_writer: OpenWriter,
        options: LiveOptions,
        meter: Meter,
    ) -> None:
        stream = source.model
        self.meter = meter
        self._options = options
        self._open_writer = open_writer
        self._project = Projection(
            Layout.parse(stream.layout),
            stream.elements,
            columns=options.elements,
            scale=options.scale,
        )
        self._head = StreamHead(
            layout=self._project.layout,
            elements=self._project.elements,
            path=source.path,
            stream=stream,
            start=options.start,
            node_name=source.node.name,
            node_url=source.node.url,
        )
        self._writer: Writer | None = None

    async def take(self, worker: Worker, items: Sequence[Item]) -> bool:
        """Write rows and breaks; true when there are enough rows."""
        if self._writer is None:
            self._writer = await worker.call(self._open_writer, self._head)
            # a header tells the reader that rows will come
            await worker.call(self._writer.flush)
        limit, taken = self._options.limit, self.meter.rows
        waiting: list[Item] = []
        blocks: list[Rows] = []
        for item in items:
            rows = item if item is None or limit is None else item[: limit - taken]
            if rows is not None:
                if not len(rows):
                    break
                taken += len(rows)
                blocks.append(rows)
            waiting.append(None if rows is None else self._project(rows))
        if blocks:
            await worker.call(_write_and_flush, self._writer, waiting)
            self.meter.add_all(blocks)
        return taken == limit

    async def close(self, worker: Worker, *, complete: bool) -> None:
        """Finish the output, or leave it visibly unfinished."""
        if self._writer is None:
            return
        if complete:
            await worker.call(self._writer.close, complete=True)
        else:
            # not in the thread, which may be stuck in a write without a reader
            with suppress(FormatError, OSError):
                self._writer.close(complete=False)


def _write_and_flush(writer: Writer, items: Sequence[Item]) -> None:
    write_items(writer, items)
    writer.flush()
