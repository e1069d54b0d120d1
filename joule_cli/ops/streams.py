"""Finding and creating the streams that an operation works on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC
from typing import TYPE_CHECKING

from joule_cli.errors import ConflictError, InvalidReference, NameTakenError, StreamNotFound
from joule_cli.model import DataStream, Element, EventStream
from joule_cli.model.data_stream import KEEP_ALL
from joule_cli.ops.errors import OperationError
from joule_cli.series.intervals import Interval
from joule_cli.series.time import format_time

if TYPE_CHECKING:
    from collections.abc import Sequence

    from joule_cli.api.node import Node
    from joule_cli.api.references import StreamRef
    from joule_cli.model import DataStreamInfo


@dataclass(frozen=True, slots=True)
class Place:
    """A data stream or event stream, or where one will be created."""

    node: Node
    path: str


@dataclass(frozen=True, slots=True)
class FoundStream(Place):
    """A data stream that was looked up, once for all that is done with it."""

    model: DataStream


@dataclass(frozen=True, slots=True)
class FoundEvents(Place):
    """An event stream that was looked up, once for all that is done with it."""

    model: EventStream


def split_path(path: str) -> tuple[str, str]:
    """Return folder and name of a stream's path.

    Raises
    ------
    InvalidReference
        The path is not absolute or names no stream.
    """
    folder, _, name = path.rpartition("/")
    if not path.startswith("/") or not name:
        raise InvalidReference("not the absolute path of a stream", object=path)
    return folder or "/", name


async def model_of(source: Place) -> DataStream:
    """Return the data stream at a place, which is not looked up again."""
    if isinstance(source, FoundStream):
        return source.model
    return await source.node.data_stream_get(source.path)


async def events_of(source: Place) -> EventStream:
    """Return the event stream at a place, which is not looked up again."""
    if isinstance(source, FoundEvents):
        return source.model
    return await source.node.event_stream_get(source.path)


async def find_stream(place: Place) -> DataStream | None:
    """Return the stream at `place`, `None` if there is none."""
    try:
        return await place.node.data_stream_get(place.path)
    except StreamNotFound:
        return None


async def find_event_stream(place: Place) -> EventStream | None:
    """Return the event stream at `place`, `None` if the path is free.

    Raises
    ------
    NameTakenError
        There is a data stream.
    """
    try:
        return await place.node.event_stream_get(place.path)
    except StreamNotFound:
        if await find_stream(place) is None:
            return None
    raise NameTakenError("a data stream has this name", object=place.path)


def fresh_elements(elements: Sequence[Element]) -> list[Element]:
    """Return copies that belong to no stream yet."""
    return [replace(element, id=None, index=None) for element in elements]


def like(
    stream: DataStream, path: str, *, keep_us: int | None = None, datatype: str | None = None
) -> DataStream:
    """Return a new stream model for `path` with the attributes of `stream`."""
    return DataStream(
        name=split_path(path)[1],
        description=stream.description,
        datatype=datatype or stream.datatype,
        keep_us=stream.keep_us if keep_us is None else keep_us,
        elements=fresh_elements(stream.elements),
        decimate=stream.decimate,
    )


async def create_stream(place: Place, model: DataStream) -> DataStream:
    """Create `model` at `place` and return it as stored."""
    return await place.node.data_stream_create(model, split_path(place.path)[0])


async def create_or_use(place: Place, model: DataStream) -> DataStream:
    """Create `model` at `place`, or return the stream that another program has created meanwhile.

    Raises
    ------
    NameTakenError
        Something else has got the name.
    ConflictError
        The stream has another layout.
    """
    try:
        return await create_stream(place, model)
    except NameTakenError:
        existing = await find_stream(place)
        if existing is None:
            raise
        require_layout(existing, model, place.path)
        return existing


def require_layout(existing: DataStream, model: DataStream, path: str) -> None:
    """Refuse to use a stream in place of a new one of another layout."""
    if existing.layout != model.layout:
        raise ConflictError(
            f"the stream exists with the layout {existing.layout}, not {model.layout}", object=path
        )


def require_fields(existing: EventStream, declared: dict[str, str], path: str) -> None:
    """Refuse to use an event stream in place of a new one with other fields."""
    if declared and declared != existing.event_fields:
        raise ConflictError("the event stream exists with other fields", object=path)


def refuse_same(
    source: Place,
    destination: Place,
    a: DataStream | EventStream,
    b: DataStream | EventStream | None,
) -> None:
    """Refuse to write a stream onto itself."""
    same_node = source.node is destination.node or source.node.url == destination.node.url
    if b is not None and same_node and a.id == b.id:
        raise OperationError("source and destination are the same stream", object=destination.path)


async def stored_intervals(
    node: Node, stream: StreamRef, start: int | None = None, end: int | None = None
) -> list[Interval]:
    """List the intervals of a stream as `Interval`."""
    return [Interval(a, b) for a, b in await node.data_intervals(stream, start, end)]


def estimated_rows(info: DataStreamInfo, start: int | None, end: int | None) -> int:
    """Return about how many rows of a stream lie in a range, as if they came evenly."""
    if info.start is None or info.end is None or info.end <= info.start:
        return info.rows
    low = info.start if start is None else max(start, info.start)
    high = info.end if end is None else min(end, info.end)
    return round(info.rows * max(high - low, 0) / (info.end - info.start))


def check_bounds(start: int | None, end: int | None) -> None:
    """Refuse a range that holds nothing."""
    if start is not None and end is not None and start >= end:
        raise OperationError(f"the start ({start}) must be before the end ({end})")


async def require_row(source: FoundStream, last: int) -> None:
    """Refuse to continue a file whose last row is not in the stream.

    A stream that keeps its rows for some time only may have lost it.

    Raises
    ------
    OperationError
        It is from another stream, or its times were read in another zone than they are from.
    """
    if await source.node.data_count(source.model, last, last + 1):
        return
    info = await source.node.data_stream_info(source.model)
    if info.start is None or (last < info.start and source.model.keep_us != KEEP_ALL):
        return
    raise OperationError(
        f"the last row of the file, at {format_time(last, 'human', UTC)}, is not in the stream",
        object=source.path,
        hint="name the --tz that the file was made with, or write it anew",
    )
