"""Copying events to another event stream, repeatable after an interruption."""

from __future__ import annotations

import json
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, cast
from uuid import uuid4

from joule_cli.errors import ApiError, JouleError
from joule_cli.model import Event, EventStream
from joule_cli.ops.errors import EventsPresentError, OperationError, PartialError, partial_after
from joule_cli.ops.event_comparison import Comparison
from joule_cli.ops.progress import Meter
from joule_cli.ops.streams import (
    check_bounds,
    events_of,
    find_event_stream,
    refuse_same,
    split_path,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from joule_cli.api.node import Node
    from joule_cli.ops.progress import ProgressCallback
    from joule_cli.ops.streams import Place

#: Events read and written at once.
BLOCK_EVENTS = 5_000
#: Key of the value that an event has between being given up and being removed.
_MARK = "joule-copy-removes"
#: Where the search for the last start begins, µs before the end of the stream.
_FIRST_STEP = 1_000_000


class Action(StrEnum):
    """What to do if the destination has events in the range already."""

    IGNORE = "ignore"  #: copy all events all the same
    REPLACE = "replace"  #: leave it with the events of the source and no others
    SKIP = "skip"  #: copy only what it lacks


@dataclass(frozen=True, slots=True)
class EventCopyOptions:
    """Which events to copy and how.

    Parameters
    ----------
    start, end
        Bounds for the events' start, µs, half-open: neighbouring ranges share no event.
    new
        Copy only from the last start in the destination on what it lacks; not together with
        `start`, and without regard to `action`.
    action
        `None` refuses to copy to a destination that has events in the range.
    json_filter
        Copy only events with such content; those of the destination with other content are left
        as they are.
    """

    start: int | None = None
    end: int | None = None
    new: bool = False
    action: Action | None = None
    json_filter: str | None = None


@dataclass(frozen=True, slots=True)
class EventCopyPlan:
    """What a copy would do: nothing has been changed."""

    creates: bool
    events: int
    present: int
    removed: int


@dataclass(slots=True)
class EventCopyResult:
    """What a copy did.

    Parameters
    ----------
    events
        Number of events written.
    present
        How many were not, because the destination had them.
    removed
        How many the destination had and the source had not.
    """

    created: bool = False
    events: int = 0
    present: int = 0
    removed: int = 0


async def plan_events(
    source: Place, destination: Place, options: EventCopyOptions
) -> EventCopyPlan:
    """Find out what `copy_events` would do, with exact numbers.

    Raises the same errors as `copy_events` does before its first change.
    """
    work = await _prepare(source, destination, options)
    events = present = 0
    async with _comparison(work) as comparison:
        async for missing in comparison.missing():
            events += len(missing)
        present = comparison.matched
        removed = await comparison.surplus() if work.action is Action.REPLACE else 0
    return EventCopyPlan(work.target is None, events, present, removed)


async def copy_events(
    source: Place,
    destination: Place,
    options: EventCopyOptions,
    progress: ProgressCallback | None = None,
) -> EventCopyResult:
    """Copy events in order of their start, and create the destination if necessary.

    Events are told apart by times and content; of several equal ones the destination gets as many
    as the source has. Copied events are new ones there. Memory holds a block of events, and the
    different events that share one start.

    With `Action.REPLACE` nothing is removed before every event of the source is stored, and what
    is equal on both sides stays as it is.

    Raises
    ------
    StreamNotFound
        There is no source.
    NameTakenError
        There is a data stream at the destination.
    EventsPresentError
        The destination has events in the range and no action is chosen.
    OperationError
        The options contradict each other, or source and destination are one stream.
    PartialError
        It failed after events had been stored or removed; repeated with `Action.SKIP` or
        `EventCopyOptions.new` (or `Action.REPLACE` again) it continues there.
    """
    work = await _prepare(source, destination, options)
    result = EventCopyResult(created=work.target is None)
    meter = Meter(destination.path, progress, span=await _span(work), unit="events")
    with partial_after(meter):
        target = work.target
        if target is None:
            model = _like(work.stream, destination.path)
            folder = split_path(destination.path)[0]
            target = await destination.node.event_stream_create(model, folder)
        surplus = 0
        async with _comparison(work) as comparison:
            async for missing in comparison.missing():
                if missing:
                    await _write(destination.node, target, missing, meter)
            result.present = comparison.matched
            if work.action is Action.REPLACE:
                surplus = await comparison.surplus()
        result.events = meter.rows
        if surplus:
            result.removed = await _remove_surplus(work, target, meter)
    return result


@dataclass(slots=True)
class _EventCopy:
    source: Place
    destination: Place
    stream: EventStream
    target: EventStream | None
    #: with the start that `new` stands for
    options: EventCopyOptions
    action: Action


async def _prepare(source: Place, destination: Place, options: EventCopyOptions) -> _EventCopy:
    check_bounds(options.start, options.end)
    if options.new and options.start is not None:
        raise OperationError("only new events or events from a start time, not both")
    if options.new and options.action is Action.REPLACE:
        raise OperationError("only new events or replaced ones, not both")
    split_path(destination.path)  # refuses an impossible path before anything is created
    stream = await events_of(source)
    target = await find_event_stream(destination)
    refuse_same(source, destination, stream, target)
    action = options.action
    if options.new:
        if target is not None:
            start = await _last_start(destination.node, target, options.json_filter)
            if start is not None and options.end is not None and start >= options.end:
                start = options.end - 1
            options = replace(options, start=start)
        action = Action.SKIP
    elif action is None:
        present = 0 if target is None else await _count(destination.node, target, options)
        if present:
            raise EventsPresentError(destination.path, present)
        action = Action.SKIP
    return _EventCopy(source, destination, stream, target, options, action)


def _like(stream: EventStream, path: str) -> EventStream:
    return EventStream(
        name=split_path(path)[1],
        description=stream.description,
        chunk_duration_us=stream.chunk_duration_us,
        keep_us=stream.keep_us,
        event_fields=stream.event_fields,
    )


async def _count(node: Node, stream: EventStream, options: EventCopyOptions) -> int:
    return await node.event_stream_count(
        stream, options.start, options.end, options.json_filter, include_on_going_events=False
    )


async def _last_start(node: Node, stream: EventStream, json_filter: str | None) -> int | None:
    """Return the last start of the events that match, by counting few of them."""
    info = await node.event_stream_info(stream)
    if info.start is None or info.end is None:
        return None

    async def begins_after(time: int) -> bool:
        found = await node.event_stream_count(
            stream, time, None, json_filter, include_on_going_events=False
        )
        return found > 0

    # events begin at or after `low`, none at or after `high`
    low, high = info.start, info.end + 1
    step = _FIRST_STEP
    while high - step > low:
        if await begins_after(high - step):
            low = high - step
            break
        high -= step
        step *= 4
    else:
        if not await begins_after(low):
            return None
    while high - low > 1:
        middle = (low + high) // 2
        if await begins_after(middle):
            low = middle
        else:
            high = middle
    return low


async def _span(work: _EventCopy) -> tuple[int, int] | None:
    info = work.stream.info or await work.source.node.event_stream_info(work.stream)
    if info.start is None or info.end is None:
        return None
    options = work.options
    first = info.start if options.start is None else max(options.start, info.start)
    last = info.end if options.end is None else min(options.end, info.end)
    return first, last


@asynccontextmanager
async def _read(
    place: Place, stream: EventStream, options: EventCopyOptions
) -> AsyncIterator[AsyncIterator[list[Event]]]:
    reading = place.node.event_stream_read(
        stream,
        options.start,
        options.end,
        json_filter=options.json_filter,
        include_on_going_events=False,
        block_size=BLOCK_EVENTS,
    )
    blocks = cast("AsyncGenerator[list[Event], None]", aiter(reading))
    async with aclosing(blocks):
        yield blocks


async def _nothing() -> AsyncGenerator[list[Event], None]:
    blocks: tuple[list[Event], ...] = ()
    for block in blocks:
        yield block


@asynccontextmanager
async def _comparison(work: _EventCopy, *, reverse: bool = False) -> AsyncIterator[Comparison]:
    """Compare the source with the destination, or in `reverse`."""
    source = _read(work.source, work.stream, work.options)
    if work.target is None or work.action is Action.IGNORE:
        async with source as events:
            yield Comparison(events, _nothing())
        return
    destination = _read(work.destination, work.target, work.options)
    async with source as left, destination as right:
        yield Comparison(right, left) if reverse else Comparison(left, right)


async def _write(node: Node, stream: EventStream, events: list[Event], meter: Meter) -> None:
    # without the ids of the source: a copy of a node file has its identity as well
    fresh = [Event(event.start_time, event.end_time, event.content) for event in events]
    try:
        await node.event_stream_write(stream, fresh)
    except ApiError as exc:
        if exc.stored:
            meter.count(exc.stored, events[exc.stored - 1].start_time)
        if exc.unsure:
            meter.count(exc.unsure, events[exc.stored + exc.unsure - 1].start_time, stored=False)
        raise
    meter.count(len(events), events[-1].start_time)


async def _remove_surplus(work: _EventCopy, target: EventStream, meter: Meter) -> int:
    """Remove what the destination has and the source has not.

    The calls of a node remove by time and content alone. So the events in question are given a
    value that no other event has, and what has that value is removed. They keep the rest of their
    content: a filter that found them finds them again if it fails in between.
    """
    node = work.destination.node
    removed = 0
    marking = False
    mark = uuid4().hex
    marked = json.dumps([[[_MARK, "is", mark]]])
    try:
        async with _comparison(work, reverse=True) as comparison:
            async for surplus in comparison.missing():
                if not surplus:
                    continue
                for event in surplus:
                    content = event.content if isinstance(event.content, dict) else {}
                    event.content = {**content, _MARK: mark}
                marking = True
                await node.event_stream_write(target, surplus)
                first, last = surplus[0].start_time, surplus[-1].start_time
                await node.event_stream_remove(target, first, last + 1, marked)
                removed += len(surplus)
    except JouleError as exc:
        if marking:
            raise PartialError.after(exc, meter) from exc
        raise
    return removed
