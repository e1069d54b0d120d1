"""Event stream actions over HTTP."""

from __future__ import annotations

from collections import deque
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from joule_cli.api.actions.event_stream import EventStreamActions, new_event_stream
from joule_cli.api.event_reading import Window
from joule_cli.api.references import event_stream_key, folder_key
from joule_cli.errors import (
    ApiError,
    InvalidEventError,
    InvalidEventStreamParameter,
    NodeTimeoutError,
    ProtocolError,
    StreamNotFound,
    TransferCutError,
)
from joule_cli.model import Event, EventBucket, EventStream, EventStreamInfo
from joule_cli.remote.answers import read_integer, read_list, read_object, require_ok
from joule_cli.remote.base import RemoteState
from joule_cli.remote.event_paging import first_page, follow, pages, window_params
from joule_cli.remote.event_writing import batches, check_timestamp
from joule_cli.remote.references import (
    destination_body,
    find_event_stream,
    key_body,
    path_within,
    shown,
)
from joule_cli.remote.refusals import (
    changing_stream,
    creating_stream,
    moving_stream,
    told_apart,
)
from joule_cli.remote.session import LONG_WORK
from joule_cli.series.buckets import Buckets, check_width
from joule_cli.series.event_filter import parse_filter, to_json
from joule_cli.wire import codec, endpoints
from joule_cli.wire.params import key_params

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from joule_cli.api.references import EventStreamRef, FolderRef
    from joule_cli.remote.event_writing import Sending
    from joule_cli.wire.params import Params

_KEYS = ("id", "name", "event_fields")
#: What the node alone decides.
_NOT_SENT = ("updated_at",)
#: After these a node may have done what it was asked for; the status is that of a reverse proxy.
_NO_ANSWER = (TransferCutError, NodeTimeoutError, ProtocolError)
_FROM_BETWEEN = (502, 504)


