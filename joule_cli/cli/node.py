"""`joule node`: the stored nodes, and what a node says about itself."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from joule_cli.cli._lazy import group
from joule_cli.cli._options import safe_options, yes_option
from joule_cli.cli._output import (
    Column,
    emit_block,
    emit_list,
    emit_object,
    emit_objects,
    emit_ok,
    emit_text,
    note,
    output_format,
    show_bytes,
)
from joule_cli.cli._prompt import confirm_or_leave
from joule_cli.cli._run import for_each, is_terminal, open_node, run, with_node
from joule_cli.cli._secrets import ask_secret, given_openly, read_secret
from joule_cli.cli._settings import current
from joule_cli.errors import AuthorizationError, ConfigurationError, JouleError
from joule_cli.series.visible import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from joule_cli.api.node import Node
    from joule_cli.api.registry import NodeEntry, Registry

#: Seconds that ``node list --check`` gives each node.
_PATIENCE_S = 2.0


@group(
    "node",
    lazy={
        "serve": (
            "joule_cli.cli.node_serve:serve",
            "Serve a node in a file over HTTP, until SIGTERM or Ctrl-C.",
        )
    },
    examples=["joule node add lab file:~/lab.db --default", "joule node info"],
)
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
    if entries and chosen is None:
        # none of the stored ones, so that it would be seen nowhere
        chosen = _local_entry()
        entries = [chosen, *entries]
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

    from joule_cli.api.connect import open_entry

    settings = current()
    limit = _PATIENCE_S if settings.timeout_s is None else settings.timeout_s or None
    try:
        # made before the clock runs: the first remote node loads what speaks HTTP
        found = open_entry(entry, timeout_s=limit or 0)
        async with asyncio.timeout(limit), found:
            info = await found.info()
    except JouleError as exc:
        return {"status": "error", "version": None, "error": exc.sentence()}
    except TimeoutError:
        return {"status": "error", "version": None, "error": "no answer"}
    return {"status": "ok", "version": info.version, "error": None}


@node.command(
    "add",
    examples=[
        "joule node add lab /data/lab.db",
        "joule node add meter https://meter.example/joule --key-file meter.key",
        "joule node add here unix:/tmp/joule/api --default",
    ],
)
@click.argument("name")
@click.argument("url")
@click.argument("key", required=False)
@click.option("--key-file", metavar="FILE", help="Read the key from a file; - is standard input.")
@click.option("--ca", "ca_file", metavar="FILE", help="Trust this certificate authority, too.")
@click.option("--insecure", is_flag=True, help="Do not check the node's certificate.")
@click.option("--default", "make_default", is_flag=True, help="Make it the default node.")
@click.option("--no-check", is_flag=True, help="Store it without contacting it.")
@yes_option
def add(
    name: str,
    url: str,
    key: str | None,
    key_file: str | None,
    ca_file: str | None,
    insecure: bool,
    make_default: bool,
    no_check: bool,
) -> None:
    """Store a node under a name.

    URL is http://HOST:PORT, https://HOST, unix:PATH of a socket, or a file, also as file:PATH. A
    file that does not exist is made by the first change.

    The node is contacted first, so that a wrong address or key is not stored. Without KEY or
    --key-file the key is JOULE_API_KEY, else the one that is stored with the name; else, at a
    terminal, you are asked for it when the node wants one.
    """
    from joule_cli.api.connect import open_entry
    from joule_cli.api.registry import NodeEntry

    if key is not None and key_file is not None:
        raise click.UsageError("KEY and --key-file exclude each other.")
    if key is not None:
        given_openly(key, "use --key-file, JOULE_API_KEY, or the question for it")
    refuse_local(name)
    registry = _registry()
    old = next((entry for entry in registry.nodes() if entry.name == name), None)
    given = key if key_file is None else read_secret(key_file)
    extra = _tls_choices(url, ca_file, insecure, {} if old is None else old.extra)
    # as the node itself writes its address
    url = open_entry(NodeEntry(name, url, "", extra)).url
    used = given or os.environ.get("JOULE_API_KEY", "")
    if not used and old is not None and old.url == url:
        used = old.key
    entry = NodeEntry(name, url, "" if url.startswith("file:") else used, extra)
    if not no_check:
        entry = _contacted(entry)
    if old is not None and old.url != url:
        confirm_or_leave(f"Replace the stored node {name} at {old.url}?")
    before = registry.default()
    registry.save(entry)
    if make_default:
        registry.set_default(name)
    value = {"name": name, "url": url, "default": is_default(registry, name)}
    emit_ok(f"Added node [{name}]", value)
    if not make_default:
        tell_new_default(registry, before)


def refuse_local(name: str, hint: str = "choose another name") -> None:
    """Refuse to store a node under the name of the node in the default file."""
    from joule_cli.api.registry import LOCAL

    if name == LOCAL:
        raise ConfigurationError(
            "local is always the node in your own file", object=name, hint=hint
        )


def is_default(registry: Registry, name: str) -> bool:
    """Whether commands use the stored node with this name if none is given."""
    entry = registry.default()
    return entry is not None and entry.name == name


def tell_new_default(registry: Registry, before: NodeEntry | None) -> None:
    """Tell at a terminal which node commands use from now on, if that has changed unasked.

    Parameters
    ----------
    before
        The default node until now.
    """
    now = registry.default()
    if now is None or (before is not None and before.name == now.name):
        return
    if is_terminal(sys.stderr):
        note(
            f"[{now.name}] is the default node now; your own file again with: "
            "joule node default local"
        )


def _tls_choices(
    url: str, ca_file: str | None, insecure: bool, old: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what is stored about certificates; what an earlier entry had is overruled."""
    if (ca_file is not None or insecure) and not url.lower().startswith("https:"):
        raise click.UsageError("--ca and --insecure are for addresses that begin with https.")
    if ca_file is not None and insecure:
        raise click.UsageError("--ca and --insecure exclude each other.")
    found: dict[str, Any] = {}
    if ca_file is not None or "ca_file" in old:
        found["ca_file"] = None if ca_file is None else str(Path(ca_file).absolute())
    if insecure or "insecure" in old:
        found["insecure"] = insecure
    return found


