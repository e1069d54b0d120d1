"""Folders and streams in the node file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from joule_cli.engine.stores.metadata import (
    MetadataStore,
    Opened,
    folder_taken,
    locked,
    stream_taken,
)
from joule_cli.engine.stores.sqlite import expired, places, streams, tree
from joule_cli.engine.stores.sqlite.streams import TABLES
from joule_cli.engine.validation import DEEPEST
from joule_cli.errors import ConflictError
from joule_cli.model import DataStreamInfo

if TYPE_CHECKING:
    from collections.abc import Callable

    import apsw

    from joule_cli.engine.stores.metadata import Key, Stream
    from joule_cli.engine.stores.sqlite.database import Database
    from joule_cli.engine.stores.sqlite.producers import Producers
    from joule_cli.model import DataStream, Folder


class SqliteMetadata(MetadataStore):
    """The tables of folders and streams.

    Parameters
    ----------
    clock
        Gives the present time in µs, for `updated_at`.
    """

    def __init__(self, database: Database, producers: Producers, clock: Callable[[], int]) -> None:
        self._database = database
        self._producers = producers
        self._clock = clock

    async def folder(self, key: Key) -> Folder:
        return await self._database.read(lambda c: tree.load_folder(c, places.find_folder(c, key)))

    async def create_folder(self, path: str, description: str | None) -> Folder:
        now = self._clock()

        def create(connection: apsw.Connection) -> Folder:
            folder_id = places.create_folder_path(connection, path, now)
            if description is not None:
                connection.execute(
                    "UPDATE folder SET description = ? WHERE id = ?", (description, folder_id)
                )
                places.touch_folder(connection, folder_id, now)
            return tree.load_folder(connection, folder_id)

        return await self._database.write(create)

    async def update_folder(self, key: Key, name: str, description: str | None) -> None:
        now = self._clock()

        def update(connection: apsw.Connection) -> None:
            folder_id = self._unlocked_folder(connection, key)
            _, parent = _folder_row(connection, folder_id)
            if places.folder_named(connection, parent, name) not in (None, folder_id):
                raise folder_taken(name)
            connection.execute(
                "UPDATE folder SET name = ?, description = ? WHERE id = ?",
                (name, description, folder_id),
            )
            places.touch_folder(connection, folder_id, now)

        await self._database.write(update)

    async def move_folder(self, key: Key, destination: Key) -> None:
        now = self._clock()

        def move(connection: apsw.Connection) -> None:
            folder_id = self._unlocked_folder(connection, key)
            parent = places.find_destination(connection, destination, now)
            name, former = _folder_row(connection, folder_id)
            about = key if isinstance(key, str) else name
            if places.folder_named(connection, parent, name) is not None:
                raise folder_taken(about)
            if parent in tree.folders_below(connection, folder_id):
                raise ConflictError("cannot place a parent in a child folder", object=about)
            if tree.depth(connection, parent) + 1 + tree.height(connection, folder_id) > DEEPEST:
                raise ConflictError(f"folders can be nested {DEEPEST} deep at most", object=about)
            connection.execute("UPDATE folder SET parent_id = ? WHERE id = ?", (parent, folder_id))
            places.touch_folder(connection, former, now)
            places.touch_folder(connection, folder_id, now)

        await self._database.write(move)

    async def delete_folder(self, key: Key, *, recursive: bool) -> None:
        now = self._clock()

        def delete(connection: apsw.Connection) -> None:
            folder_id = self._unlocked_folder(connection, key)
            if len(tree.folders_below(connection, folder_id)) > 1 and not recursive:
                raise ConflictError(
                    "specify [recursive] or remove child folders first", object=str(key)
                )
            _, parent = _folder_row(connection, folder_id)
            tree.delete_folder(connection, folder_id)
            places.touch_folder(connection, parent, now)

        await self._database.write(delete)

    async def stream(self, kind: type[Stream], key: Key) -> Stream:
        table = TABLES[kind]
        return await self._database.read(
            lambda c: streams.load(c, kind, places.find_stream(c, key, table))
        )

    async def opened(self, key: Key) -> Opened:
        def find(connection: apsw.Connection) -> Opened:
            stream_id = places.find_stream(connection, key)
            revision = connection.execute(
                "SELECT revision FROM data_stream WHERE id = ?", (stream_id,)
            ).get
            return Opened(streams.load_data_stream(connection, stream_id), revision > 0)

        return await self._database.read(find)

    async def described(self, key: Key) -> DataStream:
        def find(connection: apsw.Connection) -> DataStream:
            stream_id = places.find_stream(connection, key)
            found = streams.load_data_stream(connection, stream_id)
            found.info = _info(connection, stream_id)
            return found

        return await self._database.read(find)

    async def data_stream_info(self, key: Key) -> DataStreamInfo:
        return await self._database.read(lambda c: _info(c, places.find_stream(c, key)))

    async def create_stream(self, stream: Stream, destination: Key) -> Stream:
        now = self._clock()

        def create(connection: apsw.Connection) -> Stream:
            folder_id = places.find_destination(connection, destination, now)
            if places.name_taken(connection, folder_id, stream.name) is not None:
                raise stream_taken(stream.name)
            stream_id = streams.insert(connection, stream, folder_id, now)
            places.touch_folder(connection, folder_id, now)
            return streams.load(connection, type(stream), stream_id)

        return await self._database.write(create)

    async def update_stream(self, key: Key, stream: Stream) -> None:
        now, table = self._clock(), TABLES[type(stream)]

        def update(connection: apsw.Connection) -> None:
            stream_id = self._unlocked_stream(connection, key, table)
            _, folder_id = _stream_row(connection, stream_id, table)
            taken = places.name_taken(connection, folder_id, stream.name)
            if taken not in (None, (table, stream_id)):
                raise stream_taken(stream.name)
            streams.update(connection, stream_id, stream)
            places.touch_stream(connection, stream_id, now, table)

        await self._database.write(update)

    async def move_stream(self, kind: type[Stream], key: Key, destination: Key) -> None:
        now, table = self._clock(), TABLES[kind]

        def move(connection: apsw.Connection) -> None:
            stream_id = self._unlocked_stream(connection, key, table)
            folder_id = places.find_destination(connection, destination, now)
            name, former = _stream_row(connection, stream_id, table)
            if places.name_taken(connection, folder_id, name) is not None:
                # the path says more than the name, where the stream was given by it
                raise stream_taken(key if isinstance(key, str) else name, "destination folder")
            connection.execute(
                f"UPDATE {table} SET folder_id = ? WHERE id = ?",  # noqa: S608
                (folder_id, stream_id),
            )
            places.touch_folder(connection, former, now)
            places.touch_stream(connection, stream_id, now, table)

        await self._database.write(move)

    async def delete_stream(self, kind: type[Stream], key: Key) -> None:
        now, table = self._clock(), TABLES[kind]

        def delete(connection: apsw.Connection) -> None:
            stream_id = self._unlocked_stream(connection, key, table)
            places.touch_stream(connection, stream_id, now, table)
            streams.delete(connection, table, stream_id)

        await self._database.write(delete)

    def _unlocked_folder(self, connection: apsw.Connection, key: Key) -> int:
        """Return the id of a folder that may be changed."""
        folder_id = places.find_folder(connection, key)
        active = self._producers.active_streams()
        if folder_id == places.root_id(connection) or (
            active and active & tree.streams_below(connection, folder_id)
        ):
            raise locked("folder", key)
        return folder_id

    def _unlocked_stream(self, connection: apsw.Connection, key: Key, table: str) -> int:
        """Return the id of a stream that may be changed."""
        stream_id = places.find_stream(connection, key, table)
        if table == "data_stream" and self._producers.active(stream_id):
            raise locked("stream", key)
        return stream_id


def _folder_row(connection: apsw.Connection, folder_id: int) -> tuple[str, int]:
    """Return name and parent of a folder that is not the root."""
    query = "SELECT name, parent_id FROM folder WHERE id = ?"
    name, parent = connection.execute(query, (folder_id,)).get
    return name, parent


def _stream_row(connection: apsw.Connection, stream_id: int, table: str) -> tuple[str, int]:
    """Return name and folder of a stream."""
    query = f"SELECT name, folder_id FROM {table} WHERE id = ?"  # noqa: S608
    name, folder = connection.execute(query, (stream_id,)).get
    return name, folder


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
    gone = expired.count(connection, "rows", stream_id)
    if start is None:
        return DataStreamInfo(start=None, end=None, rows=0, expired=gone)
    return DataStreamInfo(start, last, n_rows, last - start, size or 0, gone)
