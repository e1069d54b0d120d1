"""Reading events of one stream into one output."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING

from joule_cli.errors import ApiError
from joule_cli.ops.errors import PartialError
from joule_cli.ops.worker import Worker

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
    from contextlib import AbstractAsyncContextManager

    from joule_cli.formats.events import EventWriter
    from joule_cli.model import Event


async def first_events(
    following: AsyncGenerator[list[Event], None], limit: int | None
) -> AsyncGenerator[list[Event], None]:
    """Give at most so many of the events that are followed."""
    left = limit
    async with aclosing(following) as blocks:
        async for block in blocks:
            some = block if left is None else block[:left]
            if some:
                yield some
            if left is not None:
                left -= len(some)
                if not left:
                    return


async def export_events(
    events: AbstractAsyncContextManager[AsyncIterator[list[Event]]] | None,
    writer: EventWriter,
    path: str,
    told: Callable[[int], None],
    flush: Callable[[], None],
    *,
    needed: bool,
    lasts: bool,
    endless: bool,
) -> int:
    """Write all events and return their number.

    Parameters
    ----------
    told
        Takes the number of events so far.
    flush
        Called after each block.
    needed
        A file without events is not to appear.
    lasts
        What was written stays when the rest fails.
    endless
        A signal is the usual end.

    Raises
    ------
    PartialError
        It failed after events had been given out that stay.
    """

    def write(block: Sequence[Event]) -> None:
        writer.write(block)
        flush()

    count = 0
    last: int | None = None
    complete = False
    async with Worker("write") as worker:
        try:
            if events is not None:
                async with events as blocks:
                    async for block in blocks:
                        await worker.call(write, block)
                        count += len(block)
                        last = block[-1].start_time
                        told(count)
            complete = bool(count) or not needed or lasts
        except ApiError as exc:
            # the node was asked by id, and has no other name for the stream
            exc.object = exc.object or path
            if not count or not lasts:
                raise
            raise PartialError(exc, path, count, last) from exc
        except asyncio.CancelledError:
            if not endless:
                raise
            complete = bool(count) or not needed
            task = asyncio.current_task()
            if task is not None:
                task.uncancel()
        finally:
            await worker.call(writer.close, complete=complete)
    return count
