"""Writing the rows of an open input, and taking them back when it turns out to be bad."""

from __future__ import annotations

import asyncio
import itertools
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from joule_cli.errors import DataError, DiskFullError, FormatError, JouleError
from joule_cli.formats.base import Tally
from joule_cli.ops.backfill import Backfill, open_pipe
from joule_cli.ops.errors import OperationError, OverlapError, PartialError
from joule_cli.ops.gaps import GapWatch
from joule_cli.ops.progress import Meter
from joule_cli.ops.rows import RowWriter
from joule_cli.ops.streams import create_stream
from joule_cli.ops.worker import drop, read_ahead
from joule_cli.series.intervals import Interval, difference

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator, Sequence

    import numpy.typing as npt

    from joule_cli.model import DataStream
    from joule_cli.ops.ingest_source import ReadPart, Source
    from joule_cli.ops.progress import ProgressCallback
    from joule_cli.series.layout import Rows


@dataclass(slots=True)
class IngestResult:
    """What came into the stream.

    Parameters
    ----------
    skipped
        Good rows that were left out: stored already, or before the point of resumption.
    tally
        What the reader noticed: bad rows that were left out, missing values, warnings.
    gaps
        What is known about the usual step.
    replaced
        Rows of the stream that were deleted.
    start, end
        Of the rows written: the first, and 1 µs past the last.
    """

    stream: str
    created: bool = False
    rows: int = 0
    skipped: int = 0
    replaced: int = 0
    intervals: int = 0
    start: int | None = None
    end: int | None = None
    tally: Tally = field(default_factory=Tally)
    gaps: GapWatch = field(default_factory=GapWatch)


