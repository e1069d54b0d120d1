"""Which rows to give out, and how a file of them looks: what `read` and `export` share."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

import click

from joule_cli.cli._options import read_instant
from joule_cli.cli._settings import current
from joule_cli.errors import FormatError, LayoutMismatchError, TimeFormatError

if TYPE_CHECKING:
    from joule_cli.formats import ReadOptions, StreamHead, WriteOptions
    from joule_cli.series.intervals import Interval

F = TypeVar("F", bound=Callable[..., Any])


def row_options(command: F) -> F:
    """Add the options of a file of rows; the command gets ``max_rows`` and the rest as ``form``."""

    @click.option(
        "-r",
        "--max-rows",
        type=click.IntRange(min=1),
        metavar="N",
        help="Decimate to at most this many rows.",
    )
    @click.option(
        "-b", "--show-bounds", is_flag=True, help="Add minima and maxima to decimated rows."
    )
    @click.option(
        "-i",
        "--elements",
        metavar="LIST",
        help="Elements in the order wanted: indices, names, ranges such as 0-3.",
    )
    @click.option("--scale", is_flag=True, help="Apply offset and scale factor of the elements.")
    @click.option(
        "--precision",
        type=click.IntRange(0, 18),
        metavar="N",
        help="Decimals of the values in text, CSV and JSON; by default those that each needs.",
    )
    @click.option(
        "--header",
        type=click.Choice(["names", "units", "none"]),
        metavar="H",
        help="First line of CSV: names, units (names with units) or none.",
    )
    @click.option("--annotate", is_flag=True, help="Describe the stream in lines with # (CSV).")
    @click.option("--delimiter", metavar="C", help="Between the columns of CSV.")
    @click.option(
        "--interval-column",
        is_flag=True,
        help="Number the intervals in a column (CSV, Parquet, Arrow).",
    )
    @click.option(
        "--bounds-order",
        type=click.Choice(["column", "element"]),
        default="column",
        metavar="ORDER",
        help="With -b: all minima after all means (column), or element by element (element).",
    )
    @click.option("--arrays", is_flag=True, help="Arrays in place of objects (JSON lines).")
    @click.option(
        "--compression",
        metavar="C",
        help="gzip[:1-9], lzf or none for HDF5; gzip[:1-9], zstd or none for text; zstd, gzip, "
        "snappy, lz4 or none for Parquet; zstd, lz4 or none for Arrow.",
    )
    @wraps(command)
    def with_rows(*args: Any, **kwargs: Any) -> Any:
        kwargs["form"] = {name: kwargs.pop(name) for name in _FORM}
        return command(*args, **kwargs)

    return with_rows  # type: ignore[return-value]  # click only sees that it is callable


_FORM = (
    *("precision", "header", "annotate", "delimiter", "interval_column"),
    *("bounds_order", "arrays", "compression"),
)


def write_options(form: dict[str, Any], **more: Any) -> WriteOptions:
    """Turn the options of `row_options` and the common ones into those of a writer.

    Raises
    ------
    TimeFormatError
        ``--time`` is no form of times.
    """
    from joule_cli.formats import WriteOptions

    settings = current()
    delimiter = form["delimiter"]
    if delimiter is not None:
        delimiter = read_delimiter(delimiter)
    if settings.columns is not None:
        raise click.UsageError("Columns of rows are chosen with -i/--elements.")
    header = form["header"] or ("names" if settings.header else "none")
    return WriteOptions(
        **{**form, "delimiter": delimiter, "header": header}, format_time=_time_writer(), **more
    )


def read_delimiter(text: str) -> str:
    r"""Return the one character that a delimiter is; ``\t`` and ``tab`` mean the tab."""
    text = {"\\t": "\t", "tab": "\t"}.get(text, text)
    if len(text) != 1 or text in '"\r\n' or not text.isascii():
        raise click.UsageError("The delimiter must be one ASCII character, not a quote.")
    return text


def _time_writer() -> Callable[[int], str] | None:
    settings = current()
    if settings.time in {None, "us"}:
        return None
    from joule_cli.cli._times import zone
    from joule_cli.series.time import format_time

    form, tz = str(settings.time), zone(settings)
    format_time(0, form, tz)
    return lambda timestamp: format_time(timestamp, form, tz)


def file_format(file: str | None, chosen: str | None) -> str:
    """Return the format of a file, or for `None` that of standard output.

    Parameters
    ----------
    chosen
        What ``--format`` says.

    Raises
    ------
    click.UsageError
        Suffix and ``--format`` contradict each other, or rows have no such format.
    """
    if chosen == "table":
        raise click.UsageError("Rows have no format table; --format plain prints them as text.")
    if chosen == "plain":
        chosen = "text"
    if file is None:
        return chosen or "text"
    from joule_cli.formats import format_of

    told = format_of(file)
    if chosen is not None and told not in {None, "text", chosen}:
        raise click.UsageError(f"The suffix of {file} means {told}, not {chosen}.")
    return chosen or told or "hdf5"


def last_in_file(file: str, format: str, form: dict[str, Any]) -> tuple[int | None, ReaderShape]:
    """Return the last timestamp in a file that is to be continued, and the shape of its rows."""
    import os

    from joule_cli.formats import open_reader

    try:
        if os.stat(file).st_size == 0:  # noqa: PTH116  (stat of a name, without a Path)
            return None, None
    except FileNotFoundError:
        return None, None
    except OSError as exc:
        raise FormatError((exc.strerror or str(exc)).lower(), file=file) from exc
    with open_reader(file, format, _read_back(form)) as reader:
        return reader.last_timestamp(), (reader.head.layout.width, _names(reader.head))


#: Number of values and names of the elements in a file; `None` for a file without rows.
ReaderShape = tuple[int, list[str]] | None


def _read_back(form: dict[str, Any]) -> ReadOptions:
    from joule_cli.cli.data._input import input_zone
    from joule_cli.formats import ReadOptions

    settings = current()
    delimiter = form["delimiter"]
    return ReadOptions(
        delimiter=None if delimiter is None else read_delimiter(delimiter),
        interval_column="interval" if form["interval_column"] else None,
        time_format=settings.time or "us",
        tz=input_zone(settings),
    )


def _names(head: StreamHead) -> list[str]:
    from joule_cli.formats import column_names

    return column_names(head) if head.elements else []


def check_shape(file: str, shape: ReaderShape, head: StreamHead) -> None:
    """Refuse to continue a file with rows of other elements."""
    if shape is None:
        return
    width, names = shape
    if width != head.layout.width:
        raise LayoutMismatchError(
            f"the file has {width} values in a row, these rows {head.layout.width}", object=file
        )
    new = _names(head)
    if names and new and names != new:
        raise LayoutMismatchError(
            f"the file has the elements {', '.join(names)}, these rows {', '.join(new)}",
            object=file,
        )


def intervals_of(file: str | None) -> list[Interval] | None:
    """Read the file of ``--intervals``; ``-`` is standard input."""
    if file is None:
        return None
    from joule_cli.ops.intervals_file import read_intervals

    def instant(text: str) -> int:
        found = read_instant(text, "time")
        if found is None:
            raise TimeFormatError("an interval needs two bounds")
        return found

    text = sys.stdin.read() if file == "-" else None
    return read_intervals(file, text=text, parse_time=instant)
