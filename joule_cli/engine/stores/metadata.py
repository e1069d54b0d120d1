"""The contracts of what a store knows about folders, streams, annotations and peers.

References are checked before they come here: a `Key` is a well-formed absolute path or an id above
0, and models have valid attributes. Each method is one transaction: what raises changes nothing.
Changes set `updated_at` of what is changed and of the folders above it.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, TypeVar

from joule_cli.engine.stores.part import Part
from joule_cli.errors import (
    AnnotationNotFound,
    FolderNotFound,
    LockedError,
    NameTakenError,
    StreamNotFound,
)
from joule_cli.model import DataStream, EventStream
from joule_cli.series.zones import EPOCH

if TYPE_CHECKING:
    from collections.abc import Sequence

    from joule_cli.model import (
        Annotation,
        AnnotationInfo,
        DataStreamInfo,
        Folder,
        Follower,
        Joining,
        Master,
    )

Key: TypeAlias = "str | int"
Stream = TypeVar("Stream", DataStream, EventStream)


class Opened(NamedTuple):
    """A data stream whose rows are wanted."""

    model: DataStream
    written: bool  # it has, or has ever had, rows


class MetadataStore(Part):
    """Folders and streams.

    Data streams and event streams of a folder share their names. Of their flags only `locked` of
    the root folder is set here; all others depend on what runs.
    """

    async def folder(self, key: Key) -> Folder:
        """Return a folder with everything below it, each kind by name.

        Raises
        ------
        FolderNotFound
        """
        raise self.unsupported("read folders")

    async def create_folder(self, path: str, description: str | None) -> Folder:
        """Return the folder `path`, made with all that is missing above it.

        A `description` of `None` leaves that of an existing folder.
        """
        raise self.unsupported("create folders")

    async def update_folder(self, key: Key, name: str, description: str | None) -> None:
        """Give a folder another name and description.

        Raises
        ------
        FolderNotFound, NameTakenError
        LockedError
            It is the root folder, or a stream below it is claimed.
        """
        raise self.unsupported("change folders")

    async def move_folder(self, key: Key, destination: Key) -> None:
        """Move a folder into another one, which is made if its path is new.

        Raises
        ------
        FolderNotFound, NameTakenError, LockedError
        ConflictError
            The destination is the folder or below it, or folders would be nested more than
            `DEEPEST` deep.
        """
        raise self.unsupported("move folders")

    async def delete_folder(self, key: Key, *, recursive: bool) -> None:
        """Delete a folder with its streams and what they hold.

        Raises
        ------
        FolderNotFound, LockedError
        ConflictError
            There are folders in it, and it is not to be deleted with them.
        """
        raise self.unsupported("delete folders")

    async def stream(self, kind: type[Stream], key: Key) -> Stream:
        """Return a stream of a kind.

        Raises
        ------
        StreamNotFound
        CorruptChunkError
            What it is cannot be read.
        """
        raise self.unsupported("read streams")

    async def opened(self, key: Key) -> Opened:
        """Return a data stream to read or write its rows; raises as `stream`."""
        return Opened(await self.stream(DataStream, key), written=True)

    async def described(self, key: Key) -> DataStream:
        """Return a data stream with its `info`; raises as `stream`."""
        found = await self.stream(DataStream, key)
        found.info = await self.data_stream_info(key)
        return found

    async def data_stream_info(self, key: Key) -> DataStreamInfo:
        """Return the extent of a data stream, exactly, and the space that its rows take.

        Raises
        ------
        StreamNotFound
        """
        raise self.unsupported("count rows")

    async def create_stream(self, stream: Stream, destination: Key) -> Stream:
        """Store a new stream in a folder, which is made if its path is new; return it as stored.

        Raises
        ------
        FolderNotFound, NameTakenError
        """
        raise self.unsupported("create streams")

    async def update_stream(self, key: Key, stream: Stream) -> None:
        """Store the attributes of a stream, apart from its datatype.

        Raises
        ------
        StreamNotFound, NameTakenError
        LockedError
            The stream is claimed.
        ApiError
            It has another number of elements.
        """
        raise self.unsupported("change streams")

    async def move_stream(self, kind: type[Stream], key: Key, destination: Key) -> None:
        """Move a stream to a folder, which is made if its path is new.

        Raises
        ------
        StreamNotFound, FolderNotFound, NameTakenError, LockedError
        """
        raise self.unsupported("move streams")

    async def delete_stream(self, kind: type[Stream], key: Key) -> None:
        """Delete a stream with its rows and annotations, or its events.

        Raises
        ------
        StreamNotFound, LockedError
        """
        raise self.unsupported("delete streams")


class AnnotationStore(Part):
    """Annotations of data streams; methods that take a `stream` raise StreamNotFound."""

    async def create(self, annotations: Sequence[Annotation], stream: Key) -> list[Annotation]:
        """Store annotations and return them with their ids."""
        raise self.unsupported("store annotations")

    async def get(self, number: int) -> Annotation:
        """Return the annotation with an id.

        Raises
        ------
        AnnotationNotFound
        """
        raise self.unsupported("read annotations")

    async def update(self, number: int, title: str, content: str | None) -> Annotation:
        """Change an annotation and return it; raises as `get`."""
        raise self.unsupported("change annotations")

    async def delete(self, number: int) -> None:
        """Delete an annotation; raises as `get`."""
        raise self.unsupported("delete annotations")

    async def within(self, stream: Key, first: int, last: int) -> list[Annotation]:
        """Return those that start in ``[first, last]``, by start and id."""
        raise self.unsupported("read annotations")

    async def delete_within(self, stream: Key, first: int, last: int) -> None:
        """Delete those that start in ``[first, last]``."""
        raise self.unsupported("delete annotations")

    async def info(self, stream: Key) -> AnnotationInfo:
        """Return the number of annotations, and their first and last start."""
        raise self.unsupported("read annotations")


class PeerStore(Part):
    """Masters, which may call the node, and followers, which it may call."""

    async def masters(self) -> list[Master]:
        """Return all masters by id, without their keys."""
        raise self.unsupported("list masters")

    async def add_master(
        self,
        kind: str,
        name: str,
        key: str,
        *,
        grantor_id: int | None = None,
        replace: bool = False,
    ) -> Master:
        """Store a master and return it with its key.

        Parameters
        ----------
        replace
            Take the place of a master with this kind and name, whose key is no longer valid.

        Raises
        ------
        NameTakenError
            There is such a master.
        ConflictError
            Another master has this key.
        """
        raise self.unsupported("store masters")

    async def delete_master(self, kind: str, name: str) -> bool:
        """Delete a master; tell whether there was one."""
        raise self.unsupported("delete masters")

    async def holder(self, key: str) -> int | None:
        """Return the id of the master that has a key, `None` if none has it.

        How long this takes must tell nothing about keys that exist.
        """
        raise self.unsupported("look up keys")

    async def followers(self) -> list[Follower]:
        """Return all followers by id."""
        raise self.unsupported("list followers")

    async def store_follower(self, name: str, key: str, location: str) -> Follower:
        """Store a follower in place of one at the same location.

        Raises
        ------
        ConflictError
            A follower at another location has this name or key.
        """
        raise self.unsupported("store followers")

    async def delete_follower(self, name: str) -> bool:
        """Delete a follower; tell whether there was one."""
        raise self.unsupported("delete followers")

    async def joining(self) -> Joining | None:
        """Return what was last set for nodes that want to join."""
        raise self.unsupported("be joined")

    async def set_joining(self, joining: Joining) -> None:
        """Say until when nodes may join."""
        raise self.unsupported("be joined")


def timestamp_text(timestamp: int) -> str:
    """Return µs since the epoch as ISO 8601 text, as in `updated_at`."""
    return (EPOCH + timedelta(microseconds=timestamp)).isoformat(timespec="microseconds")


# -- what stores refuse in the same words


def no_folder(key: Key) -> FolderNotFound:
    """Return the error for a path or an id of no folder."""
    return FolderNotFound("folder does not exist", object=str(key))


def no_stream(key: Key) -> StreamNotFound:
    """Return the error for a path or an id of no stream."""
    return StreamNotFound("stream does not exist", object=str(key))


def no_annotation(number: int) -> AnnotationNotFound:
    """Return the error for an id of no annotation."""
    return AnnotationNotFound("annotation does not exist", object=str(number))


def stream_taken(name: str, where: str = "folder") -> NameTakenError:
    """Return the error for the name of a stream that another one has."""
    return NameTakenError(f"stream with the same name exists in the {where}", object=name)


def folder_taken(name: str) -> NameTakenError:
    """Return the error for the name of a folder that another one has."""
    return NameTakenError("a folder with this name is in the destination folder", object=name)


def locked(what: str, key: Key) -> LockedError:
    """Return the error for what must stay as it is while rows are written."""
    return LockedError(f"{what} is locked", object=str(key))
