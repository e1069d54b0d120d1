"""The directory of chunks: which there are, without what is in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    import apsw

#: Bounds that every timestamp lies between.
EARLIEST, LATEST = -(2**63), 2**63 - 1


class Chunk(NamedTuple):
    """One row of the directory."""

    start: int
    last: int
    n_rows: int
    closed: bool
    body_id: int


def first_start(connection: apsw.Connection, stream_id: int, time: int) -> int:
    """Return the start of the chunk that holds or precedes `time`, or `time` itself."""
    found = connection.execute(
        "SELECT max(start) FROM chunk WHERE stream_id = ? AND start <= ?", (stream_id, time)
    ).get
    return time if found is None else int(found)


def entries(
    connection: apsw.Connection, stream_id: int, start: int | None, end: int | None
) -> Iterator[Chunk]:
    """Yield the chunks with rows in ``[start, end)``, by time."""
    low = EARLIEST if start is None else start
    high = LATEST if end is None else end - 1
    for row in connection.execute(
        "SELECT start, last, n_rows, closed, body_id FROM chunk "
        "WHERE stream_id = ? AND start BETWEEN ? AND ? AND last >= ? ORDER BY start",
        (stream_id, first_start(connection, stream_id, low), high, low),
    ):
        yield Chunk(*row)


def last_before(connection: apsw.Connection, stream_id: int, time: int) -> Chunk | None:
    """Return the newest chunk whose rows all lie before `time`."""
    row = connection.execute(
        "SELECT start, last, n_rows, closed, body_id FROM chunk "
        "WHERE stream_id = ? AND start < ? AND last < ? ORDER BY start DESC LIMIT 1",
        (stream_id, time, time),
    ).fetchone()
    return None if row is None else Chunk(*row)
