"""What the containers of columnar files share: columns by type, batches by and by."""

from __future__ import annotations

from abc import abstractmethod
from itertools import chain, pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from joule_cli.errors import FormatError
from joule_cli.formats.arrow_head import read_told
from joule_cli.formats.base import FileRef, place_name
from joule_cli.formats.containers.arrow_cells import (
    arrow_errors,
    cells_of,
    heading,
    joined,
)
from joule_cli.formats.containers.base import SAMPLE_ROWS, Batch, Cells, Container
from joule_cli.formats.hdf5_common import chunk_rows
from joule_cli.formats.source import ByteSource

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    import numpy.typing as npt
    import pyarrow as pa

    from joule_cli.series.layout import Layout, Rows


class Raw(NamedTuple):
    """Some rows of a file as they are stored, and those that begin an interval."""

    columns: pa.RecordBatch
    breaks: npt.NDArray[np.int64] | None = None


class ArrowTable(Container):
    """A file with a schema, of our own or of another program."""

    def __init__(self, place: FileRef | ByteSource) -> None:
        self.name = place.name if isinstance(place, ByteSource) else place_name(place)
        self.notes = []
        self.warnings = []
        self._share: float | None = None
        self._held: list[Raw] = []
        self._rest: Iterator[Raw] | None = None
        self._sample: Batch | None = None

    @abstractmethod
    def _read(self, rows: int | None = None) -> Iterator[Raw]:
        """Give the rows with the chosen columns or more, at most `rows` at a time."""

    @abstractmethod
    def _reached(self, rows: int) -> float | None:
        """Return the share that the batches so far, with so many rows, are of the file."""

    @property
    @abstractmethod
    def _again(self) -> bool:
        """Whether the file can be read a second time."""

    def _set_up(self, schema: pa.Schema, metadata: Mapping[bytes, bytes] | None) -> None:
        self.schema = schema
        with arrow_errors(self.name):
            # they may be no UTF-8
            self._names: list[str] = schema.names
        if not self._names:
            raise FormatError("the file has no columns", file=self.name)
        self.told = read_told(metadata, self.name)
        elements = self.told.elements if isinstance(self.told.elements, dict) else {}
        self.columns = [
            heading(field, (elements[field.name].units or "") if field.name in elements else "")
            for field in schema
        ]
        self.choose(range(len(self.columns)))

    def choose(self, columns: Collection[int], exact: Collection[int] = ()) -> None:
        """Load these columns only, and never those that can be neither times nor values."""
        self._chosen: Collection[int] = sorted(
            at for at in set(columns) if self.columns[at].kind != "other"
        )
        self._named = [at for at in set(columns) if self.columns[at].kind == "other"]

    def sample(self) -> Batch:
        """Return the first rows; docstring of `Container.sample` applies."""
        if self._sample is None:
            self._rest = self._read(SAMPLE_ROWS)
            size = 0
            while size < SAMPLE_ROWS and (raw := self._next(self._rest)) is not None:
                self._held.append(raw)
                size += raw.columns.num_rows
                if size and not self._again:
                    break
            size = min(size, SAMPLE_ROWS)
            self._sample = Batch(size, self._sampled(size))
            if self._again:
                self._held = []
        return self._sample

    def _sampled(self, size: int) -> list[Cells | None]:
        parts: list[list[Cells]] = [[] for _ in self.columns]
        for raw in self._held:
            found = self._cells(raw.columns.slice(0, SAMPLE_ROWS), range(len(parts)))
            for part, cells in zip(parts, found, strict=True):
                part.append([] if cells is None else cells)
        return [joined(part)[:size] if part else [] for part in parts]

    def _next(self, raws: Iterator[Raw]) -> Raw | None:
        with arrow_errors(self.name):
            return next(raws, None)

    def _cells(self, batch: pa.RecordBatch, columns: Collection[int]) -> list[Cells | None]:
        cells: list[Cells | None] = [None] * len(self.columns)
        whole = batch.num_columns == len(self.columns)
        with arrow_errors(self.name):
            for at in columns:
                if self.columns[at].kind == "other":
                    cells[at] = [str(self.schema.types[at])[:40]] * batch.num_rows
                    continue
                found = at if whole else batch.schema.get_field_index(self._names[at])
                cells[at] = cells_of(batch.column(found))
        return cells

    def batches(self) -> Iterator[Batch | None]:
        """Give the rows; docstring of `Container.batches` applies."""
        raws = self._read() if self._again or self._rest is None else chain(self._held, self._rest)
        step = chunk_rows(max(8, 8 * len(self._chosen)))
        done = 0
        while (raw := self._next(raws)) is not None:
            size = raw.columns.num_rows
            before, reached = self._share or 0.0, self._reached(done + size)
            breaks = set() if raw.breaks is None else set(raw.breaks.tolist())
            for begin, end in pairwise(sorted({*range(0, size, step), *breaks, size})):
                if begin in breaks and done + begin:
                    yield None
                part = raw.columns.slice(begin, end - begin)
                batch = Batch(
                    end - begin, self._cells(part, [*self._chosen, *self._named]), done + begin + 1
                )
                if reached is not None:
                    self._share = before + (reached - before) * end / size
                yield batch
            done += size
        self._share = self._reached(done)

    @property
    def share(self) -> float | None:
        """The share that is done; docstring of `Container.share` applies."""
        return self._share

    def _last_of(self, batch: pa.RecordBatch, number: int = 0) -> Batch:
        row = batch.slice(batch.num_rows - 1)
        return Batch(1, self._cells(row, [*self._chosen, *self._named]), number)


def own_rows(table: ArrowTable, layout: Layout, order: Sequence[int]) -> Iterator[Rows | None]:
    """Give the rows of a file of our own, with a break between two intervals.

    Parameters
    ----------
    layout
        Of the rows. The columns behind the time and the values do not matter.
    order
        Which value of a row each column holds.

    Raises
    ------
    FormatError
        The file cannot be read, or its times do not rise.
    """
    table.choose(range(layout.width + 1))
    told = table.told.intervals
    ends = None if told is None else np.array([interval.end for interval in told], np.int64)
    last: int | None = None
    for batch in table.batches():
        if batch is None:
            yield None
            continue
        rows = np.empty(batch.size, layout.dtype)
        rows["timestamp"] = np.asarray(batch.column(0)).view(np.int64)
        for at, position in enumerate(order, 1):
            rows["data"][:, position] = batch.column(at)
        stamps = rows["timestamp"]
        if (last is not None and stamps[0] <= last) or (stamps[1:] <= stamps[:-1]).any():
            raise FormatError("the times do not rise", file=table.name)
        if ends is None:
            yield rows
            last = int(rows["timestamp"][-1])
            continue
        numbers = np.searchsorted(ends, rows["timestamp"], side="right")
        if last is not None and numbers[0] != np.searchsorted(ends, last, side="right"):
            yield None
        for begin, end in pairwise(
            [0, *(np.flatnonzero(np.diff(numbers)) + 1).tolist(), len(rows)]
        ):
            if begin:
                yield None
            yield rows[begin:end]
        last = int(rows["timestamp"][-1])
