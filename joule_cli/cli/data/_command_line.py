"""The command line that imports a file exactly as it was understood."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from joule_cli.series.csv_text import names_text

if TYPE_CHECKING:
    from joule_cli.ops.inspect import ColumnView, Inspection

#: Options that are repeated as they were given.
_SAME = (
    ("skip_lines", "--skip-lines"),
    ("encoding", "--encoding"),
    ("last_line", "--last-line"),
    ("dataset", "--dataset"),
    ("time_dataset", "--time-dataset"),
    ("start_time", "--start-time"),
    ("interval_column", "--interval-column"),
    ("missing_values", "--missing-values"),
    ("datatype", "--datatype"),
)
_UNLESS = (
    ("ambiguous", "--ambiguous", "error"),
    ("nonexistent", "--nonexistent", "error"),
    ("missing", "--missing", "store"),
    ("on_duplicate", "--on-duplicate", "error"),
)
_FLAGS = (
    ("headless", "--no-header"),
    ("accept_times", "--accept-times"),
    ("by_position", "--by-position"),
    ("sort", "--sort"),
)


def command_line(
    file: str, form: str, stream: str, table: dict[str, Any], found: Inspection, tz: str
) -> str:
    """Return the command that stores the file.

    Parameters
    ----------
    form
        The format of the file.
    table
        The options that were given.
    tz
        The zone of local times, if there are any.
    """
    words = ["joule", "data", "ingest", file, "--stream", stream, "--format", form]
    if found.delimiter is not None:
        words += ["--delimiter", {"\t": "tab", "": " "}.get(found.delimiter, found.delimiter)]
    times = [column for column in found.columns if column.role == "time"]
    if times:
        words += ["--time-column", ",".join(map(_reference, times))]
    if found.time_format:
        words += ["--time-format", found.time_format]
    if found.zone:
        words.append(f"--tz={tz}")
    values = [column for column in found.columns if column.role == "value"]
    words += ["--use-columns", names_text([_reference(column) for column in values])]
    if (found.decimal, found.thousands) != (".", ""):
        words += ["--decimal", found.decimal]
        if found.thousands:
            words += ["--thousands", found.thousands]
    for name, option in _SAME:
        if table.get(name) is not None:
            words += [option, str(table[name])]
    for name, option, usual in _UNLESS:
        if table.get(name, usual) != usual:
            words += [option, str(table[name])]
    words += [option for name, option in _FLAGS if table.get(name)]
    for text in table["renames"]:
        words += ["--map", text]
    for text in table["where"]:
        words += ["--where", text]
    return shlex.join(words)


def _reference(column: ColumnView) -> str:
    """Name a column, or give its index where the name would not be found."""
    name = column.name
    return name if name and name.strip() == name and not name.isdecimal() else str(column.index)
