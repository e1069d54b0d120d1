"""New streams."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

from joule_cli.cli._lazy import command
from joule_cli.cli._models import (
    keep_option,
    new_place,
    read_keep,
    read_stream_model,
    set_given,
    template_options,
)
from joule_cli.cli._output import emit_ok
from joule_cli.cli._references import Ref, find_stream
from joule_cli.cli._run import with_node
from joule_cli.errors import ConflictError, NameTakenError, StreamNotFound
from joule_cli.model import DataStream, Element
from joule_cli.model.data_stream import DATATYPES, KEEP_ALL
from joule_cli.series.visible import one_line

if TYPE_CHECKING:
    from joule_cli.api.node import Node

_INLINE = re.compile(rf"(.+):({'|'.join(DATATYPES)})\[([^\]]*)\]", re.DOTALL)


@command(
    "create",
    examples=[
        'joule stream create "/house/mains:float32[volts:V,amps:A]"',
        "joule stream create /lab/x --datatype int16 --elements a,b,c --keep 4w",
        "joule stream create /lab/y --like /lab/x",
    ],
)
@click.argument("path", metavar="PATH | PATH:TYPE[NAME,...]")
@click.option(
    "--datatype",
    type=click.Choice(DATATYPES),
    metavar="TYPE",
    help=f"Type of the values: {', '.join(DATATYPES)}. By default float32.",
)
@click.option(
    "--element", multiple=True, metavar="NAME[:UNITS]", help="Add an element; may be repeated."
)
@click.option("--elements", metavar="LIST", help="Names of the elements, comma separated.")
@keep_option("rows are kept")
@click.option("--decimate/--no-decimate", default=None, help="Store decimated levels.")
@click.option("--description", metavar="TEXT", help="Describe the stream.")
@template_options
@click.option("--exist-ok", is_flag=True, help="Accept a stream of the same layout.")
@with_node
async def create(
    node: Node,
    path: str,
    datatype: str | None,
    element: tuple[str, ...],
    elements: str | None,
    keep: str | None,
    decimate: bool | None,
    description: str | None,
    like: Ref | None,
    from_json: str | None,
    exist_ok: bool,
) -> None:
    """Create a data stream.

    Folders are created as needed.
    """
    new = DataStream(keep_us=KEEP_ALL)
    if like is not None:
        new = _blank((await find_stream(node, like)).model)
    elif from_json is not None:
        new = _blank(read_model(from_json))
    inline = _INLINE.fullmatch(path)
    if inline is not None:
        if datatype is not None or element or elements is not None:
            raise click.UsageError("The form PATH:TYPE[...] excludes --datatype and --element.")
        path, datatype, elements = inline.groups()
    columns = [_element(text) for text in (*_split(elements), *element)]
    if columns:
        new.elements = columns
    if not new.elements:
        raise click.UsageError("A stream needs elements: use --elements, or PATH:TYPE[NAME,...].")
    new.datatype = datatype or new.datatype
    set_given(new, description=description, decimate=decimate, keep_us=read_keep(keep))
    folder, new.name = new_place(path)
    stored = await _create(node, new, folder, exist_ok=exist_ok)
    at = f"{folder.rstrip('/')}/{new.name}"
    emit_ok(f"OK {one_line(at)} ({stored.id})", {"path": at, **stored.to_json()})


async def _create(node: Node, new: DataStream, folder: str, *, exist_ok: bool) -> DataStream:
    path = f"{folder.rstrip('/')}/{new.name}"
    try:
        return await node.data_stream_create(new, folder)
    except NameTakenError as exc:
        if not exist_ok:
            exc.object = path
            raise
    try:
        existing = await node.data_stream_get(path)
    except StreamNotFound:
        raise ConflictError("the name belongs to something else", object=path) from None
    from joule_cli.ops.streams import require_layout

    require_layout(existing, new, path)
    return existing


def _split(elements: str | None) -> list[str]:
    return [text.strip() for text in (elements or "").split(",") if text.strip()]


def _element(text: str) -> Element:
    name, colon, units = text.rpartition(":")
    return Element(name=name, units=units) if colon else Element(name=text)


def _blank(stream: DataStream) -> DataStream:
    """Return a stream without what only a node can set."""
    elements = [
        Element.from_json({**e.to_json(), "id": None, "index": None}) for e in stream.elements
    ]
    return DataStream(
        name=stream.name,
        description=stream.description,
        datatype=stream.datatype,
        keep_us=stream.keep_us,
        elements=elements,
        decimate=stream.decimate,
    )


def read_model(file: str) -> DataStream:
    """Read a stream's model as `joule stream get --json` prints it."""
    return read_stream_model(file, DataStream.from_json, "a data stream")
