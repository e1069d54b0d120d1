"""A query from its text to its rows.

1. DuckDB says which tables it does not know; empty ones with the columns of the streams are made.
2. `pushdown` reads from the plan over these what the query needs of each.
3. Sources that give just that take their place, the settings are locked, and the query runs.

Steps 2 and 3 happen in one transaction, so that ``now()`` means the same time in both.
"""

from __future__ import annotations

import json
import logging
import re
from contextlib import suppress
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Any

from joule_cli.api.query import QueryColumn
from joule_cli.engine.stores.sqlite.sql.catalog import Catalog
from joule_cli.engine.stores.sqlite.sql.duck import MissingTable, converted_errors
from joule_cli.engine.stores.sqlite.sql.pushdown import DATA_DEPENDENT, read_plan
from joule_cli.engine.stores.sqlite.sql.table import Counts
from joule_cli.errors import ApiError, QueryError, TimeFormatError
from joule_cli.series.visible import one_line
from joule_cli.series.zones import find_zone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pyarrow as pa

    from joule_cli.engine.stores.sqlite.sql.duck import Engine
    from joule_cli.engine.stores.sqlite.sql.pushdown import Needs
    from joule_cli.engine.stores.sqlite.sql.snapshot import Snapshot
    from joule_cli.engine.stores.sqlite.sql.table import Table

log = logging.getLogger("joule_cli.engine")

