"""Events as people read them: a table on a terminal, plain columns elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from joule_cli.cli import _render
from joule_cli.cli._output import output_format, show_time
from joule_cli.cli._settings import current
from joule_cli.formats.events import EventWriter
from joule_cli.formats.events.exact import dumps
from joule_cli.series.visible import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from joule_cli.formats.events import EventWriteOptions
    from joule_cli.model import Event

#: Events of one table; what follows them gets a table of its own.
_TABLE_EVENTS = 5000
#: Columns of fields that are not declared; further ones stand together in the last.
_MOST_COLUMNS = 12
#: Characters of a cell of a table.
_WIDEST = 60


class TableEventWriter(EventWriter):
    """Prints blocks of events; the first one decides about the columns."""

    def __init__(self, options: EventWriteOptions, *, waits: bool = True) -> None:
        self._options = options
        self._settings = current()
        # a table is as wide as its widest cells, and those of events to come are not known
        self._drawn = waits and output_format(self._settings) == "table"
        self._fields: list[str] | None = None
        self._rest = False
        self._widths: list[int] = []
        self._held: list[Event] = []

    def write(self, events: Sequence[Event]) -> None:
        """Print events; a table waits until it is full or complete."""
        if not self._drawn:
            if events:
                self._print(events)
            return
        self._held += events
        while len(self._held) >= _TABLE_EVENTS:
            self._print(self._held[:_TABLE_EVENTS])
            del self._held[:_TABLE_EVENTS]

    def close(self, *, complete: bool = True) -> None:
        """Print what is held; without any events only the headings."""
        if self._held or (complete and self._fields is None):
            held, self._held = self._held, []
            self._print(held)

    def _print(self, events: Sequence[Event]) -> None:
        first = self._fields is None
        if first:
            self._choose(events)
        rows = [self._row(event) for event in events]
        headings = self._headings() if self._settings.header else None
        right = self._right()
        if self._drawn:
            _render.table(headings, rows, right, self._settings)
            return
        # the columns of later blocks stand below those of the first
        lines = [headings, *rows] if headings is not None and first else rows
        cells = [[one_line(cell) or "-" for cell in line] for line in lines]
        if not cells:
            return
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        self._widths = (
            list(map(max, zip(widths, self._widths, strict=True))) if self._widths else widths
        )
        for line in cells:
            parts = [
                cell.rjust(width) if to_right else cell.ljust(width)
                for cell, width, to_right in zip(line, self._widths, right, strict=True)
            ]
            _render.write_text("  ".join(parts).rstrip() + "\n")

    def _choose(self, events: Sequence[Event]) -> None:
        if self._options.select is not None:
            self._fields = list(self._options.select)
            return
        declared = list(self._options.fields)
        others = dict.fromkeys(
            name
            for event in events
            if isinstance(event.content, dict)
            for name in event.content
            if name not in self._options.fields.declared
        )
        self._fields = declared + list(others)[:_MOST_COLUMNS]
        known = set(self._fields)
        self._rest = any(
            not isinstance(event.content, dict) or not event.content.keys() <= known
            for event in events
        )

    def _headings(self) -> list[str]:
        ids = ["id"] if self._options.ids else []
        rest = ["content"] if self._rest else []
        return [*ids, "start", "end", "duration", *(self._fields or []), *rest]

    def _right(self) -> list[bool]:
        kinds = self._options.fields.kinds
        ids = [True] if self._options.ids else []
        fields = [kinds.get(name) == "numeric" for name in self._fields or []]
        return [*ids, False, False, True, *fields, *([False] if self._rest else [])]

    def _row(self, event: Event) -> list[str]:
        from joule_cli.series.duration import format_duration

        cells = [str(event.id)] if self._options.ids else []
        cells.append(show_time(event.start_time, self._settings) or "")
        cells.append(show_time(event.end_time, self._settings) or "")
        length = None if event.end_time is None else event.end_time - event.start_time
        cells.append("" if length is None else format_duration(length))
        content = event.content if isinstance(event.content, dict) else {}
        fields = self._fields or []
        cells += [self._cell(content[name]) if name in content else "" for name in fields]
        if self._rest:
            rest: Any = {k: v for k, v in content.items() if k not in fields}
            if not isinstance(event.content, dict):
                rest = event.content
            cells.append(self._cell(rest) if rest != {} else "")
        return cells

    def _cell(self, value: Any) -> str:
        text = value if isinstance(value, str) else dumps(value).decode()
        if not self._drawn or len(text) <= _WIDEST:
            return text
        end = _render.symbol("…", "...")
        return text[: _WIDEST - len(end)] + end
