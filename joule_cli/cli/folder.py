"""`joule folder`: the tree that streams live in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from joule_cli.cli._lazy import group
from joule_cli.cli._options import PATH, expand_folders, is_pattern, safe_options
from joule_cli.cli._output import (
    Column,
    emit_block,
    emit_list,
    emit_object,
    emit_ok,
    emit_text,
    output_format,
    show_bytes,
)
from joule_cli.cli._run import for_each, with_node
from joule_cli.cli._settings import current
from joule_cli.errors import ConflictError, LockedError

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


@group("folder", examples=["joule folder list --layout", "joule folder delete /tmp -r --dry-run"])
def folder() -> None:
    """List and manage the folders of a node."""


@folder.command(
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


@folder.command("info", examples=["joule folder info /house"])
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


@folder.command("create", examples=['joule folder create /house --description "sensors at home"'])
@click.argument("path", type=PATH)
@click.option("--description", metavar="TEXT", help="Describe the folder.")
@with_node
async def create(node: Node, path: Ref, description: str | None) -> None:
    """Create a folder with everything above it."""
    # a folder may be called 2024; only an existing one can be meant by its id
    at = path if isinstance(path, str) else f"/{path}"
    made = await node.folder_create(at, description)
    emit_ok(value=made.to_json())


@folder.command("move", examples=["joule folder move /house/old /archive"])
@click.argument("source", type=PATH)
@click.argument("destination", type=PATH)
@with_node
async def move(node: Node, source: Ref, destination: Ref) -> None:
    """Move a folder into another one, which is created if missing."""
    found = await node.folder_get(source)
    await node.folder_move(source, destination)
    emit_ok(value={"id": found.id, "name": found.name, "destination": destination})


@folder.command("rename", examples=["joule folder rename /house/old new"])
@click.argument("folder", type=PATH)
@click.argument("name")
@with_node
async def rename(node: Node, folder: Ref, name: str) -> None:
    """Give a folder another name."""
    await _update(node, folder, name, None)


@folder.command(
    "update",
    examples=["joule folder update /house --description 'sensors at home'"],
)
@click.argument("folder", type=PATH)
@click.option("--name", metavar="NAME", help="New name.")
@click.option("--description", metavar="TEXT", help="New description.")
@with_node
async def update(node: Node, folder: Ref, name: str | None, description: str | None) -> None:
    """Change the name or the description of a folder."""
    if name is None and description is None:
        raise click.UsageError("Give --name or --description.")
    await _update(node, folder, name, description)


async def _update(node: Node, ref: Ref, name: str | None, description: str | None) -> None:
    found = await node.folder_get(ref)
    if name is not None:
        found.name = name
    if description is not None:
        found.description = description
    await node.folder_update(found)
    emit_ok(value={k: v for k, v in found.to_json().items() if not isinstance(v, list)})


@folder.command(
    "delete",
    examples=["joule folder delete /tmp -r --dry-run", "joule folder delete '/tmp/run-*' -r --yes"],
)
@click.argument("folder", type=PATH, nargs=-1, required=True)
@click.option("-r", "--recursive", is_flag=True, help="Also delete the folders inside.")
@safe_options
@with_node
async def delete(node: Node, folder: tuple[Ref, ...], recursive: bool, dry_run: bool) -> None:
    """Delete folders with their streams and all data."""
    from joule_cli.cli._streams import ask_to_delete, doomed_records, gather_info, show_doomed

    found = _without_nested(await expand_folders(node, folder))
    for path, each in found:
        _check_deletable(path, each, recursive)
    records: list[dict[str, Any]] = []
    for path, each in found:
        streams = list(each.streams(path))
        records.extend(
            {"kind": "folder", "path": at, "id": inner.id} for at, inner in each.walk(path)
        )
        records.extend(doomed_records(streams, await gather_info(node, streams)))
    if dry_run:
        show_doomed(records)
        return
    n_streams = sum(1 for r in records if r["kind"] == "stream")
    n_rows = sum(r.get("rows") or 0 for r in records)
    names = found[0][0] if len(found) == 1 else f"{len(found)} folders"
    ask_to_delete(
        records,
        f"{names} with {n_streams} streams and {n_rows:,} rows",
        always=any(is_pattern(ref) for ref in folder),
    )

    async def delete_one(item: tuple[str, Folder]) -> None:
        await node.folder_delete(item[1], recursive)

    await for_each(found, delete_one)
    emit_ok(value={"deleted": [path for path, _ in found]})


def _without_nested(found: list[tuple[str, Folder]]) -> list[tuple[str, Folder]]:
    paths = [path for path, _ in found]
    return [
        (path, each)
        for path, each in found
        if not any(path.startswith(f"{other.rstrip('/')}/") and path != other for other in paths)
    ]


def _check_deletable(path: str, folder: Folder, recursive: bool) -> None:
    # before the first of several is deleted, and for a dry run to tell the truth
    if path == "/" or folder.locked:
        raise LockedError("folder is locked", object=path)
    if folder.children and not recursive:
        raise ConflictError(
            "specify [recursive] or remove child folders first",
            object=path,
            hint="Use -r to delete the folders inside as well.",
        )
