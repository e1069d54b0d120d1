"""Events of a file or a pipe into an event stream, in blocks that are stored for good."""

from __future__ import annotations

import asyncio
import math
import time
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from joule_cli.errors import ApiError, FormatError, JouleError, NameTakenError
from joule_cli.ops.errors import PartialError
from joule_cli.ops.event_resume import Present, Seen
from joule_cli.ops.progress import Step
from joule_cli.ops.streams import Place, find_event_stream, require_fields
from joule_cli.ops.worker import Worker, drop, read_ahead, with_share

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Sequence

    from joule_cli.api.node import Node
    from joule_cli.formats.events import EventBlock, EventReader
    from joule_cli.model import Event, EventStream
    from joule_cli.ops.progress import ProgressCallback

    #: Receives line number, text and reason of an event that is left out.
    Reject = Callable[[int, str, str], None]
    Open = Callable[[Reject | None], EventReader]
    #: Events, and the share of the input that is done with them.
    Block = tuple[EventBlock, float | None]
    Stored = Callable[[Sequence[Event]], Awaitable[None]]

#: Events of one transaction, about.
BLOCK_EVENTS = 5_000
#: Seconds that events from a slow pipe wait for others.
WAIT_S = 0.25


@dataclass(slots=True)
class EventTarget:
    """The event stream that is written: existing, or created from `model` before the first write.

    Parameters
    ----------
    stream
        `None` if it is still to be created, in `folder`.
    """

    node: Node
    path: str
    stream: EventStream | None
    model: EventStream | None = None
    folder: str = "/"
    _uuid: str | None = None

    async def prepare(self) -> EventStream:
        """Return the stream, which exists from now on."""
        if self.stream is None:
            assert self.model is not None
            try:
                self.stream = await self.node.event_stream_create(self.model, self.folder)
            except NameTakenError:
                # another program has created it meanwhile, unless it is something else
                self.stream = await find_event_stream(Place(self.node, self.path))
                if self.stream is None:
                    raise
                require_fields(self.stream, self.model.event_fields, self.path)
        return self.stream

    async def write(self, events: Sequence[Event]) -> None:
        """Store events; afterwards they belong to the stream.

        An id counts unless the event says that it was read elsewhere.
        """
        stream = await self.prepare()
        if self._uuid is None:
            self._uuid = (await self.node.info()).uuid
        for event in events:
            here = event.event_stream_id in {None, stream.id} and (
                event.node_uuid in {None, "", self._uuid}
            )
            if not here:
                event.id = None
            event.event_stream_id, event.node_uuid = stream.id, self._uuid
        await self.node.event_stream_write(stream, events)


@dataclass(frozen=True, slots=True)
class EventIngestOptions:
    """How the input is taken.

    Parameters
    ----------
    repeatable
        The input can be opened a second time: it is checked as a whole before anything is stored.
    skip_bad
        Leave bad events out instead of failing.
    max_errors
        With `skip_bad`: fail once there are more bad events than this.
    on_reject
        With `skip_bad`: receives line number, text and reason of each of them.
    resume
        Leave out events that the stream has: as often as it has them.
    """

    repeatable: bool = False
    resume: bool = False
    skip_bad: bool = False
    max_errors: int | None = None
    on_reject: Reject | None = None


@dataclass(slots=True)
class EventIngestResult:
    """What became of the input so far."""

    stored: int = 0
    #: Events that the stream had already.
    present: int = 0
    rejected: int = 0
    #: Events that were handed to the node, which may have stored any part of them.
    unsure: int = 0
    #: Last line, or row, of the input whose events are stored; 0 if it is not known exactly.
    line: int = 0
    unit: str = "line"
    last: int | None = None
    warnings: list[str] = field(default_factory=list)


