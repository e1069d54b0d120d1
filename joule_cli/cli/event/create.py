"""New event streams, and their attributes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from joule_cli.cli._lazy import command
from joule_cli.cli._models import (
    from_json_option,
    keep_option,
    new_place,
    read_keep,
    read_stream_model,
    set_given,
    template_options,
)
from joule_cli.cli._options import STREAM
from joule_cli.cli._output import emit_ok
from joule_cli.cli._references import Ref, find_event_stream
from joule_cli.cli._run import with_node
from joule_cli.cli._times import read_duration
from joule_cli.cli.event._fields import read_fields
from joule_cli.cli.event._streams import field_text
from joule_cli.errors import ConflictError, NameTakenError, StreamNotFound
from joule_cli.model import EventStream
from joule_cli.series.nearest import among
from joule_cli.series.visible import one_line

if TYPE_CHECKING:
    from joule_cli.api.node import Node

_FIELD_HELP = "TYPE is string, numeric or category[a,b]; may be repeated."
_chunk_duration_option = click.option(
    "--chunk-duration",
    metavar="D",
    help="Span of a storage partition, or none; only nodes of Joule 1.0.1 use it.",
)


@command(
    "create",
    examples=[
        "joule event create /house/events --field power:numeric --field 'kind:category[heat,cool]'",
        "joule event create /house/alarms --keep 52w --description 'what went wrong'",
        "joule event create /lab/events --like /house/events",
    ],
)
@click.argument("path")
@click.option("--field", multiple=True, metavar="NAME:TYPE", help=f"Declare a field; {_FIELD_HELP}")
@click.option("--description", metavar="TEXT", help="Describe the stream.")
@keep_option("events are kept after they end")
@_chunk_duration_option
@template_options
@click.option("--exist-ok", is_flag=True, help="Accept an event stream that has the same fields.")
@with_node
async def create(
    node: Node,
    path: str,
    field: tuple[str, ...],
    description: str | None,
    keep: str | None,
    chunk_duration: str | None,
    like: Ref | None,
    from_json: str | None,
    exist_ok: bool,
) -> None:
    """Create an event stream.

    Folders are created as needed. The fields say what the content of an event has; an event may
    have others as well.
    """
    folder, name = new_place(path)
    fields = read_fields(field)
    keep_us, chunk_us = read_keep(keep), _read_chunk_duration(chunk_duration)
    new = EventStream()
    if like is not None:
        new = (await find_event_stream(node, like)).model
    elif from_json is not None:
        new = _read_model(from_json)
    new.id, new.updated_at, new.name = None, None, name
    new.event_fields = fields or new.event_fields
    set_given(new, description=description, keep_us=keep_us, chunk_duration_us=chunk_us)
    stored = await _create(node, new, folder, exist_ok=exist_ok)
    at = f"{folder.rstrip('/')}/{name}"
    emit_ok(f"OK {one_line(at)} ({stored.id})", {"path": at, **stored.to_json()})


async def _create(node: Node, new: EventStream, folder: str, *, exist_ok: bool) -> EventStream:
    path = f"{folder.rstrip('/')}/{new.name}"
    try:
        return await node.event_stream_create(new, folder)
    except NameTakenError as exc:
        if not exist_ok:
            exc.object = path
            raise
    try:
        existing = await node.event_stream_get(path)
    except StreamNotFound:
        from joule_cli.cli._advice import other_kind

        hint = other_kind(await node.folder_root(), path, "event stream")
        raise ConflictError("the name belongs to something else", object=path, hint=hint) from None
    # without fields, only the existence of the stream is asked for
    if new.event_fields and new.event_fields != existing.event_fields:
        raise ConflictError(
            f"the event stream exists with {_fields_text(existing)}, not {_fields_text(new)}",
            object=path,
        )
    return existing


def _fields_text(stream: EventStream) -> str:
    fields = (f"{name}:{field_text(kind)}" for name, kind in stream.event_fields.items())
    return f"the fields [{', '.join(fields)}]"


@command(
    "update",
    examples=[
        "joule event update /house/events --description 'what the heater does' --keep 30d",
        "joule event update /house/events --field temperature:numeric --drop-field kind",
    ],
)
@click.argument("path", type=STREAM)
@click.option("--name", metavar="NAME", help="New name.")
@click.option("--description", metavar="TEXT", help="New description.")
@keep_option("events are kept after they end")
@_chunk_duration_option
@click.option(
    "--field", multiple=True, metavar="NAME:TYPE", help=f"Declare or change a field; {_FIELD_HELP}"
)
@click.option(
    "--drop-field",
    multiple=True,
    metavar="NAME",
    help="Declare a field no longer; events keep it. May be repeated.",
)
@from_json_option
@with_node
async def update(
    node: Node,
    path: Ref,
    name: str | None,
    description: str | None,
    keep: str | None,
    chunk_duration: str | None,
    field: tuple[str, ...],
    drop_field: tuple[str, ...],
    from_json: str | None,
) -> None:
    """Change attributes of an event stream.

    The events stay as they are, whatever becomes of the fields.
    """
    given = (name, description, keep, chunk_duration, from_json)
    if not field and not drop_field and given == (None,) * len(given):
        raise click.UsageError("Nothing to change.")
    fields = read_fields(field)
    keep_us, chunk_us = read_keep(keep), _read_chunk_duration(chunk_duration)
    model = None if from_json is None else _read_model(from_json)
    stream = (await find_event_stream(node, path)).model
    if model is not None:
        model.id, model.name = stream.id, model.name or stream.name
        stream = model
    set_given(
        stream, name=name, description=description, keep_us=keep_us, chunk_duration_us=chunk_us
    )
    _drop(stream, drop_field, fields)
    stream.event_fields |= fields
    await node.event_stream_update(stream)
    if stream.id is not None:
        stream = await node.event_stream_get(stream.id)
    emit_ok(value=stream.to_json())


def _drop(stream: EventStream, names: tuple[str, ...], fields: dict[str, str]) -> None:
    for name in dict.fromkeys(names):
        if name in fields:
            raise click.UsageError(f"--field and --drop-field both name '{name}'.")
        if name not in stream.event_fields:
            known = among(name, stream.event_fields, "fields")
            raise click.BadParameter(f"no field '{name}'; {known}")
        del stream.event_fields[name]


def _read_chunk_duration(text: str | None) -> int | None:
    if text is None:
        return None
    if text.strip().lower() in {"none", "0"}:
        return 0
    return read_duration(text, "--chunk-duration")


def _read_model(file: str) -> EventStream:
    return read_stream_model(file, _build, "an event stream")


def _build(data: dict[str, Any]) -> EventStream:
    # every other attribute may be missing, so without this any object would do
    if not isinstance(data["event_fields"], dict):
        raise TypeError("event_fields")
    return EventStream.from_json(data)
