"""Data actions of the embedded node."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from joule_cli.api.actions.data import DataActions
from joule_cli.api.data_range import check_max_gap, check_merge_gap, check_reduction, read_range
from joule_cli.api.open_pipes import OpenPipes
from joule_cli.engine.base import EngineState
from joule_cli.engine.references import data_stream_at
from joule_cli.errors import StorageError
from joule_cli.model import DataStream
from joule_cli.model.data_stream import KEEP_NONE

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from joule_cli.api.references import StreamRef
    from joule_cli.engine.live import Subscribers
    from joule_cli.engine.stores.base import Item, StoredStream
    from joule_cli.pipes import LocalPipe, Pipe

#: Blocks of a read that wait for its reader, before the next batch comes: many may stand still.
_QUEUED_BLOCKS = 1
_LEVELS = frozenset(4**power for power in range(1, 32))

# numpy and all that needs it loads in the methods: listing folders must not wait for it


class EmbeddedData(EngineState, DataActions):
    """The rows of a store."""

    name: str

    @cached_property
    def _open_pipes(self) -> OpenPipes:
        return OpenPipes()

    @cached_property
    def _subscribers(self) -> Subscribers:
        return {}

    async def data_read(
        self,
        stream: StreamRef,
        start: int | None = None,
        end: int | None = None,
        max_rows: int | None = None,
        *,
        decimation_level: int | None = None,
    ) -> Pipe:
        from joule_cli.pipes import LocalPipe

        start, end = read_range(start, end)
        check_reduction(max_rows, decimation_level)
        model, stored, written = await self._to_read(stream)
        level = 1 if decimation_level is None else decimation_level
        if decimation_level is None and max_rows is not None:
            level, batches = await self.storage.rows.read_at_most(stored, start, end, max_rows)
        elif level == 1:
            batches = self.storage.rows.read(stored, start, end)
        elif level in _LEVELS:
            batches = self.storage.rows.read_level(stored, start, end, level)
        else:
            batches = _nothing()
        layout = stored.layout if level == 1 else stored.layout.decimated
        pipe = LocalPipe(str(layout), model.name, stream=model, write_limit=_QUEUED_BLOCKS)
        pipe.decimation_level = level
        pipe.never_written = not written
        self._start_feeding(pipe, batches)
        return pipe

    def _start_feeding(self, pipe: LocalPipe, batches: AsyncGenerator[list[Item], None]) -> None:
        task = asyncio.create_task(_feed(pipe, batches))
        self._open_pipes.reading(pipe, task)

        async def stop() -> None:
            task.cancel()
            await asyncio.wait([task])

        pipe.close_cb = stop

    async def data_read_array(
        self,
        stream: StreamRef,
        start: int | None = None,
        end: int | None = None,
        max_rows: int = 10000,
        flatten: bool = False,
    ) -> Any:
        async with await self.data_read(stream, start, end, max_rows) as pipe:
            return await pipe.read_all(flatten=flatten, maxrows=max_rows, error_on_overflow=True)

    async def data_subscribe(self, stream: StreamRef, *, follow: bool = False) -> Pipe:
        from joule_cli.engine.live import subscribe
        from joule_cli.pipes import LocalPipe

        model, stored = await self._find(stream)
        claims = self.storage.claims
        here = claims.owns(stored.id) and not follow
        nowhere = not (follow or await claims.is_active(stored.id))
        if here or nowhere or model.keep_us == KEEP_NONE:
            return await subscribe(self._subscribers, claims, model, stored, stays=follow)
        batches = await self._follow(stored, ends=not follow)
        pipe = LocalPipe(str(stored.layout), model.name, stream=model, write_limit=_QUEUED_BLOCKS)
        self._start_feeding(pipe, batches)
        return pipe

    async def _follow(
        self, stream: StoredStream, *, ends: bool
    ) -> AsyncGenerator[list[Item], None]:
        """Return what is committed from now on; with `ends` only while the stream is written."""
        follower = await self.storage.rows.follow(stream)

        async def batches() -> AsyncGenerator[list[Item], None]:
            async with aclosing(self.storage.changes.ticks()) as ticks:
                async for changed in ticks:
                    # asked before the rows are read: the last ones are stored already
                    over = ends and not await self.storage.claims.is_active(stream.id)
                    if changed or over:
                        async with aclosing(follower.new_rows()) as found:
                            async for items in found:
                                yield items
                    if over:
                        return

        return batches()

    async def data_write(
        self,
        stream: StreamRef,
        start: int | None = None,
        end: int | None = None,
        merge_gap: int = 0,
        *,
        end_interval: bool = True,
        missing: bool = False,
    ) -> Pipe:
        from joule_cli.engine.live import ProducerSink
        from joule_cli.pipes import SinkPipe

        replaces = start is not None or end is not None
        start, end = read_range(start, end)
        check_merge_gap(merge_gap)
        model, stored = await self._find(stream)
        await self.storage.claims.acquire(stored.id, stored.name)
        try:
            if replaces:
                await self.storage.rows.delete(stored, start, end)
        except BaseException:
            await self.storage.claims.release(stored.id)
            raise
        session = self.storage.rows.session(stored, int(merge_gap), missing=missing)
        sink = ProducerSink(
            session, stored, self.storage.claims, self._subscribers, end_interval=end_interval
        )
        pipe = SinkPipe(str(stored.layout), sink, model.name, model)
        sink.on_close = self._open_pipes.writing(pipe)
        return pipe

    async def data_delete(
        self, stream: StreamRef, start: int | None = None, end: int | None = None
    ) -> None:
        start, end = read_range(start, end)
        _, stored = await self._find(stream)
        await self.storage.rows.delete(stored, start, end)
        await self.storage.release_space()

    async def data_intervals(
        self, stream: StreamRef, start: int | None = None, end: int | None = None
    ) -> list[list[int]]:
        start, end = read_range(start, end)
        _, stored = await self._find(stream)
        return [[*pair] for pair in await self.storage.rows.intervals(stored, start, end)]

    async def data_count(
        self, stream: StreamRef, start: int | None = None, end: int | None = None
    ) -> int:
        start, end = read_range(start, end)
        _, stored = await self._find(stream)
        return await self.storage.rows.count(stored, start, end)

    async def data_consolidate(
        self,
        stream: StreamRef,
        max_gap: int,
        start: int | None = None,
        end: int | None = None,
    ) -> int:
        start, end = read_range(start, end)
        check_max_gap(max_gap)
        _, stored = await self._find(stream)
        return await self.storage.rows.consolidate(stored, int(max_gap), start, end)

    async def data_split(
        self,
        stream: StreamRef,
        max_gap: int,
        start: int | None = None,
        end: int | None = None,
        *,
        dry_run: bool = False,
    ) -> list[list[int]]:
        start, end = read_range(start, end)
        check_max_gap(max_gap)
        _, stored = await self._find(stream)
        gaps = await self.storage.rows.split(stored, int(max_gap), start, end, dry_run=dry_run)
        return [[*gap] for gap in gaps]

    async def data_decimate(self, stream: StreamRef) -> None:
        _, stored = await self._find(stream)
        await self.storage.rows.decimate(stored)

    async def data_drop_decimations(self, stream: StreamRef) -> None:
        _, stored = await self._find(stream)
        await self.storage.rows.drop_levels(stored)
        await self.storage.release_space()

    async def _find(self, stream: StreamRef) -> tuple[DataStream, StoredStream]:
        from joule_cli.engine.stores.base import StoredStream

        model, _ = await self.storage.metadata.opened(data_stream_at(stream))
        return model, StoredStream.of(model)

    async def _to_read(self, stream: StreamRef) -> tuple[DataStream, StoredStream, bool]:
        """Return a stream, and whether it has ever had rows, as far as is known."""
        from joule_cli.engine.stores.base import StoredStream

        # one that was looked up is not looked up again: the store refuses it if it is gone
        known = isinstance(stream, DataStream) and stream.id is not None and stream.elements
        if isinstance(stream, DataStream) and known:
            return stream, StoredStream.of(stream), True
        model, written = await self.storage.metadata.opened(data_stream_at(stream))
        return model, StoredStream.of(model), written

    async def _close_pipes(self) -> None:
        """Store what pipes have in their caches, then fail them: the node is closing."""
        try:
            await self._open_pipes.close(partial(StorageError, object=self.name))
        finally:
            for group in self._subscribers.values():
                for pipe in list(group):
                    pipe.fail(StorageError("the node was closed", object=self.name))


async def _nothing() -> AsyncGenerator[list[Item], None]:
    """Read what does not exist."""
    nothing: tuple[list[Item], ...] = ()
    for items in nothing:
        yield items


async def _feed(pipe: LocalPipe, batches: AsyncGenerator[list[Item], None]) -> None:
    """Move batches of a store into a pipe; hand a failure to the reader."""
    try:
        async with aclosing(batches):
            async for items in batches:
                if len(items) == 1 and items[0] is None:
                    pipe.ends_in_gap = True
                    break
                await pipe.hand_over(items)
                # nothing is decoded ahead for a reader that has enough
                await pipe.wait_for_room()
        # the reader's close stops this task; the writer's only ends the rows
        pipe.close_cb = None
        pipe.close_nowait()
    except Exception as error:  # noqa: BLE001  # raised by the reader's next call, as it is
        pipe.fail(error)
