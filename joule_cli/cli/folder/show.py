"""Listing and describing folders."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from joule_cli.cli._lazy import command
from joule_cli.cli._options import PATH, expand_folders
from joule_cli.cli._output import (
    Column,
    emit_block,
    emit_list,
    emit_object,
    emit_text,
    output_format,
    show_bytes,
)
from joule_cli.cli._run import with_node
from joule_cli.cli._settings import current

if TYPE_CHECKING:
    from collections.abc import Iterator

    from joule_cli.api.node import Node
    from joule_cli.cli._render import Branch
    from joule_cli.model import DataStreamInfo, Folder

Ref = str | int

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
@click.option("--info", is_flag=True, help="Show rows and range of each stream.")
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
    from joule_cli.cli._streams import gather_info

    top_path, top = await _find(node, path)
    if depth is not None:
        _prune(top, depth)
    chosen = current().columns or ()
    infos: dict[str, DataStreamInfo] = {}
    if info or {"rows", "start", "end", "bytes"}.intersection(chosen):
        streams = list(top.streams(top_path))
        found = await gather_info(node, streams)
        infos = {at: info for (at, _), info in zip(streams, found, strict=True)}
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
    elif not top.children and not top.data_streams:
        emit_text(f"The folder {top_path} is empty.")
    else:
        from joule_cli.cli import _render

        shown = _Shown(layout, status, ids, infos)
        _render.tree(shown.branch(top, top_path))


async def _find(node: Node, ref: Ref) -> tuple[str, Folder]:
    if isinstance(ref, str):
        return ref, await node.folder_get(ref)
    return (await expand_folders(node, [ref]))[0]


def _prune(top: Folder, depth: int) -> None:
    for child in top.children:
        if depth == 1:
            child.children, child.data_streams = [], []
        else:
            _prune(child, depth - 1)


def _nested(top: Folder, path: str, infos: dict[str, DataStreamInfo]) -> dict[str, Any]:
    result = top.to_json()
    base = path.rstrip("/")
    result["children"] = [_nested(c, f"{base}/{c.name}", infos) for c in top.children]
    for stream in result["streams"]:
        found = infos.get(f"{base}/{stream['name']}")
        if found is not None:
            stream["info"] = found.to_json()
    return result


def _records(top: Folder, path: str, infos: dict[str, DataStreamInfo]) -> Iterator[dict[str, Any]]:
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


class _Shown:
    """Which details the lines of the tree carry, and how many lines ``--limit`` leaves."""

    def __init__(
        self, layout: bool, status: bool, ids: bool, infos: dict[str, DataStreamInfo]
    ) -> None:
        self.layout = layout
        self.status = status
        self.ids = ids
        self.infos = infos
        self.settings = current()
        self.left = self.settings.limit

    def branch(self, top: Folder, path: str, name: str | None = None) -> Branch:
        from joule_cli.cli._render import Branch, one_line, paint

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
        return branch

    def _line(self) -> bool:
        if self.left is None:
            return True
        self.left -= 1
        return self.left >= 0

    def _stream(self, stream: Any, path: str) -> str:
        from joule_cli.cli._render import one_line, paint
        from joule_cli.cli._streams import size_text, status

        text = one_line(stream.name)
        if self.layout:
            text += f" ({stream.layout})"
        if self.ids:
            text += f" ({stream.id})"
        if self.status:
            word = status(stream)
            colour = {"active": "green", "configured": "cyan"}.get(word, "dim")
            text += " " + paint(f"[{word}]", colour, self.settings)
        found = self.infos.get(path)
        if found is not None:
            from joule_cli.cli._output import show_time

            text += f"  {size_text(found)} rows" if not found.bytes else f"  {found.rows:,} rows"
            if found.start is not None:
                text += f"  {show_time(found.start)} - {show_time(found.end)}"
        return text


@command("info", examples=["joule folder info /house"])
@click.argument("path", type=PATH)
@with_node
async def info_(node: Node, path: Ref) -> None:
    """Describe a folder and count what it holds."""
    from joule_cli.cli._streams import gather_info

    at, found = await _find(node, path)
    streams = list(found.streams(at))
    infos = await gather_info(node, streams)
    value: dict[str, Any] = {
        "id": found.id,
        "name": found.name,
        "path": at,
        "description": found.description,
        "locked": found.locked,
        "updated_at": found.updated_at,
        "folders": sum(1 for _ in found.walk(at)) - 1,
        "data_streams": len(streams),
        "rows": sum(i.rows for i in infos),
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
                ("Size", show_bytes(value["bytes"])),
            ]
        )

    emit_object(value, show)
