"""Verify a node file: every chunk, interval and level against the rows, and every event."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from joule_cli.engine import event_check, metadata
from joule_cli.engine.stores.base import StoredStream
from joule_cli.engine.stores.sqlite import chunks, directory
from joule_cli.engine.stores.sqlite.codec import decode
from joule_cli.engine.stores.sqlite.levels import (
    COARSE,
    FINE,
    decode_level,
    encode_levels,
    read_summaries,
)
from joule_cli.errors import CorruptChunkError
from joule_cli.series.layout import Layout

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import apsw
    import numpy.typing as npt

    from joule_cli.engine.database import Database
    from joule_cli.series.decimation import Counts
    from joule_cli.series.layout import Rows

#: Chunks checked in one read transaction.
_BATCH = 64
#: Streams of a kind with their paths; nothing else of them has to be readable.
_PATHS = """
WITH RECURSIVE at (id, path) AS (
  SELECT id, '' FROM folder WHERE parent_id IS NULL
  UNION ALL
  SELECT folder.id, at.path || '/' || folder.name FROM folder JOIN at ON folder.parent_id = at.id
)
SELECT stream.id, at.path || '/' || stream.name
FROM {table} AS stream JOIN at ON at.id = stream.folder_id ORDER BY 2
"""
#: Means are sums in another order on another machine; all else must agree to the bit.
_TOLERANCE = 1e-5


class Problem(NamedTuple):
    """Something that is not as it must be."""

    path: str | None  # of the stream, None for the file as a whole
    time: int | None  # first timestamp of the chunk, or start of the event, µs
    text: str


@dataclass(slots=True)
class Report:
    """What a check has seen."""

    n_streams: int = 0
    n_chunks: int = 0
    n_rows: int = 0
    n_event_streams: int = 0
    n_events: int = 0
    problems: list[Problem] = field(default_factory=list)


async def check(
    database: Database, progress: Callable[[Report], None] = lambda report: None
) -> Report:
    """Check the whole file in short read transactions, while others may write.

    Parameters
    ----------
    progress
        Called after each batch with what was seen so far.
    """
    report = Report()
    report.problems += await database.read(_check_file)
    for stream_id, path in await database.read(lambda c: _paths(c, "data_stream")):
        report.n_streams += 1
        position: int | None = directory.EARLIEST
        while position is not None:

            def batch(connection: apsw.Connection, start: int = position) -> int | None:
                return _check_batch(connection, stream_id, path, start, report)  # noqa: B023

            position = await database.read(batch)
            progress(report)
    for stream_id, path in await database.read(lambda c: _paths(c, "event_stream")):
        report.n_event_streams += 1
        await _check_events(database, stream_id, path, report, progress)
    return report


async def _check_events(
    database: Database,
    stream_id: int,
    path: str,
    report: Report,
    progress: Callable[[Report], None],
) -> None:
    findings = await database.read(lambda c: event_check.check_stream(c, stream_id))
    report.problems += (Problem(path, *finding) for finding in findings)
    last: int | None = None
    while True:
        run = partial(event_check.check_batch, stream_id=stream_id, after=last)
        batch = await database.read(run)
        report.n_events += batch.n_events
        report.problems += (Problem(path, *finding) for finding in batch.findings)
        progress(report)
        last = batch.last
        if last is None:
            return


def _check_file(connection: apsw.Connection) -> list[Problem]:
    """Let SQLite check its pages, then look for rows of tables that belong to nothing."""
    found = [text for (text,) in connection.execute("PRAGMA integrity_check(20)") if text != "ok"]
    questions = {
        "rows that belong to no chunk": "SELECT count(*) FROM body "
        "WHERE id NOT IN (SELECT body_id FROM chunk)",
        "chunks without rows": "SELECT count(*) FROM chunk "
        "WHERE body_id NOT IN (SELECT id FROM body)",
        "chunks that share their rows": "SELECT count(*) - count(DISTINCT body_id) FROM chunk",
        "chunks of a stream that does not exist": "SELECT count(*) FROM chunk "
        "WHERE stream_id NOT IN (SELECT id FROM data_stream)",
        "streams without elements": "SELECT count(*) FROM data_stream "
        "WHERE id NOT IN (SELECT stream_id FROM element)",
        "broken references": "SELECT count(*) FROM pragma_foreign_key_check",
    }
    for text, query in questions.items():
        number = connection.execute(query).get
        if number:
            found.append(f"{number} {text}")
    if number := event_check.orphans(connection):
        found.append(f"{number} events of a stream that does not exist")
    return [Problem(None, None, text) for text in found]


def _paths(connection: apsw.Connection, table: str) -> list[tuple[int, str]]:
    return list(connection.execute(_PATHS.format(table=table)))


def _check_batch(
    connection: apsw.Connection, stream_id: int, path: str, start: int, report: Report
) -> int | None:
    """Check chunks from `start` on; return where to go on."""
    if not connection.execute("SELECT count(*) FROM data_stream WHERE id = ?", (stream_id,)).get:
        return None  # deleted meanwhile
    model = metadata.load_stream(connection, stream_id)
    stream = StoredStream(stream_id, path, Layout.parse(model.layout))
    low = directory.first_start(connection, stream_id, start)
    found = list(islice(_entries(connection, stream_id, low), _BATCH + 1))
    previous: int | None = None
    for chunk, summary in found[:_BATCH]:
        if previous is not None and chunk.start <= previous:
            report.problems.append(Problem(path, chunk.start, "overlaps the chunk before it"))
        previous = chunk.last
        if chunk.start >= start:
            report.n_chunks += 1
            report.n_rows += chunk.n_rows
            for text in _check_chunk(connection, stream, chunk, summary):
                report.problems.append(Problem(path, chunk.start, text))
    # begin the next batch one chunk earlier, so that each pair of neighbours is compared
    return found[_BATCH][0].start if len(found) > _BATCH else None


def _entries(
    connection: apsw.Connection, stream_id: int, start: int
) -> Iterator[tuple[directory.Chunk, bytes | None]]:
    for *entry, summary in connection.execute(
        "SELECT start, last, n_rows, closed, body_id, summary FROM chunk "
        "WHERE stream_id = ? AND start >= ? ORDER BY start",
        (stream_id, start),
    ):
        yield directory.Chunk(*entry), summary


def _check_chunk(
    connection: apsw.Connection,
    stream: StoredStream,
    chunk: directory.Chunk,
    summary: bytes | None,
) -> Iterator[str]:
    body = connection.execute(
        "SELECT rows, fine, coarse FROM body WHERE id = ?", (chunk.body_id,)
    ).fetchone()
    if body is None:
        return  # told for the file as a whole
    if not 0 < chunk.n_rows <= chunks.capacity(stream.layout):
        yield f"has {chunk.n_rows} rows"
        return
    try:
        rows = decode(body[0], chunk.n_rows, stream.layout)
    except CorruptChunkError as exc:
        yield exc.message
        return
    ts = rows["timestamp"]
    if (int(ts[0]), int(ts[-1])) != (chunk.start, chunk.last):
        yield "does not begin and end where the directory says"
    if not (ts[1:] > ts[:-1]).all():
        yield "has timestamps that do not increase"
    if summary is not None:
        yield from _check_levels(rows, stream.layout, body[1], body[2], summary)


def _check_levels(
    rows: Rows, layout: Layout, fine: bytes | None, coarse: bytes | None, summary: bytes
) -> Iterator[str]:
    stored = (fine, coarse, summary)
    expected = encode_levels(rows, layout)
    sizes = (-(-len(rows) // FINE), -(-len(rows) // COARSE), 1)
    for name, blob, other, n in zip(
        ("256", "4096", "summary"), stored, expected, sizes, strict=True
    ):
        if blob == other:
            continue
        try:
            if blob is None or other is None or not _same(blob, other, n, layout, name):
                yield f"has decimated rows (level {name}) that do not match its rows"
        except CorruptChunkError as exc:
            yield f"decimated rows (level {name}): {exc.message}"


def _same(blob: bytes, other: bytes, n: int, layout: Layout, name: str) -> bool:
    """Compare decimated rows: the means nearly, all else exactly."""
    if name == "summary" and len(blob) != len(other):
        return False
    one = np.ones(1, np.int64)
    (a, a_present), (b, b_present) = (
        read_summaries([x], one, layout) if name == "summary" else decode_level(x, n, layout)
        for x in (blob, other)
    )
    width = layout.width
    means: list[npt.NDArray[np.float64]] = [x["data"][:, :width].astype(np.float64) for x in (a, b)]
    size = np.abs(b["data"])
    scale = np.where(np.isfinite(size), size, 0).max(axis=1, keepdims=True, initial=0)
    with np.errstate(invalid="ignore"):
        near = np.abs(means[0] - means[1]) <= _TOLERANCE * scale
    # missing means, and those of infinities, of both signs above all, have no distance
    near |= (means[0] == means[1]) | (np.isnan(means[0]) & np.isnan(means[1]))
    return bool(
        near.all()
        and (a["timestamp"] == b["timestamp"]).all()
        and np.array_equal(a["data"][:, width:], b["data"][:, width:], equal_nan=True)
        and np.array_equal(_or_none(a_present), _or_none(b_present))
    )


def _or_none(counts: Counts | None) -> Counts:
    return np.empty(0, np.int64) if counts is None else counts
