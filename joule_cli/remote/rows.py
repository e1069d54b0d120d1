"""Rows on their way from a node."""

from __future__ import annotations

import asyncio
import json
import socket
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Final

from joule_cli.errors import DecimationError, ProtocolError, TransferCutError
from joule_cli.pipes import LocalPipe
from joule_cli.pipes.row_checks import first_unordered
from joule_cli.series.layout import Layout
from joule_cli.wire import codec, endpoints
from joule_cli.wire.frames import DECIMATION_HEADER, LAYOUT_HEADER, PRECISE_HEADER, FrameDecoder
from joule_cli.wire.status import CODE_HEADER, rebuild

if TYPE_CHECKING:
    from collections.abc import Sequence

    import aiohttp

    from joule_cli.model import DataStream
    from joule_cli.pipes.blocks import Item
    from joule_cli.remote.session import Session
    from joule_cli.series.layout import Rows
    from joule_cli.wire.params import Params

#: Parts of an answer that wait for the reader, each at most what the session buffers.
_QUEUED_PARTS: Final = 2
#: How often a read is asked for when its connection is dropped before the answer.
_ATTEMPTS: Final = 2
#: Largest text of an error that is read, bytes.
_MOST_TEXT: Final = 64 * 2**10
#: Breaks one after the other: more than any stream has intervals.
_MOST_BREAKS: Final = 10_000_000
#: Seconds after which a silent connection is tested, then between tests, and how many may fail.
_PROBES: Final = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3}


class Download:
    """One answer with rows, and the pipe that it is read through.

    Rows are in the pipe as soon as they arrive. The connection is read no faster than the pipe.
    """

    def __init__(self, session: Session, stream: DataStream, params: Params) -> None:
        self._session = session
        self._stream = stream
        self._params = params
        self._live = "subscribe" in params

    async def open(self) -> tuple[LocalPipe, asyncio.Task[None] | None]:
        """Ask for the rows.

        Returns
        -------
        pipe, task
            The task moves the rows, until the pipe is closed; `None` if there are no rows.
        """
        async with AsyncExitStack() as stack:
            response = await self._ask(stack)
            if response.status == 400:
                await self._require_no_rows(response)
                return self._empty_pipe(), None
            pipe = self._new_pipe(response)
            if self._live:
                _probe(response)
            transfer = stack.pop_all()
        task = asyncio.create_task(self._feed(pipe, response, transfer))

        async def stop() -> None:
            task.cancel()
            await asyncio.wait([task])

        pipe.close_cb = stop
        return pipe, task

    async def _ask(self, stack: AsyncExitStack) -> aiohttp.ClientResponse:
        for attempt in range(_ATTEMPTS):
            opening = self._session.open(
                "GET",
                endpoints.DATA,
                self._params,
                headers={"Accept-Encoding": "identity", PRECISE_HEADER: "1"},
                statuses=(200, 400),
                about=self._stream.name,
                # a producer may rest for as long as it likes, but not the answer's head
                patience=0 if self._live else 1,
            )
            try:
                return await stack.enter_async_context(opening)
            except TransferCutError:
                if attempt == _ATTEMPTS - 1:
                    raise
        raise AssertionError("the last attempt returns or raises")

    async def _require_no_rows(self, response: aiohttp.ClientResponse) -> None:
        """Raise a refusal, unless it only means that the range is empty.

        A node says so with a text that is called JSON and is none. Its errors are plain text; a
        proxy before the node that says JSON sends JSON.
        """
        name = self._stream.name
        if response.content_type != codec.MEDIA_TYPE or CODE_HEADER in response.headers:
            raise await self._session.refusal(response, endpoints.DATA, name)
        body = b""
        arrival = self._session.arrival(response)
        while part := await arrival.part():
            body += part
            if len(body) > _MOST_TEXT:
                raise ProtocolError("Invalid node response: too long an error", object=name)
        try:
            found = json.loads(body)
        except (ValueError, RecursionError):
            return
        text = found.get("error", found) if isinstance(found, dict) else found
        error = rebuild(400, str(text), None, endpoints.DATA)
        error.object = name
        raise error

    def _new_pipe(self, response: aiohttp.ClientResponse) -> LocalPipe:
        layout = response.headers.get(LAYOUT_HEADER, "")
        try:
            found = Layout.parse(layout)
            level = int(response.headers.get(DECIMATION_HEADER, ""))
        except ValueError as exc:
            raise ProtocolError(f"Invalid node response: rows of layout [{layout[:80]}]") from exc
        width = len(self._stream.elements)
        # of a stream that is not known, such as one with an id alone, any row may come
        if width and found.width != (width if level == 1 else 3 * width):
            raise ProtocolError(
                f"Invalid node response: rows of {found.width:,} values", object=self._stream.name
            )
        if not (response.headers.get("Transfer-Encoding") or "Content-Length" in response.headers):
            raise ProtocolError(
                "Invalid node response: rows without a mark at their end",
                object=self._session.address.url,
                hint="a proxy before the node may speak an old version of HTTP",
            )
        return self._pipe(layout, level)

    def _empty_pipe(self) -> LocalPipe:
        level = int(self._params.get("decimation-level", 1))
        layout = Layout.parse(self._stream.layout)
        pipe = self._pipe(str(layout if level == 1 else layout.decimated), level)
        pipe.close_nowait()
        return pipe

    def _pipe(self, layout: str, level: int) -> LocalPipe:
        pipe = LocalPipe(layout, self._stream.name, stream=self._stream, write_limit=_QUEUED_PARTS)
        pipe.decimation_level = level
        return pipe

    async def _feed(
        self, pipe: LocalPipe, response: aiohttp.ClientResponse, transfer: AsyncExitStack
    ) -> None:
        """Move the rows of an answer into the pipe; hand a failure to the reader."""
        decoder = FrameDecoder(pipe.layout)
        sequence = _Live() if self._live else _Stored(pipe.decimation_level, self._range())
        arrival = self._session.arrival(response, patience=0 if self._live else 1)
        try:
            async with transfer:
                while part := await arrival.part():
                    await pipe.hand_over(sequence.accept(decoder.decode(part)))
            _require_whole_rows(decoder)
            if isinstance(sequence, _Stored):
                self._require_level(sequence, pipe.decimation_level)
                pipe.ends_in_gap = sequence.ends_in_gap
                pipe.never_written = (
                    sequence.is_empty
                    and pipe.decimation_level == 1
                    and "max-rows" not in self._params
                )
            # the reader's close stops this task; the writer's only ends the rows
            pipe.close_cb = None
            pipe.close_nowait()
        except Exception as error:  # noqa: BLE001  # raised by the reader's next call, as it is
            pipe.fail(error)

    def _range(self) -> tuple[int, int]:
        """Return the bounds of the times that were asked for, both inclusive."""
        low = int(self._params.get("start", -(2**63)))
        return low, int(self._params.get("end", 2**63)) - 1

    def _require_level(self, sequence: _Stored, level: int) -> None:
        """Raise an error if the node chose a level that it does not have.

        Of a level that it has, a Joule 1.0.1 node sends rows, breaks or a refusal.
        """
        if level > 1 and sequence.is_empty and "max-rows" in self._params:
            raise DecimationError(
                f"the node has no rows decimated by {level:,}",
                object=self._stream.name,
                hint="it computes them with: joule data decimate STREAM",
            )


