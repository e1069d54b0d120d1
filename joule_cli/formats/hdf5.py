"""HDF5 with upstream's objects, and the intervals beside them."""

from __future__ import annotations

import io
import os
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import h5py
import numpy as np
import orjson

from joule_cli.errors import FormatError
from joule_cli.formats.atomic import AtomicFile
from joule_cli.formats.base import (
    Place,
    Reader,
    ReadOptions,
    StreamHead,
    Tally,
    WriteOptions,
    Writer,
    order_reason,
    os_failure,
    place_name,
)
from joule_cli.formats.sink import split_compression
from joule_cli.model.data_stream import DATATYPES, KEEP_ALL, DataStream, Element
from joule_cli.series.intervals import Interval
from joule_cli.series.layout import Layout, Rows

if TYPE_CHECKING:
    from collections.abc import Iterator

FORMAT_VERSION = 1
_CHUNK_ROWS = 1 << 16
#: Wide rows get chunks with fewer of them, so that a chunk always fits into memory and its cache.
_CHUNK_BYTES = 1 << 22
_CACHE_BYTES = 1 << 24
#: After the byte shuffle higher levels take more time and save next to nothing.
_GZIP_LEVEL = 1
_BOUNDS = ("minimum", "maximum")
#: h5py raises these for whatever is wrong with a file.
_H5_ERRORS = (OSError, RuntimeError, ValueError, KeyError, TypeError, EOFError)


