"""Parquet files."""

from __future__ import annotations

import os
from typing import IO, TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from joule_cli.errors import FormatError
from joule_cli.formats.containers.arrow_cells import arrow_errors, is_text
from joule_cli.formats.containers.arrow_size import check_ratio
from joule_cli.formats.containers.arrow_table import ArrowTable, Raw
from joule_cli.formats.hdf5_common import chunk_rows
from joule_cli.formats.seekable import check_seekable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from joule_cli.formats.base import FileRef
    from joule_cli.formats.containers.base import Batch
    from joule_cli.formats.table.options import ReadOptions

_MAGIC = b"PAR1"
#: Bytes of each column that are read at a time, instead of whole row groups.
_READ_BYTES = 1 << 20
#: A text of the metadata may be this long: the list of intervals is.
_LONGEST_TEXT = 1 << 30


class ParquetContainer(ArrowTable):
    """Parquet, batch by batch."""

    kind = "Parquet"

    def __init__(self, place: FileRef, options: ReadOptions) -> None:
        super().__init__(place)
        check_seekable(place, self.name, self.kind)
        with arrow_errors(self.name):
            self._source = _source(place)
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    def _open(self) -> None:
        with arrow_errors(self.name):
            magic = self._source.read(len(_MAGIC))
            self._source.seek(0)
        if magic != _MAGIC:
            raise FormatError("the file is not Parquet", file=self.name)
        with arrow_errors(self.name):
            self._file = self._opened([])
            schema, metadata = self._file.schema_arrow, self._file.metadata.metadata
        self._set_up(schema, metadata)
        with arrow_errors(self.name):
            self._check_size()
        texts = [field.name for field in schema if is_text(field.type)]
        if texts:
            # one text that many rows refer to is not copied for each of them
            with arrow_errors(self.name):
                self._file = self._opened(texts)

    def _check_size(self) -> None:
        """Refuse groups of rows that unpack to far more than the file has."""
        # what is said about each column is not looked at: pyarrow aborts over damaged ones
        metadata, packed = self._file.metadata, self._source.size()
        for group in range(metadata.num_row_groups):
            unpacked = metadata.row_group(group).total_byte_size
            check_ratio(unpacked, packed, f"group {group + 1} of the rows", self.name)

    def _opened(self, texts: list[str]) -> pq.ParquetFile:
        self._source.seek(0)
        return pq.ParquetFile(
            self._source,
            pre_buffer=False,
            buffer_size=_READ_BYTES,
            page_checksum_verification=True,
            coerce_int96_timestamp_unit="us",
            thrift_string_size_limit=_LONGEST_TEXT,
            read_dictionary=texts,
        )

    @property
    def _again(self) -> bool:
        return True

    def _read(self, rows: int | None = None) -> Iterator[Raw]:
        step = rows or chunk_rows(max(8, 8 * len(self._chosen)))
        for batch in self._file.iter_batches(step, columns=self._wanted()):
            yield Raw(batch)

    def _reached(self, rows: int) -> float:
        size = self._file.metadata.num_rows
        return min(rows / size, 1.0) if size else 1.0

    def _wanted(self) -> list[str] | None:
        """Return the names of the columns to load; `None` for all."""
        names = self._names
        if len(self._chosen) == len(names) or len(set(names)) < len(names):
            return None
        # without any there would be no rows
        return [names[at] for at in self._chosen] or names[:1]

    def last(self) -> Batch | None:
        """Return the last row, for which the last row group is read."""
        metadata = self._file.metadata
        groups = [g for g in range(metadata.num_row_groups) if metadata.row_group(g).num_rows]
        last = None
        if groups:
            with arrow_errors(self.name):
                for batch in self._file.iter_batches(
                    row_groups=[groups[-1]], columns=self._wanted()
                ):
                    last = batch if batch.num_rows else last
        return None if last is None else self._last_of(last, metadata.num_rows)

    def close(self) -> None:
        """Close the file; one that was handed in stays open."""
        self._source.close()


class _Borrowed:
    """A file that pyarrow may not close."""

    closed = False

    def __init__(self, file: IO[bytes]) -> None:
        self.read = file.read
        self.seek = file.seek
        self.tell = file.tell

    def readable(self) -> bool:
        """Tell that this is an input."""
        return True

    def seekable(self) -> bool:
        """Tell that any place can be read."""
        return True

    def close(self) -> None:
        """Do nothing."""


def _source(place: FileRef) -> pa.NativeFile:
    if isinstance(place, str | os.PathLike):
        return pa.OSFile(os.fspath(place), "r")
    return pa.PythonFile(_Borrowed(place), mode="r")
