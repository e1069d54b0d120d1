"""One state of the node file, for everything that a query reads."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from joule_cli.engine.stores.sqlite.connection import converted_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable
    from concurrent.futures import Future

    import apsw

T = TypeVar("T")

#: Threads that decode while DuckDB works, and batches that may wait for it in each scan.
_DECODERS, _AHEAD = 2, 4


class Snapshot:
    """A read transaction that stays open, used from several threads.

    SQLite gives all statements of one transaction the same state of the file, whatever others
    write meanwhile; the price is a write-ahead log that grows until the query is done. Statements
    are short and run one at a time. The connection refuses to write.

    Parameters
    ----------
    connection
        Closed with the snapshot.
    """

    def __init__(self, connection: apsw.Connection, path: str) -> None:
        self._connection = connection
        self._path = path
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(_DECODERS, "joule-sql")
        connection.pragma("query_only", 1)
        connection.execute("BEGIN")
        # the first read fixes the state
        connection.execute("SELECT count(*) FROM sqlite_schema").get  # noqa: B018

    def call(self, body: Callable[[apsw.Connection], T]) -> T:
        """Run something short with the connection."""
        with self._lock, converted_errors(self._path):
            return body(self._connection)

    def rows(self, sql: str, *arguments: Any) -> list[tuple[Any, ...]]:
        """Return all rows of a statement."""
        return self.call(lambda connection: list(connection.execute(sql, arguments)))

    def ahead(self, jobs: Iterable[Callable[[], T]]) -> Generator[T, None, None]:
        """Yield what jobs return, in order; a few run before they are asked for."""
        from collections import deque

        waiting: deque[Future[T]] = deque()
        try:
            for job in jobs:
                waiting.append(self._pool.submit(job))
                if len(waiting) >= _AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()

    def close(self) -> None:
        """Wait for running jobs and give the state up."""
        self._pool.shutdown(cancel_futures=True)
        self._connection.close()
