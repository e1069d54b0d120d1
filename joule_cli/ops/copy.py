"""Copying one data stream to another node or another path, repeatable after an interruption."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from joule_cli.errors import LayoutMismatchError
from joule_cli.ops.annotations import copy_annotations, missing_annotations
from joule_cli.ops.errors import OperationError, UnitsMismatchError, partial_after
from joule_cli.ops.joints import join, joints
from joule_cli.ops.missing import refuse_missing_rows
from joule_cli.ops.progress import Meter
from joule_cli.ops.rows import RowWriter, reordered
from joule_cli.ops.streams import (
    check_bounds,
    create_stream,
    find_stream,
    like,
    model_of,
    refuse_same,
    stored_intervals,
)
from joule_cli.ops.targets import match_target
from joule_cli.ops.verify import verify_copy
from joule_cli.series.element_names import Naming, renamed
from joule_cli.series.intervals import Interval, clip, difference, intersection, union

if TYPE_CHECKING:
    from collections.abc import Sequence

    from joule_cli.model import Annotation, DataStream
    from joule_cli.ops.progress import ProgressCallback
    from joule_cli.ops.streams import Place


@dataclass(frozen=True, slots=True)
class CopyOptions:
    """What to copy and how.

    Parameters
    ----------
    start, end
        Half-open bounds, µs.
    new
        Copy only what follows the destination's last row; not together with `start`.
    intervals
        Copy only inside these.
    keep_us
        For a destination that is created; `None` takes the source's.
    annotations
        Copy the annotations that the destination lacks.
    accept_units
        Write to a destination whose units differ.
    naming
        Which element of the destination gets which of the source.
    verify
        Compare the rows of both streams afterwards.
    """

    start: int | None = None
    end: int | None = None
    new: bool = False
    intervals: Sequence[Interval] | None = None
    keep_us: int | None = None
    annotations: bool = True
    accept_units: bool = False
    naming: Naming = field(default_factory=Naming)
    verify: bool = False


@dataclass(frozen=True, slots=True)
class CopyPlan:
    """What a copy would do: nothing has been changed."""

    creates: bool
    intervals: list[Interval]
    rows: int
    annotations: int


@dataclass(slots=True)
class CopyResult:
    """What a copy did."""

    created: bool = False
    rows: int = 0
    intervals: list[Interval] = field(default_factory=list)
    annotations: int = 0
    verified_rows: int | None = None


async def plan_copy(source: Place, destination: Place, options: CopyOptions) -> CopyPlan:
    """Find out what `copy_stream` would do, with exact numbers of rows.

    Raises the same errors as `copy_stream` does before its first change.
    """
    work = await _prepare(source, destination, options)
    rows = 0
    for run in work.runs:
        rows += await source.node.data_count(work.source, run.start, run.end)
    return CopyPlan(work.target is None, work.pieces, rows, len(work.annotations))


async def copy_stream(
    source: Place,
    destination: Place,
    options: CopyOptions,
    progress: ProgressCallback | None = None,
) -> CopyResult:
    """Copy the rows that the destination does not cover yet, and create it if necessary.

    Afterwards the destination has the intervals of the source within the bounds, however often
    the copy was interrupted and repeated. Rows that the destination has are left as they are.

    Raises
    ------
    StreamNotFound
        There is no source.
    LayoutMismatchError
        The destination has another datatype.
    ElementNamesError
        Its elements are called otherwise.
    UnitsMismatchError
        Its units differ and `CopyOptions.accept_units` is false.
    OperationError
        The options contradict each other, or source and destination are one stream.
    MissingValuesError
        The rows have missing values, and the destination's node cannot hold them.
    VerificationError
        With `CopyOptions.verify`: rows differ.
    PartialError
        It failed after rows had been stored; a repetition continues there.
    """
    work = await _prepare(source, destination, options)
    result = CopyResult(created=work.target is None, intervals=work.pieces)
    target = work.target
    if target is None:
        model = like(work.source, destination.path, keep_us=options.keep_us)
        for element, name in zip(model.elements, work.names, strict=True):
            element.name = name
        target = await create_stream(destination, model)
    span = (work.pieces[0].start, work.pieces[-1].end) if work.pieces else None
    meter = Meter(destination.path, progress, span=span)
    with partial_after(meter):
        for run in work.runs:
            await _copy_run(source, destination, work, target, run, meter)
        await _join_runs(source, destination, work, target)
        result.rows = meter.rows
        result.annotations = await copy_annotations(destination.node, target, work.annotations)
    if options.verify:
        present = await stored_intervals(destination.node, target)
        others = difference(present, work.wanted) + difference(work.everything, work.wanted)
        runs = _join_pieces(work.wanted, union(others))
        result.verified_rows = await verify_copy(
            source, destination, work.source, target, runs, work.columns
        )
    return result


@dataclass(slots=True)
class _Copy:
    source: DataStream
    target: DataStream | None
    #: of the source's elements, in a new destination
    names: list[str]
    #: positions of the destination's elements in the source, if not the same
    columns: list[int] | None
    #: intervals of the whole source, bounds disregarded
    everything: list[Interval]
    #: the parts of them that the destination should have
    wanted: list[Interval]
    #: the parts of those that it does not have
    pieces: list[Interval]
    #: pieces joined where neither stream has anything between that is to stay as it is
    runs: list[Interval]
    annotations: list[Annotation]
    #: the destination can hold missing values
    missing: bool


async def _prepare(source: Place, destination: Place, options: CopyOptions) -> _Copy:
    check_bounds(options.start, options.end)
    if options.new and options.start is not None:
        raise OperationError("only new rows or rows from a start time, not both")
    stream = await model_of(source)
    target = await find_stream(destination)
    refuse_same(source, destination, stream, target)
    names = [element.name for element in stream.elements]
    columns = None
    if target is None:
        like(stream, destination.path)  # refuses an impossible path before anything is created
        names = renamed(names, options.naming.renames, noun="element")
    else:
        columns = _match(stream, target, destination.path, options)
    present = await stored_intervals(destination.node, target) if target is not None else []
    start = present[-1].end if options.new and present else options.start
    everything = await stored_intervals(source.node, stream)
    wanted = clip(everything, start, options.end)
    if options.intervals is not None:
        wanted = intersection(wanted, union(options.intervals))
    pieces = difference(wanted, present)
    blocked = union([*present, *difference(everything, pieces)])
    annotations: list[Annotation] = []
    if options.annotations:
        annotations = await missing_annotations(
            source, destination, start, options.end, options.intervals, creates=target is None
        )
    runs = _join_pieces(pieces, blocked)
    missing = await refuse_missing_rows(source, destination, stream, runs)
    return _Copy(
        stream, target, names, columns, everything, wanted, pieces, runs, annotations, missing
    )


def _match(
    source: DataStream, target: DataStream, path: str, options: CopyOptions
) -> list[int] | None:
    """Return the positions of the destination's elements in the source, if not the same."""
    if source.datatype != target.datatype:
        raise LayoutMismatchError(
            f"the destination has the layout {target.layout}, the source {source.layout}",
            object=path,
        )
    names = [element.name for element in source.elements]
    columns = match_target(names, target, options.naming, path)
    differences = []
    for new, at in zip(target.elements, columns or range(len(names)), strict=True):
        old = source.elements[at]
        if (old.units or "") != (new.units or ""):
            differences.append(
                f"{new.name} is in {new.units or 'no unit'}, not {old.units or 'no unit'}"
            )
    if differences and not options.accept_units:
        raise UnitsMismatchError(path, differences)
    return columns


