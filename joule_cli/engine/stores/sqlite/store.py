"""The store of rows in the node file."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, TypeAlias

from joule_cli.engine.stores.base import (
    MOST_BREAKS,
    DataStore,
    Decimation,
    Item,
    StoredStream,
)
from joule_cli.engine.stores.sqlite import (
    chunks,
    directory,
    editing,
    pyramid,
    reading,
    splitting,
)
from joule_cli.engine.stores.sqlite.following import SqliteRowFollower
from joule_cli.engine.stores.sqlite.session import SqliteSession
from joule_cli.errors import DataError
from joule_cli.series.intervals import Interval

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    import apsw

    from joule_cli.engine.stores.sqlite.database import Database
    from joule_cli.engine.stores.sqlite.retention import Expiry

#: Reads of fewer rows are not worth another thread.
_SHORT_ROWS = 16384
#: Chunks whose levels are made in one transaction, and rows that are merged in one.
_LEVELS_AT_ONCE, _MERGED_AT_ONCE = 16, 1_000_000
#: Rows that are searched for gaps in one transaction, and gaps that are looked at in one.
_SEARCHED_ROWS, _SPLIT_AT_ONCE = 1_000_000, 10_000
#: Batches that a read with a limit gets from one view of the file: about two seconds of work.
_BATCHES_AT_ONCE = 256

_Reader: TypeAlias = reading.RowReader | pyramid.LevelReader


class SqliteDataStore(DataStore):
    """Chunks of rows in the same SQLite file as the metadata.

    Parameters
    ----------
    expiry
        Drops what a stream no longer keeps.
    """

    def __init__(self, database: Database, expiry: Expiry) -> None:
        self._database = database
        self._expiry = expiry

    def session(
        self, stream: StoredStream, merge_gap: int, *, missing: bool = False
    ) -> SqliteSession:
        return SqliteSession(self._database, stream, merge_gap, self._expiry, missing=missing)

    async def read(
        self, stream: StoredStream, start: int | None, end: int | None
    ) -> AsyncGenerator[list[Item], None]:
        def begin(
            connection: apsw.Connection,
        ) -> tuple[reading.RowReader, list[reading.Fetched], list[Item] | None]:
            reader = reading.RowReader(stream, reading.begin(connection, stream, start, end))
            fetched = reader.fetch(connection)
            # a short read is done in one go; a long one overlaps reading and decoding
            short = reader.done and sum(chunk.n_rows for chunk in fetched) < _SHORT_ROWS
            return reader, fetched, reader.decode(fetched) if short else None

        reader, fetched, items = await self._database.read(begin)
        if items is not None:
            yield items
            if reader.cursor.in_gap:
                yield [None]
            return
        while fetched:
            yield await self._decode(reader, fetched)
            if not reader.done:
                fetched = await self._database.read(reader.fetch)
        if reader.cursor.in_gap:
            yield [None]

    async def _decode(
        self, reader: reading.RowReader, fetched: list[reading.Fetched]
    ) -> list[Item]:
        """Decode what was fetched, and let go of it: the consumer may take long."""
        middle = len(fetched) // 2
        halves = [half for half in (fetched[:middle], fetched[middle:]) if half]
        fetched.clear()
        jobs = (self._database.compute(partial(reader.decode, half)) for half in halves)
        return [item for items in await asyncio.gather(*jobs) for item in items]

    async def read_at_most(
        self, stream: StoredStream, start: int | None, end: int | None, max_rows: int
    ) -> tuple[int, AsyncGenerator[list[Item], None]]:
        def begin(connection: apsw.Connection) -> tuple[int, _Reader, list[list[Item]]]:
            cursor = reading.begin(connection, stream, start, end)
            reader: _Reader = reading.RowReader(stream, cursor)
            level = 1
            if not reader.done:
                decimation = pyramid.choose(connection, stream, cursor, max_rows)
                level = decimation.level
                if level > 1:
                    reader = pyramid.LevelReader(stream, cursor, decimation)
            # in the same view of the file: chunks that others join or add to would make more rows
            return level, reader, _first_batches(connection, reader)

        level, reader, first = await self._database.read(begin)
        return level, self._following(first, reader)

    async def read_level(
        self, stream: StoredStream, start: int | None, end: int | None, level: int
    ) -> AsyncGenerator[list[Item], None]:
        def begin(connection: apsw.Connection) -> tuple[_Reader, list[list[Item]]]:
            cursor = reading.begin(connection, stream, start, end)
            reader = pyramid.LevelReader(stream, cursor, Decimation(level, across_breaks=False))
            return reader, _first_batches(connection, reader)

        reader, first = await self._database.read(begin)
        async with aclosing(self._following(first, reader)) as batches:
            async for items in batches:
                yield items

    async def _following(
        self, first: list[list[Item]], reader: _Reader
    ) -> AsyncGenerator[list[Item], None]:
        for items in first:
            yield items
        while not reader.done:
            yield await self._database.read(reader.batch)
        if reader.cursor.in_gap:
            yield [None]

    async def follow(self, stream: StoredStream) -> SqliteRowFollower:
        follower = SqliteRowFollower(self._database, stream)
        await follower.begin()
        return follower

    async def count(self, stream: StoredStream, start: int | None, end: int | None) -> int:
        return await self._database.read(lambda c: reading.count(c, stream, start, end))

    async def intervals(
        self, stream: StoredStream, start: int | None, end: int | None
    ) -> list[Interval]:
        found = await self._database.read(lambda c: reading.intervals(c, stream, start, end))
        return [Interval(*pair) for pair in found]

    async def delete(self, stream: StoredStream, start: int | None, end: int | None) -> None:
        def run(connection: apsw.Connection) -> None:
            with chunks.bumping(connection, stream.id):
                editing.delete(connection, stream, start, end)

        await self._database.write(run)

    async def consolidate(
        self, stream: StoredStream, max_gap: int, start: int | None, end: int | None
    ) -> int:
        def run(connection: apsw.Connection) -> int:
            joined = editing.consolidate(connection, stream, max_gap, start, end)
            if joined:
                chunks.bump(connection, stream.id)
            return joined

        joined = await self._database.write(run)
        if joined:
            await self.merge_small(stream)
        return joined

    async def split(
        self,
        stream: StoredStream,
        max_gap: int,
        start: int | None,
        end: int | None,
        *,
        dry_run: bool,
    ) -> list[Interval]:
        gaps: list[Interval] = []
        low: int | None = start
        before: int | None = None

        def find(connection: apsw.Connection) -> splitting.Found:
            bounds = (low, end)
            return splitting.find_gaps(connection, stream, max_gap, bounds, before, _SEARCHED_ROWS)

        while True:
            found = await self._database.read(find)
            gaps += found.gaps
            if len(gaps) > MOST_BREAKS:
                raise DataError(
                    f"more than {MOST_BREAKS:,} gaps are longer than {max_gap} us",
                    object=stream.name,
                    hint="choose one that is longer than the usual time between rows",
                )
            if found.following is None:
                break
            low, before = found.following, found.before
        if dry_run:
            return gaps
        made: list[Interval] = []
        done = 0

        def run(connection: apsw.Connection) -> tuple[list[Interval], int]:
            some = gaps[done : done + _SPLIT_AT_ONCE]
            with chunks.bumping(connection, stream.id):
                return splitting.split(connection, stream, max_gap, some, _MERGED_AT_ONCE)

        while done < len(gaps):
            breaks, looked_at = await self._database.write(run)
            made += breaks
            done += looked_at
        return made

    async def merge_small(self, stream: StoredStream) -> None:
        """Rewrite neighbouring small chunks as full ones, in short transactions."""
        position: int | None = None

        def run(connection: apsw.Connection) -> int | None:
            following = editing.merge_small(connection, stream, position, _MERGED_AT_ONCE)
            chunks.bump(connection, stream.id)
            return following

        while (position := await self._database.write(run)) is not None:
            pass

    async def decimate(self, stream: StoredStream) -> None:
        position = directory.EARLIEST

        def run(connection: apsw.Connection) -> int | None:
            found = directory.entries(connection, stream.id, position, None)
            some = list(islice(found, _LEVELS_AT_ONCE + 1))
            with chunks.bumping(connection, stream.id):
                for chunk in some[:_LEVELS_AT_ONCE]:
                    editing.make_levels(connection, stream, chunk)
            return some[-1].start if len(some) > _LEVELS_AT_ONCE else None

        while (following := await self._database.write(run)) is not None:
            position = following

    async def drop_levels(self, stream: StoredStream) -> None:
        def run(connection: apsw.Connection) -> None:
            with chunks.bumping(connection, stream.id):
                editing.drop_levels(connection, stream)

        await self._database.write(run)


def _first_batches(connection: apsw.Connection, reader: _Reader) -> list[list[Item]]:
    """Read in one transaction what fits into memory."""
    batches: list[list[Item]] = []
    n_rows = 0
    enough = reading.batch_rows(reader.stream.layout)
    while not reader.done and n_rows < enough and len(batches) < _BATCHES_AT_ONCE:
        items = reader.batch(connection)
        n_rows += sum(len(item) for item in items if item is not None)
        batches.append(items)
    return batches
