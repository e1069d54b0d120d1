"""Data stream actions on a node file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from joule_cli.api.actions.data_stream import DataStreamActions
from joule_cli.api.references import folder_key, stream_key
from joule_cli.engine import annotation, metadata, space
from joule_cli.engine.base import EngineState
from joule_cli.engine.validation import (
    check_datatype,
    check_display_type,
    check_element,
    check_keep,
    check_limits,
    check_name,
    check_new_stream,
    check_optional_text,
)
from joule_cli.errors import ApiError, InvalidDataStreamParameter, LockedError, NameTakenError
from joule_cli.model import DataStream, DataStreamInfo

if TYPE_CHECKING:
    import apsw

    from joule_cli.api.references import FolderRef, StreamRef
    from joule_cli.model import Element

_TAKEN = "stream with the same name exists in the folder"


class EmbeddedDataStreams(EngineState, DataStreamActions):
    """The data streams of a node file."""

    async def data_stream_get(self, stream: StreamRef) -> DataStream:
        key = stream_key(stream)
        return await self.database.read(lambda c: self._stream(c, metadata.find_stream(c, key)))

    async def data_stream_create(self, stream: DataStream, folder: FolderRef) -> DataStream:
        _require_stream(stream)
        key = folder_key(folder, "destination")
        now = self._clock()

        def create(connection: apsw.Connection) -> DataStream:
            folder_id = metadata.find_destination(connection, key, now)
            check_new_stream(stream)
            if metadata.name_taken(connection, folder_id, stream.name) is not None:
                raise NameTakenError(_TAKEN, object=stream.name)
            stream_id = _insert(connection, stream, folder_id, now)
            metadata.touch_folder(connection, folder_id, now)
            return self._stream(connection, stream_id)

        return await self.database.write(create)

    async def data_stream_update(self, stream: DataStream) -> None:
        _require_stream(stream)
        key = stream_key(stream)
        now = self._clock()

        def update(connection: apsw.Connection) -> None:
            stream_id = self._unlocked_stream(connection, key)
            _update(connection, stream_id, stream)
            metadata.touch_stream(connection, stream_id, now)

        await self.database.write(update)

    async def data_stream_move(self, stream: StreamRef, folder: FolderRef) -> None:
        key = stream_key(stream)
        destination = folder_key(folder, "destination")
        now = self._clock()

        def move(connection: apsw.Connection) -> None:
            stream_id = self._unlocked_stream(connection, key)
            folder_id = metadata.find_destination(connection, destination, now)
            name, former = connection.execute(
                "SELECT name, folder_id FROM data_stream WHERE id = ?", (stream_id,)
            ).get
            if metadata.name_taken(connection, folder_id, name) is not None:
                raise NameTakenError(
                    "stream with the same name exists in the destination folder",
                    object=key if isinstance(key, str) else name,
                )
            connection.execute(
                "UPDATE data_stream SET folder_id = ? WHERE id = ?", (folder_id, stream_id)
            )
            metadata.touch_folder(connection, former, now)
            metadata.touch_stream(connection, stream_id, now)

        await self.database.write(move)

    async def data_stream_delete(self, stream: StreamRef) -> None:
        key = stream_key(stream)
        now = self._clock()

        def delete(connection: apsw.Connection) -> None:
            stream_id = self._unlocked_stream(connection, key)
            metadata.touch_stream(connection, stream_id, now)
            metadata.delete_stream(connection, stream_id)

        await self.database.write(delete)
        await space.release(self.database)

    async def data_stream_info(self, stream: StreamRef) -> DataStreamInfo:
        key = stream_key(stream)
        return await self.database.read(lambda c: _info(c, metadata.find_stream(c, key)))

    async def data_stream_annotation_delete(
        self, stream: StreamRef, start: int | None = None, end: int | None = None
    ) -> None:
        key = stream_key(stream)
        bounds = annotation.bounds(start, end)
        await self.database.write(
            lambda c: annotation.delete_range(c, metadata.find_stream(c, key), *bounds)
        )

    def _unlocked_stream(self, connection: apsw.Connection, key: str | int) -> int:
        """Return the id of a stream that may be changed."""
        stream_id = metadata.find_stream(connection, key)
        if self._is_destination(stream_id):
            raise LockedError("stream is locked", object=str(key))
        return stream_id


def _require_stream(stream: DataStream) -> None:
    if not isinstance(stream, DataStream):
        raise InvalidDataStreamParameter("Invalid stream datatype. Must be DataStream")


def _insert(connection: apsw.Connection, stream: DataStream, folder_id: int, now: int) -> int:
    connection.execute(
        "INSERT INTO data_stream "
        "(folder_id, name, description, datatype, keep_us, decimate, updated_at) "
        "VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            folder_id,
            stream.name,
            stream.description,
            check_datatype(stream.datatype),
            stream.keep_us,
            bool(stream.decimate),
            now,
        ),
    )
    stream_id = connection.last_insert_rowid()
    connection.executemany(
        "INSERT INTO element (stream_id, position, name, units, plottable, display_type, "
        '"offset", scale_factor, default_max, default_min) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
        [(stream_id, i, *_element_values(e)) for i, e in enumerate(stream.elements)],
    )
    return stream_id


def _update(connection: apsw.Connection, stream_id: int, stream: DataStream) -> None:
    name = check_name(stream.name)
    description = check_optional_text(stream.description, "description")
    keep_us = check_keep(stream.keep_us)
    count, folder_id = connection.execute(
        "SELECT (SELECT count(*) FROM element WHERE stream_id = s.id), s.folder_id "
        "FROM data_stream AS s WHERE s.id = ?",
        (stream_id,),
    ).get
    if len(stream.elements) != count:
        raise ApiError("incorrect number of elements", object=name)
    for element in stream.elements:
        check_element(element)
        check_limits(element)
    if metadata.name_taken(connection, folder_id, name) not in (None, ("data_stream", stream_id)):
        raise NameTakenError(_TAKEN, object=name)
    connection.execute(
        "UPDATE data_stream SET name = ?, description = ?, keep_us = ?, decimate = ? WHERE id = ?",
        (name, description, keep_us, bool(stream.decimate), stream_id),
    )
    connection.executemany(
        "UPDATE element SET name = ?, units = ?, plottable = ?, display_type = ?, "
        '"offset" = ?, scale_factor = ?, default_max = ?, default_min = ? '
        "WHERE stream_id = ? AND position = ?",
        [(*_element_values(e), stream_id, i) for i, e in enumerate(stream.elements)],
    )


def _element_values(element: Element) -> tuple[str | float | None, ...]:
    return (
        element.name,
        element.units,
        None if element.plottable is None else bool(element.plottable),
        check_display_type(element.display_type),
        float(element.offset),
        float(element.scale_factor),
        None if element.default_max is None else float(element.default_max),
        None if element.default_min is None else float(element.default_min),
    )


def _info(connection: apsw.Connection, stream_id: int) -> DataStreamInfo:
    start, last, n_rows = connection.execute(
        "SELECT min(start), max(last), sum(n_rows) FROM chunk WHERE stream_id = ?", (stream_id,)
    ).get
    # length() of a blob reads its header only
    size = connection.execute(
        "SELECT sum(length(rows) + ifnull(length(coarse), 0) + ifnull(length(fine), 0) "
        "+ ifnull(length(summary), 0)) FROM chunk JOIN body ON body.id = chunk.body_id "
        "WHERE stream_id = ?",
        (stream_id,),
    ).get
    if start is None:
        return DataStreamInfo(start=None, end=None, rows=0)
    return DataStreamInfo(
        start=start, end=last, rows=n_rows, total_time=last - start, bytes=size or 0
    )