def _join_pieces(pieces: Sequence[Interval], blocked: Sequence[Interval]) -> list[Interval]:
    """Join neighbours that have nothing of `blocked` between them: one read and write for all."""
    runs: list[Interval] = []
    for piece in pieces:
        if runs:
            at = bisect_right(blocked, runs[-1].end, key=lambda interval: interval.end)
            if at == len(blocked) or blocked[at].start >= piece.start:
                runs[-1] = Interval(runs[-1].start, piece.end)
                continue
        runs.append(piece)
    return runs


async def _copy_run(
    source: Place,
    destination: Place,
    work: _Copy,
    target: DataStream,
    run: Interval,
    meter: Meter,
) -> None:
    reader = await source.node.data_read(work.source, run.start, run.end)
    async with reader:
        pipe = await destination.node.data_write(target, missing=work.missing)
        async with RowWriter(pipe, meter) as writer:
            async for rows, ended in reader.blocks():
                await writer.write(reordered(rows, work.columns))
                if ended:
                    await writer.end_interval()


async def _join_runs(source: Place, destination: Place, work: _Copy, target: DataStream) -> None:
    """Give the destination the source's intervals where the bounds of this copy reach."""
    if not work.wanted:
        return
    first, last = work.wanted[0].start, work.wanted[-1].end
    present = await stored_intervals(destination.node, target)
    for span in joints(present, work.everything):
        if span.end < first or span.start > last:
            continue
        if span.start < span.end and await stored_intervals(
            source.node, work.source, span.start, span.end
        ):
            continue  # the source has rows here that this copy was not asked for
        await join(destination.node, target, [span])
