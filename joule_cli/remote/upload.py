"""Rows on their way to a node."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final, Self

from joule_cli.errors import NodeTimeoutError, PipeError, ProtocolError
from joule_cli.pipes.row_checks import refuse_nan, refuse_unordered
from joule_cli.wire import endpoints
from joule_cli.wire.frames import FrameEncoder

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from joule_cli.model import DataStream
    from joule_cli.pipes.blocks import Item
    from joule_cli.remote.session import Session
    from joule_cli.wire.params import Params

#: Bytes that may wait to be sent.
_MOST_WAITING: Final = 4 * 2**20
#: Bytes that are sent at a time: small writes together, large ones cut.
_PART_BYTES: Final = 256 * 2**10
_HEADERS: Final = {
    "Content-Type": "application/octet-stream",
    # the body begins when the node wants it: a stream that is taken is known before the first row
    "Expect": "100-continue",
}


class Upload:
    """The sink of an output pipe: one request, whose body is sent while rows arrive.

    `write` returns when the rows wait to be sent, in memory of their own. `close` returns when
    the node has said that everything is stored. What fails before is raised by the next `write`,
    or by `close`, once.

    Parameters
    ----------
    end_interval
        Send a break at the end, so that the rows cannot run into what follows.
    missing
        Rows may have missing values.
    """

    def __init__(
        self,
        session: Session,
        params: Params,
        stream: DataStream,
        *,
        end_interval: bool = True,
        missing: bool = False,
    ) -> None:
        self.on_close: Callable[[], object] = lambda: None
        #: called with an error when it is unknown what became of the rows
        self.on_unknown: Callable[[Exception], object] = lambda _: None
        self._session = session
        self._end_interval = end_interval
        self._missing = missing
        self._encoder = FrameEncoder(stream.layout)
        self._last: int | None = None
        self._told = False
        self._body = _Outflow()
        self._request = asyncio.create_task(self._send(params, stream.name))
        self._request.add_done_callback(lambda _: self._body.wake())

    async def begin(self) -> None:
        """Wait until the node wants the rows.

        Raises
        ------
        ApiError
            It refuses them, or all else that can go wrong on the way.
        """
        try:
            await self._until(lambda: self._body.begun)
            self._raise_failure()
        except BaseException:
            await self._stop()
            raise

    async def write(self, items: Sequence[Item]) -> None:
        """Hand over rows to be sent; wait while too many are on their way."""
        self._check(items)
        for part in self._encoder.encode(items):
            whole = memoryview(part)
            # a row is never cut: what is sent after a cancelled write must not be misread
            size = max(_PART_BYTES // self._encoder.row_bytes, 1) * self._encoder.row_bytes
            for begin in range(0, len(whole), size):
                await self._until(lambda: self._body.waiting < _MOST_WAITING)
                self._raise_failure()
                # the arrays belong to the caller again when this returns
                self._body.put(bytes(whole[begin : begin + size]))
        if self._body.waiting > _PART_BYTES:
            # a program that only writes must let the rows go
            await asyncio.sleep(0)
        self._raise_failure()

    async def close(self) -> None:
        """End the body and wait for the answer."""
        try:
            if not self._told:
                if self._end_interval and not self._request.done():
                    self._body.put(bytes(self._encoder.encode([None])[0]))
                self._body.end()
                await self._until(lambda: False)
                self._told = True
                self._request.result()
        except asyncio.CancelledError:
            self.on_unknown(PipeError("the end was not waited for, rows may or may not be stored"))
            raise
        finally:
            await self._stop()
            self.on_close()

    def _check(self, items: Sequence[Item]) -> None:
        """Refuse what no node stores, before anything of it is sent."""
        last = self._last
        for rows in items:
            if rows is not None and len(rows):
                refuse_unordered(rows, last)
                if not self._missing:
                    refuse_nan(rows)
                last = int(rows["timestamp"][-1])
        self._last = last

    async def _until(self, satisfied: Callable[[], bool]) -> None:
        """Wait for something, or for the end of the request; the node must go on taking bytes."""
        limit = self._session.timeout_s
        try:
            while not (self._request.done() or satisfied()):
                async with asyncio.timeout(limit or None):
                    await self._body.changed()
        except TimeoutError as exc:
            self._told = True
            raise NodeTimeoutError(
                f"node [{self._session.address.url}] has taken nothing for {limit:g} s"
            ) from exc

    def _raise_failure(self) -> None:
        if self._request.done():
            self._told = True
            self._request.result()

    async def _stop(self) -> None:
        """End the request if it is under way."""
        if not self._request.done():
            self._request.cancel()
            await asyncio.wait([self._request])
        if not self._request.cancelled():
            # what failed first has been told
            self._request.exception()

    async def _send(self, params: Params, name: str) -> None:
        async with self._session.open(
            "POST", endpoints.DATA, params, self._body, _HEADERS, about=name, patience=0
        ) as response:
            answer = (await self._session.arrival(response).part())[:80]
            if answer.strip().lower() != b"ok":
                shown = answer.decode("utf-8", "replace")
                raise ProtocolError(f"Invalid node response: {shown}")
            if not self._body.finished:
                raise ProtocolError("Invalid node response: ok came before the last row was sent")


class _Outflow:
    """The body of a request: bytes that wait to be sent, in parts of an even size."""

    def __init__(self) -> None:
        self.begun = False
        self.finished = False
        self.waiting = 0  # bytes, those that are being sent included
        self._sending = 0
        self._parts: deque[bytes] = deque()
        self._ended = False
        self._arrived = asyncio.Event()
        self._changed = asyncio.Event()

    def put(self, part: bytes) -> None:
        """Append bytes."""
        self._parts.append(part)
        self.waiting += len(part)
        self._arrived.set()

    def end(self) -> None:
        """Let the body end when everything is sent."""
        self._ended = True
        self._arrived.set()

    async def changed(self) -> None:
        """Wait until a part has been sent or `wake` is called."""
        self._changed.clear()
        await self._changed.wait()

    def wake(self) -> None:
        """Resume the tasks that wait for a change."""
        self._changed.set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        # an object and not a generator, which would be left in the middle when the request fails
        self.begun = True
        self.waiting -= self._sending
        self._sending = 0
        self.wake()
        while not self._parts:
            if self._ended:
                self.finished = True
                raise StopAsyncIteration
            self._arrived.clear()
            await self._arrived.wait()
        part = self._take()
        self._sending = len(part)
        return part

    def _take(self) -> bytes:
        parts = [self._parts.popleft()]
        size = len(parts[0])
        while self._parts and size + len(self._parts[0]) <= _PART_BYTES:
            parts.append(self._parts.popleft())
            size += len(parts[-1])
        return parts[0] if len(parts) == 1 else b"".join(parts)
