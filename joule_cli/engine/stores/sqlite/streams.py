"""Data streams and event streams in a node file: loading, storing and deleting their rows.

Everything here runs inside a transaction of the caller, in a worker thread.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from joule_cli.engine.stores.metadata import no_stream, timestamp_text
from joule_cli.engine.stores.sqlite import expired
from joule_cli.engine.stores.sqlite.event_keys import key_range
from joule_cli.engine.stores.sqlite.places import json_ids
from joule_cli.errors import ApiError, CorruptChunkError
from joule_cli.model import DataStream, Element, EventStream
from joule_cli.model.data_stream import DATATYPES

if TYPE_CHECKING:
    from collections.abc import Iterable

    import apsw

    from joule_cli.engine.stores.metadata import Stream

#: The table of each kind.
TABLES: Final[dict[type, str]] = {DataStream: "data_stream", EventStream: "event_stream"}

_DATA_STREAM = "id, folder_id, name, description, datatype, keep_us, decimate, updated_at"
_EVENT_STREAM = (
    "id, folder_id, name, description, event_fields, chunk_duration_us, keep_us, updated_at"
)
_IN_FOLDERS = "folder_id IN (SELECT value FROM json_each(?)) ORDER BY name"
_ELEMENTS_OF = """
SELECT stream_id, id, position, name, units, plottable, display_type, "offset", scale_factor,
  default_max, default_min
