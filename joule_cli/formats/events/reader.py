"""Events out of a table: the reader of every format."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from joule_cli.errors import FormatError
from joule_cli.formats.base import Tally
from joule_cli.formats.events.base import STREAM, UUID
from joule_cli.formats.events.columns import EventChooser, has_objects
from joule_cli.formats.events.contents import EventContents, cells_of, is_ours
from joule_cli.formats.events.fields import Fields
from joule_cli.formats.events.times import EventTimes
from joule_cli.formats.table.marks import settle_marks
from joule_cli.formats.table.options import ReadOptions
from joule_cli.formats.table.problems import Problems
from joule_cli.formats.table.values import Marks, MissingValues
from joule_cli.model import Event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from joule_cli.formats.containers.base import Batch, Container
    from joule_cli.formats.events.times import Spans

Mask = npt.NDArray[np.bool_]

#: Events of one block, at most.
_BLOCK_EVENTS: Final = 5_000
#: Events that wait for later ones to tell which of two local times is meant.
_MOST_WAITING: Final = 200_000


@dataclass(frozen=True, slots=True, kw_only=True)
class EventReadOptions(ReadOptions):
    """How a file of events is read: as rows are, as far as it means something for events.

    Parameters
    ----------
    fields
        The declared fields of the stream; contents must fit them.
    """

    fields: Fields = field(default_factory=Fields)


class EventBlock(NamedTuple):
    """Some events of a file, and the number of the last line, or row, that was read for them."""

    events: list[Event]
    line: int


class EventReader:
    """Events of one open file, in the order of the file, in bounded memory.

    One thread at a time. A file that is opened by name is closed by `close`; an open file that
    was handed in stays open.

    Parameters
    ----------
    reopen
        Opens the file once more, to look at all of its times; `None` for what is read once only.

    Raises
    ------
    FormatError
        From the constructor and from `blocks`, with file and line.
    """

    def __init__(
        self,
        container: Container,
        options: EventReadOptions,
        reopen: Callable[[], Container] | None = None,
    ) -> None:
        self._container = container
        #: The file's name for messages, ``-`` for standard input.
        self.name = container.name
        #: What belongs before bad events that are kept, such as the header of CSV.
        self.heading = container.heading
        self.tally = Tally()
        self._options = options
        self._times: EventTimes | None = None
        try:
            if container.columns:
                self._interpret(reopen)
        except BaseException:
            self.close()
            raise

    def _interpret(self, reopen: Callable[[], Container] | None) -> None:
        """Decide what the columns mean."""
        container, options = self._container, self._options
        names = [heading.name.strip() for heading in container.columns if not heading.hidden]
        own = has_objects(container) and {STREAM, UUID} <= set(names)
        if own and options.start_time is not None:
            raise FormatError(
                "Joule wrote these events: their times do not count from a start time",
                file=self.name,
                hint="leave out --start-time",
            )
        if own:
            # its times are what they are
            options = replace(options, accept_times=True)
        missing = MissingValues(options)
        sample = container.sample()
        marks = Marks()
        if not is_ours(names) or (options.decimal, options.thousands) != (None, None):
            marks = settle_marks(container, sample, options, missing)
        chooser = EventChooser(container, sample, options, missing, _is_number(marks))
        columns = chooser.event_columns()
        self._where = columns.where
        self._contents = EventContents(container, columns, marks, options)
        self._times = EventTimes(
            *(container, chooser, columns, options, missing, reopen),
            own=own,
            decimal=marks.decimal,
        )
        needed = columns.needed | ({0} if self._contents.objects else set())
        container.choose(needed, needed)

    @property
    def unit(self) -> str:
        """What the numbers of blocks and bad events count: ``line`` or ``row``."""
        return self._container.unit

    @property
    def share(self) -> float | None:
        """The share of the file that the events given so far come from; as `Reader.share`."""
        return self._container.share

    def blocks(self) -> Iterator[EventBlock]:
        """Give blocks of some thousand events, fewer from a slow pipe, at least one each."""
        for spans in self._spans():
            yield from self._blocks(spans)
        self.tally.warnings += [f"{self.name}: {text}" for text in self._container.warnings]

    def _spans(self) -> Iterator[Spans]:
        """Give batches whose times are instants."""
        waiting: list[Spans] = []
        times = self._times
        for batch in self._container.batches():
            if batch is None or not batch.size:
                continue
            if times is None:
                # nothing in the file is an event
                self._refuse_all(batch, Problems(batch.bad), np.ones(batch.size, bool))
                continue
            waiting.append(times.read(batch))
            many = sum(span.batch.size for span in waiting) >= _MOST_WAITING
            if not times.local or times.to_instants(waiting, more=not many):
                yield from waiting
                waiting = []
        if waiting and times is not None:
            times.to_instants(waiting, more=False)
            yield from waiting

    def _blocks(self, spans: Spans) -> Iterator[EventBlock]:
        """Make events of a batch; the bad ones are handed out, or the first is an error."""
        assert self._times is not None
        batch, problems = spans.batch, spans.problems
        problems.found.update(batch.bad)
        self._times.check(spans)
        contents = self._contents.contents(batch, problems)
        ids, streams, nodes = self._contents.parts(batch, problems)
        wanted = np.ones(batch.size, bool)
        for at, value in self._where:
            wanted &= np.array([value in {"*", _text(cell)} for cell in cells_of(batch, at)], bool)
        self.tally.filtered += batch.size - int(wanted.sum())
        self._refuse_all(batch, problems, wanted)
        starts, ends = spans.starts.tolist(), spans.ends.tolist()
        for row in np.flatnonzero(~spans.ended).tolist():
            ends[row] = None
        events = list(map(Event, starts, ends, contents, ids, streams, nodes))
        rows = np.flatnonzero(wanted).tolist()
        for begin in range(0, len(rows), _BLOCK_EVENTS):
            part = rows[begin : begin + _BLOCK_EVENTS]
            self.tally.rows += len(part)
            yield EventBlock([events[row] for row in part], batch.number(part[-1]))

    def _refuse_all(self, batch: Batch, problems: Problems, wanted: Mask) -> None:
        """Hand out the bad events among those that are wanted, or fail at the first."""
        for row in sorted(problems.found):
            if wanted[row]:
                self._refuse(batch, row, problems)
                wanted[row] = False

    def _refuse(self, batch: Batch, row: int, problems: Problems) -> None:
        reason, number = problems.found[row], batch.number(row)
        if self._options.on_reject is not None:
            self.tally.rejected += 1
            self._options.on_reject(number, batch.text(row), reason.text)
            return
        is_line = self.unit == "line"
        raise FormatError(
            reason.text if is_line else f"row {number}: {reason.text}",
            file=self.name,
            line=number if is_line else None,
            hint=reason.hint or "use --on-error skip to leave such events out",
        )

    def close(self) -> None:
        """Close what was opened; a second call does nothing."""
        self._container.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _is_number(marks: Marks) -> Callable[[Any], bool]:
    def is_number(cell: Any) -> bool:
        if not isinstance(cell, str):
            return isinstance(cell, int | float)
        try:
            float(marks.bare(cell.strip()))
        except ValueError:
            return False
        return "_" not in cell

    return is_number


def _text(cell: Any) -> str:
    return "" if cell is None else cell.strip() if isinstance(cell, str) else str(cell)
