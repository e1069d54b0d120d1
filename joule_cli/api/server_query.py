"""A query that runs on the PostgreSQL server behind a node, for nodes that have one."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from joule_cli.api.query import QueryColumn, QueryResult, QueryTable
from joule_cli.errors import QueryError
from joule_cli.series.zones import EPOCH

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import Engine

T = TypeVar("T")

_TIMESTAMPTZ, _JSON = 1184, frozenset({114, 3802})
_TABLES = """
SELECT table_schema || '.' || table_name, column_name, data_type FROM information_schema.columns
WHERE table_schema NOT IN ('pg_catalog', 'information_schema')
ORDER BY table_schema, table_name, ordinal_position
"""
#: The cursor, and what psycopg puts before the query, which positions count from.
_CURSOR = "joule_query"
_DECLARED = f'DECLARE "{_CURSOR}" CURSOR FOR '
_SYNTAX_ERROR, _UNDEFINED_TABLE = "42601", "42P01"
#: bool, int8, int2, int4, float4, float8, numeric
_NUMBERS = frozenset({16, 20, 21, 23, 700, 701, 1700})


async def query_server(engine: Engine, sql: str, tz: str | None = None) -> QueryResult:
    """Run SQL in a transaction that the server keeps from changing anything.

    Parameters
    ----------
    engine
        Of SQLAlchemy with psycopg; disposed of with the result.
    tz
        The zone of times without one; by default the server's.

    Raises
    ------
    QueryError
        The server refuses the query; the hint shows the place.
    """
    result = _ServerResult(engine)
    try:
        await result.start(sql, tz)
    except BaseException:
        await result.close()
        raise
    return result


async def server_tables(engine: Engine) -> list[QueryTable]:
    """List the tables of the database that the user may read, as ``schema.table``."""
    tables: dict[str, list[tuple[str, str]]] = {}
    async with await query_server(engine, _TABLES) as result:
        async for rows in result:
            for name, column, kind in rows:
                tables.setdefault(name, []).append((column, kind))
    return [QueryTable(name, columns) for name, columns in tables.items()]


class _ServerResult(QueryResult):
    """Rows through a cursor on the server, read by a thread of its own."""

    def __init__(self, engine: Engine) -> None:
        super().__init__([])
        self._engine = engine
        self._thread = ThreadPoolExecutor(1, "joule-query")
        self._connection: Any = None
        self._rows: Any = None
        self._open = True

    async def start(self, sql: str, tz: str | None) -> None:
        self.columns = await self._call(lambda: self._start(sql, tz))

    async def read(self, max_rows: int = 10_000) -> list[tuple[Any, ...]]:
        if not self._open:
            raise QueryError("the query is closed")
        return await self._call(lambda: self._read(max_rows))

    async def close(self) -> None:
        if not self._open:
            return
        self._open = False
        self._cancel()
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._close)
        finally:
            self._thread.shutdown()

    def _start(self, sql: str, tz: str | None) -> list[QueryColumn]:
        with _Converted(sql):
            self._connection = self._engine.raw_connection()
            driver = self._connection.driver_connection
            driver.read_only = True
            if tz is not None and tz.lower() != "local":
                driver.execute("SELECT set_config('TimeZone', %s, true)", [_zone(tz)])
            self._rows = driver.cursor(name=_CURSOR)
            self._rows.execute(sql.rstrip().rstrip(";"))
            return [_column(entry) for entry in self._rows.description]

    def _read(self, max_rows: int) -> list[tuple[Any, ...]]:
        with _Converted(""):
            kinds = [column.kind for column in self.columns]
            return [
                tuple(_value(cell, kind) for cell, kind in zip(row, kinds, strict=True))
                for row in self._rows.fetchmany(max_rows)
            ]

    def _cancel(self) -> None:
        if self._connection is not None:
            self._connection.driver_connection.cancel()

    def _close(self) -> None:
        from psycopg import Error

        if self._rows is not None:
            # the transaction may have failed or been cancelled, and ends here anyhow
            with suppress(Error):
                self._rows.close()
        if self._connection is not None:
            self._connection.close()
        self._engine.dispose()

    async def _call(self, body: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, body)
        except asyncio.CancelledError:
            self._cancel()
            raise


class _Converted:
    """Raises this project's errors, with the place in the text, in place of the server's."""

    def __init__(self, sql: str) -> None:
        self._sql = sql

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, exc: BaseException | None, traceback: object) -> None:
        from psycopg import Error
        from sqlalchemy.exc import DBAPIError

        cause = exc.orig if isinstance(exc, DBAPIError) else exc
        if not isinstance(cause, Error):
            return
        message = cause.diag.message_primary or str(cause).partition("\n")[0]
        error = QueryError(message)
        if cause.diag.statement_position is not None:
            position = int(cause.diag.statement_position) - len(_DECLARED)
            hints = (_place(self._sql, position), self._advice(cause.sqlstate, position))
            error.hint = "\n".join(filter(None, hints)) or None
        raise error from exc

    def _advice(self, sqlstate: str | None, position: int) -> str | None:
        if sqlstate == _UNDEFINED_TABLE:
            return (
                "the tables are listed by: joule db query --tables\n"
                "rows of the stream with the id 7 are in data.stream7 (joule stream info)"
            )
        if sqlstate == _SYNTAX_ERROR and not self._sql[: position - 1].strip():
            return "only queries can be run; they begin with SELECT, WITH, VALUES or TABLE"
        return None


def _place(sql: str, position: int) -> str | None:
    """Return the line that an error is about, with a caret below the place."""
    if not 0 < position <= len(sql):
        return None
    before = sql[: position - 1]
    number, column = before.count("\n") + 1, len(before) - (before.rfind("\n") + 1)
    label = f"LINE {number}: "
    return f"{label}{sql.splitlines()[number - 1]}\n{' ' * (len(label) + column)}^"


def _zone(tz: str) -> str:
    """Return a zone as PostgreSQL takes it, where offsets count westwards."""
    if tz[:1] not in {"+", "-"}:
        return tz
    return f"<{tz}>{'-' if tz[0] == '+' else '+'}{tz[1:]}"


def _column(entry: Any) -> QueryColumn:
    oid = entry.type_code
    kind: Literal["time", "number", "json", "text"] = "text"
    if oid == _TIMESTAMPTZ:
        kind = "time"
    elif oid in _NUMBERS:
        kind = "number"
    elif oid in _JSON or entry.type_display.endswith("[]"):
        kind = "json"
    return QueryColumn(entry.name, entry.type_display, kind)


def _value(cell: Any, kind: str) -> Any:
    if cell is None or kind == "number":
        return cell
    if kind == "time":
        return (cell - EPOCH) // timedelta(microseconds=1)
    if kind == "json":
        return json.dumps(cell, ensure_ascii=False, default=str)
    return "\\x" + bytes(cell).hex() if isinstance(cell, bytes | memoryview) else str(cell)
