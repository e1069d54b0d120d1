"""Listing and describing folders."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from joule_cli.cli._lazy import command
from joule_cli.cli._options import PATH
from joule_cli.cli._output import (
    Column,
    count_text,
    emit_block,
    emit_list,
    emit_object,
    emit_text,
    output_format,
    show_bytes,
)
from joule_cli.cli._references import Ref, expand_folders
from joule_cli.cli._run import with_node
from joule_cli.cli._settings import current
from joule_cli.series.visible import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from joule_cli.api.node import Node
    from joule_cli.cli._render import Branch
    from joule_cli.model import DataStream, DataStreamInfo, EventStream, EventStreamInfo, Folder

    Infos = dict[str, DataStreamInfo | EventStreamInfo]

LIST_COLUMNS = (
    Column("kind"),
    Column("path"),
    Column("id", kind="number"),
    Column("layout"),
    Column("status"),
    Column("rows", kind="number", shown=False),
    Column("start", kind="time", shown=False),
    Column("end", kind="time", shown=False),
    Column("bytes", kind="bytes", shown=False),
    Column("description", shown=False),
)


@command(
    "list",
    examples=[
        "joule folder list",
        "joule folder list /house --layout --status",
        "joule folder list --info --json",
    ],
)
@click.argument("path", type=PATH, default="/")
@click.option("-l", "--layout", is_flag=True, help="Show the layout of each stream.")
@click.option("-s", "--status", is_flag=True, help="Show whether streams are active.")
@click.option("-i", "--id", "ids", is_flag=True, help="Show ids.")
@click.option("--depth", type=click.IntRange(min=1), metavar="N", help="Descend N folders only.")
@click.option("--flat", is_flag=True, help="Print paths, one per line.")
@click.option("--info", is_flag=True, help="Show rows or events and range of each stream.")
@with_node
async def list_(
    node: Node,
    path: Ref,
    layout: bool,
    status: bool,
    ids: bool,
    depth: int | None,
    flat: bool,
    info: bool,
) -> None:
    """List folders and streams."""
    top_path, top = await _find(node, path)
    if depth is not None:
        _prune(top, depth)
    chosen = current().columns or ()
    infos: Infos = {}
    if info or {"rows", "start", "end", "bytes"}.intersection(chosen):
        infos = await _gather_infos(node, top, top_path)
    people = output_format() in {"table", "plain"}
    if output_format() == "json" and not chosen:
        emit_object(_nested(top, top_path, infos))
    elif flat or chosen or not people:
        columns = [
            Column(
                c.key, c.heading, c.kind, c.shown or (info and c.key in {"rows", "start", "end"})
            )
            for c in LIST_COLUMNS
        ]
        if flat and people:
            columns.sort(key=lambda c: c.key != "path")
        emit_list(_records(top, top_path, infos), columns, plain_lines=flat)
    elif not top.children and not top.data_streams and not top.event_streams:
        emit_text(f"The folder {one_line(top_path)} is empty.")
    else:
        from joule_cli.cli import _render

        shown = _Shown(layout, status, ids, infos)
        _render.tree(shown.branch(top, top_path))


async def _find(node: Node, ref: Ref) -> tuple[str, Folder]:
    if isinstance(ref, str):
        return ref, await node.folder_get(ref)
    return (await expand_folders(node, [ref]))[0]


async def _gather_infos(node: Node, top: Folder, path: str) -> Infos:
    from joule_cli.cli import _streams
    from joule_cli.cli.event import _streams as event_streams

    streams, events = list(top.streams(path)), list(top.events(path))
    held = await _streams.gather_info(node, streams)
    held_events = await event_streams.gather_info(node, events)
    infos: Infos = {at: each for (at, _), each in zip(streams, held, strict=True)}
    return infos | {at: each for (at, _), each in zip(events, held_events, strict=True)}


def _prune(top: Folder, depth: int) -> None:
    for child in top.children:
        if depth == 1:
            child.children, child.data_streams, child.event_streams = [], [], []
        else:
            _prune(child, depth - 1)


def _nested(top: Folder, path: str, infos: Infos) -> dict[str, Any]:
    result = top.to_json()
    base = path.rstrip("/")
    result["children"] = [_nested(c, f"{base}/{c.name}", infos) for c in top.children]
    for stream in [*result["streams"], *result["event_streams"]]:
        found = infos.get(f"{base}/{stream['name']}")
        if found is not None:
            stream["info"] = found.to_json()
    return result


def _records(top: Folder, path: str, infos: Infos) -> Iterator[dict[str, Any]]:
    """Yield what lies below a folder, in the order of the tree."""
    from joule_cli.cli._streams import status

    base = path.rstrip("/")
    for child in top.children:
        at = f"{base}/{child.name}"
        yield {
            "kind": "folder",
            "path": at,
            "id": child.id,
            "layout": None,
            "status": "locked" if child.locked else None,
            "description": child.description,
        }
        yield from _records(child, at, infos)
    for stream in top.data_streams:
        at = f"{base}/{stream.name}"
        record = {
            "kind": "stream",
            "path": at,
            "id": stream.id,
            "layout": stream.layout,
            "status": status(stream),
            "description": stream.description,
        }
        found = infos.get(at)
        yield record if found is None else record | found.to_json()
    for events in top.event_streams:
        at = f"{base}/{events.name}"
        record = {
            "kind": "event_stream",
            "path": at,
            "id": events.id,
            "layout": None,
            "status": None,
            "description": events.description,
        }
        held = infos.get(at)
        if held is not None:
            record |= held.to_json()
            record["rows"] = record["event_count"]
        yield record


class _Shown:
    """Which details the lines of the tree carry, and how many lines ``--limit`` leaves."""

    def __init__(self, layout: bool, status: bool, ids: bool, infos: Infos) -> None:
        self.layout = layout
        self.status = status
        self.ids = ids
        self.infos = infos
        self.settings = current()
        self.left = self.settings.limit

    def branch(self, top: Folder, path: str, name: str | None = None) -> Branch:
        from joule_cli.cli._render import Branch, paint
        from joule_cli.series.visible import one_line

        text = paint(one_line(name if name is not None else path), "bold", self.settings)
        branch = Branch(f"{text} ({top.id})" if self.ids else text)
        base = path.rstrip("/")
        for child in top.children:
            if not self._line():
                return branch
            branch.below.append(self.branch(child, f"{base}/{child.name}", child.name))
        for stream in top.data_streams:
            if not self._line():
                return branch
            branch.below.append(Branch(self._stream(stream, f"{base}/{stream.name}")))
        for events in top.event_streams:
            if not self._line():
                return branch
            branch.below.append(Branch(self._events(events, f"{base}/{events.name}")))
        return branch

    def _line(self) -> bool:
        if self.left is None:
            return True
        self.left -= 1
        return self.left >= 0

    def _stream(self, stream: DataStream, path: str) -> str:
        from joule_cli.cli._render import paint
        from joule_cli.cli._streams import status
        from joule_cli.series.visible import one_line

        text = one_line(stream.name)
        if self.layout:
            text += f" ({stream.layout})"
        if self.ids:
            text += f" ({stream.id})"
        if self.status:
            word = status(stream)
            colour = {"active": "green", "configured": "cyan"}.get(word, "dim")
            text += " " + paint(f"[{word}]", colour, self.settings)
        return text + self._held(path)

    def _events(self, stream: EventStream, path: str) -> str:
        from joule_cli.cli._render import paint
        from joule_cli.series.visible import one_line

        text = one_line(stream.name)
        if self.ids:
            text += f" ({stream.id})"
        return text + " " + paint("(events)", "dim", self.settings) + self._held(path)

    def _held(self, path: str) -> str:
        from joule_cli.cli._output import show_time
        from joule_cli.model import EventStreamInfo

        found = self.infos.get(path)
        if found is None:
            return ""
        if isinstance(found, EventStreamInfo):
            text = f"  {count_text(found.event_count, 'event')}"
        else:
            text = f"  {count_text(found.rows, 'row')}"
        if found.start is not None:
            text += f"  {show_time(found.start)} - {show_time(found.end)}"
        return text


@command("info", examples=["joule folder info /house"])
@click.argument("path", type=PATH)
@with_node
async def info_(node: Node, path: Ref) -> None:
    """Describe a folder and count what it holds."""
    from joule_cli.model import EventStreamInfo

    at, found = await _find(node, path)
    infos = (await _gather_infos(node, found, at)).values()
    events = [i.event_count for i in infos if isinstance(i, EventStreamInfo)]
    rows = [i.rows for i in infos if not isinstance(i, EventStreamInfo)]
    value: dict[str, Any] = {
        "id": found.id,
        "name": found.name,
        "path": at,
        "description": found.description,
        "locked": found.locked,
        "updated_at": found.updated_at,
        "folders": sum(1 for _ in found.walk(at)) - 1,
        "data_streams": len(rows),
        "rows": sum(rows),
        "event_streams": len(events),
        "events": sum(events),
        "bytes": sum(i.bytes for i in infos),
    }

    def show() -> None:
        emit_block(
            [
                ("Path", at),
                ("Id", str(found.id)),
                ("Description", found.description),
                ("Locked", "yes" if found.locked else "no"),
                ("Folders", f"{value['folders']:,}"),
                ("Streams", f"{value['data_streams']:,}"),
                ("Rows", f"{value['rows']:,}"),
                (
                    "Events",
                    f"{value['events']:,} in {count_text(value['event_streams'], 'stream')}",
                ),
                ("Size", show_bytes(value["bytes"])),
            ]
        )

    emit_object(value, show)
