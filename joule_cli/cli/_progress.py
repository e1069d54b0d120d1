"""How far long work got: a line on stderr, for a person only.

::

    with Progress("copying", total=rows) as bar:
        bar.advance(len(block))

Work that tells nothing while it goes on, such as a single call of the node, is shown with the time
that it takes::

    async with working("deleting", total=rows) as bar:
        await for_each(streams, counted(bar, delete_one, rows_of))
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Self, TypeVar

from joule_cli.cli._render import encodes
from joule_cli.cli._run import is_terminal
from joule_cli.cli._settings import current

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from types import TracebackType

T = TypeVar("T")

#: Seconds between two drawings on a terminal, and between two lines elsewhere.
REDRAW_S = 0.1
LINE_S = 10.0
_BAR_WIDTH = 24
_NARROWEST_BAR = 5


class Progress:
    """Counts work and shows it.

    Shown when stderr is a terminal; never with ``--quiet``; ``--progress`` and ``--no-progress``
    decide otherwise. Away from a terminal a line appears every ten seconds.

    Parameters
    ----------
    label
        What is being done, as in ``copying``.
    total
        Amount of work, if known.
    unit
        What is counted.
    """

    def __init__(self, label: str, total: int | None = None, unit: str = "rows") -> None:
        settings = current()
        self.work = self.label = label
        self.total = total
        self.unit = unit
        self.done = 0
        self.share: float | None = None
        self._before = 0
        terminal = is_terminal(sys.stderr) and os.environ.get("TERM") != "dumb"
        wanted = settings.progress if settings.progress is not None else terminal
        self.visible = wanted and not settings.quiet
        self._terminal = terminal
        self._pause_s = REDRAW_S if terminal else LINE_S
        self._began = self._drawn = time.monotonic()
        # what was done when the clock began to count
        self._first_done, self._first_share = 0, 0.0
        self._on_screen = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.clear()

    def advance(self, amount: int) -> None:
        """Count more work."""
        self.update(self.done - self._before + amount)

    def update(self, done: int, total: int | None = None, share: float | None = None) -> None:
        """Set how much is done, and the total once it is known.

        Parameters
        ----------
        share
            Of the whole work, from 0 to 1, where it is known without the total.
        """
        self.done = self._before + done
        if total is not None:
            self.total = total
        if share is not None:
            self.share = share
        self.refresh()

    def refresh(self) -> None:
        """Draw the line, unless it was drawn a moment ago."""
        if not self.visible:
            return
        now = time.monotonic()
        if now - self._drawn < self._pause_s:
            return
        self._drawn = now
        self._draw(now)

    def next_part(self) -> None:
        """Count from here on what comes on top of what is done."""
        self._before = self.done

    def turn_to(self, label: str, share: float = 0.0) -> None:
        """Go on to other work on the same things, with a rate and a remaining time of its own.

        Parameters
        ----------
        share
            Of the other work that is done already.
        """
        if label != self.label:
            self.label = label
            self.restart(share)

    def restart(self, share: float = 0.0) -> None:
        """Take the time from now on, for work that begins once more."""
        self.done = self._first_done = self._before
        self.share, self._first_share = None, share
        self._began = time.monotonic()

    def clear(self) -> None:
        """Take the line off the screen, so that other text can follow."""
        if self._on_screen:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
            self._on_screen = False

    def _draw(self, now: float) -> None:
        if not self._terminal:
            sys.stderr.write(f"{self._line(now - self._began, 0)}\n")
        else:
            # a line that wraps could not be taken back
            width = (os.get_terminal_size(sys.stderr.fileno()).columns or 80) - 1
            sys.stderr.write(f"\r{self._line(now - self._began, width)[:width]}\x1b[K")
            self._on_screen = True
        sys.stderr.flush()

    def _line(self, seconds: float, width: int) -> str:
        share = self._known_share()
        if not self.done and not share:
            return f"{self.label}  {_span(seconds)}"
        rate = (self.done - self._first_done) / max(seconds, 1e-9)
        amount = f"{self._amount(self.done)}  {self._amount(rate)}/s"
        if share is None:
            return f"{self.label}  {amount}"
        fresh = share - self._first_share
        left = f"  {_span(seconds * (1 - share) / fresh)} left" if fresh > 0.01 else ""
        line = f"{share:4.0%}  {amount}{left}"
        # the figures come first, the bar takes what is left
        room = width - len(self.label) - len(line) - 3
        bar = self._bar(share, min(room, _BAR_WIDTH)) + " " if room >= _NARROWEST_BAR else ""
        return f"{self.label}  {bar}{line}"

    def _known_share(self) -> float | None:
        if self.share is not None:
            return min(self.share, 1.0)
        return min(self.done / self.total, 1.0) if self.total else None

    def _amount(self, number: float) -> str:
        if self.unit == "bytes":
            from joule_cli.cli._output import show_bytes

            return str(show_bytes(int(number)))
        # few things that take long each
        digits = 1 if 0 < number < 10 and number != int(number) else 0
        return f"{number:,.{digits}f} {self.unit}"

    def _bar(self, share: float, width: int) -> str:
        full, empty = ("█", "░") if encodes("█░", sys.stderr) else ("#", ".")
        cells = round(share * width)
        return full * cells + empty * (width - cells)


@asynccontextmanager
async def working(
    label: str,
    total: int | None = None,
    unit: str = "rows",
    look: Callable[[], int] | None = None,
) -> AsyncIterator[Progress]:
    """Show progress that is drawn anew while nothing is counted.

    Parameters
    ----------
    look
        Tells how much is done, when that is known without being told.
    """
    with Progress(label, total, unit) as bar:
        if not bar.visible:
            yield bar
            return
        import asyncio

        task = asyncio.create_task(_draw_again(bar, look))
        try:
            yield bar
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def _draw_again(bar: Progress, look: Callable[[], int] | None) -> None:
    import asyncio

    while True:
        await asyncio.sleep(max(REDRAW_S, 0.05))
        if look is None:
            bar.refresh()
        else:
            bar.update(look())


def counted(
    bar: Progress, action: Callable[[T], Awaitable[None]], amount: Callable[[T], int]
) -> Callable[[T], Awaitable[None]]:
    """Count what an action does to one thing; a failure is told below the bar."""

    async def act(item: T) -> None:
        try:
            await action(item)
        except BaseException:
            bar.clear()
            raise
        bar.advance(amount(item))

    return act


def _span(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
