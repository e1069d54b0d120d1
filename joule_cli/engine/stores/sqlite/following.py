"""Rows that are committed behind those that a stream has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from joule_cli.engine.stores.base import RowFollower
from joule_cli.engine.stores.sqlite import reading
from joule_cli.errors import StreamNotFound

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    import apsw

    from joule_cli.engine.stores.base import Item, StoredStream
    from joule_cli.engine.stores.sqlite.database import Database


class SqliteRowFollower(RowFollower):
    """Compares the revision of the stream; `begin` first."""

    def __init__(self, database: Database, stream: StoredStream) -> None:
        self._database = database
        self._stream = stream
        self._revision = -1
        self._last: int | None = None
        self._given = False
        self._break_due = False

    async def begin(self) -> None:
        """Stand behind the last row that the stream has now."""

        def find(connection: apsw.Connection) -> None:
            self._revision = self._present_revision(connection)
            self._last = connection.execute(
                "SELECT last FROM chunk WHERE stream_id = ? ORDER BY start DESC LIMIT 1",
                (self._stream.id,),
            ).get

        await self._database.read(find)

    async def new_rows(self) -> AsyncGenerator[list[Item], None]:
        found = await self._database.read(self._look)
        if found is None:
            return
        reader, fetched = found
        while fetched:
            cursor = reader.cursor
            # a chunk may have grown beyond what this look is for; the next one gives the rest
            self._last = min(cursor.position, cursor.end) - 1
            self._break_due = cursor.after_break and cursor.position <= cursor.end
            items = await self._database.compute(lambda f=fetched: reader.decode(f))  # type: ignore[misc]  # the default binds the loop variable
            if not self._given and items and items[0] is None:
                del items[0]
            if items:
                self._given = True
                yield items
            fetched = [] if reader.done else await self._database.read(reader.fetch)

    def _look(
        self, connection: apsw.Connection
    ) -> tuple[reading.RowReader, list[reading.Fetched]] | None:
        revision = self._present_revision(connection)
        if revision == self._revision:
            return None
        self._revision = revision
        after = None if self._last is None else self._last + 1
        cursor = reading.begin(connection, self._stream, after, None)
        cursor.after_break = self._break_due = self._break_now(connection)
        reader = reading.RowReader(self._stream, cursor)
        return reader, reader.fetch(connection)

    def _present_revision(self, connection: apsw.Connection) -> int:
        found = connection.execute(
            "SELECT revision FROM data_stream WHERE id = ?", (self._stream.id,)
        ).get
        if found is None:
            raise StreamNotFound("the stream was deleted", object=self._stream.name)
        return int(found)

    def _break_now(self, connection: apsw.Connection) -> bool:
        """Tell whether a break follows the last row; it may have been set or removed meanwhile."""
        if self._last is None:
            return False
        row = connection.execute(
            "SELECT last, closed FROM chunk WHERE stream_id = ? AND start <= ? "
            "ORDER BY start DESC LIMIT 1",
            (self._stream.id, self._last),
        ).fetchone()
        if row is None:
            # the rows are too old to be kept; what followed them then is still true
            return self._break_due
        return row[0] <= self._last and bool(row[1])
