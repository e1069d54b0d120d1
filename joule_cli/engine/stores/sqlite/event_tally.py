"""How many events of a stream start in each bucket of time, kept with every change."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from joule_cli.engine.validation import INT64_MAX

if TYPE_CHECKING:
    from collections.abc import Iterable

    import apsw

#: A bucket is the start without its last bits: 2**32 µs, or 72 minutes.
BUCKET_BITS = 32
_REST = (1 << BUCKET_BITS) - 1


def add(connection: apsw.Connection, stream_id: int, starts: Iterable[int]) -> None:
    """Count events that were stored."""
    _change(connection, stream_id, Counter(start >> BUCKET_BITS for start in starts))


def subtract(connection: apsw.Connection, stream_id: int, starts: Iterable[int]) -> int:
    """Count events that were removed; return their number."""
    counts = Counter(start >> BUCKET_BITS for start in starts)
    _change(connection, stream_id, {bucket: -n for bucket, n in counts.items()})
    return counts.total()


def _change(connection: apsw.Connection, stream_id: int, changes: dict[int, int]) -> None:
    connection.executemany(
        "INSERT INTO event_tally VALUES (?, ?, ?) "
        "ON CONFLICT DO UPDATE SET n_events = n_events + excluded.n_events",
        [(stream_id, bucket, n) for bucket, n in changes.items()],
    )
    if any(n < 0 for n in changes.values()):
        connection.executemany(
            "DELETE FROM event_tally WHERE stream_id = ? AND bucket = ? AND n_events = 0",
            [(stream_id, bucket) for bucket in changes],
        )


def count(connection: apsw.Connection, stream_id: int, start: int | None, end: int | None) -> int:
    """Return how many events start in ``[start, end)``; only those in cut buckets are visited."""
    first = None if start is None else -(-start >> BUCKET_BITS)
    last = None if end is None else end >> BUCKET_BITS
    if start is not None and end is not None and first > last:  # type: ignore[operator]
        return _visited(connection, stream_id, start, end)
    total = int(
        connection.execute(
            "SELECT coalesce(sum(n_events), 0) FROM event_tally "  # noqa: S608
            f"WHERE stream_id = :stream {_bounds('bucket', first, last)}",
            {"stream": stream_id, "low": first, "high": last},
        ).get
    )
    if start is not None and first is not None and start & _REST:
        total += _visited(connection, stream_id, start, first << BUCKET_BITS)
    if end is not None and last is not None and end & _REST:
        total += _visited(connection, stream_id, last << BUCKET_BITS, end)
    return total


def _visited(connection: apsw.Connection, stream_id: int, start: int, end: int) -> int:
    upper = None if end > INT64_MAX else end
    return int(
        connection.execute(
            "SELECT count(*) FROM event INDEXED BY event_start "  # noqa: S608
            f"WHERE stream_id = :stream {_bounds('start', start, upper)}",
            {"stream": stream_id, "low": start, "high": upper},
        ).get
    )


def _bounds(column: str, low: int | None, high: int | None) -> str:
    lower = "" if low is None else f"AND {column} >= :low "
    return lower + ("" if high is None else f"AND {column} < :high")


def problems(connection: apsw.Connection, stream_id: int) -> list[int]:
    """Return the buckets whose number is not that of their events."""
    rows = connection.execute(
        """
        SELECT bucket FROM (
          SELECT bucket, n_events FROM event_tally WHERE stream_id = ?1
          UNION ALL
          SELECT start >> ?2, -1 FROM event INDEXED BY event_start WHERE stream_id = ?1
        ) GROUP BY bucket HAVING sum(n_events) != 0
        """,
        (stream_id, BUCKET_BITS),
    )
    return [bucket for (bucket,) in rows]
