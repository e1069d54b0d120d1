"""A read of events, apart from any node."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from joule_cli.api.event_reading import DEFAULT_BLOCK, DEFAULT_LIMIT, EventReading, Window
from joule_cli.errors import ApiError, FilterError
from joule_cli.model import Event
from joule_cli.series.event_filter import Condition, Operator

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator


class Source:
    """Gives numbered events, and remembers what it was asked for."""

    def __init__(self, n_events: int) -> None:
        self.n_events = n_events
        self.asked: list[tuple[Any, Window, int | None, int]] = []
        self.closed = 0

    async def blocks(
        self, stream: Any, window: Window, limit: int | None, block_size: int
    ) -> AsyncGenerator[list[Event], None]:
        self.asked.append((stream, window, limit, block_size))
        n_events = self.n_events if limit is None else min(limit, self.n_events)
        try:
            for first in range(0, n_events, block_size):
                last = min(first + block_size, n_events)
                yield [Event(i, i + 1) for i in range(first, last)]
        finally:
            self.closed += 1

    def read(self, **options: Any) -> EventReading:
        defaults = dict.fromkeys(("start", "end", "json_filter", "limit", "block_size"))
        return EventReading(
            self.blocks, **{"stream": "/a/b", "ongoing": True, **defaults, **options}
        )


async def test_awaited_read_is_a_list_with_a_limit():
    source = Source(DEFAULT_LIMIT + 5)
    events = await source.read()
    assert [event.start_time for event in events] == list(range(DEFAULT_LIMIT))
    assert source.asked == [("/a/b", Window(), DEFAULT_LIMIT, DEFAULT_BLOCK)]
    assert len(await source.read(limit=7)) == 7
    assert len(await source.read(limit=DEFAULT_LIMIT + 1)) == DEFAULT_LIMIT + 1


async def test_awaited_read_with_a_block_size_is_a_list_of_events():
    assert await Source(5).read(block_size=2) == [Event(i, i + 1) for i in range(5)]


async def test_iteration_has_no_limit():
    source = Source(DEFAULT_LIMIT + 5)
    starts = [event.start_time async for event in source.read()]
    assert starts == list(range(DEFAULT_LIMIT + 5))
    assert [limit for _, _, limit, _ in source.asked] == [None]


async def test_iteration_after_awaiting_the_same_read_has_no_limit():
    reading = Source(DEFAULT_LIMIT + 5).read()
    assert len(await reading) == DEFAULT_LIMIT
    assert len([event async for event in reading]) == DEFAULT_LIMIT + 5


async def test_blocks_on_request():
    source = Source(25)
    blocks = [len(block) async for block in source.read(block_size=10, limit=22)]
    assert blocks == [10, 10, 2]
    assert [(limit, size) for _, _, limit, size in source.asked] == [(22, 10)]


async def test_window_and_filter_are_handed_on():
    source = Source(0)
    assert await source.read(start=1, end=9, json_filter='[[["a","gt",1]]]', ongoing=0) == []
    (asked,) = source.asked
    assert asked[1] == Window(1, 9, ((Condition("a", Operator.GT, 1.0),),), ongoing=False)


async def test_nothing_is_asked_before_the_read_is_used():
    source = Source(5)
    reading = source.read(json_filter="no filter", limit=0)
    assert source.asked == []
    with pytest.raises(ApiError, match="limit"):
        await reading
    reading = source.read(json_filter="no filter")
    with pytest.raises(FilterError):
        await reading
    with pytest.raises(FilterError):
        await anext(aiter(reading))
    assert source.asked == []


@pytest.mark.parametrize("options", [{}, {"block_size": 3}])
async def test_source_is_closed_with_the_iteration(options: dict[str, int]):
    source = Source(100)
    iteration = aiter(source.read(**options))
    await anext(iteration)
    assert source.closed == 0
    await iteration.aclose()
    assert source.closed == 1


async def test_an_error_reaches_the_caller_in_the_middle():
    async def blocks(*_: Any) -> AsyncGenerator[list[Event], None]:
        yield [Event(1, 2)]
        raise ApiError("gone")

    source = Source(0)
    source.blocks = blocks  # type: ignore[method-assign]
    iteration = aiter(source.read())
    assert await anext(iteration) == Event(1, 2)
    with pytest.raises(ApiError, match="gone"):
        await anext(iteration)
    with pytest.raises(ApiError, match="gone"):
        await source.read()
