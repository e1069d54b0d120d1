"""The folder tree in a node file, in a few queries whatever its size."""

from __future__ import annotations

from typing import TYPE_CHECKING

from joule_cli import model
from joule_cli.engine.stores.metadata import timestamp_text
from joule_cli.engine.stores.sqlite import streams
from joule_cli.engine.stores.sqlite.places import json_ids
from joule_cli.engine.stores.sqlite.streams import data_streams_in, event_streams_in

if TYPE_CHECKING:
    import apsw

    from joule_cli.model import Folder

_FOLDERS_BELOW = """
WITH RECURSIVE below (id) AS (
  VALUES (?) UNION ALL SELECT folder.id FROM folder JOIN below ON folder.parent_id = below.id
)
SELECT id, parent_id, name, description, updated_at FROM folder JOIN below USING (id) ORDER BY name
"""


def load_folder(connection: apsw.Connection, folder_id: int) -> Folder:
    """Return a folder with everything below it."""
    folders: dict[int, Folder] = {}
    parents: dict[int, int | None] = {}
    rows = connection.execute(_FOLDERS_BELOW, (folder_id,))
    for id_, parent, name, description, updated in rows:
        folders[id_] = model.Folder(
            name=name,
            description=description,
            id=id_,
            locked=parent is None,
            updated_at=timestamp_text(updated),
        )
        parents[id_] = parent
    for id_, folder in folders.items():
        parent = parents[id_]
        if id_ != folder_id and parent is not None:
            folders[parent].children.append(folder)
    for parent_id, stream in data_streams_in(connection, folders):
        folders[parent_id].data_streams.append(stream)
    for parent_id, events in event_streams_in(connection, folders):
        folders[parent_id].event_streams.append(events)
    return folders[folder_id]


def folders_below(connection: apsw.Connection, folder_id: int) -> set[int]:
    """Return the ids of a folder and of all folders below it."""
    return {row[0] for row in connection.execute(_FOLDERS_BELOW, (folder_id,))}


def depth(connection: apsw.Connection, folder_id: int) -> int:
    """Return how many folders are above a folder."""
    return int(
        connection.execute(
            """
            WITH RECURSIVE above (id) AS (
              VALUES (?) UNION ALL SELECT parent_id FROM folder JOIN above USING (id)
              WHERE parent_id NOT NULL
            )
            SELECT count(*) - 1 FROM above
            """,
            (folder_id,),
        ).get
    )


def height(connection: apsw.Connection, folder_id: int) -> int:
    """Return how many folders are below one another in a folder."""
    return int(
        connection.execute(
            """
            WITH RECURSIVE below (id, level) AS (
              VALUES (?, 0) UNION ALL
              SELECT folder.id, level + 1 FROM folder JOIN below ON folder.parent_id = below.id
            )
            SELECT max(level) FROM below
            """,
            (folder_id,),
        ).get
    )


def streams_below(
    connection: apsw.Connection, folder_id: int, table: str = "data_stream"
) -> set[int]:
    """Return the ids of all streams of a kind in a folder and below it."""
    rows = connection.execute(
        f"SELECT id FROM {table} "  # noqa: S608
        "WHERE folder_id IN (SELECT value FROM json_each(?))",
        (json_ids(folders_below(connection, folder_id)),),
    )
    return {id_ for (id_,) in rows}


def delete_folder(connection: apsw.Connection, folder_id: int) -> None:
    """Delete a folder and all below it with their streams and whatever those hold."""
    below = folders_below(connection, folder_id)
    for table in ("data_stream", "event_stream"):
        for stream_id in streams_below(connection, folder_id, table):
            streams.delete(connection, table, stream_id)
    # in one statement: parents and children
    connection.execute(
        "DELETE FROM folder WHERE id IN (SELECT value FROM json_each(?))",
        (json_ids(below),),
    )
