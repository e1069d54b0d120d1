"""JSON lines: one object or array per row."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from itertools import chain
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from joule_cli.errors import FormatError
from joule_cli.formats.base import StreamHead, WriteOptions, column_names, column_order
from joule_cli.formats.lines import (
    BadLine,
    LineReader,
    LineWriter,
    Parsed,
    ParsedLine,
    decode_line,
    values_layout,
)
from joule_cli.formats.numbers import (
    fixed,
    is_word,
    parse_table,
    read_value,
    shorten,
    shortest,
    to_elements,
    to_stamps,
)
from joule_cli.formats.times import TimeParser
from joule_cli.model.data_stream import Element

if TYPE_CHECKING:
    from collections.abc import Callable

    from joule_cli.series.layout import Layout, Rows

TIMESTAMP = "timestamp"
_BREAK_KEY = "interval_break"
_JSON_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?", re.ASCII)


def exact_json(text: str) -> Any:
    """Parse JSON with exact numbers: integers of any size, `Decimal` for the others.

    Raises
    ------
    BadLine
        Not JSON.
    """
    try:
        # Python and others write infinities and NaN as words; `read_value` judges them
        return json.loads(text, parse_float=Decimal, parse_constant=str)
    except json.JSONDecodeError as exc:
        raise BadLine(f"not JSON: {exc.msg[:1].lower()}{exc.msg[1:]}", exc.colno) from exc
    except RecursionError as exc:
        raise BadLine("not a row: nested too deeply") from exc


def read_row(stamp: Any, values: list[Any], layout: Layout, times: TimeParser) -> ParsedLine:
    """Check and convert the items of one row.

    Raises
    ------
    BadLine
        One of them does not fit.
    """
    try:
        time = None if stamp is None else times(_time_text(stamp))
        return time, [read_value(_number(value), layout.element) for value in values], None
    except ValueError as exc:
        raise BadLine(str(exc)) from exc


def _time_text(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
        raise BadLine(f"{_shown(value)} is not a time")
    return str(value)


def _number(value: Any) -> int | Decimal | str:
    if isinstance(value, str) and is_word(value):
        return value
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise BadLine(f"{_shown(value)} is not a number")
    return value


def _shown(value: Any) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 40 else f"{text[:37]}..."


class JsonlReader(LineReader):
    """Objects with the key ``timestamp`` and one key per element, or arrays.

    Each line has the keys of the first one, in any order. A break is ``null`` or
    ``{"interval_break": true}``.
    """

    _mark = re.compile(
        rb'^[ \t]*(?:#[^\n]*|null|\{[ \t]*"interval_break"[ \t]*:[ \t]*true[ \t]*\})[ \t\r]*\n',
        re.MULTILINE,
    )
    _mark_hints = (b"#", b"null", b"interval_break")

    def _read_head(self) -> StreamHead:
        self._times = TimeParser(self.options.time_format, self.options.tz)
        self._keys: list[str] | None = None
        self._first_value = 0 if self.options.stamps else 1
        skipped = b""
        first: Any = None
        number = self._lines.line
        while first is None and (line := self._lines.readline()):
            skipped += line
            if line.strip() and not line.lstrip().startswith(b"#"):
                first = self._first_row(line, number)
            number += 1
        self._lines.put_back(skipped)
        elements: list[Element] = []
        width = 1
        if isinstance(first, dict):
            keys = [key for key in first if key != TIMESTAMP or self.options.stamps]
            elements = [Element(name, index=i) for i, name in enumerate(keys)]
            self._keys = [*([TIMESTAMP] if self._first_value else []), *keys]
            width = len(keys)
        elif first is not None:
            width = len(first) - self._first_value
        if width < 1:
            raise FormatError(
                "expected a timestamp and at least one value", file=self.name, line=number - 1
            )
        return StreamHead(layout=values_layout(self.options, width), elements=elements)

    def _first_row(self, raw: bytes, line: int) -> Any:
        """Return the object or array of a line, `None` for an interval break."""
        try:
            value = exact_json(decode_line(raw))
            if isinstance(value, dict) and value != {_BREAK_KEY: True}:
                self._check_keys(value)
        except BadLine as bad:
            raise FormatError(bad.reason, file=self.name, line=line, column=bad.column) from bad
        if value is None or value == {_BREAK_KEY: True}:
            return None
        if isinstance(value, dict | list):
            return value
        raise FormatError("expected an object or an array", file=self.name, line=line)

    def _check_keys(self, row: dict[str, Any]) -> None:
        if self._first_value and TIMESTAMP not in row:
            raise BadLine(f"there is no key {TIMESTAMP!r}")

    def _is_break(self, mark: bytes) -> bool:
        return not mark.lstrip().startswith(b"#")

    def _parse_piece(self, piece: bytes) -> Parsed | None:
        if not self._times.is_integer:
            return None
        columns = self.head.layout.width + self._first_value
        if self._keys is None:
            flat = _flat_arrays(piece, columns)
        else:
            flat = _flat_objects(piece, self._keys)
        if flat is None:
            return None
        rows = flat_rows(flat, self.head.layout, self._times, self.options.stamps)
        return None if rows is None else (rows, None)

    def _parse_line(self, text: str) -> ParsedLine | None:
        value = exact_json(text)
        layout = self.head.layout
        if value is None or value == {_BREAK_KEY: True}:
            return None
        expected = layout.width + self._first_value
        if self._keys is None:
            if not isinstance(value, list):
                raise BadLine("expected an array")
            if len(value) != expected:
                raise BadLine(f"expected {expected} columns, found {len(value)}")
            row = value
        else:
            if not isinstance(value, dict):
                raise BadLine("expected an object")
            missing = [key for key in self._keys if key not in value]
            if missing:
                raise BadLine(f"there is no key {shorten(missing[0])}")
            if len(value) != expected:
                extra = next(key for key in value if key not in self._keys)
                raise BadLine(f"the key {shorten(extra)} is not in the first row")
            row = [value[key] for key in self._keys]
        stamp = row[0] if self._first_value else None
        if self._first_value and stamp is None:
            raise BadLine("the time is missing")
        return read_row(stamp, row[self._first_value :], layout, self._times)


def _flat_arrays(piece: bytes, columns: int) -> list[Any] | None:
    lines = piece.replace(b", ", b",")
    n = lines.count(b"\n")
    # brackets stand around every line and nowhere else
    if not lines.startswith(b"[") or lines.count(b"]\n[") != n - 1 or not lines.endswith(b"]\n"):
        return None
    if lines.count(b"[") != n or lines.count(b"]") != n:
        return None
    table = lines[1:-2].replace(b"]\n[", b"\n") + b"\n"
    if b"-0," in table or b"-0\n" in table:
        return None
    return parse_table(table, columns)


def _flat_objects(piece: bytes, keys: list[str]) -> list[Any] | None:
    try:
        objects = orjson.loads(b"[" + piece[:-1].replace(b"\n", b",") + b"]")
    except orjson.JSONDecodeError:
        return None
    if b"-0}" in piece or b"-0," in piece:
        return None
    if any(type(item) is not dict or len(item) != len(keys) for item in objects):
        return None
    try:
        if len(keys) == 1:
            return [item[keys[0]] for item in objects]
        flat = list(chain.from_iterable(map(itemgetter(*keys), objects)))
    except KeyError:
        return None
    return flat if set(map(type, flat)) <= {int, float} else None


def flat_rows(
    flat: list[Any],
    layout: Layout,
    times: TimeParser,
    clock: Callable[[int], Any] | None,
) -> Rows | None:
    """Turn the items of rows, one after the other, into rows; `None` when one is unusual.

    Parameters
    ----------
    flat
        Python integers and floats; changed by the call.
    clock
        Gives the timestamps when the rows have none.
    """
    columns = layout.width + (clock is None)
    stamps: Any = None
    if clock is None:
        numbers = to_stamps(flat[::columns])
        stamps = None if numbers is None else times.from_integers(numbers)
        if stamps is None:
            return None
        del flat[::columns]
    values = to_elements(flat, layout.element)
    if values is None:
        return None
    rows = np.empty(len(values) // layout.width, layout.dtype)
    rows["data"] = values.reshape(-1, layout.width)
    rows["timestamp"] = stamps if clock is None else clock(len(rows))
    return rows


class JsonRows:
    """Writes the numbers of rows as JSON, by a template of one row.

    Infinities, which JSON lacks, are the strings ``"inf"`` and ``"-inf"``; a missing value is null.
    """

    def __init__(self, head: StreamHead, options: WriteOptions) -> None:
        self._order = column_order(head, options.bounds_order)
        self._options = options

    def fill(self, template: str, rows: Rows) -> bytes:
        """Fill `template`, with one ``%s`` for the time and one per value, with every row."""
        n, width = len(rows), len(self._order)
        data = rows["data"]
        cells: list[str] = [""] * (n * (width + 1))
        if self._options.format_time is None:
            cells[:: width + 1] = shortest(rows["timestamp"])[1:-1].decode().split(",")
        else:
            cells[:: width + 1] = [
                json_time(self._options.format_time(t)) for t in rows["timestamp"].tolist()
            ]
        for i, position in enumerate(self._order):
            column = data[:, position]
            if self._options.precision is None:
                numbers = shortest(column, quoted=True, missing="null")
                cells[i + 1 :: width + 1] = numbers[1:-1].decode().split(",")
            else:
                cells[i + 1 :: width + 1] = fixed(
                    column, self._options.precision, quoted=True, missing="null"
                )
        return ((template * n) % tuple(cells)).encode()


def json_time(text: str) -> str:
    """Write a formatted time as a JSON number where it is one, else as a string."""
    return text if _JSON_NUMBER.fullmatch(text) else orjson.dumps(text).decode()


class JsonlWriter(LineWriter):
    """One object, or with `WriteOptions.arrays` one array, per row."""

    def _set_up(self) -> None:
        self._rows = JsonRows(self.head, self.options)
        if self.options.arrays:
            self._template = "[%s" + ", %s" * self.head.layout.width + "]\n"
        else:
            names = column_names(self.head, self.options.bounds_order)
            keys = [orjson.dumps(n).decode().replace("%", "%%") for n in (TIMESTAMP, *names)]
            self._template = "{" + ", ".join(f"{key}: %s" for key in keys) + "}\n"

    def _mark_break(self) -> bytes:
        if not self.options.mark_intervals:
            return b""
        return b"null\n" if self.options.arrays else b'{"interval_break": true}\n'

    def _format(self, rows: Rows) -> bytes:
        return self._rows.fill(self._template, rows)
