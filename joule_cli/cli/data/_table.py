"""The options that say how a file of rows or events is read, and what they mean."""

from __future__ import annotations

import re
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

import click

from joule_cli.cli._options import read_instant
from joule_cli.cli._settings import current
from joule_cli.cli.data._input import INPUT_FORMATS, input_zones
from joule_cli.cli.data._rows import read_delimiter
from joule_cli.model.data_stream import DATATYPES
from joule_cli.series.csv_text import read_names

if TYPE_CHECKING:
    from collections.abc import Callable

    from joule_cli.formats.events import EventReadOptions, Fields
    from joule_cli.formats.table.options import ReadOptions

F = TypeVar("F", bound="Callable[..., Any]")

#: The formats, in a sentence.
FORMATS_TEXT = ", ".join(INPUT_FORMATS)

_SHAPE = (
    click.option(
        "--format",
        "form",
        type=click.Choice(INPUT_FORMATS),
        metavar="FORMAT",
        help=f"Format of the file: {FORMATS_TEXT}. Detected from the suffix or the content.",
    ),
    click.option("--delimiter", metavar="C", help="Between the columns of a text."),
    click.option("--encoding", metavar="NAME", help="Of a text. By default UTF-8 or UTF-16."),
    click.option(
        "--no-header", "headless", is_flag=True, help="The first line of a text holds values."
    ),
    click.option(
        "--skip-lines",
        type=click.IntRange(min=1),
        metavar="N",
        help="Leave out the first lines of a text.",
    ),
    click.option(
        "--last-line",
        type=click.Choice(["keep", "drop"]),
        metavar="HOW",
        help="A last line without a line end, which may be cut: keep or drop it.",
    ),
    click.option(
        "--dataset",
        metavar="NAME",
        help="Dataset, table, sheet or group with the values, where a file has several.",
    ),
    click.option("--time-dataset", metavar="NAME", help="The dataset with the times (HDF5)."),
)
_TIMES = (
    click.option(
        "--time-column",
        metavar="REF",
        help="Column of the times, by name or index; several as in Date,Time.",
    ),
    click.option(
        "--time-format",
        metavar="FORM",
        help="auto, us, ms, s, ns, iso, excel, matlab or a template such as %d.%m.%Y.",
    ),
    click.option(
        "--start-time",
        metavar="T",
        help="Relative times count from here; gives the date to times without one.",
    ),
    click.option(
        "--accept-times", is_flag=True, help="Take times in the future or in the first day of 1970."
    ),
    click.option(
        "--ambiguous",
        type=click.Choice(["earlier", "later", "error"]),
        default="error",
        metavar="HOW",
        help="Local times that occur twice, if the order does not tell: earlier, later or error.",
    ),
    click.option(
        "--nonexistent",
        type=click.Choice(["forward", "error"]),
        default="error",
        metavar="HOW",
        help="Local times that the clocks skip: forward or error.",
    ),
)
_COLUMNS = (
    click.option(
        "--use-columns", metavar="LIST", help="The columns of the values, by name or index."
    ),
    click.option(
        "--map",
        "renames",
        multiple=True,
        metavar="NAME=ELEMENT",
        help="The element that a column of another name goes to.",
    ),
    click.option(
        "--by-position", is_flag=True, help="Match columns and elements by position, not by name."
    ),
    click.option(
        "--where",
        multiple=True,
        metavar="COLUMN=VALUE",
        help="Take only the rows that have this value in this column.",
    ),
    click.option(
        "--interval-column", metavar="REF", help="A column whose change ends an interval."
    ),
)
_VALUES = (
    click.option(
        "--decimal", metavar="C", help="The decimal mark. Detected where ; separates, else a point."
    ),
    click.option("--thousands", metavar="C", help="The mark between thousands."),
    click.option(
        "--missing-values",
        metavar="LIST",
        help="What stands for a missing value besides NaN, NA, null and the like, as in -999.",
    ),
    click.option(
        "--missing",
        type=click.Choice(["store", "skip", "error"]),
        default="store",
        metavar="HOW",
        help="Store missing values, skip rows that have one, or treat them as an error.",
    ),
)
_ORDER = (
    click.option("--sort", is_flag=True, help="Bring the rows into the order of time."),
    click.option(
        "--on-duplicate",
        type=click.Choice(["error", "first", "last", "mean"]),
        default="error",
        metavar="HOW",
        help="Rows of one time with other values: error, first, last or mean.",
    ),
)
_DATATYPE = click.option(
    "--datatype", type=click.Choice(DATATYPES), metavar="TYPE", help="Type of the values."
)
#: In place of those of rows.
_OF_EVENTS = (
    click.option(
        "--use-columns", metavar="LIST", help="The columns of the fields, by name or index."
    ),
    click.option(
        "--map",
        "renames",
        multiple=True,
        metavar="NAME=FIELD",
        help="The field, or start_time, end_time, id or content, that a column is.",
    ),
)
#: What says nothing about events: their columns have names, and their values are what they are.
_OF_ROWS = frozenset(
    ("headless", "time_dataset", "time_column", "by_position", "interval_column", "missing")
)


