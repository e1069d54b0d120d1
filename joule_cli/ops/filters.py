"""Moving mean and running median of a stream, written to another stream."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from joule_cli.model.data_stream import KEEP_ALL
from joule_cli.ops.errors import partial_after
from joule_cli.ops.progress import Meter
from joule_cli.ops.reach import reach_back, reach_forward
from joule_cli.ops.rows import RowWriter, even_blocks, refuse_not_finite
from joule_cli.ops.streams import (
    check_bounds,
    create_stream,
    find_stream,
    like,
    refuse_same,
    stored_intervals,
)
from joule_cli.ops.targets import join_inside, refuse_rows_inside, result_type
from joule_cli.ops.windows import (
    Kernel,
    WindowFilter,
    check_window,
    moving_mean,
    running_median,
)
from joule_cli.series.intervals import Interval, clip, difference

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from joule_cli.model import DataStream
    from joule_cli.ops.progress import ProgressCallback
    from joule_cli.ops.streams import Place
    from joule_cli.series.layout import Rows

_KERNELS: Final[dict[str, Kernel]] = {"mean": moving_mean, "median": running_median}


@dataclass(frozen=True, slots=True)
class FilterOptions:
    """What to compute and where.

    Parameters
    ----------
    window
        Rows in a window, odd.
    start, end
        Half-open bounds, µs; rows outside are not used.
    datatype
        Of the results: ``float32`` or ``float64``; `None` takes the destination's, else float32.
    mode
        What to do when the destination has rows in the source's intervals: ``fail`` raises
        `OverlapError`, ``resume`` computes what is missing, ``replace`` computes everything.
    """

    kind: Literal["mean", "median"]
    window: int
    start: int | None = None
    end: int | None = None
    datatype: str | None = None
    mode: Literal["fail", "resume", "replace"] = "fail"


@dataclass(slots=True)
class FilterResult:
    """What was computed.

    Parameters
    ----------
    intervals
        Those of the source that were worked on.
    short
        Intervals with fewer rows than the window, which have no result.
    """

    created: bool = False
    rows: int = 0
    intervals: list[Interval] = field(default_factory=list)
    short: list[Interval] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class FilterPlan:
    """What a filter would do; nothing has been changed."""

    creates: bool
    datatype: str
    intervals: list[Interval]
    short: list[Interval]


async def plan_filter(source: Place, destination: Place, options: FilterOptions) -> FilterPlan:
    """Find out what `filter_stream` would do; it raises the same errors, `OverlapError` too."""
    work = await _prepare(source, destination, options)
    todo = list(dict.fromkeys(task.whole for task in work.tasks))
    return FilterPlan(work.target is None, work.datatype, todo, work.short)


async def filter_stream(
    source: Place,
    destination: Place,
    options: FilterOptions,
    progress: ProgressCallback | None = None,
) -> FilterResult:
    """Filter each interval of `source` on its own and write the results to `destination`.

    Results are written in pieces, and a piece is computed and checked before the rows that it
    replaces are deleted.

    Raises
    ------
    OperationError
        The window is not odd and positive, or source and destination are one stream.
    LayoutMismatchError
        The destination has another number of elements, or does not store floats.
    OverlapError
        The destination has rows there and `FilterOptions.mode` is ``fail``.
    PartialError
        It failed after rows had been stored; ``resume`` continues there.
    """
    work = await _prepare(source, destination, options)
    result = FilterResult(created=work.target is None, short=work.short)
    target = work.target
    if target is None:
        model = like(work.source, destination.path, keep_us=KEEP_ALL, datatype=work.datatype)
        target = await create_stream(destination, model)
    span = (work.tasks[0].part.start, work.tasks[-1].part.end) if work.tasks else None
    meter = Meter(destination.path, progress, span=span)
    with partial_after(meter):
        for task in work.tasks:
            results = _results(source, work, task, options)
            async with aclosing(results):
                if options.mode == "replace":
                    await _replace(destination, target, task.part, results, meter)
                else:
                    await _append(destination, target, results, meter)
        result.intervals = list(dict.fromkeys(task.whole for task in work.tasks))
        if options.mode == "resume":
            await join_inside(destination, target, result.intervals)
        if options.mode == "replace":
            for piece in work.short:
                await destination.node.data_delete(target, piece.start, piece.end)
    result.rows = meter.rows
    return result


@dataclass(frozen=True, slots=True)
class _Task:
    whole: Interval
    #: results in this part of `whole` are missing
    part: Interval


@dataclass(slots=True)
class _Work:
    source: DataStream
    target: DataStream | None
    datatype: str
    tasks: list[_Task]
    short: list[Interval]


async def _prepare(source: Place, destination: Place, options: FilterOptions) -> _Work:
    check_window(options.window)
    check_bounds(options.start, options.end)
    stream = await source.node.data_stream_get(source.path)
    target = await find_stream(destination)
    refuse_same(source, destination, stream, target)
    datatype = result_type(target, len(stream.elements), options.datatype, destination.path)
    like(stream, destination.path)  # refuses an impossible path
    wholes = await stored_intervals(source.node, stream, options.start, options.end)
    if options.mode == "fail":
        await refuse_rows_inside(destination, target, wholes)
    present: list[Interval] = []
    if target is not None and options.mode == "resume":
        present = await stored_intervals(destination.node, target)
    work = _Work(stream, target, datatype, [], [])
    for whole in wholes:
        if await source.node.data_count(stream, *whole) < options.window:
            work.short.append(whole)
            continue
        done = clip(present, whole.start, whole.end)
        for part in difference([whole], done):
            # the first and last rows of an interval never have a result
            edges = (part.start == whole.start) + (part.end == whole.end)
            spare = edges * (options.window // 2) if done else 0
            if await source.node.data_count(stream, *part) > spare:
                work.tasks.append(_Task(whole, part))
    return work


async def _results(
    source: Place, work: _Work, task: _Task, options: FilterOptions
) -> AsyncGenerator[Rows, None]:
    """Compute the results with timestamps inside the part."""
    half = options.window // 2
    whole, part = task.whole, task.part
    start = await reach_back(source.node, work.source, part.start, half, whole.start)
    end = await reach_forward(source.node, work.source, part.end, half, whole.end)
    pipe = await source.node.data_read(work.source, start, end)
    async with pipe, aclosing(even_blocks(pipe)) as blocks:
        kernel = WindowFilter(
            _KERNELS[options.kind], options.window, pipe.row_layout, work.datatype
        )
        async for rows, _ in blocks:
            found = kernel.feed(rows)
            low, high = np.searchsorted(found["timestamp"], part)
            if low < high:
                yield found[low:high]


async def _append(
    destination: Place, target: DataStream, results: AsyncIterator[Rows], meter: Meter
) -> None:
    pipe = await destination.node.data_write(target)
    async with RowWriter(pipe, meter) as writer:
        async for rows in results:
            await writer.write(rows)


async def _replace(
    destination: Place,
    target: DataStream,
    part: Interval,
    results: AsyncIterator[Rows],
    meter: Meter,
) -> None:
    """Write piece by piece; the pieces together cover the part, and so replace all of it."""
    begin = part.start
    last: int | None = None
    async for rows in results:
        refuse_not_finite(rows, destination.path)
        first = int(rows["timestamp"][0])
        stop = int(rows["timestamp"][-1]) + 1
        gap = 0 if last is None else max(first - last - 1, 1)
        pipe = await destination.node.data_write(target, begin, stop, gap)
        async with RowWriter(pipe, meter) as writer:
            await writer.write(rows)
        begin, last = stop, stop - 1
    if begin < part.end:
        await destination.node.data_delete(target, begin, part.end)
