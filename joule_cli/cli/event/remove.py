"""Removing events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from joule_cli.cli._lazy import command
from joule_cli.cli._options import STREAM, Bounds, progress_option, safe_options, time_bounds
from joule_cli.cli._output import Column, count_text, emit_list, emit_ok, show_time
from joule_cli.cli._progress import working
from joule_cli.cli._prompt import confirm_or_leave
from joule_cli.cli._ranges import bounds_text, range_text
from joule_cli.cli._references import Ref, event_stream_info, expand_event_streams
from joule_cli.cli._run import with_node
from joule_cli.cli.event._options import Chosen, filter_options, resolve_window
from joule_cli.ops.errors import OperationError
from joule_cli.ops.streams import FoundEvents
from joule_cli.series.visible import one_line

if TYPE_CHECKING:
    from joule_cli.api.node import Node

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
    """Remove events of a stream and say how many; the stream stays.

    Needs --all, a bound or a filter. Events that began before --start and had not ended then are
    removed as well. To delete the stream itself, see joule event delete.
    """
    if everything and (bounds.given or chosen.given):
        raise OperationError("--all cannot be combined with a range of time or a filter")
    if not everything and not bounds.given and not chosen.given:
        raise OperationError(
            "nothing says which events", hint="Give --all, a bound, --where or --filter."
        )
    found = await expand_event_streams(node, [stream], info=bounds.relative)
    if len(found) > 1:
        raise click.UsageError(f"Events are removed from one stream; {len(found)} match.")
    path, model = found[0]
    start, end = await resolve_window(FoundEvents(node, path, model), bounds)
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
    span = bounds_text(start, end)
    if record["events"]:
        if not span:
            info = await event_stream_info(node, model)
            record["start"], record["end"] = info.start, info.end
            span = range_text(info.start, info.end)
        question = f"Remove {count_text(record['events'], 'event')} of {path}?"
        confirm_or_leave(question, details=_details(record))
    async with working("removing", record["events"], "events") as bar:
        removed = await node.event_stream_remove(path, start, end, chosen_json)
        bar.advance(removed)
    what = f"{count_text(removed, 'event')} of {one_line(path)} removed{span}"
    if chosen_json is not None:
        what += f", matching {chosen_json}"
    value = {key: record[key] for key in ("start", "end", "filter")}
    emit_ok(what, {"path": path, "removed": removed, **value})


def _details(record: dict[str, Any]) -> list[str]:
    lines = []
    if record["start"] is not None:
        lines.append(f"  from {show_time(record['start'])}")
    if record["end"] is not None:
        lines.append(f"  to {show_time(record['end'])}")
    if record["filter"] is not None:
        lines.append(f"  matching {record['filter']}")
    if record["began_before"]:
        number = count_text(record["began_before"], "event")
        lines.append(f"  {number} began before and had not ended then")
    return lines
