"""How far long work got: a line on stderr, for a person only.

::

    with Progress("copying", total=rows) as bar:
        bar.advance(len(block))
"""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Self

from joule_cli.cli._render import encodes
from joule_cli.cli._run import is_terminal
from joule_cli.cli._settings import current

if TYPE_CHECKING:
    from types import TracebackType

#: Seconds between two drawings on a terminal, and between two lines elsewhere.
REDRAW_S = 0.1
LINE_S = 10.0
_BAR_WIDTH = 24


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
        self.label = label
        self.total = total
        self.unit = unit
        self.done = 0
        terminal = is_terminal(sys.stderr) and os.environ.get("TERM") != "dumb"
        wanted = settings.progress if settings.progress is not None else terminal
        self.visible = wanted and not settings.quiet
        self._terminal = terminal
        self._pause_s = REDRAW_S if terminal else LINE_S
        self._began = self._drawn = time.monotonic()
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
        self.update(self.done + amount)

    def update(self, done: int, total: int | None = None) -> None:
        """Set how much is done, and the total once it is known."""
        self.done = done
        if total is not None:
            self.total = total
        if not self.visible:
            return
        now = time.monotonic()
        if now - self._drawn < self._pause_s:
            return
        self._drawn = now
        self._draw(now)

    def clear(self) -> None:
        """Take the line off the screen, so that other text can follow."""
        if self._on_screen:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
            self._on_screen = False

    def _draw(self, now: float) -> None:
        line = self._line(now - self._began)
        if not self._terminal:
            sys.stderr.write(f"{line}\n")
        else:
            # a line that wraps could not be taken back
            width = os.get_terminal_size(sys.stderr.fileno()).columns or 80
            sys.stderr.write(f"\r{line[: width - 1]}\x1b[K")
            self._on_screen = True
        sys.stderr.flush()

    def _line(self, seconds: float) -> str:
        rate = f"{self.done / seconds:,.0f} {self.unit}/s" if seconds > 0 else ""
        if not self.total:
            return f"{self.label}  {self.done:,} {self.unit}  {rate}"
        share = min(self.done / self.total, 1.0)
        left = f"  {seconds / share - seconds:.0f} s left" if share > 0.01 else ""
        bar = self._bar(share) + " " if self._terminal else ""
        return f"{self.label}  {bar}{share:4.0%}  {self.done:,} {self.unit}  {rate}{left}"

    def _bar(self, share: float) -> str:
        full, empty = ("█", "░") if encodes("█░", sys.stderr) else ("#", ".")
        cells = round(share * _BAR_WIDTH)
        return full * cells + empty * (_BAR_WIDTH - cells)
