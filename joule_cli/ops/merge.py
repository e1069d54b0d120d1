"""Putting the elements of several streams side by side."""

from __future__ import annotations

import itertools
from bisect import bisect_right
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from joule_cli.model import DataStream, Element
from joule_cli.ops.errors import OperationError, partial_after
from joule_cli.ops.joints import enclosing
from joule_cli.ops.missing import holds_missing
from joule_cli.ops.progress import Meter
from joule_cli.ops.reach import reach_back, reach_forward
from joule_cli.ops.resample import Cursor, Method, cover, sample
from joule_cli.ops.rows import RowWriter, even_blocks, fill_values, reordered
from joule_cli.ops.streams import (
    Place,
    check_bounds,
    create_stream,
    find_stream,
    fresh_elements,
    refuse_same,
    split_path,
    stored_intervals,
)
from joule_cli.ops.targets import join_inside, match_target, refuse_rows_inside, result_type
from joule_cli.series.element_names import Naming, renamed
from joule_cli.series.intervals import Interval, difference, intersection
from joule_cli.series.layout import Layout

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from joule_cli.api.node import Node
    from joule_cli.ops.progress import ProgressCallback
    from joule_cli.series.layout import Rows


#: Time between pieces that is read for nothing in any case, µs.
_SHORT_GAP = 10_000_000


class MergeInput(NamedTuple):
    """A stream and the prefix of its element names; `None` takes the stream's name."""

    path: str
    prefix: str | None = None


@dataclass(frozen=True, slots=True)
class MergeOptions:
    """How streams are merged.

    Parameters
    ----------
    start, end
        Half-open bounds of the primary's rows, µs.
    interpolate
        How a secondary's value at a primary's time is found, see `resample.sample`.
    tolerance
        Leave out rows without a secondary sample within this many µs.
    min_interval
        Leave out pieces of common time shorter than this many µs; they are reported.
    datatype
        Of the result: ``float32`` or ``float64``; `None` takes the destination's, else what holds
        every value of the sources.
    naming
        Which element of the destination gets which of the result.
    resume
        Add only what the destination lacks; without it, rows there are an `OverlapError`.
    """

    start: int | None = None
    end: int | None = None
    interpolate: Method = "linear"
    tolerance: int | None = None
    min_interval: int = 0
    datatype: str | None = None
    naming: Naming = field(default_factory=Naming)
    resume: bool = True


@dataclass(slots=True)
class MergeResult:
    """What was merged.

    Parameters
    ----------
    intervals
        The pieces of time that were worked on.
    short
        Pieces left out because of `MergeOptions.min_interval`.
    unmatched
        Primary rows in those pieces that have no secondary sample within the tolerance.
    """

    created: bool = False
    rows: int = 0
    unmatched: int = 0
    intervals: list[Interval] = field(default_factory=list)
    short: list[Interval] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class MergePlan:
    """What a merge would do, with the number of primary rows; nothing has been changed."""

    creates: bool
    datatype: str
    elements: list[str]
    rows: int
    intervals: list[Interval]
    short: list[Interval]


async def plan_merge(
    node: Node,
    primary: MergeInput,
    secondaries: Sequence[MergeInput],
    destination: str,
    options: MergeOptions,
) -> MergePlan:
    """Find out what `merge_streams` would do; it raises the same errors."""
    work = await _prepare(node, primary, secondaries, destination, options)
    rows = 0
    for piece in work.pieces:
        rows += await node.data_count(work.streams[0], piece.start, piece.end)
    return MergePlan(
        work.target is None,
        work.model.datatype,
        [element.name for element in work.model.elements],
        rows,
        work.pieces,
        work.short,
    )


async def merge_streams(
    node: Node,
    primary: MergeInput,
    secondaries: Sequence[MergeInput],
    destination: str,
    options: MergeOptions,
    progress: ProgressCallback | None = None,
) -> MergeResult:
    """Write the primary's rows with the secondaries' values at the same times beside them.

    Every primary row that all secondaries cover is kept, with its timestamp.

    Raises
    ------
    OperationError
        There is no secondary, or a stream is used twice.
    LayoutMismatchError
        The destination does not store floats.
    ElementNamesError
        Its elements are called otherwise.
    OverlapError
        The destination has rows there and `MergeOptions.resume` is false.
    PartialError
        It failed after rows had been stored; a repetition continues there.
    """
    work = await _prepare(node, primary, secondaries, destination, options)
    place = Place(node, destination)
    result = MergeResult(created=work.target is None, intervals=work.pieces, short=work.short)
    target = work.target or await create_stream(place, work.model)
    span = (work.pieces[0].start, work.pieces[-1].end) if work.pieces else None
    meter = Meter(destination, progress, span=span)
    with partial_after(meter):
        for run in _runs(work.pieces, work.present):
            result.unmatched += await _merge_run(node, work, target, run, options, meter)
        # in all of them: an interruption may have come just before this
        await join_inside(place, target, work.wholes)
    result.rows = meter.rows
    return result


