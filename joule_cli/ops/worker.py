"""One thread for blocking calls, so that parsing and formatting run beside the node's work."""

from __future__ import annotations

import asyncio
import queue
import threading
from typing import TYPE_CHECKING, Any, Final, ParamSpec, Protocol, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterator
    from types import TracebackType

P = ParamSpec("P")
T = TypeVar("T")

#: How long a cancelled call may still run before it is left behind, seconds.
GRACE = 0.25


class Worker:
    """Runs blocking calls one after the other in a thread of its own.

    The thread is a daemon: a write to a terminal or a pipe without a reader must not keep the
    process alive after an interruption, as a thread of an executor would.
    """

    def __init__(self, name: str) -> None:
        self._calls: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._serve, name=name, daemon=True)
        self._thread.start()

    async def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run ``function(*args, **kwargs)`` in the thread and return its result.

        When the caller is cancelled, the call is awaited for up to `GRACE` seconds before the
        cancellation goes on, so that files are not closed while they are being written.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()

        def settle(result: Any, error: BaseException | None) -> None:
            if answer.done():
                return
            if error is None:
                answer.set_result(result)
            else:
                answer.set_exception(error)

        def run() -> None:
            result: Any = None
            error: BaseException | None = None
            try:
                result = function(*args, **kwargs)
            except BaseException as exc:  # noqa: BLE001 - handed to the awaiting task
                error = exc
            try:
                loop.call_soon_threadsafe(settle, result, error)
            except RuntimeError:
                # the loop has ended while a call that was left behind was still running
                return

        self._calls.put(run)
        try:
            return await asyncio.shield(answer)
        except asyncio.CancelledError:
            done, _ = await asyncio.wait({answer}, timeout=GRACE)
            for future in done:
                # the cancellation is what the caller hears of; an error is marked as seen
                future.exception()
            raise

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._calls.put(None)

    def _serve(self) -> None:
        while (call := self._calls.get()) is not None:
            call()


_END: Final = object()


class Shared(Protocol):
    """A reader that tells how far it is."""

    @property
    def share(self) -> float | None:
        """The share of its file that is done, `None` if unknown."""


def with_share(items: Iterator[T], reader: Shared) -> Iterator[tuple[T, float | None]]:
    """Give with each item of a reader the share of the file that is done with it."""
    for item in items:
        yield item, reader.share


def batches(items: Iterator[T], size: Callable[[T], int], limit: int) -> Iterator[list[T]]:
    """Collect items to lists of about `limit`, so that small ones do not each cost a call."""
    held: list[T] = []
    total = 0
    for item in items:
        held.append(item)
        total += size(item)
        if total >= limit:
            yield held
            held, total = [], 0
    if held:
        yield held


async def read_ahead(worker: Worker, items: Iterator[T]) -> AsyncGenerator[T, None]:
    """Yield what `items` gives in the worker's thread, always computing one item ahead.

    Use it in ``contextlib.aclosing``, so that the thread is idle when the block is left.
    """

    def step() -> Any:
        return next(items, _END)

    task = asyncio.ensure_future(worker.call(step))
    try:
        while (item := await task) is not _END:
            task = asyncio.ensure_future(worker.call(step))
            yield item
    finally:
        await drop(task)


async def drop(task: asyncio.Future[Any]) -> None:
    """End a task whose result, or failure, is no longer needed."""
    task.cancel()
    await asyncio.wait({task})
    if not task.cancelled():
        # else its failure would be told when it is forgotten
        task.exception()
