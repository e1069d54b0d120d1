"""Annotations of one stream, as Joule 1.0.1 lists them; the annotation group does more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from joule_cli.cli._lazy import command
from joule_cli.cli._options import STREAM, Bounds, safe_options, time_bounds
from joule_cli.cli._output import (
    Column,
    delimited,
    emit_list,
    emit_ok,
    limited,
    output_format,
    write_utf8,
)
from joule_cli.cli._run import with_node
from joule_cli.cli._settings import Settings
from joule_cli.cli.annotation import delete_annotations

if TYPE_CHECKING:
    from joule_cli.api.node import Node
    from joule_cli.cli._references import Ref
    from joule_cli.model import Annotation

_COLUMNS = (
    Column("title", "Title"),
    Column("content", "Content"),
    Column("start", "Start", kind="time"),
    Column("end", "End", kind="time"),
    Column("id", "Id", kind="number", shown=False),
)


def _choose_csv(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    settings = ctx.find_object(Settings)
    if value and settings is not None:
        settings.set_format("csv", ctx)


@command(
    "annotations",
    examples=[
        "joule stream annotations /house/mains --start yesterday",
        "joule stream annotations /house/mains --csv > notes.csv",
    ],
)
@click.argument("stream", type=STREAM)
@time_bounds
@click.option(
    "-c",
    "--csv",
    is_flag=True,
    expose_value=False,
    callback=_choose_csv,
    help="Print title,content,start[,end] without a header.",
)
@click.option("--delete", is_flag=True, help="Delete them instead, all if no range is given.")
@safe_options
@with_node
async def list_or_delete(
    node: Node, stream: Ref, bounds: Bounds, delete: bool, dry_run: bool
) -> None:
    """List or delete annotations.

    The range includes annotations that start exactly at its end.
    """
    start, end = await bounds.resolve(node, stream)
    found = await node.annotation_get(stream, start, end)
    if not delete or dry_run:
        _show(found)
        return
    text, value = await delete_annotations(node, stream, found, (start, end))
    emit_ok(f"{text}\nOK", value)


def _show(found: list[Annotation]) -> None:
    if output_format() != "csv":
        emit_list((a.to_json() for a in found), _COLUMNS)
        return
    for note in limited(found):
        cells: list[Any] = [note.title, note.content, note.start]
        if note.end is not None:
            cells.append(note.end)
        write_utf8(delimited(cells, ","))
