"""Event stream actions on a node file."""

from __future__ import annotations

import asyncio
import json
import re
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from joule_cli import model
from joule_cli.api.actions.event_stream import EventStreamActions, new_event_stream
from joule_cli.api.event_reading import Window
from joule_cli.api.references import event_stream_key
from joule_cli.engine.base import EngineState
from joule_cli.engine.event_validation import check_event_stream, check_events
from joule_cli.engine.references import destination_at, event_stream_at
from joule_cli.engine.validation import check_timestamp
from joule_cli.errors import ApiError, CorruptChunkError, StreamNotFound
from joule_cli.model import EventStream

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from joule_cli.api.references import EventStreamRef, FolderRef
    from joule_cli.engine.stores.base import StoredEvent
    from joule_cli.model import Event, EventBucket, EventStreamInfo

#: Removals of fewer events leave their pages for the next ones.
_WORTH_RELEASING = 1000
#: Events that a follower of a stream gets at once.
_STEP = 5_000
#: orjson reads integers beyond 64 bits as floats.
_LONG_INTEGER = re.compile(r"\d{19}")


class EmbeddedEventStreams(EngineState, EventStreamActions):
    """The event streams of a node file."""

    async def event_stream_get(
        self,
        stream: EventStreamRef,
        create: bool = False,
        description: str = "",
        event_fields: dict[str, str] | None = None,
        chunk_duration: str = "",
        chunk_duration_us: int | None = None,
        *,
        info: bool = False,
    ) -> EventStream:
        key = event_stream_key(stream)
        try:
            found = await self.storage.metadata.stream(EventStream, event_stream_at(key))
        except StreamNotFound:
            if not create or not isinstance(key, str):
                raise
        else:
            if info:
                found.info = await self.event_stream_info(found)
            return found
        folder, _, name = key.rpartition("/")
        stream = new_event_stream(
            name, description, event_fields, chunk_duration, chunk_duration_us
        )
        return await self.event_stream_create(stream, folder or "/")

    async def event_stream_create(self, stream: EventStream, folder: FolderRef) -> EventStream:
        check_event_stream(stream)
        return await self.storage.metadata.create_stream(stream, destination_at(folder))

    async def event_stream_update(self, stream: EventStream) -> None:
        check_event_stream(stream)
        await self.storage.metadata.update_stream(event_stream_at(stream), stream)

    async def event_stream_move(self, stream: EventStreamRef, folder: FolderRef) -> None:
        await self.storage.metadata.move_stream(
            EventStream, event_stream_at(stream), destination_at(folder)
        )

    async def event_stream_delete(self, stream: EventStreamRef) -> None:
        await self.storage.metadata.delete_stream(EventStream, event_stream_at(stream))
        await self.storage.release_space()

    async def event_stream_info(self, stream: EventStreamRef) -> EventStreamInfo:
        return await self.storage.events.info(await self._event_stream_id(stream))

    async def event_stream_write(
        self, stream: EventStreamRef, events: Sequence[Event]
    ) -> list[Event]:
        stream_id = await self._event_stream_id(stream)
        uuid = await self.storage.uuid()
        checked = await asyncio.to_thread(check_events, events, stream_id, uuid)
        ids = await self.storage.events.write(stream_id, checked)
        for event, number in zip(events, ids, strict=True):
            event.id = number
        return list(events)

    async def _event_blocks(
        self, stream: EventStreamRef, window: Window, limit: int | None, block_size: int
    ) -> AsyncGenerator[list[Event], None]:
        stream_id = await self._event_stream_id(stream)
        uuid = await self.storage.uuid()
        read = self.storage.events.read(stream_id, _checked(window), limit, block_size)
        async with aclosing(read) as blocks:
            async for stored in blocks:
                yield await asyncio.to_thread(_events, stored, stream_id, uuid)

    async def event_stream_follow(
        self,
        stream: EventStreamRef,
        start: int | None = None,
        json_filter: str | list[Any] | None = None,
        include_on_going_events: bool = True,
    ) -> AsyncGenerator[list[Event], None]:
        window = _window(start, None, json_filter, ongoing=include_on_going_events)
        stream_id = await self._event_stream_id(stream)
        uuid = await self.storage.uuid()
        last = await self.storage.events.last_id(stream_id)
        yield []
        if start is not None:
            async with aclosing(self._event_blocks(stream, window, None, _STEP)) as blocks:
                async for events in blocks:
                    # later ones follow in their turn
                    if known := [event for event in events if (event.id or 0) <= last]:
                        yield known
        async with aclosing(self.storage.changes.ticks()) as ticks:
            async for changed in ticks:
                newest = await self.storage.events.last_id(stream_id) if changed else last
                while last < newest:
                    first, last = last + 1, min(last + _STEP, newest)
                    stored = await self.storage.events.with_ids(stream_id, first, last, window)
                    if stored:
                        yield _events(stored, stream_id, uuid)

    async def event_stream_count(
        self,
        stream: EventStreamRef,
        start: int | None = None,
        end: int | None = None,
        json_filter: str | list[Any] | None = None,
        include_on_going_events: bool = True,
    ) -> int:
        window = _window(start, end, json_filter, ongoing=include_on_going_events)
        return await self.storage.events.count(await self._event_stream_id(stream), window)

    async def event_stream_histogram(
        self,
        stream: EventStreamRef,
        start: int | None = None,
        end: int | None = None,
        json_filter: str | list[Any] | None = None,
        width: int | None = None,
    ) -> list[EventBucket]:
        window = _window(start, end, json_filter, ongoing=False)
        return await self.storage.events.histogram(
            await self._event_stream_id(stream), window, width
        )

    async def event_stream_remove(
        self,
        stream: EventStreamRef,
        start: int | None = None,
        end: int | None = None,
        json_filter: str | list[Any] | None = None,
    ) -> int:
        window = _window(start, end, json_filter, ongoing=True)
        removed = await self.storage.events.remove(await self._event_stream_id(stream), window)
        if removed >= _WORTH_RELEASING:
            await self.storage.release_space()
        return removed

    async def _event_stream_id(self, stream: EventStreamRef) -> int:
        found = await self.storage.metadata.stream(EventStream, event_stream_at(stream))
        assert found.id is not None
        return found.id


