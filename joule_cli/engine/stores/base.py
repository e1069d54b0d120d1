"""The contracts of the stores of rows and of events."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from joule_cli.engine.stores.part import Part

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from joule_cli.api.event_reading import Window
    from joule_cli.engine.event_validation import CheckedEvent
    from joule_cli.model import DataStream, EventBucket, EventStreamInfo
    from joule_cli.series.intervals import Interval
    from joule_cli.series.layout import Layout, Rows

#: Breaks that are set at once: a stream with more of them was cut between all of its rows.
MOST_BREAKS = 1_000_000

#: Rows in order of time; `None` is an interval break between the rows before and after it.
Item: TypeAlias = "Rows | None"


class StoredStream(NamedTuple):
    """What a store must know of a stream."""

    id: int
    name: str
    layout: Layout

    @classmethod
    def of(cls, model: DataStream) -> StoredStream:
        """Return what is to be known of a stream that was loaded."""
        from joule_cli.series.layout import Layout

        assert model.id is not None
        return cls(model.id, model.name, Layout.parse(model.layout))


class Decimation(NamedTuple):
    """How a decimated read reduces rows."""

    level: int  # a power of four; 1 for the rows themselves
    across_breaks: bool  # there are more intervals than rows asked for


class WriteSession(ABC):
    """One producer's rows, in order. A session belongs to one task at a time."""

    @abstractmethod
    async def write(self, items: Sequence[Item]) -> None:
        """Store rows and breaks in one transaction; all rows are durable on return.

        A break may stay in memory until the next rows or `close`, as long as losing it with the
        process would change nothing.

        Raises
        ------
        NonMonotonicError, InvalidValuesError, DuplicateTimestampError
            Nothing of `items` was stored.
        """

    @abstractmethod
    async def close(self, *, end_interval: bool = True) -> None:
        """Finish; with `end_interval`, rows that others insert later start a new interval."""


class RowFollower(ABC):
    """Where a reader stands that follows a stream.

    It gets the rows that are later than all before them, each once, in order. What is put between
    older rows is not among them.
    """

    @abstractmethod
    def new_rows(self) -> AsyncGenerator[list[Item], None]:
        """Give what was committed since the last time, with a break wherever one lies before rows.

        Raises
        ------
        StreamNotFound
            The stream was deleted.
        """


