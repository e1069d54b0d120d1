"""What callers may use to name a folder, a stream, an annotation, a module or a proxy."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from joule_cli import model
from joule_cli.errors import (
    ApiError,
    InvalidDataStreamParameter,
    InvalidEventStreamParameter,
    InvalidReference,
)

if TYPE_CHECKING:
    from typing import Protocol

    from joule_cli.model import Annotation, DataStream, EventStream, Folder, Module, Proxy

    class _Stored(Protocol):
        @property
        def id(self) -> int | None: ...


FolderRef: TypeAlias = "Folder | str | int"
StreamRef: TypeAlias = "DataStream | str | int"
EventStreamRef: TypeAlias = "EventStream | str | int"
AnnotationRef: TypeAlias = "Annotation | int"
ModuleRef: TypeAlias = "Module | str | int"
ProxyRef: TypeAlias = "Proxy | str | int"


def stream_key(ref: StreamRef) -> str | int:
    """Reduce a data stream reference to a path or an id.

    Raises
    ------
    InvalidDataStreamParameter
        Not a DataStream, a path or an id.
    ApiError
        A DataStream that was never created or read, so that it has no id.
    """
    if (key := _key(ref, model.DataStream)) is not None:
        return key
    raise InvalidDataStreamParameter("Invalid stream datatype. Must be DataStream, Path, or ID")


def event_stream_key(ref: EventStreamRef) -> str | int:
    """Reduce an event stream reference to a path or an id.

    Raises
    ------
    InvalidEventStreamParameter
        Not an EventStream, a path or an id.
    ApiError
        An EventStream that was never created or read, so that it has no id.
    """
    if (key := _key(ref, model.EventStream)) is not None:
        return key
    raise InvalidEventStreamParameter("Invalid stream datatype. Must be EventStream, Path, or ID")


def folder_key(ref: FolderRef, role: str = "folder") -> str | int:
    """Reduce a folder reference to a path or an id.

    Raises
    ------
    InvalidReference
        Not a Folder, a path or an id; the text names `role`.
    ApiError
        A Folder without an id.
    """
    if (key := _key(ref, model.Folder)) is not None:
        return key
    raise InvalidReference(f"Invalid {role} datatype. Must be Folder, Path, or ID")


def annotation_key(ref: AnnotationRef) -> int:
    """Reduce an annotation reference to an id.

    Raises
    ------
    InvalidReference
        Not an Annotation or an id.
    ApiError
        An Annotation without an id.
    """
    match ref:
        case model.Annotation():
            return _known_id(ref.id)
        case bool():
            pass
        case int():
            return ref
    raise InvalidReference("Invalid annotation datatype. Must be Annotation or ID")


def module_key(ref: ModuleRef) -> str | int:
    """Reduce a module reference to a name or an id.

    Raises
    ------
    InvalidReference
        Not a Module, a name or an id.
    """
    if (key := _key(ref, model.Module)) is not None:
        return key
    raise InvalidReference("Invalid module datatype. Must be Module, Name, or ID")


def proxy_key(ref: ProxyRef) -> str | int:
    """Reduce a proxy reference to a name or an id.

    Raises
    ------
    InvalidReference
        Not a Proxy, a name or an id.
    """
    if (key := _key(ref, model.Proxy)) is not None:
        return key
    raise InvalidReference("Invalid proxy datatype. Must be Proxy, Name, or ID")


def _key(ref: object, kind: type[_Stored]) -> str | int | None:
    """Return a reference to a model of a kind as text or id, `None` if it is none."""
    if isinstance(ref, kind):
        return _known_id(ref.id)
    return ref if isinstance(ref, str | int) and not isinstance(ref, bool) else None


def _known_id(number: int | None) -> int:
    if number is None:
        raise ApiError("this is a local model with no ID. See API docs")
    return number
