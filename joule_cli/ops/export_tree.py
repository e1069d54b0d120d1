"""Exporting several streams to a directory that can be read back."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from joule_cli.errors import FormatError, JouleError
from joule_cli.formats.base import StreamHead, Writer
from joule_cli.ops.errors import OperationError
from joule_cli.ops.export import ExportOptions, export_stream
from joule_cli.ops.joints import enclosing
from joule_cli.ops.manifest import MANIFEST, Entry, Manifest, Part, file_stem
from joule_cli.ops.streams import FoundStream, stored_intervals
from joule_cli.part_file import make_folder
from joule_cli.series.intervals import Interval, clip, intersection, union
from joule_cli.series.zones import EPOCH

if TYPE_CHECKING:
    from collections.abc import Sequence

    from joule_cli.api.node import Node
    from joule_cli.model import DataStream
    from joule_cli.ops.progress import ProgressCallback

#: Opens one file for rows that the head describes.
OpenFile: TypeAlias = Callable[[Path, StreamHead], Writer]


@dataclass(frozen=True, slots=True)
class TreeExportOptions:
    """How several streams are exported.

    Parameters
    ----------
    rows
        Which rows of each stream; elements are chosen by stream with `elements`.
    suffix
        Of the files, with its dot.
    split
        Begin a new file at every multiple of this many µs.
    resume
        Keep files that are complete and hold as many rows as the stream has there now.
    jobs
        Streams at a time.
    annotations
        Put the annotations into the manifest.
    elements
        Gives the indices of the elements to export of a stream.
    """

    rows: ExportOptions = field(default_factory=ExportOptions)
    suffix: str = ".h5"
    split: int | None = None
    resume: bool = False
    jobs: int = 1
    annotations: bool = True
    elements: Callable[[DataStream], Sequence[int] | None] = lambda _: None


@dataclass(frozen=True, slots=True)
class FileOutcome:
    """How it went with one file, or with a stream as a whole if `file` is None."""

    path: str
    file: str | None
    rows: int = 0
    bytes: int = 0
    kept: bool = False
    error: JouleError | None = None


@dataclass(frozen=True, slots=True)
class _Planned:
    file: str
    start: int | None
    end: int | None
    pieces: list[Interval]
    continues: bool


async def plan_tree_export(
    node: Node, streams: Sequence[tuple[str, DataStream]], options: TreeExportOptions
) -> list[FileOutcome]:
    """Find out which files `export_tree` would write, with exact numbers of stored rows."""
    _check(options)
    outcomes = []
    stems = _stems(streams)
    for path, stream in streams:
        for part in await _plan(node, stream, stems[path], options):
            rows = await _count(node, stream, part)
            outcomes.append(FileOutcome(path, part.file, rows))
    return outcomes


async def export_tree(
    node: Node,
    streams: Sequence[tuple[str, DataStream]],
    directory: Path,
    open_file: OpenFile,
    options: TreeExportOptions,
    progress: ProgressCallback | None = None,
    finished: Callable[[FileOutcome], None] | None = None,
) -> list[FileOutcome]:
    """Export streams, with their paths, to files in `directory`, and list them in its manifest.

    The tree of folders is kept. A stream that fails does not stop the others.

    Raises
    ------
    OperationError
        The options contradict each other.
    FormatError
        The directory or its manifest cannot be written.
    """
    _check(options)
    manifest = Manifest.load(directory) if options.resume else None
    if manifest is None or manifest.cut:
        # what a cut one lists is kept; all else is written anew
        manifest = Manifest(node.name, {} if manifest is None else manifest.entries)
    _make(directory)
    outcomes: list[FileOutcome] = []
    stems = _stems(streams)
    slots = asyncio.Semaphore(max(options.jobs, 1))

    def done(outcome: FileOutcome) -> None:
        outcomes.append(outcome)
        if finished is not None:
            finished(outcome)

    async def one(path: str, model: DataStream) -> None:
        async with slots:
            source = FoundStream(node, path, model)
            job = _Job(source, stems[path], directory, open_file, options, manifest)
            try:
                await job.run(progress, done)
            except JouleError as exc:
                done(FileOutcome(path, None, error=exc))

    try:
        async with asyncio.TaskGroup() as group:
            for stream in streams:
                group.create_task(one(*stream))
    finally:
        # also after an interruption, so that the next run keeps what is complete
        manifest.save(directory)
    return outcomes


def _check(options: TreeExportOptions) -> None:
    rows = options.rows
    if options.split is not None and options.split < 1:
        raise OperationError("the length of the parts must be positive")
    if rows.after is not None or rows.elements is not None:
        raise OperationError("these rows are for a single stream")
    if options.split is not None and (rows.max_rows is not None or rows.limit is not None):
        raise OperationError("decimated or limited rows are not split into parts")


def _stems(streams: Sequence[tuple[str, DataStream]]) -> dict[str, str]:
    """Give each stream a file name of its own, also apart from folders and the manifest."""
    taken = {MANIFEST.partition(".")[0]}
    stems = {}
    for path, _ in streams:
        stem = base = file_stem(path)
        number = 1
        while stem in taken:
            number += 1
            stem = f"{base}~{number}"
        taken.add(stem)
        stems[path] = stem
    return stems


async def _plan(
    node: Node, stream: DataStream, stem: str, options: TreeExportOptions
) -> list[_Planned]:
    rows = options.rows
    present = await stored_intervals(node, stream)
    wanted = clip(present, rows.start, rows.end)
    if rows.intervals is not None:
        wanted = intersection(wanted, union(rows.intervals))
    if options.split is None:
        return [_Planned(f"{stem}{options.suffix}", rows.start, rows.end, wanted, False)]
    parts: list[_Planned] = []
    numbers: dict[int, list[Interval]] = {}
    for piece in wanted:
        for number in range(piece.start // options.split, (piece.end - 1) // options.split + 1):
            low, high = number * options.split, (number + 1) * options.split
            numbers.setdefault(number, []).extend(clip([piece], low, high))
    last: int | None = None
    for number, pieces in numbers.items():
        # rows may begin later than the part does, so only the stream knows whether it goes on
        begin = pieces[0].start
        whole = enclosing(wanted, begin)
        continues = last is not None and whole is not None and whole.start < last
        low = number * options.split
        name = _part_name(low, options.split)
        parts.append(
            _Planned(f"{stem}/{name}{options.suffix}", low, low + options.split, pieces, continues)
        )
        last = pieces[-1].end
    return parts


def _part_name(start: int, split: int) -> str:
    try:
        moment = EPOCH + timedelta(microseconds=start)
    except OverflowError:
        return str(start)
    text = moment.strftime("%Y%m%dT%H%M%S").zfill(15)
    return f"{text}Z" if split % 1_000_000 == 0 else f"{text}.{moment.microsecond:06d}Z"


async def _count(node: Node, stream: DataStream, part: _Planned) -> int:
    count = 0
    for piece in part.pieces:
        count += await node.data_count(stream, piece.start, piece.end)
    return count


def _make(directory: Path) -> None:
    try:
        make_folder(directory)
    except OSError as exc:
        raise FormatError((exc.strerror or str(exc)).lower(), file=str(directory)) from exc


@dataclass(slots=True)
class _Job:
    source: FoundStream
    stem: str
    directory: Path
    open_file: OpenFile
    options: TreeExportOptions
    manifest: Manifest

    async def run(
        self, progress: ProgressCallback | None, done: Callable[[FileOutcome], None]
    ) -> None:
        """Export one stream; its entry grows file by file."""
        node, path, stream = self.source.node, self.source.path, self.source.model
        columns = self.options.elements(stream)
        files = await _plan(node, stream, self.stem, self.options)
        key = self._key(columns)
        old = self.manifest.entries.get(path)
        kept = {part.file: part for part in old.parts} if old and old.key == key else {}
        entry = Entry(path, stream.to_json(), key=key)
        if kept and old:
            entry.stream, entry.decimation_level = old.stream, old.decimation_level
        if self.options.annotations:
            rows = self.options.rows
            last = None if rows.end is None else rows.end - 1
            notes = await node.annotation_get(path, rows.start, last)
            entry.annotations = [note.to_json() for note in notes]
        self.manifest.entries[path] = entry
        for planned in files:
            part = kept.get(planned.file)
            if part is None or not await self._complete(planned, part):
                part = await self._write(planned, columns, entry, progress)
                done(FileOutcome(path, part.file, part.rows, part.bytes))
            else:
                done(FileOutcome(path, part.file, part.rows, part.bytes, kept=True))
            part.continues = planned.continues
            entry.parts.append(part)

    def _key(self, columns: Sequence[int] | None) -> str:
        """Say in a text which rows were asked for."""
        rows = asdict(replace(self.options.rows, intervals=None, list_intervals=False))
        pieces = self.options.rows.intervals
        rows["intervals"] = None if pieces is None else [list(piece) for piece in pieces]
        rows["elements"] = None if columns is None else list(columns)
        return json.dumps([self.options.split, rows])

    async def _complete(self, planned: _Planned, part: Part) -> bool:
        try:
            size = (self.directory / part.file).stat().st_size
        except OSError:
            return False
        return (
            size == part.bytes
            and self.options.rows.max_rows is None
            and self.options.rows.limit is None
            and part.rows == await _count(self.source.node, self.source.model, planned)
            and (part.start is None or part.start >= planned.pieces[0].start)
            and (part.end is None or part.end <= planned.pieces[-1].end)
        )

    async def _write(
        self,
        planned: _Planned,
        columns: Sequence[int] | None,
        entry: Entry,
        progress: ProgressCallback | None,
    ) -> Part:
        file = self.directory / planned.file
        _make(file.parent)
        options = replace(self.options.rows, start=planned.start, end=planned.end, elements=columns)
        if self.options.split is not None:
            options = replace(
                options,
                start=max(planned.pieces[0].start, planned.start or planned.pieces[0].start),
                end=planned.pieces[-1].end,
            )
        result = await export_stream(
            self.source, lambda head: self.open_file(file, head), options, progress
        )
        entry.stream = result.model.to_json()
        entry.decimation_level = result.decimation_level
        size = file.stat().st_size
        return Part(planned.file, result.rows, size, result.start, result.end)
