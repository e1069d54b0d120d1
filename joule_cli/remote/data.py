"""Data actions over HTTP."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from joule_cli.api.actions.data import DataActions
from joule_cli.api.data_range import check_max_gap, check_merge_gap, check_reduction, read_range
from joule_cli.api.open_pipes import OpenPipes
from joule_cli.errors import (
    ApiError,
    LayoutMismatchError,
    MissingValuesError,
    ProtocolError,
    StreamInUseError,
    StreamNotFound,
    SubscriptionError,
    UnsupportedError,
)
from joule_cli.model import DataStream
from joule_cli.model.node_info import MISSING_VALUES, SPLIT_INTERVALS
from joule_cli.remote.answers import read_integer, require_ok
from joule_cli.remote.base import RemoteState
from joule_cli.remote.data_stream import read_stream
from joule_cli.remote.references import find_stream, shown
from joule_cli.remote.session import LONG_WORK
from joule_cli.wire import endpoints
from joule_cli.wire.params import FOLLOW, MISSING, bounds_params, key_params

if TYPE_CHECKING:
    from joule_cli.api.references import StreamRef
    from joule_cli.pipes import Pipe
    from joule_cli.wire.params import Params


class RemoteData(RemoteState, DataActions):
    """Rows of data streams of a remote node."""

    #: Whether the node may tell a number of rows without sending them.
    _counts_rows = True

    @cached_property
    def _open_pipes(self) -> OpenPipes:
        return OpenPipes()

    async def data_read(
        self,
        stream: StreamRef,
        start: int | None = None,
        end: int | None = None,
        max_rows: int | None = None,
        *,
        decimation_level: int | None = None,
    ) -> Pipe:
        start, end = read_range(start, end)
        check_reduction(max_rows, decimation_level)
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

    async def data_subscribe(self, stream: StreamRef, *, follow: bool = False) -> Pipe:
        model = await self._model(find_stream(stream))
        if not (follow or model.is_destination):
            raise SubscriptionError(
                f"DataStream [{model.name}] is not being produced", object=model.name
            )
        params = _id_params(model) | {"subscribe": "1"}
        if follow:
            params[FOLLOW] = "1"
        try:
            return await self._receive(model, params)
        except ApiError as exc:
            if type(exc) is not ApiError or exc.status != 400:
                raise
            # all that a Joule 1.0.1 node can mean
            raise SubscriptionError(exc.message, object=model.name) from exc

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
        from joule_cli.pipes import SinkPipe
        from joule_cli.remote.upload import Upload

        start, end = read_range(start, end)
        check_merge_gap(merge_gap)
        model = await self._model(find_stream(stream))
        _check_layout(stream, model)
        if model.is_destination:
            raise StreamInUseError(
                f"DataStream [{model.name}] is already being produced", object=model.name
            )
        params = _id_params(model) | {"merge-gap": str(int(merge_gap))}
        if missing and model.layout.startswith("float"):
            await self._require_missing_values(model)
            params[MISSING] = "1"
        if start is not None or end is not None:
            await self.data_delete(model, start, end)
        sink = Upload(self.session, params, model, end_interval=end_interval, missing=missing)
        await sink.begin()
        pipe = SinkPipe(model.layout, sink, model.name, model)
        pipe.stores_at_close = True
        sink.on_close = self._open_pipes.writing(pipe)
        sink.on_unknown = pipe.fail
        return pipe

    async def data_delete(
        self, stream: StreamRef, start: int | None = None, end: int | None = None
    ) -> None:
        start, end = read_range(start, end)
        key = find_stream(stream)
        params = bounds_params(start, end) | key_params(key)
        answer = await self.session.delete(
            endpoints.DATA, params, about=shown(stream), patience=LONG_WORK
        )
        require_ok(answer)

    async def data_intervals(
        self, stream: StreamRef, start: int | None = None, end: int | None = None
    ) -> list[list[int]]:
        start, end = read_range(start, end)
        key = find_stream(stream)
        params = key_params(key) | bounds_params(start, end)
        found = await self.session.get(endpoints.DATA_INTERVALS, params, about=shown(stream))
        return _read_intervals(found)

    async def data_count(
        self, stream: StreamRef, start: int | None = None, end: int | None = None
    ) -> int:
        start, end = read_range(start, end)
        if self._counts_rows:
            key = find_stream(stream)
            params = key_params(key) | bounds_params(start, end)
            try:
                answer = await self.session.get(endpoints.DATA_COUNT, params, about=shown(stream))
                return read_integer(answer, "count")
            except StreamNotFound:
                # of the stream, or of the endpoint, which a Joule 1.0.1 node does not have
                pass
        number = 0
        async with await self.data_read(stream, start, end) as pipe:
            self._counts_rows = False
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
        start, end = read_range(start, end)
        check_max_gap(max_gap)
        key = find_stream(stream)
        params = key_params(key) | bounds_params(start, end) | {"max_gap": str(int(max_gap))}
        answer = await self.session.post(
            endpoints.DATA_CONSOLIDATE, params=params, about=shown(stream), patience=LONG_WORK
        )
        return read_integer(answer, "num_consolidated")

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
        key = find_stream(stream)
        if SPLIT_INTERVALS not in await self.capabilities():
            raise UnsupportedError(
                f"node [{self.session.address.url}] cannot break intervals",
                object=str(shown(stream)),
                hint="write the rows to a file, and ingest that with --max-gap",
            )
        params = key_params(key) | bounds_params(start, end) | {"max_gap": str(int(max_gap))}
        if dry_run:
            params |= {"dry_run": "1"}
        answer = await self.session.post(
            endpoints.DATA_SPLIT, params=params, about=shown(stream), patience=LONG_WORK
        )
        return _read_intervals(answer.get("gaps") if isinstance(answer, dict) else None)

    async def data_decimate(self, stream: StreamRef) -> None:
        key = find_stream(stream)
        answer = await self.session.post(
            endpoints.DATA_DECIMATE,
            params=key_params(key),
            about=shown(stream),
            patience=LONG_WORK,
        )
        require_ok(answer)

    async def data_drop_decimations(self, stream: StreamRef) -> None:
        key = find_stream(stream)
        require_ok(
            await self.session.delete(
                endpoints.DATA_DECIMATE, key_params(key), about=shown(stream), patience=LONG_WORK
            )
        )

    async def _require_missing_values(self, stream: DataStream) -> None:
        if MISSING_VALUES not in await self.capabilities():
            raise MissingValuesError(
                f"node [{self.session.address.url}] cannot hold missing values",
                object=stream.name,
                hint="leave out the rows that lack values, or the elements",
            )

    async def _model(self, stream: StreamRef) -> DataStream:
        key = find_stream(stream)
        if isinstance(stream, DataStream):
            return stream
        params = key_params(key) | {"no-info": ""}
        return read_stream(await self.session.get(endpoints.STREAM, params, about=shown(stream)))

    async def _receive(self, model: DataStream, params: Params) -> Pipe:
        """Ask for rows and return the pipe that they come through."""
        from joule_cli.remote.rows import Download

        pipe, task = await Download(self.session, model, params).open()
        if task is not None:
            self._open_pipes.reading(pipe, task)
        return pipe

    async def _close_pipes(self) -> None:
        await self._open_pipes.close(ApiError)


def _id_params(model: DataStream) -> Params:
    return key_params(find_stream(model))


def _check_layout(given: StreamRef, found: DataStream) -> None:
    """Refuse a stream object that is not, or no longer, what the node has."""
    if isinstance(given, DataStream) and given.elements and given.layout != found.layout:
        raise LayoutMismatchError(
            f"DataStream [{found.name}] configured for [{given.layout}] "
            f"but destination is [{found.layout}]",
            object=found.name,
        )


def _read_intervals(answer: Any) -> list[list[int]]:
    if not isinstance(answer, list) or not all(map(_is_interval, answer)):
        raise ProtocolError("Invalid node response: a list of intervals was expected")
    return answer


def _is_interval(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(type(n) is int for n in value)
