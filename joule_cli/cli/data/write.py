"""Rows from standard input or a file into a stream, stored while they arrive."""

from __future__ import annotations

import re
import sys
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from joule_cli.cli._lazy import command
from joule_cli.cli._options import (
    DURATION,
    STREAM,
    DurationType,
    progress_option,
    read_bounds,
    yes_option,
)
from joule_cli.cli._output import (
    Column,
    count_text,
    emit_done,
    emit_text,
    output_format,
    show_time,
    tell_watcher,
    warn,
)
from joule_cli.cli._prompt import confirm_or_leave
from joule_cli.cli._ranges import bounds_text
from joule_cli.cli._references import Ref, find_stream
from joule_cli.cli._run import is_terminal, with_node
from joule_cli.cli._settings import current
from joule_cli.cli._times import read_time
from joule_cli.cli.data._input import (
    bad_input_options,
    how_far,
    missing_text,
    opened,
)
from joule_cli.cli.data._table import read_options, table_options
from joule_cli.errors import StreamNotFound
from joule_cli.model import DataStream, Element
from joule_cli.model.data_stream import DATATYPES, KEEP_ALL
from joule_cli.series.visible import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from joule_cli.api.node import Node
    from joule_cli.formats.base import Tally
    from joule_cli.formats.table.reader import TableReader
    from joule_cli.ops.live_ingest import Target
    from joule_cli.ops.progress import Meter, Step

Span = tuple[int | None, int | None]

_COLUMNS = (
    Column("path"),
    Column("rows", kind="number"),
    Column("start", kind="time"),
    Column("end", kind="time"),
    Column("rejected", kind="number"),
    Column("missing", shown=False),
)
_DELETED = (
    Column("deleted", kind="number"),
    Column("deleted_start", kind="time"),
    Column("deleted_end", kind="time"),
)

_TYPES = "|".join(DATATYPES)
_LAYOUT = re.compile(rf"({_TYPES})(?:_([1-9]\d*)|\[(.*)\])", re.DOTALL)
#: How long a row may wait for others before it is stored, µs.
_FLUSH_US = 1_000_000


@command(
    "write",
    examples=[
        "sensor | joule data write /lab/x --timestamps now --create 'float32[x]'",
        "joule data read /house/mains | joule data write /copy/mains --create float32_2",
        "joule data write /lab/x rows.txt --timestamps 2024-05-01 --rate 8000",
    ],
)
@click.argument("stream", type=STREAM)
@click.argument("file", default="-", metavar="[FILE]")
@table_options(live=True)
@bad_input_options("row")
@click.option(
    "--timestamps", metavar="now|T", help="For input without times: the clock, or the first time."
)
@click.option(
    "--rate",
    type=click.FloatRange(0, 1e6, min_open=True),
    metavar="HZ",
    help="Rows per second, for --timestamps.",
)
@click.option(
    "--create", metavar="LAYOUT", help="Create the stream if needed: float32_4, 'int16[a:V,b]'."
)
@click.option(
    "--merge-gap",
    type=DurationType(1),
    default=0,
    metavar="D",
    help="Continue the last interval if its end is at most this long ago; others stay apart.",
)
@click.option("-s", "--start", metavar="T", help="Delete existing rows from here first.")
@click.option("-e", "--end", metavar="T", help="Delete existing rows before this time first.")
@click.option(
    "--flush",
    type=DURATION,
    default=_FLUSH_US,
    metavar="D",
    help="Store each row after this long at the latest. By default 1s.",
)
@yes_option
@progress_option
@with_node
async def write(
    node: Node,
    stream: Ref,
    file: str,
    table: dict[str, Any],
    on_error: str,
    max_errors: int | None,
    rejects: str | None,
    timestamps: str | None,
    rate: float | None,
    create: str | None,
    merge_gap: int,
    start: str | None,
    end: str | None,
    flush: int,
) -> None:
    """Write rows to a stream while they arrive.

    One row per line, as joule data read prints them; CSV, JSON and HDF5 work too. What was
    stored stays when the input ends with an error, or on Ctrl-C.
    """
    from joule_cli.cli._progress import working
    from joule_cli.cli.data._rejects import Rejects
    from joule_cli.formats import open_reader
    from joule_cli.ops.backfill import holds_missing
    from joule_cli.ops.live_ingest import Clock, Target, pump
    from joule_cli.ops.progress import Meter
    from joule_cli.ops.worker import Worker

    if rate is not None and timestamps is None:
        raise click.UsageError("--rate needs --timestamps.")
    model = None if create is None else _read_layout(create)
    bounds = read_bounds(start, end)
    path, existing = await _find(node, stream, model)
    clock = None
    if timestamps is not None:
        clock = Clock(await _first_time(node, existing, timestamps, rate), rate)
    target = Target(node, path, existing, model, merge_gap)
    if bounds.given:
        target.cleared = await bounds.resolve(node, existing or stream)
        await _ask(node, target, stdin_is_data=file == "-")
    known = existing or model
    bad_rows = Rejects(rejects, file)
    options = read_options(
        table,
        datatype=None if known is None else known.datatype,
        elements=_names_of(existing, model),
        stamps=clock,
        live=True,
        on_reject=bad_rows.limited(max_errors) if on_error == "skip" else None,
    )
    if options.missing == "store" and not await holds_missing(node):
        options = replace(options, missing="refuse")
    is_float = known is not None and known.datatype.startswith("float")
    target.missing = is_float and options.missing == "store"

    def open_input() -> TableReader:
        reader = open_reader(opened(file), table["form"], options)
        bad_rows.heading = reader.heading
        return reader

    with (
        bad_rows,
        _deletion_told(target),
        how_far("what follows them can be written next") as told,
    ):
        async with Worker("write") as worker, working("writing") as bar:
            # rows that are typed share the screen with it
            bar.visible = bar.visible and not (file == "-" and is_terminal(sys.stdin))

            def step(report: Step) -> None:
                told(report)
                bar.update(report.rows, share=report.fraction)

            meter = Meter(path, step)
            reader = await worker.call(open_input)
            try:
                start_us = await pump(worker, reader, target, meter, flush / 1e6)
            finally:
                # not in the thread, which may be waiting for input that never comes
                reader.close()
    bad_rows.tell()
    _tell(target, meter, reader.tally, start_us, cleared=bounds.given)
    if bad_rows.count:
        raise click.exceptions.Exit(3)


