"""Streams as lists, blocks and models."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from joule_cli.cli import _render
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
from joule_cli.cli._references import Ref, expand_streams, streams_below
from joule_cli.cli._run import with_node
from joule_cli.cli._settings import current
from joule_cli.cli._streams import gather_info, keep_text, size_text, status, stream_record
from joule_cli.series.visible import one_line

if TYPE_CHECKING:
    from joule_cli.api.node import Node
    from joule_cli.model import AnnotationInfo, DataStream, DataStreamInfo

_INFO_KEYS = ("rows", "start", "end", "bytes")
_INFO_COLUMNS = [
    *(Column(key) for key in ("path", "id", "description", "layout", "status", "keep_us")),
    *(Column(key) for key in ("decimate", "rows")),
    *(Column(key, kind="time") for key in ("start", "end")),
    *(Column(key) for key in ("bytes", "annotations")),
]


@command(
    "list",
    examples=[
        "joule stream list",
        "joule stream list /house --layout --status",
        "joule stream list '/**/temperature' --info --csv",
    ],
)
@click.argument("path", type=PATH, nargs=-1, metavar="[PATH | GLOB]...")
@click.option("-l", "--layout", is_flag=True, help="Show layouts.")
@click.option("-s", "--status", "with_status", is_flag=True, help="Show whether they are active.")
@click.option("-i", "--id", "ids", is_flag=True, help="Show ids.")
@click.option("--info", "with_info", is_flag=True, help="Show rows, range and size.")
@click.option("--active", is_flag=True, help="List streams that are being written only.")
@with_node
async def list_(
    node: Node,
    path: tuple[Ref, ...],
    layout: bool,
    with_status: bool,
    ids: bool,
    with_info: bool,
    active: bool,
) -> None:
    """List data streams.

    A PATH is a stream, or a folder with all streams below it.
    """
    columns = [
        Column("path"),
        Column("id", kind="number", shown=ids),
        Column("layout", shown=layout),
        Column("status", shown=with_status),
        Column("rows", kind="number", shown=with_info),
        Column("start", kind="time", shown=with_info),
        Column("end", kind="time", shown=with_info),
        Column("bytes", kind="bytes", shown=with_info),
        *(Column(k, shown=False) for k in ("name", "description", "datatype", "decimate")),
        Column("keep_us", kind="number", shown=False),
    ]
    streams = [
        (at, s)
        for at, s in await streams_below(node, path, lambda folder, at: folder.streams(at))
        if s.active or not active
    ]
    infos: list[DataStreamInfo] | list[None] = [None] * len(streams)
    if with_info or set(_INFO_KEYS).intersection(current().columns or ()):
        limit = current().limit
        infos = await gather_info(node, streams if limit is None else streams[:limit])
    emit_list(
        (stream_record(at, s, info) for (at, s), info in zip(streams, infos, strict=False)),
        columns,
        plain_lines=not (layout or with_status or ids or with_info),
    )


@command("get", examples=["joule stream get /house/mains --json > mains.json"])
@click.argument("path", type=STREAM, nargs=-1, required=True)
@with_node
async def get(node: Node, path: tuple[Ref, ...]) -> None:
    """Print every attribute of streams and their elements.

    The JSON form is what `joule stream create --from-json` takes.
    """
    values = [{"path": at, **s.to_json()} for at, s in await expand_streams(node, path)]

    def show(index: int) -> None:
        emit_text(("---\n" if index else "") + "\n".join(yaml_lines(values[index])))

    emit_objects(values, show)


@command(
    "info",
    examples=["joule stream info /house/mains --elements", "joule stream info 5 --spark"],
)
@click.argument("path", type=STREAM, nargs=-1, required=True)
@click.option("-e", "--elements", is_flag=True, help="Also list the elements.")
@click.option("--spark", is_flag=True, help="Also draw each element as a line of the curve.")
@with_node
async def info(node: Node, path: tuple[Ref, ...], elements: bool, spark: bool) -> None:
    """Describe streams and what they hold."""
    streams = await expand_streams(node, path, info=True)
    infos = await gather_info(node, streams)
    notes = [await node.annotation_info(stream) for _, stream in streams]
    values = [
        {"stream": {"path": at, **s.to_json()}, "info": i.to_json(), "annotations": n.to_json()}
        for (at, s), i, n in zip(streams, infos, notes, strict=True)
    ]
    curves: dict[str, list[str]] = {}
    if spark:
        from joule_cli.cli.stream._spark import sparklines

        ascii_only = not _render.encodes("▁▂▃▄▅▆▇█")
        curves = {
            at: await sparklines(node, at, i, len(s.elements), ascii_only=ascii_only)
            for (at, s), i in zip(streams, infos, strict=True)
        }

    def show(index: int) -> None:
        at, stream = streams[index]
        _show_info(at, stream, infos[index], notes[index])
        if at in curves:
            _show_curves(stream, curves[at])
        if elements:
            _show_elements(stream)

    flat = [
        {**stream_record(at, s, i), "annotations": n.count}
        for (at, s), i, n in zip(streams, infos, notes, strict=True)
    ]
    if output_format() in {"csv", "tsv"}:
        emit_list(flat, _INFO_COLUMNS)
    else:
        emit_objects(values, show)


def _show_info(path: str, stream: DataStream, held: DataStreamInfo, notes: AnnotationInfo) -> None:
    emit_block(
        [
            ("Name", stream.name),
            ("Path", path),
            ("Id", str(stream.id)),
            ("Description", stream.description),
            ("Datatype", stream.datatype),
            ("Elements", ", ".join(e.name for e in stream.elements)),
            ("Keep", keep_text(stream.keep_us)),
            ("Decimate", "yes" if stream.decimate else "no"),
            ("Status", f"[{status(stream)}]"),
            ("Start", show_time(held.start)),
            ("End", show_time(held.end)),
            ("Rows", size_text(held)),
            *([("Expired", f"{held.expired:,}")] if held.expired else []),
            ("Annotation", str(notes.count)),
        ]
    )


def _show_curves(stream: DataStream, lines: list[str]) -> None:
    width = max(len(e.name) for e in stream.elements)
    shown = [
        f"    {one_line(e.name):<{width}}  {line}"
        for e, line in zip(stream.elements, lines, strict=True)
    ]
    emit_text("\n" + "\n".join(shown))


def _show_elements(stream: DataStream) -> None:
    emit_text("")
    show_rows(
        [e.to_json() for e in stream.elements],
        [
            Column("index", "Index", kind="number"),
            Column("id", "Id", kind="number"),
            Column("name", "Name"),
            Column("units", "Units"),
            Column("display_type", "Display"),
            Column("default_min", "Min", kind="number"),
            Column("default_max", "Max", kind="number"),
            Column("offset", "Offset", kind="number"),
            Column("scale_factor", "Scale", kind="number"),
            Column("plottable", "Plottable"),
        ],
    )