class RemoteEventStreams(RemoteState, EventStreamActions):
    """The event streams of a remote node."""

    _uuid: str | None = None

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
        reference = event_stream_key(stream)
        try:
            key = find_event_stream(stream)
            answer = await self.session.get(endpoints.EVENT, key_params(key), about=shown(stream))
            return _stream(answer)
        except StreamNotFound:
            if not create or not isinstance(reference, str):
                raise
        folder, _, name = reference.rpartition("/")
        model = new_event_stream(name, description, event_fields, chunk_duration, chunk_duration_us)
        return await self.event_stream_create(model, folder or "/")

    async def event_stream_create(self, stream: EventStream, folder: FolderRef) -> EventStream:
        _require_stream(stream)
        body = {"stream": _to_json(stream) | {"id": None}} | destination_body(folder)
        place = folder_key(folder)
        async with told_apart(self.session, creating_stream(stream.name, place)):
            answer = await self.session.post(
                endpoints.EVENT, body, about=path_within(place, stream.name)
            )
        return _stream(answer)

    async def event_stream_update(self, stream: EventStream) -> None:
        _require_stream(stream)
        key = event_stream_key(stream)
        body = {"id": key, "stream": _to_json(stream)}
        async with told_apart(self.session, changing_stream(EventStream, key, stream.name)):
            await self.session.put(endpoints.EVENT, body, about=stream.name)

    async def event_stream_move(self, stream: EventStreamRef, folder: FolderRef) -> None:
        key = find_event_stream(stream)
        body = key_body(key, "src_") | destination_body(folder)
        meaning = moving_stream(EventStream, key, folder_key(folder))
        async with told_apart(self.session, meaning):
            await self.session.put(endpoints.EVENT_MOVE, body, about=shown(stream))

    async def event_stream_delete(self, stream: EventStreamRef) -> None:
        key = find_event_stream(stream)
        require_ok(
            await self.session.delete(
                endpoints.EVENT, key_params(key), about=shown(stream), patience=LONG_WORK
            )
        )

    async def event_stream_info(self, stream: EventStreamRef) -> EventStreamInfo:
        found = await self.event_stream_get(stream)
        if found.info is None:
            raise ProtocolError("Invalid node response: [data_info] is missing")
        return found.info

    async def event_stream_write(
        self, stream: EventStreamRef, events: Sequence[Event]
    ) -> list[Event]:
        checked = batches(events, await self._node_uuid())
        if not checked:
            # a stream that does not exist is an error whatever is written to it
            await self.event_stream_info(stream)
        n_stored = 0
        for batch in checked:
            try:
                await self._write(stream, batch)
            except ApiError as error:
                error.stored = n_stored
                if isinstance(error, _NO_ANSWER) or error.status in _FROM_BETWEEN:
                    error.unsure = len(batch.events)
                raise
            n_stored += len(batch.events)
        return list(events)

    async def _write(self, stream: EventStreamRef, batch: Sending) -> None:
        key = find_event_stream(stream)
        try:
            answer = await self.session.ask(
                "POST", endpoints.EVENT_DATA, body=batch.body(key), about=shown(stream)
            )
        except ApiError as error:
            if error.status == 500 and any(event.end_time is None for event in batch.events):
                raise InvalidEventError(
                    "the node stores only events that have an end", object=str(shown(stream))
                ) from error
            raise
        written = codec.require_keys(answer, "events")["events"]
        ids = read_list(written, lambda data: read_integer(data, "id"), "id")
        if len(ids) != len(batch.events):
            raise ProtocolError("Invalid node response: another number of events came back")
        for event, number in zip(batch.events, ids, strict=True):
            event.id = number

    async def _event_blocks(
        self, stream: EventStreamRef, window: Window, limit: int | None, block_size: int
    ) -> AsyncGenerator[list[Event], None]:
        key = find_event_stream(stream)
        window = _checked(window)
        target = key_params(key) | _filter_params(window)
        uuid = await self._node_uuid()
        if window.latest and limit is not None:
            last = await self._latest(key, target, window, limit, uuid)
            for begin in range(0, len(last), block_size):
                yield last[begin : begin + block_size]
            return
        if window.start is None and window.end is not None:
            # with an end alone a node gives the last events before it, not the first
            first = (await self.event_stream_info(stream)).start
            if first is None or first >= window.end:
                return
            window = window._replace(start=first)
        waiting: list[Event] = []
        found = pages(self.session, target, window, limit, block_size, uuid)
        async with aclosing(found):
            async for page in found:
                waiting += page
                while len(waiting) >= block_size:
                    yield waiting[:block_size]
                    del waiting[:block_size]
        if waiting:
            yield waiting

    async def _latest(
        self, key: str | int, target: Params, window: Window, limit: int, uuid: str
    ) -> list[Event]:
        """Return the last events of a window."""
        if window.start is not None:
            # no request says this
            kept: deque[Event] = deque(maxlen=limit)
            async for page in pages(self.session, target, window, None, limit, uuid):
                kept += page
            return list(kept)
        if window.end is None:
            last = (await self.event_stream_info(key)).end
            if last is None:
                return []
            window = window._replace(end=last + 1)
        return await first_page(self.session, target, window, limit, uuid)

    async def event_stream_follow(
        self,
        stream: EventStreamRef,
        start: int | None = None,
        json_filter: str | list[Any] | None = None,
        include_on_going_events: bool = True,
    ) -> AsyncGenerator[list[Event], None]:
        key = find_event_stream(stream)
        window = _window(start, None, json_filter, ongoing=bool(include_on_going_events))
        target = key_params(key) | _filter_params(window)
        uuid = await self._node_uuid()
        async with aclosing(follow(self.session, target, window, uuid)) as blocks:
            async for events in blocks:
                yield events

    async def event_stream_count(
        self,
        stream: EventStreamRef,
        start: int | None = None,
        end: int | None = None,
        json_filter: str | list[Any] | None = None,
        include_on_going_events: bool = True,
    ) -> int:
        window = _window(start, end, json_filter, ongoing=bool(include_on_going_events))
        return await self._count(stream, window)

    async def _count(self, stream: EventStreamRef, window: Window) -> int:
        key = find_event_stream(stream)
        params = key_params(key) | _filter_params(window)
        params |= window_params(window.start, window.end, ongoing=window.ongoing)
        answer = await self.session.get(endpoints.EVENT_COUNT, params, about=shown(stream))
        return read_integer(answer, "count")

    async def event_stream_histogram(
        self,
        stream: EventStreamRef,
        start: int | None = None,
        end: int | None = None,
        json_filter: str | list[Any] | None = None,
        width: int | None = None,
    ) -> list[EventBucket]:
        window = _window(start, end, json_filter, ongoing=False)
        if width is not None:
            check_width(width)
        info = await self.event_stream_info(stream)
        low = info.start if window.start is None else window.start
        high = info.end if window.end is None else window.end
        if low is None or high is None or high < low:
            return []
        buckets = Buckets.over(low, high, width)
        window = window._replace(start=low, end=high)
        counted = await self._counted(stream, window) if width is None else None
        if counted is not None:
            return counted
        # the node cannot count for itself: not in buckets of this width, or not that few events
        counts: dict[int, int] = {}
        inside = window._replace(end=min(high + 1, 2**63 - 1))
        async with aclosing(self._event_blocks(stream, inside, None, 10_000)) as blocks:
            async for events in blocks:
                for event in events:
                    index = buckets.place(event.start_time)
                    counts[index] = counts.get(index, 0) + 1
        return [
            EventBucket(begin, begin + buckets.width, counts.get(index, 0))
            for index, begin in enumerate(buckets.starts())
        ]

    async def _counted(self, stream: EventStreamRef, window: Window) -> list[EventBucket] | None:
        """Return the buckets that the node makes of more than one event, if it does."""
        key = find_event_stream(stream)
        params = key_params(key) | _filter_params(window) | {"limit": "1"}
        params |= window_params(window.start, window.end, ongoing=False)
        if window.start == window.end:
            return None
        try:
            answer = await self.session.get(endpoints.EVENT_DATA, params, about=shown(stream))
        except ApiError as error:
            # Joule 1.0.1 fails where the buckets would be short
            if error.status != 500:
                raise
            return None
        data = codec.require_keys(answer, "events", "type")
        if data["type"] != "histogram":
            return None
        found = read_list(data["events"], _bucket, "start_time", "content")
        if len(found) < 2:
            return None
        # the last one ends where it begins
        width = found[1].start - found[0].start
        return [EventBucket(each.start, each.start + width, each.count) for each in found]

    async def event_stream_remove(
        self,
        stream: EventStreamRef,
        start: int | None = None,
        end: int | None = None,
        json_filter: str | list[Any] | None = None,
    ) -> int:
        key = find_event_stream(stream)
        window = _window(start, end, json_filter, ongoing=True)
        # a node tells no number when it removes
        number = await self._count(stream, window)
        params = key_params(key) | _filter_params(window)
        params |= window_params(window.start, window.end, ongoing=True)
        del params["include-ongoing-events"]
        answer = await self.session.delete(
            endpoints.EVENT_DATA, params, about=shown(stream), patience=LONG_WORK
        )
        require_ok(answer)
        return number

    async def _node_uuid(self) -> str:
        if self._uuid is None:
            self._uuid = str((await self._version()).get("uuid") or "")
        return self._uuid


