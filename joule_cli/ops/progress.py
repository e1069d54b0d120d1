"""How far an operation has got, told to a callback."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from joule_cli.series.layout import Rows


@dataclass(frozen=True, slots=True)
class Step:
    """One report.

    Parameters
    ----------
    stream
        Path of the stream that is worked on.
    rows
        Rows finished so far: stored for good, or handed to the output; while `checking`, seen.
    last
        Timestamp of the last of them, µs; `None` before the first.
    total
        Rows in the whole work, if that is known.
    span
        First and last time of the work, if that is known.
    unit
        What `rows` counts: rows of a data stream, or events.
    share
        Finished share between 0 and 1, if the input tells it.
    checking
        The input is only looked at, and will be read once more.
    """

    stream: str
    rows: int
    last: int | None = None
    total: int | None = None
    span: tuple[int, int] | None = None
    unit: str = "rows"
    share: float | None = None
    checking: bool = False

    @property
    def fraction(self) -> float | None:
        """Finished share, as told, or else by rows or by time; `None` when unknown."""
        if self.share is not None:
            return self.share
        if self.total:
            return min(self.rows / self.total, 1.0)
        if self.span is None or self.last is None or self.span[1] <= self.span[0]:
            return None
        return min(max((self.last - self.span[0]) / (self.span[1] - self.span[0]), 0.0), 1.0)


ProgressCallback: TypeAlias = Callable[[Step], None]


class Meter:
    """Counts finished rows, or events, of one stream and reports each step.

    Attributes
    ----------
    rows, last
        How many are finished, and the time of the last one.
    stored, last_stored
        The same for those that are known to be stored. With a node that says so only in the end,
        rows that were handed to it are finished before.
    share
        The share of the input that is finished, for the next report.
    """

    def __init__(
        self,
        stream: str,
        report: ProgressCallback | None = None,
        *,
        total: int | None = None,
        span: tuple[int, int] | None = None,
        unit: str = "rows",
    ) -> None:
        self.stream = stream
        self.rows = 0
        self.last: int | None = None
        self.stored = 0
        self.last_stored: int | None = None
        self.total = total
        self.span = span
        self.unit = unit
        self.share: float | None = None
        self._report = report

    def add(self, rows: Rows) -> None:
        """Count `rows` as finished."""
        self.add_all([rows])

    def count(self, number: int, last: int, *, stored: bool = True) -> None:
        """Count `number` more as finished, the last of them at `last` (µs).

        Parameters
        ----------
        stored
            They are known to be stored, as is all that was counted before.
        """
        self.rows += number
        self.last = last
        if stored:
            self.settle()
        self.tell()

    def add_all(self, blocks: Sequence[Rows], *, stored: bool = True) -> None:
        """Count several blocks as finished, with one report."""
        number = sum(len(rows) for rows in blocks)
        if number:
            last = next(rows for rows in reversed(blocks) if len(rows))["timestamp"][-1]
            self.count(number, int(last), stored=stored)

    def settle(self) -> None:
        """Take note that all that is finished is known to be stored."""
        self.stored, self.last_stored = self.rows, self.last

    def tell(self) -> None:
        """Report the present state."""
        if self._report is not None:
            self._report(
                Step(
                    self.stream,
                    self.rows,
                    self.last,
                    self.total,
                    self.span,
                    self.unit,
                    self.share,
                )
            )
