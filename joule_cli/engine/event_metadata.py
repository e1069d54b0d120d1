"""Event streams in a node file: loading, storing and deleting their rows.

As `joule_cli.engine.metadata`, everything here runs inside a transaction of the caller.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from joule_cli import model
from joule_cli.engine import metadata
from joule_cli.engine.event_validation import check_event_fields, check_event_stream
from joule_cli.errors import StreamNotFound

if TYPE_CHECKING:
    from collections.abc import Iterable

    import apsw

    from joule_cli.model import EventStream

#: The table of event streams, as the functions of `metadata` take it.
TABLE = "event_stream"

#: An event's key is the id of its stream, shifted, plus its own number within the stream: events
#: of one stream lie together, in the order of their ids.
KEY_SHIFT = 40
LAST_EVENT_ID = (1 << KEY_SHIFT) - 1

_COLUMNS = "id, folder_id, name, description, event_fields, chunk_duration_us, keep_us, updated_at"


def find_stream(connection: apsw.Connection, key: str | int) -> int:
    """Return the id of an existing event stream, or raise `StreamNotFound`."""
    return metadata.find_stream(connection, key, TABLE)


def load_stream(connection: apsw.Connection, stream_id: int) -> EventStream:
    """Return an event stream.

    Raises
    ------
    StreamNotFound
        The id names no event stream.
    """
    query = f"SELECT {_COLUMNS} FROM event_stream WHERE id = ?"  # noqa: S608
    for row in connection.execute(query, (stream_id,)):
        return _stream(*row)[1]
    raise StreamNotFound("stream does not exist", object=str(stream_id))


def streams_in(
    connection: apsw.Connection, folder_ids: Iterable[int]
) -> list[tuple[int, EventStream]]:
    """Return (id of the folder, stream) for all event streams in folders, by name."""
    query = (
        f"SELECT {_COLUMNS} FROM event_stream "  # noqa: S608
        "WHERE folder_id IN (SELECT value FROM json_each(?)) ORDER BY name"
    )
    return [_stream(*row) for row in connection.execute(query, (metadata.json_ids(folder_ids),))]


def insert(connection: apsw.Connection, stream: EventStream, folder_id: int, now: int) -> int:
    """Store a new event stream and return its id."""
    connection.execute(
        "INSERT INTO event_stream (folder_id, name, description, event_fields, "
        "chunk_duration_us, keep_us, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (folder_id, *_values(stream), now),
    )
    return connection.last_insert_rowid()


def update(connection: apsw.Connection, stream_id: int, stream: EventStream) -> None:
    """Store the attributes of an event stream."""
    connection.execute(
        "UPDATE event_stream SET name = ?, description = ?, event_fields = ?, "
        "chunk_duration_us = ?, keep_us = ? WHERE id = ?",
        (*_values(stream), stream_id),
    )


def delete_stream(connection: apsw.Connection, stream_id: int) -> None:
    """Delete an event stream with its events."""
    connection.execute("DELETE FROM event WHERE key BETWEEN ? AND ?", key_range(stream_id))
    connection.execute("DELETE FROM event_tally WHERE stream_id = ?", (stream_id,))
    connection.execute("DELETE FROM event_stream WHERE id = ?", (stream_id,))


def key_range(stream_id: int) -> tuple[int, int]:
    """Return the first and the last key that an event of a stream can have."""
    return stream_id << KEY_SHIFT, (stream_id << KEY_SHIFT) | LAST_EVENT_ID


def _values(stream: EventStream) -> tuple[str | int | None, ...]:
    check_event_stream(stream)
    fields = check_event_fields(stream.event_fields)
    return (
        stream.name,
        stream.description,
        json.dumps(fields, ensure_ascii=False),
        stream.chunk_duration_us,
        stream.keep_us,
    )


def _stream(
    id_: int,
    folder: int,
    name: str,
    description: str | None,
    fields: str,
    chunk_duration_us: int,
    keep_us: int,
    updated: int,
) -> tuple[int, EventStream]:
    return folder, model.EventStream(
        name=name,
        description=description,
        chunk_duration_us=chunk_duration_us,
        keep_us=keep_us,
        event_fields=json.loads(fields),
        id=id_,
        updated_at=metadata.timestamp_text(updated),
    )
