"""What writers of columnar files share: rows gathered to columns, and the file below."""

from __future__ import annotations

import os
from abc import abstractmethod
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa

from joule_cli.errors import FormatError
from joule_cli.formats.arrow_head import describe
from joule_cli.formats.atomic import AtomicFile
from joule_cli.formats.base import (
    FileRef,
    StreamHead,
    WriteOptions,
    Writer,
    column_names,
    column_order,
    os_failure,
    place_name,
)
from joule_cli.formats.containers.arrow_cells import ARROW_ERRORS
from joule_cli.formats.containers.arrow_table import own_rows
from joule_cli.formats.sink import split_compression

if TYPE_CHECKING:
    from collections.abc import Iterator

    from joule_cli.formats.containers.arrow_table import ArrowTable
    from joule_cli.series.layout import Rows

#: Arrow's type of our timestamps.
TIME_TYPE = pa.timestamp("us", tz="UTC")
#: What is gathered takes no more than this, however wide the rows are.
_BLOCK_BYTES = 1 << 25
_INTERVAL_COLUMN = "interval"


class Output:
    """The file that pyarrow writes to.

    A failure is kept for the writer to raise. After it, and after `stop`, writing is only
    pretended: pyarrow ends every file that it lets go of, but one that was cut must have no end.
    """

    closed = False

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._at = 0
        self._stopped = False
        self.failure: OSError | None = None

    def write(self, data: Any) -> int:
        """Write all of `data`."""
        view = memoryview(data).cast("B")
        size = len(view)
        self._at += size
        try:
            while not self._stopped and view:
                # a raw file may take a part only
                view = view[self._file.write(view) :]
        except OSError as exc:
            self._fail(exc)
        return size

    def flush(self) -> None:
        """Hand everything to the operating system."""
        try:
            if not self._stopped:
                self._file.flush()
        except OSError as exc:
            self._fail(exc)

    def _fail(self, exc: OSError) -> None:
        self.failure = exc
        self._stopped = True

    def stop(self) -> None:
        """Write nothing from now on."""
        self._stopped = True

    def tell(self) -> int:
        """Return the number of bytes written."""
        return self._at

    def writable(self) -> bool:
        """Tell that this is an output."""
        return True

    def readable(self) -> bool:
        """Tell that this is no input."""
        return False

    def seekable(self) -> bool:
        """Tell that this goes forwards only."""
        return False

    def close(self) -> None:
        """Do nothing: the file belongs to the writer."""