class Hdf5Reader(Reader):
    """Datasets ``timestamp`` (n, 1) or (n,) and ``data`` (n, k) or (n,); optional ``intervals``.

    Raises
    ------
    FormatError
        Not HDF5, cut, a dataset missing or of the wrong shape or type; rows are counted from 1.
    """

    def __init__(self, place: Place, options: ReadOptions) -> None:
        self.name = place_name(place)
        self.options = options
        self.tally = Tally()
        self._last: int | None = None
        if options.stamps is not None:
            raise FormatError("HDF5 rows always have times", file=self.name)
        self._file = _open(place, self.name)
        try:
            self._data = self._dataset(options.dataset)
            self._times = self._dataset(options.time_dataset)
            self.head = self._read_head()
        except BaseException:
            self.close()
            raise

    def _dataset(self, name: str) -> Any:
        try:
            found = self._file.get(name)
        except _H5_ERRORS as exc:
            raise self._damaged(exc) from exc
        if not isinstance(found, h5py.Dataset):
            raise FormatError(f"there is no dataset {name!r} in the file", file=self.name)
        return found

    def _damaged(self, exc: BaseException) -> FormatError:
        return FormatError("the file is cut or damaged", file=self.name)

    def _read_head(self) -> StreamHead:
        data, times = self._data, self._times
        if times.dtype.kind not in "iuf" or not (
            times.ndim == 1 or (times.ndim == 2 and times.shape[1] == 1)
        ):
            raise FormatError("the times are not one column of numbers", file=self.name)
        if data.dtype.kind not in "iuf" or data.ndim not in (1, 2):
            raise FormatError("the data is not a table of numbers", file=self.name)
        if len(data) != len(times):
            raise FormatError(
                f"there are {len(times)} times for {len(data)} rows of data", file=self.name
            )
        width = 1 if data.ndim == 1 else data.shape[1]
        if width < 1:
            raise FormatError("the data has no columns", file=self.name)
        datatype = self.options.datatype or data.dtype.name
        if datatype not in DATATYPES:
            # float16 and its like; float64 holds them all
            datatype = "float64"
        try:
            return self._describe(Layout(datatype, width))
        except _H5_ERRORS as exc:
            raise FormatError(
                "the description of the stream cannot be read", file=self.name
            ) from exc

    def _describe(self, layout: Layout) -> StreamHead:
        attrs = self._file.attrs
        elements: list[Element] = []
        if "element_json" in attrs:
            elements = [Element.from_json(e) for e in orjson.loads(_text(attrs["element_json"]))]
        elif "elements" in attrs:
            names = orjson.loads(_text(attrs["elements"]))
            elements = [Element(str(name), index=i) for i, name in enumerate(names)]
        if len(elements) != layout.width:
            elements = []
        path = _text(attrs["path"]) if "path" in attrs else None
        stream = DataStream(
            name=(path or "").rpartition("/")[2],
            description=_text(attrs["description"]) if "description" in attrs else "",
            datatype=layout.datatype,
            keep_us=int(attrs.get("keep_us", KEEP_ALL)),
            decimate=bool(attrs.get("decimate", True)),
            elements=elements,
        )
        intervals = None
        if "intervals" in self._file:
            table = self._file["intervals"][()]
            if table.ndim != 2 or table.shape[1] != 2 or table.dtype.kind not in "iu":
                raise ValueError("intervals")
            intervals = [Interval(int(a), int(b)) for a, b in table.tolist()]
        return StreamHead(
            layout=layout,
            elements=elements,
            path=path,
            stream=stream,
            decimation_level=int(attrs.get("decimation_level", 1)),
            intervals=intervals,
            start=int(attrs["start"]) if "start" in attrs else None,
            end=int(attrs["end"]) if "end" in attrs else None,
            node_name=_text(attrs.get("node_name", "")),
            node_url=_text(attrs.get("node_url", "")),
        )

    def blocks(self) -> Iterator[Rows | None]:
        """Give blocks of rows; docstring of `Reader.blocks` applies."""
        ends = None
        if self.head.intervals is not None:
            ends = np.array([interval.end for interval in self.head.intervals], dtype=np.int64)
        number = 0
        step = _chunk_rows(self.head.layout.width * 8)
        for begin in range(0, len(self._times), step):
            rows = self._block(begin, begin + step)
            if ends is None:
                cuts, numbers = [], np.zeros(1, np.int64)
            else:
                numbers = np.searchsorted(ends, rows["timestamp"], side="right")
                cuts = (np.flatnonzero(np.diff(numbers)) + 1).tolist()
            at = 0
            for cut in [*cuts, len(rows)]:
                if self.tally.rows and numbers[at] != number:
                    yield None
                number = int(numbers[at])
                self.tally.rows += cut - at
                yield rows[at:cut]
                at = cut

    def _block(self, begin: int, end: int) -> Rows:
        layout = self.head.layout
        try:
            stamps = self._times[begin:end].reshape(-1)
            values = self._data[begin:end].reshape(len(stamps), -1)
        except _H5_ERRORS as exc:
            raise self._damaged(exc) from exc
        rows = np.empty(len(stamps), layout.dtype)
        rows["timestamp"] = self._whole_times(stamps, begin)
        self._check_order(rows["timestamp"], begin)
        if not np.can_cast(values.dtype, layout.element) or values.dtype.kind == "f":
            self._check_values(values, begin)
        rows["data"] = values
        return rows

    def _whole_times(self, stamps: Any, begin: int) -> Any:
        if stamps.dtype.kind == "i":
            return stamps
        bad = stamps > np.iinfo(np.int64).max
        if stamps.dtype.kind == "f":
            # written so that NaN is bad too
            bad = ~((stamps == np.rint(stamps)) & (np.abs(stamps) < 2.0**63))
        if bad.any():
            at = int(bad.argmax())
            raise FormatError(
                f"row {begin + at + 1}: the time {stamps[at]} is not a whole number of µs",
                file=self.name,
            )
        return stamps.astype(np.int64)

    def _check_order(self, stamps: Any, begin: int) -> None:
        if self._last is not None and len(stamps) and stamps[0] <= self._last:
            at, above = 0, self._last
        elif (falls := stamps[1:] <= stamps[:-1]).any():
            at = int(falls.argmax()) + 1
            above = int(stamps[at - 1])
        else:
            self._last = int(stamps[-1])
            return
        raise FormatError(
            f"row {begin + at + 1}: {order_reason(int(stamps[at]), above)}", file=self.name
        )

    def _check_values(self, values: Any, begin: int) -> None:
        element = self.head.layout.element
        with np.errstate(invalid="ignore", over="ignore"):
            cast = values.astype(element)
        if element.kind == "f":
            bad, what = ~np.isfinite(cast), "is not finite or out of range"
        else:
            # compared as Python numbers, so that no second rounding hides the first
            bad = np.array(
                [
                    a != b
                    for a, b in zip(values.ravel().tolist(), cast.ravel().tolist(), strict=True)
                ]
            ).reshape(values.shape)
            what = f"is not a value of {element.name}"
        if bad.any():
            row, column = divmod(int(bad.argmax()), values.shape[1])
            raise FormatError(
                f"row {begin + row + 1}, column {column + 1}: {values[row, column]} {what}",
                file=self.name,
            )

    def last_timestamp(self) -> int | None:
        """Return the timestamp of the last row, `None` without rows."""
        n = len(self._times)
        if not n:
            return None
        try:
            stamps = self._times[n - 1 : n].reshape(-1)
        except _H5_ERRORS as exc:
            raise self._damaged(exc) from exc
        return int(self._whole_times(stamps, n - 1)[0])

    def close(self) -> None:
        """Close the file; one that was handed in stays open."""
        self._file.close()


