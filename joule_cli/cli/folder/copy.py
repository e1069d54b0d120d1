"""Copying folders, between nodes as well."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import click

from joule_cli.cli._lazy import command
from joule_cli.cli._options import Bounds, progress_option, safe_options, time_bounds
from joule_cli.cli._output import (
    Column,
    ListWriter,
    count_text,
    emit_list,
    emit_ok,
    emit_text,
    output_format,
)
from joule_cli.cli._references import expand_folders
from joule_cli.cli._run import report, run
from joule_cli.cli._settings import current
from joule_cli.cli._transfer import EndRef, explain, open_ends, pairs, read_ends, watched
from joule_cli.cli.data.copy import copy_asking, copy_record, copy_sentence
from joule_cli.cli.event import copy as event_copy
from joule_cli.errors import ElementNamesError, TimeFormatError
from joule_cli.series.visible import one_line

if TYPE_CHECKING:
    from joule_cli.api.node import Node
    from joule_cli.errors import JouleError
    from joule_cli.ops.copy import CopyResult
    from joule_cli.ops.event_copy import EventCopyResult
    from joule_cli.ops.streams import Place
    from joule_cli.ops.tree import Outcome, TreeOptions

_COLUMNS = (
    Column("source"),
    Column("destination"),
    Column("kind"),
    Column("created"),
    Column("rows", kind="number"),
    Column("intervals", shown=False),
    Column("annotations", kind="number"),
    Column("events", kind="number"),
    Column("present", kind="number", shown=False),
    Column("error"),
)


@command(
    "copy",
    examples=[
        "joule folder copy /house /archive/house",
        "joule folder copy /house backup:/house --resume --include 'mains*'",
    ],
)
@click.argument("source")
@click.argument("destination")
@time_bounds
@click.option("-d", "--destination-node", metavar="NAME", help="Node of the destination.")
@click.option("--resume", is_flag=True, help="Allow a destination that has streams already.")
@click.option("--include", multiple=True, metavar="GLOB", help="Copy only these streams.")
@click.option("--exclude", multiple=True, metavar="GLOB", help="Leave these streams out.")
@click.option("--no-annotations", is_flag=True, help="Leave the annotations out.")
@click.option(
    "--by-position", is_flag=True, help="Keep the order of the elements, whatever their names."
)
@safe_options
@progress_option
def copy(
    source: str,
    destination: str,
    bounds: Bounds,
    destination_node: str | None,
    resume: bool,
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    no_annotations: bool,
    by_position: bool,
    dry_run: bool,
) -> None:
    """Copy the content of a folder into another one.

    Event streams are copied with the events that begin in the range. Repeat it with --resume to
    continue after an interruption or a failure; then streams get what they lack. NODE:/path is
    on another node, local:/path in your own file. GLOB is compared with the path below SOURCE and
    with the name alone.
    """
    from joule_cli.ops.copy import CopyOptions
    from joule_cli.ops.tree import TreeOptions
    from joule_cli.series.element_names import Naming

    sides = (bounds.start, bounds.end)
    if any(side is not None and side.needs_stream for side in sides):
        raise TimeFormatError("[start] and [end] of a stream are no times for a whole folder")
    low, high = (None if side is None else side.timestamp for side in sides)
    single = CopyOptions(
        start=low,
        end=high,
        annotations=not no_annotations,
        accept_units=current().yes,
        naming=Naming(by_position=by_position),
    )
    options = TreeOptions(single, resume, include, exclude)
    ends = read_ends(source, destination, destination_node)
    run(lambda: _copy(*ends, options, dry_run))


async def _copy(source: EndRef, destination: EndRef, options: TreeOptions, dry_run: bool) -> None:
    from joule_cli.ops.streams import Place
    from joule_cli.ops.tree import plan_tree

    async with open_ends(source, destination) as (first, second):
        old = Place(first, await _folder_path(first, source.path))
        new = Place(second, await _folder_path(second, destination.path))
        if dry_run:
            outcomes = await plan_tree(old, new, options)
            columns = [c if c.key != "created" else Column("creates") for c in _COLUMNS]
            emit_list(map(_planned, outcomes), columns)
            return
        await _Run(old, new, options)()


async def _folder_path(node: Node, reference: str | int) -> str:
    if isinstance(reference, str):
        return reference
    return (await expand_folders(node, [reference]))[0][0]


def _planned(outcome: Outcome) -> dict[str, Any]:
    from joule_cli.ops.copy import CopyPlan
    from joule_cli.ops.event_copy import EventCopyPlan

    record = _record(outcome) | {
        "creates": outcome.plan is not None and outcome.plan.creates,
        "error": None if outcome.error is None else outcome.error.sentence(),
    }
    del record["created"]
    if isinstance(outcome.plan, CopyPlan):
        record["rows"] = outcome.plan.rows
        record["intervals"] = pairs(outcome.plan.intervals)
        record["annotations"] = outcome.plan.annotations
    elif isinstance(outcome.plan, EventCopyPlan):
        record["events"] = outcome.plan.events
        record["present"] = outcome.plan.present
    return record


def _record(outcome: Outcome) -> dict[str, Any]:
    """Return what is known of a stream before its copy; what its kind does not have is null."""
    rows, events = (None, 0) if outcome.kind == "event_stream" else (0, None)
    return {
        "source": outcome.source,
        "destination": outcome.destination,
        "kind": outcome.kind,
        "created": None,
        "rows": rows,
        "intervals": [],
        "annotations": rows,
        "events": events,
        "present": events,
        "error": None,
    }


class _Run:
    """One copy of a folder: tells of each stream as it is done, and counts."""

    def __init__(self, source: Place, destination: Place, options: TreeOptions) -> None:
        self.source = source
        self.destination = destination
        self.options = options
        self.people = output_format() in {"table", "plain"}
        #: streams copied, and what they hold, by kind
        self.done: Counter[str] = Counter()
        self.amounts: Counter[str] = Counter()
        self.failed = 0
        self.partial = False
        #: streams whose units differ: the user is asked
        self.differing: list[Outcome] = []
        self.writer: ListWriter | None = None

    async def __call__(self) -> None:
        from joule_cli.ops.tree import copy_tree

        if self.people:
            await self._work(copy_tree)
        else:
            with ListWriter(_COLUMNS) as self.writer:
                await self._work(copy_tree)
        if self.people:
            if not current().quiet:
                emit_text(self._summary())
            if not self.failed:
                emit_ok()
        if self.failed:
            raise click.exceptions.Exit(3 if self.done or self.partial else 1)

    def _summary(self) -> str:
        kinds = [("stream", "row")]
        if self.done["event_stream"]:
            kinds.append(("event_stream", "event"))
        return "; ".join(
            f"{count_text(self.done[kind], kind.replace('_', ' '))} copied, "
            f"{count_text(self.amounts[kind], content)}"
            for kind, content in kinds
        )

    async def _work(self, copy_tree: Any) -> None:
        with watched("copying") as watch:
            await copy_tree(self.source, self.destination, self.options, watch, self._finished)
        for outcome in self.differing:
            await self._ask(outcome)

    def _finished(self, outcome: Outcome) -> None:
        from joule_cli.ops.copy import CopyResult
        from joule_cli.ops.errors import PartialError, UnitsMismatchError
        from joule_cli.ops.event_copy import EventCopyResult

        if isinstance(outcome.error, UnitsMismatchError):
            self.differing.append(outcome)
        elif outcome.error is not None:
            if isinstance(outcome.error, PartialError):
                explain(outcome.error)
            self._fail(outcome, outcome.error)
        elif isinstance(outcome.result, CopyResult):
            self._succeed(outcome, outcome.result)
        elif isinstance(outcome.result, EventCopyResult):
            self._succeed_with_events(outcome, outcome.result)

    async def _ask(self, outcome: Outcome) -> None:
        from joule_cli.errors import JouleError
        from joule_cli.ops.streams import Place

        old = Place(self.source.node, outcome.source)
        new = Place(self.destination.node, outcome.destination)
        try:
            result = await copy_asking(old, new, self.options.copy)
        except JouleError as exc:
            self._fail(outcome, exc)
            return
        if result is not None:
            self._succeed(outcome, result)
        elif self.people:
            emit_text(one_line(f"{outcome.source}: cancelled"))

    def _succeed(self, outcome: Outcome, result: CopyResult) -> None:
        from joule_cli.ops.streams import Place

        old = Place(self.source.node, outcome.source)
        record = copy_record(old, Place(self.destination.node, outcome.destination), result)
        self._tell(outcome, record, copy_sentence(record), result.rows)

    def _succeed_with_events(self, outcome: Outcome, result: EventCopyResult) -> None:
        from joule_cli.ops.streams import Place

        old = Place(self.source.node, outcome.source)
        new = Place(self.destination.node, outcome.destination)
        record = event_copy.copy_record(old, new, result)
        del record["removed"]
        self._tell(outcome, record, event_copy.copy_sentence(record), result.events)

    def _tell(self, outcome: Outcome, record: dict[str, Any], sentence: str, amount: int) -> None:
        self.done[outcome.kind] += 1
        self.amounts[outcome.kind] += amount
        if self.writer is not None:
            self.writer.write(_record(outcome) | record)
        elif not current().quiet:
            emit_text(sentence)

    def _fail(self, outcome: Outcome, error: JouleError) -> None:
        from joule_cli.ops.errors import PartialError

        self.failed += 1
        if isinstance(error, PartialError):
            self.partial = True
        if error.object is None:
            error.object = outcome.source
        if isinstance(error, ElementNamesError) and error.hint:
            error.hint += "; --map belongs to joule data copy"
        report(error, current())
        if self.writer is not None:
            record = _record(outcome) | {"error": error.code}
            if isinstance(error, PartialError):
                record |= {error.unit: error.rows, "unsure": error.unsure}
            self.writer.write(record)