def _name_of(option: Callable[[Any], Any]) -> str:
    name: str = option(lambda: None).__click_params__[0].name
    return name


_NAMES = {
    _name_of(option) for option in (*_SHAPE, *_TIMES, *_COLUMNS, *_VALUES, *_ORDER, _DATATYPE)
}


def table_options(*, live: bool = False, events: bool = False) -> Callable[[F], F]:
    """Add the options of a table; the command gets them as ``table``.

    Parameters
    ----------
    live
        Without those that need the whole file first, or say the type of a new stream.
    events
        Those of events.
    """

    def decorate(command: F) -> F:
        @wraps(command)
        def with_table(*args: Any, **kwargs: Any) -> Any:
            table = {name: kwargs.pop(name) for name in _NAMES if name in kwargs}
            return command(*args, table=table, **kwargs)

        groups = [*_SHAPE, *_TIMES, *_COLUMNS, *_VALUES]
        if events:
            other = {_name_of(option): option for option in _OF_EVENTS}
            groups = [other.get(_name_of(o), o) for o in groups if _name_of(o) not in _OF_ROWS]
        elif not live:
            groups += [*_ORDER, _DATATYPE]
        wrapped: Any = with_table
        for option in reversed(groups):
            wrapped = option(wrapped)
        return wrapped  # type: ignore[no-any-return]  # click only sees that it is callable

    return decorate


def read_options(table: dict[str, Any], **more: Any) -> ReadOptions:
    """Turn the options of `table_options` into those of a reader."""
    from joule_cli.formats.table.options import ReadOptions

    return ReadOptions(**{**_given(table), **more})


def event_read_options(table: dict[str, Any], fields: Fields) -> EventReadOptions:
    """Turn the options of `table_options` for events into those of a reader."""
    from joule_cli.formats.events import EventReadOptions

    return EventReadOptions(**_given(table), fields=fields)


def _given(table: dict[str, Any]) -> dict[str, Any]:
    from joule_cli.series.element_names import parse_renames

    settings = current()
    columns, missing = table["use_columns"], table["missing_values"]
    tz, local = input_zones(settings)
    read = {
        "delimiter": None if table["delimiter"] is None else read_delimiter(table["delimiter"]),
        "time_format": table["time_format"] or "auto",
        "start_time": read_instant(table["start_time"], "start time"),
        "clock": _now,
        "tz": tz,
        "local": local,
        "use_columns": None if columns is None else names(columns, "--use-columns"),
        "renames": parse_renames(table["renames"]) or None,
        "where": [_condition(text) for text in table["where"]],
        "missing_values": () if missing is None else names(missing, "--missing-values"),
        "decimal": _mark(table["decimal"], "--decimal"),
        "thousands": _mark(table["thousands"], "--thousands"),
    }
    if "headless" in table:
        # the option of this command hides the common one, which may stand before the command
        headless = table["headless"] or not settings.header
        read["header"] = False if headless else None
    same = table.keys() - read.keys() - {"headless", "form"}
    return {**read, **{name: table[name] for name in same}}


def _now() -> int:
    import time

    return time.time_ns() // 1000


def names(text: str, option: str) -> list[str]:
    """Read a list with commas, in which names may be quoted as in CSV."""
    found = read_names(text)
    if not found or "" in found:
        raise click.UsageError(f"{option} has an empty entry.")
    return found


def _condition(text: str) -> tuple[str, str]:
    name, mark, value = text.partition("=")
    if not mark or not name:
        raise click.UsageError(f"--where {text} is not COLUMN=VALUE.")
    return name.strip(), value.strip()


def _mark(text: str | None, option: str) -> str | None:
    if text is not None and (len(text) != 1 or re.match(r"[\w+\-\"]", text)):
        raise click.UsageError(f"{option} must be one character, neither letter nor digit.")
    return text
