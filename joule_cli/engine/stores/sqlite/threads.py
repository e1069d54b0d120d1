"""Threads that work for an event loop."""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections import deque
from contextlib import suppress
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class Threads:
    """Runs jobs in the order of the calls, at most `most` of them at a time.

    A `ThreadPoolExecutor` with less around each job: there, a pair of futures and their locks
    take longer than the commit of a few rows. As there, a job is left out when its caller was
    cancelled before it began, and the program does not end in the middle of one.
    """

    def __init__(self, most: int, name: str) -> None:
        self._most = most
        self._name = name
        self._jobs: SimpleQueue[Any] = SimpleQueue()
        self._unfinished: deque[None] = deque()  # one entry for each job
        self._threads: list[threading.Thread] = []
        #: Wait for the jobs, then end the threads.
        self.stop = weakref.finalize(self, _stop, self._jobs, self._threads)

    async def run(self, job: Callable[[], T]) -> T:
        """Return what `job` returns, or raise what it raises."""
        if self._most > len(self._threads) <= len(self._unfinished):
            self._start_thread()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._unfinished.append(None)
        self._jobs.put((job, future, loop))
        return await future

    def _start_thread(self) -> None:
        thread = threading.Thread(
            target=_serve,
            args=(self._jobs, self._unfinished),
            name=f"{self._name}_{len(self._threads)}",
            daemon=True,
        )
        self._threads.append(thread)
        thread.start()


def _serve(jobs: SimpleQueue[Any], unfinished: deque[None]) -> None:
    while (entry := jobs.get()) is not None:
        # in a function of its own: nothing of a job is kept until the next one
        job, future, loop = entry
        _do(job, future, loop, unfinished)
        del entry, job, future, loop


def _do(
    job: Callable[[], T],
    future: asyncio.Future[T],
    loop: asyncio.AbstractEventLoop,
    unfinished: deque[None],
) -> None:
    outcome: tuple[Callable[[Any], None], object]
    if future.cancelled():
        unfinished.pop()
        return
    try:
        outcome = future.set_result, job()
    except BaseException as error:  # noqa: BLE001  # raised by `run`
        outcome = future.set_exception, error
    unfinished.pop()
    # a loop that was closed meanwhile waits for nothing
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(_tell, future, *outcome)


def _tell(future: asyncio.Future[Any], setter: Callable[[Any], None], value: object) -> None:
    if not future.done():
        setter(value)


def _stop(jobs: SimpleQueue[Any], threads: list[threading.Thread]) -> None:
    for _ in threads:
        jobs.put(None)
    for thread in threads:
        if thread is not threading.current_thread():
            thread.join()