_EXPLAIN = "EXPLAIN (FORMAT JSON) "
#: Parts of SQL in which a semicolon does not end a statement.
_LEXEME = re.compile(
    r"""[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|/\*.*?\*/"""
    r"|\$(\w*)\$.*?\$\1\$|.",
    re.DOTALL,
)
#: How values are fetched, by SQL type; the others as text.
_NUMBERS = frozenset(
    {
        *("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "DOUBLE", "BOOLEAN"),
        *("UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT"),
    }
)


class Query:
    """One statement over one state of a node file.

    `start`, `read` and `close` block, and belong to one thread at a time; `interrupt` may be
    called from another.

    Parameters
    ----------
    engine, snapshot
        Closed with the query.
    tz
        The zone of naive times in the query, as `joule_cli.series.zones.find_zone` takes it.
    """

    def __init__(self, engine: Engine, snapshot: Snapshot, sql: str, tz: str | None = None) -> None:
        self.counts = Counts()
        self.needs: dict[str, Needs] = {}
        self._snapshot = snapshot
        self._catalog = Catalog(snapshot)
        self._sql = sql
        self._tz = tz
        self._duck = engine.module
        self._connection = engine.connection
        self._tables: dict[str, Table] = {}  # by the name in the query
        self._failure: BaseException | None = None
        self._interrupted = False

    def start(self) -> list[QueryColumn]:
        """Plan the query, begin to run it and return its columns.

        Raises
        ------
        QueryError
            Not a query, or one that cannot be run.
        """
        self._execute(f"SET TimeZone = {_text(zone)}" if (zone := _zone(self._tz)) else "")
        sql = self._checked()
        self._execute(f"SET disabled_optimizers = {_text(','.join(DATA_DEPENDENT))}")
        self._find_tables(sql)
        columns = self._columns(sql)
        self._execute("BEGIN")
        with converted_errors(self._duck, sql, len(_EXPLAIN)):
            plan = self._connection.execute(_EXPLAIN + sql).fetchall()[0][1]
        widths = {_internal(i): len(t.sources) for i, t in enumerate(self._tables.values())}
        self.needs = read_plan(json.loads(plan), widths)
        self._replace_tables()
        self._execute("SET disabled_optimizers = ''")
        self._execute("SET lock_configuration = true")
        self._run(lambda: self._connection.execute(_wrapped(sql, columns)))
        return columns

    def read(self, max_rows: int) -> list[tuple[Any, ...]]:
        """Return the next rows, an empty list at the end."""
        rows: list[tuple[Any, ...]] = []
        self._run(lambda: rows.extend(self._connection.fetchmany(max_rows)))
        return rows

    def interrupt(self) -> None:
        """Make what runs end with an error, and begin nothing more."""
        self._interrupted = True
        self._connection.interrupt()

    def close(self) -> None:
        """Give everything up."""
        self._connection.close()
        self._snapshot.close()
        for name, table in self._tables.items():
            log.info("%s: %s", name, table.path)
        log.info(
            "read %d rows, %d chunks, %d values",
            self.counts.rows,
            self.counts.chunks,
            self.counts.values,
        )

    def _checked(self) -> str:
        """Return the statement without its semicolon, if it is one and only reads."""
        with converted_errors(self._duck, self._sql):
            statements = self._connection.extract_statements(self._sql)
        if not statements:
            raise QueryError("there is no SQL to run")
        if len(statements) > 1:
            raise QueryError("only one statement can be run at a time")
        kind = str(statements[0].type).rpartition(".")[2]
        word = self._sql.split(maxsplit=1)[0].upper()
        # SHOW counts as a query there, but would list none of our tables
        if kind != "SELECT" or word == "SHOW":
            name = word if word.isalpha() else kind
            raise QueryError(
                f"only queries can be run, and this is {_article(name)}",
                hint="a query begins with SELECT, FROM, WITH, VALUES, DESCRIBE or SUMMARIZE",
            )
        for match in _LEXEME.finditer(self._sql):
            if match[0] == ";":
                return self._sql[: match.start()]
        return self._sql

    def _find_tables(self, sql: str) -> None:
        """Make an empty table for every stream that the query names."""
        with suppress(self._duck.Error):
            # most are found without running into an error, which takes longer
            for name in sorted(self._connection.get_table_names(sql)):
                self._add_table(name)
        while True:
            try:
                with converted_errors(self._duck, sql, len(_EXPLAIN)):
                    self._connection.execute(_EXPLAIN + sql)
            except MissingTable as missing:
                if not self._add_table(missing.name):
                    raise _unknown(missing.name, missing.error, self._catalog) from None
            else:
                return

    def _add_table(self, name: str) -> bool:
        """Make an empty table for a stream; false if there is none, or if it has one already."""
        table = self._catalog.find(name)
        if table is None:
            return False
        for other, known in self._tables.items():
            if other.casefold() == name.casefold():
                if known.path != table.path:
                    raise QueryError(
                        f'"{other}" and "{name}" differ in case only, which SQL ignores',
                        hint="begin one of the names with a slash",
                    )
                return False
        internal = _internal(len(self._tables))
        self._tables[name] = table
        types = ", ".join(f"c{i} {source.type}" for i, source in enumerate(table.sources))
        self._execute(f"CREATE TABLE {internal} ({types})")
        self._execute(f"CREATE VIEW {_quoted(name)} AS {_renamed(internal, table)}")
        return True

    def _replace_tables(self) -> None:
        for index, (name, table) in enumerate(self._tables.items()):
            internal = _internal(index)
            self._execute(f"DROP VIEW {_quoted(name)}")
            self._execute(f"DROP TABLE {internal}")
            needs = self.needs[internal]
            self._connection.register(internal, _ScannedTable(self, table, needs))
            sources = ", ".join(
                f"c{i}" if i in needs.columns else f"NULL::{source.type} AS c{i}"
                for i, source in enumerate(table.sources)
            )
            scan = f"(SELECT {sources} FROM {internal})"  # noqa: S608
            self._execute(f"CREATE TEMP VIEW {_quoted(name)} AS {_renamed(scan, table)}")

    def _columns(self, sql: str) -> list[QueryColumn]:
        prefix = "DESCRIBE "
        with converted_errors(self._duck, sql, len(prefix)):
            rows = self._connection.execute(prefix + sql).fetchall()
        return [QueryColumn(row[0], row[1], _fetched(row[1])[0]) for row in rows]

    def _execute(self, sql: str) -> None:
        if sql:
            with converted_errors(self._duck, sql):
                self._connection.execute(sql)

    def _run(self, body: Callable[[], object]) -> None:
        """Run something that may scan; what a scan failed with comes before DuckDB's words."""
        if self._interrupted:
            # an interruption between two statements would be lost
            raise QueryError("the query was interrupted")
        try:
            with converted_errors(self._duck, ""):
                body()
        except (ApiError, MissingTable) as exc:
            failure = self._failure
            if failure is None:
                failure = exc.error if isinstance(exc, MissingTable) else exc
            raise failure from None

    def batches(self, table: Table, needs: Needs) -> Iterator[pa.RecordBatch]:
        """Read a table, and keep what that fails with: DuckDB passes on no more than its words."""
        try:
            yield from table.batches(self._snapshot, needs, self.counts)
        except Exception as exc:
            if self._failure is None:
                self._failure = exc
            raise


class _ScannedTable:
    """A table as DuckDB scans it; every scan begins anew."""

    def __init__(self, query: Query, table: Table, needs: Needs) -> None:
        self._query = query
        self._table = table
        self._needs = needs
        self._schema = table.schema(needs.columns)

    def __arrow_c_schema__(self) -> object:
        return self._schema.__arrow_c_schema__()

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        import pyarrow as pa

        batches = self._query.batches(self._table, self._needs)
        return pa.RecordBatchReader.from_batches(self._schema, batches).__arrow_c_stream__()


def _internal(index: int) -> str:
    return f"joule_source_{index}"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _renamed(scan: str, table: Table) -> str:
    columns = ", ".join(
        f"{expression} AS {_quoted(column.name)}"
        for expression, column in zip(table.expressions(), table.columns, strict=True)
    )
    return f"SELECT {columns} FROM {scan}"  # noqa: S608


def _fetched(kind: str) -> tuple[Any, str]:
    """Return what a type is to a reader, and the expression that fetches it."""
    if kind == "TIMESTAMP WITH TIME ZONE":
        return "time", "epoch_us({})"
    if kind == "FLOAT":
        # the shortest digits that mean the same float32, as everywhere
        return "number", "{}::VARCHAR::DOUBLE"
    if kind in _NUMBERS or kind.startswith("DECIMAL("):
        return "number", "{}"
    if kind == "VARCHAR":
        return "text", "{}"
    if kind == "JSON":
        return "json", "{}::VARCHAR"
    nested = kind.endswith(("]", ")")) and not kind.startswith("ENUM(")
    if nested or kind == "VARIANT":
        return "json", "to_json({})::VARCHAR"
    return "text", "{}::VARCHAR"


def _wrapped(sql: str, columns: list[QueryColumn]) -> str:
    names = [f"c{i}" for i in range(len(columns))]
    values = [_fetched(c.type)[1].format(name) for c, name in zip(columns, names, strict=True)]
    # the line break ends a comment
    return f"SELECT {', '.join(values)} FROM (\n{sql}\n) AS answer ({', '.join(names)})"  # noqa: S608


def _zone(tz: str | None) -> str | None:
    """Return a zone as DuckDB names it; `None` leaves it the system's, as DuckDB finds it."""
    import os

    zone = find_zone(tz or "local")
    if zone is None:
        name = os.environ.get("TZ", "").removeprefix(":")
        if not name or name.startswith("/"):
            return None
        try:
            find_zone(name)
        except TimeFormatError as exc:
            raise TimeFormatError(
                f"the time zone of the environment, TZ={name}, has no meaning in SQL",
                hint="name one with --tz, such as Europe/Berlin",
            ) from exc
        return _zone(name)
    key = getattr(zone, "key", None)
    if key is not None:
        return str(key)
    if zone is UTC:
        return "UTC"
    minutes = int((zone.utcoffset(None) or timedelta()).total_seconds()) // 60
    return f"GMT{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"


def _article(kind: str) -> str:
    return f"{'an' if kind[0] in 'AEIOU' else 'a'} {kind} statement"


def _unknown(name: str, error: QueryError, catalog: Catalog) -> QueryError:
    nearest = catalog.nearest(name)
    advice = (
        f'Did you mean "{one_line(nearest)}"?'
        if nearest is not None
        else "The tables are listed by: joule db query --tables"
    )
    return QueryError(
        f'there is no table "{name}"', hint=f"{error.hint}\n{advice}" if error.hint else advice
    )
