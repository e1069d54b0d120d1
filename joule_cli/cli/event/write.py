"""Events from a file, from standard input or from the command line into an event stream."""

from __future__ import annotations

import os
import stat
import sys
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import click
from click.core import ParameterSource

from joule_cli.cli._lazy import command
from joule_cli.cli._models import split_path
from joule_cli.cli._options import STREAM, progress_option, read_bounds
from joule_cli.cli._output import count_text, data_time, emit_ok, note, output_format, warn
from joule_cli.cli._progress import Progress
from joule_cli.cli._references import Ref, find_event_stream
from joule_cli.cli._run import report_interruption, with_node
from joule_cli.cli._settings import current
from joule_cli.cli.data._input import bad_input_options, follow, opened
from joule_cli.cli.data._table import event_read_options, table_options
from joule_cli.cli.event._fields import read_fields
from joule_cli.cli.event._options import resolve_window
from joule_cli.errors import InvalidEventError, StreamNotFound
from joule_cli.model import Event, EventStream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import TracebackType

    from joule_cli.api.node import Node
    from joule_cli.cli._options import Bounds
    from joule_cli.cli.data._rejects import Rejects
    from joule_cli.formats.events import EventReader, EventReadOptions, EventWriter, Fields
    from joule_cli.ops.event_ingest import EventIngestOptions, EventIngestResult, EventTarget


@command(
    "write",
    examples=[
        "joule event write /house/events --start now-5m --end now kind=heat power=1200",
        "joule event write /house/events events.csv --on-error skip --rejects bad.csv",
        "joule event read /house/events --jsonl | joule event write /copy/events --create",
    ],
)
@click.argument("stream", type=STREAM)
@click.argument("items", nargs=-1, metavar="[FILE | FIELD=VALUE...]")
@table_options(events=True)
@click.option("--create", is_flag=True, help="Create a stream that does not exist.")
@click.option(
    "--field",
    multiple=True,
    metavar="NAME:TYPE",
    help="With --create, declare a field; TYPE is string, numeric or category[a,b].",
)
@click.option("--resume", is_flag=True, help="Leave out events that the stream has already.")
@bad_input_options("event")
@click.option("-s", "--start", metavar="T", help="Write one event that begins at this time.")
@click.option("-e", "--end", metavar="T", help="Its end; without one it is still going on.")
@progress_option
@with_node
async def write(
    node: Node,
    stream: Ref,
    items: tuple[str, ...],
    table: dict[str, Any],
    create: bool,
    field: tuple[str, ...],
    resume: bool,
    on_error: str,
    max_errors: int | None,
    rejects: str | None,
    start: str | None,
    end: str | None,
) -> None:
    """Write events to a stream and print their number.

    They come from FILE, from standard input, or, with --start, from the command line. A file is
    checked as a whole before anything is stored. Up to 50,000 events (and 64 MiB) of a file go
    into a node file all together or not at all; what comes through a pipe is stored while it
    arrives. --resume continues what was interrupted. An event with the id of a stored one replaces
    it, unless it was read from elsewhere. With --json and its likes, the events are printed with
    the ids they have got.
    """
    if field and not create:
        raise click.UsageError("--field needs --create.")
    contents = _contents(items) if start is not None else None
    file = _file(items) if contents is None else "-"
    if end is not None and contents is None:
        raise click.UsageError("--end needs --start.")
    if contents is not None and (given := _given_for_files(table)):
        raise click.UsageError(f"{given} is for files, not for --start.")
    declared = read_fields(field)
    bounds = read_bounds(start, end)

    from joule_cli.cli.data._rejects import Rejects
    from joule_cli.formats.events import Fields
    from joule_cli.ops.event_ingest import EventIngestOptions

    target = await _find(node, stream, declared, create=create)
    fields = Fields(declared if target.stream is None else target.stream.event_fields)
    with _Printer(fields) as printer:
        if contents is not None:
            event = Event(*await _span(target, bounds), _typed(contents, fields))
            await target.write([event])
            await printer.show([event])
            _emit_count(printer, 1)
            return
        source = _EventInput(file, table["form"], event_read_options(table, fields))
        with Rejects(rejects) as bad_events:
            bad_events.file = file
            result = await _ingest(
                target,
                source,
                bad_events,
                EventIngestOptions(
                    repeatable=source.is_regular,
                    skip_bad=on_error == "skip",
                    max_errors=max_errors,
                    on_reject=bad_events.add,
                    resume=resume,
                ),
                printer,
            )
            bad_events.tell()
    for warning in result.warnings:
        warn(warning)
    if result.present:
        note(f"{count_text(result.present, 'event')} there already")
    _emit_count(printer, result.stored)
    if result.rejected:
        raise click.exceptions.Exit(3)


async def _ingest(
    target: EventTarget,
    source: _EventInput,
    bad_events: Rejects,
    options: EventIngestOptions,
    printer: _Printer,
) -> EventIngestResult:
    from joule_cli.ops.event_ingest import EventIngestResult, ingest_events

    result = EventIngestResult()
    with Progress("writing", unit="events") as bar, _how_far(target.path, result):
        await ingest_events(
            target,
            lambda reject: source.open(reject, bad_events),
            options,
            result,
            on_stored=printer.show,
            report=follow(bar),
        )
    return result


def _emit_count(printer: _Printer, count: int) -> None:
    """Tell a person how many events were written."""
    if printer.writer is None:
        emit_ok(str(count))


