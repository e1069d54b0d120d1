"""`joule archive`: what other nodes have exported."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from joule_cli.cli._lazy import group
from joule_cli.cli._options import progress_option
from joule_cli.cli._output import (
    Column,
    emit_list,
    emit_text,
    note,
    output_format,
    show_time,
    write_utf8,
)
from joule_cli.cli._progress import working
from joule_cli.cli._run import PARTLY_DONE, report, with_node
from joule_cli.cli._settings import current
from joule_cli.errors import FormatError, JouleError, NodeUnreachableError
from joule_cli.series.visible import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable

    from joule_cli.api.node import Node
    from joule_cli.formats.archive import Archive
    from joule_cli.model import ArchiveLog, ArchiveMessage

_FILE = click.Path(path_type=Path)


@group("archive", examples=["joule archive inspect export.zip -v", "joule archive upload exports/"])
def archive() -> None:
    """Inspect archives, and import them into a node."""


@archive.command(
    "inspect",
    examples=["joule archive inspect export.zip", "joule archive inspect *.zip --json"],
)
@click.argument("archive", type=_FILE, nargs=-1, required=True)
@click.option("-v", "--verbose", "streams", is_flag=True, help="List the streams as well.")
def inspect(archive: tuple[Path, ...], streams: bool) -> None:
    """Show what archives hold; needs no node."""
    from joule_cli.formats.archive import Archive

    _require_files(archive)
    records = []
    failed = 0
    people = output_format() in {"table", "plain"} and current().columns is None
    for path in archive:
        try:
            with Archive(path) as opened:
                record = {"file": str(path), **opened.summary.to_json()}
                if people:
                    if len(archive) > 1:
                        emit_text(f"{one_line(str(path))}:")
                    _show(opened, streams)
        except FormatError as exc:
            if len(archive) == 1:
                raise
            report(exc, current())
            failed += 1
            continue
        records.append(record)
    if not people:
        _emit(records, several=len(archive) > 1)
    if failed:
        raise click.exceptions.Exit(PARTLY_DONE if records else 1)


def _emit(records: list[dict[str, Any]], *, several: bool) -> None:
    if output_format() == "json" and not several:
        import json

        write_utf8(json.dumps(records[0], ensure_ascii=False, indent=2) + "\n")
        return
    columns = [Column(name) for name in ("file", "node", "name", "created_at")]
    columns[-1] = Column("created_at", kind="time")
    columns += [Column("data_streams"), Column("event_streams"), Column("version", shown=False)]
    emit_list(records, columns)


def _show(archive: Archive, streams: bool) -> None:
    summary = archive.summary
    everything = [*summary.data_streams, *summary.event_streams]
    starts = [each["start_ts"] for each in everything if isinstance(each.get("start_ts"), int)]
    ends = [each["end_ts"] for each in everything if isinstance(each.get("end_ts"), int)]
    lines = [
        "========= Source ===========",
        f"Node:\t{one_line(str(summary.node))}",
        f"Label:\t{one_line(str(summary.name))}",
        f"Date:\t{show_time(summary.created_at) or '-'}",
        "",
        "========= Contents ========",
        f"Start:\t{show_time(min(starts, default=None)) or '-'}",
        f"End:\t{show_time(max(ends, default=None)) or '-'}",
        f"{len(summary.data_streams)} data streams, {len(summary.event_streams)} event streams",
    ]
    for each in summary.data_streams if streams else ():
        lines += [
            "-------- Data Stream -------",
            one_line(f"Label:     {each.get('source_label')}"),
            one_line(f"Path:      {each.get('stream_path')}"),
            one_line(f"Layout:    {each.get('stream_layout')}"),
            one_line(f"Rows:      {each.get('row_count')}"),
            one_line(f"Intervals: {each.get('interval_count')}"),
        ]
    for each in summary.event_streams if streams else ():
        lines += [
            "-------- Event Stream ------",
            one_line(f"Label:     {each.get('source_label')}"),
            one_line(f"Path:      {each.get('stream_path')}"),
            one_line(f"Events:    {each.get('event_count')}"),
            one_line(f"Fields:    {', '.join(each.get('event_fields') or {})}"),
        ]
    for line in lines:
        emit_text(line)


@archive.command(
    "upload",
    examples=[
        "joule archive upload export.zip",
        "joule archive upload exports/ --recursive --flush",
        "joule archive upload exports/ --dry-run",
    ],
)
@click.argument("path", type=_FILE, nargs=-1, required=True)
@click.option(
    "-f", "--flush", is_flag=True, help="Delete what was imported without errors and warnings."
)
@click.option("-e", "--quit-on-error", is_flag=True, help="Stop at the first archive that fails.")
@click.option("-v", "--verbose", "details", is_flag=True, help="Show all of the node's messages.")
@click.option("--recursive", is_flag=True, help="Look in folders below the given ones as well.")
@click.option("--dry-run", is_flag=True, help="List the archives and upload nothing.")
@progress_option
@with_node
async def upload(
    node: Node,
    path: tuple[Path, ...],
    flush: bool,
    quit_on_error: bool,
    details: bool,
    recursive: bool,
    dry_run: bool,
) -> None:
    """Import archives into the node; folders stand for the archives in them.

    The node must have an importer for them. The status is 1 if all have failed, 3 if some have.
    """
    _require_files(path)
    found = _archives(path, recursive)
    if not found:
        raise FormatError("there are no archives", file=str(path[0]))
    if dry_run:
        emit_list(({"file": str(each)} for each in found), [Column("file")])
        return
    records: list[dict[str, Any]] = []
    people = output_format() in {"table", "plain"} and current().columns is None
    failed = done = 0
    async with working("uploading", len(found), "archives") as bar:
        for each in found:
            try:
                log = await node.archive_upload(each)
            except JouleError as exc:
                if len(found) == 1:
                    raise
                bar.clear()
                exc.object = str(each)
                report(exc, current())
                failed += 1
                if quit_on_error or isinstance(exc, NodeUnreachableError):
                    break
                continue
            bar.advance(1)
            records.append(
                {"file": str(each), **log.to_json(), **({"deleted": False} if flush else {})}
            )
            bar.clear()
            if people and not current().quiet:
                _show_log(each, log, details)
            if log.errors:
                failed += 1
                if quit_on_error:
                    break
                continue
            done += 1
            if flush and log.warnings:
                # a warning may mean that a part of it has no place on the node
                note(f"{each} is kept, since there are warnings")
            elif flush:
                _delete(each)
                records[-1]["deleted"] = True
                if people and not current().quiet:
                    emit_text(f"{one_line(str(each))}: deleted")
    if not people:
        columns = [Column(name) for name in ("file", "info", "warnings", "errors")]
        columns += [Column("deleted")] if flush else []
        emit_list(records, columns)
    if failed:
        raise click.exceptions.Exit(PARTLY_DONE if done else 1)


def _require_files(paths: Iterable[Path]) -> None:
    for path in paths:
        if not path.exists():
            from joule_cli.cli._near_files import did_you_mean_file

            near = did_you_mean_file(path)
            more = f" D{near[1:]}" if near else ""
            raise click.BadParameter(f"Path '{path}' does not exist.{more}")


def _archives(paths: Iterable[Path], recursive: bool) -> list[Path]:
    """Return the files given, and the archives in the folders given, each once."""
    found: dict[Path, None] = {}
    for path in paths:
        if not path.is_dir():
            found[path] = None
            continue
        inside = path.rglob("*") if recursive else path.glob("*")
        for each in sorted(inside):
            if each.is_file() and _is_archive(each):
                found[each] = None
    return list(found)


def _is_archive(path: Path) -> bool:
    import zipfile

    from joule_cli.formats.archive import Archive

    try:
        if not zipfile.is_zipfile(path):
            return False
        with Archive(path):
            return True
    except (FormatError, OSError):
        return False


def _show_log(path: Path, log: ArchiveLog, details: bool) -> None:
    problems = (("ERRORS", log.errors), ("WARNINGS", log.warnings))
    sections = [*problems, ("INFO", log.info)] if details else problems
    name = one_line(str(path))
    if not any(messages for _, messages in sections):
        emit_text(f"{name}: [OK]")
        return
    emit_text(f"{name}:" if log.errors else f"{name}: [OK]")
    for heading, messages in sections:
        if messages:
            emit_text(f"\t=== {heading} ===")
        for message in messages:
            emit_text(f"\t{one_line(_line(message))}")


def _line(message: ArchiveMessage) -> str:
    if message.source_label is None and message.destination is None:
        return message.message
    where = "=>".join(each for each in (message.source_label, message.destination) if each)
    return f"{where}: {message.message}"


def _delete(path: Path) -> None:
    try:
        path.unlink()
    except OSError as exc:
        raise FormatError(f"cannot be deleted: {exc.strerror}", file=str(path)) from exc
