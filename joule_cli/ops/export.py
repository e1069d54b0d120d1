"""Reading one stream into one file."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

from joule_cli.errors import FormatError
from joule_cli.formats.base import StreamHead, Writer
from joule_cli.ops.errors import OperationError, partial_after
from joule_cli.ops.progress import Meter
from joule_cli.ops.rows import block_rows, even_blocks
from joule_cli.ops.select import Projection
from joule_cli.ops.streams import check_bounds, require_row, stored_intervals
from joule_cli.ops.worker import Worker
from joule_cli.series.intervals import clip, union
from joule_cli.series.layout import Layout

if TYPE_CHECKING:
    from collections.abc import Sequence

    from joule_cli.model import DataStream
    from joule_cli.ops.progress import ProgressCallback
    from joule_cli.ops.streams import FoundStream
    from joule_cli.series.intervals import Interval
    from joule_cli.series.layout import Rows

#: Opens the file for rows that the head describes.
OpenWriter: TypeAlias = Callable[[StreamHead], Writer]


#: A break costs about as much as this many rows.
_BREAK_SIZE = 10


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """Which rows of a stream to give out.

    Parameters
    ----------
    start, end
        Half-open bounds, µs.
    intervals
        Give only what lies inside these, with a break between them; not with `max_rows`.
    max_rows
        Decimate to at most this many rows.
    bounds
        With decimated rows, give minima and maxima as well.
    elements
        Indices of the elements, in the order wanted; `None` for all.
    scale
        Apply offset and scale factor of the elements.
    limit
        Stop after this many rows.
    after
        Continue a file whose last row has this timestamp.
    list_intervals
        Find out the intervals beforehand and put them into the head.
    """

    start: int | None = None
    end: int | None = None
    intervals: Sequence[Interval] | None = None
    max_rows: int | None = None
    bounds: bool = False
    elements: Sequence[int] | None = None
    scale: bool = False
    limit: int | None = None
    after: int | None = None
    list_intervals: bool = False


@dataclass(slots=True)
class ExportResult:
    """What was given out.

    Parameters
    ----------
    start, end
        First timestamp, and 1 µs past the last; `None` without rows.
    decimation_level
        Stored rows for each row.
    model
        The stream with the chosen elements only, and the type of the rows.
    """

    model: DataStream
    rows: int = 0
    intervals: int = 0
    start: int | None = None
    end: int | None = None
    decimation_level: int = 1


async def export_stream(
    source: FoundStream,
    open_writer: OpenWriter,
    options: ExportOptions,
    progress: ProgressCallback | None = None,
) -> ExportResult:
    """Write rows of a stream with a writer that `open_writer` makes.

    The writer is completed if all went well and left incomplete otherwise. A stream without rows
    makes a file without rows. Formatting runs in a thread beside the reading.

    Raises
    ------
    StreamNotFound
        The stream is gone.
    OperationError
        The options contradict each other, or the file to continue is not one of the stream.
    FormatError
        The file cannot be written.
    BrokenPipeError
        Whoever read the output has left.
    PartialError
        It failed after rows had been given out.
    """
    _check(options)
    run = _Run(source, open_writer, options, progress)
    async with Worker("export") as worker:
        try:
            with partial_after(run.meter):
                await run.everything(worker)
        except BaseException:
            run.abandon()
            raise
    return run.result


def _check(options: ExportOptions) -> None:
    check_bounds(options.start, options.end)
    if options.intervals is not None and options.max_rows is not None:
        raise OperationError("rows are decimated over one range, not over several intervals")
    if options.after is not None and options.max_rows is not None:
        raise OperationError("a file of decimated rows cannot be continued")
    if options.limit is not None and options.limit < 0:
        raise OperationError("the limit cannot be negative")


def _pieces(options: ExportOptions) -> list[tuple[int | None, int | None]]:
    start, end = options.start, options.end
    if options.after is not None:
        start = options.after + 1 if start is None else max(start, options.after + 1)
    if options.intervals is not None:
        return [*clip(union(options.intervals), start, end)]
    if start is not None and end is not None and start >= end:
        return []  # a continued file has everything already
    return [(start, end)]


class _Run:
    def __init__(
        self,
        source: FoundStream,
        open_writer: OpenWriter,
        options: ExportOptions,
        progress: ProgressCallback | None,
    ) -> None:
        self._source = source
        self._node, self._path, self._stream = source.node, source.path, source.model
        self._open_writer = open_writer
        self._options = options
        self._writer: Writer | None = None
        self._project: Projection | None = None
        self._in_interval = False
        self._waiting: list[Rows | None] = []
        self._waiting_rows = 0
        self._weight = 0
        self.result = ExportResult(source.model)
        span = None
        if options.start is not None and options.end is not None:
            span = (options.start, options.end)
        self.meter = Meter(source.path, progress, span=span)

    async def everything(self, worker: Worker) -> None:
        if self._options.after is not None:
            await require_row(self._source, self._options.after)
        pieces = _pieces(self._options)
        if not pieces:
            await self._open(worker, Layout.parse(self._stream.layout), 1, [])
        for start, end in pieces:
            if await self._piece(worker, start, end, pieces):
                break
        if self._writer is not None:
            await worker.call(self._writer.close, complete=True)

    async def _piece(
        self,
        worker: Worker,
        start: int | None,
        end: int | None,
        pieces: Sequence[tuple[int | None, int | None]],
    ) -> bool:
        """Give out one range; true when the limit is reached."""
        pipe = await self._node.data_read(self._stream, start, end, self._options.max_rows)
        size = block_rows(pipe)
        async with pipe, aclosing(even_blocks(pipe)) as blocks:
            if self._writer is None:
                await self._open(worker, pipe.row_layout, pipe.decimation_level, pieces)
            async for rows, ended in blocks:
                if self._take(rows):
                    break
                if ended:
                    self._end_interval()
                if self._weight >= size:
                    await self._give(worker)
        self._end_interval()
        await self._give(worker)
        return self._options.limit is not None and self.result.rows == self._options.limit

    async def _open(
        self,
        worker: Worker,
        layout: Layout,
        level: int,
        pieces: Sequence[tuple[int | None, int | None]],
    ) -> None:
        options = self._options
        project = self._project = Projection(
            layout,
            self._stream.elements,
            columns=options.elements,
            decimated=level > 1,
            bounds=options.bounds,
            scale=options.scale,
        )
        intervals = None
        if options.list_intervals:
            intervals = [
                found
                for start, end in pieces
                for found in await stored_intervals(self._node, self._stream, start, end)
            ]
        head = StreamHead(
            layout=project.layout,
            elements=project.elements,
            path=self._path,
            stream=self._stream,
            decimation_level=level,
            bounds=project.bounds,
            intervals=intervals,
            start=options.start,
            end=options.end,
            node_name=self._node.name,
            node_url=self._node.url,
        )
        self.result.decimation_level = level
        self.result.model = replace(
            self._stream, datatype=project.layout.datatype, elements=project.elements
        )
        self._writer = await worker.call(self._open_writer, head)
        if options.after is not None and await self._breaks_after(options.after):
            await worker.call(self._writer.interval_break)

    async def _breaks_after(self, last: int) -> bool:
        """Tell whether the stream has a break right after the row at `last`."""
        # beginning at that row: without a break, its interval goes on behind it
        found = await stored_intervals(self._node, self._stream, last, None)
        return not (found and found[0].start == last and found[0].end > last + 1)

    def _take(self, rows: Rows) -> bool:
        """Collect rows for the writer; true when the limit is reached."""
        assert self._project is not None
        limit, taken = self._options.limit, self.result.rows + self._waiting_rows
        if limit is not None:
            rows = rows[: limit - taken]
        if len(rows):
            self.result.intervals += not self._in_interval
            self._in_interval = True
            self._waiting.append(self._project(rows))
            self._waiting_rows += len(rows)
            self._weight += len(rows)
        return taken + len(rows) == limit

    def _end_interval(self) -> None:
        if self._in_interval:
            self._waiting.append(None)
            self._weight += _BREAK_SIZE
            self._in_interval = False

    async def _give(self, worker: Worker) -> None:
        """Hand what was collected to the writer with one call of its thread."""
        assert self._writer is not None
        waiting = self._waiting
        self._waiting, self._waiting_rows, self._weight = [], 0, 0
        await worker.call(write_items, self._writer, waiting)
        blocks = [rows for rows in waiting if rows is not None]
        if blocks:
            result = self.result
            result.rows += sum(map(len, blocks))
            first, last = blocks[0]["timestamp"][0], blocks[-1]["timestamp"][-1]
            result.start = int(first) if result.start is None else result.start
            result.end = int(last) + 1
            self.meter.add_all(blocks)

    def abandon(self) -> None:
        """Leave the output visibly unfinished."""
        if self._writer is not None:
            # not in the thread, which may be stuck in a write without a reader
            with suppress(FormatError, OSError):
                self._writer.close(complete=False)


def write_items(writer: Writer, items: Sequence[Rows | None]) -> None:
    """Write rows, and breaks (`None`)."""
    for rows in items:
        if rows is None:
            writer.interval_break()
        else:
            writer.write(rows)
