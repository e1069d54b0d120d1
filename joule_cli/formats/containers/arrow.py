"""Arrow IPC: files, read by their index, and streams, read as they come."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa

from joule_cli.errors import FormatError
from joule_cli.formats.arrow_head import KEY
from joule_cli.formats.containers.arrow_cells import arrow_errors
from joule_cli.formats.containers.arrow_size import StreamWatch, check_file
from joule_cli.formats.containers.arrow_table import ArrowTable, Raw
from joule_cli.formats.source import ByteSource, open_source

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from joule_cli.formats.base import FileRef
    from joule_cli.formats.containers.base import Batch
    from joule_cli.formats.table.options import ReadOptions

_FILE_MAGIC, _STREAM_MAGIC, _OLD_MAGIC = b"ARROW1", b"\xff\xff\xff\xff", b"FEA1"
#: The magic of a file and the zeros behind it; a stream follows.
_FILE_HEAD = 8
_STREAM_END = b"\xff\xff\xff\xff\0\0\0\0"
#: Files with batches larger than this are mapped, which spares memory for whole batches.
_LARGE_BATCH = 1 << 26


class ArrowContainer(ArrowTable):
    """Arrow IPC, batch by batch."""

    kind = "Arrow"

    def __init__(self, place: FileRef | ByteSource, options: ReadOptions) -> None:
        super().__init__(place)
        self._file: Any = None
        self._n_read = 0
        self._native: pa.NativeFile | None = None
        self._source: ByteSource | None = open_source(place, "utf-8")
        try:
            self._open(place)
        except BaseException:
            self.close()
            raise

    def _open(self, place: FileRef | ByteSource) -> None:
        assert self._source is not None
        head = self._source.peek()
        while len(head) < _FILE_HEAD and self._source.peek_more():
            head = self._source.peek()
        if head.startswith(_OLD_MAGIC):
            raise FormatError(
                "the file is Feather of version 1, only 2 can be read", file=self.name
            )
        if not head.startswith((_FILE_MAGIC, _STREAM_MAGIC)):
            raise FormatError("the file is not Arrow", file=self.name)
        is_file = head.startswith(_FILE_MAGIC)
        with arrow_errors(self.name):
            if is_file and isinstance(place, str | os.PathLike) and not self._source.compressed:
                self._source.close()
                self._source = None
                with Path(place).open("rb") as raw:
                    check_file(raw, _FILE_HEAD, self.name)
                self._file = self._open_file(os.fspath(place))
                schema = self._file.schema
            else:
                self._pulled = _Pulled(self._source)
                if is_file:
                    self._pulled.read(_FILE_HEAD)
                self._pulled.watch = StreamWatch(self.name)
                self._stream = pa.ipc.open_stream(self._pulled)
                schema = self._stream.schema
        self._set_up(schema, schema.metadata)

    def _open_file(self, path: str) -> Any:
        self._native = pa.OSFile(path, "r")
        found = pa.ipc.open_file(self._native)
        if found.num_record_batches and self._native.size() > (
            _LARGE_BATCH * found.num_record_batches
        ):
            self._native.close()
            self._native = pa.memory_map(path, "r")
            found = pa.ipc.open_file(self._native)
        return found

    def choose(self, columns: Collection[int], exact: Collection[int] = ()) -> None:
        """Do not even unpack the columns that are not needed."""
        super().choose(columns, exact)
        if self._file is not None and len(self._chosen) < len(self._names) == len(set(self._names)):
            options = pa.ipc.IpcReadOptions(included_fields=list(self._chosen))
            with arrow_errors(self.name):
                self._file = pa.ipc.open_file(self._native, options=options)

    @property
    def _again(self) -> bool:
        return self._file is not None

    def _read(self, rows: int | None = None) -> Iterator[Raw]:
        for batch, metadata in self._stored():
            batch.validate()
            yield Raw(batch, self._breaks_of(metadata, batch.num_rows))

    def _stored(self) -> Iterator[tuple[pa.RecordBatch, Mapping[bytes, bytes] | None]]:
        if self._file is not None:
            for number in range(self._file.num_record_batches):
                self._n_read = number + 1
                found = self._file.get_batch_with_custom_metadata(number)
                yield found.batch, found.custom_metadata
            return
        while True:
            try:
                found = self._stream.read_next_batch_with_custom_metadata()
            except StopIteration:
                break
            yield found.batch, found.custom_metadata
        if self._pulled.tail == _STREAM_END:
            return
        # the end may be left out by others
        if self.told.own:
            raise FormatError("the file is cut: it has no end", file=self.name)
        self.warnings.append("the stream has no end, it may be cut")

    def _reached(self, rows: int) -> float | None:
        if self._file is not None:
            return self._n_read / self._file.num_record_batches if self._n_read else 1.0
        return self._pulled.share

    def _breaks_of(
        self, metadata: Mapping[bytes, bytes] | None, n: int
    ) -> npt.NDArray[np.int64] | None:
        text = (metadata or {}).get(KEY)
        if not self.told.own or text is None:
            return None
        try:
            breaks = np.array(orjson.loads(text)["breaks"], np.int64)
        except (ValueError, KeyError, TypeError, OverflowError):
            breaks = np.array([-1])
        if breaks.ndim != 1 or (len(breaks) and not 0 <= breaks.min() <= breaks.max() < n):
            raise FormatError("the intervals cannot be read", file=self.name)
        return breaks

    def last(self) -> Batch | None:
        """Return the last row of a file, by its index."""
        if self._file is None:
            return None
        for number in reversed(range(self._file.num_record_batches)):
            with arrow_errors(self.name):
                batch = self._file.get_batch(number)
                batch.validate()
            if batch.num_rows:
                return self._last_of(batch)
        return None

    def close(self) -> None:
        """Close the file; one that was handed in stays open."""
        if self._native is not None:
            self._native.close()
        if self._source is not None:
            self._source.close()


class _Pulled:
    """Bytes from a source in the sizes that pyarrow asks for; `tail` holds the last of them."""

    closed = False

    def __init__(self, source: ByteSource) -> None:
        self._source = source
        self._rest = memoryview(b"")
        self._at = 0
        self.tail = b""
        self.watch: StreamWatch | None = None

    def read(self, size: int = -1) -> bytes:
        """Return `size` bytes, fewer only at the end."""
        parts = []
        while size:
            if not self._rest:
                self._rest = memoryview(self._source.read())
                if not self._rest:
                    break
            part = self._rest if size < 0 else self._rest[:size]
            self._rest = self._rest[len(part) :]
            parts.append(part)
            size -= len(part) if size > 0 else 0
        data = b"".join(parts)
        if self.watch is not None:
            self.watch(data)
        self._at += len(data)
        if data:
            self.tail = (self.tail + data[-len(_STREAM_END) :])[-len(_STREAM_END) :]
        return data

    @property
    def share(self) -> float | None:
        """The share of the file that was read, `None` if unknown."""
        return self._source.share(len(self._rest))

    def tell(self) -> int:
        """Return the number of bytes read."""
        return self._at

    def readable(self) -> bool:
        """Tell that this is an input."""
        return True

    def seekable(self) -> bool:
        """Tell that this goes forwards only."""
        return False

    def close(self) -> None:
        """Do nothing: the source belongs to the container."""
