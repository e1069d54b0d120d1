"""Answers on stdout, in every format.

Commands call `emit_list` for many records, `emit_object` for one thing, `emit_ok` after a change
and `emit_lines` for text that has a JSON form. Records are the JSON objects of the API; a
`Column` says which key people see, under which heading and in which form::

    COLUMNS = [Column("name"), Column("start", kind="time"), Column("id", shown=False)]
    emit_list((s.to_json() for s in streams), COLUMNS)

Everything that is not the answer goes to stderr through `note` and `warn`.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self

import click

from joule_cli.cli import _render
from joule_cli.cli._run import is_terminal
from joule_cli.cli._settings import FORMATS, Settings, current
from joule_cli.series.visible import lines_of, one_line

if TYPE_CHECKING:
    from types import TracebackType

Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a list.

    Parameters
    ----------
    key
        The record's key; also the header in CSV and the name for ``--columns``.
    heading
        What people see, by default the key.
    kind
        ``time`` (µs), ``bytes``, ``number`` or ``text``.
    shown
        Whether the column is printed without being asked for.
    """

    key: str
    heading: str | None = None
    kind: Literal["text", "time", "bytes", "number"] = "text"
    shown: bool = True


def output_format(settings: Settings | None = None) -> str:
    """Return the chosen format, else ``table`` on a terminal and ``plain`` elsewhere."""
    chosen = (settings or current()).format
    if chosen is not None:
        return chosen
    return "table" if is_terminal(sys.stdout) else "plain"


def emit_list(
    records: Iterable[Record], columns: Sequence[Column], *, plain_lines: bool = False
) -> None:
    """Print records in the chosen format while they arrive.

    Parameters
    ----------
    plain_lines
        For people, print the first column alone without a heading: one path per line.
    """
    with ListWriter(columns, plain_lines=plain_lines) as writer:
        for record in records:
            if not writer.write(record):
                break


class ListWriter:
    """Prints one record after another; used by `emit_list` and by commands that stream.

    An exception inside the ``with`` block leaves a JSON array unclosed, so that cut output is
    never taken for a whole one.
    """

    def __init__(self, columns: Sequence[Column], *, plain_lines: bool = False) -> None:
        self.settings = current()
        self.format = output_format(self.settings)
        if self.format not in FORMATS:
            raise click.UsageError(f"A list cannot be printed as {self.format}.")
        self.plain_lines = plain_lines and self.format in {"table", "plain"}
        self.selected = self.settings.columns is not None
        self.columns = _select(columns, self.settings.columns)
        if self.plain_lines and not self.selected:
            self.columns = self.columns[:1]
        self.count = 0
        self._table: list[list[str]] = []

    def __enter__(self) -> Self:
        if self.format in {"csv", "tsv"} and self.settings.header:
            write_utf8(delimited([c.key for c in self.columns], self._delimiter))
        return self

    def write(self, record: Record) -> bool:
        """Print a record; false when ``--limit`` is reached and no more are wanted."""
        if self.settings.limit is not None and self.count >= self.settings.limit:
            return False
        match self.format:
            case "json":
                write_utf8("[\n" if self.count == 0 else ",\n")
                write_utf8(_json(self._chosen(record)))
            case "jsonl":
                write_utf8(_json(self._chosen(record)) + "\n")
                sys.stdout.buffer.flush()
            case "csv" | "tsv":
                cells = [_data_cell(record.get(c.key), c, self.settings) for c in self.columns]
                write_utf8(delimited(cells, self._delimiter))
            case _ if self.plain_lines:
                cells = [_person_cell(record.get(c.key), c, self.settings) for c in self.columns]
                _render.write_text("  ".join(map(one_line, cells)) + "\n")
            case _:
                self._table.append(
                    [_person_cell(record.get(c.key), c, self.settings) for c in self.columns]
                )
        self.count += 1
        return True

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.format == "json" and exc_type is None:
            write_utf8("\n]\n" if self.count else "[]\n")
        elif self.format in {"table", "plain"} and not self.plain_lines:
            self._write_table()

    def _write_table(self) -> None:
        headings = [c.heading or c.key for c in self.columns] if self.settings.header else None
        right = [c.kind in {"number", "bytes"} for c in self.columns]
        if self.format == "table":
            _render.table(headings, self._table, right, self.settings)
        else:
            _render.plain(headings, self._table, right)

    def _chosen(self, record: Record) -> Record:
        if self.selected:
            record = {c.key: record.get(c.key) for c in self.columns}
        if self.settings.time is None:
            return record
        times = {c.key for c in self.columns if c.kind == "time"}
        return {
            key: data_time(value, self.settings) if key in times else value
            for key, value in record.items()
        }

    @property
    def _delimiter(self) -> str:
        return "\t" if self.format == "tsv" else ","


