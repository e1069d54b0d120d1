"""What readers of columnar files share: the choice of the columns, rows out of them."""

from __future__ import annotations

from abc import abstractmethod
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from joule_cli.errors import FormatError
from joule_cli.formats.arrow_columns import (
    Problems,
    element_type,
    is_time,
    read_numbers,
    read_times,
    read_values,
)
from joule_cli.formats.arrow_head import read_description
from joule_cli.formats.base import (
    Reader,
    ReadOptions,
    StreamHead,
    Tally,
    check_rising,
    order_reason,
    os_failure,
)
from joule_cli.formats.hdf5_common import chunk_rows
from joule_cli.formats.numbers import shorten
from joule_cli.formats.times import TimeParser
from joule_cli.series.layout import Layout, Rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: pyarrow raises these for whatever is wrong with a file.
ARROW_ERRORS = (pa.ArrowException, OSError, ValueError, EOFError, KeyError, TypeError, MemoryError)
#: Names that a column of times is looked for by.
_TIME_NAME = "timestamp"

Numbers = npt.NDArray[np.int64]


class Batch(NamedTuple):
    """Some rows of a file as they are stored.

    `breaks` are the rows that begin an interval, `None` where the file does not tell it so.
    """

    columns: pa.RecordBatch
    breaks: Numbers | None = None


@contextmanager
def arrow_errors(name: str) -> Iterator[None]:
    """Turn what pyarrow raises about the file `name` into errors for a person."""
    try:
        yield
    except pa.ArrowNotImplementedError as exc:
        raise FormatError("the file uses what this pyarrow cannot read", file=name) from exc
    except ARROW_ERRORS as exc:
        if isinstance(exc, OSError) and exc.errno:
            raise os_failure(exc, name) from exc
        raise FormatError("the file is cut or damaged", file=name) from exc


