"""Files of rows into streams, so that a bad file changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from joule_cli.cli._lazy import command
from joule_cli.cli._options import STREAM, DurationType, progress_option, safe_options
from joule_cli.cli._output import count_text, emit_done, emit_text, output_format, warn
from joule_cli.cli._progress import Progress
from joule_cli.cli._references import Ref, path_of
from joule_cli.cli._run import report, with_node
from joule_cli.cli._settings import current
from joule_cli.cli.data._input import (
    CHECKING,
    bad_input_options,
    follow,
    how_far,
    missing_text,
)
from joule_cli.cli.data._table import read_options, table_options
from joule_cli.errors import JouleError

if TYPE_CHECKING:
    from collections.abc import Callable

    from joule_cli.api.node import Node
    from joule_cli.ops.progress import Step

_REMEDY = "repeat the command with --resume to continue there"


@command(
    "ingest",
    examples=[
        "joule data ingest mains.h5 --stream /house/mains",
        "joule data ingest log.csv -s /lab/x --time-column when --use-columns volts,amps",
        "joule data ingest log.csv -s /lab/x --on-error skip --rejects bad.csv",
        "joule data ingest exported/ --stream /restored",
    ],
)
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option(
    "-s",
    "--stream",
    type=STREAM,
    metavar="PATH",
    help="Where the rows go; by default where the file says. For a directory, a folder.",
)
@table_options()
@click.option("--create/--no-create", default=True, help="Create a stream that does not exist.")
@click.option(
    "--max-gap", type=DurationType(1), metavar="D", help="End the interval at longer gaps."
)
@click.option(
    "--on-conflict",
    type=click.Choice(["ask", "replace", "skip", "fail"]),
    default="ask",
    metavar="HOW",
    help="Where the stream has rows: ask, replace them, skip rows whose time is stored, or fail.",
)
@bad_input_options("line")
@click.option("--resume", is_flag=True, help="Begin after the last row of the stream.")
@safe_options
@progress_option
@with_node
async def ingest(
    node: Node,
    /,
    files: tuple[str, ...],
    stream: Ref | None,
    table: dict[str, Any],
    on_conflict: str,
    on_error: str,
    max_errors: int | None,
    rejects: str | None,
    create: bool,
    max_gap: int | None,
    resume: bool,
    dry_run: bool,
) -> None:
    """Write files of rows to streams.

    A file is checked as a whole before anything is deleted, and one that turns out to be bad
    leaves the stream as it was. A directory is one that joule data export wrote.
    """
    from joule_cli.cli.data._ingest import Ingestion, is_directory, parts_of
    from joule_cli.cli.data._rejects import Rejects
    from joule_cli.ops.ingest_source import IngestOptions

    if max_gap is not None and max_gap < 1:
        raise click.UsageError("--max-gap must be positive.")
    if files.count("-") > 1:
        raise click.UsageError("Standard input can be read once only.")
    with Rejects(rejects) as bad_lines, Progress(CHECKING if dry_run else "ingesting") as bar:
        work = Ingestion(
            node,
            table["form"],
            options=IngestOptions(
                read=read_options(table),
                create=create,
                on_conflict="fail" if on_conflict == "ask" else on_conflict,  # type: ignore[arg-type]  # one of the choices
                max_gap=max_gap,
                resume=resume,
                skip_bad=on_error == "skip",
                max_errors=max_errors,
                on_reject=bad_lines.add if on_error == "skip" else None,
            ),
            asks=on_conflict == "ask",
            rejects=bad_lines,
            table=table,
            bar=bar,
        )
        path = None if stream is None else await path_of(node, stream)
        records: list[dict[str, Any]] = []
        failed = 0
        for file, part in zip(files, parts_of(files), strict=True):
            bad_lines.file = file
            shown = follow(bar, part=part)
            try:
                if dry_run:
                    found = await work.plan(file, path, shown)
                else:
                    with how_far(_REMEDY, bar) as count:
                        found = await work.run(file, path, _both(count, shown))
            except JouleError as exc:
                if len(files) == 1:
                    raise
                bar.clear()
                report(exc, current())
                failed += 1
                continue
            bar.clear()
            bar.next_part()
            records += found
            for record in found:
                _show(record, dry_run=dry_run)
        bad_lines.tell()
    _emit(records, several=len(files) > 1 or any(map(is_directory, files)))
    if failed or work.failed:
        raise click.exceptions.Exit(3 if records else 1)
    if any(record["rejected"] for record in records):
        raise click.exceptions.Exit(3)


def _both(first: Callable[[Step], None], second: Callable[[Step], None]) -> Callable[[Step], None]:
    def step(told: Step) -> None:
        first(told)
        second(told)

    return step


def _show(record: dict[str, Any], *, dry_run: bool) -> None:
    """Tell a person what became of a file."""
    for warning in record["warnings"]:
        warn(warning)
    if output_format() not in {"table", "plain"} or current().quiet:
        return
    lines = [f"Destination: {record['stream']}"]
    if record["created"]:
        lines.append(f"creating {record['stream']}")
    rows = count_text(record["rows"], "row")
    parts = [f"{rows} in the file" if dry_run else f"{rows} written"]
    for key, text in (
        ("replaced", "replaced"),
        ("conflicts", "of the stream in the way"),
        ("skipped", "skipped"),
        ("duplicates", "repeated"),
        ("incomplete", "with missing values left out"),
        ("filtered", "of other series"),
        ("rejected", "rejected"),
    ):
        if record.get(key):
            parts.append(f"{record[key]:,} {text}")
    lines.append(", ".join(parts))
    if record["missing"]:
        lines.append(f"missing values: {missing_text(record['missing'])}")
    if record["gaps"]:
        lines.append(_gaps_text(record))
    emit_text("\n".join(lines))


def _gaps_text(record: dict[str, Any]) -> str:
    """Say that there are gaps, and how to break the intervals there."""
    from joule_cli.series.duration import format_duration

    step, longest = (format_duration(record[key]) for key in ("step", "longest_gap"))
    count = count_text(record["gaps"], "gap")
    limit = format_duration(10 * record["step"])
    return (
        f"{count} far above the usual step of {step}, the longest {longest}; --max-gap {limit} "
        "ends the interval there, joule data split does so afterwards"
    )


def _emit(records: list[dict[str, Any]], *, several: bool) -> None:
    if output_format() in {"table", "plain"}:
        return
    from joule_cli.cli.data._ingest import COLUMNS

    several = several or not records
    emit_done(records, COLUMNS if several else None, several=several)
