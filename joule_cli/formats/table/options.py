"""How a table is read: the same options for every format."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, tzinfo
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np
    import numpy.typing as npt

#: Words that stand for a missing value, whatever their case.
MISSING_WORDS = frozenset(
    [
        "",
        "nan",
        "+nan",
        "-nan",
        "na",
        "n/a",
        "#n/a",
        "null",
        "none",
        "nat",
        "-",
        "nan(ind)",
        "-nan(ind)",
        "1.#qnan",
        "-1.#ind",
    ]
)

#: Options of containers, by the name of their field, and what they are on the command line.
CONTAINER_OPTIONS = {
    "encoding": "--encoding",
    "delimiter": "--delimiter",
    "header": "--no-header",
    "skip_lines": "--skip-lines",
    "last_line": "--last-line",
    "dataset": "--dataset",
    "time_dataset": "--time-dataset",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOptions:
    """How a file is read. All but the options of containers work for every format.

    Parameters
    ----------
    encoding, delimiter, skip_lines
        Of text; `None` finds them out.
    header
        Whether the first line of a text names the columns; `None` decides by looking at it.
    last_line
        What to do with a last line that has no line end and may be cut: ``keep`` or ``drop``.
        `None` refuses it.
    dataset, time_dataset
        Name of the values (or of the table, the sheet or the group) and of the times in a file
        that holds several.
    time_column
        Name or index from 0; several, with commas between them, are put together. `None` goes by
        the names and by what the columns hold.
    time_format
        ``us``, ``ms``, ``s``, ``ns``, ``iso``, ``auto``, ``excel`` or ``matlab`` (days), or a
        strptime template.
    tz
        Zone of times that name none; `None` takes what the file says, else `local`.
    local
        Zone where nothing else is said.
    start_time
        µs: what relative times are counted from, or the date of times that have none.
    clock
        Gives the present, µs: later times, and those in the first day of 1970, are doubted. `None`
        doubts none.
    accept_times
        Take times that are doubted.
    ambiguous, nonexistent
        What to make of local times that occur twice, or never, when the clocks are changed.
    use_columns
        Names or indices from 0 of the value columns.
    elements
        Names of the elements of the stream that the rows are for, in their order; `None` takes
        the columns as they come.
    renames
        Name of a column to the name of its element.
    by_position
        The columns are in the order of the elements, whatever their names.
    interval_column
        Name or index of a column of integers whose change begins a new interval.
    where
        Name of a column and the value that the rows to be read have in it; ``*`` is any.
    labels
        Names of columns whose values tell apart the streams that the rows belong to.
    datatype
        Element type of the rows. `None` takes what the file says, else ``float64``.
    decimal, thousands
        Marks inside numbers; `None` finds them out where ``;`` separates, else ``.`` and nothing.
    missing_values
        Words and numbers that stand for missing values besides `MISSING_WORDS`.
    missing
        ``store`` them, ``skip`` rows that have one, or treat them as an ``error``; ``refuse`` is
        an error because the node cannot hold them.
    sort
        Bring the rows into order first.
    on_duplicate
        Which of several rows of one time to keep, unless they are equal.
    stamps
        For input without times: gives the timestamps of the next `n` rows.
    live
        The input may go on for ever: decide with what has come.
    on_reject
        Receives number, text and reason of every bad row, which is then left out. `None` makes
        the first one an error.
    """

    encoding: str | None = None
    delimiter: str | None = None
    header: bool | None = None
    skip_lines: int | None = None
    last_line: Literal["keep", "drop"] | None = None
    dataset: str | None = None
    time_dataset: str | None = None
    time_column: str | int | None = None
    time_format: str = "us"
    tz: tzinfo | None = None
    local: tzinfo = UTC
    start_time: int | None = None
    clock: Callable[[], int] | None = None
    accept_times: bool = False
    ambiguous: Literal["earlier", "later", "error"] = "error"
    nonexistent: Literal["forward", "error"] = "error"
    use_columns: Sequence[str | int] | None = None
    elements: Sequence[str] | None = None
    renames: Mapping[str, str] | None = None
    by_position: bool = False
    interval_column: str | int | None = None
    where: Sequence[tuple[str, str]] = ()
    labels: Sequence[str] = ()
    datatype: str | None = None
    decimal: str | None = None
    thousands: str | None = None
    missing_values: Sequence[str] = ()
    missing: Literal["store", "skip", "error", "refuse"] = "store"
    sort: bool = False
    on_duplicate: Literal["error", "first", "last", "mean"] = "error"
    stamps: Callable[[int], npt.NDArray[np.int64]] | None = None
    live: bool = False
    on_reject: Callable[[int, str, str], None] | None = None
