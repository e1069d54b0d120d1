"""What a refusal means that comes without the code of its class, as from a Joule 1.0.1 node.

That is told by looking at the node's tree, never by the text. Nothing is asked before a refusal.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeAlias

from joule_cli.errors import ApiError, ConflictError, JouleError, LockedError, NameTakenError
from joule_cli.model import DataStream, EventStream, Folder
from joule_cli.remote.answers import read_object
from joule_cli.wire import endpoints

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from joule_cli.remote.session import Session

    Stream: TypeAlias = DataStream | EventStream
    Meaning: TypeAlias = Callable[[Folder], type[ApiError] | None]

_FOLDER_KEYS = ("id", "name", "children", "streams", "event_streams")


@asynccontextmanager
async def told_apart(session: Session, meaning: Meaning) -> AsyncIterator[None]:
    """Raise the class that `meaning` finds for what is refused in the block, with its text."""
    try:
        yield
    except ApiError as error:
        # what has a cause did not come from the node
        if type(error) is not ApiError or error.status != 400 or error.__cause__ is not None:
            raise
        try:
            kind = meaning(read_folder(await session.get(endpoints.FOLDERS)))
        except JouleError:
            # the refusal is what matters
            kind = None
        if kind is None:
            raise
        known = kind(error.message, object=error.object, hint=error.hint)
        known.status = error.status
        raise known from error


def read_folder(answer: object) -> Folder:
    """Return the folder of an answer."""
    return read_object(answer, Folder.from_json, *_FOLDER_KEYS)


def creating_stream(name: str, folder: str | int) -> Meaning:
    """Explain why a stream is not created."""

    def meaning(root: Folder) -> type[ApiError] | None:
        place = _find_folder(root, folder)
        return NameTakenError if place is not None and _has_stream(place, name) else None

    return meaning


def changing_stream(kind: type[Stream], key: str | int, name: str) -> Meaning:
    """Explain why a stream is not changed, which may get another name."""

    def meaning(root: Folder) -> type[ApiError] | None:
        place, stream = _find_stream(root, kind, key)
        if stream is None:
            return None
        if _is_locked(stream):
            return LockedError
        return NameTakenError if _has_stream(place, name, besides=stream) else None

    return meaning


def moving_stream(kind: type[Stream], key: str | int, destination: str | int) -> Meaning:
    """Explain why a stream is not put into a folder."""

    def meaning(root: Folder) -> type[ApiError] | None:
        _, stream = _find_stream(root, kind, key)
        if stream is None:
            return None
        if _is_locked(stream):
            return LockedError
        place = _find_folder(root, destination)
        return NameTakenError if place is not None and _has_stream(place, stream.name) else None

    return meaning


def deleting_stream(kind: type[Stream], key: str | int) -> Meaning:
    """Explain why a stream is not deleted."""

    def meaning(root: Folder) -> type[ApiError] | None:
        _, stream = _find_stream(root, kind, key)
        return LockedError if stream is not None and _is_locked(stream) else None

    return meaning


def changing_folder(key: str | int, name: str) -> Meaning:
    """Explain why a folder is not changed, which may get another name."""

    def meaning(root: Folder) -> type[ApiError] | None:
        folder = _find_folder(root, key)
        if folder is None:
            return None
        if folder.locked:
            return LockedError
        parents = (place for _, place in root.walk() if folder in place.children)
        taken = any(_has_folder(place, name, besides=folder) for place in parents)
        return NameTakenError if taken else None

    return meaning


def moving_folder(key: str | int, destination: str | int) -> Meaning:
    """Explain why a folder is not put into another one."""

    def meaning(root: Folder) -> type[ApiError] | None:
        folder, place = _find_folder(root, key), _find_folder(root, destination)
        if folder is None:
            return None
        if folder.locked:
            return LockedError
        if place is None:
            above = next(path for path, each in root.walk() if each is folder)
            inside = isinstance(destination, str) and destination.startswith(f"{above}/")
            return ConflictError if inside else None
        if _has_folder(place, folder.name):
            return NameTakenError
        return ConflictError if any(each is place for _, each in folder.walk()) else None

    return meaning


def deleting_folder(key: str | int, *, recursive: bool) -> Meaning:
    """Explain why a folder is not deleted."""

    def meaning(root: Folder) -> type[ApiError] | None:
        folder = _find_folder(root, key)
        if folder is None:
            return None
        if folder.locked:
            return LockedError
        return ConflictError if folder.children and not recursive else None

    return meaning


def _find_folder(root: Folder, key: str | int) -> Folder | None:
    return next((each for path, each in root.walk() if key in (path, each.id)), None)


def _find_stream(root: Folder, kind: type[Stream], key: str | int) -> tuple[Folder, Stream | None]:
    for path, folder in root.walk():
        streams: list[Stream] = [*folder.data_streams, *folder.event_streams]
        for stream in streams:
            place = f"{path.rstrip('/')}/{stream.name}"
            if isinstance(stream, kind) and key in (place, stream.id):
                return folder, stream
    return root, None


def _has_stream(folder: Folder, name: str, *, besides: Stream | None = None) -> bool:
    streams: list[Stream] = [*folder.data_streams, *folder.event_streams]
    return any(each.name == name and each is not besides for each in streams)


def _has_folder(folder: Folder, name: str, *, besides: Folder | None = None) -> bool:
    return any(each.name == name and each is not besides for each in folder.children)


def _is_locked(stream: Stream) -> bool:
    # of event streams, a node does not tell it
    return isinstance(stream, DataStream) and stream.locked
