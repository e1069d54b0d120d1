"""Writing Parquet files: a column of times and one per element, the stream in the metadata."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from joule_cli.formats.arrow_head import KEY
from joule_cli.formats.arrow_writer import Output, TableWriter, as_json
from joule_cli.formats.containers.parquet import ParquetContainer
from joule_cli.formats.table.options import ReadOptions

if TYPE_CHECKING:
    from joule_cli.formats.base import FileRef
    from joule_cli.formats.containers.arrow_table import ArrowTable


class ParquetWriter(TableWriter):
    """Row groups of 1 Mi rows, and the list of the intervals at the end."""

    kind = "Parquet"
    compressions = ("zstd", "gzip", "snappy", "lz4", "none")
    most_rows = 1 << 20

    def _container(self, place: FileRef) -> ArrowTable:
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
