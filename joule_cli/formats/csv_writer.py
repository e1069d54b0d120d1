"""Writing CSV and TSV."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from joule_cli.errors import FormatError
from joule_cli.formats.base import (
    INTERVAL_BREAK,
    StreamHead,
    WriteOptions,
    column_names,
    column_order,
)
from joule_cli.formats.lines import LineWriter
from joule_cli.formats.number_lines import number_lines
from joule_cli.series.csv_text import cell_writer

if TYPE_CHECKING:
    from joule_cli.series.layout import Rows

_INTERVAL_COLUMN = "interval"


class CsvWriter(LineWriter):
    """CSV with a header, RFC 4180 quotes and shortest numbers; a missing value is no text."""

    default_delimiter = ","

    def _begin(self) -> None:
        options, head = self.options, self.head
        out = []
        if options.annotate:
            out += [f"# {line}" for line in _annotations(head, options)]
        if options.header != "none":
            names = column_names(head, options.bounds_order)
            if options.header == "units":
                units = _units(head, options)
                names = [
                    f"{name} [{unit}]" if unit else name
                    for name, unit in zip(names, units, strict=True)
                ]
            names.insert(0, "timestamp")
            if options.interval_column:
                names.append(_INTERVAL_COLUMN)
            out.append(self._delimiter.join(map(self._cell, names)))
        self._sink.write("".join(f"{line}\n" for line in out).encode())

    def _set_up(self) -> None:
        self._delimiter = self.options.delimiter or self.default_delimiter
        self._cell = cell_writer(self._delimiter)
        self._order = column_order(self.head, self.options.bounds_order)
        self._in_order = self._order == list(range(self.head.layout.width))
        self._interval = 0
        if self.options.interval_column and self._sink.continues:
            raise FormatError(
                "a file with a column of intervals cannot be continued", file=self.name
            )

    def _mark_break(self) -> bytes:
        self._interval += 1
        return f"{INTERVAL_BREAK}\n".encode() if self.options.mark_intervals else b""

    def _format(self, rows: Rows) -> bytes:
        options = self.options
        data = rows["data"] if self._in_order else rows["data"][:, self._order]
        delimiter = self._delimiter.encode()
        end = b"\n"
        if options.interval_column:
            end = delimiter + b"%d\n" % self._interval
        form = options.format_time
        return number_lines(
            rows["timestamp"],
            data,
            delimiter,
            options.precision,
            None if form is None else lambda stamp: self._cell(form(stamp)),
            end,
            missing="",
        )


class TsvWriter(CsvWriter):
    """CSV with tabs."""

    default_delimiter = "\t"


def _units(head: StreamHead, options: WriteOptions) -> list[str]:
    units = [e.units or "" for e in head.elements]
    n = head.layout.width // 3 if head.bounds else head.layout.width
    units += [""] * (n - len(units))
    if head.bounds:
        units *= 3
    return [units[i] for i in column_order(head, options.bounds_order)]


def _annotations(head: StreamHead, options: WriteOptions) -> list[str]:
    out = []
    if head.path is not None:
        out.append(f"path: {_escaped(head.path)}")
    out.append(f"datatype: {head.layout.datatype}")
    if head.elements:
        elements = [e.to_json() for e in head.elements]
        out.append(f"elements: {orjson.dumps(elements).decode()}")
    if head.decimation_level != 1:
        out.append(f"decimation_level: {head.decimation_level}")
    if options.interval_column:
        out.append(f"interval_column: {_INTERVAL_COLUMN}")
    if head.start is not None or head.end is not None:
        out.append(f"range: {head.start} {head.end}")
    if head.node_name or head.node_url:
        out.append(f"node: {_escaped(' '.join(filter(None, (head.node_name, head.node_url))))}")
    return out


def _escaped(text: str) -> str:
    return text if text.isprintable() and text[:1] != '"' else orjson.dumps(text).decode()