async def ingest_events(
    target: EventTarget,
    open_reader: Open,
    options: EventIngestOptions,
    result: EventIngestResult,
    *,
    on_stored: Stored | None = None,
    report: ProgressCallback | None = None,
) -> None:
    """Write all events of the input; `result` always tells what is stored.

    An input that is `repeatable` and fits a transaction (`Seen.fits`) is stored in a node file as a
    whole or not at all. Of a longer one, for a node elsewhere, and from a pipe, a failure or a
    cancellation leaves what had arrived; `resume` continues there.

    Parameters
    ----------
    open_reader
        Opens the input; called twice if it is `repeatable`. Bad events go to its argument.
    on_stored
        Awaited with each block of events once they are stored.

    Raises
    ------
    FormatError
        A bad event, or too many of them.
    PartialError
        It failed after events were stored.
    """
    async with Worker("events") as worker:
        seen = None
        if options.repeatable:
            seen = await _check(worker, open_reader, options, target.path, report)
        # a node elsewhere takes many events in several requests
        whole = target.node.embedded and seen is not None and seen.fits
        present = None
        if options.resume and target.stream is not None:
            present = Present(target.node, target.stream, seen)
        reject = _Reject(options, options.on_reject)
        reader = await worker.call(open_reader, reject if options.skip_bad else None)
        reject.name = reader.name
        result.unit = reader.unit

        async def store(events: list[Event], line: int, share: float | None) -> None:
            if present is not None:
                n_before = len(events)
                events = await present.leave_out(events)
                result.present += n_before - len(events)
            failure: ApiError | None = None
            if events:
                try:
                    await target.write(events)
                except ApiError as exc:
                    failure, events, result.unsure = exc, events[: exc.stored], exc.unsure
            if events:
                result.stored += len(events)
                result.last = events[-1].start_time
                result.line = 0
            if failure is None:
                result.line = line
            if report is not None:
                report(Step(target.path, result.stored, result.last, share=share))
            if on_stored is not None:
                await on_stored(events)
            if failure is not None:
                raise failure

        try:
            blocks = with_share(reader.blocks(), reader)
            async with aclosing(read_ahead(worker, blocks)) as ahead:
                await _pump(ahead, store, whole=whole)
            await target.prepare()
        except PartialError:
            raise
        except JouleError as exc:
            if not result.stored and not result.unsure:
                raise
            raise PartialError(
                exc, target.path, result.stored, result.last, "events", result.unsure
            ) from exc
        finally:
            # not in the thread, which may be waiting for input that never comes
            reader.close()
            result.rejected = reject.count
            result.warnings = reader.tally.warnings


async def _check(
    worker: Worker,
    open_reader: Open,
    options: EventIngestOptions,
    path: str,
    report: ProgressCallback | None,
) -> Seen:
    """Read the whole input, so that a bad one changes nothing."""
    reject = _Reject(options, None)
    reader = await worker.call(open_reader, reject if options.skip_bad else None)
    reject.name = reader.name
    seen = Seen()
    try:
        blocks = with_share(reader.blocks(), reader)
        async with aclosing(read_ahead(worker, blocks)) as ahead:
            async for block, share in ahead:
                seen.take(block.events)
                if report is not None:
                    report(Step(path, reader.tally.rows, share=share, checking=True))
    finally:
        reader.close()
    return seen


class _Reject:
    """Counts bad events and passes them on, as far as their number is allowed."""

    def __init__(self, options: EventIngestOptions, then: Reject | None) -> None:
        self.name: str | None = None
        self.count = 0
        self._limit = options.max_errors
        self._then = then

    def __call__(self, line: int, text: str, reason: str) -> None:
        self.count += 1
        if self._limit is not None and self.count > self._limit:
            raise FormatError(
                f"{reason}; that makes more than {self._limit} bad events",
                file=self.name,
                line=line,
            )
        if self._then is not None:
            self._then(line, text, reason)


async def _pump(
    ahead: AsyncGenerator[Block, None],
    store: Callable[[list[Event], int, float | None], Coroutine[Any, Any, None]],
    *,
    whole: bool,
) -> None:
    """Store blocks, small ones joined, so that a slow pipe does not cost a transaction a line.

    Nothing waits longer than `WAIT_S` for more. What has arrived is stored before a failure of the
    input or a cancellation goes on; if it is to be stored as a `whole`, nothing is.
    """
    events: list[Event] = []
    line = 0
    share: float | None = None
    due = math.inf
    coming: asyncio.Future[Block | None] | None = None
    try:
        while True:
            coming = coming or asyncio.ensure_future(_next(ahead))
            wait = None if due == math.inf else max(due - time.monotonic(), 0)
            await asyncio.wait({coming}, timeout=wait)
            if coming.done():
                found, coming = coming.result(), None
                if found is None:
                    break
                block, share = found
                events += block.events
                line = block.line
                if whole:
                    continue
                due = min(due, time.monotonic() + WAIT_S)
            if len(events) >= BLOCK_EVENTS or time.monotonic() >= due:
                # taken first: what could not be stored is not tried again below
                block_events, events, due = events, [], math.inf
                await _finished(store(block_events, line, share))
    except BaseException:
        # the input has failed, or the work is interrupted
        if coming is not None:
            await drop(coming)
        if events and not whole:
            await store(events, line, share)
        raise
    if events:
        await _finished(store(events, line, share))


async def _next(ahead: AsyncGenerator[Block, None]) -> Block | None:
    return await anext(ahead, None)


async def _finished(work: Coroutine[Any, Any, None]) -> None:
    """Await a transaction to its end even when cancelled, so that it is counted."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await task
        raise
