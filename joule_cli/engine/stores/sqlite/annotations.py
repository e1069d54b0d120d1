"""Annotations in the node file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from joule_cli import model
from joule_cli.engine.stores.metadata import AnnotationStore, no_annotation
from joule_cli.engine.stores.sqlite.places import find_stream

if TYPE_CHECKING:
    from collections.abc import Sequence

    import apsw

    from joule_cli.engine.stores.metadata import Key
    from joule_cli.engine.stores.sqlite.database import Database
    from joule_cli.model import Annotation, AnnotationInfo

_COLUMNS = 'id, stream_id, title, content, start, "end"'
_WITHIN = "FROM annotation WHERE stream_id = ? AND start BETWEEN ? AND ?"


class SqliteAnnotations(AnnotationStore):
    """The table of annotations."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, annotations: Sequence[Annotation], stream: Key) -> list[Annotation]:
        def create(connection: apsw.Connection) -> list[Annotation]:
            stream_id = find_stream(connection, stream)
            return [_insert(connection, stream_id, each) for each in annotations]

        return await self._database.write(create)

    async def get(self, number: int) -> Annotation:
        return await self._database.read(lambda c: _load(c, number))

    async def update(self, number: int, title: str, content: str | None) -> Annotation:
        def update(connection: apsw.Connection) -> Annotation:
            connection.execute(
                "UPDATE annotation SET title = ?, content = ? WHERE id = ?",
                (title, content, number),
            )
            return _load(connection, number)

        return await self._database.write(update)

    async def delete(self, number: int) -> None:
        def delete(connection: apsw.Connection) -> None:
            _load(connection, number)
            connection.execute("DELETE FROM annotation WHERE id = ?", (number,))

        await self._database.write(delete)

    async def within(self, stream: Key, first: int, last: int) -> list[Annotation]:
        query = f"SELECT {_COLUMNS} {_WITHIN} ORDER BY start, id"

        def read(connection: apsw.Connection) -> list[Annotation]:
            rows = connection.execute(query, (find_stream(connection, stream), first, last))
            return [_annotation(*row) for row in rows]

        return await self._database.read(read)

    async def delete_within(self, stream: Key, first: int, last: int) -> None:
        await self._database.write(
            lambda c: c.execute(f"DELETE {_WITHIN}", (find_stream(c, stream), first, last)).get
        )

    async def info(self, stream: Key) -> AnnotationInfo:
        query = "SELECT min(start), max(start), count(*) FROM annotation WHERE stream_id = ?"

        def read(connection: apsw.Connection) -> AnnotationInfo:
            return model.AnnotationInfo(
                *connection.execute(query, (find_stream(connection, stream),)).get
            )

        return await self._database.read(read)


def _insert(connection: apsw.Connection, stream_id: int, annotation: Annotation) -> Annotation:
    connection.execute(
        'INSERT INTO annotation (stream_id, title, content, start, "end") VALUES (?, ?, ?, ?, ?)',
        (stream_id, annotation.title, annotation.content, annotation.start, annotation.end),
    )
    return _load(connection, connection.last_insert_rowid())


def _load(connection: apsw.Connection, number: int) -> Annotation:
    query = f"SELECT {_COLUMNS} FROM annotation WHERE id = ?"  # noqa: S608  (constant columns)
    for row in connection.execute(query, (number,)):
        return _annotation(*row)
    raise no_annotation(number)


def _annotation(
    id_: int, stream_id: int, title: str, content: str | None, start: int, end: int | None
) -> Annotation:
    return model.Annotation(
        title=title, start=start, end=end, content=content, id=id_, stream_id=stream_id
    )
