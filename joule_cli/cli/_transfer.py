"""What the commands share that move rows: two ends, progress, and how to go on after a failure."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, NamedTuple

import click

from joule_cli.cli._options import read_reference
from joule_cli.cli._output import show_time
from joule_cli.cli._progress import Progress
from joule_cli.cli._run import advised, open_node, report_interruption
from joule_cli.cli._settings import current
from joule_cli.ops.errors import PartialError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    from joule_cli.api.node import Node
    from joule_cli.ops.progress import Step
    from joule_cli.series.intervals import Interval

_CONTINUE = "Repeat the command to continue there."


class EndRef(NamedTuple):
    """One end of a copy as it was typed; without `node` it is on the node of the options."""

    node: str | None
    path: str | int
    #: written with a slash at its end, as a folder to put things in
    folder: bool


def read_end(text: str) -> EndRef:
    """Read ``/path``, an id, or ``NODE:/path``.

    What can be taken for a node, or for a file here, would else make a stream of a strange name.
    """
    name, found, below = text.partition(":/")
    if found and name and not text.startswith("/"):
        return EndRef(name, "/" + below.strip("/"), below.endswith("/") or not below)
    first = text.partition("/")[0]
    if ":" in first:
        raise click.UsageError(
            f"{text} is no path on another node, write {text.replace(':', ':/', 1)}; "
            f"for a name with a colon it is /{text}."
        )
    if first in {".", ".."}:
        raise click.UsageError(f"{text} is no path in a node; they begin with a slash.")
    reference = read_reference(text)
    return EndRef(None, reference, text.endswith("/"))


def read_ends(source: str, destination: str, destination_node: str | None) -> tuple[EndRef, EndRef]:
    """Read both ends; a node named twice for the destination is refused."""
    first, second = read_end(source), read_end(destination)
    if destination_node is not None:
        if second.node is not None:
            raise click.UsageError(
                "The destination names its node already; leave out --destination-node."
            )
        second = second._replace(node=destination_node)
    return first, second


@asynccontextmanager
async def open_ends(source: EndRef, destination: EndRef) -> AsyncIterator[tuple[Node, Node]]:
    """Open the nodes of both ends, only once if they are named alike."""
    settings = current()
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(open_node(settings, source.node))
        # what a destination lacks is created
        await stack.enter_async_context(advised(first))
        if destination.node == source.node:
            yield first, first
        else:
            yield first, await stack.enter_async_context(open_node(settings, destination.node))


class Watch:
    """Shows the reports of an operation on a `Progress`, and remembers the last one."""

    def __init__(self, bar: Progress) -> None:
        self._bar = bar
        self.last: Step | None = None

    def __call__(self, report: Step) -> None:
        """Take a report; the share is that of the time covered if nothing else is known."""
        self.last = report
        self._bar.unit = report.unit
        self._bar.update(report.rows, report.total, report.fraction)


@contextmanager
def watched(label: str, go_on: str = _CONTINUE) -> Iterator[Watch]:
    """Show progress; after a failure or an interruption tell how far the work got.

    Parameters
    ----------
    go_on
        How to continue then.
    """
    import asyncio

    with Progress(label) as bar:
        watch = Watch(bar)
        try:
            yield watch
        except PartialError as exc:
            bar.clear()
            raise explain(exc, go_on) from exc
        except asyncio.CancelledError:
            bar.clear()
            last = watch.last
            if last is not None and last.rows:
                told = f"Interrupted after {_reached(last)}."
                report_interruption(f"{told} {go_on}", last.stream, current())
            raise


def explain(exc: PartialError, go_on: str = _CONTINUE) -> PartialError:
    """Say in the error itself how far the work got, and in its hint how to go on."""
    exc.message = f"{exc.message} ({_stored(exc)})"
    exc.hint = f"{exc.hint}\n{go_on}" if exc.hint else go_on
    return exc


def _stored(exc: PartialError) -> str:
    if not exc.unsure:
        return f"after {_reached(exc)}"
    if not exc.rows:
        return f"up to {exc.unsure:,} {exc.unit} of {exc.stream} may be stored"
    return f"after {_reached(exc)}; up to {exc.unsure:,} more may be stored"


def _reached(work: Step | PartialError) -> str:
    where = f"{work.rows:,} {work.unit} of {work.stream}"
    if work.last is None:
        return where
    return f"{where}, the last at {show_time(work.last)} [{work.last}]"


def interval_line(interval: Sequence[int]) -> str:
    """Return ``[A - B]``, in the form of ``--time`` if one is chosen."""
    from joule_cli.cli._times import zone
    from joule_cli.series.time import interval_time

    settings = current()
    if settings.time is not None:
        start, end = (show_time(t, settings) for t in interval)
    else:
        start, end = (interval_time(t, zone(settings)) for t in interval)
    return f"[{start} - {end}]"


def pairs(intervals: Sequence[Interval]) -> list[list[int]]:
    """Return intervals as JSON has them."""
    return [list(interval) for interval in intervals]


def read_interval_file(file: str | None) -> list[Interval] | None:
    """Read the file of ``--intervals``; ``-`` is standard input."""
    if file is None:
        return None
    import sys

    from joule_cli.cli._options import read_instant
    from joule_cli.errors import FormatError
    from joule_cli.ops.intervals_file import read_intervals

    def read(text: str) -> int:
        instant = read_instant(text, "time")
        if instant is None:
            raise ValueError(text)
        return instant

    try:
        text = sys.stdin.read() if file == "-" else None
    except UnicodeDecodeError as exc:
        raise FormatError("the input is not text in UTF-8", file=file) from exc
    return read_intervals(file, text=text, parse_time=read)
