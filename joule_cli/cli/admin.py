"""`joule admin`: care for the file of a node on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from joule_cli.cli._lazy import group
from joule_cli.cli._options import progress_option, safe_options
from joule_cli.cli._output import (
    Column,
    count_text,
    emit_list,
    emit_object,
    emit_ok,
    emit_text,
    note,
    output_format,
    show_bytes,
)
from joule_cli.cli._run import PARTLY_DONE, with_node
from joule_cli.cli._settings import current
from joule_cli.errors import ApiError, AuthorizationError, CorruptChunkError, FormatError

if TYPE_CHECKING:
    from collections.abc import Callable

    from joule_cli.api.node import Node
    from joule_cli.api.registry import NodeEntry
    from joule_cli.cli._progress import Progress
    from joule_cli.model import NodeInfo

_PROBLEMS = (Column("path"), Column("time", kind="time"), Column("problem"))
_LOST = (
    Column("path"),
    Column("start", kind="time"),
    Column("end", kind="time"),
    Column("lost"),
)
_FILE = click.Path(path_type=Path)
#: Where a node is served unless told otherwise, directly or behind a web server.
_ADDRESSES = ("http://localhost:8088", "https://localhost/joule", "http://localhost/joule")
#: Seconds for a node on this machine to answer.
_PATIENCE_S = 10.0


@group("admin", examples=["joule admin check", "joule admin backup /backup/joule.db"])
def admin() -> None:
    """Check, back up and repair the node's own file."""


@admin.command("check", examples=["joule admin check", "joule --url file:old.db admin check"])
@progress_option
@with_node
async def check(node: Node) -> None:
    """Verify every chunk, interval, level and event; end with 1 if anything is wrong.

    Others may read and write meanwhile.
    """
    from joule_cli.cli._progress import Progress
    from joule_cli.daemon import administration

    with Progress("checking", unit="records") as bar:
        if bar.visible:
            bar.total = await _size(node)
        report = await administration(node).check(
            lambda seen: bar.update(seen.n_rows + seen.n_events)
        )
    problems = [{"path": p.path, "time": p.time, "problem": p.text} for p in report.problems]
    counts = {
        "streams": report.n_streams,
        "chunks": report.n_chunks,
        "rows": report.n_rows,
        "event_streams": report.n_event_streams,
        "events": report.n_events,
    }
    people = output_format() in {"table", "plain"}
    if output_format() == "json" and current().columns is None:
        emit_object({**counts, "problems": problems})
    elif problems or not people:
        emit_list(problems, _PROBLEMS)
    elif not current().quiet:
        emit_text(f"OK: {_counts_text(counts)}")
    if problems:
        note("'joule admin repair --to NEW' takes what is whole into a new file")
        raise click.exceptions.Exit(1)
    if not report.has_checksums:
        note(
            "this file is of a former version, whose pages have no checksums; "
            "a copy by 'joule admin backup' has them"
        )


def _counts_text(counts: dict[str, int]) -> str:
    nouns = ((number, name.removesuffix("s").replace("_", " ")) for name, number in counts.items())
    return ", ".join(count_text(number, noun) for number, noun in nouns)


@admin.command("backup", examples=["joule admin backup /backup/joule.db"])
@click.argument("file", type=_FILE)
@click.option("--no-clobber", is_flag=True, help="Refuse to replace an existing file.")
@click.option(
    "--keep",
    type=click.IntRange(min=1),
    metavar="N",
    help="Keep N copies from before, as FILE.1, FILE.2, ...",
)
@progress_option
@with_node
async def backup(node: Node, file: Path, no_clobber: bool, keep: int | None) -> None:
    """Write a consistent copy of the node while others may write.

    The copy is verified before it takes the place of the one before.
    """
    from joule_cli.cli._progress import working
    from joule_cli.daemon import administration

    if no_clobber and keep:
        raise click.UsageError("--no-clobber and --keep exclude each other.")
    if no_clobber:
        _require(file, exists=False)
    async with working("backing up", unit="bytes") as bar:
        size = await administration(node).backup(
            file,
            keep=keep or 0,
            replace=not no_clobber,
            progress=_from_a_thread(bar),
            seen=_verifying(bar),
        )
    emit_ok(f"{file}: {show_bytes(size)}", {"file": str(file), "bytes": size})