def _contacted(entry: NodeEntry) -> NodeEntry:
    """Return the entry after its node has answered; ask for a key if the node wants one."""
    try:
        run(lambda: _open(entry))
    except AuthorizationError:
        if entry.key:
            raise
        if current().no_input or not (is_terminal(sys.stdin) and is_terminal(sys.stderr)):
            raise
        key = ask_secret(f"Key of {entry.url}", "Use --key-file to give it.")
        entry = replace(entry, key=key)
        run(lambda: _open(entry))
    return entry


async def _open(entry: NodeEntry) -> None:
    from joule_cli.api.connect import open_entry

    async with open_entry(entry, timeout_s=current().timeout_s) as found:
        await found.info()


@node.command("ping", examples=["joule node ping lab", "joule node ping lab --count 5"])
@click.argument("name", required=False)
@click.option("--count", type=click.IntRange(min=1), default=1, metavar="N", help="Ask N times.")
def ping(name: str | None, count: int) -> None:
    """Measure how long the node takes to answer.

    The first answer includes the time that the connection takes.
    """
    settings = current()

    async def answers() -> None:
        from time import perf_counter

        async with open_node(settings, name) as found:

            async def ask() -> dict[str, Any]:
                begin = perf_counter()
                info = await found.info()
                ms = round((perf_counter() - begin) * 1000, 3)
                return {"name": info.name, "url": found.url, "milliseconds": ms}

            records = [await ask()]
            if output_format() in {"table", "plain"} and settings.columns is None:
                emit_text(_pong(records[0]))
                for _ in range(count - 1):
                    emit_text(_pong(await ask()))
                return
            records += [await ask() for _ in range(count - 1)]
            emit_objects(records, lambda _: None)

    run(answers)


def _pong(record: dict[str, Any]) -> str:
    name = one_line(record["name"])
    return f"{name} at {record['url']} answered in {record['milliseconds']:.1f} ms"


@node.command("delete", examples=["joule node delete lab"])
@click.argument("name", nargs=-1, required=True)
@safe_options
def delete(name: tuple[str, ...], dry_run: bool) -> None:
    """Forget stored nodes; their data stay where they are."""
    registry = _registry()
    known = {entry.name: entry for entry in registry.nodes()}
    unknown = [each for each in name if each not in known]
    if unknown:
        from joule_cli.api.registry import absent

        raise absent(unknown[0], known.values())
    names = list(dict.fromkeys(name))
    if dry_run:
        emit_list(
            ({"name": each, "url": known[each].url} for each in names),
            [Column("name"), Column("url")],
        )
        return
    listing = [f"  {each}  {known[each].url}" for each in names]
    confirm_or_leave(f"Forget {', '.join(names)}?", details=listing)

    async def delete_one(each: str) -> None:
        registry.delete(each)

    run(lambda: for_each(names, delete_one))
    emit_ok(f"Removed node [{', '.join(names)}]", {"deleted": names})


def _local_entry() -> NodeEntry:
    from joule_cli.api.connect import find_entry
    from joule_cli.api.registry import LOCAL

    return find_entry(LOCAL, url=None, environ=os.environ)


@node.command(
    "default",
    examples=["joule node default", "joule node default lab", "joule node default local"],
)
@click.argument("name", required=False)
def default(name: str | None) -> None:
    """Choose the default node, or print its name.

    local is the node in your own file. It is the default as long as no node is stored; the first
    one that is stored takes its place.
    """
    registry = _registry()
    if name is not None:
        registry.set_default(name)
        emit_ok(f"The default node is {name}", {"name": name})
        return
    used = registry.default() or _local_entry()
    emit_object({"name": used.name, "url": used.url}, lambda: emit_text(used.name))


@node.command("rename", examples=["joule node rename lab lab-old"])
@click.argument("name")
@click.argument("new")
def rename(name: str, new: str) -> None:
    """Give a stored node another name."""
    refuse_local(new)
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
