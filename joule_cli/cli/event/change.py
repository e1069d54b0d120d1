"""Renaming, moving and deleting event streams."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from joule_cli.cli._deleting import ask_to_delete, delete_streams
from joule_cli.cli._lazy import command
from joule_cli.cli._options import PATH, STREAM, progress_option, safe_options
from joule_cli.cli._output import Column, emit_list, emit_ok
from joule_cli.cli._references import Ref, any_pattern, expand_event_streams, find_event_stream
from joule_cli.cli._run import with_node
from joule_cli.cli._streams import ask_to_move, move_each, one_or_number
from joule_cli.cli.event._streams import doomed_records, gather_info

if TYPE_CHECKING:
    from joule_cli.api.node import Node
    from joule_cli.model import EventStream

_COLUMNS = (
    Column("path"),
    Column("events", kind="number"),
    Column("start", kind="time"),
    Column("end", kind="time"),
)


@command("rename", examples=["joule event rename /house/events heating"])
@click.argument("stream", type=STREAM)
@click.argument("name")
@with_node
async def rename(node: Node, stream: Ref, name: str) -> None:
    """Give an event stream another name."""
    found = (await find_event_stream(node, stream)).model
    found.name = name
    await node.event_stream_update(found)
    emit_ok(value=found.to_json())


@command(
    "move",
    examples=["joule event move /house/events /archive", "joule event move '/tmp/*' /lab --yes"],
)
@click.argument("source", type=STREAM, nargs=-1, required=True)
@click.argument("destination", type=PATH)
@safe_options
@with_node
async def move(node: Node, source: tuple[Ref, ...], destination: Ref, dry_run: bool) -> None:
    """Move event streams into a folder.

    The folder is created if it is missing.
    """
    streams = await expand_event_streams(node, source, info=dry_run)
    if dry_run:
        emit_list(doomed_records(streams, await gather_info(node, streams)), _COLUMNS)
        return
    if any_pattern(source, streams):
        ask_to_move(streams, "event streams", destination)
    await move_each(streams, node.event_stream_move, destination)


@command(
    "delete",
    examples=["joule event delete /tmp/events", "joule event delete '/tmp/run-*/*' --dry-run"],
)
@click.argument("stream", type=STREAM, nargs=-1, required=True)
@safe_options
@progress_option
@with_node
async def delete(node: Node, stream: tuple[Ref, ...], dry_run: bool) -> None:
    """Delete event streams with their events.

    To remove events and keep the stream, see joule event remove.
    """
    streams = await expand_event_streams(node, stream, info=True)
    records = doomed_records(streams, await gather_info(node, streams))
    if dry_run:
        emit_list(records, _COLUMNS)
        return
    ask_to_delete(records, one_or_number(streams, "event streams"), always=True)

    async def delete_one(item: tuple[str, EventStream]) -> None:
        await node.event_stream_delete(item[0])

    held = {record["path"]: [record] for record in records}
    await delete_streams(streams, held, delete_one, "event streams")