def _require_whole_rows(decoder: FrameDecoder) -> None:
    if decoder.cut_bytes:
        raise TransferCutError("the node sent only a part of the last row")


class _Live:
    """Rows and breaks of a producer: breaks are passed on when they come, none twice."""

    def __init__(self) -> None:
        self._open = False

    def accept(self, items: Sequence[Item]) -> list[Item]:
        """Return what belongs into the pipe."""
        passed: list[Item] = []
        for item in items:
            if item is not None or self._open:
                passed.append(item)
                self._open = item is not None
        return passed


class _Stored:
    """Stored rows and breaks: a break has rows before and behind it.

    Decimated rows come with breaks that have none between them, or only with breaks.
    """

    def __init__(self, level: int, bounds: tuple[int, int]) -> None:
        self.is_empty = True
        self._breaks = 0
        self._low, self._high = bounds
        # decimated rows are from the middle of their time, and a node may round it
        self._bounded = level == 1
        self._last: int | None = None
        self._break_due = False
        # two decimated rows on both sides of a break may have been rounded to one time
        self._ties = level > 1

    @property
    def ends_in_gap(self) -> bool:
        """Whether the last thing after rows was a break."""
        return self._break_due

    def accept(self, items: Sequence[Item]) -> list[Item]:
        """Return what belongs into the pipe.

        Raises
        ------
        ProtocolError
            Time goes backwards. A Joule 1.0.1 node begins anew, without an end, when a certain
            number of rows lies before a break.
        """
        passed: list[Item] = []
        for item in items:
            self.is_empty = False
            if item is None:
                self._break_due = self._last is not None
                self._breaks += 1
                if self._breaks > _MOST_BREAKS:
                    raise ProtocolError("Invalid node response: breaks without end")
                continue
            self._breaks = 0
            self._check(item)
            if self._break_due:
                passed.append(None)
                self._break_due = False
            passed.append(item)
        return passed

    def _check(self, rows: Rows) -> None:
        if first_unordered(rows, self._last, ties=self._ties) is not None:
            raise ProtocolError("Invalid node response: the times of the rows do not increase")
        first, self._last = int(rows["timestamp"][0]), int(rows["timestamp"][-1])
        if self._bounded and (first < self._low or self._last > self._high):
            raise ProtocolError("Invalid node response: rows that were not asked for")


def _probe(response: aiohttp.ClientResponse) -> None:
    """Have a silent connection tested by the system, so that a node that vanished is noticed."""
    transport = None if response.connection is None else response.connection.transport
    endpoint = None if transport is None else transport.get_extra_info("socket")
    if endpoint is None or endpoint.family not in {socket.AF_INET, socket.AF_INET6}:
        return
    endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _PROBES.items():
        option = getattr(socket, name, None)
        if option is not None:
            endpoint.setsockopt(socket.IPPROTO_TCP, option, value)
