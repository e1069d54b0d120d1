"""The surface that every pipe has."""

from __future__ import annotations

import enum
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from joule_cli.errors import ClosedPipeError, EmptyPipeError, JouleError, PipeError
from joule_cli.pipes.blocks import flatten_rows, join_rows
from joule_cli.series.layout import Layout, Rows

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    import numpy as np

    from joule_cli.model.data_stream import DataStream
    from joule_cli.pipes.blocks import Item

CloseCallback: TypeAlias = Callable[[], Awaitable[None]]

_NO_READ = "cannot read from an output pipe"
_NO_WRITE = "cannot write to an input pipe"
_NO_CACHE = "cannot control cache on input pipes"


class Pipe:
    """An ordered sequence of rows of one layout, with interval breaks between rows.

    A pipe belongs to one event loop. Each direction is for one task at a time: one task reads,
    one writes (they may be the same). `close` and `fail` may be called from either side and
    wake a task that waits on the other. This class refuses both directions; subclasses allow one
    or both.

    Parameters
    ----------
    name
        For logs and messages.
    direction
        Data flow seen from the program.
    module
        The module that the pipe belongs to, if any.
    stream
        Gives the layout if `layout` does not.
    layout
        ``<datatype>_<width>``, for example ``float32_3``.

    Attributes
    ----------
    closed : bool
        This pipe was closed, by either side.
    decimation_level : int
        Stored rows for each row of this pipe: 1, 4, 16, ...
    ends_in_gap : bool
        Set when the end is reached: an interval break follows the last row inside the range that
        was read, and rows of the stream follow behind the range.
    never_written : bool
        The pipe is empty because the stream has never had any rows.
    stores_at_close : bool
        Until `close` has returned, the number of stored rows is unknown.
    subscribers : list of Pipe
        Pipes that receive a copy of what is written.
    close_cb : coroutine function or None
        Awaited once when the pipe closes, after the subscribers are closed.

    Notes
    -----
    Source: Joule API reference, "Pipes".
    """

    class DIRECTION(enum.Enum):
        """Data flow seen from the program that holds the pipe."""

        INPUT = enum.auto()
        OUTPUT = enum.auto()
        TWOWAY = enum.auto()

    def __init__(
        self,
        name: str | None = None,
        direction: DIRECTION | None = None,
        module: object = None,
        stream: DataStream | None = None,
        layout: str | None = None,
    ) -> None:
        self.name = name
        self.direction = direction
        self.module = module
        self.stream = stream
        self.closed = False
        self.decimation_level = 1
        self.ends_in_gap = False
        self.never_written = False
        self.stores_at_close = False
        self.subscribers: list[Pipe] = []
        self.close_cb: CloseCallback | None = None
        self._layout = layout
        self._row_layout: Layout | None = None
        self._failure: Exception | None = None
        self._failure_told = False

    def __repr__(self) -> str:
        direction = None if self.direction is None else self.direction.name
        return (
            f"<joule.models.Pipe name={self.name!r} direction={direction!r} layout={self.layout!r}>"
        )

    @property
    def layout(self) -> str:
        """``<datatype>_<width>``.

        Raises
        ------
        ValueError
            Neither a layout nor a stream was given.
        """
        if self._layout is not None:
            return self._layout
        if self.stream is not None:
            return self.stream.layout
        raise ValueError("pipe has no layout")

    @property
    def row_layout(self) -> Layout:
        """The layout as an object; `ValueError` if the text is not a layout."""
        if self._row_layout is None:
            self._row_layout = Layout.parse(self.layout)
        return self._row_layout

    @property
    def dtype(self) -> np.dtype[np.void]:
        """NumPy type of one row: ``timestamp`` int64 µs, ``data`` (width,)."""
        return self.row_layout.dtype

    @property
    def width(self) -> int:
        """Number of elements."""
        return self.row_layout.width

    @property
    def decimated(self) -> bool:
        """Whether the rows are means, minima and maxima of several stored rows."""
        return self.decimation_level > 1

    @property
    def failed(self) -> bool:
        """Whether the pipe was ended by an error."""
        return self._failure is not None

    @property
    def end_of_interval(self) -> bool:
        """Whether the rows that the last `read` returned are followed by a break."""
        return False

    def change_layout(self, layout: str) -> None:
        """Set another layout, where the kind of pipe allows it."""
        raise PipeError("layout cannot be changed")

    async def read(self, flatten: bool = False) -> Any:
        """Wait for rows that were not read yet, and return them after the unconsumed ones.

        The rows end at the next interval break, and `end_of_interval` tells of it. Rows that are
        not consumed come again with the next read. While rows before a break are unconsumed, so
        that nothing can follow them, and when the pipe has ended, reading returns the
        unconsumed rows again at once.

        Parameters
        ----------
        flatten
            Return a matrix with the timestamp in column 0: float64 for float elements, uint64
            for uint64 elements, int64 for the other integers.

        Returns
        -------
        numpy.ndarray
            (n,) of `dtype`, or (n, width+1). n is 0 only when a break came after its rows had
            been read and consumed; `end_of_interval` is then true.

        Raises
        ------
        EmptyPipeError
            The pipe is closed and every row has been consumed.
        PipeError
            An output pipe, or this side closed an input pipe (`ClosedPipeError`).
        Exception
            What the other side passed to `fail`, once the rows written before are read.
        """
        raise PipeError(_NO_READ)

    def reread_last(self) -> None:
        """Let the next `read` return the unconsumed rows only, without waiting."""
        raise PipeError(_NO_READ)

    def consume(self, num_rows: int) -> None:
        """Drop the first rows that `read` returned; takes the same time for any number."""
        raise PipeError("cannot consume from an output pipe")

    def consume_all(self) -> None:
        """Drop all rows that `read` returned."""
        raise PipeError("cannot consume from an output pipe")

    async def is_empty(self) -> bool:
        """Wait for rows or the end; true when the pipe has ended and nothing is left.

        When it is false the next `read` returns without waiting.
        """
        raise PipeError("cannot check output pipes for empty condition")

    async def not_empty(self) -> bool:
        """Return the opposite of `is_empty`, for ``while await pipe.not_empty()``."""
        return not await self.is_empty()

    async def read_all(
        self, flatten: bool = False, maxrows: int = 100_000, error_on_overflow: bool = False
    ) -> Any:
        """Read and consume everything up to `maxrows`, ignoring breaks, and close the pipe.

        Parameters
        ----------
        flatten
            As in `read`.
        maxrows
            Rows after this number are left unread.
        error_on_overflow
            Raise instead of leaving rows unread.

        Raises
        ------
        PipeError
            ``No data in pipe``, or there are more rows than `maxrows`.
        """
        maxrows = int(maxrows)
        collected: list[Rows] = []
        total = 0
        async with self:
            async for rows, _ in self.blocks():
                collected.append(rows)
                total += len(rows)
                if total > maxrows and error_on_overflow:
                    raise PipeError(
                        f"More than [{maxrows}] rows, increase maxrows or disable error_on_overflow"
                    )
                if total > maxrows or (total == maxrows and not error_on_overflow):
                    break
        if not total:
            raise PipeError("No data in pipe")
        joined = join_rows(collected)[:maxrows]
        return flatten_rows(joined) if flatten else joined

    def blocks(self) -> AsyncIterator[tuple[Rows, bool]]:
        """Iterate over the rest of the pipe: ``async for rows, end_of_interval in pipe.blocks()``.

        Each step reads, consumes and gives one block as `read` and `end_of_interval` do; `rows`
        may be empty when the flag is true. The iteration ends where `read` would raise
        `EmptyPipeError`, and raises what else `read` raises.
        """
        return _Blocks(self)

    async def write(self, data: object) -> None:
        """Write rows; timestamps increase strictly, across breaks too.

        Parameters
        ----------
        data
            Rows of `dtype`, or a 2-D array or nested lists with the timestamp in column 0. It
            may be changed as soon as this returns. Nothing happens if it is empty.

        Raises
        ------
        LayoutMismatchError
            The rows do not have the pipe's layout; nothing was written, the pipe goes on.
        ClosedPipeError
            The pipe is closed; the rows are not in it.
        Exception
            What the other side passed to `fail`.
        """
        raise PipeError(_NO_WRITE)

    async def hand_over(self, items: Sequence[Item]) -> None:
        """Write blocks of rows, and breaks (`None`), that the caller gives up.

        Where the kind of pipe allows it, the blocks are not copied and get through together.
        """
        for item in items:
            await (self.close_interval() if item is None else self.write(item))

    async def close_interval(self) -> None:
        """Mark a break after the rows written so far.

        Before the first row and after another break this changes nothing.
        """
        raise PipeError(_NO_WRITE)

    def close_interval_nowait(self) -> None:
        """Mark a break without waiting for room in the pipe."""
        raise PipeError(_NO_WRITE)

    def enable_cache(self, lines: int) -> None:
        """Collect rows and pass them on as one block once there are at least `lines`.

        Caching cannot be disabled again. Cached rows are passed on by `flush_cache` and `close`,
        and are in memory only until then.
        """
        raise PipeError(_NO_CACHE)

    async def flush_cache(self) -> None:
        """Pass on the cached rows now."""
        raise PipeError(_NO_CACHE)

    def subscribe(self, pipe: Pipe) -> Callable[[], None]:
        """Copy later writes and breaks to `pipe`, and close or fail it with this one.

        A subscriber that is closed by its reader is dropped.

        Returns
        -------
        function
            Ends the subscription; `pipe` stays open.
        """
        raise PipeError("cannot subscribe to an input pipe")

    def fail(self, error: Exception | None = None) -> None:
        """End the pipe with an error, which the other side gets.

        A reader gets it after the rows that were written before, a writer at its next write; a
        waiting one is woken. `close` raises it if no call did. The first failure stands.

        Parameters
        ----------
        error
            Raised as it is on the other side; by default ``PipeError("pipe failed")``.
        """
        if self._failure is not None:
            return
        self._failure = error if error is not None else PipeError("pipe failed")
        self._wake()
        for pipe in self.subscribers:
            pipe.fail(self._failure)

    async def close(self) -> None:
        """End the pipe, then close its subscribers, then await `close_cb`.

        Closing again changes nothing. What was written, cached rows and breaks included, is
        passed on first.

        Raises
        ------
        Exception
            What was passed to `fail`, if no read or write has raised it.
        """
        if not self.closed:
            self.closed = True
            async with self._ending():
                self._wake()
        self._raise_untold_failure()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            await self.close()
        except JouleError as error:
            if exc is None:
                raise
            # what went wrong first is what the caller needs to see
            exc.add_note(f"closing the pipe failed too: {error.sentence()}")

    def _wake(self) -> None:
        """Resume all tasks that wait on this pipe, because it failed or was closed."""

    def _raise_failure(self) -> None:
        if self._failure is not None:
            self._failure_told = True
            raise self._failure

    def _raise_untold_failure(self) -> None:
        if not self._failure_told:
            self._raise_failure()

    def _check_writable(self) -> None:
        self._raise_failure()
        if self.closed:
            raise ClosedPipeError("Cannot write to a closed pipe")

    def _ending(self) -> AsyncExitStack:
        """Return a context that closes the subscribers and awaits `close_cb`, whatever happens."""
        stack = AsyncExitStack()
        if self.close_cb is not None:
            stack.push_async_callback(self.close_cb)
        for pipe in reversed(self.subscribers):
            stack.push_async_callback(self._close_subscriber, pipe)
        return stack

    async def _close_subscriber(self, pipe: Pipe) -> None:
        try:
            await pipe.close()
        except Exception as error:
            # the failure that this pipe passed on is for the subscriber's reader
            if error is not self._failure:
                raise


class _Blocks:
    """The iteration of `Pipe.blocks`; an object, because a generator left early needs closing."""

    def __init__(self, pipe: Pipe) -> None:
        self._pipe = pipe

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> tuple[Rows, bool]:
        try:
            rows = await self._pipe.read()
        except EmptyPipeError:
            raise StopAsyncIteration from None
        self._pipe.consume_all()
        return rows, self._pipe.end_of_interval
