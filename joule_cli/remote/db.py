"""Database actions over HTTP."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any

from joule_cli.api.actions.db import DbActions
from joule_cli.errors import MissingExtraError, QueryError
from joule_cli.model import ConnectionInfo
from joule_cli.remote.answers import read_object
from joule_cli.remote.base import RemoteState
from joule_cli.wire import endpoints

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

    from joule_cli.api.query import QueryResult, QueryTable

#: Where PostgreSQL listens when the node names no port.
_POSTGRESQL_PORT = 5432


class RemoteDb(RemoteState, DbActions):
    """The PostgreSQL database behind a remote node."""

    async def db_connection_info(self) -> ConnectionInfo:
        answer = await self.session.get(endpoints.DB_CONNECTION)
        keys = ("username", "password", "port", "database", "host")
        return read_object(answer, self._connection, *keys)

    async def db_connect(self) -> Engine:
        return _engine(await self.db_connection_info())

    async def db_query(self, sql: str, tz: str | None = None) -> QueryResult:
        from joule_cli.api.server_query import query_server

        return await query_server(await self._server(), sql, tz)

    async def db_tables(self) -> list[QueryTable]:
        from joule_cli.api.server_query import server_tables

        return await server_tables(await self._server())

    async def _server(self) -> Engine:
        info = await self.db_connection_info()
        if info.is_file:
            raise _no_queries()
        return _engine(info)

    def _connection(self, data: dict[str, Any]) -> ConnectionInfo:
        host = str(data["host"])
        return ConnectionInfo(
            username=str(data["username"]),
            password=str(data["password"]),
            port=_POSTGRESQL_PORT if data["port"] is None else int(data["port"]),
            database=str(data["database"]),
            # the node's own name for the place means this machine here
            host=self.session.address.host if _is_loopback(host) else host,
        )


def _engine(info: ConnectionInfo) -> Engine:
    try:
        from sqlalchemy import create_engine

        return create_engine(info.to_dsn())
    except ImportError as exc:
        raise MissingExtraError(
            "db_connect needs SQLAlchemy and a PostgreSQL driver, which are not installed",
            hint="install it with: pip install 'joule-cli[db]'",
        ) from exc


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _no_queries() -> QueryError:
    return QueryError(
        "queries run on the node's own file, not through its address",
        hint="copy the streams into a file first, or use the node's database: joule db connect",
    )
