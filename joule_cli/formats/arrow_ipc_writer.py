"""Writing Arrow IPC: files (``.arrow``, ``.feather``), and streams for pipes (``.arrows``)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pyarrow as pa

from joule_cli.formats.arrow_head import KEY
from joule_cli.formats.arrow_writer import Output, TableWriter, as_json
from joule_cli.formats.containers.arrow import ArrowContainer
from joule_cli.formats.table.options import ReadOptions

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from joule_cli.formats.base import FileRef
    from joule_cli.formats.containers.arrow_table import ArrowTable


class ArrowWriter(TableWriter):
    """Batches of up to 64 Ki rows, each with the places where intervals begin."""

    kind = "Arrow"
    compressions = ("zstd", "lz4", "none")
    most_rows = 1 << 16

    def _default_compression(self, place: FileRef) -> str:
        # what goes through a pipe is not kept
        return "zstd" if isinstance(place, str | os.PathLike) else "none"

    def _container(self, place: FileRef) -> ArrowTable:
        return ArrowContainer(place, ReadOptions())

    def _open(self, output: Output, *, stream: bool) -> None:
        self._streams = stream or self.name.lower().endswith(".arrows")
        create = pa.ipc.new_stream if self._streams else pa.ipc.new_file
        compression = None if self.compression == "none" else self.compression
        self._writer = create(
            pa.PythonFile(output, mode="w"),
            self.schema.with_metadata({KEY: as_json(self._description())}),
            options=pa.ipc.IpcWriteOptions(compression=compression),
        )

    def _put(self, columns: list[pa.Array], stamps: npt.NDArray[np.int64]) -> None:
        batch = pa.RecordBatch.from_arrays(columns, schema=self.schema)
        told = {KEY: as_json({"breaks": self._breaks})} if self._breaks else None
        self._writer.write_batch(batch, custom_metadata=told)

    def flush(self) -> None:
        """Hand everything written so far to the operating system; a file shows when complete."""
        if self._streams:
            self._put_gathered()
        self._output.flush()
        self._raise_failure()

    def _end(self) -> None:
        self._writer.close()
