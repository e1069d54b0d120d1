"""What a table means: decided once, from its names and its first rows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from joule_cli.errors import ElementNamesError, FormatError
from joule_cli.formats.base import StreamHead
from joule_cli.formats.table.columns import Chooser
from joule_cli.formats.table.forms import PartsForm
from joule_cli.formats.table.marks import settle_marks
from joule_cli.formats.table.names import NAME_WITH_UNITS, without_units
from joule_cli.formats.table.parsing import BatchParser
from joule_cli.formats.table.settle import settle
from joule_cli.formats.table.times import TimeColumn, all_texts, joined, with_point, zone_of
from joule_cli.formats.table.values import MissingValues, ValueColumn, common_units
from joule_cli.model.data_stream import DATATYPES, Element
from joule_cli.series.element_names import match
from joule_cli.series.layout import Layout

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from joule_cli.formats.containers.base import Batch, Cells, Container
    from joule_cli.formats.table.options import ReadOptions

#: A cell longer than this is no number with its unit.
_LONGEST_WITH_UNITS = 32
_NAME_WITH_INDEX = re.compile(r"(.*)#(\d+)", re.DOTALL)


class Interpretation:
    """The meaning of one table: its columns, the form of its times, its elements.

    Raises
    ------
    FormatError
        The table cannot be read as the options say, something is in doubt, or the columns are
        not the elements of the stream that the rows are for.
    """

    def __init__(
        self,
        container: Container,
        options: ReadOptions,
        reopen: Callable[[], Container] | None = None,
    ) -> None:
        self.container = container
        if container.told.own:
            # its times are what they are
            options = replace(options, accept_times=True)
        self.options = options
        self._reopen = reopen
        self.sample: Batch = container.sample()
        self.missing = MissingValues(options)
        self.marks = settle_marks(container, self.sample, options, self.missing)
        chooser = Chooser(container, self.sample, options, self.missing, self.is_number)
        self.columns = chooser.choose()
        self.series_labels = chooser.series_labels(self.columns)
        names = [container.columns[at].name for at in self.columns.times]
        self.tz, self.zone_told = zone_of(names, options)
        self.times = self._time_column() if self.columns.times else None
        self._units = {at: self._units_of(at) for at in self.columns.values}
        self._arrange()
        self.elements = self._elements()
        #: Of the elements; those without one have the name that they get in a new stream.
        self.names = [
            element.name or (options.elements[i] if options.elements else f"Element {i}")
            for i, element in enumerate(self.elements)
        ]
        self.head = self._head(self.elements)
        element = self.head.layout.element
        self.values = [
            ValueColumn(
                container.columns[at].name or at,
                element,
                self.marks,
                self.missing,
                self._suffix(at),
            )
            for at in self.columns.values
        ]
        self.parser = BatchParser(
            self.columns,
            self.times,
            self.values,
            self.missing,
            self.head.layout.dtype,
            options.stamps,
        )

    @property
    def local(self) -> bool:
        """Whether times are those of a clock that may have been changed."""
        return self.times is not None and self.times.local

    @property
    def needed(self) -> set[int]:
        """Positions of the columns that are read."""
        return self.columns.needed

    @property
    def exact(self) -> set[int]:
        """Positions of the columns whose digits all count."""
        if self.times is not None and self.times.form.exact:
            return set(self.columns.times)
        return set()

    def is_number(self, cell: Any) -> bool:
        """Tell whether a cell is a number, a unit behind it or not."""
        if not isinstance(cell, str):
            return cell is not None
        text = cell.strip()
        if text.lower() in {"true", "false"}:
            return True
        try:
            float(self.marks.bare(text))
        except ValueError:
            if not self.marks.plain and re.fullmatch(r"\d{6,}\.\d+", text):
                # a time; values have the other mark
                return True
            return bool(common_units([cell], self.missing)) and len(cell) <= _LONGEST_WITH_UNITS
        return "_" not in text

    def _time_column(self) -> TimeColumn:
        columns, options = self.columns, self.options
        if columns.parts:
            return TimeColumn(
                columns.times, PartsForm(columns.parts), self.tz, options, guessed=False
            )
        cells = [self.sample.column(at) for at in columns.times]
        heading = self.container.columns[columns.times[0]]
        told = self.container.told.time_format
        sample: Cells = cells[0]
        if isinstance(sample, list) and self.marks.decimal == ",":
            sample = [with_point(cell) for cell in sample]
        if len(cells) > 1:
            sample = joined(cells)
            heading = replace(heading, kind="any")
        try:
            form = settle(options, heading, sample, told, self.tz, self._survey)
        except FormatError as exc:
            raise FormatError(str(exc.message), file=self.container.name, hint=exc.hint) from exc
        guessed = options.time_format == "auto" and told is None
        return TimeColumn(
            columns.times, form, self.tz, options, guessed=guessed, decimal=self.marks.decimal
        )

    @property
    def _survey(self) -> Callable[[], Iterable[str]] | None:
        reopen = self._reopen
        return None if reopen is None else lambda: all_texts(reopen(), [self.columns.times])

    def _units_of(self, at: int) -> str:
        """Return the units of a column: of its heading, its name or its cells."""
        heading = self.container.columns[at]
        named = NAME_WITH_UNITS.fullmatch(heading.name)
        return heading.units or (named[2] if named else "") or self._suffix(at)

    def _suffix(self, at: int) -> str:
        """Return the text behind every number of a column."""
        cells = self.sample.column(at)
        if isinstance(cells, np.ndarray):
            return ""
        return common_units(cells, self.missing)

    def _arrange(self) -> None:
        """Bring the values into the order of the stream's elements."""
        options, columns = self.options, self.columns
        if options.elements is None:
            return
        names = [element.name for element in self._elements()]
        wanted = list(options.elements)
        if names == wanted and not options.renames:
            return
        unnamed = not any(self.container.columns[at].name for at in columns.values)
        if unnamed and len(names) != len(wanted):
            count = f"{len(wanted)} element{'' if len(wanted) == 1 else 's'}"
            raise FormatError(
                f"the file has {len(names)} columns of values without names, the stream {count}: "
                f"{', '.join(wanted)}",
                file=self.container.name,
                hint="use --use-columns to choose the columns by their index",
            )
        try:
            order = match(
                names,
                wanted,
                options.renames,
                options.by_position or (unnamed and not options.renames),
                noun="column",
                leave_out="--use-columns",
            )
        except ElementNamesError as exc:
            raise FormatError(str(exc.message), file=self.container.name, hint=exc.hint) from exc
        columns.values = [columns.values[at] for at in order]

    def _elements(self) -> list[Element]:
        """Return the elements that the columns of values are."""
        told, columns = self.container.told, self.columns
        headings = self.container.columns
        listed = [] if isinstance(told.elements, Mapping) else list(told.elements)
        if listed and len(listed) == len(headings) - len(columns.times) - (
            columns.interval is not None
        ):
            # of all columns of values, in their order
            rest = [
                at
                for at in range(len(headings))
                if at not in columns.times and at != columns.interval
            ]
            known: dict[int, Element] = dict(zip(rest, listed, strict=True))
        else:
            by_name = told.elements if isinstance(told.elements, Mapping) else {}
            known = {
                at: by_name[heading.name]
                for at, heading in enumerate(headings)
                if heading.name in by_name
            }
        bases = [without_units(headings[at].name) for at in columns.values]
        plain = [
            indexed[1] if (indexed := _NAME_WITH_INDEX.fullmatch(name)) else name for name in bases
        ]
        renames = (self.options.renames or {}) if self.options.elements is None else {}
        elements = []
        for index, at in enumerate(columns.values):
            if at in known:
                found = known[at]
                element = replace(found, index=index)
            else:
                name = bases[index]
                if plain[index] == "timestamp" or plain.count(plain[index]) > 1:
                    name = plain[index]
                element = Element(name, self._units[at], index=index)
            elements.append(replace(element, name=renames.get(element.name, element.name)))
        return elements

    def _head(self, elements: list[Element]) -> StreamHead:
        told, options = self.container.told, self.options
        types = [self.container.columns[at].dtype for at in self.columns.values]
        datatype = options.datatype or told.datatype
        if datatype is None and None not in types:
            datatype = np.result_type(*(kind for kind in types if kind is not None)).name
            if datatype == "bool":
                datatype = "uint8"
        if datatype not in DATATYPES:
            datatype = "float64"
        named = bool(told.elements) or any(element.name for element in elements)
        layout = Layout(datatype, len(elements))
        stream = told.stream
        if stream is not None:
            stream = replace(stream, datatype=layout.datatype, elements=elements)
        return StreamHead(
            layout=layout,
            elements=elements if named else (),
            path=told.path,
            stream=stream,
            decimation_level=told.decimation_level,
            intervals=told.intervals,
            start=told.start,
            end=told.end,
            node_name=told.node_name,
            node_url=told.node_url,
        )