def _open(place: Place, name: str) -> h5py.File:
    if isinstance(place, str | os.PathLike):
        _look_at(Path(place), name)
    elif not _seekable(place):
        raise _not_seekable(name)
    try:
        return h5py.File(place, "r", rdcc_nbytes=_CACHE_BYTES, locking=False)
    except _H5_ERRORS as exc:
        if h5py.is_hdf5(place):
            raise FormatError("the file is cut or damaged", file=name) from exc
        raise FormatError("the file is not HDF5, or cut", file=name) from exc


def _look_at(path: Path, name: str) -> None:
    """Raise what h5py would tell apart only in its text: a file missing, forbidden or empty."""
    if path.is_dir():
        raise FormatError("is a directory, not a file", file=name)
    try:
        with path.open("rb", buffering=0) as file:
            seekable = file.seekable()
            empty = seekable and not file.read(1)
    except OSError as exc:
        raise os_failure(exc, name) from exc
    if not seekable:
        raise _not_seekable(name)
    if empty:
        raise FormatError("the file is empty", file=name)


def _seekable(file: IO[bytes]) -> bool:
    try:
        return file.seekable()
    except (OSError, AttributeError, io.UnsupportedOperation):
        return False


def _not_seekable(name: str) -> FormatError:
    return FormatError(
        "HDF5 can only be read from a file, not from a pipe", file=name, hint="name the file"
    )


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _chunk_rows(row_bytes: int) -> int:
    rows = _CHUNK_ROWS
    while rows > 1 and rows * row_bytes > _CHUNK_BYTES:
        rows //= 2
    return rows


class _KeptFailures(io.FileIO):
    """A file whose first failure is kept for `Hdf5Writer` to raise, not raised into HDF5.

    The HDF5 library cannot close a file after a failed write and brings the process down.
    """

    failure: OSError | None = None

    def write(self, data: Any, /) -> int:
        """Write all of `data`, or pretend to after the first failure."""
        rest = memoryview(data).cast("B")
        size = len(rest)
        try:
            while self.failure is None and rest:
                rest = rest[super().write(rest) :]
        except OSError as exc:
            self.failure = exc
        return size

    def truncate(self, size: int | None = None, /) -> int:
        """Set the size, or pretend to after the first failure."""
        try:
            if self.failure is None:
                return super().truncate(size)
        except OSError as exc:
            self.failure = exc
        return size or 0


