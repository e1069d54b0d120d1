"""What the writers of formats with one row per line share."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from joule_cli.formats.base import (
    FileRef,
    StreamHead,
    WriteOptions,
    Writer,
    place_name,
)
from joule_cli.formats.numbers import PIECE_VALUES
from joule_cli.formats.sink import Sink

if TYPE_CHECKING:
    from joule_cli.series.layout import Rows


class LineWriter(Writer):
    """A text file with one row per line."""

    def __init__(self, place: FileRef, head: StreamHead, options: WriteOptions) -> None:
        self.head = head
        self.options = options
        self.name = place_name(place)
        self._break_due = False
        self._started = False
        self._closed = False
        self._sink = Sink(place, options)
        # a break before the first new row of a continued file separates it from the old rows
        self._started = self._sink.continues
        try:
            self._set_up()
            self._started = self._sink.continues
            if not self._started:
                self._begin()
        except BaseException:
            self.close(complete=False)
            raise

    def _set_up(self) -> None:
        """Prepare for the rows."""

    def _begin(self) -> None:
        """Write what stands before the rows."""

    def _end(self) -> None:
        """Write what stands after the rows of a complete file."""

    @abstractmethod
    def _format(self, rows: Rows) -> bytes:
        """Return whole lines: rows (n,), at least one."""

    def _mark_break(self) -> bytes:
        return b""

    def write(self, rows: Rows) -> None:
        """Write rows; docstring of `Writer.write` applies."""
        self._check(rows)
        if not len(rows):
            return
        if self._break_due:
            self._break_due = False
            self._sink.write(self._mark_break())
        self._started = True
        step = max(1, PIECE_VALUES // (self.head.layout.width + 1))
        for begin in range(0, len(rows), step):
            self._sink.write(self._format(rows[begin : begin + step]))

    def interval_break(self) -> None:
        """End the interval; docstring of `Writer.interval_break` applies."""
        self._break_due = self._started

    def flush(self) -> None:
        """Hand everything written so far to the operating system."""
        self._sink.flush()

    def close(self, *, complete: bool = True) -> None:
        """Finish the file, or leave it visibly unfinished."""
        if self._closed:
            return
        self._closed = True
        try:
            if complete:
                self._end()
        except BaseException:
            self._sink.close(complete=False)
            raise
        self._sink.close(complete=complete)
