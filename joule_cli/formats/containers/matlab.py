"""MATLAB v7.3: HDF5 with one dataset per variable, stored column by column."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from joule_cli.formats.containers.base import Heading, Told
from joule_cli.formats.containers.hdf5_inside import members
from joule_cli.formats.containers.hdf5_table import (
    Hdf5Table,
    Part,
    as_cells,
    heading_of,
    refused,
    text_of,
    units_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

_CLASS = "MATLAB_class"
_NUMBERS = frozenset({"double", "single", "logical"})
#: Names of times, from the surest on, where more than one variable rises.
_TIME_NAMES = ("timestamp", "timestamps", "time", "times", "datenum", "t", "ts", "date", "datetime")
#: Day numbers from the year 0 on, between 1990 and 2100.
_DATENUMS = (726_834, 767_011)
#: So many numbers are looked at to find the times.
_LOOKED_AT = 100_000


def is_matlab(file: h5py.File, name: str) -> bool:
    """Tell whether MATLAB, or a program that writes like it, wrote a file."""
    return any(_CLASS in item.attrs for _, item in islice(members(file, name), 100))


def matlab_table(file: h5py.File, name: str, dataset: str | None, times: str | None) -> Hdf5Table:
    """Open the variables of equal length as a table.

    Parameters
    ----------
    dataset, times
        Names of variables: of the values, and of the times. Without the first all variables are
        values that are as long as the longest; without the second, the times are the variable
        that rises.

    Raises
    ------
    FormatError
        There are no such variables.
    """
    variables = dict(_variables(file, name))
    for wanted in (dataset, times):
        if wanted is not None and wanted not in variables:
            raise refused(file, f"there is no variable {wanted!r} of numbers", name)
    if not variables:
        raise refused(file, "the MATLAB file has no variable that is an array of numbers", name)
    known = times or dataset
    n = max(map(_length, variables.values())) if known is None else _length(variables[known])
    columns = {key: item for key, item in variables.items() if _length(item) == n}
    if dataset is not None and dataset not in columns:
        sizes = f"{_length(variables[dataset])} values for {n} times"
        raise refused(file, f"the variable {dataset!r} has {sizes}", name)
    stamps = times or _times_of({k: v for k, v in columns.items() if k != dataset})
    keys = [key for key in columns if key != stamps and dataset in (None, key)]
    if not keys:
        keys, stamps = list(columns), None
    parts = [_part(key, columns[key]) for key in ([] if stamps is None else [stamps]) + keys]
    if stamps is not None:
        parts[0].headings = [_time_heading(columns[stamps], parts[0].headings[0])]
    table = Hdf5Table(name, file, parts)
    table.told = Told(time_column=stamps)
    table.notes.append("MATLAB v7.3")
    left = [key for key in variables if key not in (*keys, stamps)]
    if left and dataset is None:
        table.notes.append(f"variables of another length are left out: {', '.join(left[:20])}")
    return table


def _variables(group: h5py.Group, name: str, path: str = "") -> Iterator[tuple[str, h5py.Dataset]]:
    """Give the arrays of numbers by name, and those of structures as ``structure/field``."""
    for key, item in members(group, name):
        if key.startswith("#"):
            # what MATLAB keeps for itself
            continue
        kind = text_of(item.attrs.get(_CLASS))
        if isinstance(item, h5py.Group):
            if kind == "struct" and not path:
                yield from _variables(item, name, f"{key}/")
        elif (kind in _NUMBERS or "int" in kind) and _is_array(item):
            yield path + key, item


def _is_array(item: h5py.Dataset) -> bool:
    return item.ndim == 2 and "MATLAB_empty" not in item.attrs and item.dtype.kind in "iufb"


def _is_vector(item: h5py.Dataset) -> bool:
    return 1 in item.shape


def _length(item: h5py.Dataset) -> int:
    """Return the number of rows: of a matrix they lie along the second axis."""
    return int(max(item.shape) if _is_vector(item) else item.shape[1])


def _times_of(columns: dict[str, h5py.Dataset]) -> str | None:
    rising = [key for key, item in columns.items() if _is_vector(item) and _rises(item)]
    if len(rising) == 1:
        return rising[0]
    for name in _TIME_NAMES:
        found = [key for key in rising if key.lower().rpartition("/")[2] == name]
        if len(found) == 1:
            return found[0]
    return None


def _rises(item: h5py.Dataset) -> bool:
    first = _first(item)
    return len(first) > 1 and bool((np.diff(first.astype(np.float64)) > 0).all())


def _first(item: h5py.Dataset) -> Any:
    values = item[:, :_LOOKED_AT] if item.shape[0] == 1 else item[:_LOOKED_AT]
    return values.reshape(-1)


def _time_heading(item: h5py.Dataset, heading: Heading) -> Heading:
    first = _first(item)
    low, high = _DATENUMS
    if len(first) and low <= float(first.min()) and float(first.max()) < high:
        return Heading(name=heading.name, units="datenum", kind="number", dtype=heading.dtype)
    return heading


def _part(key: str, item: h5py.Dataset) -> Part:
    name = key.rpartition("/")[2]
    width = 1 if _is_vector(item) else item.shape[0]
    names = [name] if width == 1 else [f"{name} {at + 1}" for at in range(width)]
    headings = [heading_of(item.dtype, each, units_of(item)) for each in names]
    convert = as_cells
    if text_of(item.attrs.get(_CLASS)) == "logical":
        headings = [Heading(name=each, kind="number", dtype=np.dtype(bool)) for each in names]
        convert = _as_bools
    across = item.shape[1] != 1 if _is_vector(item) else True
    return Part(item, headings, across, convert=convert)


def _as_bools(values: Any) -> Any:
    return values != 0
