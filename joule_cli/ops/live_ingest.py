"""Storing rows while they arrive, each within a given time."""

from __future__ import annotations

import asyncio
import logging
import math
import random
import time
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from joule_cli.errors import ApiError, DataError, LayoutMismatchError, StreamInUseError
from joule_cli.ops.errors import partial_after
from joule_cli.ops.joints import gap_before
from joule_cli.ops.rows import RowWriter
from joule_cli.ops.streams import Place, create_or_use, like
from joule_cli.ops.worker import read_ahead, with_share

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Iterator

    import numpy as np
    import numpy.typing as npt

    from joule_cli.api.node import Node
    from joule_cli.formats import Reader
    from joule_cli.model import DataStream
    from joule_cli.ops.progress import Meter
    from joule_cli.ops.worker import Worker
    from joule_cli.pipes import Pipe
    from joule_cli.series.layout import Rows

    #: Rows or a break, and the share of the input that is done with them.
    Item = tuple[Rows | None, float | None]


log = logging.getLogger("joule_cli.ops")

#: Seconds that another program has to finish its writing, and after which the wait is told.
_GIVE_UP_S, _NOTICE_S = 10.0, 1.0


class Clock:
    """Gives rows without times their timestamps, each once and rising.

    Parameters
    ----------
    first
        Time of the first row, µs; `None` takes the clock when it comes.
    rate
        Rows per second; `None` takes the clock for every block of rows.
    """

    def __init__(self, first: int | None, rate: float | None) -> None:
        self._first = first
        self._rate = rate
        self._count = 0
        self._next = -(2**63)

    def __call__(self, n: int) -> npt.NDArray[np.int64]:
        """Return the timestamps of the next `n` rows."""
        import numpy as np

        if self._rate is None:
            start = max(time.time_ns() // 1000, self._next)
            self._next = start + n
            return np.arange(start, start + n, dtype=np.int64)
        if self._first is None:
            self._first = time.time_ns() // 1000
        numbers = np.arange(self._count, self._count + n, dtype=np.int64)
        self._count += n
        if self._rate.is_integer():
            steps = numbers * 1_000_000 // int(self._rate)
        else:
            steps = np.floor(numbers * (1e6 / self._rate)).astype(np.int64)
        stamps: npt.NDArray[np.int64] = self._first + steps
        return stamps


@dataclass(slots=True)
class Target:
    """The stream that is written: existing, or created from `model` with the first rows."""

    node: Node
    path: str
    stream: DataStream | None
    model: DataStream | None
    merge_gap: int
    missing: bool = False
    cleared: tuple[int | None, int | None] = (None, None)
    #: rows in that range before it is cleared, and how many of them are gone
    doomed: int = 0
    deleted: int = 0

    def check(self, reader: Reader) -> None:
        """Refuse rows of another width before anything is changed."""
        known = self.stream or self.model
        assert known is not None
        width = len(known.elements)
        if reader.head.layout.width != width:
            raise LayoutMismatchError(
                f"the stream has {width} elements, the input {reader.head.layout.width}",
                object=self.path,
            )

    @asynccontextmanager
    async def writer(self, meter: Meter, first: int) -> AsyncIterator[RowWriter]:
        """Open the stream for rows from `first` on; leaving the block stores what was written."""
        if self.stream is None:
            assert self.model is not None
            place = Place(self.node, self.path)
            self.stream = await create_or_use(place, like(self.model, self.path))
        gap = await gap_before(self.node, self.stream, first, self.merge_gap, self.cleared)
        pipe = await self._pipe(self.stream, gap)
        self.deleted = self.doomed
        async with RowWriter(pipe, meter) as writer:
            yield writer

    async def _pipe(self, stream: DataStream, merge_gap: int) -> Pipe:
        """Return what writes to the stream; wait a little for another program that does."""
        began = time.monotonic()
        told = False
        while True:
            try:
                return await self.node.data_write(
                    stream, *self.cleared, merge_gap=merge_gap, missing=self.missing
                )
            except StreamInUseError:
                waited = time.monotonic() - began
                if waited > _GIVE_UP_S:
                    raise
                if waited > _NOTICE_S and not told:
                    told = True
                    log.warning("waiting for another program that writes to %s", self.path)
            # two that wait the same time would meet again
            await asyncio.sleep(random.uniform(0.01, 0.05))


async def pump(
    worker: Worker, reader: Reader, target: Target, meter: Meter, flush_s: float
) -> int | None:
    """Write all rows of the input; `meter` counts those that are stored.

    Nothing is created or deleted before the first rows have been read. A failure or a
    cancellation stores the rows that had arrived.

    Returns
    -------
    int or None
        The first timestamp.

    Raises
    ------
    PartialError
        It failed after rows had been stored.
    """
    target.check(reader)
    with partial_after(meter), _about(target.path):
        items = with_share(reader.blocks(), reader)
        async with aclosing(read_ahead(worker, items)) as ahead:
            found = await anext(ahead, None)
            if found is None:
                return None
            first, meter.share = found
            assert first is not None
            start = int(first["timestamp"][0])
            async with target.writer(meter, start) as writer:
                await writer.write(first)
                await _follow(ahead, writer, meter, flush_s)
    return start


@contextmanager
def _about(path: str) -> Iterator[None]:
    """Name the stream by its path in what the node refuses."""
    try:
        yield
    except ApiError as exc:
        # an older node refuses with no more than a text, and our client names the stream
        if isinstance(exc, DataError) or exc.object == path.rpartition("/")[2]:
            exc.object = path
        raise


async def _follow(
    ahead: AsyncGenerator[Item, None], writer: RowWriter, meter: Meter, flush_s: float
) -> None:
    due = time.monotonic() + flush_s
    while True:
        coming = asyncio.ensure_future(_next(ahead))
        try:
            while not coming.done():
                wait = None if due == math.inf else max(due - time.monotonic(), 0)
                await asyncio.wait({coming}, timeout=wait)
                if time.monotonic() >= due:
                    await writer.flush()
                    due = math.inf
        except BaseException:
            if not coming.done():
                coming.cancel()
                await asyncio.wait({coming})
            if not coming.cancelled() and coming.exception() is None and (item := coming.result()):
                # it was read when the interruption came
                await _take(writer, item[0])
            raise
        item = coming.result()
        if item is None:
            return
        rows, meter.share = item
        await _take(writer, rows)
        if rows is not None and due == math.inf:
            due = time.monotonic() + flush_s


async def _next(ahead: AsyncGenerator[Item, None]) -> Item | None:
    return await anext(ahead, None)


async def _take(writer: RowWriter, rows: Rows | None) -> None:
    if rows is None:
        await writer.end_interval()
    else:
        await writer.write(rows)
