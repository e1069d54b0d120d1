"""Event streams as lists, blocks and models."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from joule_cli.cli._lazy import command
from joule_cli.cli._models import yaml_lines
from joule_cli.cli._options import PATH, STREAM
from joule_cli.cli._output import (
    Column,
    emit_block,
    emit_list,
    emit_objects,
    emit_text,
    output_format,
    show_rows,
    show_time,
)
from joule_cli.cli._references import Ref, expand_event_streams, streams_below
from joule_cli.cli._run import with_node
from joule_cli.cli._settings import current
from joule_cli.cli.event._streams import (
    INFO_KEYS,
    chunk_text,
    field_text,
    gather_info,
    keep_text,
    list_columns,
    size_text,
    stream_record,
)

if TYPE_CHECKING:
    from joule_cli.api.node import Node
    from joule_cli.model import EventStream, EventStreamInfo

_INFO_COLUMNS = [
    *(Column(key) for key in ("path", "id", "description", "event_fields", "keep_us")),
    *(Column(key) for key in ("chunk_duration_us", "event_count")),
    *(Column(key, kind="time") for key in ("start", "end")),
    *(Column(key) for key in ("bytes", "total_time")),
]


@command(
    "list",
    examples=[
        "joule event list",
        "joule event list /house --id",
        "joule event list '/**/alarms' --info --csv",
    ],
)
@click.argument("path", type=PATH, nargs=-1, metavar="[PATH | GLOB]...")
@click.option("-i", "--id", "ids", is_flag=True, help="Show ids.")
@click.option("--info", "with_info", is_flag=True, help="Show number, range and size of events.")
@with_node
async def list_(node: Node, path: tuple[Ref, ...], ids: bool, with_info: bool) -> None:
    """List event streams.

    A PATH is an event stream, or a folder with all event streams below it.
    """
    streams = await streams_below(node, path, lambda folder, at: folder.events(at))
    infos: list[EventStreamInfo] | list[None] = [None] * len(streams)
    if with_info or set(INFO_KEYS).intersection(current().columns or ()):
        infos = await gather_info(node, streams[: current().limit])
    emit_list(
        (stream_record(at, s, info) for (at, s), info in zip(streams, infos, strict=False)),
        list_columns(ids=ids, with_info=with_info),
        plain_lines=not (ids or with_info),
    )


@command("get", examples=["joule event get /house/events --json > events.json"])
@click.argument("path", type=STREAM, nargs=-1, required=True)
@with_node
async def get(node: Node, path: tuple[Ref, ...]) -> None:
    """Print every attribute of event streams.

    The JSON form is what `joule event create --from-json` takes.
    """
    values = [stream_record(at, s, None) for at, s in await expand_event_streams(node, path)]

    def show(index: int) -> None:
        emit_text(("---\n" if index else "") + "\n".join(yaml_lines(values[index])))

    emit_objects(values, show)


@command("info", examples=["joule event info /house/events", "joule event info '/**' --json"])
@click.argument("path", type=STREAM, nargs=-1, required=True)
@with_node
async def info(node: Node, path: tuple[Ref, ...]) -> None:
    """Describe event streams and what they hold."""
    streams = await expand_event_streams(node, path, info=True)
    infos = await gather_info(node, streams)
    if output_format() in {"csv", "tsv"}:
        flat = (stream_record(at, s, i) for (at, s), i in zip(streams, infos, strict=True))
        emit_list(flat, _INFO_COLUMNS)
        return
    values = [
        {"stream": stream_record(at, s, None), "info": i.to_json()}
        for (at, s), i in zip(streams, infos, strict=True)
    ]
    emit_objects(values, lambda index: _show_info(*streams[index], infos[index]))


def _show_info(path: str, stream: EventStream, held: EventStreamInfo) -> None:
    emit_block(
        [
            ("Name", stream.name),
            ("Path", path),
            ("Id", str(stream.id)),
            ("Description", stream.description),
            ("Keep", keep_text(stream.keep_us)),
            ("Chunks", chunk_text(stream.chunk_duration_us)),
            ("Start", show_time(held.start)),
            ("End", show_time(held.end)),
            ("Events", size_text(held)),
            *([("Expired", f"{held.expired:,}")] if held.expired else []),
        ]
    )
    if not stream.event_fields:
        emit_text("\n    No event fields are declared.")
        return
    emit_text("")
    show_rows(
        [{"type": field_text(kind), "name": n} for n, kind in stream.event_fields.items()],
        [Column("type", "Type"), Column("name", "Name")],
    )
