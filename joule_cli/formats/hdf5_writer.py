"""HDF5 files with the objects that Joule 1.0.1 reads, and the intervals beside them."""

from __future__ import annotations

import io
import os
import zlib
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import numpy.typing as npt
import orjson

from joule_cli.errors import FormatError
from joule_cli.formats.atomic import AtomicFile
from joule_cli.formats.base import (
    FileRef,
    StreamHead,
    WriteOptions,
    Writer,
    os_failure,
    place_name,
)
from joule_cli.formats.hdf5_common import CACHE_BYTES, H5_ERRORS, chunk_rows
from joule_cli.formats.sink import split_compression
from joule_cli.model.data_stream import Element

if TYPE_CHECKING:
    from joule_cli.series.layout import Rows

FORMAT_VERSION = 1
#: After the byte shuffle higher levels take more time and save next to nothing.
_GZIP_LEVEL = 1
#: Chunks that may wait to be compressed, and threads that do it.
_QUEUED, _THREADS = 8, 2
_BOUNDS = ("minimum", "maximum")


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
    """The objects that Joule 1.0.1 reads, and ours beside them.

    Rows are gathered to whole chunks, so that each chunk is compressed once. Whole chunks are
    compressed in threads and stored as they are; HDF5 itself would do it one after the other.
    """

    def __init__(self, place: FileRef, head: StreamHead, options: WriteOptions) -> None:
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
        self._chunk = chunk_rows(max(8, self._width * head.layout.element.itemsize))
        self._pending = np.empty(self._chunk, head.layout.dtype)
        self._n_pending = 0
        self._rows = 0
        self._last: int | None = None
        self._open_at: int | None = None
        self._intervals: list[tuple[int, int]] = []
        self._atomic = AtomicFile(place, no_clobber=options.no_clobber, append=options.append)
        if self._atomic.direct:
            raise FormatError("HDF5 can only be written to a regular file", file=self.name)
        self._level: int | None = None  # of gzip, for chunks compressed here
        self._pool = ThreadPoolExecutor(_THREADS)
        self._queue: deque[tuple[h5py.Dataset, int, Future[bytes]]] = deque()
        self._file: h5py.File | None = None
        self._bytes: _KeptFailures | None = None
        try:
            self._bytes = _KeptFailures(self._atomic.path, "r+")
            if self._atomic.continues:
                self._reopen(names)
            else:
                self._create(names, kind, level)
            self._raise_failure()
        except BaseException as exc:
            self.close(complete=False)
            if isinstance(exc, H5_ERRORS):
                raise self._failure(exc) from exc
            raise

    def _create(self, names: tuple[str, ...], kind: str, level: int | None) -> None:
        self._file = h5py.File(self._bytes, "w", rdcc_nbytes=CACHE_BYTES)
        storage: dict[str, Any] = {}
        if kind != "none":
            storage = {"compression": kind, "shuffle": True}
        if kind == "gzip":
            storage["compression_opts"] = self._level = level or _GZIP_LEVEL
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
        self._file = h5py.File(self._bytes, "r+", rdcc_nbytes=CACHE_BYTES)
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
        columns = [(self._times, rows["timestamp"][:, None])]
        for i, table in enumerate(self._tables):
            columns.append((table, rows["data"][:, i * self._width : (i + 1) * self._width]))
        try:
            for table, values in columns:
                table.resize(end, axis=0)
                if self._level is not None and len(rows) == self._chunk:
                    own = np.array(values, order="C")  # the caller may use its rows again
                    job = self._pool.submit(_deflated, own, self._level)
                    self._queue.append((table, self._rows, job))
                else:
                    table[self._rows : end] = values
            self._store_chunks(_QUEUED)
        except H5_ERRORS as exc:
            raise self._failure(exc) from exc
        self._raise_failure()
        self._rows = end

    def _store_chunks(self, left: int) -> None:
        """Store compressed chunks until at most `left` are waiting."""
        while len(self._queue) > left:
            table, row, job = self._queue.popleft()
            table.id.write_direct_chunk((row, 0), job.result())

    def interval_break(self) -> None:
        """End the interval; docstring of `Writer.interval_break` applies."""
        if self._open_at is not None and self._last is not None:
            self._intervals.append((self._open_at, self._last + 1))
            self._open_at = None

    def flush(self) -> None:
        """Hand everything written so far to the operating system."""
        self._put_pending()
        try:
            self._store_chunks(0)
            if self._file is not None:
                self._file.flush()
        except H5_ERRORS as exc:
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
                self._store_chunks(0)
                self._write_intervals()
            self._close_file()
        except BaseException as exc:
            self._abandon()
            if complete and isinstance(exc, H5_ERRORS):
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
        self._pool.shutdown(cancel_futures=True)
        self._queue.clear()
        file, self._file = self._file, None
        if file is not None:
            file.close()
        if self._bytes is not None:
            self._bytes.close()
            self._raise_failure()

    def _abandon(self) -> None:
        # the file is removed, so nothing that is wrong with it matters any more
        with suppress(FormatError, *H5_ERRORS):
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


def _deflated(values: npt.NDArray[Any], level: int) -> bytes:
    """Apply HDF5's filters shuffle and deflate to a whole chunk."""
    planes = values.view(np.uint8).reshape(-1, values.dtype.itemsize).T
    return zlib.compress(planes.tobytes(), level)
