"""Event stream actions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from joule_cli import model
from joule_cli.api.event_reading import DEFAULT_LIMIT, EventReading

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from joule_cli.api.event_reading import Window
    from joule_cli.api.references import EventStreamRef, FolderRef
    from joule_cli.model import Event, EventBucket, EventStream, EventStreamInfo


class EventStreamActions(ABC):
    """Streams of events. Source: Joule API reference, "Event Stream Actions".

    `json_filter` selects events by content: JSON text, or the list itself, of groups of
    ``[key, operator, value]``. Groups are alternatives; all conditions of one group must hold.
    Operators for text are ``is not like unlike``, for numbers ``gt gte lt lte eq neq``. An event
    without the key never matches.
    """

    @abstractmethod
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
        """Return an event stream.

        Parameters
        ----------
        create
            Create it with the other arguments if `stream` is a path that does not exist.
        info
            Fill in `EventStream.info` of one that exists: one request tells both. An extension.

        Raises
        ------
        StreamNotFound
            The reference names no event stream, and `create` is false.

        Notes
        -----
        Wire: ``GET /event.json``, ``POST /event.json``.
        """

    @abstractmethod
    async def event_stream_create(self, stream: EventStream, folder: FolderRef) -> EventStream:
        """Create an event stream in a folder, which is created when it is a new path.

        Raises
        ------
        FolderNotFound
            The id `folder` names no folder.
        NameTakenError
            The folder has a data stream or event stream of that name.
        ApiError
            An attribute is not valid.

        Notes
        -----
        Wire: ``POST /event.json``.
        """

    @abstractmethod
    async def event_stream_update(self, stream: EventStream) -> None:
        """Store name, description, fields, `chunk_duration_us` and `keep_us` of a stream.

        Raises
        ------
        StreamNotFound
            No event stream has this id.
        NameTakenError
            The folder has a data stream or event stream of that name.
        ApiError
            An attribute is not valid.

        Notes
        -----
        Wire: ``PUT /event.json``.
        """

    @abstractmethod
    async def event_stream_move(self, stream: EventStreamRef, folder: FolderRef) -> None:
        """Move a stream into a folder, which is created when it is a new path.

        Raises
        ------
        StreamNotFound
            The reference names no event stream.
        FolderNotFound
            The id `folder` names no folder.
        NameTakenError
            The folder has a data stream or event stream of that name.

        Notes
        -----
        Wire: ``PUT /event/move.json``.
        """

    @abstractmethod
    async def event_stream_delete(self, stream: EventStreamRef) -> None:
        """Delete a stream with its events.

        Raises
        ------
        StreamNotFound
            The reference names no event stream.

        Notes
        -----
        Wire: ``DELETE /event.json``.
        """

    @abstractmethod
    async def event_stream_info(self, stream: EventStreamRef) -> EventStreamInfo:
        """Return number and range of a stream's events.

        Raises
        ------
        StreamNotFound
            The reference names no event stream.

        Notes
        -----
        Wire: ``GET /event.json``.
        """

    @abstractmethod
    async def event_stream_write(
        self, stream: EventStreamRef, events: Sequence[Event]
    ) -> list[Event]:
        """Store events; in a node file all of them or none.

        A node elsewhere gets many events in several requests. When one of them fails,
        `ApiError.stored` tells how many of the first events are stored.

        An event that was read from this stream of this node, and is still there, is updated:
        start, end and the whole content. Every other one is added.

        Returns
        -------
        list of Event
            The same objects in the same order, with the `id` that each now has.

        Raises
        ------
        StreamNotFound
            The reference names no event stream.
        InvalidEventError
            An end is not after its start, a time is not a number, or a content is not JSON.

        Notes
        -----
        Wire: ``POST /event/data.json``.
        """

    def event_stream_read(
        self,
        stream: EventStreamRef,
        start: int | None = None,
        end: int | None = None,
        limit: int | None = None,
        json_filter: str | list[Any] | None = None,
        include_on_going_events: bool = True,
        block_size: int | None = None,
        *,
        latest: bool = False,
    ) -> EventReading:
        """Read events in order of their start; equal starts in order of their ids.

        ``await`` the result for a list of at most `limit` events, 10,000 if not given. Or iterate
        over it with ``async for``: one event at a time, or lists of at most `block_size`, without
        end unless there is a `limit`; every event is given once, however many share a start.

        Parameters
        ----------
        start, end
            µs, `end` excluded; `None` leaves that side open.
        limit
            Stop after this many events.
        json_filter
            Select by content, see the class.
        include_on_going_events
            Also give events that began before `start` and end at `start` or later.
        latest
            When there are more than `limit`, give the last ones instead of the first; the order
            stays the same.

        Raises
        ------
        StreamNotFound
            The reference names no event stream (when awaited or iterated, as all errors).
        FilterError
            The filter is not valid.

        Notes
        -----
        Positional arguments may come as Joule 1.0.1 has them: behind `end` the filter, the choice
        of ongoing events, and the block size. Wire: ``GET /event/data.json``.
        """
        given: tuple[Any, Any, Any] = (limit, json_filter, include_on_going_events)
        if isinstance(given[0], str | list) or isinstance(given[1], bool):
            limit, json_filter = None, given[0]
            if isinstance(given[1], bool):
                include_on_going_events = given[1]
                block_size = block_size if given[2] is True else given[2]
        return EventReading(
            self._event_blocks,
            stream=stream,
            start=start,
            end=end,
            json_filter=json_filter,
            ongoing=include_on_going_events,
            limit=limit,
            block_size=block_size,
            latest=latest,
        )

    async def event_stream_read_list(
        self,
        stream: EventStreamRef,
        start: int | None = None,
        end: int | None = None,
        json_filter: str | list[Any] | None = None,
        include_on_going_events: bool = True,
        limit: int = DEFAULT_LIMIT,
    ) -> list[Event]:
        """Return at most `limit` events; see `event_stream_read`."""
        return await self.event_stream_read(
            stream, start, end, limit, json_filter, include_on_going_events
        )

    @abstractmethod
    def _event_blocks(
        self, stream: EventStreamRef, window: Window, limit: int | None, block_size: int
    ) -> AsyncGenerator[list[Event], None]:
        """Give the events that `event_stream_read` promises, in blocks of `block_size`.

        Only the last block is shorter; none is empty.
        """

    @abstractmethod
    def event_stream_follow(
        self,
        stream: EventStreamRef,
        start: int | None = None,
        json_filter: str | list[Any] | None = None,
        include_on_going_events: bool = True,
    ) -> AsyncGenerator[list[Event], None]:
        """Give events as they are stored, by any program, without an end.

        Iterate in ``contextlib.aclosing``. An empty list tells that everything that is stored from
        now on will be given, each event once. Changes of events that exist are not given.

        Parameters
        ----------
        start
            Begin with the stored events from this time on, µs, and leave out earlier ones later.
            Without it nothing that is stored already is given.
        json_filter
            Select by content, see the class.
        include_on_going_events
            Also give events that began before `start` and end at `start` or later.

        Raises
        ------
        StreamNotFound
            The reference names no event stream, or it was deleted.
        SubscriptionError
            The node cannot tell of new events, as a Joule 1.0.1 node cannot.

        Notes
        -----
        An extension. Wire: ``GET /event/data.json?subscribe=1``.
        """

    @abstractmethod
    async def event_stream_count(
        self,
        stream: EventStreamRef,
        start: int | None = None,
        end: int | None = None,
        json_filter: str | list[Any] | None = None,
        include_on_going_events: bool = True,
    ) -> int:
        """Return how many events `event_stream_read` would give without a limit.

        Raises
        ------
        StreamNotFound
            The reference names no event stream.
        FilterError
            The filter is not valid.

        Notes
        -----
        Wire: ``GET /event/data/count.json``.
        """

    @abstractmethod
    async def event_stream_histogram(
        self,
        stream: EventStreamRef,
        start: int | None = None,
        end: int | None = None,
        json_filter: str | list[Any] | None = None,
        width: int | None = None,
    ) -> list[EventBucket]:
        """Count events by start in buckets of equal width, empty ones included.

        Parameters
        ----------
        start, end
            µs, both inclusive; `None` is the first start, or the last end, of the stream.
        width
            Of a bucket, µs. By default about a hundred buckets cover the range. Buckets are
            aligned to multiples of it counted from 2000-01-03 UTC, a Monday.

        Returns
        -------
        list of EventBucket
            Empty for an empty stream.

        Raises
        ------
        StreamNotFound
            The reference names no event stream.
        FilterError
            The filter is not valid.
        ApiError
            `width` is not positive, or it gives more than 100,000 buckets.

        Notes
        -----
        An extension; a Joule 1.0.1 node answers a read of too many events in this form. Wire:
        ``GET /event/data.json``.
        """

    @abstractmethod
    async def event_stream_remove(
        self,
        stream: EventStreamRef,
        start: int | None = None,
        end: int | None = None,
        json_filter: str | list[Any] | None = None,
    ) -> int:
        """Remove events and return their number.

        Removes what `event_stream_read` gives for the same arguments, ongoing events included;
        without arguments, all events.

        Raises
        ------
        StreamNotFound
            The reference names no event stream.
        FilterError
            The filter is not valid.

        Notes
        -----
        Wire: ``DELETE /event/data.json``.
        """


def new_event_stream(
    name: str,
    description: str,
    event_fields: Any,
    chunk_duration: Any,
    chunk_duration_us: Any,
) -> EventStream:
    """Return the stream that `event_stream_get` creates, for either order of its arguments.

    Joule 1.0.1 has `event_fields` behind both durations.
    """
    if isinstance(event_fields, str) or isinstance(chunk_duration_us, dict):
        event_fields, chunk_duration, chunk_duration_us = (
            chunk_duration_us,
            event_fields,
            chunk_duration,
        )
    return model.EventStream(
        name=name,
        description=description,
        chunk_duration=chunk_duration or "",
        chunk_duration_us=chunk_duration_us,
        event_fields=event_fields or {},
    )
