"""Stored rows on standard output or in a file."""

from __future__ import annotations

import errno
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from joule_cli.cli._lazy import command
from joule_cli.cli._options import DURATION, STREAM, Bounds, progress_option, time_bounds
from joule_cli.cli._output import note
from joule_cli.cli._progress import Progress
from joule_cli.cli._ranges import no_rows
from joule_cli.cli._references import Ref, find_stream
from joule_cli.cli._run import is_terminal, with_node
from joule_cli.cli._settings import DATA_FORMATS, current
from joule_cli.cli.data._rows import (
    check_shape,
    file_format,
    intervals_of,
    last_in_file,
    row_options,
    write_options,
)
from joule_cli.errors import FormatError, JouleError
from joule_cli.series.visible import one_line

if TYPE_CHECKING:
    from joule_cli.api.node import Node
    from joule_cli.formats import StreamHead, WriteOptions, Writer


class NoRowsError(JouleError):
    """There are no rows in the range, and that was to be a failure."""


class LiveOptionsError(JouleError):
    """Rows that have no end cannot be given out in this way; status 1, as with Joule 1.0.1."""


@command(
    "read",
    formats=DATA_FORMATS,
    examples=[
        "joule data read /house/mains --last 1h -i volts | head",
        "joule data read /house/mains --start yesterday -r 1000 --csv --header units",
        "joule data read /house/mains -f mains.h5",
        "joule data read /house/mains -f mains.csv.gz --resume",
        "joule data read /house/mains --live --last 1h --jsonl",
    ],
)
@click.argument("stream", type=STREAM)
@time_bounds
@click.option(
    "-l", "--live", "--follow", "live", is_flag=True, help="Go on with rows as they are written."
)
@click.option("--duration", type=DURATION, metavar="D", help="End --live after this time.")
@click.option("--reconnect", is_flag=True, help="Let --live try again when the node is away.")
@row_options
@click.option("-m", "--mark-intervals", is_flag=True, help="Print a line between intervals.")
@click.option(
    "--intervals", metavar="FILE", help="Read only these intervals (CSV or JSON, - for stdin)."
)
@click.option(
    "-f",
    "-o",
    "--file",
    "--output",
    "file",
    metavar="FILE",
    help="Write to a file; the suffix chooses the format, else it is HDF5.",
)
@click.option(
    "--append", "--resume", "append", is_flag=True, help="Continue FILE after its last row."
)
@click.option("--no-clobber", is_flag=True, help="Refuse to replace FILE.")
@click.option("--fail-empty", is_flag=True, help="Fail when there are no rows.")
@progress_option
@with_node
async def read(
    node: Node,
    stream: Ref,
    bounds: Bounds,
    live: bool,
    duration: int | None,
    reconnect: bool,
    max_rows: int | None,
    show_bounds: bool,
    elements: str | None,
    scale: bool,
    mark_intervals: bool,
    intervals: str | None,
    file: str | None,
    append: bool,
    no_clobber: bool,
    fail_empty: bool,
    form: dict[str, Any],
) -> None:
    """Print the rows of a stream.

    One row per line: the time in microseconds since 1970 UTC, then the values. Other formats are
    chosen with --csv, --tsv, --jsonl, --json, or by the suffix of FILE.

    With --live the rows go on until Ctrl-C, also when their producer stops and starts again; what
    is stored since --start comes first.
    """
    if not live and (duration is not None or reconnect):
        raise click.UsageError("--duration and --reconnect belong to --live.")
    if live:
        _check_live(bounds, max_rows, intervals)
    if file == "-":
        file = None
    if file is None and (append or no_clobber):
        raise click.UsageError("--append and --no-clobber need a file, see -f.")
    if append and no_clobber:
        raise click.UsageError("--append and --no-clobber exclude each other.")
    name = file_format(file, current().format)
    target = _Target(
        file,
        name,
        write_options(
            form,
            # a document lists its intervals beside the rows
            mark_intervals=mark_intervals and name != "json",
            append=append,
            no_clobber=no_clobber,
        ),
        fail_empty,
    )
    if file is None and name == "hdf5":
        raise FormatError(
            "HDF5 cannot be written to standard output", file="-", hint="name a file with -f"
        )
    if file is None and name in {"parquet", "arrow"} and is_terminal(sys.stdout):
        raise FormatError(
            f"a terminal cannot show {name.capitalize()}", file="-", hint="name a file with -f"
        )

    from joule_cli.cli.data._input import extent
    from joule_cli.cli.data._input import follow as shown_in
    from joule_cli.ops.errors import PartialError
    from joule_cli.ops.export import ExportOptions, export_stream
    from joule_cli.ops.select import parse_elements

    source = await find_stream(node, stream, info=bounds.relative)
    path, model = source.path, source.model
    start, end = await bounds.resolve(node, model)
    pieces = intervals_of(intervals)
    if append and file is not None:
        after, target.shape = last_in_file(file, name, form)
    else:
        after = None
    chosen = None if elements is None else parse_elements(elements, model.elements)
    with Progress("reading", unit="rows") as bar:
        # rows that scroll past show by themselves how far it got
        bar.visible = bar.visible and (file is not None or not is_terminal(sys.stdout))
        if live:
            from joule_cli.cli.data._follow import follow_rows
            from joule_cli.ops.live import LiveOptions

            count = await follow_rows(
                source,
                target.open,
                LiveOptions(
                    history=bounds.start is not None,
                    start=start,
                    after=after,
                    elements=chosen,
                    scale=scale,
                    limit=current().limit,
                    duration_s=None if duration is None else duration / 1_000_000,
                    reconnect=reconnect,
                    keep_what_came=file is not None,
                ),
                shown_in(bar),
            )
        else:
            options = ExportOptions(
                start=start,
                end=end,
                intervals=pieces,
                max_rows=max_rows,
                bounds=show_bounds,
                elements=chosen,
                scale=scale,
                limit=current().limit,
                after=after,
                list_intervals=mark_intervals and name == "json",
            )
            try:
                span = await extent(bar, source, start, end)
                result = await export_stream(source, target.open, options, shown_in(bar, span))
            except PartialError as exc:
                if file is not None or _is_closed(exc.cause):
                    # the unfinished file is gone, so nothing of the work lasts
                    raise exc.cause from exc
                raise
            count = result.rows
    if fail_empty and not count:
        raise NoRowsError(await no_rows(node, model, start, end), object=path)
    if not (count or live or append or current().limit == 0) and is_terminal(sys.stderr):
        note(f"{one_line(path)}: {await no_rows(node, model, start, end)}")


def _check_live(bounds: Bounds, max_rows: int | None, intervals: str | None) -> None:
    """Refuse what contradicts rows without an end."""
    for option, given in (
        ("--end", bounds.end is not None),
        ("--max-rows", max_rows is not None),
        ("--intervals", intervals is not None),
    ):
        if given:
            raise LiveOptionsError(f"--live and {option} exclude each other")


def _is_closed(cause: JouleError) -> bool:
    # standard output was closed from the beginning
    return isinstance(cause.__cause__, OSError) and cause.__cause__.errno == errno.EBADF


@dataclass(slots=True)
class _Target:
    """Where the rows go."""

    file: str | None
    format: str
    options: WriteOptions
    fail_empty: bool
    shape: tuple[int, list[str]] | None = None

    def open(self, head: StreamHead) -> Writer:
        from joule_cli.formats import open_writer

        if self.file is None:
            return open_writer(sys.stdout.buffer, head, self.format, self.options)
        check_shape(self.file, self.shape, head)
        writer = open_writer(self.file, head, self.format, self.options)
        if self.fail_empty:
            from joule_cli.cli.data._writers import UnlessEmpty

            return UnlessEmpty(writer)
        return writer
