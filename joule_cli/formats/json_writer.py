"""Writing one JSON document, row by row."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from joule_cli.formats.base import column_names
from joule_cli.formats.jsonl_writer import TIMESTAMP, JsonRows
from joule_cli.formats.lines import LineWriter
from joule_cli.model.data_stream import DataStream

if TYPE_CHECKING:
    from joule_cli.series.layout import Rows


class JsonWriter(LineWriter):
    """The document, one row per line; cut short it has no end."""

    def _set_up(self) -> None:
        self._rows = JsonRows(self.head, self.options)
        self._template = "[%s" + ", %s" * self.head.layout.width + "],\n"
        self._separator = b""

    def _begin(self) -> None:
        head = self.head
        elements = list(head.elements)
        if head.stream is not None:
            stream = replace(head.stream, elements=elements or head.stream.elements)
        else:
            name = (head.path or "").rpartition("/")[2]
            stream = DataStream(name=name, datatype=head.layout.datatype, elements=elements)
        parts: dict[str, Any] = {
            "stream": {**stream.to_json(), "path": head.path},
            "decimation_level": head.decimation_level,
        }
        if head.intervals is not None:
            parts["intervals"] = [list(interval) for interval in head.intervals]
        parts["columns"] = [TIMESTAMP, *column_names(head, self.options.bounds_order)]
        text = json.dumps(parts, ensure_ascii=False)
        self._sink.write(f'{text[:-1]}, "data": [\n'.encode())

    def _format(self, rows: Rows) -> bytes:
        text = self._separator + self._rows.fill(self._template, rows)[:-2]
        self._separator = b",\n"
        return text

    def _mark_break(self) -> bytes:
        return b",\nnull" if self.options.mark_intervals else b""

    def _end(self) -> None:
        self._sink.write(b"\n]}\n")