def emit_object(
    value: Record,
    show: Callable[[], None] | None = None,
    columns: Sequence[Column] | None = None,
) -> None:
    """Print one thing: JSON as it is, a CSV line of its columns, or what `show` prints.

    Parameters
    ----------
    show
        Prints the form for people, usually with `emit_block`.
    columns
        For CSV; by default the keys of `value`.
    """
    settings = current()
    if columns is None:
        columns = [Column(key) for key in value]
    match output_format(settings):
        case "json" if settings.columns is None:
            write_utf8(_json(value, indent=True) + "\n")
        case "json":
            write_utf8(_json({c.key: value.get(c.key) for c in _select(columns, settings.columns)}))
            write_utf8("\n")
        case "table" | "plain" if show is not None and settings.columns is None:
            show()
        case _:
            emit_list([value], columns)


def emit_objects(values: Sequence[Record], show: Callable[[int], None]) -> None:
    """Print several things of a kind; JSON is an array unless there is one only."""
    if len(values) == 1:
        emit_object(values[0], lambda: show(0))
        return
    if output_format() in {"table", "plain"} and current().columns is None:
        for index in range(len(values)):
            show(index)
        return
    emit_list(values, [Column(key) for key in (values[0] if values else ())])


def emit_ok(text: str = "OK", value: Record | None = None) -> None:
    """Say that a change was made: one sentence that ``--quiet`` drops, or with JSON an object."""
    settings = current()
    if output_format(settings) in {"json", "jsonl", "csv", "tsv"}:
        value = value if value is not None else {"status": "ok"}
        _known_columns(value, settings)
        emit_object(value)
    elif not settings.quiet:
        _render.write_text(f"{lines_of(text)}\n")


def emit_done(
    records: Sequence[Record], columns: Sequence[Column] | None = None, *, several: bool = False
) -> None:
    """Print what work has done: one record, or a list of `several` with JSON an array."""
    if not records and not several:
        return
    if columns is None:
        columns = [Column(key) for key in (records[0] if records else ())]
    _known_columns({column.key: None for column in columns}, current())
    if several:
        emit_list(records, columns)
    else:
        emit_object(records[0], columns=columns)


def _known_columns(value: Record, settings: Settings) -> None:
    # the change is made; a wrong name must not make it look like a failure
    names = settings.columns or []
    for name in names:
        if name not in value:
            from joule_cli.series.nearest import among

            warn(f"there is no column '{name}'; {among(name, value, 'columns')}")
    if settings.columns is not None:
        settings.columns = [name for name in names if name in value]


def emit_text(text: str) -> None:
    """Print lines for people."""
    _render.write_text(lines_of(text if text.endswith("\n") else f"{text}\n"))


def show_rows(records: Iterable[Record], columns: Sequence[Column]) -> None:
    """Draw a table for people, as part of an answer that is not a list."""
    settings = current()
    cells = [[_person_cell(r.get(c.key), c, settings) for c in columns] for r in records]
    headings = [c.heading or c.key for c in columns]
    right = [c.kind in {"number", "bytes"} for c in columns]
    if output_format(settings) == "table":
        _render.table(headings, cells, right, settings)
    else:
        _render.plain(headings, cells, right)


def emit_block(pairs: Iterable[tuple[str, str | None]]) -> None:
    """Print ``Label: value`` lines below each other, a dash where there is no value."""
    items = list(pairs)
    width = max((len(label) for label, _ in items), default=0) + 2
    dash = _render.symbol("\N{EM DASH}", "-")
    lines = [
        f"    {label + ':':<{width}}{one_line(value) if value else dash}" for label, value in items
    ]
    _render.write_text("\n" + "\n".join(lines) + "\n")