class _Printer:
    """Prints the events with their ids once they are stored, for programs only."""

    def __init__(self, fields: Fields) -> None:
        self.writer: EventWriter | None = None
        form = output_format()
        if form in {"table", "plain"}:
            return
        from joule_cli.formats.events import EventWriteOptions, open_event_writer

        settings = current()
        self.writer = open_event_writer(
            sys.stdout.buffer,
            form,
            EventWriteOptions(
                fields=fields,
                ids=True,
                header=settings.header,
                format_time=None if settings.time is None else lambda t: data_time(t, settings),
            ),
        )

    async def show(self, events: Sequence[Event]) -> None:
        """Print events."""
        if self.writer is not None:
            self.writer.write(events)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.writer is not None:
            self.writer.close(complete=kind is None)


class _EventInput:
    """The input, which can be opened again if it is a regular file."""

    def __init__(self, file: str, form: str | None, options: EventReadOptions) -> None:
        self._file = file
        self._form = form
        self.is_regular = _is_regular(file)
        self._options = replace(options, live=not self.is_regular)
        self._begin = sys.stdin.buffer.tell() if file == "-" and self.is_regular else 0

    def open(self, reject: Callable[[int, str, str], None] | None, bad: Rejects) -> EventReader:
        """Open it at its beginning."""
        from joule_cli.formats.events import open_event_reader

        place = opened(self._file)
        if self._file == "-" and self.is_regular:
            sys.stdin.buffer.seek(self._begin)
        reader = open_event_reader(place, self._form, replace(self._options, on_reject=reject))
        bad.heading = reader.heading
        return reader


def _given_for_files(table: dict[str, Any]) -> str:
    """Return an option of files that stands on the command line."""
    ctx = click.get_current_context()
    by_name = {param.name: param.opts[0] for param in ctx.command.params}
    names = [*table, "resume", "on_error"]
    given = (n for n in names if ctx.get_parameter_source(n) is ParameterSource.COMMANDLINE)
    return next((by_name[name] for name in given), "")


def _is_regular(file: str) -> bool:
    try:
        found = os.fstat(sys.stdin.fileno()) if file == "-" else Path(file).stat()
    except (OSError, ValueError, AttributeError):
        # its reader tells what is wrong with it
        return False
    return stat.S_ISREG(found.st_mode)


def _file(items: tuple[str, ...]) -> str:
    if len(items) > 1:
        wrong = (
            "An event on the command line needs --start." if "=" in items[0] else "One FILE only."
        )
        raise click.UsageError(wrong)
    if items and "=" in items[0] and not Path(items[0]).exists():
        raise click.UsageError("An event on the command line needs --start.")
    return items[0] if items else "-"


def _contents(items: tuple[str, ...]) -> dict[str, str]:
    contents: dict[str, str] = {}
    for item in items:
        name, found, text = item.partition("=")
        if not found or not name:
            raise click.UsageError(f"'{item}' is not FIELD=VALUE.")
        if name in contents:
            raise click.UsageError(f"The field '{name}' is given twice.")
        contents[name] = text
    return contents


def _typed(contents: dict[str, str], fields: Fields) -> dict[str, Any]:
    from joule_cli.formats.events.cells import value_of

    content = {}
    for name, text in contents.items():
        try:
            # an empty text is no missing field here
            empty = not text and fields.kinds.get(name) != "numeric"
            content[name] = "" if empty else value_of(text or " ", fields.kinds.get(name))
        except ValueError as exc:
            raise InvalidEventError(f"the field '{name}' must be a number, not '{text}'") from exc
    if not fields.fit(content):
        raise InvalidEventError(fields.reason(content))
    return content


async def _span(target: EventTarget, bounds: Bounds) -> tuple[int, int | None]:
    if target.stream is None:
        start, end = bounds.within(None, None)
    else:
        from joule_cli.ops.streams import FoundEvents

        source = FoundEvents(target.node, target.path, target.stream)
        start, end = await resolve_window(source, bounds)
    if start is None:
        raise click.UsageError("--start must be an instant.")
    return start, end


async def _find(node: Node, stream: Ref, declared: dict[str, str], *, create: bool) -> EventTarget:
    """Find out where the events go, and whether that is still to be created."""
    from joule_cli.ops.event_ingest import EventTarget
    from joule_cli.ops.streams import require_fields

    try:
        found = await find_event_stream(node, stream, "use --create to create it")
    except StreamNotFound:
        from joule_cli.cli._advice import other_kind

        if isinstance(stream, int) or not create:
            raise
        if other_kind(await node.folder_root(), stream, "event stream"):
            raise
        folder, name = split_path(stream)
        model = EventStream(name=name, event_fields=declared)
        return EventTarget(node, stream, None, model, folder)
    require_fields(found.model, declared, found.path)
    return EventTarget(node, found.path, found.model)


@contextmanager
def _how_far(path: str, result: EventIngestResult) -> Iterator[None]:
    """Say after a failure or an interruption how many events are stored, and how to continue."""
    import asyncio

    from joule_cli.ops.errors import PartialError

    try:
        yield
    except PartialError as exc:
        exc.hint = _told(path, result)
        raise
    except asyncio.CancelledError:
        if result.stored:
            report_interruption(f"Interrupted. {_told(path, result)}", path, current())
        raise


def _told(path: str, result: EventIngestResult) -> str:
    are = "is" if result.stored == 1 else "are"
    told = f"{count_text(result.stored, 'event')} of {path} {are} stored"
    if result.unsure:
        told += f", and up to {result.unsure:,} more may be"
    elif result.line:
        told += f", those up to {result.unit} {result.line} of the input"
    return f"{told}; repeat the command with --resume to write what follows them"
