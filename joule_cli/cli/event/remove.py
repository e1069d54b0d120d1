"""Removing events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from joule_cli.cli._lazy import command
from joule_cli.cli._options import STREAM, Bounds, progress_option, safe_options, time_bounds
from joule_cli.cli._output import Column, emit_list, emit_ok, show_time
from joule_cli.cli._progress import working
from joule_cli.cli._prompt import confirm_or_leave
from joule_cli.cli._references import expand_event_streams
from joule_cli.cli._run import with_node
from joule_cli.cli.event._options import Chosen, filter_options, resolve_window
from joule_cli.ops.errors import OperationError

if TYPE_CHECKING:
    from joule_cli.api.node import Node

Ref = str | int

_COLUMNS = (
    Column("path"),
    Column("start", kind="time"),
    Column("end", kind="time"),
    Column("events", kind="number"),
    Column("began_before", "began before", kind="number"),
    Column("filter"),
)


@command(
    "remove",
    examples=[
        "joule event remove /house/events --end now-1y --dry-run",
        "joule event remove /house/events --last 1d --where 'kind is test' --yes",
        "joule event remove /tmp/events --all",
    ],
)
@click.argument("stream", type=STREAM)
@time_bounds
@filter_options
@click.option("--all", "everything", is_flag=True, help="Remove all events.")
@safe_options
@progress_option
@with_node
async def remove(
    node: Node, stream: Ref, bounds: Bounds, chosen: Chosen, everything: bool, dry_run: bool
) -> None:
    """Remove events of a stream and print their number; the stream stays.

    Needs --all, a bound or a filter. Events that began before --start and had not ended then are
    removed as well. To delete the stream itself, see joule event delete.
    """
    if everything and (bounds.given or chosen.given):
        raise OperationError("--all cannot be combined with a range of time or a filter")
    if not everything and not bounds.given and not chosen.given:
        raise OperationError(
            "nothing says which events", hint="Give --all, a bound, --where or --filter."
        )
    found = await expand_event_streams(node, [stream])
    if len(found) > 1:
        raise click.UsageError(f"Events are removed from one stream; {len(found)} match.")
    path = found[0][0]
    start, end = await resolve_window(node, path, bounds)
    chosen_json = chosen.json_filter()
    record: dict[str, Any] = {
        "path": path,
        "start": start,
        "end": end,
        "events": await node.event_stream_count(path, start, end, chosen_json),
        "began_before": None,
        "filter": chosen_json,
    }
    if start is not None:
        inside = await node.event_stream_count(path, start, end, chosen_json, False)
        record["began_before"] = record["events"] - inside
    if dry_run:
        emit_list([record], _COLUMNS)
        return
    if record["events"]:
        question = f"Remove {_number(record['events'])} of {path}?"
        confirm_or_leave(question, details="\n".join(_details(record)))
    async with working("removing", record["events"], "events") as bar:
        removed = await node.event_stream_remove(path, start, end, chosen_json)
        bar.advance(removed)
    emit_ok(str(removed), {"path": path, "removed": removed})


def _details(record: dict[str, Any]) -> list[str]:
    lines = []
    if record["start"] is not None:
        lines.append(f"  from {show_time(record['start'])}")
    if record["end"] is not None:
        lines.append(f"  to {show_time(record['end'])}")
    if record["filter"] is not None:
        lines.append(f"  matching {record['filter']}")
    if record["began_before"]:
        lines.append(f"  {_number(record['began_before'])} began before and had not ended then")
    return lines


def _number(events: int) -> str:
    return "1 event" if events == 1 else f"{events:,} events"
