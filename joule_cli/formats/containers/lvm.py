"""Measurement files of LabVIEW in text (``.lvm``)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from joule_cli.errors import FormatError
from joule_cli.formats.containers.base import Heading, Told
from joule_cli.formats.containers.foreign import foreign
from joule_cli.formats.containers.line_table import BREAK, LineTable
from joule_cli.formats.numbers import shorten
from joule_cli.formats.table.problems import Reason

if TYPE_CHECKING:
    from collections.abc import Sequence

_MAGIC: Final = "LabVIEW Measurement"
_END: Final = "***End_of_Header***"
_SPECIAL_BEGIN, _SPECIAL_END = "***Start_Special***", "***End_Special***"
_SEPARATORS: Final = {"tab": "\t", "comma": ",", "semicolon": ";"}
#: What LabVIEW counts seconds from, and how many there are at least of an absolute time.
_EPOCH: Final = datetime(1904, 1, 1, tzinfo=UTC)
_ABSOLUTE: Final = 1e8
_TIME, _X, _COMMENT = "time", "X_Value", "Comment"
_CLOCK: Final = re.compile(r"(\d{1,2}):(\d{2}):(\d{2})(?:[.,](\d+))?\s*([AP]M)?", re.IGNORECASE)

#: Where a line stands: in the header of the file, in that of a segment, above the rows, in them.
_IN_FILE, _IN_SEGMENT, _AT_NAMES, _IN_ROWS = range(4)


@dataclass(frozen=True, slots=True)
class _State:
    """What the lines so far have said.

    Parameters
    ----------
    file, segment
        What the headers hold: the cells of a line by the first of them.
    names
        Of the columns of the file, those of times included.
    base
        By the clock of the computer: the time of the segment, or `None`.
    """

    place: int = _IN_FILE
    special: bool = False
    separator: str = "\t"
    decimal: str = "."
    file: dict[str, list[str]] = field(default_factory=dict)
    segment: dict[str, list[str]] = field(default_factory=dict)
    names: tuple[str, ...] = ()
    base: datetime | None = None
    row: int = 0
    n_segments: int = 0

    def told(self, key: str, at: int = 0) -> str:
        """Return what the headers say, that of the segment first."""
        for pairs in (self.segment, self.file):
            cells = pairs.get(key, [])
            if len(cells) > at and cells[at].strip():
                return cells[at].strip()
        return ""

    def number(self, key: str) -> float:
        """Return a number of the headers, 0 if it is not there."""
        try:
            return float(self.told(key).replace(self.decimal, "."))
        except ValueError:
            return 0.0


class LvmContainer(LineTable):
    """Channels below a header, with a column of times or a step between the rows.

    Segments, each with a header of its own, follow each other with a break between two.
    """

    kind = "LabVIEW measurement"

    def _open(self) -> None:
        self._state = _State()
        lines = self._ahead()
        if not lines or not lines[0].startswith(_MAGIC):
            head = "\n".join(lines[:5]).encode("utf-8", "replace")
            known = foreign(head, self.name)
            raise known or FormatError("the file is not a LabVIEW measurement", file=self.name)
        for line in lines:
            self._row(line)
            if self._state.place == _IN_ROWS:
                break
        else:
            raise FormatError("the header has no end, the file may be cut", file=self.name)
        state = self._state
        self._state = _State()
        dimension = state.told("X_Dimension") or "Time"
        self._of_time = dimension.lower() == "time"
        is_dated = self._of_time and (state.base is not None or _is_absolute(state))
        self.columns = [
            Heading(
                name=_TIME if self._of_time else dimension,
                units="" if is_dated else state.told("X_Unit_Label") or "s",
            )
        ]
        values = [at for at, name in enumerate(state.names) if name != _X]
        for channel, at in enumerate(values):
            name = state.names[at]
            if name == _COMMENT and at == len(state.names) - 1:
                self.columns.append(Heading(name=name, kind="text", hidden=True))
            else:
                self.columns.append(Heading(name=name, units=state.told("Y_Unit_Label", channel)))
        self._names = state.names
        self.told = Told(time_column=_TIME if self._of_time else None)

    def _row(self, line: str) -> Sequence[Any] | Reason | None:
        state: _State = self._state
        cells = line.split(state.separator)
        key = cells[0].strip()
        if state.special or key == _SPECIAL_BEGIN:
            self._state = replace(state, special=key != _SPECIAL_END)
            return None
        if state.place == _IN_ROWS:
            if not line.strip():
                return None
            if key != "Channels" and not key.startswith(_MAGIC):
                return self._cells(state, cells)
            state = replace(state, place=_IN_SEGMENT, segment={})
            if key.startswith(_MAGIC):
                state = replace(state, place=_IN_FILE, file={})
        if state.place == _AT_NAMES:
            return self._begin(state, cells) if line.strip() else None
        if key.startswith(_END):
            self._state = replace(state, place=state.place + 1)
        elif key:
            self._state = _with(state, key, line, cells[1:])
        return None

    def _begin(self, state: _State, cells: list[str]) -> Reason | None:
        """Begin the rows of a segment, below the names of its columns."""
        names = [cell.strip() for cell in cells]
        while names and not names[-1]:
            names.pop()
        if getattr(self, "_names", tuple(names)) != tuple(names):
            raise FormatError(
                "the segments of the file have different channels",
                file=self.name,
                hint="save each segment in a file of its own",
            )
        self._state = replace(
            state,
            place=_IN_ROWS,
            names=tuple(names),
            base=_read_date(state),
            row=0,
            n_segments=state.n_segments + 1,
        )
        return BREAK if state.n_segments else None

    def _cells(self, state: _State, cells: list[str]) -> Sequence[Any] | Reason:
        """Return the time and the values of a row."""
        names = state.names
        self._state = replace(state, row=state.row + 1)
        if len(cells) > len(names) and any(cell.strip() for cell in cells[len(names) :]):
            return Reason(f"expected {len(names)} columns, found {len(cells)}")
        cells = [cell.strip() for cell in cells] + [""] * (len(names) - len(cells))
        if state.decimal != ".":
            cells = [
                cell if name == _COMMENT else cell.replace(state.decimal, ".")
                for cell, name in zip(cells, names, strict=False)
            ]
        times = {cells[at] for at, name in enumerate(names) if name == _X}
        if len(times) > 1:
            return Reason(
                "the channels have different times", "save the measurement with one X column"
            )
        row: list[Any] = [self._time(state, times.pop() if times else "")]
        if isinstance(row[0], Reason):
            return row[0]
        row += [cell or None for cell, name in zip(cells, names, strict=False) if name != _X]
        return row

    def _time(self, state: _State, text: str) -> Any:
        """Return the time of a row: what it says, or so many steps from the beginning."""
        try:
            if text:
                seconds = float(text)
            elif state.told("X_Columns").lower() == "no":
                seconds = state.number("X0") + state.row * state.number("Delta_X")
            else:
                return None
            if not self._of_time:
                return seconds
            if seconds >= _ABSOLUTE and _is_absolute(state):
                return _EPOCH + timedelta(seconds=seconds)
            return seconds if state.base is None else state.base + timedelta(seconds=seconds)
        except (ValueError, OverflowError):
            return Reason(f"{shorten(text)} is not a time in seconds")


def _with(state: _State, key: str, line: str, cells: list[str]) -> _State:
    """Take note of a line of a header."""
    if state.place == _IN_SEGMENT:
        return replace(state, segment=state.segment | {key: cells})
    state = replace(state, file=state.file | {key: cells})
    if key.startswith("Separator"):
        # it stands behind the separator that it names
        word = re.split(r"[\t,;\s]+", line.strip())[-1].lower()
        return replace(state, separator=_SEPARATORS.get(word, state.separator))
    if key == "Decimal_Separator":
        return replace(state, decimal=line[len(key) + 1 : len(key) + 2].strip() or ".")
    return state


def _is_absolute(state: _State) -> bool:
    return state.told("Time_Pref").lower() == "absolute"


def _read_date(state: _State) -> datetime | None:
    """Return the time that a header tells, by the clock of the computer that wrote it."""
    found = _CLOCK.match(state.told("Time"))
    digits = re.findall(r"\d+", state.told("Date"))
    if found is None or len(digits) != 3:
        return None
    hour, minute, second, fraction, half = found.groups()
    if half:
        hour = str(int(hour) % 12 + (12 if half.lower() == "pm" else 0))
    us = int(((fraction or "") + "000000")[:6])
    try:
        # the year comes first, whatever the language
        year, month, day = map(int, digits)
        return datetime(year, month, day, int(hour), int(minute), int(second), us)
    except ValueError:
        return None
