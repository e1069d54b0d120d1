"""One batch of cells to times and values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from joule_cli.formats.numbers import Array, shorten
from joule_cli.formats.table.problems import Problems

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from joule_cli.formats.containers.base import Batch
    from joule_cli.formats.table.columns import Columns
    from joule_cli.formats.table.times import TimeColumn
    from joule_cli.formats.table.values import MissingValues, ValueColumn
    from joule_cli.series.layout import Rows

Mask = npt.NDArray[np.bool_]


@dataclass(slots=True)
class Parsed:
    """A batch whose cells are read.

    Parameters
    ----------
    rows
        (n,) with the times as they were read: local ones are not yet instants.
    instants
        Which times are UTC already; `None` for all.
    missing
        By the index of the element: which values are missing.
    intervals
        (n,) number of the interval of each row, where a column tells it.
    chosen
        Which rows are wanted at all; `None` for all.
    labels
        Values of the columns that tell streams apart, by row.
    """

    rows: Rows
    instants: Mask | None = None
    missing: dict[int, Mask] = field(default_factory=dict)
    intervals: npt.NDArray[np.int64] | None = None
    chosen: Mask | None = None
    labels: list[tuple[str, ...]] | None = None
    problems: Problems = field(default_factory=Problems)


class BatchParser:
    """Reads the cells of the batches of one file."""

    def __init__(
        self,
        columns: Columns,
        times: TimeColumn | None,
        values: Sequence[ValueColumn],
        missing: MissingValues,
        dtype: np.dtype[Any],
        stamps: Any,
    ) -> None:
        self._columns = columns
        self._times = times
        self._values = values
        self._missing = missing
        self._dtype = dtype
        self._element = dtype["data"].base
        self._stamps = stamps

    def __call__(self, batch: Batch) -> Parsed:
        """Read a batch."""
        odd = batch.odd_rows
        found = self._parse(batch) if odd is None else self._both(batch, odd)
        found.problems.found.update(batch.bad)
        if self._stamps is not None:
            # bad rows had their time, too
            found.rows["timestamp"] = self._stamps(batch.size)
        return found

    def _both(self, batch: Batch, odd_rows: Batch) -> Parsed:
        """Read the usual rows and those that need a closer look, and put them together."""
        odd = np.array(batch.odd, np.intp)
        usual = np.delete(np.arange(batch.size), odd)
        exact = None if batch.exact is None else _of_rows(batch, usual)
        plain = type(batch)(len(usual), batch.cells, batch.first, flat=batch.flat, exact=exact)
        rows = np.empty(batch.size, self._dtype)
        found = Parsed(rows)
        for positions, part in ((usual, self._parse(plain)), (odd, self._parse(odd_rows))):
            rows[positions] = part.rows
            for row, reason in part.problems.found.items():
                found.problems.found[int(positions[row])] = reason
            for element, mask in part.missing.items():
                whole = found.missing.setdefault(element, np.zeros(batch.size, bool))
                whole[positions] = mask
            for name in ("instants", "chosen", "intervals"):
                self._spread(found, name, positions, getattr(part, name))
            if part.labels is not None:
                if found.labels is None:
                    found.labels = [()] * batch.size
                for position, label in zip(positions.tolist(), part.labels, strict=True):
                    found.labels[position] = label
        return found

    def _spread(self, found: Parsed, name: str, positions: Array, part: Array | None) -> None:
        if part is None:
            return
        whole = getattr(found, name)
        if whole is None:
            # of the other part all are instants, and all are wanted
            whole = np.ones(len(found.rows), part.dtype)
            setattr(found, name, whole)
        whole[positions] = part

    def _parse(self, batch: Batch) -> Parsed:
        columns = self._columns
        found = Parsed(np.empty(batch.size, self._dtype))
        if self._times is not None:
            stamps, found.instants = self._times.read(batch, found.problems)
            found.rows["timestamp"] = stamps
        if not self._block(batch, found):
            for index, position in enumerate(columns.values):
                exact = None
                if batch.exact is not None:
                    exact = _of_column(batch, position)
                values, missing = self._values[index].read(
                    batch.column(position), found.problems, exact
                )
                found.rows["data"][:, index] = values
                if missing is not None:
                    found.missing[index] = missing
        for position, wanted in columns.where:
            mask = self._matches(batch, position, wanted)
            found.chosen = mask if found.chosen is None else found.chosen & mask
        if columns.interval is not None:
            found.intervals = self._numbers(batch, columns.interval, found.problems)
        if columns.labels:
            cells = [batch.column(position) for position in columns.labels]
            found.labels = [tuple(map(_text, row)) for row in zip(*cells, strict=True)]
        return found

    def _block(self, batch: Batch, found: Parsed) -> bool:
        """Convert all values at once, where they are plain numbers; false if they are not."""
        if batch.flat is None or self._element.kind != "f" or not batch.size:
            return False
        if self._missing.numbers:
            return False
        table = np.array(batch.flat, np.float64).reshape(batch.size, -1)
        positions = self._columns.values
        first, last = positions[0], positions[-1]
        if positions == list(range(first, last + 1)):
            values = table[:, first : last + 1]
        else:
            values = table[:, positions]
        missing = np.isnan(values)
        if missing.any():
            values = np.where(missing, 0.0, values)
        if not max(-values.min(), values.max()) < 2.0**53:
            return False
        if self._element.itemsize < 8:
            from joule_cli.formats.numbers import narrowed

            stored = narrowed(np.ascontiguousarray(values), self._element)
            if stored is None:
                return False
            values = stored
        found.rows["data"] = values
        for index in np.flatnonzero(missing.any(axis=0)).tolist():
            mask = missing[:, index]
            found.rows["data"][mask, index] = np.nan
            found.missing[index] = mask
        return True

    def _matches(self, batch: Batch, position: int, wanted: str) -> Mask:
        cells = batch.column(position)
        if wanted == "*":
            return np.ones(len(cells), bool)
        return np.array([_text(cell) == wanted for cell in cells], bool)

    def _numbers(self, batch: Batch, position: int, problems: Problems) -> Any:
        cells = batch.column(position)
        if (
            isinstance(cells, np.ndarray)
            and cells.dtype.kind in "iu"
            and not np.ma.is_masked(cells)
        ):
            return np.ma.getdata(cells).astype(np.int64)
        out = np.zeros(len(cells), np.int64)
        for row, cell in enumerate(cells):
            try:
                out[row] = int(cell)
            except (ValueError, TypeError, OverflowError):
                problems.add(row, f"the interval {shorten(_text(cell))} is not an integer")
        return out


def _of_rows(batch: Batch, rows: npt.NDArray[np.intp]) -> Callable[[int, int], Any]:
    def exact(row: int, position: int) -> Any:
        assert batch.exact is not None
        return batch.exact(int(rows[row]), position)

    return exact


def _of_column(batch: Batch, position: int) -> Callable[[int], Any]:
    def exact(row: int) -> Any:
        assert batch.exact is not None
        return batch.exact(row, position)

    return exact


def _text(cell: Any) -> str:
    if cell is None or cell is np.ma.masked:
        return ""
    return cell.strip() if isinstance(cell, str) else str(cell)
