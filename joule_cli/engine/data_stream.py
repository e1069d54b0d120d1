"""Data stream actions of the embedded node."""

from __future__ import annotations

from typing import TYPE_CHECKING

from joule_cli.api.actions.data_stream import DataStreamActions
from joule_cli.engine.annotation import bounds
from joule_cli.engine.base import EngineState, mark_active
from joule_cli.engine.references import data_stream_at, destination_at
from joule_cli.engine.validation import checked_new_stream, checked_stream
from joule_cli.model import DataStream

if TYPE_CHECKING:
    from joule_cli.api.references import FolderRef, StreamRef
    from joule_cli.model import DataStreamInfo


class EmbeddedDataStreams(EngineState, DataStreamActions):
    """The data streams of a store."""

    async def data_stream_get(self, stream: StreamRef, *, info: bool = False) -> DataStream:
        metadata, key = self.storage.metadata, data_stream_at(stream)
        found = await (metadata.described(key) if info else metadata.stream(DataStream, key))
        if found.id is not None and await self.storage.claims.is_active(found.id):
            mark_active(found)
        return found

    async def data_stream_create(self, stream: DataStream, folder: FolderRef) -> DataStream:
        checked = checked_new_stream(stream)
        return await self.storage.metadata.create_stream(checked, destination_at(folder))

    async def data_stream_update(self, stream: DataStream) -> None:
        checked = checked_stream(stream)
        await self.storage.metadata.update_stream(data_stream_at(stream), checked)

    async def data_stream_move(self, stream: StreamRef, folder: FolderRef) -> None:
        await self.storage.metadata.move_stream(
            DataStream, data_stream_at(stream), destination_at(folder)
        )

    async def data_stream_delete(self, stream: StreamRef) -> None:
        await self.storage.metadata.delete_stream(DataStream, data_stream_at(stream))
        await self.storage.release_space()

    async def data_stream_info(self, stream: StreamRef) -> DataStreamInfo:
        return await self.storage.metadata.data_stream_info(data_stream_at(stream))

    async def data_stream_annotation_delete(
        self, stream: StreamRef, start: int | None = None, end: int | None = None
    ) -> None:
        await self.storage.annotations.delete_within(data_stream_at(stream), *bounds(start, end))