@admin.command("restore", examples=["joule admin restore /backup/joule.db"])
@click.argument("file", type=_FILE)
@safe_options
@progress_option
@with_node
async def restore(node: Node, file: Path, dry_run: bool) -> None:
    """Replace everything in the node by a backup."""
    from joule_cli.cli._progress import working
    from joule_cli.daemon import administration

    _require(file, exists=True)
    question = f"Replace everything in {node.url} by {file}?"
    try:
        doomed = await _agreed(node, question, dry_run=dry_run)
        if doomed is None:
            return
        async with working("restoring", unit="bytes") as bar:
            await administration(node).restore(
                file, progress=_from_a_thread(bar), seen=_verifying(bar)
            )
    except CorruptChunkError as exc:
        if exc.object != str(file):
            exc.hint = (
                "move the file of the node away, and the one with -wal behind its name; then "
                "restore makes a new one"
            )
        raise
    _tell(f"Replaced everything in {node.url} by {file}", doomed, {"restored": str(file)})


@admin.command(
    "repair",
    examples=["joule admin repair --to repaired.db", "joule admin repair old.db --to whole.db"],
)
@click.argument("file", type=_FILE, required=False)
@click.option("--to", "target", type=_FILE, required=True, metavar="NEW", help="The file to make.")
@progress_option
@with_node
async def repair(node: Node, file: Path | None, target: Path) -> None:
    """Take what is whole of a damaged node file into a new one.

    Without FILE it is the file of the node, which stays as it is. What is lost is listed by stream
    and range of time; the exit status is then 3.
    """
    from joule_cli.cli._progress import working
    from joule_cli.daemon import repair_file

    async with working("repairing", unit="bytes") as bar:
        result = await repair_file(file or node, target, _from_a_thread(bar), _verifying(bar))
    lost = [{"path": o.path, "start": o.start, "end": o.end, "lost": o.text} for o in result.losses]
    counts = {
        "streams": result.n_streams,
        "rows": result.n_rows,
        "event_streams": result.n_event_streams,
        "events": result.n_events,
        "annotations": result.n_annotations,
    }
    taken = f"{target}: {_counts_text(counts)}"
    if output_format() == "json" and current().columns is None:
        emit_object({"file": str(target), **counts, "lost": lost})
    elif lost or output_format() not in {"table", "plain"}:
        emit_list(lost, _LOST)
        note(taken)
    else:
        emit_ok(taken)
    if lost:
        raise click.exceptions.Exit(PARTLY_DONE)


@admin.command("compact", examples=["joule admin compact"])
@progress_option
@with_node
async def compact(node: Node) -> None:
    """Join small chunks and give unused space back to the disk."""
    from joule_cli.cli._progress import working
    from joule_cli.daemon import administration

    async with working("compacting", unit="streams") as bar:
        sizes = await administration(node).compact(bar.update)
    emit_ok(
        f"{show_bytes(sizes.before)} -> {show_bytes(sizes.after)}",
        {"bytes_before": sizes.before, "bytes_after": sizes.after},
    )


@admin.command("erase", examples=["joule admin erase --dry-run", "joule admin erase --yes"])
@click.option("-l", "--links", is_flag=True, help="Delete masters and followers as well.")
@safe_options
@progress_option
@with_node
async def erase(node: Node, links: bool, dry_run: bool) -> None:
    """Delete all folders, streams, rows, events and annotations.

    Masters and followers stay, so that the node is still reached with the same keys.
    """
    from joule_cli.cli._progress import working
    from joule_cli.daemon import administration

    doomed = await _agreed(node, f"Delete everything in {node.url}?", dry_run=dry_run)
    if doomed is not None:
        async with working("erasing", unit="records") as bar:
            if bar.visible:
                bar.total = await _size(node)
            await administration(node).erase(links=links)
            bar.advance(bar.total or 0)
        _tell(f"Deleted everything in {node.url}", doomed, {"erased": node.url})


