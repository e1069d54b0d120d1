"""Starts and ends of the events of one file."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from joule_cli.errors import FormatError
from joule_cli.formats.events.base import END, START
from joule_cli.formats.events.exact import dumps
from joule_cli.formats.table.clock import LocalClock
from joule_cli.formats.table.forms import DateForm
from joule_cli.formats.table.problems import Problems, Reason
from joule_cli.formats.table.settle import settle, unit_of
from joule_cli.formats.table.times import TimeColumn, all_texts, joined, with_point, zone_of
from joule_cli.series.time_output import format_time

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from joule_cli.formats.containers.base import Batch, Cells, Container
    from joule_cli.formats.events.columns import EventChooser, EventColumns
    from joule_cli.formats.table.forms import Form
    from joule_cli.formats.table.options import ReadOptions
    from joule_cli.formats.table.values import MissingValues

Stamps = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

#: What JSON has that no time can be.
_NO_TIMES: Final = frozenset({bool, dict, list})


@dataclass(slots=True)
class Spans:
    """The times of the events of a batch: µs, first of local clocks, then instants.

    Parameters
    ----------
    ended
        Which of the events have an end.
    local_starts, local_ends
        Which times are still those of a local clock.
    """

    batch: Batch
    starts: Stamps
    ends: Stamps
    ended: Mask
    local_starts: Mask
    local_ends: Mask
    problems: Problems = field(default_factory=Problems)


class EventTimes:
    """Reads the times of one file, batch by batch.

    Which of two local times is meant when the clocks were put back, is told by the order of the
    events as long as they rise; an end comes after its start.
    """

    def __init__(
        self,
        container: Container,
        chooser: EventChooser,
        columns: EventColumns,
        options: ReadOptions,
        missing: MissingValues,
        reopen: Callable[[], Container] | None,
        *,
        own: bool,
        decimal: str,
    ) -> None:
        self._missing = missing
        self._live = options.live
        self._names = {START: chooser.names[columns.start[0]] or START}
        headings = [container.columns[at] for at in (*columns.start, *columns.end)]
        tz, _ = zone_of((heading.name for heading in headings), options)
        sample = container.sample()
        pairs = [column for column in (columns.start, columns.end) if column]
        cells = [_plain(sample, column) for column in pairs]
        if decimal == ",":
            cells = [[with_point(cell) for cell in part] for part in cells]
        told = container.told.time_format
        if told is None and own and _counts(cells):
            told = "us"
        survey = None
        if reopen is not None:
            survey = lambda: all_texts(reopen(), pairs)  # noqa: E731  # one expression

        def settled(column: Sequence[int], texts: list[Any]) -> Form:
            heading = container.columns[column[0]]
            if len(column) > 1:
                heading = replace(heading, kind="any")
            try:
                return settle(options, heading, texts, told, tz, survey)
            except FormatError as exc:
                raise FormatError(str(exc.message), file=container.name, hint=exc.hint) from exc

        # of ends without a day each start has it
        by_clock = len(columns.end) == 1 and chooser.is_time_of_day(columns.end[0])
        by_clock = by_clock and not (
            len(columns.start) == 1 and chooser.is_time_of_day(columns.start[0])
        )
        typed = any(heading.kind == "time" for heading in headings)
        form = settled(columns.start, cells[0] if typed or by_clock else [*chain(*cells)])
        guessed = options.time_format == "auto" and told is None
        column = partial(TimeColumn, tz=tz, options=options, guessed=guessed, decimal=decimal)
        self._start = column(columns.start, form)
        self._end: TimeColumn | None = None
        if columns.end:
            self._names[END] = chooser.names[columns.end[0]] or END
            if typed:
                form = settled(columns.end, cells[1])
            elif by_clock:
                form = DateForm("tod", 0)
            self._end = column(columns.end, form)
        self.local = self._start.local or (self._end is not None and self._end.local)
        self._clock = LocalClock(tz, options.ambiguous, options.nonexistent)
        self._rising = True
        self._last: int | None = None

    def read(self, batch: Batch) -> Spans:
        """Read the times of a batch; local ones are not yet instants."""
        n = batch.size
        stamps, flags = np.zeros((2, n), np.int64), np.zeros((3, n), bool)
        found = Spans(batch, stamps[0], stamps[1], flags[0], flags[1], flags[2])
        problems = Problems()
        cells = self._start.cells(batch)
        found.starts, instants = self._start.form.read(_without_others(cells, problems), problems)
        self._add(found, problems, START, cells, range(n))
        found.local_starts = self._are_local(self._start, n, instants)
        if self._end is None:
            return found
        cells = self._end.cells(batch)
        rows = self._present(cells)
        found.ended[rows] = True
        cells = cells[rows] if isinstance(cells, np.ndarray) else [cells[row] for row in rows]
        problems = Problems()
        found.ends[rows], instants = self._end.form.read_after(
            _without_others(cells, problems), found.starts[rows], problems
        )
        self._add(found, problems, END, cells, rows)
        found.local_ends[rows] = self._are_local(self._end, len(rows), instants)
        return found

    def _are_local(self, column: TimeColumn, n: int, instants: Mask | None) -> Mask:
        if not column.local:
            return np.zeros(n, bool)
        return np.ones(n, bool) if instants is None else ~instants

    def _present(self, cells: Cells) -> list[int]:
        """Return the positions of the ends that are there."""
        if not isinstance(cells, np.ndarray):
            missing = self._missing.is_missing
            return [row for row, cell in enumerate(cells) if cell != "" and not missing(cell)]
        absent = np.ma.getmaskarray(cells)
        values = np.ma.getdata(cells)
        if values.dtype.kind in "fM":
            absent = absent | np.isnan(values)
        return np.flatnonzero(~absent).tolist()

    def _add(
        self, found: Spans, problems: Problems, part: str, cells: Cells, rows: Sequence[int]
    ) -> None:
        """Note what is wrong with some times, and with which."""
        for at, reason in problems.found.items():
            cell = cells[at] if len(cells) else None
            if isinstance(cell, str | None) and self._missing.is_missing(cell):
                found.problems.add(rows[at], f"{self._names[part]} is missing")
            self._note(found, rows[at], part, reason)

    def _note(self, span: Spans, row: int, part: str, reason: Reason) -> None:
        span.problems.add(row, f"{self._names[part]}: {reason.text}", reason.hint)

    def to_instants(self, spans: Sequence[Spans], *, more: bool) -> bool:
        """Turn local times into instants; false if later events must decide.

        Parameters
        ----------
        more
            Events follow.
        """
        places = []
        for span in spans:
            good = span.local_starts.copy()
            good[list(span.problems.found)] = False
            places.append(np.flatnonzero(good))
        local = np.concatenate([s.starts[at] for s, at in zip(spans, places, strict=True)])
        found = None
        if self._rising:
            found = self._clock.convert(local, more=more, live=self._live)
            if found is None:
                return False
            self._rising = self._rises(found.stamps)
        if found is None or not self._rising:
            found = self._clock.convert_apart(local)
        begin = 0
        for span, at in zip(spans, places, strict=True):
            end = begin + len(at)
            span.starts[at] = found.stamps[begin:end]
            for place, reason in found.problems.items():
                if begin <= place < end:
                    self._note(span, int(at[place - begin]), START, reason)
            begin = end
            rows = np.flatnonzero(span.local_ends & span.ended)
            ends = self._clock.convert_apart(span.ends[rows], span.starts[rows])
            span.ends[rows] = ends.stamps
            for row, reason in ends.problems.items():
                self._note(span, int(rows[row]), END, reason)
        return True

    def _rises(self, stamps: Stamps) -> bool:
        """Tell whether starts rise, from those before on."""
        if not len(stamps):
            return True
        first, self._last = self._last, int(stamps[-1])
        return bool((np.diff(stamps) >= 0).all()) and (first is None or first <= int(stamps[0]))

    def check(self, span: Spans) -> None:
        """Note the events whose times are doubtful, or whose end is not after the start."""
        batch, problems = span.batch, span.problems
        every = np.arange(batch.size)
        parts = [(self._start, span.starts, every)]
        if self._end is not None:
            parts.append((self._end, span.ends, np.flatnonzero(span.ended)))
        for column, stamps, rows in parts:
            doubted = column.doubts(stamps[rows])
            for row in () if doubted is None else rows[doubted].tolist():
                if row not in problems:
                    reason = column.doubt(column.shown(batch, row), int(stamps[row]))
                    problems.found[row] = reason
        for row in np.flatnonzero(span.ended & (span.ends <= span.starts)).tolist():
            if row not in problems:
                start, end = (
                    f"{self._names[part]} {column.shown(batch, row)} "
                    f"({format_time(int(stamps[row]), 'human', UTC)})"
                    for part, (column, stamps, _) in zip((START, END), parts, strict=True)
                )
                problems.add(row, f"{end} must be after {start}")


def _plain(sample: Batch, column: Sequence[int]) -> list[Any]:
    cells = [sample.column(at) for at in column]
    first = cells[0] if len(cells) == 1 else joined(cells)
    return first.tolist() if isinstance(first, np.ndarray) else first


def _counts(cells: Sequence[Sequence[Any]]) -> bool:
    """Tell whether times are integers that can be no seconds, milliseconds or nanoseconds."""
    found = [cell for part in cells for cell in part if cell is not None]
    return all(type(cell) is int and unit_of(cell) in {None, "us"} for cell in found)


def _without_others(cells: Cells, problems: Problems) -> Cells:
    """Note what can be no times, and leave it out."""
    if isinstance(cells, np.ndarray) or not _NO_TIMES & set(map(type, cells)):
        return cells
    for row, cell in enumerate(cells):
        if type(cell) in _NO_TIMES:
            text = dumps(cell).decode()
            problems.add(row, f"{text if len(text) <= 40 else f'{text[:37]}...'} is not a time")
    return [None if type(cell) in _NO_TIMES else cell for cell in cells]
