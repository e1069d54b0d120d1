"""The column, or the columns, of times of one file."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from joule_cli.formats.numbers import shorten
from joule_cli.formats.table.dates import DAY_US
from joule_cli.formats.table.forms import Form, NumberForm, PartsForm
from joule_cli.formats.table.names import zone_in_name
from joule_cli.formats.table.problems import Problems, Reason
from joule_cli.formats.table.settle import EARLIEST_NS, LATEST_NS
from joule_cli.series.time_output import format_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from joule_cli.formats.containers.base import Batch, Cells, Container
    from joule_cli.formats.table.options import ReadOptions

Stamps = npt.NDArray[np.int64]
_EARLIEST, _LATEST = EARLIEST_NS // 1000, LATEST_NS // 1000


class Read(NamedTuple):
    """Times as they were read: µs, and which of them are instants (`None` for all)."""

    stamps: Stamps
    instants: npt.NDArray[np.bool_] | None


class TimeColumn:
    """Reads the times of a file in one form.

    Parameters
    ----------
    positions
        Of the columns; the texts of several are put together, unless each is a part.
    tz
        Zone of local times.
    decimal
        The decimal mark of numbers.
    guessed
        The unit of numbers was found out by their size, which later ones must fit.
    """

    def __init__(
        self,
        positions: Sequence[int],
        form: Form,
        tz: tzinfo,
        options: ReadOptions,
        *,
        guessed: bool,
        decimal: str = ".",
    ) -> None:
        self.positions = list(positions)
        self.form = form
        self.tz = tz
        self._options = options
        self._commas = decimal == "," and isinstance(form, NumberForm)
        self._guessed = guessed and isinstance(form, NumberForm) and options.start_time is None

    @property
    def local(self) -> bool:
        """Whether times may be those of a local clock."""
        return self.form.local and self.tz is not UTC

    def cells(self, batch: Batch) -> Cells:
        """Return the cells that the form reads."""
        columns = [batch.column(position) for position in self.positions]
        if isinstance(self.form, PartsForm):
            return columns
        cells = columns[0] if len(columns) == 1 else joined(columns)
        if self._commas and isinstance(cells, list):
            return [with_point(cell) for cell in cells]
        return cells

    def read(self, batch: Batch, problems: Problems) -> Read:
        """Read the times of a batch."""
        stamps, instants = self.form.read(self.cells(batch), problems)
        if instants is None and not self.form.local:
            return Read(stamps, None)
        if instants is None:
            instants = np.zeros(len(stamps), bool)
        return Read(stamps, instants)

    def shown(self, batch: Batch, row: int) -> str:
        """Return the time of a row as the file has it."""
        cells = [batch.cell(row, position) for position in self.positions]
        return " ".join(str(cell).strip() for cell in cells)

    def doubts(self, stamps: Stamps) -> npt.NDArray[np.bool_] | None:
        """Tell which times, µs UTC, are hardly meant; `None` for none."""
        clock = self._options.clock
        if self._options.accept_times or not len(stamps) or not (clock or self._guessed):
            return None
        latest = _LATEST if clock is None else clock() + DAY_US
        earliest = DAY_US
        if self._guessed:
            earliest, latest = _EARLIEST, min(_LATEST, latest)
        if int(stamps.min()) >= earliest and int(stamps.max()) <= latest:
            return None
        doubted = stamps > latest
        doubted |= stamps < earliest if self._guessed else np.abs(stamps) < DAY_US
        return doubted if doubted.any() else None

    def doubt(self, text: str, stamp: int) -> Reason:
        """Say what is doubtful about a time."""
        when = "in the first day of 1970" if abs(stamp) < DAY_US else "in the future"
        clock = self._options.clock
        if clock is not None and abs(stamp) >= DAY_US and stamp <= clock() + DAY_US:
            when = "not between 1990 and 2100"
        form = ""
        ways = "use --time-format if it is in another form"
        if isinstance(self.form, NumberForm) and text != format_time(stamp, "us"):
            form = f" in {self.form.label}"
        if isinstance(self.form, NumberForm) and not self.form.local:
            ways = (
                "use --time-format s, ms, us or ns for another unit, --start-time T if times count "
                "from the beginning of the recording"
            )
        shown = format_time(stamp, "human", UTC)
        if shown.lstrip("-").isdecimal():
            shown, when = "no date", "not between the years 1 and 9999"
        return Reason(
            f"the time {shorten(text)}{form} is {shown}, {when}",
            f"{ways}, or --accept-times if it is right",
        )


def with_point(cell: Any) -> Any:
    """Write a number of seconds with a decimal point."""
    return cell.replace(",", ".") if isinstance(cell, str) and cell.count(",") == 1 else cell


def zone_of(names: Iterable[str], options: ReadOptions) -> tuple[tzinfo, str | None]:
    """Return the zone of times that name none, and what the names of columns tell about it."""
    told = next((zone for name in names if (zone := zone_in_name(name))), None)
    if options.tz is not None:
        return options.tz, told
    if told is None:
        return options.local, None
    from joule_cli.series.zones import find_zone

    return find_zone(told) or options.local, told


def all_texts(container: Container, columns: Sequence[Sequence[int]]) -> Iterator[str]:
    """Give all times of a file as text, and close it; each of `columns` is one or several."""
    positions = {at for column in columns for at in column}
    container.choose(positions, positions)
    try:
        for batch in container.batches():
            for part in () if batch is None else (batch, batch.odd_rows):
                for column in columns if part is not None and part.size else ():
                    cells = [part.column(at) for at in column]  # type: ignore[union-attr]  # seen above
                    yield from map(str, cells[0] if len(cells) == 1 else joined(cells))
    finally:
        container.close()


def joined(columns: Sequence[Cells]) -> list[Any]:
    """Put the texts of several columns together, row by row."""
    return [" ".join(map(_text, row)) for row in zip(*columns, strict=True)]


def _text(cell: Any) -> str:
    if cell is None:
        return ""
    if isinstance(cell, datetime) and not (cell.hour or cell.minute or cell.second):
        # a date as a spreadsheet has it
        return cell.date().isoformat()
    return cell.strip() if isinstance(cell, str) else str(cell)
