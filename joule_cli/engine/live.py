"""Rows on their way from a producer to the store and to subscribers in this process."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from joule_cli.errors import PipeError, SubscriptionError
from joule_cli.pipes import LocalPipe

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from joule_cli.engine.stores.base import Item, StoredStream, WriteSession
    from joule_cli.engine.stores.storage import Claims
    from joule_cli.model import DataStream
    from joule_cli.pipes import Pipe
    from joule_cli.series.layout import Rows

#: Who gets the rows of a stream, by its id, and whether they stay when its producer leaves.
Subscribers: TypeAlias = "dict[int, dict[LocalPipe, bool]]"
#: Blocks, and bytes, that a subscriber may fall behind before it is cut off.
_BACKLOG, _BACKLOG_BYTES = 1024, 16 * 1024 * 1024


class ProducerSink:
    """Stores the rows of one output pipe, then passes them to the stream's subscribers."""

    def __init__(
        self,
        session: WriteSession,
        stream: StoredStream,
        claims: Claims,
        subscribers: Subscribers,
        *,
        end_interval: bool,
    ) -> None:
        self._session = session
        self._stream = stream
        self._claims = claims
        self._subscribers = subscribers
        self._end_interval = end_interval
        self.on_close: Callable[[], None] = lambda: None

    async def write(self, items: Sequence[Item]) -> None:
        await self._session.write(items)
        for pipe in list(self._subscribers.get(self._stream.id, ())):
            try:
                for item in items:
                    if item is None:
                        pipe.close_interval_nowait()
                    else:
                        _pass_on(pipe, item)
            except PipeError:
                # no room: a subscriber that stands still must not hold up the producer
                pipe.fail(SubscriptionError("the subscriber is too slow", object=pipe.name))
                self._subscribers[self._stream.id].pop(pipe, None)

    async def close(self) -> None:
        try:
            await self._session.close(end_interval=self._end_interval)
        finally:
            await self._claims.release(self._stream.id)
            self.on_close()
            group = self._subscribers.get(self._stream.id, {})
            for pipe, stays in list(group.items()):
                if stays:
                    pipe.close_interval_nowait()
                else:
                    del group[pipe]
                    pipe.close_cb = None
                    pipe.close_nowait()


def _pass_on(pipe: LocalPipe, rows: Rows) -> None:
    # a block larger than the limit still gets through to a reader that keeps up
    if pipe.is_full or 0 < pipe.waiting_bytes > _BACKLOG_BYTES - rows.nbytes:
        raise PipeError("no room in the pipe")
    pipe.write_nowait(rows)


async def subscribe(
    subscribers: Subscribers,
    claims: Claims,
    model: DataStream,
    stream: StoredStream,
    *,
    stays: bool,
) -> Pipe:
    """Return a pipe with the rows that this process stores in a stream from now on.

    Parameters
    ----------
    stays
        Wait for a producer, and for the next one after it.
    """
    if not (stays or claims.owns(stream.id)):
        if await claims.is_active(stream.id):
            # a stream with rows is followed in the file instead
            text = "the stream keeps no rows, and another process writes them"
            raise SubscriptionError(text, object=stream.name)
        raise SubscriptionError("stream is not being produced", object=stream.name)
    pipe = LocalPipe(str(stream.layout), model.name, stream=model, write_limit=_BACKLOG)
    group = subscribers.setdefault(stream.id, {})
    group[pipe] = stays

    async def leave() -> None:
        group.pop(pipe, None)

    pipe.close_cb = leave
    return pipe
