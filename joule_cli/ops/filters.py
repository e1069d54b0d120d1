"""Moving mean and running median of a stream, written to another stream."""

from __future__ import annotations

from bisect import bisect_right
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from joule_cli.model.data_stream import KEEP_ALL
from joule_cli.ops.errors import partial_after
from joule_cli.ops.joints import enclosing
from joule_cli.ops.missing import holds_missing, may_lack_values, refuse_missing
from joule_cli.ops.progress import Meter
from joule_cli.ops.reach import reach_back, reach_forward
from joule_cli.ops.rows import RowWriter, even_blocks, reordered
from joule_cli.ops.streams import (
    check_bounds,
    create_stream,
    find_stream,
    like,
    model_of,
    refuse_same,
    stored_intervals,
)
from joule_cli.ops.targets import join_inside, match_target, refuse_rows_inside, result_type
from joule_cli.ops.windows import (
    Kernel,
    Unit,
    WindowFilter,
    check_window,
    margins,
    moving_mean,
    running_median,
)
from joule_cli.series.element_names import Naming, renamed
from joule_cli.series.intervals import Interval, difference, intersection

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
    window, unit
        Rows in a window, or its length in µs; see `WindowFilter`.
    start, end
        Half-open bounds, µs; rows outside are not used.
    datatype
        Of the results: ``float32`` or ``float64``; `None` takes the destination's, else what holds
        every value of the source.
    naming
        Which element of the destination gets which of the source.
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
    unit: Unit = "rows"
    naming: Naming = field(default_factory=Naming)


@dataclass(slots=True)
class FilterResult:
    """What was computed.

    Parameters
    ----------
    intervals
        Those of the source that were worked on.
    short
        Intervals shorter than the window, which have no result.
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
    todo: list[Interval] = []
    short = list(work.short)
    for whole in work.wholes:
        (todo if await _has_results(source, work, whole, whole, options) else short).append(whole)
    return FilterPlan(work.target is None, work.datatype, todo, sorted(short))


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
        The window is not positive, or source and destination are one stream.
    LayoutMismatchError
        The destination does not store floats.
    ElementNamesError
        Its elements are called otherwise.
    OverlapError
        The destination has rows there and `FilterOptions.mode` is ``fail``.
    MissingValuesError
        Windows have only missing values, and the destination's node cannot hold the results.
    PartialError
        It failed after rows had been stored; ``resume`` continues there.
    """
    work = await _prepare(source, destination, options)
    result = FilterResult(created=work.target is None)
    target = work.target
    if target is None:
        model = like(work.source, destination.path, keep_us=KEEP_ALL, datatype=work.datatype)
        for element, name in zip(model.elements, work.names, strict=True):
            element.name = name
        target = await create_stream(destination, model)
    span = (work.wholes[0].start, work.wholes[-1].end) if work.wholes else None
    meter = Meter(destination.path, progress, span=span)
    with partial_after(meter):
        for task in work.tasks:
            found = _results(source, work, task, options, destination.path)
            async with aclosing(found) as results:
                if task.replace:
                    await _replace(destination, target, work, task.part, results, meter)
                else:
                    await _append(destination, target, work, results, meter)
        if options.mode == "resume":
            # all of them: an interruption may have come just before this
            await join_inside(destination, target, work.everything)
        if options.mode == "replace":
            for piece in work.short:
                await destination.node.data_delete(target, piece.start, piece.end)
    short = sorted({*work.short, *work.found_short})
    result.short = short
    result.intervals = [whole for whole in work.wholes if whole not in set(short)]
    result.rows = meter.rows
    return result


@dataclass(frozen=True, slots=True)
class _Task:
    #: the interval, or several, from the first to the last
    source: Interval
    #: results in this part are missing
    part: Interval
    replace: bool


@dataclass(slots=True)
class _Filter:
    source: DataStream
    target: DataStream | None
    datatype: str
    #: of the elements, in a new destination
    names: list[str]
    #: positions of the destination's elements in the source, if not the same
    columns: list[int] | None
    everything: list[Interval]
    #: the source's intervals that something is to be done in
    wholes: list[Interval]
    tasks: list[_Task]
    #: those with rows of the destination, but too few of the source
    short: list[Interval]
    #: others with too few, found while reading
    found_short: list[Interval]
    #: the destination can hold missing results
    missing: bool


