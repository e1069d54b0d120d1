"""HDF5: files of Joule and of other programs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NoReturn

import h5py
import numpy as np

from joule_cli.errors import FormatError
from joule_cli.formats.base import FileRef, StreamHead, column_names, place_name
from joule_cli.formats.containers.base import Container, Heading, Told
from joule_cli.formats.containers.hdf5_cf import apply_conventions
from joule_cli.formats.containers.hdf5_inside import check_links, member, members
from joule_cli.formats.containers.hdf5_own import describe
from joule_cli.formats.containers.hdf5_table import (
    Hdf5Table,
    Part,
    compound,
    datasets_of,
    h5_errors,
    heading_of,
    is_column,
    open_file,
    refused,
    single,
    text_of,
    units_of,
)
from joule_cli.formats.containers.matlab import is_matlab, matlab_table
from joule_cli.formats.containers.pandas_hdf5 import pandas_groups, pandas_table
from joule_cli.model.data_stream import Element
from joule_cli.series.layout import Layout

if TYPE_CHECKING:
    from collections.abc import Sequence

    from joule_cli.formats.table.options import ReadOptions


#: The objects of a file of Joule; many loggers use the same names.
_DATA, _TIMES = "data", "timestamp"


#: More datasets than this are no columns; each takes a millisecond.
_MOST_DATASETS = 10_000
#: Attributes that may name the columns of a dataset.
_NAMES = ("columns", "column_names", "names")


def open_hdf5(place: FileRef, options: ReadOptions) -> Container:
    """Open an HDF5 file, whichever program wrote it.

    The table is what the options name; else the datasets ``timestamp`` and ``data``, of Joule and
    of others; else what pandas or MATLAB wrote; else the only pair of these two in a group, the
    only compound dataset, the only group of 1-D datasets of equal length, the only 2-D dataset.

    Raises
    ------
    FormatError
        Not HDF5, cut, or there is no table or more than one; the text lists the datasets.
    """
    name = place_name(place)
    file = open_file(place, name)
    try:
        with h5_errors(name):
            return _Finder(file, name, options).find()
    except BaseException:
        file.close()
        raise


class _Finder:
    """Finds the table of a file."""

    def __init__(self, file: h5py.File, name: str, options: ReadOptions) -> None:
        self._file = file
        self._name = name
        self._dataset: str | None = options.dataset
        self._times: str | None = options.time_dataset

    def find(self) -> Container:
        file = self._file
        if is_matlab(file, self._name) and self._pair(file) is None:
            return matlab_table(file, self._name, self._dataset, self._times)
        if self._dataset is not None or self._times is not None:
            return self._named()
        pair = self._pair(file)
        if pair is not None:
            return self._table(*pair)
        groups = pandas_groups(file)
        if len(groups) == 1:
            return pandas_table(file, groups[0], self._name)
        if groups:
            self._refuse_several(groups)
        return self._only()

    def _named(self) -> Container:
        """Return the table that the options name."""
        found: Any = None if self._dataset is None else self._get(self._dataset)
        stamps: Any = None if self._times is None else self._get(self._times)
        if isinstance(stamps, h5py.Group):
            raise refused(
                self._file, f"{self._times!r} is a group, not a dataset of times", self._name
            )
        if found is None and stamps is not None:
            found = member(stamps.parent, _DATA, self._name)
            if not isinstance(found, h5py.Dataset):
                found = stamps.parent
        if stamps is None:
            group = found if isinstance(found, h5py.Group) else found.parent
            if "pandas_type" in group.attrs:
                return pandas_table(self._file, group, self._name)
        if isinstance(found, h5py.Group):
            pair = self._pair(found)
            if stamps is None and pair is not None:
                return self._table(*pair)
            return self._columns(found, stamps)
        if stamps is None and not found.dtype.names:
            stamps = member(found.parent, _TIMES, self._name)
            # the times may be one of several columns
            if stamps is None and (found.ndim != 2 or min(found.shape) < 2):
                raise refused(self._file, f"there is no dataset {_TIMES!r}", self._name)
        return self._table(found, stamps)

    def _get(self, path: str) -> Any:
        found = member(self._file, path, self._name)
        if found is None:
            raise refused(self._file, f"there is no dataset {path!r} in the file", self._name)
        return found

    def _only(self) -> Container:
        """Return the only table of its kind."""
        every = datasets_of(self._file)
        below: dict[str, list[h5py.Dataset]] = {}
        for item in every:
            below.setdefault(item.name.rpartition("/")[0] or "/", []).append(item)
        pairs = [
            self._file[path]
            for path, items in below.items()
            if {_DATA, _TIMES} <= {item.name.rpartition("/")[2] for item in items}
        ]
        compounds = [item for item in every if item.dtype.names and item.ndim == 1]
        groups = [self._file[path] for path, items in below.items() if len(_equal(items)) > 1]
        tables = [item for item in every if item.ndim == 2 and min(item.shape) > 1]
        for found in (pairs, compounds, groups, tables):
            if len(found) > 1:
                self._refuse_several(found)
            if not found:
                continue
            item = found[0]
            if isinstance(item, h5py.Dataset):
                return self._table(item, None)
            pair = self._pair(item)
            if pair is not None:
                return self._table(*pair)
            check_links(item, self._name)
            return self._columns(item, None, below[item.name])
        raise refused(
            self._file,
            f"there is no table in the file, such as {_DATA!r} and {_TIMES!r}",
            self._name,
        )

    def _refuse_several(self, found: Sequence[Any]) -> NoReturn:
        names = ", ".join(item.name[1:] or "/" for item in found[:20])
        more = f" and {len(found) - 20} more" if len(found) > 20 else ""
        raise FormatError(
            f"the file holds several tables: {names}{more}",
            file=self._name,
            hint="choose one with --dataset NAME",
        )

    def _columns(
        self,
        group: h5py.Group,
        stamps: h5py.Dataset | None,
        items: Sequence[h5py.Dataset] | None = None,
    ) -> Container:
        """Take the 1-D datasets of a group as columns."""
        if items is None:
            below = (item for _, item in members(group, self._name))
            items = [item for item in below if isinstance(item, h5py.Dataset)]
        columns = _equal(items, None if stamps is None else stamps.size)
        columns = [item for item in columns if item != stamps]
        if not columns:
            raise refused(self._file, f"there is no table in the group {group.name!r}", self._name)
        if len(columns) > _MOST_DATASETS:
            raise FormatError(
                f"the group {group.name!r} holds more than {_MOST_DATASETS:,} datasets",
                file=self._name,
                hint="choose one with --dataset NAME and --time-dataset NAME",
            )
        parts = [single(item) for item in columns]
        if stamps is None:
            return Hdf5Table(self._name, self._file, parts)
        table = Hdf5Table(self._name, self._file, [self._stamps(stamps), *parts])
        table.told = Told(time_column=table.columns[0].name)
        return table

    def _stamps(self, stamps: h5py.Dataset) -> Part:
        if not isinstance(stamps, h5py.Dataset) or not is_column(stamps):
            raise refused(self._file, "the times are not one column", self._name)
        return single(stamps)

    def _pair(self, group: h5py.Group) -> tuple[h5py.Dataset, h5py.Dataset] | None:
        """Return the datasets of values and times in a group that has both."""
        if _DATA not in group or _TIMES not in group:
            return None
        data, stamps = (member(group, key, self._name) for key in (_DATA, _TIMES))
        found = isinstance(data, h5py.Dataset) and isinstance(stamps, h5py.Dataset)
        return (data, stamps) if found else None

    def _table(self, data: h5py.Dataset, stamps: h5py.Dataset | None) -> Container:
        """Take a dataset of values, and one of times unless they are among the values."""
        parts = [] if stamps is None else [self._stamps(stamps)]
        n = None if stamps is None else parts[0].n_rows
        if data.dtype.names and data.ndim == 1:
            values = compound(data)
        elif data.ndim in (1, 2) and not data.dtype.names:
            values = _values(data, n)
        else:
            raise refused(self._file, f"{data.name[1:]!r} is not a table", self._name)
        if not values.headings:
            raise FormatError("the data has no columns", file=self._name)
        if n is not None and values.n_rows != n:
            raise FormatError(
                f"there are {n} times for {values.n_rows} rows of data", file=self._name
            )
        told = describe(data, len(values.headings), self._name)
        elements = [e for e in told.elements if isinstance(e, Element)]
        if elements:
            values.headings = _named_by(elements, values.headings)
            names = [heading.name for heading in values.headings]
            told = replace(told, elements=dict(zip(names, elements, strict=True)))
        table = Hdf5Table(self._name, self._file, [*parts, values])
        table.told = told if stamps is None else replace(told, time_column=table.columns[0].name)
        return table


def _equal(items: Sequence[h5py.Dataset], size: int | None = None) -> list[h5py.Dataset]:
    """Return the datasets that are columns of a length, or of the greatest one."""
    found = [item for item in items if is_column(item)]
    if size is None:
        size = max((item.size for item in found), default=0)
    return [item for item in found if item.size == size]


def _values(data: h5py.Dataset, n: int | None) -> Part:
    """Take a dataset as columns, which lie across where that fits the number of times alone."""
    if data.ndim == 1:
        across, width = False, 1
    else:
        rows, width = data.shape
        across = width > rows if n is None else (rows != n and width == n)
        width = rows if across else width
    names = [""] * width
    for key in _NAMES:
        told = np.asarray(data.attrs.get(key, ""))
        if told.shape == (width,):
            names = [text_of(item) for item in told.tolist()]
            break
    else:
        own = data.name.rpartition("/")[2]
        if width == 1 and own != _DATA:
            names = [own]
    units = units_of(data)
    headings = [heading_of(data.dtype, name, units) for name in names]
    return apply_conventions(Part(data, headings, across), text_of)


def _named_by(elements: list[Element], headings: Sequence[Heading]) -> list[Heading]:
    head = StreamHead(layout=Layout("float64", len(headings)), elements=elements)
    return [
        replace(heading, name=name, units=element.units or "")
        for heading, element, name in zip(headings, elements, column_names(head), strict=True)
    ]