class TableWriter(Writer):
    """Rows gathered to blocks of columns.

    An old file that is continued is read and written again, since its columns cannot be made
    longer in place.
    """

    #: Of the format, for messages.
    kind: ClassVar[str]
    #: Compressions, the first by default.
    compressions: ClassVar[tuple[str, ...]]
    #: Rows in a block if they are not too wide.
    most_rows: ClassVar[int]

    def __init__(self, place: FileRef, head: StreamHead, options: WriteOptions) -> None:
        self.head = head
        self.name = place_name(place)
        self._closed = False
        self._order = column_order(head, options.bounds_order)
        names = column_names(head, options.bounds_order)
        self._number = _free_name(names) if options.interval_column else None
        compression = options.compression or self._default_compression(place)
        self.compression, self.level = split_compression(compression, self.name, self.compressions)
        self.schema = self._make_schema(names)
        size = max(1, min(self.most_rows, _BLOCK_BYTES // head.layout.row_bytes))
        self._stamps = np.empty(size, np.int64)
        self._columns = np.empty((head.layout.width, size), head.layout.element)
        self._n = 0
        self._breaks: list[int] = []
        self._break_due = False
        self._started = False
        self._interval = 0
        self._atomic: AtomicFile | None = None
        old = self._open_old(place, options)
        try:
            self._begin(place, options)
            if old is not None:
                self._copy(old)
        except BaseException:
            self.close(complete=False)
            raise
        finally:
            if old is not None:
                old.close()

    def _default_compression(self, place: FileRef) -> str:
        return self.compressions[0]

    def _make_schema(self, names: list[str]) -> pa.Schema:
        element = self.head.layout.element
        kind, lacks = pa.from_numpy_dtype(element), element.kind == "f"
        fields = [pa.field("timestamp", TIME_TYPE, nullable=False)]
        fields += [pa.field(name, kind, nullable=lacks) for name in names]
        if self._number is not None:
            fields.append(pa.field(self._number, pa.int32(), nullable=False))
        return pa.schema(fields)

    @abstractmethod
    def _container(self, place: FileRef) -> ArrowTable:
        """Open an old file."""

    @abstractmethod
    def _open(self, output: Output, *, stream: bool) -> None:
        """Begin the file; `stream` tells that it is read while it is written."""

    @abstractmethod
    def _put(self, columns: list[pa.Array], stamps: npt.NDArray[np.int64]) -> None:
        """Write a block that begins an interval at each of `_breaks`."""

    @abstractmethod
    def _end(self) -> None:
        """Write the end of a complete file."""

    def _open_old(self, place: FileRef, options: WriteOptions) -> ArrowTable | None:
        if not options.append:
            return None
        if not isinstance(place, str | os.PathLike):
            raise FormatError(f"only a named {self.kind} file can be continued", file=self.name)
        try:
            if not os.path.isfile(place) or not os.stat(place).st_size:  # noqa: PTH113, PTH116
                return None
        except OSError as exc:
            raise os_failure(exc, self.name) from exc
        old = self._container(place)
        reason = None
        if _plain(old.schema) != _plain(self.schema):
            reason = "it has other columns"
        elif old.told.decimation_level != self.head.decimation_level:
            reason = "it has another decimation level"
        if reason is not None:
            old.close()
            raise FormatError(f"the file cannot be continued: {reason}", file=self.name)
        return old

    def _begin(self, place: FileRef, options: WriteOptions) -> None:
        file: IO[bytes]
        if isinstance(place, str | os.PathLike):
            # an old file stays where it is and is read while the new one is written
            self._atomic = AtomicFile(place, no_clobber=options.no_clobber)
            file = self._atomic.open()
        else:
            file = place
        self._output = Output(file)
        with self._failures():
            self._open(self._output, stream=self._atomic is None or self._atomic.direct)

    def _copy(self, old: ArrowTable) -> None:
        for rows in own_rows(old, self.head.layout, self._order):
            if rows is None:
                self.interval_break()
            else:
                self.write(rows)

    def _description(self) -> dict[str, Any]:
        return describe(self.head, self._number)

    def write(self, rows: Rows) -> None:
        """Write rows; docstring of `Writer.write` applies."""
        self._check(rows)
        if not len(rows):
            return
        if self._break_due:
            self._break_due = False
            self._breaks.append(self._n)
        self._started = True
        at = 0
        while at < len(rows):
            part = rows[at : at + len(self._stamps) - self._n]
            at += len(part)
            end = self._n + len(part)
            self._stamps[self._n : end] = part["timestamp"]
            for column, position in zip(self._columns, self._order, strict=True):
                column[self._n : end] = part["data"][:, position]
            self._n = end
            if end == len(self._stamps):
                self._put_gathered()

    def interval_break(self) -> None:
        """End the interval; docstring of `Writer.interval_break` applies."""
        self._break_due = self._started

    def _put_gathered(self) -> None:
        n, self._n = self._n, 0
        if not n:
            return
        stamps = self._stamps[:n]
        columns = [pa.array(stamps).view(TIME_TYPE)]
        columns += [_column(column[:n]) for column in self._columns]
        if self._number is not None:
            marks = np.zeros(n, np.int32)
            marks[self._breaks] = 1
            columns.append(pa.array(self._interval + np.cumsum(marks, dtype=np.int32)))
        with self._failures():
            self._put(columns, stamps)
        self._interval += len(self._breaks)
        self._breaks = []

    def close(self, *, complete: bool = True) -> None:
        """Finish the file; a named one that is not complete is removed."""
        if self._closed:
            return
        self._closed = True
        try:
            if complete:
                self._put_gathered()
                with self._failures():
                    self._end()
                    self._output.flush()
        except BaseException:
            self._abandon()
            raise
        if not complete:
            self._abandon()
        elif self._atomic is not None:
            self._atomic.commit()

    def _abandon(self) -> None:
        if hasattr(self, "_output"):
            self._output.stop()
        if self._atomic is not None:
            self._atomic.discard()

    @contextmanager
    def _failures(self) -> Iterator[None]:
        """Raise what pyarrow or the file below it could not do."""
        try:
            yield
        except ARROW_ERRORS as exc:
            self._raise_failure()
            raise FormatError("the file cannot be written", file=self.name) from exc
        self._raise_failure()

    def _raise_failure(self) -> None:
        failure = self._output.failure
        if isinstance(failure, BrokenPipeError):
            raise failure
        if failure is not None:
            raise os_failure(failure, self.name) from failure


def _column(values: npt.NDArray[Any]) -> pa.Array:
    """Return the values with null for NaN."""
    missing = np.isnan(values) if values.dtype.kind == "f" else None
    return pa.array(values, mask=missing if missing is not None and missing.any() else None)


def _plain(schema: pa.Schema) -> list[tuple[str, pa.DataType]]:
    # not whether values may be null: files from before missing values say that none is
    return [(field.name, field.type) for field in schema]


def as_json(value: Any) -> bytes:
    """Return compact JSON."""
    return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)


def _free_name(names: list[str]) -> str:
    name = _INTERVAL_COLUMN
    while name in names:
        name += "#"
    return name
