"""Data streams as tables: chunks of the node file, decoded by column."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from joule_cli.engine.stores.sqlite import directory
from joule_cli.engine.stores.sqlite.sql.table import Table, TableColumn, unique_names
from joule_cli.errors import CorruptChunkError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import apsw
    import numpy.typing as npt
    import pyarrow as pa

    from joule_cli.engine.stores.base import StoredStream
    from joule_cli.engine.stores.sqlite.sql.pushdown import Needs
    from joule_cli.engine.stores.sqlite.sql.snapshot import Snapshot
    from joule_cli.engine.stores.sqlite.sql.table import Counts
    from joule_cli.series.intervals import Interval

_TYPES = {
    "int8": "TINYINT",
    "uint8": "UTINYINT",
    "int16": "SMALLINT",
    "uint16": "USMALLINT",
    "int32": "INTEGER",
    "uint32": "UINTEGER",
    "int64": "BIGINT",
    "uint64": "UBIGINT",
    "float32": "FLOAT",
    "float64": "DOUBLE",
}
#: Rows of the first batch, and of the later ones: small chunks are not to make small batches.
_FIRST_ROWS, _BATCH_ROWS = 4096, 65536
#: Entries of the directory, and bodies, that one statement reads.
_ENTRIES, _BODIES = 512, 256


class _Piece(NamedTuple):
    """What is wanted of a chunk."""

    n_rows: int
    body_id: int
    time: int
    start: int | None
    end: int | None


class SampleTable(Table):
    """The rows of a data stream: ``time``, and a column for each element."""

    def __init__(self, path: str, stream: StoredStream, elements: Sequence[str]) -> None:
        names = unique_names(elements, ["time"])
        kind = _TYPES[stream.layout.datatype]
        self.sources = [
            TableColumn("time", "TIMESTAMPTZ"),
            *(TableColumn(name, kind) for name in names),
        ]
        super().__init__(path, self.sources)
        self._stream = stream

    def expressions(self) -> list[str]:
        return [f"c{i}" for i in range(len(self.sources))]

    def batches(self, snapshot: Snapshot, needs: Needs, counts: Counts) -> Iterator[pa.RecordBatch]:
        schema = self.schema(needs.columns)
        return snapshot.ahead(
            partial(self._decode, snapshot, pieces, needs.columns, schema, counts)
            for pieces in _grouped(self._pieces(snapshot, needs.times))
        )

    def _pieces(self, snapshot: Snapshot, times: Sequence[Interval]) -> Iterator[_Piece]:
        done = directory.EARLIEST - 1
        for index, (low, end) in enumerate(times):
            start = max(low, done + 1)
            following = times[index + 1].start if index + 1 < len(times) else None
            while start < end:
                found = snapshot.call(self._directory(start, end))
                for first, last, n_rows, body_id in found:
                    # what comes next in the same chunk is read along with it
                    shared = following is not None and following <= last
                    yield _Piece(
                        n_rows,
                        body_id,
                        first,
                        start if first < start else None,
                        end if last >= end and not shared else None,
                    )
                    start, done = last + 1, last if shared or last < end else end - 1
                if len(found) < _ENTRIES:
                    break

    def _directory(
        self, start: int, end: int
    ) -> Callable[[apsw.Connection], list[tuple[int, int, int, int]]]:
        low, high = max(start, directory.EARLIEST), min(end - 1, directory.LATEST)
        stream_id = self._stream.id

        def read(connection: apsw.Connection) -> list[Any]:
            return list(
                connection.execute(
                    "SELECT start, last, n_rows, body_id FROM chunk "
                    "WHERE stream_id = ? AND start BETWEEN ? AND ? AND last >= ? "
                    "ORDER BY start LIMIT ?",
                    (
                        stream_id,
                        directory.first_start(connection, stream_id, low),
                        high,
                        low,
                        _ENTRIES,
                    ),
                )
            )

        return read

    def _decode(
        self,
        snapshot: Snapshot,
        pieces: list[_Piece],
        columns: set[int],
        schema: pa.Schema,
        counts: Counts,
    ) -> pa.RecordBatch:
        import numpy as np
        import pyarrow as pa

        if not columns and all(piece.start is piece.end is None for piece in pieces):
            n_rows = sum(piece.n_rows for piece in pieces)
            counts.rows += n_rows
            return pa.record_batch([pa.nulls(n_rows)], schema=schema)
        elements = sorted(column - 1 for column in columns if column)
        # times are decoded to learn how many rows there are if nothing else is wanted
        timed = 0 in columns or not elements
        blobs = _bodies(snapshot, pieces)
        parts = [
            self._columns(blobs.get(piece.body_id, b""), piece, elements, timed=timed)
            for piece in pieces
        ]
        arrays = [
            # NaN is a missing value
            pa.array(found[0] if len(found) == 1 else np.concatenate(found), from_pandas=True)
            for found in zip(*parts, strict=True)
        ]
        n_rows = len(arrays[0])
        counts.rows += n_rows
        counts.chunks += len(pieces)
        counts.values += n_rows * len(arrays)
        if not columns:
            arrays = [pa.nulls(n_rows)]
        elif timed:
            arrays[0] = arrays[0].view(schema.types[0])
        return pa.record_batch(arrays, schema=schema)

    def _columns(
        self, blob: bytes, piece: _Piece, elements: list[int], *, timed: bool
    ) -> list[npt.NDArray[Any]]:
        from joule_cli.engine.stores.sqlite.columns import decode_columns

        try:
            times, values = decode_columns(
                blob,
                piece.n_rows,
                self._stream.layout,
                elements,
                piece.start,
                piece.end,
                with_times=timed,
            )
        except CorruptChunkError as exc:
            raise CorruptChunkError(
                f"{exc.message}: stream {self._stream.name}, rows from {piece.time} on",
                object=self.path,
                hint="see 'joule admin check'",
            ) from exc
        return [*values] if times is None else [times, *values]


def _grouped(pieces: Iterator[_Piece]) -> Iterator[list[_Piece]]:
    group: list[_Piece] = []
    n_rows = 0
    # a query that wants the first rows only is not to wait for many
    size = _FIRST_ROWS
    for piece in pieces:
        group.append(piece)
        n_rows += piece.n_rows
        if n_rows >= size or len(group) >= _BODIES:
            yield group
            group, n_rows = [], 0
            size = min(2 * size, _BATCH_ROWS)
    if group:
        yield group


def _bodies(snapshot: Snapshot, pieces: list[_Piece]) -> dict[int, bytes]:
    import json

    ids = json.dumps([piece.body_id for piece in pieces])
    return dict(
        snapshot.rows("SELECT id, rows FROM body WHERE id IN (SELECT value FROM json_each(?))", ids)
    )
