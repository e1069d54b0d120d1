"""Inserting rows before the end of a stream."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from joule_cli.engine.stores.sqlite import chunks, directory
from joule_cli.engine.stores.sqlite.editing import break_after, levels_kept
from joule_cli.errors import DuplicateTimestampError

if TYPE_CHECKING:
    import apsw

    from joule_cli.engine.stores.base import StoredStream
    from joule_cli.series.layout import Rows


def insert_into_past(
    connection: apsw.Connection,
    stream: StoredStream,
    rows: Rows,
    *,
    merge_gap: int | None,
    closed: bool,
    levels: bool,
) -> None:
    """Insert rows of one interval among stored ones.

    Parameters
    ----------
    merge_gap
        For the first rows of a session: break off what precedes them, unless it is at most this
        near. `None` for later rows, which go wherever their time puts them.
    closed
        Set a break after the last row.

    Raises
    ------
    DuplicateTimestampError
        A timestamp is stored already; the caller's transaction must be rolled back.
    """
    first, last = int(rows["timestamp"][0]), int(rows["timestamp"][-1])
    if merge_gap is not None:
        _separate(connection, stream, first, merge_gap)
    rest = rows
    for chunk in list(directory.entries(connection, stream.id, first, last + 1)):
        ts = rest["timestamp"]
        low, high = np.searchsorted(ts, chunk.start), np.searchsorted(ts, chunk.last, side="right")
        _store(connection, stream, rest[:low], closed=False, levels=levels)
        if low < high:
            _mix(connection, stream, chunk, rest[low:high])
        rest = rest[high:]
    _store(connection, stream, rest, closed=False, levels=levels)
    if closed:
        break_after(connection, stream, last)


def _separate(
    connection: apsw.Connection, stream: StoredStream, first: int, merge_gap: int
) -> None:
    """Make or remove the break between the rows before `first` and those from it on."""
    break_after(connection, stream, first - 1)
    if merge_gap > 0:
        join_before(connection, stream, first, merge_gap)


def join_before(
    connection: apsw.Connection, stream: StoredStream, first: int, merge_gap: int
) -> None:
    """Remove every break within the merge gap before `first`, not only the last one."""
    # a break sits 1 µs behind its row; both bounds count
    low = max(first - merge_gap - 1, directory.EARLIEST)
    connection.execute(
        "UPDATE chunk SET closed = 0 WHERE stream_id = ? AND closed "
        "AND start BETWEEN ? AND ? AND last BETWEEN ? AND ?",
        (
            stream.id,
            directory.first_start(connection, stream.id, low),
            first - 1,
            low,
            first - 1,
        ),
    )


def _store(
    connection: apsw.Connection, stream: StoredStream, rows: Rows, *, closed: bool, levels: bool
) -> None:
    if len(rows):
        for encoded in chunks.encode_pieces(rows, stream.layout, closed=closed, levels=levels):
            chunks.store(connection, stream.id, encoded)


def _mix(
    connection: apsw.Connection, stream: StoredStream, chunk: directory.Chunk, rows: Rows
) -> None:
    """Rewrite a chunk with more rows in it."""
    old = chunks.load_rows(connection, chunk, stream)
    places = np.searchsorted(old["timestamp"], rows["timestamp"])
    taken = old["timestamp"][np.minimum(places, len(old) - 1)] == rows["timestamp"]
    if taken.any():
        time = int(rows["timestamp"][int(np.argmax(taken))])
        error = DuplicateTimestampError(
            f"a row at {time} already exists in the stream", object=stream.name
        )
        error.timestamp = time
        raise error
    mixed = np.insert(old, places, rows)
    levels = levels_kept(connection, chunk, stream.id)
    chunks.remove(connection, stream.id, chunk.start, chunk.start)
    for encoded in chunks.encode_pieces(mixed, stream.layout, closed=chunk.closed, levels=levels):
        chunks.store(connection, stream.id, encoded)