def note(text: str) -> None:
    """Tell a person something on stderr, unless ``--quiet``."""
    if not current().quiet:
        click.echo(lines_of(text), err=True)


def tell_watcher(text: str) -> None:
    """Tell a person at the terminal how work that goes well went; ``-v`` tells it anywhere."""
    if is_terminal(sys.stderr) or current().verbose:
        note(text)


def warn(text: str) -> None:
    """Warn on stderr, unless ``--quiet``."""
    note(f"Warning: {text}")


def show_time(timestamp: int | None, settings: Settings | None = None) -> str | None:
    """Return a time as people read it, or in the form of ``--time``."""
    if timestamp is None:
        return None
    from joule_cli.cli._times import zone
    from joule_cli.series.time import format_time

    settings = settings or current()
    return format_time(timestamp, settings.time or "human", zone(settings))


def data_time(timestamp: Any, settings: Settings) -> Any:
    """Return a time for files and programs: µs, or the form of ``--time``; numbers stay numbers."""
    if settings.time is None or not isinstance(timestamp, int):
        return timestamp
    text = show_time(timestamp, settings) or ""
    if settings.time in {"us", "ns", "ms", "s"}:
        return float(text) if "." in text else int(text)
    return text


def count_text(number: int, noun: str) -> str:
    """Return a number with its noun, as in ``1,000 rows``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def show_bytes(size: int | None) -> str | None:
    """Return a size with a binary unit and one decimal, as in ``1.5 MiB``."""
    if size is None:
        return None
    amount = float(size)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024:
            return f"{int(amount)} B" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TiB"


def write_utf8(text: str) -> None:
    """Write to stdout in UTF-8 whatever the locale says."""
    sys.stdout.flush()
    # an argument that was not valid text keeps its bytes
    sys.stdout.buffer.write(text.encode("utf-8", "surrogateescape"))


def delimited(cells: Sequence[Any], delimiter: str) -> str:
    """Return one line of CSV as RFC 4180 quotes it."""
    from joule_cli.series.csv_text import cell_writer

    text = cell_writer(delimiter, plain=True)
    return delimiter.join("" if cell is None else text(str(cell)) for cell in cells) + "\n"


def _select(columns: Sequence[Column], names: list[str] | None) -> list[Column]:
    if names is None:
        return [c for c in columns if c.shown]
    known = {c.key: c for c in columns}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise unknown_column(unknown[0], known)
    return [known[name] for name in names]


def unknown_column(name: str, known: Iterable[str]) -> click.UsageError:
    """Return the error for a name of ``--columns`` that the answer does not have."""
    from joule_cli.series.nearest import among

    hint = among(name, known, "columns")
    return click.UsageError(f"Unknown column '{name}'. {hint[0].upper()}{hint[1:]}.")


def _data_cell(value: Any, column: Column, settings: Settings) -> Any:
    if column.kind == "time" and isinstance(value, int) and settings.time is not None:
        return show_time(value, settings)
    return _scalar(value)


def _person_cell(value: Any, column: Column, settings: Settings) -> str:
    if value is None:
        return ""
    match column.kind:
        case "time" if isinstance(value, int):
            return show_time(value, settings) or ""
        case "bytes" if isinstance(value, int):
            return show_bytes(value) or ""
        case _:
            return str(_scalar(value))


def _scalar(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    return _json(value) if isinstance(value, list | dict) else value


def _json(value: Any, *, indent: bool = False) -> str:
    import json

    spaces = 2 if indent else None
    try:
        return json.dumps(value, ensure_ascii=False, indent=spaces, allow_nan=False)
    except ValueError:
        return json.dumps(json_value(value), ensure_ascii=False, indent=spaces)


def json_value(value: Any) -> Any:
    """Return a value with words, as strings, in place of the numbers that JSON lacks."""
    match value:
        case float() if not math.isfinite(value):
            return str(value)
        case dict():
            return {key: json_value(item) for key, item in value.items()}
        case list() | tuple():
            return [json_value(item) for item in value]
        case _:
            return value


def limited(items: Iterable[Any]) -> Iterator[Any]:
    """Yield as many items as ``--limit`` allows."""
    limit = current().limit
    for index, item in enumerate(items):
        if limit is not None and index >= limit:
            return
        yield item
