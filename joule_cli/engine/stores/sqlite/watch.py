"""Noticing what is committed to a node file, by this process and by others."""

from __future__ import annotations

import asyncio
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any, Final

from joule_cli.engine.stores.storage import Changes

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    import apsw

    from joule_cli.engine.stores.sqlite.database import Database

#: Seconds between two looks at the file: the longest wait of a follower.
_TICK_S: Final = 0.025


class FileWatch(Changes):
    """One look at the file for all followers; without a follower there is none.

    Belongs to the event loop of the node. What is looked at is the number of commits, which costs
    no more for a large file than for a small one.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._followers = 0
        self._commits = 0
        self._task: asyncio.Task[None] | None = None
        self._leaving = asyncio.Event()
        self._tick = asyncio.Event()

    async def ticks(self) -> AsyncGenerator[bool, None]:
        """Tell every few hundredths of a second whether anything was committed meanwhile.

        The first time this is true at once. Use it in ``contextlib.aclosing``.

        Raises
        ------
        StorageError
            The file cannot be looked at.
        """
        self._followers += 1
        if self._task is None:
            self._leaving = asyncio.Event()
            self._task = asyncio.create_task(self._watch(self._leaving))
        task, seen = self._task, -1
        try:
            while True:
                changed, seen = self._commits != seen, self._commits
                yield changed
                if task.done():
                    task.result()
                await self._tick.wait()
        finally:
            self._followers -= 1
            if not self._followers:
                self._task = None
                self._leaving.set()
                await asyncio.wait({task})
                if not task.cancelled():
                    # it was raised above, unless this follower was leaving anyway
                    task.exception()

    async def _watch(self, leaving: asyncio.Event) -> None:
        known: int | None = None
        try:
            with closing(await self._database.open()) as connection:
                while not leaving.is_set():
                    version = await self._database.ask(connection, _version)
                    if version != known:
                        known = version
                        self._commits += 1
                    self._ring()
                    with suppress(TimeoutError):
                        async with asyncio.timeout(_TICK_S):
                            await leaving.wait()
        finally:
            self._ring()

    def _ring(self) -> None:
        self._tick.set()
        self._tick = asyncio.Event()


def _version(connection: apsw.Connection) -> Any:
    return connection.pragma("data_version")
