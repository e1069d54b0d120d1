"""Writing JSON lines: one object or array per row."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import orjson

from joule_cli.formats.base import StreamHead, WriteOptions, column_names, column_order
from joule_cli.formats.lines import LineWriter
from joule_cli.formats.numbers import fixed, shortest

if TYPE_CHECKING:
    from joule_cli.series.layout import Rows

TIMESTAMP = "timestamp"
_JSON_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?", re.ASCII)


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
