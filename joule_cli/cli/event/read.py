"""Events on standard output or in a file."""

from __future__ import annotations

import sys
from contextlib import aclosing
from typing import TYPE_CHECKING

import click

from joule_cli.cli._lazy import command
from joule_cli.cli._options import STREAM, Bounds, progress_option, time_bounds
from joule_cli.cli._output import data_time, output_format
from joule_cli.cli._progress import Progress
from joule_cli.cli._ranges import no_events
from joule_cli.cli._references import Ref, find_event_stream
from joule_cli.cli._run import is_terminal, with_node
from joule_cli.cli._settings import current
from joule_cli.cli.event._options import (
    Chosen,
    filter_options,
    ongoing_option,
    resolve_window,
    tell_unknown_fields,
)
from joule_cli.errors import JouleError
from joule_cli.series.csv_text import read_names

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager

    from joule_cli.api.event_reading import EventReading
    from joule_cli.api.node import Node
    from joule_cli.formats.events import EventWriteOptions, EventWriter
    from joule_cli.model import Event

#: Events that are fetched and written at once.
_BLOCK_EVENTS = 5_000


class NoEventsError(JouleError):
    """There are no such events, and that was to be a failure."""


class FollowError(JouleError):
    """Events that have no end cannot be given out in this way."""


@command(
    "read",
    examples=[
        "joule event read /house/events --last 1d --where 'power > 100'",
        "joule event read /house/events --csv --fields kind,power | head",
        "joule event read /house/events -f events.jsonl.gz",
        "joule event read /house/events --jsonl | joule event write /copy/events --create",
    ],
)
@click.argument("stream", type=STREAM)
@time_bounds
@filter_options
@ongoing_option
@click.option("--follow", is_flag=True, help="Go on with events as they are stored.")
@click.option("--fields", metavar="LIST", help="Only these fields, in this order.")
@click.option("--ids", is_flag=True, help="Print the ids, which JSON has unless --fields is used.")
@click.option("--delimiter", metavar="C", help="Between the columns of CSV.")
@click.option(
    "-f",
    "-o",
    "--file",
    "--output",
    "file",
    metavar="FILE",
    help="Write to a file; the suffix chooses the format, else it is JSON lines.",
)
@click.option("--compression", metavar="C", help="gzip[:1-9], zstd or none.")
@click.option("--no-clobber", is_flag=True, help="Refuse to replace FILE.")
@click.option("--fail-empty", is_flag=True, help="Fail when there are no events.")
@progress_option
@with_node
async def read(
    node: Node,
    stream: Ref,
    bounds: Bounds,
    chosen: Chosen,
    ongoing: bool,
    follow: bool,
    fields: str | None,
    ids: bool,
    delimiter: str | None,
    file: str | None,
    compression: str | None,
    no_clobber: bool,
    fail_empty: bool,
) -> None:
    """Print events in the order of their start.

    People see a table. CSV has the declared fields first, and in the column content as JSON what
    finds no place; JSON has the events as the API has them.

    With --follow new events are printed until Ctrl-C, in the order in which they are stored; those
    that are stored since --start come first.
    """
    if follow and bounds.end is not None:
        raise FollowError("--follow and --end exclude each other")
    file = None if file == "-" else file
    if file is None and no_clobber:
        raise click.UsageError("--no-clobber needs a file, see -f.")
    form = _format(file)
    options = _write_options(fields, delimiter, compression, ids=ids, no_clobber=no_clobber)
    source = await find_event_stream(node, stream, info=bounds.relative)
    path, model = source.path, source.model
    start, end = await resolve_window(source, bounds)
    limit = current().limit

    def events(count: int | None, block_size: int) -> EventReading:
        return node.event_stream_read(
            model, start, end, count, chosen.json_filter(), ongoing, block_size
        )

    def coming(count: int | None) -> AbstractAsyncContextManager[AsyncIterator[list[Event]]]:
        if not follow:
            return aclosing(aiter(events(count, _BLOCK_EVENTS)))
        stored = node.event_stream_follow(model, start, chosen.json_filter(), ongoing)
        return aclosing(first_events(stored, count))

    from dataclasses import replace

    from joule_cli.formats.events import Fields
    from joule_cli.ops.event_export import export_events, first_events

    with Progress("reading", unit="events") as bar:
        # events that scroll past show by themselves how far it got
        bar.visible = bar.visible and (file is not None or not is_terminal(sys.stdout))
        if bar.visible and not follow:
            everything = await node.event_stream_count(
                model, start, end, chosen.json_filter(), ongoing
            )
            bar.total = everything if limit is None else min(everything, limit)
        options = replace(options, fields=Fields(model.event_fields))
        writer = _writer(file, form, options, waits=not follow)
        read_some = coming(limit) if limit != 0 else None
        count = await export_events(
            read_some,
            writer,
            path,
            bar.update,
            # a line for people waits in the buffer of a pipe otherwise
            sys.stdout.flush,
            needed=fail_empty,
            lasts=file is None or follow,
            endless=follow,
        )
    named = list(options.select or ())
    if not count and limit != 0:
        named += [condition.key for group in chosen.filter for condition in group]
    tell_unknown_fields(named, model.event_fields, path)
    if fail_empty and not count:
        raise NoEventsError(await no_events(node, model, start, end), object=path)


def _format(file: str | None) -> str:
    """Return the format of the output; `FORMATS` or, for a file, those of events."""
    if file is None:
        return output_format()
    chosen = current().format
    from joule_cli.formats import format_of

    told = format_of(file)
    if chosen in {"table", "plain"} or (chosen is not None and told not in {None, "text", chosen}):
        raise click.UsageError(f"{file} cannot be written as {chosen}.")
    if chosen is None and told in {"text", "hdf5", "parquet", "arrow"}:
        raise click.UsageError(f"{file}: events are written as CSV, TSV, JSON or JSON lines.")
    return chosen or told or "jsonl"


def _write_options(
    fields: str | None,
    delimiter: str | None,
    compression: str | None,
    *,
    ids: bool,
    no_clobber: bool,
) -> EventWriteOptions:
    from joule_cli.cli.data._rows import read_delimiter
    from joule_cli.formats.events import EventWriteOptions

    settings = current()
    if settings.columns is not None:
        raise click.UsageError("The fields of events are chosen with --fields.")
    return EventWriteOptions(
        select=None if fields is None else _names(fields),
        ids=ids,
        header=settings.header,
        delimiter=None if delimiter is None else read_delimiter(delimiter),
        format_time=None if settings.time is None else lambda time: data_time(time, settings),
        compression=compression,
        no_clobber=no_clobber,
    )


def _names(text: str) -> list[str]:
    names = read_names(text)
    if not names or "" in names:
        raise click.UsageError("--fields has an empty entry.")
    if len(set(names)) < len(names):
        raise click.UsageError("--fields names a field twice.")
    return names


def _writer(file: str | None, form: str, options: EventWriteOptions, *, waits: bool) -> EventWriter:
    if form in {"table", "plain"}:
        from joule_cli.cli.event._table import TableEventWriter

        return TableEventWriter(options, waits=waits)
    from joule_cli.formats.events import open_event_writer

    return open_event_writer(sys.stdout.buffer if file is None else file, form, options)
