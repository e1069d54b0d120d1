"""Rows on their way through an operation: blocks of an even size, written and counted."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Self

import numpy as np

from joule_cli.errors import InvalidValuesError, JouleError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence
    from types import TracebackType

    import numpy.typing as npt

    from joule_cli.ops.progress import Meter
    from joule_cli.pipes import Pipe
    from joule_cli.series.layout import Rows

#: Rows that are worked on, and stored with one commit, at a time; fewer if they are wide.
BLOCK_ROWS = 100_000
_BLOCK_BYTES = 8_000_000


def block_rows(pipe: Pipe) -> int:
    """Return how many rows of a pipe to handle at a time."""
    return max(min(BLOCK_ROWS, _BLOCK_BYTES // pipe.dtype.itemsize), 1)


async def even_blocks(pipe: Pipe) -> AsyncGenerator[tuple[Rows, bool], None]:
    """Yield ``(rows, end_of_interval)`` from a pipe, joined or cut to blocks of an even size.

    Rows may be empty when the interval ends.
    """
    size = block_rows(pipe)
    held: list[Rows] = []
    count = 0
    async for rows, ended in pipe.blocks():
        rest = rows
        while count + len(rest) > size:
            yield _joined([*held, rest[: size - count]], pipe), False
            held, rest, count = [], rest[size - count :], 0
        if len(rest):
            held.append(rest)
            count += len(rest)
        if ended or count == size:
            yield _joined(held, pipe), ended
            held, count = [], 0
    if held:
        yield _joined(held, pipe), False


def _joined(held: list[Rows], pipe: Pipe) -> Rows:
    if len(held) == 1:
        return held[0]
    return np.concatenate(held) if held else np.empty(0, pipe.dtype)


def reordered(rows: Rows, columns: Sequence[int] | None) -> Rows:
    """Return rows with their values in another order; `None` keeps it."""
    if columns is None:
        return rows
    out: Rows = np.empty(len(rows), rows.dtype)
    out["timestamp"] = rows["timestamp"]
    out["data"] = rows["data"][:, columns]
    return out


def fill_values(
    rows: Rows, values: npt.NDArray[np.generic], stream: str, *, column: int = 0
) -> None:
    """Put results, of which some may be missing, into the columns of `rows` from `column` on.

    Parameters
    ----------
    stream
        Where the rows are to be stored, for the error.

    Raises
    ------
    InvalidValuesError
        One is a number too large for the type of `rows`.
    """
    target = rows["data"][:, column : column + values.shape[1]]
    with np.errstate(over="ignore"):
        target[:] = values
    if target.dtype.kind == "f" and not np.isfinite(target).all():
        bad = np.isinf(target) & np.isfinite(values)
        refuse_results(rows, bad, f"is out of the range of {target.dtype.name}", stream)


def refuse_results(rows: Rows, bad: npt.NDArray[np.bool_], what: str, stream: str) -> None:
    """Raise `InvalidValuesError` for the first row with a result that is `bad`."""
    if bad.any():
        stamp = int(rows["timestamp"][int(bad.any(axis=1).argmax())])
        raise InvalidValuesError(f"the result at {stamp} {what}", object=stream)


class RowWriter:
    """Writes to a pipe with few large commits, and counts rows once they are stored.

    Short intervals are collected and stored together. Leaving the ``async with`` block stores
    what is left, after an error elsewhere too, and closes the pipe.
    """

    def __init__(self, pipe: Pipe, meter: Meter) -> None:
        self._pipe = pipe
        self._meter = meter
        self._waiting: list[Rows] = []
        self._count = 0
        self._size = block_rows(pipe)
        # larger than any block, so that `_flush` alone decides when rows are stored
        pipe.enable_cache(sys.maxsize)

    async def write(self, rows: Rows) -> None:
        """Take rows over; they are stored at the latest when a block has come together."""
        while len(rows):
            part, rows = rows[: self._size - self._count], rows[self._size - self._count :]
            await self._pipe.write(part)
            self._waiting.append(part)
            self._count += len(part)
            if self._count >= self._size:
                await self.flush()

    async def end_interval(self) -> None:
        """Put a break after the rows so far."""
        await self._pipe.close_interval()

    async def flush(self) -> None:
        """Store what was written so far."""
        waiting, self._waiting, self._count = self._waiting, [], 0
        if waiting:
            await self._pipe.flush_cache()
            self._meter.add_all(waiting, stored=not self._pipe.stores_at_close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        async with self._pipe:
            if exc is None:
                await self.flush()
            else:
                # if it was the pipe that failed, this fails again, and `exc` tells why
                with suppress(JouleError):
                    await self.flush()
        if not self._pipe.failed:
            self._meter.settle()