FROM element WHERE stream_id IN (SELECT value FROM json_each(?)) ORDER BY stream_id, position
"""


def load(connection: apsw.Connection, kind: type[Stream], stream_id: int) -> Stream:
    """Return a stream of a kind; raises as `MetadataStore.stream`."""
    if issubclass(kind, DataStream):
        return load_data_stream(connection, stream_id)
    return load_event_stream(connection, stream_id)


def load_data_stream(connection: apsw.Connection, stream_id: int) -> DataStream:
    """Return a data stream with its elements; raises as `MetadataStore.stream`."""
    found = _data_streams(connection, "id = ?", stream_id)
    if not found:
        raise no_stream(stream_id)
    stream = found[0][1]
    if stream.datatype not in DATATYPES or not stream.elements:
        raise CorruptChunkError(
            f"the description of stream {stream.name} is damaged", hint="see 'joule admin check'"
        )
    return stream


def load_event_stream(connection: apsw.Connection, stream_id: int) -> EventStream:
    """Return an event stream; raises as `MetadataStore.stream`."""
    for _, stream in _event_streams(connection, "id = ?", stream_id):
        return stream
    raise no_stream(stream_id)


def data_streams_in(
    connection: apsw.Connection, folder_ids: Iterable[int]
) -> list[tuple[int, DataStream]]:
    """Return (id of the folder, stream) for all data streams in folders, by name."""
    return _data_streams(connection, _IN_FOLDERS, json_ids(folder_ids))


def event_streams_in(
    connection: apsw.Connection, folder_ids: Iterable[int]
) -> list[tuple[int, EventStream]]:
    """Return (id of the folder, stream) for all event streams in folders, by name."""
    return _event_streams(connection, _IN_FOLDERS, json_ids(folder_ids))


def insert(
    connection: apsw.Connection, stream: DataStream | EventStream, folder_id: int, now: int
) -> int:
    """Store a new stream and return its id."""
    if isinstance(stream, EventStream):
        connection.execute(
            "INSERT INTO event_stream (folder_id, name, description, event_fields, "
            "chunk_duration_us, keep_us, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (folder_id, *_event_values(stream), now),
        )
        return connection.last_insert_rowid()
    connection.execute(
        "INSERT INTO data_stream "
        "(folder_id, name, description, keep_us, decimate, datatype, updated_at) "
        "VALUES (?, ?, ?, ?, ?, ?, ?)",
        (folder_id, *_data_values(stream), stream.datatype, now),
    )
    stream_id = connection.last_insert_rowid()
    connection.executemany(
        "INSERT INTO element (stream_id, position, name, units, plottable, display_type, "
        '"offset", scale_factor, default_max, default_min) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
        [(stream_id, i, *_element_values(e)) for i, e in enumerate(stream.elements)],
    )
    return stream_id


def update(connection: apsw.Connection, stream_id: int, stream: DataStream | EventStream) -> None:
    """Store the attributes of a stream."""
    if isinstance(stream, EventStream):
        connection.execute(
            "UPDATE event_stream SET name = ?, description = ?, event_fields = ?, "
            "chunk_duration_us = ?, keep_us = ? WHERE id = ?",
            (*_event_values(stream), stream_id),
        )
        return
    count = connection.execute("SELECT count(*) FROM element WHERE stream_id = ?", (stream_id,)).get
    if len(stream.elements) != count:
        raise ApiError("incorrect number of elements", object=stream.name)
    connection.execute(
        "UPDATE data_stream SET name = ?, description = ?, keep_us = ?, decimate = ? WHERE id = ?",
        (*_data_values(stream), stream_id),
    )
    connection.executemany(
        "UPDATE element SET name = ?, units = ?, plottable = ?, display_type = ?, "
        '"offset" = ?, scale_factor = ?, default_max = ?, default_min = ? '
        "WHERE stream_id = ? AND position = ?",
        [(*_element_values(e), stream_id, i) for i, e in enumerate(stream.elements)],
    )


def delete(connection: apsw.Connection, table: str, stream_id: int) -> None:
    """Delete a stream with its rows and annotations, or its events."""
    if table == "event_stream":
        connection.execute("DELETE FROM event WHERE key BETWEEN ? AND ?", key_range(stream_id))
        connection.execute("DELETE FROM event_tally WHERE stream_id = ?", (stream_id,))
    else:
        connection.execute(
            "DELETE FROM body WHERE id IN (SELECT body_id FROM chunk WHERE stream_id = ?)",
            (stream_id,),
        )
        connection.execute("DELETE FROM chunk WHERE stream_id = ?", (stream_id,))
    expired.forget(connection, "events" if table == "event_stream" else "rows", stream_id)
    connection.execute(f"DELETE FROM {table} WHERE id = ?", (stream_id,))  # noqa: S608


def _data_values(stream: DataStream) -> tuple[str | int | None, ...]:
    return stream.name, stream.description, stream.keep_us, bool(stream.decimate)


def _event_values(stream: EventStream) -> tuple[str | int | None, ...]:
    return (
        stream.name,
        stream.description,
        json.dumps(stream.event_fields, ensure_ascii=False),
        stream.chunk_duration_us,
        stream.keep_us,
    )


def _element_values(element: Element) -> tuple[str | float | None, ...]:
    return (
        element.name,
        element.units,
        element.plottable,
        element.display_type,
        element.offset,
        element.scale_factor,
        element.default_max,
        element.default_min,
    )


def _event_streams(
    connection: apsw.Connection, condition: str, argument: int | str
) -> list[tuple[int, EventStream]]:
    """Return (id of the folder, stream) in the order of the condition."""
    query = f"SELECT {_EVENT_STREAM} FROM event_stream WHERE {condition}"  # noqa: S608
    return [
        (
            folder,
            EventStream(
                name=name,
                description=description,
                chunk_duration_us=chunk_duration_us,
                keep_us=keep_us,
                event_fields=json.loads(fields),
                id=id_,
                updated_at=timestamp_text(updated),
            ),
        )
        for id_, folder, name, description, fields, chunk_duration_us, keep_us, updated in (
            connection.execute(query, (argument,))
        )
    ]


def _data_streams(
    connection: apsw.Connection, condition: str, argument: int | str
) -> list[tuple[int, DataStream]]:
    """Return (id of the folder, stream with its elements) in the order of the condition."""
    query = f"SELECT {_DATA_STREAM} FROM data_stream WHERE {condition}"  # noqa: S608
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
