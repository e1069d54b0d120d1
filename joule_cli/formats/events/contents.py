"""Cells, or objects of JSON, as contents of events."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from joule_cli.formats.events.base import CONTENT, END, ID, START, STREAM, UUID
from joule_cli.formats.events.cells import FieldColumn
from joule_cli.formats.events.columns import has_objects, may_be_end
from joule_cli.formats.events.exact import dumps, loads
from joule_cli.formats.numbers import shorten
from joule_cli.formats.table.values import Marks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from joule_cli.formats.containers.base import Batch, Container
    from joule_cli.formats.events.columns import EventColumns
    from joule_cli.formats.events.reader import EventReadOptions
    from joule_cli.formats.table.problems import Problems

_INTEGER: Final = re.compile(r"-?[0-9]{1,18}")


class EventContents:
    """Reads all of the events of one file but their times.

    Parameters
    ----------
    marks
        Of the numbers in text.
    """

    def __init__(
        self, container: Container, columns: EventColumns, marks: Marks, options: EventReadOptions
    ) -> None:
        self._columns = columns
        self._options = options
        self._known = frozenset(heading.name for heading in container.columns)
        self.objects = has_objects(container)
        self._may_lack_end = any(container.columns[at].hidden for at in columns.end)
        as_text = container.delimiter is not None
        sample = container.sample()
        self._fields = {
            at: self._field(name, cells_of(sample, at), marks, as_text=as_text)
            for at, name in columns.fields.items()
        }

    def _field(
        self, name: str, sample: Sequence[Any], marks: Marks, *, as_text: bool
    ) -> FieldColumn:
        kind = self._options.fields.kinds.get(name)
        return FieldColumn(name, kind, sample, marks, self._options, as_text=as_text)

    def contents(self, batch: Batch, problems: Problems) -> list[Any]:
        """Return the contents of (n,) events."""
        found: list[Any] = [{} for _ in range(batch.size)]
        if self.objects and self._options.use_columns is None:
            self._add_further(batch, found, problems)
        for position, column in self._fields.items():
            column.put(cells_of(batch, position), found, problems)
        at = self._columns.parts.get(CONTENT)
        for row, cell in enumerate(()) if at is None else enumerate(cells_of(batch, at)):
            if cell is None or (cell == "" and not self.objects):
                continue
            known = found[row]
            if type(cell) is str and not self.objects:
                try:
                    cell = loads(cell.encode())
                except ValueError:
                    problems.add(row, f"the column 'content' has no JSON but {shorten(cell)}")
                    continue
            if not known:
                found[row] = cell
            elif type(cell) is dict:
                found[row] = {**cell, **known}
            else:
                text = shorten(dumps(cell).decode())
                problems.add(row, f"there is no place for the fields in the content {text}")
        fields = self._options.fields
        for row, content in enumerate(found if fields.declared else ()):
            if not fields.fit(content) and row not in problems:
                problems.add(row, fields.reason(content))
        return found

    def _add_further(self, batch: Batch, found: list[Any], problems: Problems) -> None:
        """Add the values of keys that the first objects of the file do not have."""
        known, rows = self._known, batch.column(0)
        others = [row for row in rows if not row.keys() <= known]
        for name in dict.fromkeys(key for row in others for key in row if key not in known):
            cells = [row.get(name) for row in rows]
            if self._may_lack_end and may_be_end(name):
                problems.add_all(
                    (row for row, cell in enumerate(cells) if cell is not None),
                    f"the key {shorten(name)}, which may be the end, is not in the first events",
                    "use end_time or end for the ends",
                )
            self._field(name, (), Marks(), as_text=False).put(cells, found, problems)

    def parts(self, batch: Batch, problems: Problems) -> list[Sequence[Any]]:
        """Return id, id of the stream and node of (n,) events, as far as the file has them."""
        kinds = ((ID, int), (STREAM, int), (UUID, str))
        return [self._part(batch, part, kind, problems) for part, kind in kinds]

    def _part(self, batch: Batch, part: str, kind: type, problems: Problems) -> Sequence[Any]:
        at = self._columns.parts.get(part)
        if at is None:
            return [None] * batch.size
        cells = cells_of(batch, at)
        if set(map(type, cells)) <= {kind, type(None)}:
            return cells
        found: list[Any] = []
        for row, cell in enumerate(cells):
            if type(cell) is str and kind is int and not self.objects:
                bare = cell.strip()
                cell = int(bare) if _INTEGER.fullmatch(bare) else bare or None
            if cell is not None and type(cell) is not kind:
                what = "an integer" if kind is int else "a text"
                shown = repr(cell) if not self.objects else dumps(cell).decode()
                hint = f"use --map {part}=NAME if it is a field of the content"
                problems.add(row, f"{part} must be {what}, not {shown[:40]}", hint)
            found.append(cell)
        return found


def is_ours(names: Sequence[str]) -> bool:
    """Tell whether Joule wrote a header of CSV: numbers then have their usual marks."""
    return list(names[:2]) == [START, END] and CONTENT in names[-2:]


def cells_of(batch: Batch, at: int) -> list[Any]:
    """Return a column as Python objects."""
    cells = batch.column(at)
    return cells.tolist() if isinstance(cells, np.ndarray) else cells
