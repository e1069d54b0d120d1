"""Text rows: a timestamp and the values, with blanks between."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from joule_cli.errors import FormatError
from joule_cli.formats.base import INTERVAL_BREAK, StreamHead
from joule_cli.formats.lines import (
    BadLine,
    LineReader,
    LineWriter,
    Parsed,
    ParsedLine,
    values_layout,
)
from joule_cli.formats.number_lines import number_lines
from joule_cli.formats.numbers import (
    has_negative_zero,
    parse_table,
    read_value,
    to_elements,
    to_stamps,
)
from joule_cli.formats.times import TimeParser

if TYPE_CHECKING:
    from joule_cli.series.layout import Rows

_FIELD = re.compile(r"\S+")


class TextReader(LineReader):
    """Rows as ``joule data read`` prints them.

    Blanks or tabs stand between the columns. Values of integer types are read exactly, with or
    without decimals of zero. Source: the text rows of Joule 1.0.1.
    """

    def _read_head(self) -> StreamHead:
        self._times = TimeParser(self.options.time_format, self.options.tz)
        self._first_value = 0 if self.options.stamps else 1
        skipped = b""
        while line := self._lines.readline():
            skipped += line
            if line.strip() and not line.lstrip().startswith(b"#"):
                break
        self._lines.put_back(skipped)
        width = len(line.split()) - self._first_value
        if line and width < 1:
            raise FormatError(
                "expected a timestamp and at least one value",
                file=self.name,
                line=self._lines.line + skipped.count(b"\n") - 1,
            )
        return StreamHead(layout=values_layout(self.options, max(width, 1)))

    def _parse_piece(self, piece: bytes) -> Parsed | None:
        table = piece.replace(b" ", b",")
        parsed = self._parse_commas(table)
        if parsed is None and (b"\t" in piece or b"  " in piece or b" \n" in piece):
            lines = piece.split(b"\n")[:-1]
            parsed = self._parse_commas(b"".join(b",".join(x.split()) + b"\n" for x in lines))
        return parsed

    def _parse_commas(self, table: bytes) -> Parsed | None:
        layout = self.head.layout
        if layout.element.kind != "f":
            # whole numbers stay integers, so that those beyond 2^53 are exact
            table = table.replace(b".000000,", b",").replace(b".000000\n", b"\n")
        elif has_negative_zero(table):
            return None
        columns = layout.width + self._first_value
        flat = parse_table(table, columns)
        if flat is None:
            return None
        stamps = None
        if self._first_value:
            stamps = to_stamps(flat[::columns])
            stamps = None if stamps is None else self._times.from_integers(stamps)
            if stamps is None:
                return None
            del flat[::columns]
        values = to_elements(flat, layout.element)
        if values is None:
            return None
        rows = np.empty(len(values) // layout.width, layout.dtype)
        rows["data"] = values.reshape(-1, layout.width)
        if stamps is None:
            assert self.options.stamps is not None
            stamps = self.options.stamps(len(rows))
        rows["timestamp"] = stamps
        return rows, None

    def _parse_line(self, text: str) -> ParsedLine:
        layout = self.head.layout
        fields = [(found[0], found.start() + 1) for found in _FIELD.finditer(text)]
        expected = layout.width + self._first_value
        if len(fields) != expected:
            raise BadLine(f"expected {expected} columns, found {len(fields)}")
        stamp = None
        column = 0
        try:
            if self._first_value:
                column = fields[0][1]
                stamp = self._times(fields[0][0])
            values = []
            for position in range(self._first_value, expected):
                field, column = fields[position]
                values.append(read_value(field, layout.element))
        except ValueError as exc:
            raise BadLine(str(exc), column) from exc
        return stamp, values, None


class TextWriter(LineWriter):
    """Rows as ``joule data read`` prints them."""

    def _format(self, rows: Rows) -> bytes:
        options = self.options
        return number_lines(
            rows["timestamp"], rows["data"], b" ", options.precision, options.format_time
        )

    def _mark_break(self) -> bytes:
        return f"{INTERVAL_BREAK}\n".encode() if self.options.mark_intervals else b""
