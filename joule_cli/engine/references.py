"""References of callers as keys of a store; what nothing can have is refused here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from joule_cli.api.references import event_stream_key, folder_key, stream_key
from joule_cli.engine.stores.metadata import no_folder, no_stream
from joule_cli.engine.validation import DEEPEST, INT64_MAX, path_segments, printable
from joule_cli.errors import InvalidReference

if TYPE_CHECKING:
    from joule_cli.api.references import EventStreamRef, FolderRef, StreamRef
    from joule_cli.engine.stores.metadata import Key


def folder_at(ref: FolderRef, role: str = "folder") -> Key:
    """Return the key of a folder that exists; FolderNotFound if it cannot."""
    key = folder_key(ref, role)
    if not _is_possible(key):
        raise no_folder(key)
    return key


def destination_at(ref: FolderRef) -> Key:
    """Return the key of a folder that something is put into, which a path may make."""
    key = folder_key(ref, "destination")
    if isinstance(key, int):
        return folder_at(key)
    if path_segments(key) is None:
        raise InvalidReference(f"Destination error: invalid path [{printable(key)}]")
    return new_folder_at(key)


def new_folder_at(path: str) -> str:
    """Return the path of a folder that is made unless it exists."""
    names = path_segments(path)
    if names is None:
        raise InvalidReference(f"invalid path [{printable(path)}]")
    if len(names) > DEEPEST:
        raise InvalidReference(f"folders can be nested {DEEPEST} deep at most")
    return path


def data_stream_at(ref: StreamRef) -> Key:
    """Return the key of a data stream that exists; StreamNotFound if it cannot."""
    return _stream_at(stream_key(ref))


def event_stream_at(ref: EventStreamRef) -> Key:
    """Return the key of an event stream that exists; StreamNotFound if it cannot."""
    return _stream_at(event_stream_key(ref))


def _stream_at(key: Key) -> Key:
    if key == "/" or not _is_possible(key):
        raise no_stream(key)
    return key


def _is_possible(key: Key) -> bool:
    return 0 < key <= INT64_MAX if isinstance(key, int) else path_segments(key) is not None