def _tell(
    target: Target, meter: Meter, tally: Tally, start_us: int | None, *, cleared: bool
) -> None:
    """Say what was written."""
    path = target.path
    for warning in tally.warnings:
        warn(warning)
    if output_format() not in {"table", "plain"}:
        end_us = None if meter.last is None else meter.last + 1
        record = {
            "path": target.path,
            "rows": meter.rows,
            "start": start_us,
            "end": end_us,
            "rejected": tally.rejected,
            "missing": dict(tally.missing),
        }
        if cleared:
            span = target.cleared
            gone = {"deleted": target.deleted, "deleted_start": span[0], "deleted_end": span[1]}
            emit_done([record | gone], (*_COLUMNS, *_DELETED))
        else:
            emit_done([record], _COLUMNS)
        return
    if meter.last is None:
        tell_watcher(f"No rows written to {path}")
    else:
        tell_watcher(
            f"{count_text(meter.rows, 'row')} written to {path}, "
            f"{show_time(start_us)} to {show_time(meter.last)}"
        )
    if tally.missing:
        tell_watcher(f"missing values: {missing_text(tally.missing)}")


async def _find(node: Node, stream: Ref, model: DataStream | None) -> tuple[str, DataStream | None]:
    """Return path and stream; `None` if it is still to be created."""
    try:
        existing = await find_stream(node, stream, "use --create LAYOUT to create it")
    except StreamNotFound:
        if model is None or isinstance(stream, int):
            raise
        return stream, None
    if model is not None:
        from joule_cli.ops.streams import require_layout

        require_layout(existing.model, model, existing.path)
    return existing.path, existing.model


async def _ask(node: Node, target: Target, *, stdin_is_data: bool) -> None:
    """Ask before rows are deleted to make room."""
    if target.stream is None:
        return
    rows = target.doomed = await node.data_count(target.stream, *target.cleared)
    if not rows:
        return
    confirm_or_leave(
        f"Delete {count_text(rows, 'row')} of {target.path}{bounds_text(*target.cleared)}?",
        # rows on stdin are no answer, so without --yes nothing may be deleted
        always=stdin_is_data,
        stdin_is_data=stdin_is_data,
    )


@contextmanager
def _deletion_told(target: Target) -> Iterator[None]:
    """Say which rows have made room, also if what should replace them came in part only."""
    try:
        yield
    finally:
        if target.deleted and output_format() in {"table", "plain"} and not current().quiet:
            rows = f"{count_text(target.deleted, 'row')} of {one_line(target.path)}"
            emit_text(f"Deleted {rows}{bounds_text(*target.cleared)}")


def _read_layout(text: str) -> DataStream:
    found = _LAYOUT.fullmatch(text.strip())
    if found is None:
        raise click.UsageError(
            f"'{text}' is no layout; write TYPE_N or TYPE[NAME,...] with one of the types "
            f"{', '.join(DATATYPES)}."
        )
    datatype, width, names = found.groups()
    if width is not None:
        elements = [Element(f"Element {i}") for i in range(int(width))]
    else:
        elements = [_element(name.strip()) for name in names.split(",") if name.strip()]
        if not elements:
            raise click.UsageError("A stream needs at least one element.")
    return DataStream(datatype=datatype, keep_us=KEEP_ALL, elements=elements)


def _names_of(existing: DataStream | None, model: DataStream | None) -> list[str] | None:
    """Return the names that columns go to; `None` where a layout such as float32_4 has none."""
    known = existing or model
    names = [] if known is None else [element.name for element in known.elements]
    if existing is None and names == [f"Element {i}" for i in range(len(names))]:
        return None
    return names


def _element(text: str) -> Element:
    name, colon, units = text.rpartition(":")
    return Element(name=name, units=units) if colon else Element(name=text)


async def _first_time(
    node: Node, existing: DataStream | None, timestamps: str, rate: float | None
) -> int | None:
    """Return the time of the first row, `None` for the clock."""
    if timestamps.strip() == "now":
        return None
    if rate is None:
        raise click.UsageError("A fixed first time needs --rate HZ, rows per second.")
    parsed = read_time(timestamps, "first time")
    first = last = None
    if parsed.needs_stream and existing is not None:
        info = await node.data_stream_info(existing)
        first, last = info.start, info.end
    found = parsed.resolve(first, last)
    if found is None:
        raise click.UsageError(f"--timestamps {timestamps} is no instant.")
    return found
