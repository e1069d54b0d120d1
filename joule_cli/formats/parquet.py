"""Parquet files: a column of times and one per element, with the stream in the metadata."""

from __future__ import annotations

import os
from array import array
from typing import IO, TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from joule_cli.errors import FormatError
from joule_cli.formats.arrow_head import KEY
from joule_cli.formats.arrow_reader import Batch, TableReader, arrow_errors
from joule_cli.formats.arrow_writer import Output, TableWriter, as_json
from joule_cli.formats.base import Place, ReadOptions, place_name
from joule_cli.formats.containers.parquet import ParquetContainer
from joule_cli.formats.hdf5_common import chunk_rows
from joule_cli.formats.seekable import check_seekable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from joule_cli.formats.containers.arrow_table import ArrowTable

__all__ = ["ParquetReader", "ParquetWriter"]

_MAGIC = b"PAR1"
#: Bytes of each column that are read at a time, instead of whole row groups.
_READ_BYTES = 1 << 20
#: A text of the metadata may be this long: the list of intervals is.
_LONGEST_TEXT = 1 << 30


class ParquetReader(TableReader):
    """Parquet, batch by batch."""

    kind = "Parquet"

    def __init__(self, place: Place, options: ReadOptions) -> None:
        super().__init__(place_name(place), options)
        check_seekable(place, self.name, self.kind)
        self._source = _source(place, self.name)
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
            self._file = pq.ParquetFile(
                self._source,
                pre_buffer=False,
                buffer_size=_READ_BYTES,
                page_checksum_verification=True,
                coerce_int96_timestamp_unit="us",
                thrift_string_size_limit=_LONGEST_TEXT,
            )
            schema, metadata = self._file.schema_arrow, self._file.metadata.metadata
        self._set_up(schema, metadata)

    def _batches(self) -> Iterator[Batch]:
        step = chunk_rows(max(8, self.head.layout.row_bytes))
        for batch in self._file.iter_batches(step, columns=self._wanted()):
            yield Batch(batch)

    def _reached(self, rows: int) -> float:
        size = self._file.metadata.num_rows
        return min(rows / size, 1.0) if size else 1.0

    def _wanted(self) -> list[str] | None:
        """Return the names of the columns to load; `None` for all."""
        names, needed = self.names, self._needed()
        if len(needed) == len(names) or len(set(names)) < len(names):
            return None
        return [names[at] for at in needed]

    def last_timestamp(self) -> int | None:
        """Return the timestamp of the last row, `None` without rows."""
        metadata = self._file.metadata
        groups = [g for g in range(metadata.num_row_groups) if metadata.row_group(g).num_rows]
        if not groups or self.options.on_reject is not None:
            return super().last_timestamp()
        return self._last_of(groups[-1])

    def _last_of(self, group: int) -> int | None:
        last = None
        with arrow_errors(self.name):
            name = self.names[self._time]
            for batch in self._file.iter_batches(row_groups=[group], columns=[name]):
                last = batch if batch.num_rows else last
        return None if last is None else self._time_of(last)

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


def _source(place: Place, name: str) -> pa.NativeFile:
    with arrow_errors(name):
        if isinstance(place, str | os.PathLike):
            return pa.OSFile(os.fspath(place), "r")
        return pa.PythonFile(_Borrowed(place), mode="r")


class ParquetWriter(TableWriter):
    """Row groups of 1 Mi rows, and the list of the intervals at the end."""

    kind = "Parquet"
    compressions = ("zstd", "gzip", "snappy", "lz4", "none")
    most_rows = 1 << 20

    def _container(self, place: Place) -> ArrowTable:
        return ParquetContainer(place, ReadOptions())

    def _open(self, output: Output, *, stream: bool) -> None:
        # begin and end of each interval
        self._edges = array("q")
        self._last: int | None = None
        floats = self.head.layout.element.kind == "f"
        encodings = dict.fromkeys(
            self.schema.names, "BYTE_STREAM_SPLIT" if floats else "DELTA_BINARY_PACKED"
        )
        encodings["timestamp"] = "DELTA_BINARY_PACKED"
        if self._number is not None:
            encodings[self._number] = "DELTA_BINARY_PACKED"
        self._writer = pq.ParquetWriter(
            pa.PythonFile(output, mode="w"),
            self.schema,
            compression=self.compression,
            compression_level=self.level,
            use_dictionary=False,
            column_encoding=encodings,
            write_page_checksum=True,
            sorting_columns=[pq.SortingColumn(0)],
        )

    def _put(self, columns: list[pa.Array], stamps: npt.NDArray[np.int64]) -> None:
        begins = np.array(self._breaks, np.intp)
        if self._last is None:
            self._edges.append(int(stamps[0]))
        for begin in begins.tolist():
            before = int(stamps[begin - 1]) if begin else self._last
            assert before is not None
            self._edges.append(before + 1)
            self._edges.append(int(stamps[begin]))
        self._last = int(stamps[-1])
        table = pa.Table.from_arrays(columns, schema=self.schema)
        self._writer.write_table(table, row_group_size=len(stamps))

    def flush(self) -> None:
        """Do nothing that shows: a Parquet file can be read when it is complete, not before."""
        self._output.flush()
        self._raise_failure()

    def _end(self) -> None:
        edges = self._edges
        if self._last is not None:
            edges.append(self._last + 1)
        intervals = np.array(edges, np.int64).reshape(-1, 2)
        told = as_json({**self._description(), "intervals": intervals})
        self._writer.add_key_value_metadata({KEY: told})
        self._writer.close()