def _stream(answer: Any) -> EventStream:
    return read_object(answer, EventStream.from_json, *_KEYS)


def _bucket(data: dict[str, Any]) -> EventBucket:
    begin, number = data["start_time"], data["content"]["count"]
    if type(begin) is not int or type(number) is not int:
        raise TypeError("no bucket")
    return EventBucket(begin, begin, number)


def _to_json(stream: EventStream) -> dict[str, Any]:
    return {key: value for key, value in stream.to_json().items() if key not in _NOT_SENT}


def _require_stream(stream: EventStream) -> None:
    if not isinstance(stream, EventStream):
        raise InvalidEventStreamParameter("Invalid stream datatype. Must be EventStream")


def _window(
    start: int | None, end: int | None, json_filter: str | list[Any] | None, *, ongoing: bool
) -> Window:
    return _checked(Window(start, end, parse_filter(json_filter), ongoing))


def _checked(window: Window) -> Window:
    start = None if window.start is None else check_timestamp(window.start, "start")
    end = None if window.end is None else check_timestamp(window.end, "end")
    if start is not None and end is not None and start >= end:
        raise ApiError(f"[start] {start} must be < [end] {end}")
    return window._replace(start=start, end=end)


def _filter_params(window: Window) -> Params:
    return {"filter": to_json(window.filter)} if window.filter else {}
