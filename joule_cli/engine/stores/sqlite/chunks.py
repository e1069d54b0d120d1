"""Chunks: runs of consecutive rows, and the directory that lists them.

A chunk holds up to `capacity` rows of one interval, in order. The chunks of a stream never
overlap. A row of table `chunk`:

start, last
    Timestamps of the first and the last row.
n_rows
    Number of rows.
closed
    1 when an interval break follows the last row. A break belongs to the row before it, so rows
    that are inserted after it join what follows.
body_id
    Row of table `body` with the rows (`codec.encode`) and the levels.
summary
    One decimated row over the whole chunk, packed; NULL when the levels were dropped.

In table `body`, `fine` has the decimated rows of level 256 for more than 256 rows, `coarse` those
of level 4096 for more than 4096. Levels between are computed from the next finer one. See
levels.py for the bytes of all three.
All functions expect to run inside a transaction of the caller.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from joule_cli.engine.stores.sqlite.codec import decode, encode
from joule_cli.engine.stores.sqlite.directory import Chunk
from joule_cli.engine.stores.sqlite.levels import decode_level, encode_levels
from joule_cli.errors import CorruptChunkError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import apsw

    from joule_cli.engine.stores.base import StoredStream
    from joule_cli.series.decimation import Decimated
    from joule_cli.series.layout import Layout, Rows

#: Larger chunks make fewer entries to look through, and slower reads of short ranges.
_TARGET_BYTES = 2 * 1024 * 1024
_SMALLEST_CAPACITY = 4096


class Encoded(NamedTuple):
    """A chunk ready to be stored, made without holding any lock."""

    start: int
    last: int
    n_rows: int
    closed: bool
    rows: bytes
    fine: bytes | None
    coarse: bytes | None
    summary: bytes | None


def capacity(layout: Layout) -> int:
    """Return the most rows in a chunk: a power of four with at most 2 MiB, 4,096 to 65,536."""
    rows = _SMALLEST_CAPACITY
    while rows < 65536 and rows * 4 * layout.row_bytes <= _TARGET_BYTES:
        rows *= 4
    return rows


def encode_chunk(rows: Rows, layout: Layout, *, closed: bool, levels: bool) -> Encoded:
    """Encode rows, and their levels when asked to."""
    fine, coarse, summary = encode_levels(rows, layout) if levels else (None, None, None)
    ts = rows["timestamp"]
    return Encoded(int(ts[0]), int(ts[-1]), len(rows), closed, encode(rows), fine, coarse, summary)


def cut(rows: Rows, layout: Layout, *, closed: bool) -> list[tuple[Rows, bool]]:
    """Cut rows of one interval into chunks; `closed` is for the last one."""
    if 0 < len(rows) <= _SMALLEST_CAPACITY:
        return [(rows, closed)]
    size = capacity(layout)
    return [
        (rows[i : i + size], closed and i + size >= len(rows)) for i in range(0, len(rows), size)
    ]


def encode_pieces(rows: Rows, layout: Layout, *, closed: bool, levels: bool) -> list[Encoded]:
    """Cut rows of one interval into chunks and encode them; `closed` is for the last one."""
    return [
        encode_chunk(part, layout, closed=ended, levels=levels)
        for part, ended in cut(rows, layout, closed=closed)
    ]


def store(connection: apsw.Connection, stream_id: int, chunk: Encoded) -> Chunk:
    """Insert a chunk and return its entry in the directory."""
    connection.execute(
        "INSERT INTO body (coarse, fine, rows) VALUES (?, ?, ?)",
        (chunk.coarse, chunk.fine, chunk.rows),
    )
    entry = Chunk(
        chunk.start, chunk.last, chunk.n_rows, chunk.closed, connection.last_insert_rowid()
    )
    connection.execute(
        "INSERT INTO chunk VALUES (?, ?, ?, ?, ?, ?, ?)", (stream_id, *entry, chunk.summary)
    )
    return entry


def remove(connection: apsw.Connection, stream_id: int, first: int, last: int) -> None:
    """Delete the chunks whose start lies in ``[first, last]``."""
    bounds = (stream_id, first, last)
    connection.execute(
        "DELETE FROM body WHERE id IN "
        "(SELECT body_id FROM chunk WHERE stream_id = ? AND start BETWEEN ? AND ?)",
        bounds,
    )
    connection.execute("DELETE FROM chunk WHERE stream_id = ? AND start BETWEEN ? AND ?", bounds)


def set_closed(connection: apsw.Connection, stream_id: int, start: int, *, closed: bool) -> None:
    """Set or remove the break after the chunk that starts at `start`."""
    connection.execute(
        "UPDATE chunk SET closed = ? WHERE stream_id = ? AND start = ?", (closed, stream_id, start)
    )


def load_rows(connection: apsw.Connection, chunk: Chunk, stream: StoredStream) -> Rows:
    """Read and decode a chunk's rows."""
    blob = connection.execute("SELECT rows FROM body WHERE id = ?", (chunk.body_id,)).get
    return decoded(blob, chunk.n_rows, stream, chunk.start)


def decoded(
    blob: bytes | None,
    n_rows: int,
    stream: StoredStream,
    start: int,
    bounds: tuple[int | None, int | None] = (None, None),
) -> Rows:
    """Decode the rows of the chunk that begins at `start`, inside `bounds`.

    Raises
    ------
    CorruptChunkError
        Tells the stream and the time.
    """
    with _telling_where(stream, start):
        # a body that is missing is one that is cut short
        return decode(blob or b"", n_rows, stream.layout, *bounds)


def decoded_level(blob: bytes | None, n_rows: int, stream: StoredStream, start: int) -> Decimated:
    """Decode decimated rows of the chunk that begins at `start`; raise as `decoded`."""
    with _telling_where(stream, start):
        return decode_level(blob or b"", n_rows, stream.layout)


@contextmanager
def _telling_where(stream: StoredStream, start: int) -> Iterator[None]:
    try:
        yield
    except CorruptChunkError as exc:
        raise CorruptChunkError(
            f"{exc.message}: stream {stream.name}, rows from {start} on",
            object=stream.name,
            hint="see 'joule admin check'",
        ) from exc


def bump(connection: apsw.Connection, stream_id: int) -> None:
    """Tell open sessions, in any process, that the stream's chunks have changed."""
    connection.execute("UPDATE data_stream SET revision = revision + 1 WHERE id = ?", (stream_id,))


def bump_from(connection: apsw.Connection, stream_id: int, state: tuple[int, bool, int]) -> bool:
    """Call `bump` if revision, decimate and keep_us of the stream are these; tell whether."""
    connection.execute(
        "UPDATE data_stream SET revision = revision + 1 "
        "WHERE id = ? AND (revision, decimate, keep_us) = (?, ?, ?)",
        (stream_id, *state),
    )
    return connection.changes() == 1


@contextmanager
def bumping(connection: apsw.Connection, stream_id: int) -> Iterator[None]:
    """Call `bump` if the block has changed anything: a stream at 0 has never had rows."""
    before = connection.total_changes()
    yield
    if connection.total_changes() != before:
        bump(connection, stream_id)