class IngestRun:
    """One pass over the input that writes.

    `present` are the stream's intervals before the first row is written. Nothing inside them is
    touched: rows that fall there are an `OverlapError`. With ``skip`` those between the stored rows
    are added, and those whose time is stored are left out.
    """

    def __init__(
        self, source: Source, present: Sequence[Interval], progress: ProgressCallback | None
    ) -> None:
        self.source = source
        self.options = source.options
        self.present = present
        self.result = IngestResult(source.place.path)
        self._meter = Meter(source.place.path, progress)
        # starts and ends in one array: an odd position is inside an existing interval
        self._edges: npt.NDArray[np.int64] = np.array(present, np.int64).reshape(-1)
        self._slot: int | None = None
        self._resume_after = present[-1].end - 1 if self.options.resume and present else None
        self._join = self.options.join
        self._handed: Interval | None = None
        self._between: Backfill | None = None
        self._break_due = True

    async def write(self, items: Iterator[Rows | None] | None = None) -> IngestResult:
        """Write everything, or leave the stream as it was and raise.

        Parameters
        ----------
        items
            Takes the place of the source's own, when some of those were read already.
        """
        self.source.tell_rejects()
        try:
            await self._write(self.source.items() if items is None else items)
        except (FormatError, DataError, OperationError, DiskFullError) as exc:
            await self._undo(exc)
            raise
        except JouleError as exc:
            if self._meter.rows or self.result.replaced:
                raise PartialError.after(exc, self._meter) from exc
            raise
        return self._finished()

    async def _write(self, items: Iterator[Rows | None]) -> None:
        source = self.source
        batches = source.batches(items)
        async with aclosing(read_ahead(source.worker, batches)) as ahead:
            # read before the stream is created: a file that is bad from the start creates nothing
            batch = await anext(ahead, None)
            if source.stream is None:
                source.stream = await create_stream(source.place, source.model())
                self.result.created = True
            while batch is not None:
                self._meter.share = batch[1]
                if left := self._after_resumption(batch[0]):
                    await self._pump(source.stream, left, ahead)
                    break
                self._meter.tell()
                batch = await anext(ahead, None)
        if self._between is not None:
            assert source.stream is not None
            self.result.skipped += await self._between.write(source, self._meter)

    async def _pump(
        self,
        stream: DataStream,
        batch: list[Rows | None],
        ahead: AsyncGenerator[ReadPart, None],
    ) -> None:
        assert batch[0] is not None
        gap = self._merge_gap(int(batch[0]["timestamp"][0])) if self._join else 0
        pipe = await open_pipe(self.source.place.node, stream, self.options.read, gap)
        async with RowWriter(pipe, self._meter) as writer:
            more: ReadPart | None = (batch, self._meter.share)
            while more is not None:
                items, self._meter.share = more
                for rows in items:
                    if rows is None:
                        await writer.end_interval()
                        self._slot = None
                    else:
                        self.result.gaps.add(rows, fresh=self._break_due)
                        await self._take(writer, rows)
                    self._break_due = rows is None
                if self._between is not None:
                    # rows that wait there are read, too
                    self._meter.tell()
                more = await self._next(ahead, writer)

    async def _next(
        self, ahead: AsyncGenerator[ReadPart, None], writer: RowWriter
    ) -> ReadPart | None:
        """Wait for more; store what is there when live input pauses."""
        pause = self.options.flush_after
        if pause is None:
            return await anext(ahead, None)
        coming = asyncio.ensure_future(anext(ahead, None))
        try:
            done, _ = await asyncio.wait({coming}, timeout=pause)
            if not done:
                await writer.flush()
            return await coming
        except BaseException:
            await drop(coming)
            raise

    async def _take(self, writer: RowWriter, rows: Rows) -> None:
        for slot, part in self._parts(rows):
            if slot % 2:
                if self._between is None:
                    self._between = Backfill(part.dtype, self.present)
                self._between.add(part)
                continue
            if self._slot != slot:
                await writer.end_interval()
                self.result.intervals += 1
                self._slot = slot
            stamps = part["timestamp"]
            start = int(stamps[0]) if self._handed is None else self._handed.start
            self._handed = Interval(start, int(stamps[-1]) + 1)
            await writer.write(part)

    def _parts(self, rows: Rows) -> Iterator[tuple[int, Rows]]:
        """Split rows at the edges of the existing intervals."""
        if not len(self._edges) or self._resume_after is not None:
            yield 0, rows
            return
        slots = np.searchsorted(self._edges, rows["timestamp"], "right")
        cuts = (np.flatnonzero(np.diff(slots)) + 1).tolist()
        for begin, end in itertools.pairwise([0, *cuts, len(rows)]):
            slot = int(slots[begin])
            crossed = self._slot is not None and self._slot != slot
            if (slot % 2 or crossed) and self.options.on_conflict != "skip":
                hit = self.present[(slot - 1) // 2]
                raise OverlapError(self.source.place.path, hit.start, hit.end, 0)
            yield slot, rows[begin:end]

    def _after_resumption(self, batch: list[Rows | None]) -> list[Rows | None]:
        """Return what follows the stream's last row, and find out whether it continues it."""
        for at, rows in enumerate(batch):
            if rows is None:
                self._join = self.options.join
                continue
            if self._resume_after is None:
                return batch[at:]
            done = int(np.searchsorted(rows["timestamp"], self._resume_after, "right"))
            self.result.skipped += done
            if done:
                self._join = int(rows["timestamp"][done - 1]) == self._resume_after
            if done < len(rows):
                return [rows[done:], *batch[at + 1 :]]
        return []

    def _merge_gap(self, first: int) -> int:
        before = int(np.searchsorted(self._edges, first, "right"))
        return max(first - int(self._edges[before - 1]), 1) if before and before % 2 == 0 else 0

    async def _undo(self, cause: JouleError) -> None:
        """Remove what this run wrote; `PartialError` if that is not possible."""
        place, stream = self.source.place, self.source.stream
        if stream is None:
            return
        if self.result.replaced:
            raise PartialError.after(cause, self._meter) from cause
        try:
            if self.result.created:
                await place.node.data_stream_delete(stream)
            elif self._handed is not None:
                for piece in difference([self._handed], self.present):
                    await place.node.data_delete(stream, piece.start, piece.end)
        except JouleError as failure:
            failure.__cause__ = cause
            raise PartialError.after(cause, self._meter) from failure

    def _finished(self) -> IngestResult:
        result = self.result
        result.tally = self.source.reader.tally
        result.rows = self._meter.rows
        if self._handed is not None:
            result.start, result.end = self._handed
        return result
