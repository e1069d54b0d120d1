"""A pipe whose rows are stored by an object as they are written."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from joule_cli.errors import PipeError
from joule_cli.pipes.base import Pipe
from joule_cli.pipes.writing import WritingPipe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from joule_cli.model.data_stream import DataStream
    from joule_cli.pipes.blocks import Item


class Sink(Protocol):
    """What stores the rows of a `SinkPipe`. Its methods are never called at the same time."""

    async def write(self, items: Sequence[Item]) -> None:
        """Store blocks of rows and breaks (`None`), in this order.

        The arrays belong to the caller again when this returns. After an error or a
        cancellation it is not called again, and no item is handed over twice.
        """

    async def close(self) -> None:
        """Finish; called exactly once, after errors and cancellations too."""


class SinkPipe(WritingPipe):
    """An output pipe that hands blocks to a sink.

    What the sink promises holds when `write`, `close_interval`, `flush_cache` and `close`
    return: on the embedded node the rows are then committed. With a cache this is so for rows
    that were passed on; breaks keep their place among the cached rows and do not pass them on.

    An error of the sink is raised to the caller and ends the pipe: later writes raise it again,
    and `close` does not hand over what is still cached. The same holds after a write was
    cancelled while the sink had it, because it is unknown whether it was stored.

    Parameters
    ----------
    layout
        ``<datatype>_<width>``.
    sink
        Stores the rows.
    name, stream
        As for every pipe.
    """

    _keeps_rows = False

    def __init__(
        self,
        layout: str | None,
        sink: Sink,
        name: str | None = None,
        stream: DataStream | None = None,
    ) -> None:
        super().__init__(name, Pipe.DIRECTION.OUTPUT, None, stream, layout)
        self._sink = sink

    async def hand_over(self, items: Sequence[Item]) -> None:
        """Write blocks of rows and breaks with one call of the sink."""
        async with self._turn:
            self._check_writable()
            if items:
                await self._forward(items)
                self._interval_open = items[-1] is not None

    async def close_interval(self) -> None:  # docstring inherited
        if not self._cache_lines:
            await super().close_interval()
            return
        async with self._turn:
            self.close_interval_nowait()

    def close_interval_nowait(self) -> None:
        """Mark a break that is stored with the next block, flush or close."""
        self._check_writable()
        if self._interval_open:
            self._put_in_cache(None)
            self._interval_open = False

    async def _send(self, items: Sequence[Item]) -> None:
        try:
            await self._sink.write(items)
        except asyncio.CancelledError:
            self._end_with(PipeError("a write was cancelled, its rows may or may not be stored"))
            raise
        except Exception as error:  # any error of the sink ends the pipe; raised as it is
            self._end_with(error)
            raise

    async def _release(self) -> None:
        await self._sink.close()

    def _end_with(self, error: Exception) -> None:
        self.fail(error)
        self._failure_told = True
