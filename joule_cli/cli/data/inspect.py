"""How a file is understood, before anything is stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from joule_cli.cli._lazy import command
from joule_cli.cli._output import (
    Column,
    count_text,
    emit_block,
    emit_object,
    output_format,
    show_rows,
    show_time,
    warn,
)
from joule_cli.cli._run import without_node
from joule_cli.cli._settings import current
from joule_cli.cli.data._input import opened
from joule_cli.cli.data._table import read_options, table_options
from joule_cli.errors import JouleError

if TYPE_CHECKING:
    from joule_cli.formats.table.options import ReadOptions
    from joule_cli.ops.inspect import Inspection

_CELLS = (Column("index", kind="number"), Column("name"), Column("units"), Column("first"))
_COLUMNS = (
    Column("index", kind="number"),
    Column("name"),
    Column("role"),
    Column("element"),
    Column("units"),
    Column("datatype", "type"),
    Column("missing", kind="number"),
)


@command(
    "inspect",
    examples=[
        "joule data inspect log.csv",
        "joule data inspect log.csv --tz Europe/Berlin --missing-values -999",
    ],
)
@click.argument("file", metavar="FILE")
@table_options()
@without_node
async def inspect(file: str, table: dict[str, Any]) -> None:
    """Show how a file of rows is understood, and store nothing.

    The last line is the command that imports the file exactly so.
    """
    from joule_cli.ops.inspect import RejectKinds
    from joule_cli.ops.inspect import inspect as look

    rejects = RejectKinds()
    options = read_options(table, on_reject=rejects.add)
    form = ""

    def open_reader(read: Any) -> Any:
        nonlocal form
        from joule_cli.formats.registry import open_named_reader

        reader, form = open_named_reader(opened(file), table["form"], read)
        return reader

    try:
        found = await look(open_reader, options, rejects)
    except JouleError:
        if output_format() in {"table", "plain"} and file != "-":
            _show_columns(file, table["form"], options)
        raise
    show(file, form, table, found)


def _show_columns(file: str, form: str | None, options: ReadOptions) -> None:
    """Print the columns of a file that cannot be read as the options say, with a first cell."""
    from joule_cli.formats.registry import open_container

    try:
        container, _ = open_container(file, form, options)
    except JouleError:
        # the error that follows says it
        return
    try:
        sample = container.sample()
        rows = [
            {
                "index": at,
                "name": heading.name,
                "units": heading.units,
                "first": str(sample.cell(0, at)) if sample.size else "",
            }
            for at, heading in enumerate(container.columns)
        ]
    finally:
        container.close()
    emit_block([("File", f"{file}, {container.kind}")])
    show_rows(rows, _CELLS)


def show(
    file: str,
    form: str,
    table: dict[str, Any],
    found: Inspection,
    stream: str = "/FOLDER/NAME",
) -> None:
    """Print what was found, and the command that stores it in a stream."""
    from joule_cli.cli.data._command_line import command_line
    from joule_cli.series.duration import format_duration

    settings = current()
    tz = settings.tz or found.zone_told or "local"
    line = command_line(file, form, stream, table, found, tz)
    if output_format() not in {"table", "plain"}:
        emit_object(_record(file, form, found, line))
        return
    gaps = found.gaps
    local = f" of {tz}" if found.zone else ", UTC" if found.times else ""
    facts: list[tuple[str, str | None]] = [
        ("File", f"{file}, {found.container}"),
        ("Recognised", "; ".join(found.notes) or None),
        ("Delimiter", _delimiter(found.delimiter)),
        ("Numbers", _marks(found)),
        ("Times", (found.times + local) or None),
        ("First", show_time(found.start)),
        ("Last", show_time(found.end)),
        ("Rows", f"{found.rows:,}"),
        ("Usual step", None if gaps.step_us is None else format_duration(gaps.step_us)),
    ]
    if gaps.gaps:
        longest = format_duration(gaps.longest_us)
        facts.append(("Gaps", f"{gaps.gaps:,}, the longest {longest} (--max-gap breaks there)"))
    tally = found.tally
    for name, count in (
        ("Repeated", tally.equal + tally.merged),
        ("Incomplete", tally.incomplete),
        ("Other series", tally.filtered),
        ("Rejected", tally.rejected),
    ):
        if count:
            facts.append((name, f"{count:,}"))
    emit_block([(name, value) for name, value in facts if value is not None])
    show_rows([_column(column) for column in found.columns], _COLUMNS)
    for reject in found.rejects:
        more = f" ({count_text(reject['count'], 'row')})" if reject["count"] > 1 else ""
        warn(f"{file}:{reject['number']}: {reject['reason']}{more}")
    for warning in tally.warnings:
        warn(warning)
    emit_block([("Import", line)])


def _column(column: Any) -> dict[str, Any]:
    return {name.key: getattr(column, name.key) for name in _COLUMNS}


def _record(file: str, form: str, found: Inspection, line: str) -> dict[str, Any]:
    gaps, tally = found.gaps, found.tally
    return {
        "file": file,
        "format": form,
        "notes": found.notes,
        "delimiter": found.delimiter,
        "decimal": found.decimal,
        "thousands": found.thousands,
        "columns": [_column(column) for column in found.columns],
        "times": found.times,
        "time_format": found.time_format,
        "zone": found.zone or None,
        "start": found.start,
        "end": found.end,
        "rows": found.rows,
        "step": gaps.step_us,
        "gaps": gaps.gaps,
        "longest_gap": gaps.longest_us or None,
        "missing": dict(tally.missing),
        "duplicates": tally.equal + tally.merged,
        "rejected": tally.rejected,
        "rejects": found.rejects,
        "warnings": tally.warnings,
        "command": line,
    }


def _delimiter(delimiter: str | None) -> str | None:
    if delimiter is None:
        return None
    return {"\t": "tab", "": "blanks"}.get(delimiter, delimiter)


def _marks(found: Inspection) -> str | None:
    if found.decimal == "." and not found.thousands:
        return None
    thousands = f", '{found.thousands}' between thousands" if found.thousands else ""
    return f"decimal mark '{found.decimal}'{thousands}"
