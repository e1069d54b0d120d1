"""CSV and TSV: a header, one row per line."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import orjson

from joule_cli.errors import FormatError
from joule_cli.formats.base import (
    StreamHead,
)
from joule_cli.formats.csv_writer import CsvWriter, TsvWriter
from joule_cli.formats.lines import (
    BadLine,
    LineReader,
    Parsed,
    ParsedLine,
    values_layout,
)
from joule_cli.formats.numbers import (
    Array,
    has_negative_zero,
    parse_table,
    read_floats,
    read_value,
    shorten,
    to_elements,
    to_stamps,
)
from joule_cli.formats.times import TimeParser
from joule_cli.model.data_stream import DATATYPES, DataStream, Element

if TYPE_CHECKING:
    from joule_cli.series.layout import Rows

__all__ = ["CsvReader", "CsvWriter", "TsvReader", "TsvWriter"]

_INT64 = np.dtype("<i8")
_DELIMITERS = (",", ";", "\t")
#: Names that tell a header from a row with a bad time.
_TIME_WORD = re.compile(r"time|date|epoch|^ts?$", re.IGNORECASE)
_QUOTED = re.compile(r'"(?:[^"]|"")*"')
_ANNOTATION = re.compile(r"#[ \t]*(path|datatype|elements|decimation_level|interval_column): (.*)")
_NAME_WITH_UNITS = re.compile(r"(.*?) \[([^\[\]]*)\]", re.DOTALL)
_NAME_WITH_INDEX = re.compile(r"(.*)#(\d+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class _Columns:
    """Positions in a line: of the time and of the interval (or `None`), of the values."""

    n: int
    time: int | None
    interval: int | None
    values: list[int]

    @property
    def in_order(self) -> bool:
        """Whether the values are all columns after the time, as they stand."""
        first = 0 if self.time is None else 1
        return self.time in (None, 0) and self.values == list(range(first, self.n))


class CsvReader(LineReader):
    """CSV with or without a header, of any delimiter, with the time in any column."""

    default_delimiter: str | None = None

    def _read_head(self) -> StreamHead:
        options = self.options
        self._times = TimeParser(options.time_format, options.tz)
        for _ in range(options.skip_lines):
            if not self._lines.readline():
                raise FormatError(
                    f"the file has fewer than {options.skip_lines + 1} lines", file=self.name
                )
        notes, first, line = self._first_line()
        self.delimiter = options.delimiter or self.default_delimiter or guess_delimiter(first)
        fields = self._fields(first) if first else []
        header = self._is_header(fields)
        if header:
            names = [name for name, _ in fields]
            self._header_end()
        else:
            names = []
        self._columns = self._choose(names, len(fields), notes, line)
        elements = _elements(names, self._columns, notes)
        width = len(self._columns.values)
        datatype = notes.get("datatype")
        layout = values_layout(options, width, datatype if datatype in DATATYPES else None)
        level = notes.get("decimation_level", "1")
        stream = None
        if "elements" in notes and elements:
            stream = DataStream(
                name=notes.get("path", "").rpartition("/")[2],
                datatype=layout.datatype,
                elements=elements,
            )
        return StreamHead(
            layout=layout,
            elements=elements,
            path=notes.get("path"),
            stream=stream,
            decimation_level=int(level) if level.isdecimal() and level != "0" else 1,
        )

    def _first_line(self) -> tuple[dict[str, str], str, int]:
        """Read up to the first line that is no comment, which is given back to the rows."""
        notes: dict[str, str] = {}
        while True:
            line = self._lines.line
            raw = self._lines.readline()
            if not raw:
                return notes, "", line
            if raw.lstrip().startswith(b"#"):
                note = _ANNOTATION.fullmatch(raw.decode("utf-8", "replace").strip())
                if note:
                    notes[note[1]] = _unescaped(note[2])
                continue
            if not raw.strip():
                continue
            # only a header may hold line ends, inside quotes
            while raw.count(b'"') % 2 and (more := self._lines.readline()):
                raw += more
            self._head_bytes = raw
            self._lines.put_back(raw)
            try:
                return notes, raw.decode().rstrip("\r\n"), line
            except UnicodeDecodeError as exc:
                raise FormatError(
                    "the line is not UTF-8 text, it may need another encoding",
                    file=self.name,
                    line=line,
                    column=exc.start + 1,
                ) from exc

    def _header_end(self) -> None:
        for _ in range(self._head_bytes.count(b"\n")):
            self._lines.readline()

    def _fields(self, text: str) -> list[tuple[str, int]]:
        try:
            return split_line(text, self.delimiter)
        except BadLine as bad:
            raise FormatError(
                bad.reason, file=self.name, line=self._lines.line, column=bad.column
            ) from bad

    def _is_header(self, fields: list[tuple[str, int]]) -> bool:
        texts = [text for text, _ in fields]
        if self.options.header is not None or not texts:
            return bool(self.options.header) and bool(texts)
        numeric = [_is_number(text) for text in texts]
        if self.options.stamps is not None:
            return not any(numeric)
        where = self.options.time_column
        if isinstance(where, str) and not where.isdecimal():
            # a column can only be found by name in a header
            return True
        time = int(where or 0)
        if time >= len(texts) or self._times.settles(texts[time]):
            return False
        return not any(numeric) or (not numeric[time] and bool(_TIME_WORD.search(texts[time])))

    def _choose(self, names: list[str], n: int, notes: dict[str, str], line: int) -> _Columns:
        options = self.options

        def find(ref: str | int) -> int:
            if isinstance(ref, str) and ref in names:
                return names.index(ref)
            if isinstance(ref, str) and ref in (bare := [_without_units(x)[0] for x in names]):
                return bare.index(ref)
            if isinstance(ref, int) or ref.isdecimal():
                if 0 <= int(ref) < n:
                    return int(ref)
                raise FormatError(
                    f"there is no column {ref}, the file has {n} columns, counted from 0",
                    file=self.name,
                )
            known = f", only {', '.join(map(shorten, names[:20]))}" if names else ": no header"
            raise FormatError(
                f"there is no column {shorten(ref)}{known}", file=self.name, line=line
            )

        time: int | None = None
        if options.stamps is None:
            if options.time_column is not None:
                time = find(options.time_column)
            else:
                time = names.index("timestamp") if "timestamp" in names else 0
        interval_ref = options.interval_column
        if interval_ref is None and notes.get("interval_column") in names:
            interval_ref = notes["interval_column"]
        interval = None if interval_ref is None else find(interval_ref)
        if options.use_columns is not None:
            values = [find(ref) for ref in options.use_columns]
        else:
            values = [i for i in range(n) if i not in (time, interval)]
        if n and not values:
            raise FormatError(
                "expected a timestamp and at least one value"
                if time is not None
                else "expected at least one value",
                file=self.name,
                line=line,
            )
        return _Columns(n, time, interval, values or [1])

    def _parse_piece(self, piece: bytes) -> Parsed | None:
        delimiter = self.delimiter.encode()
        if delimiter == b"," or b"," not in piece:
            parsed = self._parse_numbers(piece.replace(delimiter, b","))
            if parsed is not None:
                return parsed
        return self._parse_columns(piece)

    def _parse_numbers(self, table: bytes) -> Parsed | None:
        columns, layout = self._columns, self.head.layout
        if not self._times.is_integer or (layout.element.kind == "f" and has_negative_zero(table)):
            return None
        flat = parse_table(table, columns.n)
        if flat is None:
            return None
        stamps = intervals = None
        if columns.time is not None:
            numbers = to_stamps(flat[columns.time :: columns.n])
            stamps = None if numbers is None else self._times.from_integers(numbers)
            if stamps is None:
                return None
        if columns.interval is not None:
            intervals = to_stamps(flat[columns.interval :: columns.n])
            if intervals is None:
                return None
        rows = np.empty(len(flat) // columns.n, layout.dtype)
        if columns.in_order:
            if columns.time is not None:
                del flat[:: columns.n]
            values = to_elements(flat, layout.element)
            if values is None:
                return None
            rows["data"] = values.reshape(-1, layout.width)
        else:
            for i, position in enumerate(columns.values):
                values = to_elements(flat[position :: columns.n], layout.element)
                if values is None:
                    return None
                rows["data"][:, i] = values
        return self._stamped(rows, stamps), intervals

    def _stamped(self, rows: Rows, stamps: Array | None) -> Rows:
        if stamps is None:
            assert self.options.stamps is not None
            stamps = self.options.stamps(len(rows))
        rows["timestamp"] = stamps
        return rows

    def _parse_columns(self, piece: bytes) -> Parsed | None:
        """Parse column by column: quotes, texts in unused columns, any form of time."""
        columns, layout = self._columns, self.head.layout
        try:
            lines = piece.decode().split("\n")[:-1]
            table = list(csv.reader(lines, delimiter=self.delimiter, strict=True))
            if any(len(row) != columns.n for row in table) or len(table) != len(lines):
                return None
            by_column = list(zip(*table, strict=True))
            rows = np.empty(len(table), layout.dtype)
            stamps = intervals = None
            if columns.time is not None:
                stamps = self._times.column(by_column[columns.time])
            if columns.interval is not None:
                intervals = np.array(list(map(int, by_column[columns.interval])), np.int64)
            for i, position in enumerate(columns.values):
                values = self._column(by_column[position])
                if values is None:
                    return None
                rows["data"][:, i] = values
        except (ValueError, csv.Error, OverflowError):
            # the closer look finds the line and says what is wrong
            return None
        return self._stamped(rows, stamps), intervals

    def _column(self, texts: tuple[str, ...]) -> Array | None:
        element = self.head.layout.element
        if "_" in "".join(texts):
            # Python reads 1_000 as a number, this format does not
            return None
        if element.kind == "f":
            return read_floats(texts, element)
        return to_elements(list(map(int, texts)), element)

    def _parse_line(self, text: str) -> ParsedLine:
        columns, element = self._columns, self.head.layout.element
        fields = split_line(text, self.delimiter)
        if len(fields) != columns.n:
            raise BadLine(f"expected {columns.n} columns, found {len(fields)}")
        stamp = interval = None
        column = 1
        values = []
        try:
            if columns.time is not None:
                field, column = fields[columns.time]
                stamp = self._times(field)
            for position in columns.values:
                field, column = fields[position]
                values.append(read_value(field, element))
            if columns.interval is not None:
                field, column = fields[columns.interval]
                interval = int(read_value(field, _INT64))
        except ValueError as exc:
            raise BadLine(str(exc), column) from exc
        return stamp, values, interval


class TsvReader(CsvReader):
    """CSV with tabs."""

    default_delimiter = "\t"


def _unescaped(text: str) -> str:
    if not text.startswith('"'):
        return text
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
    return value if isinstance(value, str) else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def guess_delimiter(line: str) -> str:
    """Return the delimiter that a header seems to have."""
    bare = _QUOTED.sub("", line)
    return max(_DELIMITERS, key=bare.count)


def _without_units(name: str) -> tuple[str, str]:
    found = _NAME_WITH_UNITS.fullmatch(name)
    return (found[1], found[2]) if found else (name, "")


def _elements(names: list[str], columns: _Columns, notes: dict[str, str]) -> list[Element]:
    """Name the elements: as annotated, else as in the header."""
    if "elements" in notes:
        try:
            elements = [Element.from_json(e) for e in orjson.loads(notes["elements"])]
        except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
            elements = []
        if len(elements) == len(columns.values):
            return elements
    if not names:
        return []
    found = [_without_units(names[i]) for i in columns.values]
    bases = [match[1] if (match := _NAME_WITH_INDEX.fullmatch(n)) else n for n, _ in found]
    return [
        Element(base if base == "timestamp" or bases.count(base) > 1 else name, units, index=i)
        for i, ((name, units), base) in enumerate(zip(found, bases, strict=True))
    ]


def split_line(text: str, delimiter: str) -> list[tuple[str, int]]:
    """Split a line into its fields and their columns, counted from 1."""
    if '"' not in text:
        fields = []
        column = 1
        for field in text.split(delimiter):
            fields.append((field, column))
            column += len(field) + 1
        return fields
    fields = []
    at = 0
    while True:
        begin = at
        if text.startswith('"', at):
            quoted = _QUOTED.match(text, at)
            if quoted is None:
                raise BadLine("the quotation mark is not closed", begin + 1)
            at = quoted.end()
            value = quoted[0][1:-1].replace('""', '"')
            if at < len(text) and not text.startswith(delimiter, at):
                raise BadLine("a quoted field goes on after its quotation mark", at + 1)
        else:
            at = text.find(delimiter, at)
            at = len(text) if at < 0 else at
            value = text[begin:at]
        fields.append((value, begin + 1))
        if at >= len(text):
            return fields
        at += len(delimiter)