@admin.command(
    "authorize",
    examples=[
        "joule admin authorize",
        "joule --url file:lab.db admin authorize --url http://192.0.2.1:8088",
    ],
)
@click.option("-u", "--url", metavar="URL", help="Where the node is served.")
@click.option("--user", metavar="NAME", help="Name of the user; by default that of the login.")
@with_node
async def authorize(node: Node, url: str | None, user: str | None) -> None:
    """Give the user of this machine a key for the node while it is served, and store it.

    The node is a file here, chosen before the command with --node or --url. Without an address,
    this machine is searched for it. A key that the user had before is no longer valid.
    """
    import os

    from joule_cli.api.registry import NodeEntry, Registry
    from joule_cli.cli.node import is_default, refuse_local, tell_new_default
    from joule_cli.daemon import peers

    masters = peers(node)
    registry = Registry.from_environment(os.environ)
    address = await _served_at(url)
    name = user or os.environ.get("SUDO_USER") or os.environ.get("LOGNAME") or _login()
    added = await masters.add_master("USER", name, replace=True)
    entry = NodeEntry("", address, added.key or "")
    try:
        served = await _info_of(entry)
        await _require_same(node, served.uuid, address)
        refuse_local(served.name, "serve the node under another name, see --name")
    except BaseException:
        # the key is known here only
        await node.master_delete("user", name)
        raise
    before = registry.default()
    registry.save(NodeEntry(served.name, address, entry.key))
    emit_ok(
        f"Access to node [{served.name}] granted to user [{name}]",
        {
            "name": served.name,
            "url": address,
            "user": name,
            "default": is_default(registry, served.name),
        },
    )
    tell_new_default(registry, before)


async def _size(node: Node) -> int:
    """Return how many rows and events a node holds."""
    from joule_cli.cli._deleting import gather_doomed, number_held

    root = await node.folder_root()
    return number_held(await gather_doomed(node, list(root.streams("/")), list(root.events("/"))))


def _from_a_thread(bar: Progress) -> Callable[[int, int], None]:
    """Return what takes reports that come from another thread, and draws them in this one."""
    import asyncio

    loop = asyncio.get_running_loop()
    label, unit = bar.label, bar.unit

    def show(done: int, total: int) -> None:
        bar.turn_to(label)
        bar.unit = unit
        bar.update(min(done, total), total)

    def report(done: int, total: int) -> None:
        loop.call_soon_threadsafe(show, done, total)

    return report


def _verifying(bar: Progress) -> Callable[[Any], None]:
    """Return what shows how far a copy is verified, between the bytes before and after it."""

    def seen(report: Any) -> None:
        bar.turn_to("verifying")
        bar.unit, bar.total = "records", None
        bar.update(report.n_rows + report.n_events)

    return seen


async def _served_at(url: str | None) -> str:
    """Return the address of a node that asks for a key."""
    from joule_cli.api.registry import NodeEntry

    for address in _ADDRESSES if url is None else [url]:
        try:
            await _info_of(NodeEntry("", address))
        except AuthorizationError:
            return address
        except ApiError:
            if url is not None:
                raise
        else:
            if url is not None:
                raise ApiError("a node that asks for no key is served here", object=url)
    raise ApiError(
        "no node is served on this machine", hint="name its address with --url, or start it"
    )


async def _info_of(entry: NodeEntry) -> NodeInfo:
    from joule_cli.api.connect import open_entry

    async with open_entry(entry, timeout_s=_PATIENCE_S) as served:
        return await served.info()


async def _require_same(node: Node, uuid: str, address: str) -> None:
    if uuid != (await node.info()).uuid:
        raise ApiError(f"another node is served at [{address}]", object=node.url)


def _login() -> str:
    import os
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def _require(file: Path, *, exists: bool) -> None:
    if file.exists() == exists:
        return
    if not exists:
        raise FormatError("the file exists", file=str(file))
    from joule_cli.cli._near_files import did_you_mean_file

    raise FormatError("no such file", file=str(file), hint=did_you_mean_file(file))


async def _agreed(node: Node, question: str, *, dry_run: bool) -> list[dict[str, Any]] | None:
    """Show what is lost, ask, and return it; `None` for a dry run."""
    from joule_cli.cli._deleting import doomed_lines, gather_doomed, show_doomed
    from joule_cli.cli._prompt import confirm_or_leave
    from joule_cli.daemon import administration

    records: list[dict[str, Any]] = []
    if not administration(node).is_new:
        root = await node.folder_root()
        records = await gather_doomed(node, list(root.streams("/")), list(root.events("/")))
    if dry_run:
        show_doomed(records)
        return None
    confirm_or_leave(question, details=doomed_lines(records), always=True)
    return records


def _tell(sentence: str, gone: list[dict[str, Any]], value: dict[str, Any]) -> None:
    """Say what the node held."""
    from joule_cli.cli._deleting import deleted_lines, deleted_value

    paths = [record["path"] for record in gone]
    emit_ok("\n".join([*deleted_lines(sentence, gone), "OK"]), value | deleted_value(paths, gone))
