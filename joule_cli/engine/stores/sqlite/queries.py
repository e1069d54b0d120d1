"""SQL over a node file."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from joule_cli import model
from joule_cli.api.query import QueryResult, QueryTable
from joule_cli.engine.stores.storage import Queries
from joule_cli.errors import MissingExtraError, StorageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import Engine

    from joule_cli.api.query import QueryColumn
    from joule_cli.engine.stores.sqlite.database import Database
    from joule_cli.engine.stores.sqlite.sql.query import Query
    from joule_cli.engine.stores.sqlite.sql.snapshot import Snapshot
    from joule_cli.model import ConnectionInfo

T = TypeVar("T")


class SqliteQueries(Queries):
    """The node file itself, and SQL over what is packed in it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._running: set[_Result] = set()

    async def connection_info(self) -> ConnectionInfo:
        return model.ConnectionInfo("", "", 0, str(self._database.path.absolute()), "")

    async def connect(self) -> Engine:
        try:
            from sqlalchemy import create_engine
        except ImportError as exc:
            raise MissingExtraError(
                "db_connect needs SQLAlchemy, which is not installed",
                hint="install it with: pip install 'joule-cli[db]'",
            ) from exc
        info = await self.connection_info()
        if not self._database.path.exists():
            raise StorageError("the file does not exist", object=info.database)
        # refuses what is no node, whose schema could run programs of its own
        await self._database.outside(lambda _: None)
        return create_engine(info.to_dsn())

    async def query(self, sql: str, tz: str | None) -> QueryResult:
        from joule_cli.engine.stores.sqlite.sql.duck import open_engine

        thread = ThreadPoolExecutor(1, "joule-query")
        # the modules below, numpy among them, load meanwhile
        opening = asyncio.get_running_loop().run_in_executor(thread, open_engine)
        try:
            from joule_cli.engine.stores.sqlite.sql.query import Query

            engine = await opening
            try:
                snapshot = await self._snapshot()
            except BaseException:
                engine.connection.close()
                raise
        except BaseException:
            await asyncio.to_thread(thread.shutdown)
            raise
        result = _Result(Query(engine, snapshot, sql, tz), thread, self._running.discard)
        self._running.add(result)
        try:
            result.columns = await result.start()
        except BaseException:
            await result.close()
            raise
        return result

    async def tables(self) -> list[QueryTable]:
        from joule_cli.engine.stores.sqlite.sql.catalog import Catalog

        snapshot = await self._snapshot()
        try:
            tables = await asyncio.to_thread(lambda: list(Catalog(snapshot).all()))
        finally:
            snapshot.close()
        return [
            QueryTable(table.path, [(c.name, c.type) for c in table.columns]) for table in tables
        ]

    async def _snapshot(self) -> Snapshot:
        from joule_cli.engine.stores.sqlite.sql.snapshot import Snapshot

        return Snapshot(await self._database.open(), str(self._database.path))

    async def close(self) -> None:
        """End all queries that run."""
        for query in list(self._running):
            await query.close()


class _Result(QueryResult):
    """Runs a query in a thread of its own."""

    def __init__(
        self, query: Query, thread: ThreadPoolExecutor, closed: Callable[[_Result], None]
    ) -> None:
        super().__init__([])
        self._query = query
        self._closed = closed
        self._thread = thread
        self._open = True

    async def start(self) -> list[QueryColumn]:
        return await self._call(self._query.start)

    async def read(self, max_rows: int = 10_000) -> list[tuple[Any, ...]]:
        if not self._open:
            raise StorageError("the query is closed")
        return await self._call(lambda: self._query.read(max_rows))

    async def close(self) -> None:
        if not self._open:
            return
        self._open = False
        self._closed(self)
        self._query.interrupt()
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._query.close)
        finally:
            self._thread.shutdown()

    async def _call(self, body: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, body)
        except asyncio.CancelledError:
            self._query.interrupt()
            raise
