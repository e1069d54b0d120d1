"""Folders and streams in a node file: finding, loading and changing their rows.

Everything here runs inside a transaction of the caller, in a worker thread. Flags that depend on
running producers are not stored; `joule_cli.engine.base` adds them.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from joule_cli.engine.validation import DEEPEST, INT64_MAX, is_unicode, path_segments
from joule_cli.errors import CorruptChunkError, FolderNotFound, InvalidReference, StreamNotFound
from joule_cli.model import DataStream, Element
from joule_cli.model.data_stream import DATATYPES

if TYPE_CHECKING:
    from collections.abc import Iterable

    import apsw

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_STREAMS_IN = """
SELECT id, folder_id, name, description, datatype, keep_us, decimate, updated_at
FROM data_stream WHERE folder_id IN (SELECT value FROM json_each(?)) ORDER BY name
"""
_STREAM = """
SELECT id, folder_id, name, description, datatype, keep_us, decimate, updated_at
FROM data_stream WHERE id = ?
"""
_ELEMENTS_OF = """
SELECT stream_id, id, position, name, units, plottable, display_type, "offset", scale_factor,
  default_max, default_min
FROM element WHERE stream_id IN (SELECT value FROM json_each(?)) ORDER BY stream_id, position
"""


def root_id(connection: apsw.Connection) -> int:
    """Return the id of the root folder."""
    return int(connection.execute("SELECT id FROM folder WHERE parent_id IS NULL").get)


def find_folder(connection: apsw.Connection, key: str | int) -> int:
    """Return the id of an existing folder.

    Raises
    ------
    FolderNotFound
        The path or id names no folder.
    """
    if isinstance(key, str):
        names = path_segments(key)
        found = None if names is None else _descend(connection, names)
    else:
        found = _existing(connection, "SELECT id FROM folder WHERE id = ?", key)
    if found is None:
        raise FolderNotFound("folder does not exist", object=str(key))
    return found


def find_stream(connection: apsw.Connection, key: str | int, table: str = "data_stream") -> int:
    """Return the id of an existing stream.

    Parameters
    ----------
    table
        Its kind: ``data_stream`` or ``event_stream``.

    Raises
    ------
    StreamNotFound
        The path or id names no stream of that kind.
    """
    if isinstance(key, str):
        *above, name = path_segments(key) or [""]
        folder = _descend(connection, above)
        taken = None if folder is None else name_taken(connection, folder, name)
        found = taken[1] if taken is not None and taken[0] == table else None
    else:
        found = _existing(connection, f"SELECT id FROM {table} WHERE id = ?", key)  # noqa: S608
    if found is None:
        raise StreamNotFound("stream does not exist", object=str(key))
    return found


def find_destination(connection: apsw.Connection, key: str | int, now: int) -> int:
    """Return the id of a folder that something is put into; a new path is created.

    Raises
    ------
    InvalidReference
        The path is not well formed.
    FolderNotFound
        The id names no folder.
    """
    if isinstance(key, str):
        if path_segments(key) is None:
            raise InvalidReference(f"Destination error: invalid path [{printable(key)}]")
        return create_folder_path(connection, key, now)
    return find_folder(connection, key)


def create_folder_path(connection: apsw.Connection, path: str, now: int) -> int:
    """Return the id of the folder `path`, created with all missing ancestors.

    Raises
    ------
    InvalidReference
        The path is not well formed.
    """
    names = path_segments(path)
    if names is None:
        raise InvalidReference(f"invalid path [{printable(path)}]")
    if len(names) > DEEPEST:
        raise InvalidReference(f"folders can be nested {DEEPEST} deep at most")
    folder = root_id(connection)
    created = False
    for name in names:
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


def load_stream(connection: apsw.Connection, stream_id: int) -> DataStream:
    """Return a data stream with its elements.

    Raises
    ------
    StreamNotFound
        The id names no data stream.
    CorruptChunkError
        Its rows cannot be told from its description.
    """
    streams = _streams(connection, _STREAM, stream_id)
    if not streams:
        raise StreamNotFound("stream does not exist", object=str(stream_id))
    stream = streams[0][1]
    if stream.datatype not in DATATYPES or not stream.elements:
        raise CorruptChunkError(
            f"the description of stream {stream.name} is damaged", hint="see 'joule admin check'"
        )
    return stream


def mark_active(stream: DataStream) -> None:
    """Set the flags of a stream that is being written."""
    stream.is_destination = stream.active = stream.locked = True


def delete_stream(connection: apsw.Connection, stream_id: int) -> None:
    """Delete a stream with its data, elements and annotations."""
    connection.execute(
        "DELETE FROM body WHERE id IN (SELECT body_id FROM chunk WHERE stream_id = ?)",
        (stream_id,),
    )
    connection.execute("DELETE FROM chunk WHERE stream_id = ?", (stream_id,))
    connection.execute("DELETE FROM data_stream WHERE id = ?", (stream_id,))


def timestamp_text(timestamp: int) -> str:
    """Return µs since the epoch as ISO 8601 text."""
    return (_EPOCH + timedelta(microseconds=timestamp)).isoformat(timespec="microseconds")


def printable(text: str) -> str:
    """Return a text that can be printed whatever it came from."""
    return text if is_unicode(text) else text.encode(errors="backslashreplace").decode()


def _existing(connection: apsw.Connection, query: str, key: int) -> int | None:
    if not 0 < key <= INT64_MAX:
        return None
    found: int | None = connection.execute(query, (key,)).get
    return found


def _descend(connection: apsw.Connection, names: list[str]) -> int | None:
    folder: int | None = root_id(connection)
    for name in names:
        if folder is None:
            return None
        folder = folder_named(connection, folder, name)
    return folder


def json_ids(ids: Iterable[int]) -> str:
    """Return ids as SQLite's `json_each` takes a list."""
    return json.dumps(list(ids))


def streams_in(
    connection: apsw.Connection, folder_ids: Iterable[int]
) -> list[tuple[int, DataStream]]:
    """Return (id of the folder, stream) for all data streams in folders, by name."""
    return _streams(connection, _STREAMS_IN, json_ids(folder_ids))


def _streams(
    connection: apsw.Connection, query: str, argument: int | str
) -> list[tuple[int, DataStream]]:
    """Return (id of the folder, stream with its elements) in the order of the query."""
    rows = list(connection.execute(query, (argument,)))
    elements: dict[int, list[Element]] = {row[0]: [] for row in rows}
    for row in connection.execute(_ELEMENTS_OF, (json_ids(elements),)):
        stream_id, id_, position, name, units, plottable, display, offset, scale, high, low = row
        elements[stream_id].append(
            Element(
                name=name,
                units=units,
                plottable=None if plottable is None else bool(plottable),
                display_type=display,
                offset=offset,
                scale_factor=scale,
                default_max=high,
                default_min=low,
                id=id_,
                index=position,
            )
        )
    return [
        (
            folder,
            DataStream(
                name=name,
                description=description,
                datatype=datatype,
                keep_us=keep_us,
                elements=elements[id_],
                decimate=bool(decimate),
                id=id_,
                updated_at=timestamp_text(updated),
            ),
        )
        for id_, folder, name, description, datatype, keep_us, decimate, updated in rows
    ]
