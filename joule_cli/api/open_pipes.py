"""The pipes of a node that are still open: what closing the node has to end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from joule_cli.errors import JouleError

if TYPE_CHECKING:
    from collections.abc import Callable

    from joule_cli.pipes import LocalPipe, SinkPipe


class OpenPipes:
    """Pipes that are read, each with the task that feeds it, and pipes that are written."""

    def __init__(self) -> None:
        self._readers: dict[asyncio.Task[None], LocalPipe] = {}
        self._writers: set[SinkPipe] = set()

    def reading(self, pipe: LocalPipe, task: asyncio.Task[None]) -> None:
        """Keep a pipe until its task has ended."""
        self._readers[task] = pipe
        task.add_done_callback(lambda task: self._readers.pop(task, None))

    def writing(self, pipe: SinkPipe) -> Callable[[], None]:
        """Keep a pipe until the function that is returned is called."""
        self._writers.add(pipe)
        return lambda: self._writers.discard(pipe)

    async def close(self, error: Callable[[str], JouleError]) -> None:
        """Store what pipes have in their caches, then fail them.

        Raises
        ------
        JouleError
            The first that storing raised, when all pipes are closed.
        """
        readers = dict(self._readers)
        for task, reader in readers.items():
            task.cancel()
            reader.fail(error("the node was closed before all rows were read"))
        if readers:
            await asyncio.wait(readers)
        failures: list[JouleError] = []
        for pipe in list(self._writers):
            try:
                await pipe.close()
            except JouleError as failure:
                failures.append(failure)
            pipe.fail(error("the node was closed"))
        if failures:
            raise failures[0]
