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
    from joule_cli.formats.base import FileRef
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
    """Return the last timestamp in a file that is to be continued, and the shape of its rows.

    A last line without its end counts for nothing, since it may be cut.

    Raises
    ------
    FormatError
        The rows that are to follow would not look like those in the file.
    """
    import os

    from joule_cli.formats import FORMATS
    from joule_cli.formats.continued import beginning, tail

    try:
        if os.stat(file).st_size == 0:  # noqa: PTH116  (stat of a name, without a Path)
            return None, None
    except FileNotFoundError:
        return None, None
    except OSError as exc:
        raise FormatError((exc.strerror or str(exc)).lower(), file=file) from exc
    if FORMATS[format].binary or not FORMATS[format].appendable:
        return _last_row(file, format, form)
    found = tail(file)
    if found.length is None:
        return _checked(file, file, format, form, found.line)
    with beginning(file, found.length) as whole:
        return _checked(file, whole, format, form, found.line)


def _checked(
    file: str, place: FileRef, format: str, form: dict[str, Any], line: bytes
) -> tuple[int | None, ReaderShape]:
    """Read a file of lines whose last one is `line`, and compare it with what is to follow."""
    from joule_cli.formats.continued import TIME_UNITS, time_options, time_text

    delimiter = form["delimiter"]
    text = time_text(line, format, None if delimiter is None else read_delimiter(delimiter))
    told = time_options(text)
    asked = current().time or "us"
    mismatch = FormatError(
        f"its times look like {text}, those that are to follow do not",
        file=file,
        hint=f"repeat the command with {told}" if told else "name the --time of the file",
    )
    other = told is not None and told.split()[1] != asked
    if other and asked in TIME_UNITS:
        # the number would be read in the wrong unit
        raise mismatch
    try:
        last, shape = _last_row(place, format, form)
    except FormatError as exc:
        raise (mismatch if other else exc) from exc
    write = _time_writer()
    if last is not None and text != (str(last) if write is None else write(last)):
        raise mismatch
    if format == "jsonl" and last is not None and line.startswith(b"[") != form["arrays"]:
        raise FormatError(
            "its lines are arrays" if line.startswith(b"[") else "its lines are objects",
            file=file,
            hint=f"repeat the command with{'' if line.startswith(b'[') else 'out'} --arrays",
        )
    return last, shape


def _last_row(place: FileRef, format: str, form: dict[str, Any]) -> tuple[int | None, ReaderShape]:
    from joule_cli.formats import open_reader

    with open_reader(place, format, _read_back(form)) as reader:
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
        time_format="iso" if settings.time == "human" else settings.time or "us",
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
