"""Renaming, moving and deleting streams."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from joule_cli.cli._deleting import (
    ask_to_delete,
    delete_streams,
    doomed_records,
    gather_doomed,
    show_doomed,
)
from joule_cli.cli._lazy import command
from joule_cli.cli._options import PATH, STREAM, progress_option, safe_options
from joule_cli.cli._output import emit_ok
from joule_cli.cli._references import Ref, any_pattern, expand_streams, match_streams, named_streams
from joule_cli.cli._run import with_node
from joule_cli.cli._streams import ask_to_move, gather_info, move_each, one_or_number
from joule_cli.errors import LockedError
from joule_cli.model import DataStream

if TYPE_CHECKING:
    from collections.abc import Iterable

    from joule_cli.api.node import Node
    from joule_cli.model import EventStream


@command("rename", examples=["joule stream rename /house/mains power"])
@click.argument("stream", type=STREAM)
@click.argument("name")
@with_node
async def rename(node: Node, stream: Ref, name: str) -> None:
    """Give a stream another name."""
    found = await node.data_stream_get(stream)
    found.name = name
    await node.data_stream_update(found)
    emit_ok(value=found.to_json())


@command(
    "move",
    examples=["joule stream move /house/mains /archive", "joule stream move '/tmp/*' /lab --yes"],
)
@click.argument("source", type=STREAM, nargs=-1, required=True)
@click.argument("destination", type=PATH)
@safe_options
@with_node
async def move(node: Node, source: tuple[Ref, ...], destination: Ref, dry_run: bool) -> None:
    """Move streams into a folder.

    The folder is created if it is missing.
    """
    streams = await expand_streams(node, source, info=dry_run)
    if dry_run:
        show_doomed(doomed_records(streams, await gather_info(node, streams)))
        return
    if any_pattern(source, streams):
        ask_to_move(streams, "streams", destination)
    await move_each(streams, node.data_stream_move, destination)


@command(
    "delete",
    examples=["joule stream delete /tmp/x", "joule stream delete '/tmp/run-*/*' --dry-run"],
)
@click.argument("stream", type=STREAM, nargs=-1, required=True)
@safe_options
@progress_option
@with_node
async def delete(node: Node, stream: tuple[Ref, ...], dry_run: bool) -> None:
    """Delete data streams and event streams with all they hold.

    An id means a data stream.
    """
    streams = await _find(node, stream)
    data = [(path, found) for path, found in streams if isinstance(found, DataStream)]
    events = [(path, found) for path, found in streams if not isinstance(found, DataStream)]
    for path, found in data:
        # before the first of several is gone, and for a dry run to tell the truth
        if found.locked or found.active:
            raise LockedError("stream is locked", object=path)
    records = await gather_doomed(node, data, events)
    if dry_run:
        show_doomed(records)
        return
    ask_to_delete(records, one_or_number(streams, "streams"), always=True)

    async def delete_one(item: tuple[str, DataStream | EventStream]) -> None:
        if isinstance(item[1], DataStream):
            await node.data_stream_delete(item[0])
        else:
            await node.event_stream_delete(item[0])

    held = {record["path"]: [record] for record in records}
    await delete_streams(streams, held, delete_one, "streams")


async def _find(
    node: Node, references: Iterable[Ref]
) -> list[tuple[str, DataStream | EventStream]]:
    """Return the streams of both kinds that references name, each once."""
    root = await node.folder_root()
    data = list(root.streams("/"))
    known: list[tuple[str, DataStream | EventStream]] = [*data, *root.events("/")]

    def matching(reference: Ref) -> list[tuple[str, DataStream | EventStream]]:
        # a data stream and an event stream can have the same id, but not the same path
        by_id = isinstance(reference, int)
        return match_streams(known[: len(data)] if by_id else known, reference)

    return named_streams(root, references, matching, "stream")
