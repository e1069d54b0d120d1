"""What `Node.event_stream_read` returns."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Any, NamedTuple

from joule_cli.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator

    from joule_cli.api.references import EventStreamRef
    from joule_cli.model import Event
    from joule_cli.series.event_filter import Filter

    Blocks = Callable[
        [EventStreamRef, "Window", int | None, int], AsyncGenerator[list[Event], None]
    ]

#: Events of an awaited list, unless asked for otherwise.
DEFAULT_LIMIT = 10_000
#: Events fetched at once when they are given one by one.
DEFAULT_BLOCK = 5_000


class Window(NamedTuple):
    """Which events: those that start in ``[start, end)`` and match.

    With `ongoing`, also those that began before `start` and end at `start` or later. With `latest`,
    a limit leaves the last ones and not the first.
    """

    start: int | None = None
    end: int | None = None
    filter: Filter = ()
    ongoing: bool = True
    latest: bool = False


class EventReading:
    """A read of events: ``await`` it for a list, or iterate over it with ``async for``."""

    def __init__(
        self,
        blocks: Blocks,
        *,
        stream: EventStreamRef,
        start: int | None,
        end: int | None,
        json_filter: str | list[Any] | None,
        ongoing: bool,
        limit: int | None,
        block_size: int | None,
        latest: bool = False,
    ) -> None:
        self._blocks = blocks
        self._stream = stream
        self._bounds = (start, end)
        self._json_filter = json_filter
        self._ongoing = ongoing
        self._limit = limit
        self._block_size = block_size
        self._latest = latest

    def __await__(self) -> Generator[Any, None, list[Event]]:
        return self._list().__await__()

    def __aiter__(self) -> AsyncGenerator[Any, None]:
        if self._block_size is None:
            return self._events()
        return self._read(self._block_size, self._limit)

    async def _list(self) -> list[Event]:
        limit = DEFAULT_LIMIT if self._limit is None else self._limit
        async with aclosing(self._read(DEFAULT_BLOCK, limit)) as blocks:
            return [event async for events in blocks for event in events]

    async def _events(self) -> AsyncGenerator[Event, None]:
        async with aclosing(self._read(DEFAULT_BLOCK, self._limit)) as blocks:
            async for events in blocks:
                for event in events:
                    yield event

    async def _read(self, block_size: int, limit: int | None) -> AsyncGenerator[list[Event], None]:
        from joule_cli.series.event_filter import parse_filter

        _check_number(limit, "limit")
        _check_number(block_size, "block_size")
        window = Window(
            *self._bounds, parse_filter(self._json_filter), bool(self._ongoing), self._latest
        )
        async with aclosing(self._blocks(self._stream, window, limit, block_size)) as blocks:
            async for events in blocks:
                yield events


def _check_number(value: Any, name: str) -> None:
    if value is not None and (not isinstance(value, int) or value < 1):
        raise ApiError(f"[{name}] must be an integer > 0")
