"""Events to CSV and TSV: a header, one event per record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from joule_cli.formats.events.base import CONTENT, END, ID, START, EventWriteOptions, SinkWriter
from joule_cli.formats.events.cells import cell_of
from joule_cli.formats.events.exact import dumps
from joule_cli.series.csv_text import cell_writer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from joule_cli.formats.base import FileRef
    from joule_cli.model import Event

#: Columns of fields that are not declared; further ones stand in `content`.
_MOST_COLUMNS = 100
_RESERVED = frozenset({START, END, CONTENT, ID})


class CsvEventWriter(SinkWriter):
    """CSV with a header; see `cells` for what stands where."""

    default_delimiter = ","

    def __init__(self, place: FileRef, options: EventWriteOptions) -> None:
        super().__init__(place, options)
        self._delimiter = options.delimiter or self.default_delimiter
        self._cell = cell_writer(self._delimiter)
        self._columns: list[tuple[str, str | None]] | None = None

    def _format(self, events: Sequence[Event]) -> bytes:
        out = [] if self._columns is not None else [self._header(events)]
        out += map(self._line, events)
        return "".join(out).encode()

    def _end(self) -> bytes:
        # without events the header is not written yet
        return b"" if self._columns is not None else self._header(()).encode()

    def _header(self, events: Sequence[Event]) -> str:
        options = self.options
        kinds = options.fields.kinds
        if options.select is not None:
            names = list(options.select)
        else:
            names = [name for name in options.fields if _can_be_named(name)]
            known = {*_RESERVED, *names}
            others = dict.fromkeys(
                name
                for event in events
                if type(event.content) is dict
                for name in event.content
                if name not in known and _can_be_named(name)
            )
            names += list(others)[:_MOST_COLUMNS]
        self._columns = [(name, kinds.get(name)) for name in names]
        self._names = frozenset(names)
        if not options.header:
            return ""
        header = [START, END, *names]
        if options.select is None:
            header.append(CONTENT)
        if options.ids:
            header.append(ID)
        return self._delimiter.join(map(self._cell, header)) + "\n"

    def _line(self, event: Event) -> str:
        assert self._columns is not None
        cells = [self._time(event.start_time), self._time(event.end_time)]
        content = event.content
        if self.options.select is not None:
            chosen = content if type(content) is dict else {}
            cells += [
                self._selected(chosen[name], kind) if name in chosen else ""
                for name, kind in self._columns
            ]
        elif type(content) is dict:
            self._add_fields(cells, content)
        else:
            cells += [""] * len(self._columns)
            cells.append(self._cell(dumps(content).decode()))
        if self.options.ids:
            cells.append("" if event.id is None else str(event.id))
        return self._delimiter.join(cells) + "\n"

    def _add_fields(self, cells: list[str], content: dict[str, Any]) -> None:
        assert self._columns is not None
        placed = 0
        homeless = {}
        for name, kind in self._columns:
            if name not in content:
                cells.append("")
                continue
            cell = cell_of(content[name], kind)
            placed += 1
            if cell is None:
                homeless[name] = content[name]
                cells.append("")
            else:
                cells.append(self._cell(cell))
        if placed < len(content):
            names = self._names
            homeless.update((k, v) for k, v in content.items() if k not in names)
        cells.append(self._cell(dumps(homeless).decode()) if homeless else "")

    def _selected(self, value: Any, kind: str | None) -> str:
        # without a column for the rest, everything stands in its own
        cell = cell_of(value, kind)
        return self._cell(dumps(value).decode() if cell is None else cell)

    def _time(self, time: int | None) -> str:
        if time is None:
            return ""
        form = self.options.format_time
        return str(time) if form is None else self._cell(str(form(time)))


def _can_be_named(name: str) -> bool:
    """Tell whether a field can have a column, whose name comes back as it was."""
    return bool(name) and name == name.strip() and name.isprintable() and name not in _RESERVED


class TsvEventWriter(CsvEventWriter):
    """CSV with tabs."""

    default_delimiter = "\t"
