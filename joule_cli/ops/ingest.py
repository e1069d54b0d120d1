"""Rows from a file into a data stream, so that a bad file changes nothing."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from joule_cli.errors import JouleError
from joule_cli.ops.errors import OperationError, OverlapError, PartialError
from joule_cli.ops.ingest_run import IngestResult, IngestRun
from joule_cli.ops.ingest_source import IngestOptions, OpenReader, Source
from joule_cli.ops.streams import stored_intervals
from joule_cli.ops.worker import Worker
from joule_cli.series.intervals import Interval, difference, intersection

if TYPE_CHECKING:
    from joule_cli.api.node import Node
    from joule_cli.formats.base import Tally
    from joule_cli.ops.gaps import GapWatch
    from joule_cli.ops.progress import ProgressCallback


@dataclass(slots=True)
class IngestPlan:
    """What a file holds and what is in its way; nothing has been changed."""

    stream: str
    creates: bool
    layout: str
    rows: int
    intervals: list[Interval]
    conflicts: int
    tally: Tally
    gaps: GapWatch


async def plan_ingest(
    open_reader: OpenReader,
    node: Node,
    path: str | None,
    options: IngestOptions,
    progress: ProgressCallback | None = None,
) -> IngestPlan:
    """Read the whole input and find out what `ingest` would do; the input is used up.

    Raises
    ------
    FormatError
        The input is bad.
    JouleError
        As `ingest` does before its first change.
    """
    async with Worker("ingest") as worker:
        source = Source(worker, open_reader, node, options)
        try:
            await source.open(path)
            layout = str(source.reader.head.layout)
            content = await source.examine(progress)
        finally:
            await source.close()
        conflicts = await _conflicts(source, content.intervals)
    return IngestPlan(
        stream=source.place.path,
        creates=source.stream is None,
        layout=layout,
        rows=content.rows,
        intervals=content.intervals,
        conflicts=await _count(source, conflicts),
        tally=content.tally,
        gaps=content.gaps,
    )


async def ingest(
    open_reader: OpenReader,
    node: Node,
    path: str | None,
    options: IngestOptions,
    progress: ProgressCallback | None = None,
) -> IngestResult:
    """Write the rows of a file to the stream at `path`, by default the one the file names.

    Nothing is deleted before the whole file was checked. When the input turns out to be bad
    later, the rows that this run wrote are removed again, and so is a stream that it created.

    Raises
    ------
    FormatError, DataError
        The input is bad; the node is as it was.
    StreamNotFound
        There is no stream, and `IngestOptions.create` is false.
    OverlapError
        The stream has rows there, and `IngestOptions.on_conflict` is ``fail``.
    OperationError
        No stream is named, or ``replace`` with an input that cannot be read twice.
    PartialError
        The node failed after rows had been stored.
    """
    async with Worker("ingest") as worker:
        source = Source(worker, open_reader, node, options)
        try:
            await source.open(path)
            present: list[Interval] = []
            if source.stream is not None:
                present = await stored_intervals(node, source.stream)
            if not present or options.resume or options.on_conflict == "skip":
                return await IngestRun(source, present, progress).write()
            return await _ingest_beside(source, present, progress)
        finally:
            await source.close()


async def _ingest_beside(
    source: Source, present: list[Interval], progress: ProgressCallback | None
) -> IngestResult:
    """Write to a stream that has rows: see that none is in the way, or replace those."""
    options = source.options
    if not options.repeatable:
        if options.on_conflict == "replace":
            raise OperationError(
                "rows can only be replaced from a file, which is checked first",
                object=source.reader.name,
            )
        return await IngestRun(source, present, progress).write()
    items = source.items()
    first = await source.worker.call(next, items, None)
    if first is not None and int(first["timestamp"][0]) >= present[-1].end:
        return await IngestRun(source, present, progress).write(itertools.chain([first], items))
    await source.reopen()
    content = await source.examine(progress)
    conflicts = await _conflicts(source, content.intervals)
    replaced = 0
    if conflicts:
        replaced = await _count(source, conflicts)
        if options.on_conflict == "fail":
            start, end = content.intervals[0].start, content.intervals[-1].end
            raise OverlapError(source.place.path, start, end, replaced)
    await source.reopen()
    if conflicts:
        await _delete(source, conflicts)
        present = difference(present, conflicts)
    run = IngestRun(source, present, progress)
    run.result.replaced = replaced
    return await run.write()


async def _delete(source: Source, pieces: list[Interval]) -> None:
    assert source.stream is not None
    for number, piece in enumerate(pieces):
        try:
            await source.place.node.data_delete(source.stream, piece.start, piece.end)
        except JouleError as exc:
            if number == 0:
                raise
            raise PartialError(exc, source.place.path, 0, None) from exc


async def _conflicts(source: Source, wanted: list[Interval]) -> list[Interval]:
    """Return the parts of the stream's intervals that lie inside those of the file."""
    if source.stream is None:
        return []
    return intersection(await stored_intervals(source.place.node, source.stream), wanted)


async def _count(source: Source, pieces: list[Interval]) -> int:
    if source.stream is None:
        return 0
    count = 0
    for piece in pieces:
        count += await source.place.node.data_count(source.stream, piece.start, piece.end)
    return count
