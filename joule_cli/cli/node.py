"""`joule node`: the stored nodes, and what a node says about itself."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from joule_cli.cli._lazy import group
from joule_cli.cli._options import safe_options, yes_option
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
from joule_cli.cli._prompt import confirm_or_leave
from joule_cli.cli._run import for_each, run, with_node
from joule_cli.errors import ConfigurationError, JouleError

if TYPE_CHECKING:
    from joule_cli.api.node import Node
    from joule_cli.api.registry import NodeEntry, Registry

#: Seconds that ``node list --check`` gives each node.
_PATIENCE_S = 2.0


@group("node", examples=["joule node add lab file:~/lab.db --default", "joule node info"])
def node() -> None:
    """Choose and describe the nodes that commands use."""


def _registry() -> Registry:
    from joule_cli.api.registry import Registry

    return Registry.from_environment(os.environ)


@node.command("list", examples=["joule node list", "joule node list --check --json"])
@click.option("--check", is_flag=True, help="Contact each node, for at most 2 seconds.")
def list_(check: bool) -> None:
    """List the stored nodes."""
    registry = _registry()
    chosen = registry.default()
    entries = registry.nodes()
    records: list[dict[str, Any]] = [
        {
            "name": entry.name,
            "url": entry.url,
            "default": chosen is not None and entry.name == chosen.name,
        }
        for entry in entries
    ]
    columns = [Column("default"), Column("name"), Column("url")]
    if check:
        for record, found in zip(records, run(lambda: _check_all(entries)), strict=True):
            record.update(found)
        columns += [Column("status"), Column("version"), Column("error")]
    if output_format() in {"table", "plain"}:
        records = [{**each, "default": "*" if each["default"] else ""} for each in records]
    emit_list(records, columns)


async def _check_all(entries: list[NodeEntry]) -> list[dict[str, Any]]:
    import asyncio

    return await asyncio.gather(*map(_check, entries))


async def _check(entry: NodeEntry) -> dict[str, Any]:
    import asyncio

    from joule_cli.api.connect import get_node

    try:
        async with asyncio.timeout(_PATIENCE_S), get_node(entry.name) as found:
            info = await found.info()
    except JouleError as exc:
        return {"status": "error", "version": None, "error": exc.sentence()}
    except TimeoutError:
        return {"status": "error", "version": None, "error": "no answer"}
    return {"status": "ok", "version": info.version, "error": None}


@node.command(
    "add",
    examples=["joule node add lab /data/lab.db", "joule node add lab file:~/lab.db --default"],
)
@click.argument("name")
@click.argument("url")
@click.argument("key", required=False)
@click.option("--default", "make_default", is_flag=True, help="Make it the default node.")
@click.option("--no-check", is_flag=True, help="Store it without contacting it.")
@yes_option
def add(name: str, url: str, key: str | None, make_default: bool, no_check: bool) -> None:
    """Store a node under a name.

    URL is a file, also as file:PATH. A file that does not exist is made by the first change.
    """
    from joule_cli.api.connect import get_node
    from joule_cli.api.registry import NodeEntry

    registry = _registry()
    address = get_node(name, url=url).url
    if not no_check:
        run(lambda: _open(name, address))
    old = next((entry for entry in registry.nodes() if entry.name == name), None)
    if old is not None and old.url != address:
        confirm_or_leave(f"Replace the stored node {name} at {old.url}?")
    registry.save(NodeEntry(name, address, key or os.environ.get("JOULE_API_KEY", "")))
    if make_default:
        registry.set_default(name)
    emit_ok(f"Added node [{name}]", {"name": name, "url": address})


async def _open(name: str, url: str) -> None:
    from joule_cli.api.connect import get_node

    async with get_node(name, url=url) as found:
        await found.info()


@node.command("delete", examples=["joule node delete lab"])
@click.argument("name", nargs=-1, required=True)
@safe_options
def delete(name: tuple[str, ...], dry_run: bool) -> None:
    """Forget stored nodes; their data stay where they are."""
    registry = _registry()
    known = {entry.name: entry for entry in registry.nodes()}
    unknown = [each for each in name if each not in known]
    if unknown:
        raise ConfigurationError(f"Node [{unknown[0]}] does not exist", object=unknown[0])
    names = list(dict.fromkeys(name))
    if dry_run:
        emit_list(
            ({"name": each, "url": known[each].url} for each in names),
            [Column("name"), Column("url")],
        )
        return
    listing = "\n".join(f"  {each}  {known[each].url}" for each in names)
    confirm_or_leave(f"Forget {', '.join(names)}?", details=listing)

    async def delete_one(each: str) -> None:
        registry.delete(each)

    run(lambda: for_each(names, delete_one))
    emit_ok(f"Removed node [{', '.join(names)}]", {"deleted": names})


@node.command("default", examples=["joule node default", "joule node default lab"])
@click.argument("name", required=False)
def default(name: str | None) -> None:
    """Choose the default node, or print its name."""
    registry = _registry()
    if name is not None:
        registry.set_default(name)
        emit_ok(f"The default node is {name}", {"name": name})
        return
    from joule_cli.api.connect import get_node

    entry = registry.default()
    # without a stored one, the node in the default file is used
    used = get_node("local") if entry is None else entry
    emit_object({"name": used.name, "url": used.url}, lambda: emit_text(used.name))


@node.command("rename", examples=["joule node rename lab lab-old"])
@click.argument("name")
@click.argument("new")
def rename(name: str, new: str) -> None:
    """Give a stored node another name."""
    _registry().rename(name, new)
    emit_ok(f"{name} is now {new}", {"name": new})


@node.command("info", examples=["joule node info", "joule -n lab node info --json"])
@with_node
async def info_(node: Node) -> None:
    """Describe the node: version, place and size of its database."""
    info = await node.info()
    value = {**info.to_json(), "url": node.url}

    def show() -> None:
        emit_block(
            [
                ("Name", info.name),
                ("UUID", info.uuid),
                ("URL", node.url),
                ("Server Version", info.version),
                ("Database Location", info.path),
                ("Database Size", show_bytes(info.size_db)),
                ("Space Available", show_bytes(info.size_free)),
            ]
        )

    emit_object(value, show)
