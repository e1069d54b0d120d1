"""The reading half of a pipe: unconsumed rows and where they end."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from typing import TYPE_CHECKING, Any

import numpy as np

from joule_cli.errors import ClosedPipeError, EmptyPipeError, PipeError
from joule_cli.pipes.base import Pipe
from joule_cli.pipes.blocks import Item, flatten_rows, join_rows

if TYPE_CHECKING:
    from joule_cli.model.data_stream import DataStream
    from joule_cli.series.layout import Rows


#: New blocks are joined up to this many rows for one `read`.
_JOINED_ROWS = 16384


class ReadingPipe(Pipe, ABC):
    """A pipe that can be read; subclasses say in `_fill` where its items come from.

    Items are in one of three places: not received yet, received in `_pending`, or returned by
    `read` and not consumed in `_held`. They move on between two suspensions of the reading
    task, so a cancelled read loses nothing.
    """

    def __init__(
        self,
        name: str | None = None,
        direction: Pipe.DIRECTION | None = None,
        module: object = None,
        stream: DataStream | None = None,
        layout: str | None = None,
    ) -> None:
        super().__init__(name, direction, module, stream, layout)
        self._pending: deque[Item] = deque()
        self._held: Rows = np.empty(0, self.dtype)
        self._break_follows = False
        self._reread = False

    @abstractmethod
    async def _fill(self) -> None:
        """Wait until `_pending` has an item.

        Return without one if only the held rows can be returned (see `_only_held`), raise if
        the pipe has failed.
        """

    @property
    def end_of_interval(self) -> bool:  # docstring inherited
        return self._break_follows

    async def read(self, flatten: bool = False) -> Any:  # docstring inherited
        if self._reread:
            self._reread = False
        elif self._break_follows and len(self._held):
            # the break stays until the rows before it are consumed, nothing may join them
            await self._only_held()
        else:
            await self._fill()
            self._take()
        return flatten_rows(self._held) if flatten else self._held

    def reread_last(self) -> None:  # docstring inherited
        self._reread = True

    async def is_empty(self) -> bool:  # docstring inherited
        if self._reread:
            return False
        try:
            await self.read()
        except (EmptyPipeError, ClosedPipeError):
            return True
        self._reread = True
        return False

    def consume(self, num_rows: int) -> None:  # docstring inherited
        if num_rows < 0:
            raise PipeError(f"consume called with negative offset: {num_rows}")
        if num_rows > len(self._held):
            raise PipeError(f"cannot consume {num_rows} rows: only {len(self._held)} available")
        self._held = self._held[num_rows:]

    def consume_all(self) -> None:  # docstring inherited
        self.consume(len(self._held))

    def _take(self) -> int:
        """Move pending rows, at most up to the next break, behind the held ones.

        Returns
        -------
        int
            Number of blocks moved.
        """
        if not self._pending:
            return 0
        blocks = [self._held] if len(self._held) else []
        n_held, n_rows = len(blocks), 0
        self._break_follows = False
        while self._pending and not self._break_follows:
            item = self._pending[0]
            if item is None:
                self._break_follows = True
            elif n_rows and n_rows + len(item) > _JOINED_ROWS:
                # large blocks are given one by one: joining them would only copy
                break
            else:
                blocks.append(item)
                n_rows += len(item)
            self._pending.popleft()
        self._held = join_rows(blocks) if blocks else self._held[:0]
        return len(blocks) - n_held

    async def _only_held(self) -> None:
        """Let `read` return the held rows again, or raise if there are none."""
        if not len(self._held):
            raise EmptyPipeError("the pipe is closed and every row has been read")
        # a reader that loops without consuming must not keep the other tasks from running
        await asyncio.sleep(0)
