"""Data actions over HTTP."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from functools import cached_property
from typing import TYPE_CHECKING, Any

from joule_cli.api.actions.data import DataActions
from joule_cli.errors import (
    ApiError,
    DataError,
    JouleError,
    ProtocolError,
    StreamInUseError,
    SubscriptionError,
    TransferCutError,
)
from joule_cli.model import DataStream
from joule_cli.pipes import LocalPipe, SinkPipe
from joule_cli.pipes.local import QUEUED_BLOCKS
from joule_cli.remote.answers import read_integer, require_ok
from joule_cli.remote.base import RemoteState
from joule_cli.remote.data_stream import read_stream
from joule_cli.remote.references import find_stream
from joule_cli.remote.session import LONG_WORK
from joule_cli.remote.upload import Upload
from joule_cli.series.layout import Layout
from joule_cli.wire import codec, endpoints
from joule_cli.wire.frames import DECIMATION_HEADER, LAYOUT_HEADER, FrameDecoder
from joule_cli.wire.params import bounds_params, key_params

if TYPE_CHECKING:
    import aiohttp

    from joule_cli.api.references import StreamRef
    from joule_cli.pipes import Pipe
    from joule_cli.wire.params import Params


class RemoteData(RemoteState, DataActions):
    """Rows of data streams of a remote node."""

    @cached_property
    def _readers(self) -> dict[asyncio.Task[None], LocalPipe]:
        return {}

    @cached_property
    def _writers(self) -> set[Pipe]:
        return set()

    async def data_read(
        self,
        stream: StreamRef,
        start: int | None = None,
        end: int | None = None,
        max_rows: int | None = None,
        *,
        decimation_level: int | None = None,
    ) -> Pipe:
        _check_bounds(start, end)
        if max_rows is not None and max_rows <= 0:
            raise DataError("[max-rows] must be > 0")
        if decimation_level is not None and decimation_level <= 0:
            raise DataError("[decimation-level] must be > 0")
        model = await self._model(stream)
        params = _id_params(model) | bounds_params(start, end)
        if max_rows is not None:
            params["max-rows"] = str(int(max_rows))
        if decimation_level is not None:
            params["decimation-level"] = str(int(decimation_level))
        return await self._receive(model, params)

    async def data_read_array(
        self,
        stream: StreamRef,
        start: int | None = None,
        end: int | None = None,
        max_rows: int = 10000,
        flatten: bool = False,
    ) -> Any:
        async with await self.data_read(stream, start, end, max_rows) as pipe:
            return await pipe.read_all(flatten=flatten, maxrows=2**31)

    async def data_subscribe(self, stream: StreamRef) -> Pipe:
        model = await self._model(find_stream(stream))
        if not model.is_destination:
            raise SubscriptionError(f"DataStream [{model.name}] is not being produced")
        return await self._receive(model, _id_params(model) | {"subscribe": "1"})

    async def data_write(
        self,
        stream: StreamRef,
        start: int | None = None,
        end: int | None = None,
        merge_gap: int = 0,
        *,
        end_interval: bool = True,
    ) -> Pipe:
        _check_bounds(start, end)
        if merge_gap < 0:
            raise DataError("merge-gap must be >= 0")
        model = await self._model(find_stream(stream))
        if model.is_destination:
            raise StreamInUseError(f"DataStream [{model.name}] is already being produced")
        if start is not None or end is not None:
            await self.data_delete(model, start, end)
        params = _id_params(model) | {"merge-gap": str(int(merge_gap))}
        sink = Upload(self.session, params, model, end_interval=end_interval)
        pipe = SinkPipe(model.layout, sink, model.name, model)
        self._writers.add(pipe)
        sink.on_close = lambda: self._writers.discard(pipe)
        return pipe

    async def data_delete(
        self, stream: StreamRef, start: int | None = None, end: int | None = None
    ) -> None:
        _check_bounds(start, end)
        key = find_stream(stream)
        params = bounds_params(start, end) | key_params(key)
        require_ok(await self.session.delete(endpoints.DATA, params, about=key, patience=LONG_WORK))

    async def data_intervals(
        self, stream: StreamRef, start: int | None = None, end: int | None = None
    ) -> list[list[int]]:
        _check_bounds(start, end)
        key = find_stream(stream)
        params = key_params(key) | bounds_params(start, end)
        found = await self.session.get(endpoints.DATA_INTERVALS, params, about=key)
        if not isinstance(found, list) or not all(map(_is_interval, found)):
            raise ProtocolError("Invalid node response: a list of intervals was expected")
        return found

    async def data_count(
        self, stream: StreamRef, start: int | None = None, end: int | None = None
    ) -> int:
        number = 0
        async with await self.data_read(stream, start, end) as pipe:
            async for rows, _ in pipe.blocks():
                number += len(rows)
        return number

    async def data_consolidate(
        self,
        stream: StreamRef,
        max_gap: int,
        start: int | None = None,
        end: int | None = None,
    ) -> int:
        _check_bounds(start, end)
        if max_gap <= 0:
            raise DataError("max_gap must be a positive integer")
        key = find_stream(stream)
        params = key_params(key) | bounds_params(start, end) | {"max_gap": str(int(max_gap))}
        answer = await self.session.post(
            endpoints.DATA_CONSOLIDATE, params=params, about=key, patience=LONG_WORK
        )
        return read_integer(answer, "num_consolidated")

    async def data_decimate(self, stream: StreamRef) -> None:
        key = find_stream(stream)
        require_ok(
            await self.session.post(
                endpoints.DATA_DECIMATE, params=key_params(key), about=key, patience=LONG_WORK
            )
        )

    async def data_drop_decimations(self, stream: StreamRef) -> None:
        key = find_stream(stream)
        require_ok(
            await self.session.delete(
                endpoints.DATA_DECIMATE, key_params(key), about=key, patience=LONG_WORK
            )
        )

    async def _model(self, stream: StreamRef) -> DataStream:
        key = find_stream(stream)
        if isinstance(stream, DataStream):
            return stream
        params = key_params(key) | {"no-info": ""}
        return read_stream(await self.session.get(endpoints.STREAM, params, about=key))

    async def _receive(self, model: DataStream, params: Params) -> Pipe:
        """Ask for rows and return the pipe that they come through."""
        async with AsyncExitStack() as stack:
            response = await stack.enter_async_context(
                self.session.open(
                    "GET",
                    endpoints.DATA,
                    params,
                    headers={"Accept-Encoding": "identity"},
                    statuses=(200, 400),
                    about=model.name,
                    patience=0 if "subscribe" in params else 1,
                )
            )
            if response.status == 400:
                # JSON is what a refused read never is: the storage is there, the rows are not
                if response.content_type == codec.MEDIA_TYPE:
                    return _empty_pipe(model)
                raise await self.session.refusal(response, endpoints.DATA, model.name)
            pipe = _new_pipe(model, response)
            transfer = stack.pop_all()
        task = asyncio.create_task(_feed(pipe, response, transfer))
        self._readers[task] = pipe
        task.add_done_callback(lambda task: self._readers.pop(task, None))

        async def stop() -> None:
            task.cancel()
            await asyncio.wait([task])

        pipe.close_cb = stop
        return pipe

    async def _close_pipes(self) -> None:
        readers = dict(self._readers)
        for task, reader in readers.items():
            task.cancel()
            reader.fail(ApiError("the node was closed before all rows were read"))
        if readers:
            await asyncio.wait(readers)
        failures: list[JouleError] = []
        for pipe in list(self._writers):
            try:
                await pipe.close()
            except JouleError as error:
                failures.append(error)
            pipe.fail(ApiError("the node was closed"))
        if failures:
            raise failures[0]


def _new_pipe(model: DataStream, response: aiohttp.ClientResponse) -> LocalPipe:
    layout = response.headers.get(LAYOUT_HEADER, "")
    level = response.headers.get(DECIMATION_HEADER, "")
    try:
        Layout.parse(layout)
        decimation_level = int(level)
    except ValueError as exc:
        raise ProtocolError(f"Invalid node response: rows of layout [{layout}]") from exc
    pipe = LocalPipe(layout, model.name, stream=model, write_limit=QUEUED_BLOCKS)
    pipe.decimation_level = decimation_level
    return pipe


def _empty_pipe(model: DataStream) -> LocalPipe:
    pipe = LocalPipe(model.layout, model.name, stream=model)
    pipe.close_nowait()
    return pipe


async def _feed(pipe: LocalPipe, response: aiohttp.ClientResponse, stack: AsyncExitStack) -> None:
    """Move the rows of an answer into a pipe; hand a failure to the reader."""
    decoder = FrameDecoder(pipe.layout)
    try:
        async with stack:
            async for part in response.content.iter_any():
                await pipe.hand_over(decoder.decode(part))
        if decoder.cut_bytes:
            pipe.fail(TransferCutError("the node sent only a part of the last row"))
        # the reader's close stops this task; the writer's only ends the rows
        pipe.close_cb = None
        pipe.close_nowait()
    except Exception as error:  # noqa: BLE001  # raised by the reader's next call, as it is
        pipe.fail(error)


def _id_params(model: DataStream) -> Params:
    return key_params(find_stream(model))


def _check_bounds(start: int | None, end: int | None) -> None:
    if start is not None and end is not None and start >= end:
        raise DataError("[start] must be before [end]")


def _is_interval(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(type(n) is int for n in value)
