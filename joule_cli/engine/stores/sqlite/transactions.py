"""Transactions on a node file; see `room` for what they do on a full disk."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import apsw

from joule_cli.engine.stores.sqlite import room
from joule_cli.engine.stores.sqlite.node_file import NodeConnection

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def transaction(connection: apsw.Connection, *, write: bool) -> Iterator[apsw.Connection]:
    """Run a block in one transaction; roll back when it raises.

    Raises
    ------
    FileMovedError
        The file that was written is not the one at the path of the node.
    """
    node_file = connection.file if write and isinstance(connection, NodeConnection) else None
    file = connection.filename if write and connection.filename else None
    short = file is not None and room.is_short(file)
    if short:
        _empty_large_log(connection, file)
        # the log gets nothing before the end, when it is known whether there is room
        connection.pragma("cache_spill", 0)
    connection.execute("BEGIN IMMEDIATE" if write else "BEGIN")
    try:
        if node_file is not None:
            node_file.begun()
        if file is not None:
            room.reserve_index(file)
        yield connection
        if node_file is not None:
            node_file.committing()
        if file is not None:
            room.require_room(connection, file)
        connection.execute("COMMIT")
    except BaseException as exc:
        # SQLite has rolled back by itself after some errors, a full disk among them
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        if isinstance(exc, apsw.FullError):
            _empty_log(connection)
        raise
    if node_file is not None:
        # what went to a file that is gone by now was not stored
        node_file.refuse_moved()
    if short:
        _empty_large_log(connection, file)


def _empty_large_log(connection: apsw.Connection, file: str | None) -> None:
    if file is not None and room.has_large_log(file):
        _empty_log(connection)


def _empty_log(connection: apsw.Connection) -> None:
    waiter = connection.waiter if isinstance(connection, NodeConnection) else None
    room.empty_log(connection, waiter)