class Hdf5Writer(Writer):
    """Upstream's objects, readable by Joule 1.0.1, and ours beside them.

    Rows are gathered to whole chunks, so that each chunk is compressed once.
    """

    def __init__(self, place: Place, head: StreamHead, options: WriteOptions) -> None:
        self.head = head
        self.name = place_name(place)
        self._closed = False
        if not isinstance(place, str | os.PathLike):
            raise FormatError("HDF5 can only be written to a named file", file=self.name)
        kind, level = split_compression(
            options.compression or "gzip", self.name, ("gzip", "lzf", "none")
        )
        self._width = head.layout.width // 3 if head.bounds else head.layout.width
        names = ("data", *_BOUNDS) if head.bounds else ("data",)
        self._chunk = _chunk_rows(max(8, self._width * head.layout.element.itemsize))
        self._pending = np.empty(self._chunk, head.layout.dtype)
        self._n_pending = 0
        self._rows = 0
        self._last: int | None = None
        self._open_at: int | None = None
        self._intervals: list[tuple[int, int]] = []
        self._atomic = AtomicFile(place, no_clobber=options.no_clobber, append=options.append)
        if self._atomic.direct:
            raise FormatError("HDF5 can only be written to a regular file", file=self.name)
        self._file: h5py.File | None = None
        self._bytes: _KeptFailures | None = None
        try:
            self._bytes = _KeptFailures(self._atomic.part, "r+")
            if self._atomic.continues:
                self._reopen(names)
            else:
                self._create(names, kind, level)
            self._raise_failure()
        except BaseException as exc:
            self.close(complete=False)
            if isinstance(exc, _H5_ERRORS):
                raise self._failure(exc) from exc
            raise

    def _create(self, names: tuple[str, ...], kind: str, level: int | None) -> None:
        self._file = h5py.File(self._bytes, "w", rdcc_nbytes=_CACHE_BYTES)
        storage: dict[str, Any] = {}
        if kind != "none":
            storage = {"compression": kind, "shuffle": True}
        if kind == "gzip":
            storage["compression_opts"] = level or _GZIP_LEVEL
        self._tables = [
            self._file.create_dataset(
                name,
                (0, self._width),
                maxshape=(None, self._width),
                dtype=self.head.layout.element,
                chunks=(self._chunk, self._width),
                **storage,
            )
            for name in names
        ]
        self._times = self._file.create_dataset(
            "timestamp", (0, 1), maxshape=(None, 1), dtype="<i8", chunks=(self._chunk, 1), **storage
        )
        self._describe()

    def _describe(self) -> None:
        assert self._file is not None
        head = self.head
        attrs = self._file.attrs
        elements = [*head.elements]
        elements += [Element(f"Element {i}", index=i) for i in range(len(elements), self._width)]
        attrs["node_name"] = head.node_name
        attrs["node_url"] = head.node_url
        attrs["path"] = head.path or ""
        attrs["elements"] = orjson.dumps([e.name for e in elements]).decode()
        attrs["element_json"] = orjson.dumps([e.to_json() for e in elements]).decode()
        attrs["format_version"] = FORMAT_VERSION
        attrs["decimation_level"] = head.decimation_level
        stream = head.stream
        attrs["datatype"] = head.layout.datatype if stream is None else stream.datatype
        if stream is not None:
            attrs["description"] = stream.description or ""
            attrs["keep_us"] = stream.keep_us
            attrs["decimate"] = stream.decimate
        if head.start is not None:
            attrs["start"] = head.start
        if head.end is not None:
            attrs["end"] = head.end

    def _reopen(self, names: tuple[str, ...]) -> None:
        """Continue the copy of the old file."""
        self._file = h5py.File(self._bytes, "r+", rdcc_nbytes=_CACHE_BYTES)
        found = [self._file.get(name) for name in ("timestamp", *names)]
        for table in found:
            if not isinstance(table, h5py.Dataset) or table.ndim != 2 or table.maxshape[0]:
                raise FormatError(
                    "the file cannot be continued: it has other objects", file=self.name
                )
        self._times, *self._tables = found
        for table in self._tables:
            if table.shape[1] != self._width or table.dtype != self.head.layout.element:
                raise FormatError(
                    f"the file cannot be continued: its rows are not {self.head.layout}",
                    file=self.name,
                )
        if self._file.attrs.get("decimation_level", 1) != self.head.decimation_level:
            raise FormatError(
                "the file cannot be continued: it has another decimation level", file=self.name
            )
        self._rows = len(self._times)
        if self._rows:
            first = int(self._times[0, 0])
            self._last = int(self._times[self._rows - 1, 0])
            if "intervals" in self._file:
                self._intervals = [(int(a), int(b)) for a, b in self._file["intervals"][()]]
            self._open_at = self._intervals.pop()[0] if self._intervals else first

    def write(self, rows: Rows) -> None:
        """Write rows; docstring of `Writer.write` applies."""
        self._check(rows)
        if not len(rows):
            return
        if self._open_at is None:
            self._open_at = int(rows["timestamp"][0])
        self._last = int(rows["timestamp"][-1])
        at = 0
        while at < len(rows):
            # the rows of a file that is continued may end inside a chunk
            room = self._chunk - (self._rows + self._n_pending) % self._chunk
            part = rows[at : at + room]
            at += len(part)
            if self._n_pending == 0 and len(part) == room:
                self._put(part)
                continue
            self._pending[self._n_pending : self._n_pending + len(part)] = part
            self._n_pending += len(part)
            if len(part) == room:
                self._put_pending()

    def _put_pending(self) -> None:
        part, self._n_pending = self._pending[: self._n_pending], 0
        if len(part):
            self._put(part)

    def _put(self, rows: Rows) -> None:
        end = self._rows + len(rows)
        try:
            self._times.resize(end, axis=0)
            self._times[self._rows : end, 0] = rows["timestamp"]
            for i, table in enumerate(self._tables):
                table.resize(end, axis=0)
                table[self._rows : end] = rows["data"][:, i * self._width : (i + 1) * self._width]
        except _H5_ERRORS as exc:
            raise self._failure(exc) from exc
        self._raise_failure()
        self._rows = end

    def interval_break(self) -> None:
        """End the interval; docstring of `Writer.interval_break` applies."""
        if self._open_at is not None and self._last is not None:
            self._intervals.append((self._open_at, self._last + 1))
            self._open_at = None

    def flush(self) -> None:
        """Hand everything written so far to the operating system."""
        self._put_pending()
        try:
            if self._file is not None:
                self._file.flush()
        except _H5_ERRORS as exc:
            raise self._failure(exc) from exc
        self._raise_failure()

    def close(self, *, complete: bool = True) -> None:
        """Finish the file; one that is not complete is removed."""
        if self._closed:
            return
        self._closed = True
        try:
            if complete:
                self._put_pending()
                self._write_intervals()
            self._close_file()
        except BaseException as exc:
            self._abandon()
            if complete and isinstance(exc, _H5_ERRORS):
                raise self._failure(exc) from exc
            if complete:
                raise
        if complete:
            self._atomic.commit()
        else:
            self._atomic.discard()

    def _write_intervals(self) -> None:
        assert self._file is not None
        self.interval_break()
        if "intervals" in self._file:
            del self._file["intervals"]
        table = np.array(self._intervals, dtype="<i8").reshape(-1, 2)
        self._file.create_dataset("intervals", data=table)

    def _close_file(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()
        if self._bytes is not None:
            self._bytes.close()
            self._raise_failure()

    def _abandon(self) -> None:
        # the file is removed, so nothing that is wrong with it matters any more
        with suppress(FormatError, *_H5_ERRORS):
            self._close_file()
        self._atomic.discard()

    def _raise_failure(self) -> None:
        if self._bytes is not None and self._bytes.failure is not None:
            raise os_failure(self._bytes.failure, self.name) from self._bytes.failure

    def _failure(self, exc: BaseException) -> FormatError:
        if self._bytes is not None and self._bytes.failure is not None:
            return os_failure(self._bytes.failure, self.name)
        if isinstance(exc, OSError) and exc.errno:
            return os_failure(exc, self.name)
        return FormatError("the file cannot be written", file=self.name)
