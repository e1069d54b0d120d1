"""Folders and the names in them: finding, making and touching their rows.

Everything here runs inside a transaction of the caller, in a worker thread.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from joule_cli.engine.stores.metadata import no_folder, no_stream
from joule_cli.engine.validation import path_segments

if TYPE_CHECKING:
    from collections.abc import Iterable

    import apsw

    from joule_cli.engine.stores.metadata import Key


def root_id(connection: apsw.Connection) -> int:
    """Return the id of the root folder."""
    return int(connection.execute("SELECT id FROM folder WHERE parent_id IS NULL").get)


def find_folder(connection: apsw.Connection, key: Key) -> int:
    """Return the id of an existing folder, or raise FolderNotFound."""
    if isinstance(key, str):
        found = _descend(connection, path_segments(key) or [])
    else:
        found = connection.execute("SELECT id FROM folder WHERE id = ?", (key,)).get
    if found is None:
        raise no_folder(key)
    return found


def find_stream(connection: apsw.Connection, key: Key, table: str = "data_stream") -> int:
    """Return the id of an existing stream, or raise StreamNotFound.

    Parameters
    ----------
    table
        Its kind: ``data_stream`` or ``event_stream``.
    """
    found: int | None = None
    if isinstance(key, str):
        *above, name = path_segments(key) or [""]
        folder = _descend(connection, above)
        taken = None if folder is None else name_taken(connection, folder, name)
        if taken is not None and taken[0] == table:
            found = taken[1]
    else:
        query = f"SELECT id FROM {table} WHERE id = ?"  # noqa: S608
        found = connection.execute(query, (key,)).get
    if found is None:
        raise no_stream(key)
    return found


def find_destination(connection: apsw.Connection, key: Key, now: int) -> int:
    """Return the id of a folder that something is put into; a new path is created."""
    if isinstance(key, str):
        return create_folder_path(connection, key, now)
    return find_folder(connection, key)


def create_folder_path(connection: apsw.Connection, path: str, now: int) -> int:
    """Return the id of the folder `path`, created with all missing ancestors."""
    folder = root_id(connection)
    created = False
    for name in path_segments(path) or []:
        found = folder_named(connection, folder, name)
        if found is None:
            connection.execute(
                "INSERT INTO folder (parent_id, name, updated_at) VALUES (?, ?, ?)",
                (folder, name, now),
            )
            found, created = connection.last_insert_rowid(), True
        folder = found
    if created:
        touch_folder(connection, folder, now)
    return folder


def folder_named(connection: apsw.Connection, parent: int, name: str) -> int | None:
    """Return the id of a child folder."""
    found: int | None = connection.execute(
        "SELECT id FROM folder WHERE parent_id = ? AND name = ?", (parent, name)
    ).get
    return found


def name_taken(connection: apsw.Connection, folder: int, name: str) -> tuple[str, int] | None:
    """Return table and id of the stream that has this name in a folder.

    Data streams and event streams share their names.
    """
    for table in ("data_stream", "event_stream"):
        found = connection.execute(
            f"SELECT id FROM {table} WHERE folder_id = ? AND name = ?",  # noqa: S608
            (folder, name),
        ).get
        if found is not None:
            return table, found
    return None


def touch_folder(connection: apsw.Connection, folder: int, now: int) -> None:
    """Set the time of change of a folder and of all folders above it."""
    connection.execute(
        """
        WITH RECURSIVE above (id) AS (
          VALUES (?)
          UNION ALL SELECT parent_id FROM folder JOIN above USING (id) WHERE parent_id NOT NULL
        )
        UPDATE folder SET updated_at = ? WHERE id IN above
        """,
        (folder, now),
    )


def touch_stream(
    connection: apsw.Connection, stream_id: int, now: int, table: str = "data_stream"
) -> None:
    """Set the time of change of a stream and of all folders above it."""
    query = f"UPDATE {table} SET updated_at = ? WHERE id = ? RETURNING folder_id"  # noqa: S608
    folder = connection.execute(query, (now, stream_id)).get
    touch_folder(connection, folder, now)


def json_ids(ids: Iterable[int]) -> str:
    """Return ids as SQLite's `json_each` takes a list."""
    return json.dumps(list(ids))


def _descend(connection: apsw.Connection, names: list[str]) -> int | None:
    folder: int | None = root_id(connection)
    for name in names:
        if folder is None:
            return None
        folder = folder_named(connection, folder, name)
    return folder
