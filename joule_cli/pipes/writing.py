"""The writing half of a pipe: conversion, cache, breaks and subscribers."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np

from joule_cli.errors import ClosedPipeError, PipeError
from joule_cli.pipes.base import Pipe
from joule_cli.pipes.blocks import Item, copy_rows, join_items
from joule_cli.series.rows import as_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from joule_cli.model.data_stream import DataStream
    from joule_cli.series.layout import Rows


class WritingPipe(Pipe, ABC):
    """A pipe that can be written; subclasses say in `_send` where its items go.

    Writes, breaks and flushes of several tasks are served one after the other, in the order of
    the calls. One that is cancelled while it waits for its turn or for room has written
    nothing, and what was cached before stays cached.
    """

    #: Whether `_send` keeps the arrays that it gets, so that a caller's array must be copied.
    _keeps_rows = True

    def __init__(
        self,
        name: str | None = None,
        direction: Pipe.DIRECTION | None = None,
        module: object = None,
        stream: DataStream | None = None,
        layout: str | None = None,
    ) -> None:
        super().__init__(name, direction, module, stream, layout)
        self._turn = asyncio.Lock()
        self._cache: list[Item] = []
        self._cached_rows = 0
        self._cache_lines = 0
        self._interval_open = False

    @abstractmethod
    async def _send(self, items: Sequence[Item]) -> None:
        """Pass on blocks of rows and breaks, all or none of them if cancelled."""

    async def write(self, data: object) -> None:  # docstring inherited
        async with self._turn:
            self._check_writable()
            rows = self._accept(data)
            if not len(rows):
                return
            cached = self._cached_rows + len(rows) < self._cache_lines
            if cached or self._keeps_rows:
                rows = own(rows, data)
            if cached:
                self._put_in_cache(rows)
            else:
                await self._forward([rows])
            self._interval_open = True

    async def close_interval(self) -> None:  # docstring inherited
        async with self._turn:
            self._check_writable()
            if self._interval_open:
                await self._forward([None])
                self._interval_open = False

    def enable_cache(self, lines: int) -> None:  # docstring inherited
        if lines < 1:
            raise PipeError(f"a cache needs at least one line: {lines}")
        self._cache_lines = lines

    async def flush_cache(self) -> None:  # docstring inherited
        async with self._turn:
            self._check_writable()
            await self._flush()

    async def close(self) -> None:  # docstring inherited
        async with self._turn:
            if not self.closed:
                self.closed = True
                async with self._ending():
                    try:
                        if self._failure is None:
                            await self._finish()
                    finally:
                        await self._release()
            self._raise_untold_failure()

    async def _finish(self) -> None:
        """Pass on what is left; not called after a failure."""
        await self._flush()

    async def _release(self) -> None:
        """Let go of where the items go; called exactly once."""

    def subscribe(self, pipe: Pipe) -> Callable[[], None]:  # docstring inherited
        self.subscribers.append(pipe)

        def unsubscribe() -> None:
            with suppress(ValueError):
                self.subscribers.remove(pipe)

        return unsubscribe

    def _accept(self, data: object) -> Rows:
        """Return `data` as rows, or raise if they cannot go through this pipe."""
        return as_rows(data, self.row_layout)

    def _put_in_cache(self, item: Item) -> None:
        self._cache.append(item)
        self._cached_rows += 0 if item is None else len(item)

    def _take_cache(self) -> list[Item]:
        items, self._cache, self._cached_rows = self._cache, [], 0
        return join_items(items)

    async def _flush(self) -> None:
        if self._cache:
            await self._forward([])

    async def _forward(self, items: Sequence[Item]) -> None:
        """Send the cached items and `items`, and copy them to the subscribers."""
        n_cached = len(self._cache)
        everything = join_items([*self._cache, *items])
        await self._send(everything)
        # not all of the cache: a break may have been added while waiting
        del self._cache[:n_cached]
        self._cached_rows = sum(len(item) for item in self._cache if item is not None)
        await self._copy_to_subscribers(everything)

    async def _copy_to_subscribers(self, items: Sequence[Item]) -> None:
        for pipe in list(self.subscribers):
            try:
                for item in items:
                    await (pipe.close_interval() if item is None else pipe.write(item))
            except ClosedPipeError:
                # its reader has left, which is no concern of the producer
                with suppress(ValueError):
                    self.subscribers.remove(pipe)


def own(rows: Rows, data: object) -> Rows:
    """Return `rows`, copied if they lie in the memory of the caller's `data`."""
    if isinstance(data, np.ndarray) and np.may_share_memory(rows, data):
        return copy_rows(rows)
    return rows