class TableReader(Reader):
    """Rows of a file with columns, of our own or of another program.

    The times are the column that the options name, else ``timestamp``, else the first that holds
    times, else the first. All others are values, which are converted to one type.

    Raises
    ------
    FormatError
        A column is missing or of a type that cannot be read; rows are counted from 1.
    """

    #: Of the format, for messages.
    kind: str

    def __init__(self, name: str, options: ReadOptions) -> None:
        self.name = name
        self.options = options
        self.tally = Tally()
        self._last: int | None = None
        self._interval: int | None = None
        self._breaks = 0
        self._share: float | None = None
        self._times = TimeParser(options.time_format, options.tz)
        if options.stamps is not None:
            raise FormatError(f"{self.kind} rows always have times", file=name)

    @abstractmethod
    def _batches(self) -> Iterator[Batch]:
        """Give the columns of `_needed`, or more."""

    @abstractmethod
    def _reached(self, rows: int) -> float | None:
        """Return the share that the batches so far, with so many rows, are of the file."""

    def _set_up(self, schema: pa.Schema, metadata: Mapping[bytes, bytes] | None) -> None:
        """Choose the columns."""
        self.schema = schema
        with arrow_errors(self.name):
            # they may be no UTF-8
            self.names: list[str] = schema.names
        self._told = read_description(metadata, self.name)
        self._time, self._number, self._values = self._choose()
        kinds = [self._value_type(at) for at in self._values]
        datatype = self.options.datatype or np.result_type(*kinds).name
        layout = Layout(datatype, len(kinds))
        self.head: StreamHead = self._told.head(layout, [self.names[at] for at in self._values])
        self._ends: Numbers | None = None
        if self.head.intervals is not None and self._number is None:
            self._ends = np.array([interval.end for interval in self.head.intervals], np.int64)

    def _needed(self) -> list[int]:
        numbers = [] if self._number is None else [self._number]
        return sorted({self._time, *self._values, *numbers})

    def _choose(self) -> tuple[int, int | None, list[int]]:
        options, names = self.options, self.names
        if not names:
            raise FormatError("the file has no columns", file=self.name)
        if options.time_column is not None:
            time = self._find(options.time_column)
        else:
            time = self._guess_time()
        if not is_time(self.schema.types[time]):
            raise self._refused(time, "times")
        number = None
        if options.interval_column is not None:
            number = self._find(options.interval_column)
        elif self._told.interval_column in names:
            number = names.index(self._told.interval_column)
        if options.use_columns is not None:
            values = [self._find(ref) for ref in options.use_columns]
        else:
            values = [
                at
                for at, name in enumerate(names)
                # the last are row numbers that pandas keeps
                if at not in (time, number) and not name.startswith("__index_level_")
            ]
        if not values:
            raise FormatError("expected a timestamp and at least one value", file=self.name)
        return time, number, values

    def _guess_time(self) -> int:
        names = self.names
        if _TIME_NAME in names:
            return names.index(_TIME_NAME)
        for at, kind in enumerate(self.schema.types):
            if pa.types.is_timestamp(kind):
                return at
        return 0

    def _find(self, ref: str | int) -> int:
        names = self.names
        if isinstance(ref, str) and names.count(ref) == 1:
            return names.index(ref)
        if isinstance(ref, str) and ref in names:
            raise FormatError(f"several columns are called {shorten(ref)}", file=self.name)
        if isinstance(ref, int) or ref.isdecimal():
            if 0 <= int(ref) < len(names):
                return int(ref)
            raise FormatError(
                f"there is no column {ref}, the file has {len(names)} columns, counted from 0",
                file=self.name,
            )
        known = ", ".join(map(shorten, names[:20]))
        raise FormatError(f"there is no column {shorten(ref)}, only {known}", file=self.name)

    def _value_type(self, at: int) -> np.dtype[Any]:
        found = element_type(self.schema.types[at])
        if found is None:
            raise self._refused(at, "numbers")
        return found

    def _refused(self, at: int, wanted: str) -> FormatError:
        kind = str(self.schema.types[at])
        kind = kind if len(kind) <= 40 else f"{kind[:37]}..."
        return FormatError(
            f"the column {shorten(self.names[at])} holds {kind}, not {wanted}",
            file=self.name,
            hint="choose the columns with --time-column and --use-columns",
        )

    def blocks(self) -> Iterator[Rows | None]:
        """Give blocks of rows; docstring of `Reader.blocks` applies."""
        step = chunk_rows(max(8, self.head.layout.row_bytes))
        begin = 0
        batches = self._batches()
        while True:
            with arrow_errors(self.name):
                batch = next(batches, None)
            if batch is None:
                self._share = self._reached(begin)
                return
            size = batch.columns.num_rows
            before, reached = self._share or 0.0, self._reached(begin + size)
            numbers = None if batch.breaks is None else self._numbered(batch)
            for at in range(0, size, step):
                part = batch.columns.slice(at, step)
                rows, kept = self._rows(part, begin + at)
                if reached is not None:
                    self._share = before + (reached - before) * min((at + step) / size, 1.0)
                if not len(rows):
                    continue
                known = None if numbers is None else numbers[at : at + step]
                yield from self._cut(rows, self._intervals_of(part, rows, known, kept, begin + at))
            begin += size

    @property
    def share(self) -> float | None:
        """The share that is done; docstring of `Reader.share` applies."""
        return self._share

    def _numbered(self, batch: Batch) -> Numbers:
        """Give each row the number of its interval."""
        marks = np.zeros(batch.columns.num_rows, np.int64)
        marks[batch.breaks] = 1
        numbers = self._breaks + np.cumsum(marks)
        self._breaks += len(marks.nonzero()[0])
        return numbers

    def _column(self, batch: pa.RecordBatch, at: int) -> pa.Array:
        if batch.num_columns != len(self.names):
            at = batch.schema.get_field_index(self.names[at])
        return batch.column(at)

    def _rows(self, batch: pa.RecordBatch, begin: int) -> tuple[Rows, npt.NDArray[np.bool_] | None]:
        """Turn columns into rows, and tell which were taken if not all were."""
        layout = self.head.layout
        rows = np.empty(batch.num_rows, layout.dtype)
        problems = Problems(every=self.options.on_reject is not None)
        with arrow_errors(self.name):
            times = self._column(batch, self._time)
            rows["timestamp"] = read_times(times, self._times, self.options.tz, problems)
            for i, at in enumerate(self._values):
                name = self.names[at]
                column = self._column(batch, at)
                rows["data"][:, i] = read_values(column, layout.element, name, problems)
        kept = None
        if problems.found or not check_rising(rows, self._last):
            kept = self._sift(batch, rows["timestamp"], begin, problems)
            rows = rows[kept]
        if len(rows):
            self._last = int(rows["timestamp"][-1])
            self.tally.rows += len(rows)
        return rows, kept

    def _sift(
        self, batch: pa.RecordBatch, stamps: Numbers, begin: int, problems: Problems
    ) -> npt.NDArray[np.bool_]:
        """Leave out bad rows, and those whose time does not rise, or fail at the first."""
        last = self._last
        kept = np.ones(len(stamps), bool)
        for row, stamp in enumerate(stamps.tolist()):
            reason = problems.found.get(row)
            if reason is None and last is not None and stamp <= last:
                reason = order_reason(stamp, last)
            if reason is None:
                last = stamp
                continue
            kept[row] = False
            if self.options.on_reject is None:
                raise FormatError(f"row {begin + row + 1}: {reason}", file=self.name)
            self.tally.rejected += 1
            self.options.on_reject(begin + row + 1, self._shown(batch, row), reason)
        return kept

    def _shown(self, batch: pa.RecordBatch, row: int) -> str:
        """Return a row as text."""
        cells = [self._column(batch, at)[row].as_py() for at in (self._time, *self._values)]
        return ",".join("" if cell is None else str(cell) for cell in cells)

    def _intervals_of(
        self,
        batch: pa.RecordBatch,
        rows: Rows,
        known: Numbers | None,
        kept: npt.NDArray[np.bool_] | None,
        begin: int,
    ) -> Numbers | None:
        """Return the number of the interval of each row; `None` when nothing tells."""
        if self._number is not None:
            problems = Problems(every=False)
            name = self.names[self._number]
            with arrow_errors(self.name):
                known = read_numbers(self._column(batch, self._number), name, problems)
            for row, reason in problems.found.items():
                raise FormatError(f"row {begin + row + 1}: {reason}", file=self.name)
        elif self._ends is not None:
            return np.searchsorted(self._ends, rows["timestamp"], side="right")
        return known if known is None or kept is None else known[kept]

    def _time_of(self, batch: pa.RecordBatch) -> int | None:
        """Return the time of the last row of a batch that has the column of times."""
        if not batch.num_rows:
            return None
        row = batch.slice(batch.num_rows - 1)
        problems = Problems(every=False)
        with arrow_errors(self.name):
            column = self._column(row, self._time)
            stamps = read_times(column, self._times, self.options.tz, problems)
        for reason in problems.found.values():
            raise FormatError(f"the last row: {reason}", file=self.name)
        return int(stamps[-1])

    def _cut(self, rows: Rows, numbers: Numbers | None) -> Iterator[Rows | None]:
        """Put breaks where the number of the interval changes."""
        if numbers is None:
            yield rows
            return
        if self._interval is not None and numbers[0] != self._interval:
            yield None
        begin = 0
        for cut in (np.flatnonzero(np.diff(numbers)) + 1).tolist():
            yield rows[begin:cut]
            yield None
            begin = cut
        yield rows[begin:]
        self._interval = int(numbers[-1])
