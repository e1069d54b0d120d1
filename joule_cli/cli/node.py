"""`joule node`: the nodes that are known by name."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from joule_cli.cli._lazy import group
from joule_cli.cli._options import safe_options
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
from joule_cli.errors import ConfigurationError, FormatError, JouleError

if TYPE_CHECKING:
    from joule_cli.api.node import Node
    from joule_cli.api.registry import NodeEntry, Registry

#: Seconds that ``node list --check`` gives each node.
_PATIENCE_S = 2.0


@group(
    "node",
    examples=["joule node add lab /data/lab.db", "joule node list", "joule node default lab"],
)
def node() -> None:
    """Name nodes, so that commands can be told which one to use."""


def _registry() -> Registry:
    from joule_cli.api.registry import Registry

    return Registry.from_environment(os.environ)


def _default_name(registry: Registry) -> str | None:
    entry = registry.default()
    return None if entry is None else entry.name


@node.command("list", examples=["joule node list", "joule node list --check --json"])
@click.option("--check", is_flag=True, help="Ask each node for its version.")
def list_(check: bool) -> None:
    """List the stored nodes; the default one has a star."""
    registry = _registry()
    default = _default_name(registry)
    records: list[dict[str, Any]] = [
        {"name": entry.name, "url": entry.url, "default": entry.name == default}
        for entry in registry.nodes()
    ]
    columns = [Column("name"), Column("url"), Column("default")]
    if check:
        entries = registry.nodes()
        for record, found in zip(records, run(lambda: _check_all(entries)), strict=True):
            record.update(found)
        columns += [Column("status"), Column("version")]
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
        return {"status": exc.sentence(), "version": None}
    except TimeoutError:
        return {"status": "no answer", "version": None}
    return {"status": "ok", "version": info.version}


@node.command(
    "add",
    examples=["joule node add lab /data/lab.db", "joule node add lab file:/data/lab.db --default"],
)
@click.argument("name")
@click.argument("url")
@click.argument("key", required=False)
@click.option(
    "--key-file",
    metavar="FILE",
    help="Read the key from here; - is standard input. Else JOULE_API_KEY is used.",
)
@click.option("--default", "make_default", is_flag=True, help="Make it the default node.")
@click.option("--no-check", is_flag=True, help="Store it without opening it.")
@safe_options
def add(
    name: str,
    url: str,
    key: str | None,
    key_file: str | None,
    make_default: bool,
    no_check: bool,
    dry_run: bool,
) -> None:
    """Store a node under a name.

    URL is a file or file:PATH; the file is made by the first change.
    """
    from joule_cli.api.connect import get_node
    from joule_cli.api.registry import NodeEntry

    if key is not None and key_file is not None:
        raise click.UsageError("The key and --key-file exclude each other.")
    if key is None:
        key = os.environ.get("JOULE_API_KEY", "") if key_file is None else _read_key(key_file)
    registry = _registry()
    address = get_node(name, url=url).url
    if not no_check:
        run(lambda: _open(name, address))
    old = next((entry for entry in registry.nodes() if entry.name == name), None)
    value = {"name": name, "url": address}
    if dry_run:
        emit_object({**value, "replaces": None if old is None else old.url})
        return
    if old is not None and old.url != address:
        confirm_or_leave(f"Replace the node {name} at {old.url}?", stdin_is_data=key_file == "-")
    registry.save(NodeEntry(name, address, key))
    if make_default:
        registry.set_default(name)
    emit_ok(f"Stored the node {name} at {address}", value)


async def _open(name: str, url: str) -> None:
    from joule_cli.api.connect import get_node

    async with get_node(name, url=url) as found:
        await found.info()


def _read_key(file: str) -> str:
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text("utf-8")
    except OSError as exc:
        raise FormatError(exc.strerror or "cannot be read", file=file) from exc
    except UnicodeDecodeError as exc:
        raise FormatError("not UTF-8 text", file=file) from exc
    if not text.strip():
        raise FormatError("there is no key in it", file=file)
    return text.strip()


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
    emit_ok(f"Forgot {', '.join(names)}", {"deleted": names})


@node.command("default", examples=["joule node default", "joule node default lab"])
@click.argument("name", required=False)
def default(name: str | None) -> None:
    """Choose the default node, or print its name."""
    registry = _registry()
    if name is not None:
        registry.set_default(name)
        emit_ok(f"The default node is {name}", {"name": name})
        return
    entry = registry.default()
    if entry is None:
        raise ConfigurationError(
            "no node is stored", hint="Commands use the file in your data directory."
        )
    emit_object({"name": entry.name, "url": entry.url}, lambda: emit_text(entry.name))


@node.command("rename", examples=["joule node rename lab laboratory"])
@click.argument("name")
@click.argument("new")
def rename(name: str, new: str) -> None:
    """Give a stored node another name."""
    _registry().rename(name, new)
    emit_ok(f"{name} is now {new}", {"name": new})


@node.command("info", examples=["joule node info", "joule node info --node lab --json"])
@with_node
async def info_(node: Node) -> None:
    """Describe the node: version, place and size."""
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
