"""Choosing and scaling the elements of rows."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from joule_cli.errors import JouleError
from joule_cli.series.csv_text import read_names
from joule_cli.series.layout import Layout
from joule_cli.series.nearest import among

if TYPE_CHECKING:
    from collections.abc import Sequence

    from joule_cli.model import Element
    from joule_cli.series.layout import Rows

_RANGE = re.compile(r"(\d+)\s*-\s*(\d+)")
_INDEX = re.compile(r"-?\d+")
_NUMBERED = re.compile(r"(.*)#(\d+)", re.DOTALL)


class SelectionError(JouleError):
    """A list of elements names one that the stream does not have, or more than one."""


def parse_elements(text: str, elements: Sequence[Element]) -> list[int]:
    """Turn a list such as ``2,0``, ``x,y``, ``0-3`` or ``x#3`` into indices, in its order.

    An entry is an index (negative from the end), a range of indices, a name, or a name and its
    index for names that occur twice. Names with commas are quoted as in CSV.

    Raises
    ------
    SelectionError
        An entry is empty, unknown, ambiguous or repeated.
    """
    chosen: list[int] = []
    for entry in read_names(text):
        chosen += _indices(entry, elements)
    if not chosen:
        raise SelectionError("the list of elements is empty")
    if len(set(chosen)) != len(chosen):
        raise SelectionError(f"an element is listed twice: {text}")
    return chosen


def _indices(entry: str, elements: Sequence[Element]) -> list[int]:
    count = len(elements)
    if _INDEX.fullmatch(entry):
        index = int(entry)
        if not -count <= index < count:
            raise SelectionError(f"there is no element {index}, the last is {count - 1}")
        return [index % count]
    named = [i for i, element in enumerate(elements) if element.name == entry]
    if len(named) == 1:
        return named
    if named:
        spellings = ", ".join(f"{entry}#{i}" for i in named)
        raise SelectionError(f"{len(named)} elements are called {entry}", hint=f"use {spellings}")
    if found := _RANGE.fullmatch(entry):
        first, last = int(found[1]), int(found[2])
        if first > last or last >= count:
            raise SelectionError(f"there are no elements {entry}, the last is {count - 1}")
        return list(range(first, last + 1))
    if (found := _NUMBERED.fullmatch(entry)) and int(found[2]) < count:
        index = int(found[2])
        if elements[index].name == found[1]:
            return [index]
    raise SelectionError(
        f"there is no element called {entry}" if entry else "an entry of the list is empty",
        hint=among(entry, [element.name for element in elements], "elements"),
    )


class Projection:
    """Turns rows as a node gives them into rows of the chosen elements.

    Parameters
    ----------
    layout
        Of the incoming rows.
    elements
        All elements of the stream.
    columns
        Indices to keep, in this order; `None` keeps all.
    decimated
        Whether the incoming rows hold means, minima and maxima.
    bounds
        Keep minima and maxima as well.
    scale
        Apply offset and scale factor: ``y = (x - offset) * scale_factor``, as float64.

    Attributes
    ----------
    layout : Layout
        Of the resulting rows.
    elements : list of Element
        The chosen elements, with their index in the stream.
    bounds : bool
        Whether the resulting rows hold minima and maxima.
    """

    def __init__(
        self,
        layout: Layout,
        elements: Sequence[Element],
        *,
        columns: Sequence[int] | None = None,
        decimated: bool = False,
        bounds: bool = False,
        scale: bool = False,
    ) -> None:
        count = len(elements)
        chosen = list(range(count)) if columns is None else list(columns)
        self.elements = [
            replace(elements[i], index=i if elements[i].index is None else elements[i].index)
            for i in chosen
        ]
        self.bounds = bounds and decimated
        groups = [list(chosen)]
        if self.bounds:
            groups += [[count + i for i in chosen], [2 * count + i for i in chosen]]
        self._offset = self._factor = None
        if scale and any(e.offset != 0 or e.scale_factor != 1 for e in self.elements):
            self._offset = np.array([e.offset for e in self.elements] * len(groups))
            self._factor = np.array([e.scale_factor for e in self.elements] * len(groups))
            if self.bounds:
                # a negative factor turns minima into maxima
                for at, element in enumerate(self.elements):
                    if element.scale_factor < 0:
                        groups[1][at], groups[2][at] = groups[2][at], groups[1][at]
            self.elements = [replace(e, offset=0.0, scale_factor=1.0) for e in self.elements]
        columns_out = [column for group in groups for column in group]
        self._columns = None if columns_out == list(range(layout.width)) else columns_out
        datatype = layout.datatype if self._factor is None else "float64"
        self.layout = Layout(datatype, len(columns_out))

    def __call__(self, rows: Rows) -> Rows:
        """Return the chosen elements of `rows`; `rows` itself when that is all of them."""
        if self._columns is None and self._factor is None:
            return rows
        out: Rows = np.empty(len(rows), self.layout.dtype)
        out["timestamp"] = rows["timestamp"]
        values = rows["data"] if self._columns is None else rows["data"][:, self._columns]
        if self._factor is not None:
            with np.errstate(over="ignore", invalid="ignore"):
                values = (values - self._offset) * self._factor
        out["data"] = values
        return out
