"""A served node beside the program under test, in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from contextlib import AsyncExitStack, contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator


@contextmanager
def running(start: Callable[[AsyncExitStack], Awaitable[Any]]) -> Iterator[Any]:
    """Run a server until the block ends, and give what `start` returns.

    Parameters
    ----------
    start
        Enters what must be closed at the end into the stack.
    """
    ready: list[Any] = []
    started = threading.Event()
    loop = asyncio.new_event_loop()
    done = asyncio.Event()

    async def main() -> None:
        try:
            async with AsyncExitStack() as stack:
                ready.append(await start(stack))
                started.set()
                await done.wait()
        finally:
            started.set()

    thread = threading.Thread(target=lambda: loop.run_until_complete(main()))
    thread.start()
    try:
        started.wait()
        assert ready, "the server did not start"
        yield ready[0]
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join()
        loop.close()
