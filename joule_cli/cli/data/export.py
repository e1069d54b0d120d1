"""Streams as files: one stream to one file, several to a directory that can be read back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from joule_cli.cli._lazy import command
from joule_cli.cli._options import DURATION, STREAM, Bounds, progress_option, time_bounds
from joule_cli.cli._output import Column, emit_list, output_format, warn
from joule_cli.cli._progress import Progress
from joule_cli.cli._references import Ref, exact_streams, is_pattern, match_folders, match_streams
from joule_cli.cli._run import report, with_node
from joule_cli.cli._settings import current
from joule_cli.cli._streams import gather_info
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
    from joule_cli.cli._streams import NamedStream
    from joule_cli.formats import StreamHead, WriteOptions, Writer
    from joule_cli.model import DataStream
    from joule_cli.ops.export import ExportOptions
    from joule_cli.ops.export_tree import FileOutcome, TreeExportOptions
    from joule_cli.ops.progress import Step

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
    found = await _expand(node, streams, info=bounds.relative)
    single = _is_file(streams, found, to) and split is None
    if not single and split is None and _names_one(streams, found):
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
    start, end = await bounds.resolve(node, found[0][1])
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
        await job.plan(found, options, single=single)
    elif single:
        await job.one(found[0], rows, elements)
    else:
        await job.tree(found, options)


def _chosen(text: str | None, stream: DataStream) -> Sequence[int] | None:
    from joule_cli.ops.select import parse_elements

    return None if text is None else parse_elements(text, stream.elements)


async def _expand(node: Node, references: Sequence[Ref], *, info: bool) -> Sequence[NamedStream]:
    """Return the streams that are named, or lie in the folders that are."""
    if named := await exact_streams(references, partial(node.data_stream_get, info=info)):
        return named
    root = await node.folder_root()
    known = list(root.streams("/"))
    streams: dict[str, DataStream] = {}
    for reference in references:
        found = match_streams(known, reference)
        if not found and isinstance(reference, str):
            folders = match_folders(root, reference)
            for folder, _ in folders:
                below = folder.rstrip("/") + "/"
                found += [each for each in known if each[0].startswith(below)]
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
        streams.update(found)
    return list(streams.items())


def _is_file(references: Sequence[Ref], found: Sequence[NamedStream], to: str) -> bool:
    from joule_cli.formats import format_of

    if to.endswith("/") or Path(to).is_dir():
        return False
    if format_of(to) is None and not Path(to).is_file():
        return False
    # what is one stream today may be several tomorrow if it is a folder or a pattern
    if _names_one(references, found):
        return True
    raise click.UsageError(f"{to} is one file; several streams need a directory, as in {to}/.")


def _refuse_unknown_suffix(to: str) -> None:
    """Refuse what looks like a file, and would become a directory with the one stream in it."""
    if not to.endswith("/") and not Path(to).is_dir() and Path(to).suffix[1:].isalpha():
        raise click.UsageError(
            f"{to} has the suffix of no known format; if it is a directory, write {to}/."
        )


def _names_one(references: Sequence[Ref], found: Sequence[NamedStream]) -> bool:
    """Whether it is one stream that was named, by itself."""
    return len(references) == 1 and (isinstance(references[0], int) or references[0] == found[0][0])


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

    async def plan(
        self, streams: Sequence[NamedStream], options: TreeExportOptions, *, single: bool
    ) -> None:
        """List what would be written."""
        from joule_cli.ops.export_tree import plan_tree_export

        found = await plan_tree_export(self.node, streams, options)
        records = [
            {
                "path": outcome.path,
                "file": self.to if single else str(Path(self.to, str(outcome.file))),
                "rows": outcome.rows,
            }
            for outcome in found
        ]
        emit_list(records, _COLUMNS[:3])

    async def one(self, stream: NamedStream, rows: ExportOptions, elements: str | None) -> None:
        """Write one stream to one file."""
        import asyncio

        from joule_cli.ops.errors import PartialError
        from joule_cli.ops.export import export_stream
        from joule_cli.ops.streams import FoundStream

        source = FoundStream(self.node, *stream)
        after = None
        if self.resume:
            after, self.shape = last_in_file(self.to, self.format, self.form)
        rows = replace(rows, elements=_chosen(elements, source.model), after=after)
        with Progress("exporting") as bar:
            span = await extent(bar, source, rows.start, rows.end)
            shown = follow(bar, span)
            try:
                result = await export_stream(source, self._open, rows, shown)
            except PartialError as exc:
                # the unfinished file is gone, so nothing of the work lasts
                raise exc.cause from exc
        size = (await asyncio.to_thread(Path(self.to).stat)).st_size
        record = {"path": source.path, "file": self.to, "rows": result.rows, "bytes": size}
        _tell([record | {"kept": False}])

    async def tree(self, streams: Sequence[NamedStream], options: TreeExportOptions) -> None:
        """Write a file per stream, or several, and tell of each when all are done."""
        from joule_cli.ops.export_tree import export_tree
        from joule_cli.ops.manifest import MANIFEST, Manifest
        from joule_cli.ops.streams import estimated_rows

        known = Manifest.load(Path(self.to)) if options.resume else None
        if known is not None and known.cut:
            warn(f"{self.to}/{MANIFEST} is cut and made anew")
        failed = done = 0
        records: list[dict[str, Any]] = []
        under_way: dict[str, int] = {}
        with Progress("exporting") as bar:
            rows = options.rows
            if bar.visible and (rows.intervals, rows.max_rows, rows.limit) == (None,) * 3:
                infos = await gather_info(self.node, streams)
                bar.total = sum(estimated_rows(info, rows.start, rows.end) for info in infos)

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
                streams,
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


def _tell(records: list[dict[str, Any]]) -> None:
    """Print what has been written; ``--quiet`` drops it as it drops every OK."""
    if not current().quiet or output_format() not in {"table", "plain"}:
        emit_list(records, _COLUMNS)