@dataclass(slots=True)
class _Merge:
    #: the primary first
    streams: list[DataStream]
    #: the secondaries' whole intervals
    intervals: list[list[Interval]]
    target: DataStream | None
    model: DataStream
    #: positions of the destination's elements among all, if not the same
    columns: list[int] | None
    #: common time, which becomes the destination's intervals
    wholes: list[Interval]
    #: the destination's intervals
    present: list[Interval]
    #: the part of the common time that it lacks
    pieces: list[Interval]
    short: list[Interval]


async def _prepare(
    node: Node,
    primary: MergeInput,
    secondaries: Sequence[MergeInput],
    destination: str,
    options: MergeOptions,
) -> _Merge:
    check_bounds(options.start, options.end)
    if not secondaries:
        raise OperationError("a merge needs at least one secondary stream")
    inputs = [primary, *secondaries]
    streams = [await node.data_stream_get(source.path) for source in inputs]
    place = Place(node, destination)
    target = await find_stream(place)
    for source, stream in zip(inputs, streams, strict=True):
        refuse_same(Place(node, source.path), place, stream, target)
    elements = _elements(inputs, streams)
    datatype = result_type(target, streams, options.datatype, destination)
    names = [element.name for element in elements]
    columns = None
    if target is not None:
        columns = match_target(names, target, options.naming, destination)
        elements = fresh_elements(target.elements)
    else:
        names = renamed(names, options.naming.renames, noun="element")
        elements = [replace(each, name=name) for each, name in zip(elements, names, strict=True)]
    _refuse_doubles(elements)
    model = DataStream(split_path(destination)[1], "", datatype, elements=elements)
    common = await stored_intervals(node, streams[0], options.start, options.end)
    intervals = []
    for stream in streams[1:]:
        intervals.append(await stored_intervals(node, stream))
        common = intersection(common, cover(intervals[-1], options.interpolate, options.tolerance))
    wholes = [piece for piece in common if piece.end - piece.start >= options.min_interval]
    short = [piece for piece in common if piece.end - piece.start < options.min_interval]
    present: list[Interval] = []
    if target is not None:
        if not options.resume:
            await refuse_rows_inside(place, target, wholes)
        present = await stored_intervals(node, target)
    pieces: list[Interval] = []
    touched = {enclosing(wholes, hit.start) for hit in intersection(wholes, present)}
    for piece in difference(wholes, present):
        beside = enclosing(wholes, piece.start) in touched
        # what is left beside the destination's rows may hold no primary row
        if beside and not await node.data_count(streams[0], piece.start, piece.end):
            continue
        pieces.append(piece)
    return _Merge(streams, intervals, target, model, columns, wholes, present, pieces, short)


def _runs(pieces: Sequence[Interval], present: Sequence[Interval]) -> list[list[Interval]]:
    """Put pieces together that are worked on with one read and one write.

    The time between them is read for nothing, so it is at most as long as what precedes it.
    """
    runs: list[list[Interval]] = []
    for piece in pieces:
        if runs:
            start, end = runs[-1][0].start, runs[-1][-1].end
            near = piece.start - end <= max(end - start, _SHORT_GAP)
            at = bisect_right(present, end, key=lambda interval: interval.end)
            if near and (at == len(present) or present[at].start >= piece.start):
                runs[-1].append(piece)
                continue
        runs.append([piece])
    return runs


def _elements(inputs: Sequence[MergeInput], streams: Sequence[DataStream]) -> list[Element]:
    """Put the name or the prefix of its stream before the name of each element."""
    elements: list[Element] = []
    for source, stream in zip(inputs, streams, strict=True):
        prefix = stream.name if source.prefix is None else source.prefix
        elements += [
            replace(element, name=f"{prefix} {element.name}".strip())
            for element in fresh_elements(stream.elements)
        ]
    return elements


