"""Rows that a client sends, on their way into a pipe."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from joule_cli.errors import (
    DataError,
    DuplicateTimestampError,
    InvalidValuesError,
    NonMonotonicError,
)
from joule_cli.pipes.tokens import split_at_tokens
from joule_cli.series.zones import EPOCH
from joule_cli.server.refusals import Refusal
from joule_cli.wire.status import wire_status

if TYPE_CHECKING:
    from collections.abc import Callable

    from joule_cli.pipes import Pipe
    from joule_cli.pipes.blocks import Item
    from joule_cli.series.layout import Rows
    from joule_cli.server.payload import Payload

#: Rows and bytes that are stored at once at most: a full chunk, as more only takes memory.
_BATCH_ROWS, _BATCH_BYTES = 65536, 4 * 1024 * 1024
#: Timestamps of the years 1 to 9999, the only ones that a Joule 1.0.1 node has.
_FIRST = (datetime.min.replace(tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)
_LAST = (datetime.max.replace(tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)


async def receive(
    payload: Payload,
    pipe: Pipe,
    begun: Callable[[asyncio.Task[None]], None] = lambda reading: None,
    *,
    missing: bool = False,
) -> None:
    """Store the rows of a body while they arrive, and close the pipe.

    All that has arrived is stored as soon as the rows before it are: a slow client does not
    wait, and a fast one gets large commits. A row that is cut off by the end is dropped.

    Parameters
    ----------
    begun
        Gets the task that reads the body. When it is cancelled, what has arrived is still stored
        and passed on before this is cancelled, too.
    missing
        Rows may have missing values.

    Raises
    ------
    Refusal, JouleError
        What the node said; it may still be sent while the body arrives.
    """
    size = pipe.dtype.itemsize
    inflow = _Inflow(payload, size * batch_rows(size))
    receiving = asyncio.create_task(inflow.run())
    begun(receiving)
    try:
        async with pipe:
            last: int | None = None
            while (data := await inflow.take(size)) is not None:
                items = split_at_tokens(np.frombuffer(data, pipe.dtype))
                good = _first_fault(items, last, missing=missing)
                if good is not None:
                    # the intervals before the one that will be refused are kept
                    await pipe.hand_over(items[:good])
                    _check_times(items[good:])
                    items = items[good:]
                await pipe.hand_over(items)
                last = max((_bounds(rows)[1] for rows in items if rows is not None), default=last)
    except DataError as exc:
        raise Refusal(wire_status(exc), _text(exc), code=exc.code) from exc
    finally:
        receiving.cancel()
        await asyncio.wait({receiving})
    receiving.result()


def batch_rows(row_bytes: int) -> int:
    """Return how many rows are stored at once: a power of two, which fills chunks evenly."""
    rows = _BATCH_ROWS
    while rows > 1 and rows * row_bytes > _BATCH_BYTES:
        rows //= 2
    return rows


class _Inflow:
    """Bytes of a body, received while earlier ones are stored."""

    def __init__(self, payload: Payload, limit: int) -> None:
        self._payload = payload
        self._limit = limit
        self._buffer = bytearray()
        self._ended = False
        self._arrived = asyncio.Event()
        self._room = asyncio.Event()

    async def run(self) -> None:
        """Receive until the body ends."""
        try:
            while part := await self._payload.readany():
                self._buffer += part
                self._arrived.set()
                while len(self._buffer) >= self._limit:
                    self._room.clear()
                    await self._room.wait()
        finally:
            self._ended = True
            self._arrived.set()

    async def take(self, size: int) -> bytearray | None:
        """Wait for something and return all whole rows; `None` when there are no more."""
        while len(self._buffer) < size:
            if self._ended:
                return None
            self._arrived.clear()
            await self._arrived.wait()
        data = self._buffer
        whole = min(len(data), self._limit) // size * size
        self._buffer = data[whole:]
        del data[whole:]
        self._room.set()
        return data


def _first_fault(items: list[Item], last: int | None, *, missing: bool) -> int | None:
    """Return the index of the first block that is refused by its own rows or those before it."""
    previous = _FIRST - 1 if last is None else last
    for index, rows in enumerate(items):
        if rows is not None:
            ts = rows["timestamp"]
            first, newest = _bounds(rows)
            if first <= previous or newest > _LAST:
                return index
            # a single block is checked where it is stored
            if len(items) > 1 and not ((ts[1:] > ts[:-1]).all() and (missing or _is_number(rows))):
                return index
            previous = newest
    return None


def _is_number(rows: Rows) -> bool:
    data = rows["data"]
    return data.dtype.kind != "f" or not np.isnan(data).any()


def _check_times(items: list[Item]) -> None:
    """Refuse what the original node fails at."""
    for rows in items:
        if rows is not None:
            first, last = _bounds(rows)
            if first < _FIRST or last > _LAST:
                raise DataError("timestamps must lie in the years 1 to 9999")


def _bounds(rows: Rows) -> tuple[int, int]:
    ts = rows["timestamp"]
    return int(ts[0]), int(ts[-1])


def _text(exc: DataError) -> str:
    """Return the words of the original node, in which programs look for parts."""
    text = exc.message
    if isinstance(exc, NonMonotonicError):
        text = "Non-monotonic timestamps in new data"
    elif isinstance(exc, InvalidValuesError):
        text = "Invalid values (NaN) in new data"
    elif isinstance(exc, DuplicateTimestampError) and exc.timestamp is not None:
        text = (
            'duplicate key value violates unique constraint "stream_pkey" '
            f'DETAIL:  Key ("time")=({_database_time(exc.timestamp)}) already exists.'
        )
    return f"{wire_status(exc)}: {text}"


def _database_time(timestamp: int) -> str:
    if not _FIRST <= timestamp <= _LAST:
        return str(timestamp)
    moment = EPOCH + timedelta(microseconds=timestamp)
    text = moment.strftime("%Y-%m-%d %H:%M:%S.%f").zfill(26)
    return text.rstrip("0").rstrip(".")
