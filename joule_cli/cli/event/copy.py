"""Copying events, between nodes as well."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from joule_cli.cli._lazy import command
from joule_cli.cli._options import Bounds, progress_option, safe_options, time_bounds
from joule_cli.cli._output import (
    Column,
    count_text,
    emit_done,
    emit_list,
    emit_ok,
    emit_text,
    output_format,
)
from joule_cli.cli._prompt import UnansweredError, ask
from joule_cli.cli._ranges import bounds_text
from joule_cli.cli._references import find_event_stream
from joule_cli.cli._run import run
from joule_cli.cli._settings import current
from joule_cli.cli._transfer import EndRef, open_ends, read_ends, watched
from joule_cli.cli.event._options import Chosen, filter_options, resolve_window
from joule_cli.series.visible import one_line

if TYPE_CHECKING:
    from joule_cli.api.node import Node
    from joule_cli.ops.errors import EventsPresentError
    from joule_cli.ops.event_copy import (
        Action,
        EventCopyOptions,
        EventCopyPlan,
        EventCopyResult,
    )
    from joule_cli.ops.streams import FoundEvents, Place

_COLUMNS = (
    Column("source"),
    Column("destination"),
    Column("creates"),
    Column("events", kind="number"),
    Column("present", kind="number"),
    Column("removed", kind="number"),
)
_CHOICES = "Choose with --action ignore, replace or skip."


@command(
    "copy",
    examples=[
        "joule event copy /house/events /archive/events --last 30d --action skip",
        "joule event copy /house/events backup:/house/events --new",
        "joule event copy /house/events /house/heat --where 'kind is heat' --action replace",
    ],
)
@click.argument("source")
@click.argument("destination")
@time_bounds
@filter_options
@click.option(
    "-a",
    "--action",
    type=click.Choice(["ignore", "replace", "skip", "prompt"]),
    default="prompt",
    help="If DESTINATION has events in the range: copy all the same, replace them, copy only "
    "what it lacks, or ask.",
)
@click.option(
    "-n", "--new", is_flag=True, help="Continue at the last start in DESTINATION; never asks."
)
@click.option("-d", "--destination-node", metavar="NAME", help="Node of the destination.")
@safe_options
@progress_option
def copy(
    source: str,
    destination: str,
    bounds: Bounds,
    chosen: Chosen,
    action: str,
    new: bool,
    destination_node: str | None,
    dry_run: bool,
) -> None:
    """Copy the events that begin in the range to another event stream.

    It is created if it is missing. --new and --action skip copy no event twice, so repeat them to
    continue after an interruption. With --action replace nothing is removed before all events are
    copied; --yes stands for --action skip. NODE:/path is on another node, local:/path in your own
    file, and a DESTINATION that ends with a slash is a folder.
    """
    from joule_cli.ops.errors import OperationError

    if new and bounds.start is not None:
        raise OperationError("only new events or events from a start time, not both")
    if new and action == "replace":
        raise OperationError("only new events or replaced ones, not both")
    ends = read_ends(source, destination, destination_node)
    run(lambda: _copy(*ends, bounds, chosen, action, new, dry_run))


async def _copy(
    source: EndRef,
    destination: EndRef,
    bounds: Bounds,
    chosen: Chosen,
    action: str,
    new: bool,
    dry_run: bool,
) -> None:
    from joule_cli.ops.event_copy import Action, EventCopyOptions

    async with open_ends(source, destination) as nodes:
        old, other = await _places(nodes, source, destination, info=bounds.relative)
        options = EventCopyOptions(
            *await resolve_window(old, bounds),
            new=new,
            action=None if action == "prompt" else Action(action),
            json_filter=chosen.json_filter(),
        )
        if dry_run:
            emit_list([plan_record(old, other, await _plan(old, other, options))], _COLUMNS)
            return
        result = await _copy_asking(old, other, options)
    if result is None:
        emit_ok("Cancelled", {"status": "cancelled"})
        return
    record = copy_record(old, other, result)
    record |= {"start": options.start, "end": options.end}
    if output_format() not in {"table", "plain"}:
        emit_done([record])
        return
    if not current().quiet:
        emit_text(copy_sentence(record))
    emit_ok()


async def _places(
    nodes: tuple[Node, Node], source: EndRef, destination: EndRef, *, info: bool
) -> tuple[FoundEvents, Place]:
    from joule_cli.ops.streams import Place

    old = await find_event_stream(nodes[0], source.path, info=info)
    new = destination.path
    if isinstance(new, int):
        new = (await find_event_stream(nodes[1], new)).path
    if destination.folder:
        new = f"{new.rstrip('/')}/{old.path.rpartition('/')[2]}"
    return old, Place(nodes[1], new)


async def _plan(old: Place, new: Place, options: EventCopyOptions) -> EventCopyPlan:
    from dataclasses import replace

    from joule_cli.ops.errors import EventsPresentError
    from joule_cli.ops.event_copy import Action, plan_events

    try:
        return await plan_events(old, new, options)
    except EventsPresentError as exc:
        if current().yes:
            return await plan_events(old, new, replace(options, action=Action.SKIP))
        exc.hint = _CHOICES
        raise


async def _copy_asking(old: Place, new: Place, options: EventCopyOptions) -> EventCopyResult | None:
    """Copy; ask if the destination has events in the range, and return `None` to leave it."""
    from dataclasses import replace

    from joule_cli.ops.errors import EventsPresentError
    from joule_cli.ops.event_copy import copy_events

    try:
        with watched("copying", _go_on(options)) as watch:
            return await copy_events(old, new, options, watch)
    except EventsPresentError as exc:
        action = _ask(exc)
    if action is None:
        return None
    options = replace(options, action=action)
    with watched("copying", _go_on(options)) as watch:
        return await copy_events(old, new, options, watch)


def _go_on(options: EventCopyOptions) -> str:
    if options.new:
        return "Repeat the command to continue there."
    action = "replace" if options.action == "replace" else "skip"
    return f"Repeat the command with --action {action} to continue there."


def _ask(present: EventsPresentError) -> Action | None:
    """Ask what to do with the events that are there; `None` is nothing."""
    from joule_cli.ops.event_copy import Action

    if current().yes:
        return Action.SKIP
    if current().no_input:
        present.hint = _CHOICES
        raise present
    click.echo(
        f"{one_line(present.sentence())}\n"
        "  c  cancel\n"
        "  i  ignore them and copy all events\n"
        "  r  replace them\n"
        "  s  skip the events that are there already",
        err=True,
    )
    while True:
        answer = ask("[c]ancel, [i]gnore, [r]eplace or [s]kip? [c]: ")
        if answer is None:
            raise UnansweredError(f"no answer: {present.sentence()}", hint=_CHOICES)
        match answer.strip().lower():
            case "" | "c" | "cancel":
                return None
            case "i" | "ignore":
                return Action.IGNORE
            case "r" | "replace":
                return Action.REPLACE
            case "s" | "skip":
                return Action.SKIP
            case _:
                click.echo("Answer c, i, r or s.", err=True)


def copy_record(old: Place, new: Place, result: EventCopyResult) -> dict[str, Any]:
    """Return what a copy did, for programs."""
    return {
        "source": old.path,
        "destination": new.path,
        "created": result.created,
        "events": result.events,
        "present": result.present,
        "removed": result.removed,
    }


def plan_record(old: Place, new: Place, plan: EventCopyPlan) -> dict[str, Any]:
    """Return what a copy would do, for programs."""
    return {
        "source": old.path,
        "destination": new.path,
        "creates": plan.creates,
        "events": plan.events,
        "present": plan.present,
        "removed": plan.removed,
    }


def copy_sentence(record: dict[str, Any]) -> str:
    """Return what a copy did, for people."""
    number = record["events"]
    text = count_text(number, "event") if number else "no events to copy"
    if record["present"]:
        text += f", {record['present']:,} were there already"
    if record.get("removed"):
        text += f", {count_text(record['removed'], 'event')} removed"
        text += bounds_text(record.get("start"), record.get("end"))
    if record["created"]:
        text += ", event stream created"
    return one_line(f"{record['source']} -> {record['destination']}: {text}")
