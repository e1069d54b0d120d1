"""Annotation actions on a node file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from joule_cli import model
from joule_cli.api.actions.annotation import AnnotationActions
from joule_cli.api.references import annotation_key, stream_key
from joule_cli.engine import metadata
from joule_cli.engine.base import EngineState
from joule_cli.engine.validation import (
    INT64_MAX,
    check_optional_text,
    check_text,
    check_timestamp,
)
from joule_cli.errors import AnnotationNotFound, ApiError, InvalidReference

if TYPE_CHECKING:
    from collections.abc import Sequence

    import apsw

    from joule_cli.api.references import AnnotationRef, StreamRef
    from joule_cli.model import Annotation, AnnotationInfo

_COLUMNS = 'id, stream_id, title, content, start, "end"'


class EmbeddedAnnotations(EngineState, AnnotationActions):
    """The annotations of a node file."""

    async def annotation_create(self, annotation: Annotation, stream: StreamRef) -> Annotation:
        return (await self.annotation_create_all([annotation], stream))[0]

    async def annotation_create_all(
        self, annotations: Sequence[Annotation], stream: StreamRef
    ) -> list[Annotation]:
        for each in annotations:
            _require_annotation(each)
        key = stream_key(stream)

        def create(connection: apsw.Connection) -> list[Annotation]:
            stream_id = metadata.find_stream(connection, key)
            return [_insert(connection, stream_id, each) for each in annotations]

        stored = await self.database.write(create)
        for given, each in zip(annotations, stored, strict=True):
            given.id, given.stream_id = each.id, each.stream_id
        return stored

    async def annotation_find(self, annotation: AnnotationRef) -> Annotation:
        key = annotation_key(annotation)
        return await self.database.read(lambda c: _load(c, key))

    async def annotation_update(self, annotation: Annotation) -> Annotation:
        _require_annotation(annotation)
        key = annotation_key(annotation)

        def update(connection: apsw.Connection) -> Annotation:
            _load(connection, key)
            connection.execute(
                "UPDATE annotation SET title = ?, content = ? WHERE id = ?",
                (_title(annotation), check_optional_text(annotation.content, "content"), key),
            )
            return _load(connection, key)

        return await self.database.write(update)

    async def annotation_delete(self, annotation: AnnotationRef) -> None:
        key = annotation_key(annotation)

        def delete(connection: apsw.Connection) -> None:
            _load(connection, key)
            connection.execute("DELETE FROM annotation WHERE id = ?", (key,))

        await self.database.write(delete)

    async def annotation_get(
        self, stream: StreamRef, start: int | None = None, end: int | None = None
    ) -> list[Annotation]:
        key = stream_key(stream)
        low, high = bounds(start, end)

        def read(connection: apsw.Connection) -> list[Annotation]:
            stream_id = metadata.find_stream(connection, key)
            rows = connection.execute(
                f"SELECT {_COLUMNS} FROM annotation "  # noqa: S608  (constant columns)
                "WHERE stream_id = ? AND start BETWEEN ? AND ? ORDER BY start, id",
                (stream_id, low, high),
            )
            return [_annotation(*row) for row in rows]

        return await self.database.read(read)

    async def annotation_info(self, stream: StreamRef) -> AnnotationInfo:
        key = stream_key(stream)

        def read(connection: apsw.Connection) -> AnnotationInfo:
            stream_id = metadata.find_stream(connection, key)
            start, end, count = connection.execute(
                "SELECT min(start), max(start), count(*) FROM annotation WHERE stream_id = ?",
                (stream_id,),
            ).get
            return model.AnnotationInfo(start=start, end=end, count=count)

        return await self.database.read(read)


def bounds(start: int | None, end: int | None) -> tuple[int, int]:
    """Return both inclusive bounds as integers; `None` is as far as timestamps go."""
    low = -INT64_MAX - 1 if start is None else check_timestamp(start, "start")
    high = INT64_MAX if end is None else check_timestamp(end, "end")
    return low, high


def delete_range(connection: apsw.Connection, stream_id: int, low: int, high: int) -> None:
    """Delete the annotations of a stream that start in ``[low, high]``."""
    connection.execute(
        "DELETE FROM annotation WHERE stream_id = ? AND start BETWEEN ? AND ?",
        (stream_id, low, high),
    )


def _insert(connection: apsw.Connection, stream_id: int, annotation: Annotation) -> Annotation:
    start = check_timestamp(annotation.start, "start")
    end = None if annotation.end is None else check_timestamp(annotation.end, "end")
    title = _title(annotation)
    if end is not None and start >= end:
        raise ApiError("[start] must be before [end]", object=title)
    connection.execute(
        'INSERT INTO annotation (stream_id, title, content, start, "end") VALUES (?, ?, ?, ?, ?)',
        (stream_id, title, check_optional_text(annotation.content, "content"), start, end),
    )
    return _load(connection, connection.last_insert_rowid())


def _require_annotation(annotation: Annotation) -> None:
    if not isinstance(annotation, model.Annotation):
        raise InvalidReference("Invalid annotation datatype. Must be Annotation")


def _title(annotation: Annotation) -> str:
    if not annotation.title:
        raise ApiError("annotation title is required")
    return check_text(annotation.title, "title")


def _load(connection: apsw.Connection, annotation_id: int) -> Annotation:
    query = f"SELECT {_COLUMNS} FROM annotation WHERE id = ?"  # noqa: S608  (constant columns)
    if 0 < annotation_id <= INT64_MAX:
        for row in connection.execute(query, (annotation_id,)):
            return _annotation(*row)
    raise AnnotationNotFound("annotation does not exist", object=str(annotation_id))


def _annotation(
    id_: int, stream_id: int, title: str, content: str | None, start: int, end: int | None
) -> Annotation:
    return model.Annotation(
        title=title, start=start, end=end, content=content, id=id_, stream_id=stream_id
    )
