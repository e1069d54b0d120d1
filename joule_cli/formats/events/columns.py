"""Which column of a table, or key of objects, is which part of an event."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from joule_cli.formats.events.base import CONTENT, END, ID, START, STREAM, UUID
from joule_cli.formats.numbers import shorten
from joule_cli.formats.table.columns import Chooser
from joule_cli.formats.table.dates import family_of, is_date_only
from joule_cli.formats.table.names import time_rank

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from joule_cli.formats.containers.base import Container

#: Names that are sure to be those of starts and ends, and others without case and marks.
_SURE: Final = {START: (START, "start"), END: (END, "end")}
_NAMES: Final = {
    START: re.compile(
        r"start(time|date|datetime|timestamp|ts|ed|edat)?|begin(time|date|n)?|timestart|onset"
        r"|from(time|date)?|validfrom|startzeit|anfang|(datum|zeit)?von|debut|inicio"
    ),
    END: re.compile(
        r"(end|stop)(time|date|datetime|timestamp|ts|ed|edat)?|stopped|finish(ed)?|timeend|until"
        r"|to(time|date)?|validto|ende|endzeit|(datum|zeit)?bis|fin"
    ),
}


@dataclass(slots=True)
class EventColumns:
    """Positions of the columns by their part of an event.

    Parameters
    ----------
    start, end
        One column each, or several that are put together; `end` may be empty.
    parts
        Positions of `ID`, `CONTENT`, `STREAM` and `UUID`, as far as they are there.
    fields
        Names of the fields of the content, by the position of their column.
    """

    start: list[int]
    end: list[int] = field(default_factory=list)
    parts: dict[str, int] = field(default_factory=dict)
    fields: dict[int, str] = field(default_factory=dict)
    where: list[tuple[int, str]] = field(default_factory=list)

    @property
    def needed(self) -> set[int]:
        """All that are read."""
        others = (at for at, _ in self.where)
        return {*self.start, *self.end, *self.parts.values(), *self.fields, *others}


def has_objects(container: Container) -> bool:
    """Tell whether the first column holds objects of JSON, which may have further keys."""
    first = container.columns[0]
    return first.hidden and first.kind == "other"


def _is_named(part: str, name: str) -> bool:
    bare = re.sub(r"[^a-z]", "", re.sub(r"[\[(].*", "", name).lower())
    return _NAMES[part].fullmatch(bare) is not None


def may_be_times(name: str) -> bool:
    """Tell whether a column of this name may hold starts."""
    return _is_named(START, name) or time_rank(name) is not None


def may_be_end(name: str) -> bool:
    """Tell whether a key of this name may hold the ends."""
    return _is_named(END, name)


class EventChooser(Chooser):
    """Chooses the columns of the events of one file."""

    def event_columns(self) -> EventColumns:
        """Return what each column is.

        Raises
        ------
        FormatError
            There are no starts, or a column that is named is not there, or two have one name.
        """
        if not has_objects(self._container):
            self.names = [name.strip() for name in self.names]
        where = [(self.find(name, "--where"), value) for name, value in self._options.where]
        times = self._rename()
        start = times.get(START) or self._search(START, ()) or self._any_times(times.get(END, []))
        if not start:
            raise self._error(
                f"there is no column '{START}', only {self.listed(self._known)}",
                f"use --map NAME={START} with the name of the column of the starts",
            )
        end = times.get(END) or self._search(END, start)
        start, end = self._whole(START, start, end), self._whole(END, end, start)
        found = EventColumns(start, end, where=where)
        own = (ID, CONTENT, STREAM, UUID) if has_objects(self._container) else (ID, CONTENT)
        found.parts = {part: self._only(part) for part in own if part in self.names}
        taken = {*found.needed} - {at for at, _ in where}
        found.fields = self._fields(taken)
        return found

    @property
    def _known(self) -> list[str]:
        """Names of the columns that are there for sure."""
        pairs = zip(self.names, self.headings, strict=True)
        return [name for name, heading in pairs if not heading.hidden]

    def _rename(self) -> dict[str, list[int]]:
        """Give the columns their names by ``--map``; return those of times put together."""
        times: dict[str, list[int]] = {}
        renamed: dict[int, str] = {}
        for name, part in (self._options.renames or {}).items():
            several = name not in self.names and "," in name
            positions = [self.find(ref.strip(), "--map") for ref in name.split(",") if several]
            positions = positions or [self.find(name, "--map")]
            part = {"start": START, "end": END}.get(part, part)
            if part in {START, END}:
                times[part] = positions
            elif several:
                raise self._error(f"--map: only times are put together, not {shorten(part)}")
            renamed.update(dict.fromkeys(positions, part))
        for at, part in renamed.items():
            self.names[at] = part
        return times

    def _only(self, name: str) -> int:
        """Return the position of a name that must not occur twice."""
        places = [at for at, known in enumerate(self.names) if known == name]
        if len(places) > 1:
            raise self._error(
                f"there are two columns {shorten(name)}",
                f"use --map {places[1]}=NAME to give one of them another name; columns are "
                "counted from 0",
            )
        return places[0]

    def _search(self, part: str, taken: Sequence[int]) -> list[int]:
        """Return the column of starts or ends, by its name."""
        for name in _SURE[part]:
            if name in self.names:
                return [self._only(name)]
        return [at for at in self._free(taken) if self._is(part, at) and self._may_be(at)][:1]

    def _is(self, part: str, at: int) -> bool:
        return _is_named(part, self.names[at])

    def _free(self, taken: Collection[int]) -> list[int]:
        return [at for at in range(len(self.names)) if at not in taken]

    def _any_times(self, end: Sequence[int]) -> list[int]:
        """Return the only column of times, or the one with the best name."""
        free = self._free({*end, *self._search(END, ())})
        typed = [at for at in free if self.headings[at].kind == "time"]
        named = [at for at in free if time_rank(self.names[at]) is not None and self._may_be(at)]
        dated = [at for at in free if self._holds_dates(at)]
        found = typed or named or (dated if len(dated) == 1 else [])
        ranks = {at: time_rank(self.names[at]) for at in found}
        return sorted(found, key=lambda at: (ranks[at] is None, ranks[at], at))[:1]

    def _whole(self, part: str, columns: list[int], others: Sequence[int]) -> list[int]:
        """Put a column of days and one with the times of the day together."""
        if len(columns) != 1:
            return columns
        (at,) = columns
        has_days = self._has_days(at)
        if not has_days and not self.is_time_of_day(at):
            return columns
        rest = self._free({at, *others})
        matches = self.is_time_of_day if has_days else self._has_days
        rest = [o for o in rest if matches(o)]
        found = [o for o in rest if self._is(part, o)]
        if part == START and not found:
            # a time of day may be a duration, unless its name says it
            timed = (o for o in rest if not has_days or time_rank(self.names[o]) is not None)
            found = [o for o in timed if not self._is(END, o)]
        if not found:
            return columns
        return [at, found[0]] if has_days else [found[0], at]

    def _all(self, at: int, test: Callable[[str], bool]) -> bool:
        texts = self._texts(at)
        return bool(texts) and all(map(test, texts))

    def _has_days(self, at: int) -> bool:
        return self._all(at, is_date_only)

    def is_time_of_day(self, at: int) -> bool:
        """Tell whether a column holds nothing but times of day."""
        return self._all(at, lambda text: family_of(text) == "tod")

    def _fields(self, taken: set[int]) -> dict[int, str]:
        """Return the columns that are fields of the content."""
        wanted: Iterable[int] = range(len(self.names))
        if self._options.use_columns is not None:
            wanted = [self.find(ref, "--use-columns") for ref in self._options.use_columns]
        fields = {}
        for at in wanted:
            name = self.names[at]
            if at in taken or self.headings[at].hidden or (not name and self._says_nothing(at)):
                continue
            if not name:
                raise self._error(
                    f"the column {at} has no name",
                    f"use --map {at}=NAME to give it one; columns are counted from 0",
                )
            fields[self._only(name)] = name
        return fields

    def _says_nothing(self, at: int) -> bool:
        """Tell whether a column without a name is empty or numbers the rows."""
        texts = self._texts(at)
        return any(texts == list(map(str, range(i, i + len(texts)))) for i in (0, 1))
