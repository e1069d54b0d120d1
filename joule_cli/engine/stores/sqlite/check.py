"""Verify a node file: every chunk, interval and level against the rows, and every event."""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from joule_cli.engine.stores.base import StoredStream
from joule_cli.engine.stores.maintenance import Problem, Report
from joule_cli.engine.stores.sqlite import chunks, directory, event_check, pages
from joule_cli.engine.stores.sqlite.codec import decode
from joule_cli.engine.stores.sqlite.connection import converted_errors
from joule_cli.engine.stores.sqlite.file_check import (
    loose_problems,
    page_problems,
    tree_names,
    tree_problems,
    unopened_problems,
)
from joule_cli.engine.stores.sqlite.levels import (
    COARSE,
    FINE,
    decode_level,
    encode_levels,
    read_summaries,
)
from joule_cli.engine.stores.sqlite.streams import load_data_stream
from joule_cli.engine.stores.sqlite.transactions import transaction
from joule_cli.errors import CorruptChunkError, StorageError
from joule_cli.series.layout import Layout

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import apsw
    import numpy.typing as npt

    from joule_cli.engine.stores.sqlite.database import Database
    from joule_cli.series.decimation import Counts
    from joule_cli.series.layout import Rows

T = TypeVar("T")

#: What may be raised where damaged values are taken for what they should be.
UNREADABLE = (ValueError, TypeError, LookupError, ArithmeticError)
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


async def check(
    database: Database, progress: Callable[[Report], None] = lambda report: None
) -> Report:
    """Check the whole file in short read transactions, while others may write.

    Parameters
    ----------
    progress
        Called after each batch with what was seen so far.

    Raises
    ------
    IncompatibleFileError
        The file is not a node.
    """
    report = Report()
    try:
        connection = await database.open(verified=False)
    except (CorruptChunkError, StorageError) as exc:
        with converted_errors(str(database.path)):
            found = await database.compute(lambda: unopened_problems(database.path))
        if not found and isinstance(exc, StorageError):
            raise
        report.problems += [Problem(None, None, text) for text in [*found, exc.message]]
        return report
    try:
        await _Check(database, connection, report, progress).run()
    finally:
        await database.ask(connection, lambda c: c.close())
    return report


class _Check:
    """One check; what cannot be read is a problem among others."""

    def __init__(
        self,
        database: Database,
        connection: apsw.Connection,
        report: Report,
        progress: Callable[[Report], None],
    ) -> None:
        self._database = database
        self._connection = connection
        self._report = report
        self._progress = progress

    async def run(self) -> None:
        self._report.has_checksums = pages.are_checked(self._connection)
        await self._ask(None, self._check_file, None, whole=False)
        for stream_id, path in await self._paths("data_stream"):
            self._report.n_streams += 1
            await self._check_rows(stream_id, path)
        for stream_id, path in await self._paths("event_stream"):
            self._report.n_event_streams += 1
            await self._check_events(stream_id, path)

    async def _paths(self, table: str) -> list[tuple[int, str]]:
        query = _PATHS.format(table=table)
        return await self._ask(None, lambda c: list(c.execute(query)), [])

    async def _ask(
        self,
        path: str | None,
        body: Callable[[apsw.Connection], T],
        otherwise: T,
        *,
        whole: bool = True,
    ) -> T:
        """Run `body`, as a `whole` in one read transaction; note it if something cannot be read."""

        def run(connection: apsw.Connection) -> T:
            with transaction(connection, write=False) if whole else nullcontext():
                return body(connection)

        try:
            return await self._database.ask(self._connection, run)
        except (CorruptChunkError, *UNREADABLE) as exc:
            text = exc.message if isinstance(exc, CorruptChunkError) else f"cannot be read ({exc})"
            problem, known = Problem(path, None, text), self._report.problems
            # that the file is damaged says nothing beside what is
            if problem not in known and (path is not None or not known):
                known.append(problem)
            return otherwise

    def _check_file(self, connection: apsw.Connection) -> None:
        names = tree_names(connection)
        path = self._database.path
        for texts in (
            page_problems(path, names, connection),
            tree_problems(connection, names),
            loose_problems(connection),
        ):
            # added one by one: the next may not be told any more
            self._report.problems.extend(Problem(None, None, text) for text in texts)

    async def _check_rows(self, stream_id: int, path: str) -> None:
        position: int | None = directory.EARLIEST
        while position is not None:
            batch = partial(
                _check_batch, stream_id=stream_id, path=path, start=position, report=self._report
            )
            position = await self._ask(path, batch, None)
            self._progress(self._report)

    async def _check_events(self, stream_id: int, path: str) -> None:
        report = self._report
        findings: list[event_check.Finding] = await self._ask(
            path, lambda c: event_check.check_stream(c, stream_id), []
        )
        report.problems += (Problem(path, *finding) for finding in findings)
        last: int | None = None
        while True:
            run = partial(event_check.check_batch, stream_id=stream_id, after=last)
            batch = await self._ask(path, run, event_check.SeenEvents(0, [], None))
            report.n_events += batch.n_events
            report.problems += (Problem(path, *finding) for finding in batch.findings)
            self._progress(report)
            last = batch.last
            if last is None:
                return


def _check_batch(
    connection: apsw.Connection, stream_id: int, path: str, start: int, report: Report
) -> int | None:
    """Check chunks from `start` on; return where to go on."""
    if not connection.execute("SELECT count(*) FROM data_stream WHERE id = ?", (stream_id,)).get:
        return None  # deleted meanwhile
    model = load_data_stream(connection, stream_id)
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
