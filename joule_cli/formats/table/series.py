"""Seeing that rows of different series are not mixed."""

from __future__ import annotations

import shlex
from datetime import UTC
from typing import TYPE_CHECKING, Any

import numpy as np

from joule_cli.errors import FormatError
from joule_cli.formats.numbers import shorten
from joule_cli.formats.table.order import order_reason
from joule_cli.formats.table.problems import Reason
from joule_cli.series.time_output import format_time

if TYPE_CHECKING:
    from joule_cli.formats.containers.base import Batch
    from joule_cli.formats.table.head import Interpretation
    from joule_cli.formats.table.options import ReadOptions


class SeriesWatch:
    """Watches the columns that tell series apart, and explains rows that repeat a time.

    A column with such a name, several values and no part in the rows would put different series
    into one element.
    """

    def __init__(self, view: Interpretation, options: ReadOptions) -> None:
        self._view = view
        self._options = options
        #: Columns that are watched, and the one value that they had so far.
        self._single: dict[int, str | None] = {}
        self._other: list[int] = []
        self._kept: dict[int, str] = {}
        if options.labels or not view.columns.times:
            return
        for position in view.series_labels:
            texts = [_text(cell) for cell in view.sample.column(position)]
            known = {text for text in texts if text}
            if len(known) <= 1:
                self._single[position] = next(iter(known), None)
            elif len(known) <= len(texts) // 2:
                raise self._mixed(position, sorted(known))
            else:
                # a number of its own in each row, or nearly so
                self._other.append(position)

    @property
    def positions(self) -> set[int]:
        """The columns that are watched."""
        return {*self._single, *self._other}

    def look(self, batch: Batch) -> None:
        """See whether a column has a second value now."""
        for position, single in self._single.items():
            for part in (batch, batch.odd_rows):
                if part is None:
                    continue
                cells = part.column(position)
                found = {_text(cell) for cell in set(cells)} - {"", single}
                if found and single is None and len(found) == 1:
                    self._single[position] = single = found.pop()
                elif found:
                    raise self._mixed(position, sorted({*found, *([single] if single else [])}))

    def keep(self, batch: Batch, row: int) -> None:
        """Remember the last row of a batch that was taken."""
        self._kept = {at: _text(batch.cell(row, at)) for at in self.positions}

    def explain(
        self,
        batch: Batch,
        row: int,
        above: int | None,
        stamp: int,
        before: int,
        kept: tuple[str, int] | None,
    ) -> Reason | None:
        """Say why a row does not come after the one above it, if there is more to say."""
        times = self._view.times
        if times is None:
            return None
        shown = times.shown(batch, row)
        upper, number = kept or ("", 0)
        if above is not None:
            upper, number = times.shown(batch, above), batch.number(above)
        for position in self.positions:
            one = _text(batch.cell(row, position))
            kept_value = self._kept.get(position, one)
            two = kept_value if above is None else _text(batch.cell(above, position))
            if one != two:
                reason = self._mixed(position, [two, one])
                return Reason(
                    f"the time {shown} repeats or steps back: {reason.message}", reason.hint
                )
        if stamp == before and upper and shown != upper:
            unit = self._view.container.unit
            return Reason(
                f"{unit}s {number} and {batch.number(row)} differ only below a microsecond: "
                f"{upper} and {shown} are both {format_time(stamp, 'human', UTC)}",
                "use --on-duplicate first, last or mean",
            )
        return order_reason(stamp, before, shown)

    def _mixed(self, position: int, values: list[str]) -> FormatError:
        name = self._view.container.columns[position].name
        some = ", ".join(map(shorten, values[:5])) + (" and more" if len(values) > 5 else "")
        condition = shlex.quote(f"{name}={values[0]}")
        return FormatError(
            f"the column {shorten(name)} tells several series apart ({some}), which would be mixed",
            file=self._view.container.name,
            hint=f"use --where {condition} for one of them, or --stream "
            f"'/FOLDER/{{{name}}}' for a stream of each",
        )


def _text(cell: Any) -> str:
    if cell is None or cell is np.ma.masked:
        return ""
    return cell.strip() if isinstance(cell, str) else str(cell)
