"""Data stream actions over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from joule_cli.api.actions.data_stream import DataStreamActions
from joule_cli.api.references import folder_key, stream_key
from joule_cli.errors import InvalidDataStreamParameter
from joule_cli.model import DataStream, DataStreamInfo
from joule_cli.remote.answers import read_object, require_ok
from joule_cli.remote.base import RemoteState
from joule_cli.remote.references import destination_body, find_stream, key_body, path_within, shown
from joule_cli.remote.refusals import (
    changing_stream,
    creating_stream,
    deleting_stream,
    moving_stream,
    told_apart,
)
from joule_cli.remote.session import LONG_WORK
from joule_cli.wire import endpoints
from joule_cli.wire.params import bounds_params, key_params

if TYPE_CHECKING:
    from joule_cli.api.references import FolderRef, StreamRef

_KEYS = ("id", "name", "datatype", "elements")
#: What the node alone decides.
_NOT_SENT = ("layout", "updated_at")


class RemoteDataStreams(RemoteState, DataStreamActions):
    """The data streams of a remote node."""

    async def data_stream_get(self, stream: StreamRef, *, info: bool = False) -> DataStream:
        params = key_params(find_stream(stream)) | ({} if info else {"no-info": ""})
        return read_stream(await self.session.get(endpoints.STREAM, params, about=shown(stream)))

    async def data_stream_create(self, stream: DataStream, folder: FolderRef) -> DataStream:
        _require_stream(stream)
        new = _to_json(stream)
        new["id"] = None
        for element in new["elements"]:
            element["id"] = element["index"] = None
        body = {"stream": new} | destination_body(folder)
        place = folder_key(folder)
        async with told_apart(self.session, creating_stream(stream.name, place)):
            answer = await self.session.post(
                endpoints.STREAM, body, about=path_within(place, stream.name)
            )
        return read_stream(answer)

    async def data_stream_update(self, stream: DataStream) -> None:
        _require_stream(stream)
        key = stream_key(stream)
        body = {"id": key, "stream": _to_json(stream)}
        async with told_apart(self.session, changing_stream(DataStream, key, stream.name)):
            await self.session.put(endpoints.STREAM, body, about=stream.name)

    async def data_stream_move(self, stream: StreamRef, folder: FolderRef) -> None:
        key = find_stream(stream)
        body = key_body(key, "src_") | destination_body(folder)
        meaning = moving_stream(DataStream, key, folder_key(folder))
        async with told_apart(self.session, meaning):
            await self.session.put(endpoints.STREAM_MOVE, body, about=shown(stream))

    async def data_stream_delete(self, stream: StreamRef) -> None:
        key = find_stream(stream)
        async with told_apart(self.session, deleting_stream(DataStream, key)):
            answer = await self.session.delete(
                endpoints.STREAM, key_params(key), about=shown(stream), patience=LONG_WORK
            )
        require_ok(answer)

    async def data_stream_info(self, stream: StreamRef) -> DataStreamInfo:
        found = (await self.data_stream_get(stream, info=True)).info
        return found or DataStreamInfo(start=None, end=None, rows=0)

    async def data_stream_annotation_delete(
        self, stream: StreamRef, start: int | None = None, end: int | None = None
    ) -> None:
        key = find_stream(stream)
        params = bounds_params(start, end) | key_params(key, "stream_")
        answer = await self.session.delete(
            endpoints.STREAM_ANNOTATIONS, params, about=shown(stream)
        )
        require_ok(answer)


def read_stream(answer: Any) -> DataStream:
    """Return the data stream of an answer."""
    return read_object(answer, DataStream.from_json, *_KEYS)


def _to_json(stream: DataStream) -> dict[str, Any]:
    return {key: value for key, value in stream.to_json().items() if key not in _NOT_SENT}


def _require_stream(stream: DataStream) -> None:
    if not isinstance(stream, DataStream):
        raise InvalidDataStreamParameter("Invalid stream datatype. Must be DataStream")
