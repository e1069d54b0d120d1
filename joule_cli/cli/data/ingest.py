"""Files of rows into streams, so that a bad file changes nothing."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

import click

from joule_cli.cli._lazy import command
from joule_cli.cli._options import STREAM, DurationType, progress_option, safe_options
from joule_cli.cli._output import count_text, emit_done, emit_text, output_format, warn
from joule_cli.cli._progress import Progress
from joule_cli.cli._run import report, with_node
from joule_cli.cli._settings import current
from joule_cli.cli.data._input import (
    CHECKING,
    ROW_FORMATS,
    bad_input_options,
    follow,
    how_far,
    input_zone,
    path_of,
)
from joule_cli.cli.data._rows import read_delimiter
from joule_cli.errors import JouleError
from joule_cli.model.data_stream import DATATYPES

if TYPE_CHECKING:
    from collections.abc import Callable

    from joule_cli.api.node import Node
    from joule_cli.formats import ReadOptions
    from joule_cli.ops.progress import Progress as Step

Ref = str | int

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
@click.option(
    "--format",
    "form",
    type=click.Choice(ROW_FORMATS),
    metavar="FORMAT",
    help=f"Format of the files: {', '.join(ROW_FORMATS)}. By default suffix or first line tell.",
)
@click.option("--delimiter", metavar="C", help="Between the columns of CSV.")
@click.option("--encoding", default="utf-8", metavar="NAME", help="Of text. By default utf-8.")
@click.option(
    "--no-header", "headless", is_flag=True, help="The first line holds values, not names."
)
@click.option(
    "--skip-lines",
    type=click.IntRange(min=0),
    default=0,
    metavar="N",
    help="Leave out the first lines of CSV.",
)
@click.option("--time-column", metavar="REF", help="Name or index of the column with the times.")
@click.option(
    "--time-format",
    metavar="FORM",
    help="auto, us, ms, s, ns, iso or a template such as %d.%m.%Y; by default auto, text us.",
)
@click.option("--use-columns", metavar="LIST", help="Names or indices of the value columns.")
@click.option("--interval-column", metavar="REF", help="A column whose change ends an interval.")
@click.option("--datatype", type=click.Choice(DATATYPES), metavar="TYPE", help="Of the values.")
@click.option("--create/--no-create", default=True, help="Create a stream that does not exist.")
@click.option(
    "--max-gap", type=DurationType(1), metavar="D", help="End the interval at longer gaps."
)
@click.option(
    "--on-conflict",
    type=click.Choice(["ask", "replace", "skip", "fail"]),
    default="ask",
    metavar="HOW",
    help="Where the stream has rows: ask, replace them, skip those of the file, or fail.",
)
@bad_input_options("line")
@click.option("--resume", is_flag=True, help="Begin after the last row of the stream.")
@click.option("--dataset", default="data", metavar="NAME", help="The values in an HDF5 file.")
@click.option(
    "--time-dataset", default="timestamp", metavar="NAME", help="The times in an HDF5 file."
)
@safe_options
@progress_option
@with_node
async def ingest(
    node: Node,
    /,
    files: tuple[str, ...],
    stream: Ref | None,
    form: str | None,
    on_conflict: str,
    on_error: str,
    max_errors: int | None,
    rejects: str | None,
    create: bool,
    max_gap: int | None,
    resume: bool,
    dry_run: bool,
    **read: Any,
) -> None:
    """Write files of rows to streams.

    A file is checked as a whole before anything is deleted, and one that turns out to be bad
    leaves the stream as it was. A directory is one that joule data export wrote.
    """
    from joule_cli.cli.data._ingest import Ingestion, Rejects, is_directory, parts_of
    from joule_cli.ops.ingest_source import IngestOptions

    if max_gap is not None and max_gap < 1:
        raise click.UsageError("--max-gap must be positive.")
    if files.count("-") > 1:
        raise click.UsageError("Standard input can be read once only.")
    with Rejects(rejects) as bad_lines, Progress(CHECKING if dry_run else "ingesting") as bar:
        work = Ingestion(
            node,
            form,
            options=IngestOptions(
                read=_read_options(read),
                create=create,
                on_conflict="fail" if on_conflict == "ask" else on_conflict,  # type: ignore[arg-type]  # one of the choices
                max_gap=max_gap,
                resume=resume,
                skip_bad=on_error == "skip",
                max_errors=max_errors,
                on_reject=bad_lines.add if on_error == "skip" else None,
            ),
            asks=on_conflict == "ask",
            time_format=read["time_format"],
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


def _read_options(read: dict[str, Any]) -> ReadOptions:
    from joule_cli.formats import ReadOptions

    settings = current()
    delimiter, columns = read["delimiter"], read["use_columns"]
    # the option of this command hides the common one, which may stand before the command
    headless = read["headless"] or not settings.header
    return ReadOptions(
        datatype=read["datatype"],
        header=False if headless else None,
        delimiter=None if delimiter is None else read_delimiter(delimiter),
        encoding=read["encoding"],
        skip_lines=read["skip_lines"],
        time_column=read["time_column"],
        time_format=read["time_format"] or "auto",
        tz=input_zone(settings),
        use_columns=None if columns is None else _names(columns),
        interval_column=read["interval_column"],
        dataset=read["dataset"],
        time_dataset=read["time_dataset"],
    )


def _names(text: str) -> list[str]:
    names = [name.strip() for name in next(csv.reader([text], skipinitialspace=True), [])]
    if not names or "" in names:
        raise click.UsageError("--use-columns has an empty entry.")
    return names


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
        ("rejected", "rejected"),
    ):
        if record.get(key):
            parts.append(f"{record[key]:,} {text}")
    lines.append(", ".join(parts))
    emit_text("\n".join(lines))


def _emit(records: list[dict[str, Any]], *, several: bool) -> None:
    if output_format() in {"table", "plain"}:
        return
    from joule_cli.cli.data._ingest import COLUMNS

    several = several or not records
    emit_done(records, COLUMNS if several else None, several=several)