async def _prepare(source: Place, destination: Place, options: FilterOptions) -> _Filter:
    check_window(options.window)
    check_bounds(options.start, options.end)
    stream = await model_of(source)
    target = await find_stream(destination)
    refuse_same(source, destination, stream, target)
    datatype = result_type(target, [stream], options.datatype, destination.path)
    like(stream, destination.path)  # refuses an impossible path
    names = [element.name for element in stream.elements]
    columns = None
    if target is not None:
        columns = match_target(names, target, options.naming, destination.path)
    else:
        names = renamed(names, options.naming.renames, noun="element")
    wholes = await stored_intervals(source.node, stream, options.start, options.end)
    if options.mode == "fail":
        await refuse_rows_inside(destination, target, wholes)
    present: list[Interval] = []
    if target is not None and options.mode != "fail":
        present = await stored_intervals(destination.node, target)
    missing = await holds_missing(destination.node)
    work = _Filter(stream, target, datatype, names, columns, wholes, [], [], [], [], missing)
    touched = {enclosing(wholes, hit.start) for hit in intersection(wholes, present)}
    begin: Interval | None = None  # of a row of intervals that the destination has nothing of
    last: Interval | None = None
    for whole in wholes:
        if whole not in touched:
            begin = begin or whole
            last = whole
            work.wholes.append(whole)
            continue
        if begin and last:
            work.tasks.append(_run(begin, last))
            begin = None
        await _prepare_touched(source, work, whole, present, options)
    if begin and last:
        work.tasks.append(_run(begin, last))
    if not missing and await may_lack_values(source.node, stream):
        # results that were stored before the first missing one would stay
        for task in work.tasks:
            found = _results(source, work, task, options, destination.path)
            async with aclosing(found) as results:
                await refuse_missing(results, destination)
    return work


def _run(first: Interval, last: Interval) -> _Task:
    span = Interval(first.start, last.end)
    return _Task(span, span, replace=False)


async def _prepare_touched(
    source: Place,
    work: _Filter,
    whole: Interval,
    present: list[Interval],
    options: FilterOptions,
) -> None:
    """Find out what is left to do in an interval of which the destination has something."""
    if not await _has_results(source, work, whole, whole, options):
        work.short.append(whole)
        return
    if options.mode == "replace":
        work.tasks.append(_Task(whole, whole, replace=True))
        work.wholes.append(whole)
        return
    missing = [
        _Task(whole, part, replace=False)
        for part in difference([whole], present[_first_inside(present, whole) :])
        if await _has_results(source, work, whole, part, options)
    ]
    if missing:
        work.tasks += missing
        work.wholes.append(whole)


async def _has_results(
    source: Place, work: _Filter, whole: Interval, part: Interval, options: FilterOptions
) -> bool:
    """Tell whether a part of the interval `whole` has rows whose window lies inside of it."""
    before, after = margins(options.window, options.unit)
    low, high = part
    least = 1
    if options.unit == "us":
        low, high = max(low, whole.start + before), min(high, whole.end - after + 1)
    else:
        least += before if low == whole.start else 0
        least += after if high == whole.end else 0
    return low < high and await source.node.data_count(work.source, low, high) >= least


def _first_inside(present: list[Interval], whole: Interval) -> int:
    return bisect_right(present, whole.start, key=lambda interval: interval.end)


async def _results(
    source: Place, work: _Filter, task: _Task, options: FilterOptions, destination: str
) -> AsyncGenerator[tuple[Rows, bool], None]:
    """Compute the results with timestamps inside the part, and where an interval ends."""
    limits, part = task.source, task.part
    first, last = part
    before, after = margins(options.window, options.unit)
    if options.unit == "us":
        # and a row beyond, which tells that the interval goes on
        first, last = max(first - before, limits.start), min(last + after, limits.end)
        before = after = 1
    start = await reach_back(source.node, work.source, first, before, limits.start)
    end = await reach_forward(source.node, work.source, last, after, limits.end)
    pipe = await source.node.data_read(work.source, start, end)
    async with pipe, aclosing(even_blocks(pipe)) as blocks:
        kernel: WindowFilter | None = None
        async for rows, ended in blocks:
            kernel = kernel or WindowFilter(
                _KERNELS[options.kind],
                options.window,
                pipe.row_layout,
                work.datatype,
                destination=destination,
                unit=options.unit,
            )
            found = reordered(kernel.feed(rows), work.columns)
            low, high = np.searchsorted(found["timestamp"], part)
            if low < high or ended:
                yield found[low:high], ended
            if ended:
                _note_short(kernel, work)
                kernel = None
        if kernel is not None:
            _note_short(kernel, work)


def _note_short(kernel: WindowFilter, work: _Filter) -> None:
    """Remember the interval that ends now if it had too few rows for any result."""
    span = kernel.unused
    if span is not None:
        work.found_short.append(Interval(*span))


async def _append(
    destination: Place,
    target: DataStream,
    work: _Filter,
    results: AsyncIterator[tuple[Rows, bool]],
    meter: Meter,
) -> None:
    pipe = await destination.node.data_write(target, missing=work.missing)
    async with RowWriter(pipe, meter) as writer:
        async for rows, ended in results:
            await writer.write(rows)
            if ended:
                await writer.end_interval()


async def _replace(
    destination: Place,
    target: DataStream,
    work: _Filter,
    part: Interval,
    results: AsyncIterator[tuple[Rows, bool]],
    meter: Meter,
) -> None:
    """Write piece by piece; the pieces together cover the part, and so replace all of it."""
    begin = part.start
    last: int | None = None
    async for rows, _ in results:
        first = int(rows["timestamp"][0])
        stop = int(rows["timestamp"][-1]) + 1
        gap = 0 if last is None else max(first - last - 1, 1)
        pipe = await destination.node.data_write(target, begin, stop, gap, missing=work.missing)
        async with RowWriter(pipe, meter) as writer:
            await writer.write(rows)
        begin, last = stop, stop - 1
    if begin < part.end:
        await destination.node.data_delete(target, begin, part.end)
