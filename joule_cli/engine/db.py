"""Database actions of the embedded node."""

from __future__ import annotations

from typing import TYPE_CHECKING

from joule_cli.api.actions.db import DbActions
from joule_cli.engine.base import EngineState

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

    from joule_cli.api.query import QueryResult, QueryTable
    from joule_cli.model import ConnectionInfo


class EmbeddedDb(EngineState, DbActions):
    """SQL over what a store holds."""

    async def db_connection_info(self) -> ConnectionInfo:
        return await self.storage.queries.connection_info()

    async def db_connect(self) -> Engine:
        return await self.storage.queries.connect()

    async def db_query(self, sql: str, tz: str | None = None) -> QueryResult:
        return await self.storage.queries.query(sql, tz)

    async def db_tables(self) -> list[QueryTable]:
        return await self.storage.queries.tables()
