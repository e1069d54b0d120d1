"""Tables of which any rows can be read at any time."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from joule_cli.formats.containers.base import SAMPLE_ROWS, Batch, Cells, Container
from joule_cli.formats.hdf5_common import chunk_rows

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator


class SlicedTable(Container):
    """A table of known length, read by row numbers.

    A subclass sets `columns`, `n_rows`, `row_bytes` (of one row as it is read) and `slab_rows` (at
    least how many rows are read at a time, for what is stored in large pieces).
    """

    n_rows: int
    row_bytes = 8
    slab_rows = 1

    def __init__(self, name: str) -> None:
        self.name = name
        self.notes = []
        self.warnings = []
        self._done = 0
        self._chosen: Collection[int] | None = None

    @abstractmethod
    def _load(self, begin: int, end: int, columns: Collection[int]) -> list[Cells | None]:
        """Read rows: the cells of these columns, `None` for the others."""

    def choose(self, columns: Collection[int], exact: Collection[int] = ()) -> None:
        """Read these columns only."""
        self._chosen = sorted(set(columns))

    def sample(self) -> Batch:
        """Return the first rows; docstring of `Container.sample` applies."""
        size = min(self.n_rows, SAMPLE_ROWS)
        return Batch(size, self._load(0, size, range(len(self.columns))))

    def batches(self) -> Iterator[Batch | None]:
        """Give the rows; docstring of `Container.batches` applies."""
        step = chunk_rows(max(8, self.row_bytes))
        slab = -(-max(self.slab_rows, step) // step) * step
        for begin in range(0, self.n_rows, slab):
            end = min(begin + slab, self.n_rows)
            cells = self._load(begin, end, self._columns())
            for at in range(begin, end, step):
                size = min(step, end - at)
                part = slice(at - begin, at - begin + size)
                self._done = at + size
                yield Batch(size, [None if c is None else c[part] for c in cells], at + 1)

    def _columns(self) -> Collection[int]:
        return range(len(self.columns)) if self._chosen is None else self._chosen

    @property
    def share(self) -> float | None:
        """The share of the rows that is done."""
        return self._done / self.n_rows if self.n_rows else 1.0

    def last(self) -> Batch | None:
        """Return the last row."""
        if not self.n_rows:
            return None
        return Batch(1, self._load(self.n_rows - 1, self.n_rows, self._columns()), self.n_rows)
