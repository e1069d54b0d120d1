"""What commands that take rows from files share."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta, tzinfo
from functools import wraps
from typing import IO, TYPE_CHECKING, Any, TypeVar

import click

from joule_cli.cli._output import count_text, show_time
from joule_cli.cli._references import stream_info
from joule_cli.cli._run import report_interruption
from joule_cli.cli._settings import current
from joule_cli.cli._times import zone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from joule_cli.cli._progress import Progress
    from joule_cli.cli._settings import Settings
    from joule_cli.ops.progress import Step
    from joule_cli.ops.streams import FoundStream

F = TypeVar("F", bound="Callable[..., Any]")

#: Formats of rows by name; `joule_cli.formats` is too much to import for a list of options.
ROW_FORMATS = ("text", "csv", "tsv", "jsonl", "json", "hdf5", "parquet", "arrow")

#: Formats that are only read.
INPUT_FORMATS = (*ROW_FORMATS, "excel", "tdms", "lvm", "influx", "influx-csv", "zip")

#: What is done with a file that is looked at, before it is read to be stored.
CHECKING = "checking"


def bad_input_options(what: str) -> Callable[[F], F]:
    """Add ``--on-error``, ``--max-errors`` and ``--rejects``; `what` is what can be bad."""

    def decorate(command: F) -> F:
        @click.option(
            "--on-error",
            type=click.Choice(["fail", "skip"]),
            default="fail",
            metavar="HOW",
            help=f"At a bad {what}: fail, or skip it.",
        )
        @click.option(
            "--max-errors",
            type=click.IntRange(min=0),
            metavar="N",
            help=f"Fail after this many bad {what}s.",
        )
        @click.option("--rejects", metavar="FILE", help=f"Write the bad {what}s there.")
        @wraps(command)
        def checked(*args: Any, **kwargs: Any) -> Any:
            limits = kwargs["max_errors"], kwargs["rejects"]
            if kwargs["on_error"] != "skip" and limits != (None, None):
                raise click.UsageError("--max-errors and --rejects need --on-error skip.")
            return command(*args, **kwargs)

        return checked  # type: ignore[return-value]  # click only sees that it is callable

    return decorate


class _SystemZone(tzinfo):
    """The zone of the system or of ``TZ``, for times that name none."""

    def utcoffset(self, dt: datetime | None) -> timedelta | None:
        return None if dt is None else dt.replace(tzinfo=None).astimezone().utcoffset()

    def dst(self, dt: datetime | None) -> timedelta | None:
        return None

    def tzname(self, dt: datetime | None) -> str | None:
        return "local"


def input_zone(settings: Settings) -> tzinfo:
    """Return the zone in which times without a zone are read."""
    return zone(settings) or _SystemZone()


def input_zones(settings: Settings) -> tuple[tzinfo | None, tzinfo]:
    """Return the zone that was asked for, and the one where a file says nothing either."""
    asked = settings.tz or os.environ.get("JOULE_TZ")
    return (input_zone(settings) if asked else None), _SystemZone()


def missing_text(missing: Mapping[str, int]) -> str:
    """Return how many values are missing, by element, for a sentence."""
    return ", ".join(f"{name} {count:,}".strip() for name, count in missing.items())


def opened(file: str) -> str | IO[bytes]:
    """Return what a reader opens: the file's name, or standard input for ``-``."""
    return sys.stdin.buffer if file == "-" else file


def follow(
    bar: Progress,
    span: tuple[int, int] | None = None,
    part: tuple[float, float] | None = (0.0, 1.0),
) -> Callable[[Step], None]:
    """Return a callback that shows the steps of an operation in a bar.

    Parameters
    ----------
    span
        First and last time of the work, for an operation that does not know them.
    part
        The shares of the whole work at which this operation begins and ends; `None` if unknown.
    """
    begin, end = part or (0.0, 1.0)

    def step(told: Step) -> None:
        if told.span is None:
            told = replace(told, span=span)
        share = told.fraction
        if told.checking and bar.work != CHECKING:
            # a look at this part alone, before the work on it
            bar.turn_to(CHECKING)
            bar.update(told.rows, share=share)
            return
        bar.turn_to(bar.work, begin)
        if share is not None:
            share = None if part is None else begin + (end - begin) * share
        bar.update(told.rows, told.total, share)

    return step


async def extent(
    bar: Progress, source: FoundStream, start: int | None, end: int | None
) -> tuple[int, int] | None:
    """Return first and last time of the rows to come, for a bar that is shown."""
    if not bar.visible:
        return None
    info = await stream_info(source.node, source.model)
    first = info.start if start is None else start
    last = info.end if end is None else end
    return None if first is None or last is None else (first, last)


@contextmanager
def how_far(remedy: str, bar: Progress | None = None) -> Iterator[Callable[[Step], None]]:
    """Say after a failure or an interruption how many rows are stored, and how to continue.

    Gives a callback for the operation, which also tells how far it got.

    Parameters
    ----------
    bar
        Taken off the screen before an interruption is told.
    """
    import asyncio

    from joule_cli.ops.errors import PartialError

    latest: list[Step] = []

    def step(told: Step) -> None:
        if not told.checking:
            latest[:] = [told]

    try:
        yield step
    except PartialError as exc:
        exc.hint = _told(exc.rows, exc.last, exc.stream, remedy, exc.unsure)
        raise
    except asyncio.CancelledError:
        if latest and latest[0].rows:
            if bar is not None:
                bar.clear()
            # the block that was being stored is there or is not: the answer was not waited for
            told = _told(latest[0].rows, latest[0].last, latest[0].stream, remedy)
            report_interruption(f"Interrupted. At least {told}", latest[0].stream, current())
        raise


def _told(rows: int, last: int | None, stream: str, remedy: str, unsure: int = 0) -> str:
    if unsure and not rows:
        return f"up to {count_text(unsure, 'row')} of {stream} may be stored; {remedy}"
    upto = "" if last is None else f", the last at {last} ({show_time(last)})"
    stored = f"{count_text(rows, 'row')} of {stream} {'is' if rows == 1 else 'are'} stored"
    more = f", and up to {unsure:,} more may be" if unsure else ""
    return f"{stored}{upto}{more}; {remedy}"
