"""References to folders and streams, as requests carry them.

What cannot name anything is refused here: a Joule 1.0.1 node answers with a fault, or takes it for
something else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from joule_cli.api.references import event_stream_key, folder_key, stream_key
from joule_cli.errors import FolderNotFound, InvalidReference, StreamNotFound

if TYPE_CHECKING:
    from joule_cli.api.references import EventStreamRef, FolderRef, StreamRef

#: Ids are positive and fit the node's database.
_MOST_ID = 2**63 - 1


def find_stream(stream: StreamRef) -> str | int:
    """Return path or id of a data stream that may exist."""
    return _stream_that_may_exist(stream_key(stream))


def find_event_stream(stream: EventStreamRef) -> str | int:
    """Return path or id of an event stream that may exist."""
    return _stream_that_may_exist(event_stream_key(stream))


def _stream_that_may_exist(key: str | int) -> str | int:
    if not _may_exist(key) or key == "/":
        raise StreamNotFound("stream does not exist", object=str(key))
    return key


def find_folder(folder: FolderRef, role: str = "folder") -> str | int:
    """Return path or id of a folder that may exist."""
    key = folder_key(folder, role)
    if not _may_exist(key):
        raise FolderNotFound("folder does not exist", object=str(key))
    return key


def destination_body(folder: FolderRef) -> dict[str, Any]:
    """Return the part of a body that names where something goes."""
    key = folder_key(folder, "destination")
    if isinstance(key, str) and not is_path(key):
        shown = key.encode("utf-8", "replace").decode()
        raise InvalidReference(f"Destination error: invalid path [{shown}]")
    if not _may_exist(key):
        raise FolderNotFound("folder does not exist", object=str(key))
    return key_body(key, "dest_")


def key_body(key: str | int, prefix: str) -> dict[str, Any]:
    """Return the part of a body that names something; ids are numbers there."""
    return {f"{prefix}path" if isinstance(key, str) else f"{prefix}id": key}


def shown(ref: StreamRef | EventStreamRef) -> str | int:
    """Return how errors name a stream: as the caller did, but not by the id of an object."""
    return ref if isinstance(ref, str | int) else ref.name


def path_within(folder: str | int, name: str) -> str:
    """Return the path of something in a folder, or its name if only the folder's id is known."""
    return f"{folder.rstrip('/')}/{name}" if isinstance(folder, str) else name


def is_path(text: str) -> bool:
    """Tell whether a text is an absolute path of names, valid Unicode."""
    first, *names = text.split("/")
    if first or not names or (text != "/" and not all(names)):
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _may_exist(key: str | int) -> bool:
    return is_path(key) if isinstance(key, str) else 0 < key <= _MOST_ID
