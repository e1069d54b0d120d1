"""Creating, moving, changing and deleting folders."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from joule_cli.cli._lazy import command
from joule_cli.cli._options import PATH, progress_option, safe_options
from joule_cli.cli._output import emit_ok
from joule_cli.cli._prompt import is_asked
from joule_cli.cli._references import Ref, any_pattern, expand_folders
from joule_cli.cli._run import with_node
from joule_cli.errors import ConflictError, LockedError

if TYPE_CHECKING:
    from joule_cli.api.node import Node
    from joule_cli.model import Folder


@command("create", examples=['joule folder create /house --description "sensors at home"'])
@click.argument("path", type=PATH)
@click.option("--description", metavar="TEXT", help="Describe the folder.")
@with_node
async def create(node: Node, path: Ref, description: str | None) -> None:
    """Create a folder with everything above it."""
    # a folder may be called 2024; only an existing one can be meant by its id
    at = path if isinstance(path, str) else f"/{path}"
    made = await node.folder_create(at, description)
    emit_ok(value=made.to_json())


@command("move", examples=["joule folder move /house/old /archive"])
@click.argument("source", type=PATH)
@click.argument("destination", type=PATH)
@with_node
async def move(node: Node, source: Ref, destination: Ref) -> None:
    """Move a folder into another one, which is created if missing."""
    found = await node.folder_get(source)
    await node.folder_move(source, destination)
    emit_ok(value={"id": found.id, "name": found.name, "destination": destination})


@command("rename", examples=["joule folder rename /house/old new"])
@click.argument("folder", type=PATH)
@click.argument("name")
@with_node
async def rename(node: Node, folder: Ref, name: str) -> None:
    """Give a folder another name."""
    await _update(node, folder, name, None)


@command(
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


@command(
    "delete",
    examples=["joule folder delete /tmp -r --dry-run", "joule folder delete '/tmp/run-*' -r --yes"],
)
@click.argument("folder", type=PATH, nargs=-1, required=True)
@click.option("-r", "--recursive", is_flag=True, help="Also delete what is inside.")
@safe_options
@progress_option
@with_node
async def delete(node: Node, folder: tuple[Ref, ...], recursive: bool, dry_run: bool) -> None:
    """Delete folders with their streams and all data.

    Folders inside need -r. So do streams inside, unless you answer the question, or --yes does.
    """
    from joule_cli.cli._deleting import (
        ask_to_delete,
        contents_text,
        delete_streams,
        gather_doomed,
        show_doomed,
    )

    named = await expand_folders(node, folder)
    found = _without_nested(named)
    for path, each in found:
        _check_deletable(path, each, recursive)
    held: dict[str, list[dict[str, Any]]] = {}
    for path, each in found:
        inside = await gather_doomed(node, list(each.streams(path)), list(each.events(path)))
        folders = ({"kind": "folder", "path": at, "id": f.id} for at, f in each.walk(path))
        held[path] = [*folders, *inside]
    records = [record for inside in held.values() for record in inside]
    if dry_run:
        show_doomed(records)
        return
    pattern = any_pattern(folder, named)
    if not (recursive or pattern or is_asked()):
        _require_empty(found)
    names = found[0][0] if len(found) == 1 else f"{len(found)} folders"
    ask_to_delete(records, f"{names} with {contents_text(records)}", always=pattern)

    async def delete_one(item: tuple[str, Folder]) -> None:
        await node.folder_delete(item[1], recursive)

    await delete_streams(found, held, delete_one, "folders")


def _without_nested(found: list[tuple[str, Folder]]) -> list[tuple[str, Folder]]:
    paths = [path for path, _ in found]
    return [
        (path, each)
        for path, each in found
        if not any(path.startswith(f"{other.rstrip('/')}/") and path != other for other in paths)
    ]


def _require_empty(found: list[tuple[str, Folder]]) -> None:
    """Refuse to delete streams without consent."""
    for path, folder in found:
        if folder.data_streams or folder.event_streams:
            raise ConflictError(
                "the folder holds streams",
                object=path,
                hint="use -r or --yes to delete them with all data",
            )


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
