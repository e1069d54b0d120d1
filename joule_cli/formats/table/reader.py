"""Rows out of a table: the reader of every format."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from joule_cli.errors import FormatError
from joule_cli.formats.base import Reader, Tally
from joule_cli.formats.numbers import shorten
from joule_cli.formats.table.clock import LocalClock
from joule_cli.formats.table.head import Interpretation
from joule_cli.formats.table.names import is_total
from joule_cli.formats.table.order import Order, Spool, gathered
from joule_cli.formats.table.problems import Reason
from joule_cli.formats.table.series import SeriesWatch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from joule_cli.formats.containers.base import Batch, Container
    from joule_cli.formats.table.options import ReadOptions
    from joule_cli.formats.table.parsing import Parsed
    from joule_cli.series.layout import Rows

#: Rows that wait for later ones to tell which of two local times is meant.
_MOST_WAITING: Final = 4_000_000


@dataclass(slots=True)
class _Part:
    """A batch on its way, with the rows that are still good."""

    batch: Batch
    parsed: Parsed
    breaks: bool


@dataclass(slots=True)
class Labelled:
    """Rows of one series of a long table."""

    label: tuple[str, ...]
    rows: Rows


class TableReader(Reader):
    """Rows of any container.

    Parameters
    ----------
    reopen
        Opens the file once more, to look at all of it where its beginning does not tell enough;
        `None` for what can be read once only.
    """

    def __init__(
        self,
        container: Container,
        options: ReadOptions,
        reopen: Callable[[], Container] | None = None,
    ) -> None:
        self.container = container
        self.name = container.name
        self.options = options
        self.tally = Tally()
        try:
            self.view = Interpretation(container, options, reopen)
            self.head = self.view.head
            self._parser = self.view.parser
            self._watch = SeriesWatch(self.view, options)
            container.choose(self.view.needed | self._watch.positions, self.view.exact)
        except BaseException:
            container.close()
            raise
        self._clock = LocalClock(self.view.tz, options.ambiguous, options.nonexistent)
        self._ends: npt.NDArray[np.int64] | None = None
        if self.head.intervals is not None and self.view.columns.interval is None:
            self._ends = np.array([interval.end for interval in self.head.intervals], np.int64)
        self._interval: int | None = None
        self._started = False
        self._break_due = False
        self._above: tuple[str, int] | None = None

    @property
    def share(self) -> float | None:
        """The share that is done; docstring of `Reader.share` applies."""
        return self.container.share

    @property
    def heading(self) -> str:
        """What belongs before rejected rows that are kept in a file."""
        return self.container.heading

    def blocks(self) -> Iterator[Rows | None]:
        """Give blocks of rows; docstring of `Reader.blocks` applies."""
        order = Order(self.options.on_duplicate)
        if self.options.sort or self.options.on_duplicate in {"last", "mean"}:
            yield from self._spooled(order)
        else:
            items = self._in_turn(order)
            yield from gathered(items) if self.container.small_batches else items
        self._finish()

    def _in_turn(self, order: Order) -> Iterator[Rows | None]:
        for part in self._parts():
            self._break_due = self._break_due or (part.breaks and self._started)
            yield from self._ordered(part, order)

    def labelled(self) -> Iterator[Labelled]:
        """Give the rows of a long table with the labels of their series, in any order of those.

        The times of each series rise.
        """
        orders: dict[tuple[str, ...], Order] = {}
        for part in self._parts():
            good = self._good(part)
            labels = part.parsed.labels
            assert labels is not None
            places: dict[tuple[str, ...], list[int]] = {}
            for row in good.tolist():
                places.setdefault(labels[row], []).append(row)
            for label, rows in places.items():
                order = orders.setdefault(label, Order(self.options.on_duplicate))
                found = self._in_order(part, np.array(rows, np.intp), order)
                if len(found):
                    yield Labelled(label, part.parsed.rows[found])
            self._report(part)
        self._finish()

    def _finish(self) -> None:
        self.tally.warnings += [f"{self.name}: {text}" for text in self.container.warnings]

    def _parts(self) -> Iterator[_Part]:
        """Give batches whose times are instants."""
        waiting: list[_Part] = []
        breaks = False
        for batch in self.container.batches():
            if batch is None:
                breaks = True
                continue
            if not batch.size:
                continue
            part = _Part(batch, self._parser(batch), breaks)
            breaks = False
            self._watch.look(batch)
            if not self.view.local:
                yield part
                continue
            waiting.append(part)
            size = sum(each.batch.size for each in waiting)
            if self._decided(waiting, more=size < _MOST_WAITING):
                yield from waiting
                waiting = []
        if waiting:
            self._decided(waiting, more=False)
            yield from waiting
        if breaks:
            self._break_due = self._started

    def _decided(self, parts: Sequence[_Part], *, more: bool) -> bool:
        """Turn local times into instants; false if later rows must decide."""
        places = []
        for part in parts:
            instants = part.parsed.instants
            local = np.ones(part.batch.size, bool) if instants is None else ~instants
            local[list(part.parsed.problems.found)] = False
            places.append(np.flatnonzero(local))
        stamps = [part.parsed.rows["timestamp"][at] for part, at in zip(parts, places, strict=True)]
        found = self._clock.convert(
            np.concatenate(stamps) if len(stamps) > 1 else stamps[0],
            more=more,
            live=self.options.live,
        )
        if found is None:
            return False
        begin = 0
        for part, at in zip(parts, places, strict=True):
            end = begin + len(at)
            part.parsed.rows["timestamp"][at] = found.stamps[begin:end]
            begin = end
        bounds = np.cumsum([len(at) for at in places])
        for position, reason in found.problems.items():
            which = int(np.searchsorted(bounds, position, "right"))
            before = int(bounds[which - 1]) if which else 0
            row = int(places[which][position - before])
            parts[which].parsed.problems.found.setdefault(row, reason)
        return True

    def _good(self, part: _Part) -> npt.NDArray[np.intp]:
        """Return the positions of the rows that can be taken, but for their order."""
        parsed, batch = part.parsed, part.batch
        problems = parsed.problems
        times = self.view.times
        if times is not None:
            for row in problems.found if problems else ():
                if is_total(times.shown(batch, row)):
                    problems.found[row] = Reason("a row of totals, left out", harmless=True)
            doubted = times.doubts(parsed.rows["timestamp"])
            for row in [] if doubted is None else np.flatnonzero(doubted).tolist():
                if row not in problems:
                    stamp = int(parsed.rows["timestamp"][row])
                    problems.found[row] = times.doubt(times.shown(batch, row), stamp)
        wanted = np.ones(batch.size, bool)
        if parsed.chosen is not None:
            wanted = parsed.chosen.copy()
            bad = [row for row in problems.found if not wanted[row]]
            for row in bad:
                # rows of other series may be as they like
                del problems.found[row]
            self.tally.filtered += batch.size - int(wanted.sum())
        if parsed.missing:
            self._leave_out_missing(part, wanted)
        if problems:
            wanted[list(problems.found)] = False
        for index, mask in parsed.missing.items():
            count = int((mask & wanted).sum())
            if count:
                name = self.view.names[index]
                self.tally.missing[name] = self.tally.missing.get(name, 0) + count
        return np.flatnonzero(wanted)

    def _leave_out_missing(self, part: _Part, wanted: npt.NDArray[np.bool_]) -> None:
        """Treat rows with missing values as the options say."""
        policy, parsed = self.options.missing, part.parsed
        if policy == "store":
            return
        for index, mask in parsed.missing.items():
            name = self.view.names[index]
            for row in np.flatnonzero(mask & wanted).tolist():
                if policy != "skip":
                    what = f"the value of {shorten(name)} is missing"
                    more = ", and the node cannot hold that" if policy == "refuse" else ""
                    ways = "--missing skip" if more else "--missing store or --missing skip"
                    parsed.problems.add(row, what + more, f"use {ways}")
                else:
                    parsed.problems.found[row] = Reason("", harmless=True)
                    wanted[row] = False
                    self.tally.incomplete += 1

    def _ordered(self, part: _Part, order: Order) -> Iterator[Rows | None]:
        good = self._good(part)
        kept = self._in_order(part, good, order)
        self._report(part)
        if len(kept):
            rows = part.parsed.rows
            rows = rows if len(kept) == len(rows) else rows[kept]
            intervals = part.parsed.intervals
            yield from self._cut(rows, None if intervals is None else intervals[kept])

    def _in_order(
        self, part: _Part, good: npt.NDArray[np.intp], order: Order
    ) -> npt.NDArray[np.intp]:
        """Return the positions of rows whose times rise; the others are counted or refused."""
        batch, parsed = part.batch, part.parsed
        whole = len(good) == batch.size
        rows = parsed.rows if whole else parsed.rows[good]

        def explain(row: int, above: int) -> Reason | None:
            upper = None if above < 0 else int(good[above])
            before = order.last if above < 0 else int(rows["timestamp"][above])
            stamp = int(rows["timestamp"][row])
            return self._watch.explain(
                batch, int(good[row]), upper, stamp, before or 0, self._above
            )

        found = order(rows, explain)
        self.tally.equal += found.equal
        self.tally.merged += found.merged
        for row, reason in found.refused.items():
            parsed.problems.found[int(good[row])] = reason
        kept = good[found.kept]
        if len(kept) and self.view.times is not None:
            last = int(kept[-1])
            self._above = (self.view.times.shown(batch, last), batch.number(last))
            self._watch.keep(batch, last)
        return kept

    def _report(self, part: _Part) -> None:
        """Hand out the rows that are refused, or fail at the first."""
        batch, found = part.batch, part.parsed.problems.found
        for row in sorted(found):
            reason = found[row]
            if reason.harmless:
                if reason.text:
                    self.tally.warnings.append(
                        f"{self.name}: {self.container.unit} {batch.number(row)}: {reason.text}"
                    )
                continue
            self._refuse(batch.number(row), reason, lambda row=row: batch.text(row))  # type: ignore[misc]

    def _refuse(self, number: int, reason: Reason, text: Callable[[], str]) -> None:
        if self.options.on_reject is None:
            is_line = self.container.unit == "line"
            raise FormatError(
                reason.text if is_line else f"row {number}: {reason.text}",
                file=self.name,
                line=number if is_line else None,
                hint=reason.hint or "use --on-error skip to leave such rows out",
            )
        self.tally.rejected += 1
        self.options.on_reject(number, text(), reason.text)

    def _cut(self, rows: Rows, intervals: Any) -> Iterator[Rows | None]:
        """Put breaks where an interval ends."""
        self.tally.rows += len(rows)
        if intervals is None and self._ends is not None:
            intervals = np.searchsorted(self._ends, rows["timestamp"], side="right")
        if intervals is None:
            if self._break_due and self._started:
                yield None
            self._started, self._break_due = True, False
            yield rows
            return
        changed = self._interval is not None and intervals[0] != self._interval
        if self._started and (changed or self._break_due):
            yield None
        self._started, self._break_due = True, False
        begin = 0
        for cut in (np.flatnonzero(np.diff(intervals)) + 1).tolist():
            yield rows[begin:cut]
            yield None
            begin = cut
        yield rows[begin:]
        self._interval = int(intervals[-1])

    def _spooled(self, order: Order) -> Iterator[Rows | None]:
        """Gather all rows, to sort them or to bring those of one time together."""
        spool = Spool(self.head.layout.dtype)
        numbers: list[npt.NDArray[np.int64]] = []
        intervals: list[npt.NDArray[np.int64]] = []
        try:
            for part in self._parts():
                good = self._good(part)
                self._report(part)
                spool.add(part.parsed.rows[good])
                numbers.append(np.array([part.batch.number(row) for row in good.tolist()]))
                if part.parsed.intervals is not None:
                    intervals.append(part.parsed.intervals[good])
            all_numbers = np.concatenate(numbers) if numbers else np.empty(0, np.int64)
            all_intervals = np.concatenate(intervals) if intervals else None
            for rows, origin in spool.blocks(sort=self.options.sort):
                found = order(rows, lambda row, above: None)
                self.tally.equal += found.equal
                self.tally.merged += found.merged
                for row, reason in sorted(found.refused.items()):
                    shown = ",".join(map(str, [rows["timestamp"][row], *rows["data"][row]]))
                    self._refuse(int(all_numbers[origin[row]]), reason, lambda shown=shown: shown)  # type: ignore[misc]
                if len(found.rows):
                    kept = None
                    if all_intervals is not None:
                        kept = all_intervals[origin[found.kept]]
                    yield from self._cut(found.rows, kept)
        finally:
            spool.close()

    def last_timestamp(self) -> int | None:
        """Return the timestamp of the last row, `None` without rows."""
        batch = None if self.options.on_reject is not None else self.container.last()
        if batch is None or self.view.local:
            return super().last_timestamp()
        if not batch.size:
            return None
        parsed = self._parser(batch)
        for reason in parsed.problems.found.values():
            raise FormatError(f"the last row: {reason.text}", file=self.name, hint=reason.hint)
        return int(parsed.rows["timestamp"][-1])

    def close(self) -> None:
        """Close the file if it was opened here."""
        self.container.close()
