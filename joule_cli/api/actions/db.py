"""Database actions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

    from joule_cli.api.query import QueryResult, QueryTable
    from joule_cli.model import ConnectionInfo


class DbActions(ABC):
    """The database behind a node. Source: Joule API reference, "Database Actions"."""

    @abstractmethod
    async def db_connection_info(self) -> ConnectionInfo:
        """Return what is needed to connect to the node's database.

        Notes
        -----
        Wire: ``GET /db/connection.json``.
        """

    @abstractmethod
    async def db_connect(self) -> Engine:
        """Return a SQLAlchemy engine for the node's database; dispose of it after use.

        That of a node in a file opens the file for reading only. Its tables are those of the
        file's own format, where rows are packed; `db_query` reads them.

        Raises
        ------
        MissingExtraError
            SQLAlchemy is not installed.
        StorageError
            There is no file yet.
        """

    @abstractmethod
    async def db_query(self, sql: str, tz: str | None = None) -> QueryResult:
        """Begin to run a query, and return its rows while they are computed.

        Every stream is a table named by its path, in double quotes as in ``"house/mains"``, with
        or without the first slash. Data streams have the columns ``time`` and one for each
        element. Event streams have ``id``, ``start``, ``end``, ``content`` (JSON) and one for each
        declared field: numbers as DOUBLE, others as VARCHAR, NULL where the content has no such
        value. A column whose name occurs already, in any case, gets ``#`` and its index. The table
        ``annotations`` has those of all data streams.

        All of a query sees the same state of the node. Nothing can be changed.

        Parameters
        ----------
        sql
            One statement that reads.
        tz
            The time zone of times without one; by default the system's.

        Raises
        ------
        QueryError
            Not a query, or one that cannot be run; the hint shows the place.
        MissingExtraError
            The engine is not installed.
        TimeFormatError
            No such time zone.
        """

    @abstractmethod
    async def db_tables(self) -> list[QueryTable]:
        """List the tables that `db_query` knows, with their columns, by name."""
