"""Streams as files: one stream to one file, several to a directory that can be read back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from joule_cli.cli._lazy import command
from joule_cli.cli._options import DURATION, STREAM, Bounds, progress_option, time_bounds
from joule_cli.cli._output import Column, emit_list, output_format, warn
from joule_cli.cli._progress import Progress
from joule_cli.cli._references import is_pattern, match_folders, match_streams
from joule_cli.cli._run import report, with_node
from joule_cli.cli._settings import current
from joule_cli.cli.data._input import ROW_FORMATS, extent, follow
from joule_cli.cli.data._rows import (
    ReaderShape,
    check_shape,
    file_format,
    intervals_of,
    last_in_file,
    row_options,
    write_options,
)
from joule_cli.errors import StreamNotFound

if TYPE_CHECKING:
    from collections.abc import Sequence

    from joule_cli.api.node import Node
    from joule_cli.formats import StreamHead, WriteOptions, Writer
    from joule_cli.model import DataStream, DataStreamInfo
    from joule_cli.ops.export import ExportOptions
    from joule_cli.ops.export_tree import FileOutcome, TreeExportOptions
    from joule_cli.ops.progress import Progress as Step

Ref = str | int

_COLUMNS = (
    Column("path"),
    Column("file"),
    Column("rows", kind="number"),
    Column("bytes", kind="bytes"),
    Column("kept", shown=False),
)


@command(
    "export",
    examples=[
        "joule data export /house/mains --to mains.h5 --last 1w",
        "joule data export /house --to backup/ --split 1d --resume",
        "joule data export '/house/**' --to csv/ --format csv --compression zstd",
    ],
)
@click.argument("streams", type=STREAM, nargs=-1, required=True, metavar="STREAM|FOLDER|GLOB...")
@click.option(
    "--to",
    required=True,
    metavar="FILE|DIR",
    help="A file for one stream, if its suffix names a format; else a directory.",
)
@click.option(
    "--format",
    "kind",
    type=click.Choice(ROW_FORMATS),
    metavar="FORMAT",
    help=f"Format of the files: {', '.join(ROW_FORMATS)}. By default the suffix, else hdf5.",
)
@time_bounds
@row_options
@click.option(
    "-m",
    "--mark-intervals/--no-mark-intervals",
    default=True,
    help="Write the breaks between intervals; by default yes.",
)
@click.option("--intervals", metavar="FILE", help="Export only these intervals (CSV or JSON).")
@click.option("--split", type=DURATION, metavar="D", help="Begin a new file at each multiple of D.")
@click.option("--resume", is_flag=True, help="Keep what is complete already.")
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    default=1,
    metavar="N",
    help="Streams at a time. By default 1.",
)
@click.option(
    "--annotations/--no-annotations",
    default=None,
    help="Export annotations as well; by default into a directory.",
)
@click.option("--no-clobber", is_flag=True, help="Refuse to replace files.")
@click.option("--dry-run", is_flag=True, help="Show what would be written and write nothing.")
@progress_option
@with_node
async def export(
    node: Node,
    /,
    streams: tuple[Ref, ...],
    to: str,
    bounds: Bounds,
    elements: str | None,
    split: int | None,
    resume: bool,
    jobs: int,
    annotations: bool | None,
    no_clobber: bool,
    dry_run: bool,
    form: dict[str, Any],
    kind: str | None,
    **which: Any,
) -> None:
    """Write streams to files.

    In a directory there is one file per stream, in the tree of its folders, and a manifest.json,
    with which joule data ingest reads everything back.
    """
    from joule_cli.ops.export import ExportOptions
    from joule_cli.ops.export_tree import TreeExportOptions

    settings = current()
    if to == "-":
        raise click.UsageError("Export needs a file; joule data read writes to standard output.")
    paths = await _expand(node, streams)
    single = _is_file(streams, paths, to) and split is None
    if not single and split is None and _names_one(streams, paths):
        _refuse_unknown_suffix(to)
    name = file_format(to, kind) if single else kind or "hdf5"
    if single and annotations:
        raise click.UsageError("Annotations are exported into a directory.")
    writing = write_options(
        form,
        mark_intervals=which["mark_intervals"] and name != "json",
        append=single and resume,
        no_clobber=no_clobber,
    )
    start, end = await bounds.resolve(node, paths[0])
    rows = ExportOptions(
        start=start,
        end=end,
        intervals=intervals_of(which["intervals"]),
        max_rows=which["max_rows"],
        bounds=which["show_bounds"],
        scale=which["scale"],
        limit=settings.limit,
        list_intervals=which["mark_intervals"] and name == "json",
    )
    options = TreeExportOptions(
        rows=rows,
        suffix=_suffix(name, form["compression"]),
        split=split,
        resume=resume,
        jobs=jobs,
        annotations=annotations is not False,
        elements=lambda stream: _chosen(elements, stream),
    )
    job = _Job(node, to, name, writing, form, resume)
    # it is for the rows, not for the list of the files
    settings.limit = None
    if dry_run:
        await job.plan(paths, options, single=single)
    elif single:
        await job.one(paths[0], rows, elements)
    else:
        await job.tree(paths, options)


def _chosen(text: str | None, stream: DataStream) -> Sequence[int] | None:
    from joule_cli.ops.select import parse_elements

    return None if text is None else parse_elements(text, stream.elements)


async def _expand(node: Node, references: Sequence[Ref]) -> list[str]:
    """Return the paths of the streams that are named, or lie in the folders that are."""
    root = await node.folder_root()
    known = list(root.streams("/"))
    paths: dict[str, None] = {}
    for reference in references:
        found = [path for path, _ in match_streams(known, reference)]
        if not found and isinstance(reference, str):
            folders = match_folders(root, reference)
            for folder, _ in folders:
                below = folder.rstrip("/") + "/"
                found += [path for path, _ in known if path.startswith(below)]
            if folders and not found:
                raise StreamNotFound(
                    "there are no data streams in the folder",
                    object=reference,
                    hint=f"see joule folder list {folders[0][0]}",
                )
        if not found:
            from joule_cli.cli._advice import advice

            what = "nothing matches" if is_pattern(reference) else "no such stream or folder"
            raise StreamNotFound(what, object=str(reference), hint=advice(root, reference, "any"))
        paths.update(dict.fromkeys(found))
    return list(paths)


def _is_file(references: Sequence[Ref], paths: Sequence[str], to: str) -> bool:
    from joule_cli.formats import format_of

    if to.endswith("/") or Path(to).is_dir():
        return False
    if format_of(to) is None and not Path(to).is_file():
        return False
    # what is one stream today may be several tomorrow if it is a folder or a pattern
    if _names_one(references, paths):
        return True
    raise click.UsageError(f"{to} is one file; several streams need a directory, as in {to}/.")


def _refuse_unknown_suffix(to: str) -> None:
    """Refuse what looks like a file, and would become a directory with the one stream in it."""
    if not to.endswith("/") and not Path(to).is_dir() and Path(to).suffix[1:].isalpha():
        raise click.UsageError(
            f"{to} has the suffix of no known format; if it is a directory, write {to}/."
        )


def _names_one(references: Sequence[Ref], paths: Sequence[str]) -> bool:
    """Whether it is one stream that was named, by itself."""
    return len(references) == 1 and (isinstance(references[0], int) or references[0] == paths[0])


def _suffix(name: str, compression: str | None) -> str:
    from joule_cli.formats import FORMATS

    suffix = FORMATS[name].suffixes[0]
    if FORMATS[name].binary or compression is None:
        return suffix
    kind = compression.partition(":")[0]
    return suffix + {"gzip": ".gz", "zstd": ".zst"}.get(kind, "")


@dataclass(slots=True)
class _Job:
    """Writes the files and lists them."""

    node: Node
    to: str
    format: str
    writing: WriteOptions
    form: dict[str, Any]
    resume: bool
    shape: ReaderShape = None

    async def plan(self, paths: Sequence[str], options: TreeExportOptions, *, single: bool) -> None:
        """List what would be written."""
        from joule_cli.ops.export_tree import plan_tree_export

        found = await plan_tree_export(self.node, paths, options)
        records = [
            {
                "path": outcome.path,
                "file": self.to if single else str(Path(self.to, str(outcome.file))),
                "rows": outcome.rows,
            }
            for outcome in found
        ]
        emit_list(records, _COLUMNS[:3])

    async def one(self, path: str, rows: ExportOptions, elements: str | None) -> None:
        """Write one stream to one file."""
        import asyncio

        from joule_cli.ops.errors import PartialError
        from joule_cli.ops.export import export_stream

        columns = None
        if elements is not None:
            columns = _chosen(elements, await self.node.data_stream_get(path))
        after = None
        if self.resume:
            after, self.shape = last_in_file(self.to, self.format, self.form)
        rows = replace(rows, elements=columns, after=after)
        with Progress("exporting") as bar:
            span = await extent(bar, self.node, path, rows.start, rows.end)
            shown = follow(bar, span)
            try:
                result = await export_stream(self.node, path, self._open, rows, shown)
            except PartialError as exc:
                # the unfinished file is gone, so nothing of the work lasts
                raise exc.cause from exc
        size = (await asyncio.to_thread(Path(self.to).stat)).st_size
        record = {"path": path, "file": self.to, "rows": result.rows, "bytes": size}
        _tell([record | {"kept": False}])

    async def tree(self, paths: Sequence[str], options: TreeExportOptions) -> None:
        """Write a file per stream, or several, and tell of each when all are done."""
        from joule_cli.ops.export_tree import export_tree
        from joule_cli.ops.manifest import MANIFEST, Manifest

        known = Manifest.load(Path(self.to)) if options.resume else None
        if known is not None and known.cut:
            warn(f"{self.to}/{MANIFEST} is cut and made anew")
        failed = done = 0
        records: list[dict[str, Any]] = []
        under_way: dict[str, int] = {}
        with Progress("exporting") as bar:
            rows = options.rows
            if bar.visible and (rows.intervals, rows.max_rows, rows.limit) == (None,) * 3:
                infos = [await self.node.data_stream_info(path) for path in paths]
                bar.total = sum(_expected(info, rows.start, rows.end) for info in infos)

            def step(told: Step) -> None:
                under_way[told.stream] = told.rows
                bar.update(done + sum(under_way.values()))

            def finished(outcome: FileOutcome) -> None:
                nonlocal failed, done
                bar.clear()
                under_way.pop(outcome.path, None)
                done += outcome.rows
                if outcome.error is not None:
                    failed += 1
                    report(outcome.error, current())
                else:
                    records.append(self._record(outcome))

            await export_tree(
                self.node,
                paths,
                Path(self.to),
                self._open_file,
                options,
                step,
                finished,
            )
        if records or not failed:
            _tell(records)
        if failed:
            raise click.exceptions.Exit(3 if records else 1)

    def _record(self, outcome: FileOutcome) -> dict[str, Any]:
        return {
            "path": outcome.path,
            "file": str(Path(self.to, str(outcome.file))),
            "rows": outcome.rows,
            "bytes": outcome.bytes,
            "kept": outcome.kept,
        }

    def _open(self, head: StreamHead) -> Writer:
        check_shape(self.to, self.shape, head)
        return self._open_file(Path(self.to), head)

    def _open_file(self, file: Path, head: StreamHead) -> Writer:
        from joule_cli.formats import open_writer

        return open_writer(file, head, self.format, self.writing)


def _expected(info: DataStreamInfo, start: int | None, end: int | None) -> int:
    """Return about how many rows of a stream lie in a range, as if they came evenly."""
    if info.start is None or info.end is None or info.end <= info.start:
        return info.rows
    first = info.start if start is None else max(start, info.start)
    last = info.end if end is None else min(end, info.end)
    return round(info.rows * max(last - first, 0) / (info.end - info.start))


def _tell(records: list[dict[str, Any]]) -> None:
    """Print what has been written; ``--quiet`` drops it as it drops every OK."""
    if not current().quiet or output_format() not in {"table", "plain"}:
        emit_list(records, _COLUMNS)