def _refuse_doubles(elements: Sequence[Element]) -> None:
    names = [element.name for element in elements]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise OperationError(
            f"two elements would be called {twice[0]}", hint="give the streams different prefixes"
        )


async def _merge_run(
    node: Node,
    work: _Merge,
    target: DataStream,
    pieces: Sequence[Interval],
    options: MergeOptions,
    meter: Meter,
) -> int:
    """Merge neighbouring pieces and return the number of rows without a partner."""
    span = Interval(pieces[0].start, pieces[-1].end)
    unmatched = 0
    layout = Layout.parse(work.model.layout)
    async with AsyncExitStack() as stack:
        pipe = await stack.enter_async_context(
            await node.data_read(work.streams[0], span.start, span.end)
        )
        cursors = []
        for stream, intervals in zip(work.streams[1:], work.intervals, strict=True):
            low, high = await _reach(node, stream, intervals, span)
            secondary = await node.data_read(stream, low, high)
            cursor = Cursor(await stack.enter_async_context(secondary))
            cursors.append(await stack.enter_async_context(aclosing(cursor)))
        # on a node that cannot hold missing values, the sources have none
        out = await node.data_write(target, missing=await holds_missing(node))
        writer = await stack.enter_async_context(RowWriter(out, meter))
        inside = _Inside(pieces)
        async with aclosing(even_blocks(pipe)) as blocks:
            async for rows, _ in blocks:
                for fresh, rest in inside.parts(rows):
                    if fresh:
                        await writer.end_interval()
                    while len(rest):
                        await _reach_all(cursors, int(rest["timestamp"][0]))
                        known = min(cursor.known_until for cursor in cursors)
                        ready = int(np.searchsorted(rest["timestamp"], known, "right"))
                        merged = _side_by_side(rest[:ready], cursors, layout, options, meter.stream)
                        unmatched += ready - len(merged)
                        await writer.write(reordered(merged, work.columns))
                        rest = rest[ready:]
    return unmatched


class _Inside:
    """Cuts rows at the bounds of pieces and drops those outside."""

    def __init__(self, pieces: Sequence[Interval]) -> None:
        self._edges = np.array(pieces, np.int64).reshape(-1)
        self._starts = np.array([piece.start for piece in pieces], np.int64)
        self._current: int | None = None

    def parts(self, rows: Rows) -> Iterator[tuple[bool, Rows]]:
        """Yield the rows of each piece, and whether the piece is another than the last one."""
        stamps = rows["timestamp"]
        piece = np.searchsorted(self._starts, stamps, "right") - 1
        kept = (piece >= 0) & (stamps < self._edges[2 * np.maximum(piece, 0) + 1])
        if not kept.all():
            rows, piece = rows[kept], piece[kept]
        if not len(rows):
            return
        cuts = (np.flatnonzero(np.diff(piece)) + 1).tolist()
        for begin, end in itertools.pairwise([0, *cuts, len(rows)]):
            number = int(piece[begin])
            yield number != self._current, rows[begin:end]
            self._current = number


async def _reach_all(cursors: Sequence[Cursor], time: int) -> None:
    for cursor in cursors:
        await cursor.reach(time)


async def _reach(
    node: Node, stream: DataStream, intervals: Sequence[Interval], piece: Interval
) -> tuple[int, int]:
    """Return a range that holds one sample beyond each end of `piece`."""
    low = await reach_back(node, stream, piece.start, 1, min(intervals[0].start, piece.start))
    high = await reach_forward(node, stream, piece.end, 1, max(intervals[-1].end, piece.end))
    return low, high


def _side_by_side(
    rows: Rows,
    cursors: Sequence[Cursor],
    layout: Layout,
    options: MergeOptions,
    destination: str,
) -> Rows:
    out: Rows = np.empty(len(rows), layout.dtype)
    out["timestamp"] = rows["timestamp"]
    column = rows["data"].shape[1]
    complete = np.ones(len(rows), np.bool_)
    fill_values(out, rows["data"], destination)
    for cursor in cursors:
        values, found = sample(
            cursor.rows, rows["timestamp"], options.interpolate, options.tolerance
        )
        # what stands where there is no value does not count
        values[~found] = 0
        fill_values(out, values, destination, column=column)
        column += values.shape[1]
        complete &= found
    return out if complete.all() else out[complete]