class DataStore(Part):
    """Rows of data streams, their interval breaks and decimation levels.

    `start` and `end` bound a half-open range of time; `None` leaves that side open.
    """

    def session(
        self, stream: StoredStream, merge_gap: int, *, missing: bool = False
    ) -> WriteSession:
        """Begin to write; see data_write for `merge_gap` and `missing`."""
        raise self.unsupported("store rows")

    def read(
        self, stream: StoredStream, start: int | None, end: int | None
    ) -> AsyncGenerator[list[Item], None]:
        """Give all rows in batches, with a break wherever one lies between two rows.

        A break behind the last row is given too, in a batch of its own, if it lies inside the
        range and rows of the stream follow it. Rows committed after the call began may or may not
        be given; none is given twice.

        Raises
        ------
        StreamNotFound
            The stream was deleted.
        """
        raise self.unsupported("read rows")

    async def read_at_most(
        self, stream: StoredStream, start: int | None, end: int | None, max_rows: int
    ) -> tuple[int, AsyncGenerator[list[Item], None]]:
        """Read with the finest level that gives at most `max_rows` rows.

        Returns
        -------
        level
            1 for the rows themselves, else they are of ``layout.decimated``: each stands for
            about `level` consecutive rows of the range, and no row is left out.
        batches
            As from `read`. There are breaks unless they had to be crossed. Rows committed after
            the call began are not given.
        """
        if await self.count(stream, start, end) > max_rows:
            raise self.unsupported("decimate rows")
        return 1, self.read(stream, start, end)

    def read_level(
        self, stream: StoredStream, start: int | None, end: int | None, level: int
    ) -> AsyncGenerator[list[Item], None]:
        """Read decimated rows, each for `level` rows of one interval; the last may be for fewer.

        Parameters
        ----------
        level
            A power of four above 1.
        """
        raise self.unsupported("decimate rows")

    async def follow(self, stream: StoredStream) -> RowFollower:
        """Stand behind the last row that a stream has now."""
        raise self.unsupported("be followed")

    async def count(self, stream: StoredStream, start: int | None, end: int | None) -> int:
        """Return the exact number of rows."""
        raise self.unsupported("count rows")

    async def intervals(
        self, stream: StoredStream, start: int | None, end: int | None
    ) -> list[Interval]:
        """Return each interval from its first row to 1 µs past its last."""
        raise self.unsupported("list intervals")

    async def delete(self, stream: StoredStream, start: int | None, end: int | None) -> None:
        """Delete rows and breaks; with `start`, leave a break after the row before it."""
        raise self.unsupported("delete rows")

    async def consolidate(
        self, stream: StoredStream, max_gap: int, start: int | None, end: int | None
    ) -> int:
        """Remove the breaks of gaps of at most `max_gap` µs; return how many."""
        raise self.unsupported("change intervals")

    async def split(
        self,
        stream: StoredStream,
        max_gap: int,
        start: int | None,
        end: int | None,
        *,
        dry_run: bool,
    ) -> list[Interval]:
        """Set a break in each gap of more than `max_gap` µs inside an interval.

        Returns
        -------
        list of Interval
            The gaps, each from 1 µs past a row to the next one; with `dry_run` those that there
            are.

        Raises
        ------
        DataError
            There are more than `MOST_BREAKS`; nothing was changed.
        """
        raise self.unsupported("change intervals")

    async def decimate(self, stream: StoredStream) -> None:
        """Compute all levels anew."""
        raise self.unsupported("decimate rows")

    async def drop_levels(self, stream: StoredStream) -> None:
        """Delete all stored levels."""
        raise self.unsupported("decimate rows")


class StoredEvent(NamedTuple):
    """An event as it is stored."""

    id: int
    start: int
    end: int | None
    content: str  # JSON


class EventStore(Part):
    """Events of event streams.

    `stream_id` is the id of an existing event stream; a stream that is deleted meanwhile raises
    StreamNotFound where something was to be stored, and has no events otherwise.
    """

    async def write(self, stream_id: int, events: Sequence[CheckedEvent]) -> list[int]:
        """Store events in one transaction and return their ids.

        An event with an id that exists replaces that one. All others get new ids: first those
        without an id, then those with an unknown one, each in their order.
        """
        raise self.unsupported("store events")

    def read(
        self, stream_id: int, window: Window, limit: int | None, block_size: int
    ) -> AsyncGenerator[list[StoredEvent], None]:
        """Give events by start and id, in blocks of `block_size`; only the last one is shorter.

        Events committed after the call began may or may not be given; none is given twice. If there
        are more than `limit`, the window tells whether the first or the last are given.
        """
        raise self.unsupported("read events")

    async def count(self, stream_id: int, window: Window) -> int:
        """Return the number of events."""
        raise self.unsupported("count events")

    async def last_id(self, stream_id: int) -> int:
        """Return the highest id that was given to an event, 0 if none was.

        Raises
        ------
        StreamNotFound
            The stream was deleted.
        """
        raise self.unsupported("read events")

    async def with_ids(
        self, stream_id: int, first: int, last: int, window: Window
    ) -> list[StoredEvent]:
        """Return the events of a window with ids from `first` to `last`, by id."""
        raise self.unsupported("read events")

    async def remove(self, stream_id: int, window: Window) -> int:
        """Remove events in one transaction and return their number."""
        raise self.unsupported("delete events")

    async def histogram(
        self, stream_id: int, window: Window, width: int | None
    ) -> list[EventBucket]:
        """Count events by start; see event_stream_histogram."""
        raise self.unsupported("count events")

    async def info(self, stream_id: int) -> EventStreamInfo:
        """Return number, range and size of the events."""
        raise self.unsupported("count events")
