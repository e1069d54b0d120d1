"""The answer to a query in SQL."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from types import TracebackType


class QueryColumn(NamedTuple):
    """A column of an answer.

    Parameters
    ----------
    name
        As the query calls it; several columns may have the same name.
    type
        The SQL type.
    kind
        What the values are: ``time`` int µs since the epoch, ``number`` int, float, Decimal or
        bool, ``json`` the text of a JSON document, ``text`` str. Any may be `None`.
    """

    name: str
    type: str
    kind: Literal["time", "number", "json", "text"]


class QueryTable(NamedTuple):
    """A table that a query can name.

    Parameters
    ----------
    path
        What stands in double quotes in SQL, without the slash that paths begin with.
    columns
        Names and SQL types.
    """

    path: str
    columns: Sequence[tuple[str, str]]


class QueryResult(ABC):
    """Rows in order, computed while they are read. Close it, or use it in ``async with``.

    ::

        async with await node.db_query('SELECT avg(x) FROM "house/mains"') as result:
            async for rows in result:
                ...
    """

    def __init__(self, columns: Sequence[QueryColumn]) -> None:
        self.columns = columns

    @abstractmethod
    async def read(self, max_rows: int = 10_000) -> list[tuple[Any, ...]]:
        """Return the next rows, one value for each column; an empty list at the end.

        Raises
        ------
        QueryError
            The query failed while it ran.
        """

    @abstractmethod
    async def close(self) -> None:
        """Stop the query. Calling it again does nothing."""

    async def __aiter__(self) -> AsyncIterator[list[tuple[Any, ...]]]:
        while rows := await self.read():
            yield rows

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()
