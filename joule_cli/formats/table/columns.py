"""Which column of a table is what: times, values, intervals, labels."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from joule_cli.errors import FormatError
from joule_cli.formats.numbers import shorten
from joule_cli.formats.table.dates import family_of, is_date_only
from joule_cli.formats.table.names import is_label, part_of_time, time_rank, without_units
from joule_cli.series.csv_text import names_text, read_names
from joule_cli.series.nearest import nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from joule_cli.formats.containers.base import Batch, Cells, Container, Heading
    from joule_cli.formats.table.options import ReadOptions
    from joule_cli.formats.table.values import MissingValues

_LISTED = 20


@dataclass(slots=True)
class Columns:
    """Positions of the columns by their role.

    Parameters
    ----------
    times
        Of the times, put together; empty if the rows have none.
    parts
        What each of `times` holds, where each is a part such as the month.
    values
        In the order of the file.
    """

    times: list[int] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)
    values: list[int] = field(default_factory=list)
    interval: int | None = None
    where: list[tuple[int, str]] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)

    @property
    def needed(self) -> set[int]:
        """All that are read."""
        found = {*self.times, *self.values, *self.labels, *(at for at, _ in self.where)}
        return found if self.interval is None else found | {self.interval}


class Chooser:
    """Chooses the columns of one table, by the options, by their names, by what they hold."""

    def __init__(
        self,
        container: Container,
        sample: Batch,
        options: ReadOptions,
        missing: MissingValues,
        is_number: Callable[[Any], bool],
    ) -> None:
        self._container = container
        self._sample = sample
        self._options = options
        self._missing = missing
        self._is_number = is_number
        self.headings: Sequence[Heading] = container.columns
        self.names = [heading.name for heading in self.headings]

    def choose(self) -> Columns:
        """Return what each column is.

        Raises
        ------
        FormatError
            A column that is named is not there, or what the columns hold leaves no choice.
        """
        options, told = self._options, self._container.told
        if not self.headings:
            raise self._error("the file has no columns")
        found = Columns()
        found.where = [(self.find(name, "--where"), value) for name, value in options.where]
        found.labels = [self.find(name, "the stream's path") for name in options.labels]
        if options.stamps is None:
            self._choose_times(found)
        elif options.time_column is not None:
            raise self._error("--time-column is not for rows whose times are given")
        if options.interval_column is not None:
            found.interval = self.find(options.interval_column, "--interval-column")
        elif told.interval_column in self.names:
            found.interval = self.names.index(str(told.interval_column))
        if options.use_columns is not None:
            found.values = [self.find(ref, "--use-columns") for ref in options.use_columns]
        else:
            self._choose_values(found)
        if not found.values:
            if not found.times:
                raise self._error("expected at least one value")
            raise self._error(
                "expected a timestamp and at least one value",
                "values without times are stored by joule data write STREAM FILE "
                "--timestamps T --rate HZ",
            )
        self._check_kinds(found)
        if options.use_columns is None and options.elements is None and not options.live:
            self._check_values(found)
        return found

    def find(self, ref: str | int, option: str) -> int:
        """Return the position of a column by its name or its index."""
        names = self.names
        if isinstance(ref, str):
            bare = [name.strip() for name in names]
            for known in (names, bare, list(map(without_units, bare))):
                if known.count(ref) == 1:
                    return known.index(ref)
                if ref in known:
                    places = ", ".join(str(at) for at, name in enumerate(known) if name == ref)
                    raise self._error(
                        f"several columns are called {shorten(ref)}",
                        f"{option}: choose one by its index, counted from 0: {places}",
                    )
        if isinstance(ref, int) or ref.isdecimal():
            if 0 <= int(ref) < len(names):
                return int(ref)
            raise self._error(
                f"there is no column {ref}, the file has {len(names)} columns, counted from 0"
            )
        if not any(names):
            raise self._error(
                f"there is no column {shorten(ref)}: the columns have no names",
                f"{option}: choose columns by their index, counted from 0",
            )
        near = " or ".join(map(shorten, nearest(ref, names)))
        hint = f"did you mean {near}?" if near else None
        raise self._error(f"there is no column {shorten(ref)}, only {self.listed(names)}", hint)

    def _choose_times(self, found: Columns) -> None:
        wanted = self._options.time_column
        if wanted is None:
            self._guess_times(found)
            return
        if isinstance(wanted, str) and wanted not in self.names:
            refs = read_names(wanted)
            found.times = [self.find(ref, "--time-column") for ref in refs]
        else:
            found.times = [self.find(wanted, "--time-column")]
        for at in found.times:
            if self.headings[at].kind == "other":
                raise self._error(f"{self._other(at)}, not times")
        self._set_parts(found)

    def _set_parts(self, found: Columns) -> None:
        parts = [part_of_time(self.names[at]) for at in found.times]
        if len(parts) > 1 and parts[0] == "year" and None not in parts:
            found.parts = [str(part) for part in parts]

    def _guess_times(self, found: Columns) -> None:
        headings, told = self.headings, self._container.told
        if told.time_column in self.names:
            found.times = [self.names.index(str(told.time_column))]
            return
        taken = {*found.labels, *(at for at, _ in found.where)}
        free = [at for at, heading in enumerate(headings) if at not in taken]
        if "timestamp" in self.names:
            found.times = [self.names.index("timestamp")]
            return
        typed = [at for at in free if headings[at].kind == "time"]
        if typed:
            found.times = [min(typed, key=lambda at: (_rank(self.names[at]), at))]
            return
        parts = {part_of_time(self.names[at]): at for at in reversed(free)}
        if {"year", "month", "day"} <= parts.keys():
            order = ("year", "month", "day", "hour", "minute", "second", "us")
            found.parts = [part for part in order if part in parts]
            found.times = [parts[part] for part in found.parts]
            return
        named = [at for at in free if time_rank(self.names[at]) is not None and self._may_be(at)]
        dated = [at for at in free if self._holds_dates(at)]
        for places in (named, dated):
            if places:
                best = min(places, key=lambda at: (_rank(self.names[at]), at))
                found.times = self._with_clock(best, free)
                return
        usable = [at for at in free if headings[at].kind != "other" and not headings[at].hidden]
        if not usable:
            raise self._error("the file has no column that can be the times")
        found.times = [usable[0]]

    def _with_clock(self, at: int, free: Sequence[int]) -> list[int]:
        """Add the column with the time of day to one with dates alone, or the other way round."""
        cells = self._texts(at)
        if cells and all(map(is_date_only, cells)):
            for other in free:
                if other != at and self._family(other) == "tod":
                    return [at, other]
        if cells and all(family_of(cell) == "tod" for cell in cells):
            for other in free:
                if other != at and (texts := self._texts(other)) and all(map(is_date_only, texts)):
                    return [other, at]
        return [at]

    def _choose_values(self, found: Columns) -> None:
        taken = found.needed
        free = [
            at
            for at, heading in enumerate(self.headings)
            if at not in taken and not heading.hidden and not self._is_nameless(at, taken)
        ]
        renames = self._options.renames or {}
        if self._options.elements is not None and not self._options.by_position:
            wanted = {*self._options.elements, *renames}
            if {name for at in free if (name := self.names[at])} >= wanted:
                # columns that no element asks for, if they cannot be values anyway
                free = [at for at in free if self.names[at] in wanted or not self._is_textual(at)]
        found.values = free
        names = [self.names[at] for at in free if self.names[at]]
        if self._options.elements is None and not self._options.by_position:
            for name in names:
                if names.count(name) > 1:
                    # which is refused
                    self.find(name, "--use-columns")

    def _is_nameless(self, at: int, taken: Collection[int]) -> bool:
        """Tell whether a column is no more than a separator at the end of lines."""
        named = any(name for i, name in enumerate(self.names) if i not in taken)
        if self.names[at] or not named or at != len(self.names) - 1:
            return False
        return all(self._missing.is_missing(cell) for cell in _plain(self._sample.column(at)))

    def _check_kinds(self, found: Columns) -> None:
        """Refuse columns of text, with the names of those that can be taken."""
        bad = [at for at in found.values if self._is_textual(at)]
        if not bad:
            return
        if self.headings[bad[0]].kind == "other":
            raise self._error(f"{self._other(bad[0])}, not numbers", self._leaving_out(found, bad))
        shown = self._first_text(bad[0])
        what = "times" if self._holds_dates(bad[0]) else "text"
        hint = self._leaving_out(found, bad)
        labels = [at for at in bad if is_label(self.names[at]) and len(set(self._texts(at))) > 1]
        if labels:
            name = self.names[labels[0]]
            value = self._texts(labels[0])[0]
            hint += (
                f", with --where {shlex.quote(f'{name}={value}')} to take one of the series, or "
                f"--stream '/FOLDER/{{{name}}}' to store each in a stream"
            )
        elif what == "text" and shown:
            hint += ", or --missing-values for words that stand for no value"
        raise self._error(
            f"the column {self._column_name(bad[0])} holds {what}"
            + (f", such as {shorten(shown)}" if shown else ", not numbers"),
            hint,
        )

    def _leaving_out(self, found: Columns, bad: Collection[int]) -> str:
        good = [at for at in found.values if at not in bad and self._is_useful(at)]
        if not good:
            return "use --use-columns to choose columns with numbers"
        chosen = shlex.quote(names_text([_listed_name(self.names[at], at) for at in good]))
        return f"use --use-columns {chosen} to leave it out"

    def _other(self, at: int) -> str:
        """Say what a column holds that is neither time nor value."""
        cells = [str(cell) for cell in _plain(self._sample.column(at)) if cell is not None]
        return f"the column {self._column_name(at)} holds {cells[0] if cells else 'something else'}"

    def _check_values(self, found: Columns) -> None:
        """Refuse columns in which nothing stands, which a new stream hardly needs."""
        empty = [at for at in found.values if not self._has_values(at)]
        if not empty or not self._sample.size:
            return
        names = [_listed_name(self.names[at], at) for at in found.values if at not in empty]
        hint = "use --use-columns to choose columns with values"
        if names:
            chosen = shlex.quote(names_text(names))
            every = shlex.quote(
                names_text([_listed_name(self.names[at], at) for at in found.values])
            )
            hint = (
                f"use --use-columns {chosen} to leave it out, or {every} to store it all the same"
            )
        raise self._error(f"the column {self._column_name(empty[0])} holds no value", hint)

    def _has_values(self, at: int) -> bool:
        return any(not self._missing.is_missing(cell) for cell in _plain(self._sample.column(at)))

    def _is_textual(self, at: int) -> bool:
        """Tell whether most of what a column holds cannot be numbers."""
        heading = self.headings[at]
        if heading.kind in {"number", "other", "time"}:
            return heading.kind != "number"
        cells = [c for c in _plain(self._sample.column(at)) if not self._missing.is_missing(c)]
        numbers = sum(map(self._is_number, cells))
        return bool(cells) and 2 * numbers < len(cells)

    def _is_useful(self, at: int) -> bool:
        """Tell whether a column holds numbers that are more than those of its rows."""
        return self.names[at] != "#" and self._has_values(at)

    def _first_text(self, at: int) -> str:
        for cell in _plain(self._sample.column(at)):
            if not self._missing.is_missing(cell) and not self._is_number(cell):
                return str(cell)
        return ""

    def series_labels(self, found: Columns) -> list[int]:
        """Return the columns that seem to tell apart series, one of which the rows should be."""
        taken = found.needed
        return [
            at
            for at, heading in enumerate(self.headings)
            if at not in taken and heading.kind in {"any", "text"} and is_label(heading.name)
        ]

    def _texts(self, at: int) -> list[str]:
        return [
            str(cell)
            for cell in _plain(self._sample.column(at))
            if not self._missing.is_missing(cell)
        ]

    def _family(self, at: int) -> str | None:
        texts = self._texts(at)
        families = {family_of(text) for text in texts}
        return families.pop() if len(families) == 1 else None

    def _may_be(self, at: int) -> bool:
        """Tell whether a column can be the times: its cells are numbers or dates."""
        heading = self.headings[at]
        if heading.kind in {"number", "time"}:
            return True
        if heading.kind == "other":
            return False
        texts = self._texts(at)
        fits = sum(1 for text in texts if self._is_number(text) or family_of(text) is not None)
        return 2 * fits >= len(texts)

    def _holds_dates(self, at: int) -> bool:
        texts = self._texts(at) if self.headings[at].kind in {"any", "text"} else []
        dates = sum(1 for text in texts if family_of(text) not in {None, "short"})
        return bool(texts) and 2 * dates > len(texts)

    def _column_name(self, at: int) -> str:
        return _listed_name(shorten(self.names[at]) if self.names[at] else "", at)

    def listed(self, names: Iterable[str]) -> str:
        """Return names for a sentence."""
        found = [name for name in names if name]
        more = len(found) - _LISTED
        return ", ".join(map(shorten, found[:_LISTED])) + (f" and {more} more" if more > 0 else "")

    def _error(self, message: str, hint: str | None = None) -> FormatError:
        return FormatError(message, file=self._container.name, hint=hint)


def _rank(name: str) -> int:
    rank = time_rank(name)
    return 1000 if rank is None else rank


def _plain(cells: Cells) -> list[Any]:
    return cells.tolist() if isinstance(cells, np.ndarray) else cells


def _listed_name(name: str, at: int) -> str:
    return name or str(at)