def _window(
    start: int | None, end: int | None, json_filter: str | list[Any] | None, *, ongoing: bool
) -> Window:
    from joule_cli.series.event_filter import parse_filter

    return _checked(Window(start, end, parse_filter(json_filter), bool(ongoing)))


def _checked(window: Window) -> Window:
    start, end = (
        None if value is None else check_timestamp(value, name)
        for name, value in (("start", window.start), ("end", window.end))
    )
    if start is not None and end is not None and start >= end:
        raise ApiError(f"[start] {start} must be < [end] {end}")
    return window._replace(start=start, end=end)


def _events(stored: Sequence[StoredEvent], stream_id: int, uuid: str) -> list[Event]:
    import orjson

    text = f"[{','.join(event.content for event in stored)}]"
    try:
        contents = json.loads(text) if _LONG_INTEGER.search(text) else orjson.loads(text)
    except ValueError as exc:
        raise _damaged(stored) from exc
    if len(contents) != len(stored):
        raise _damaged(stored)
    return [
        model.Event(start, end, content, number, stream_id, uuid)
        for (number, start, end, _), content in zip(stored, contents, strict=True)
    ]


def _damaged(stored: Sequence[StoredEvent]) -> CorruptChunkError:
    """Name the first of some events whose content is not JSON."""
    for event in stored:
        try:
            json.loads(event.content)
        except ValueError:
            break
    return CorruptChunkError(
        f"the content of event {event.id} is damaged, it begins at {event.start}",
        hint="see 'joule admin check'",
    )
