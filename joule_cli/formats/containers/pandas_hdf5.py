"""HDF5 as pandas writes it: the layouts ``table``, of nilmtk too, and ``fixed``."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import numpy.typing as npt

from joule_cli.errors import FormatError
from joule_cli.formats.containers.base import Cells, Heading, Told
from joule_cli.formats.containers.hdf5_inside import loaded, member
from joule_cli.formats.containers.hdf5_table import (
    Hdf5Table,
    Part,
    as_cells,
    as_times,
    compound,
    heading_of,
    text_of,
)
from joule_cli.formats.containers.pickled import read_pickled

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_TABLES = ("frame_table", "series_table")
_FIXED = ("frame", "series")
#: Types whose cells are not what is stored.
_SPECIAL = ("datetime64", "timedelta64", "category")


def pandas_groups(file: h5py.File) -> list[h5py.Group]:
    """Return the groups that are tables of pandas."""
    if "PYTABLES_FORMAT_VERSION" not in file.attrs:
        return []
    found: list[h5py.Group] = []

    def note(_: str, item: Any) -> None:
        # categories are tables of their own below the table
        is_meta = "/meta/" in item.name
        if isinstance(item, h5py.Group) and _kind(item) in _TABLES + _FIXED and not is_meta:
            found.append(item)

    file.visititems(note)
    return found


def _kind(group: h5py.Group) -> str:
    return text_of(group.attrs.get("pandas_type"))


def pandas_table(file: h5py.File, group: h5py.Group, name: str) -> Hdf5Table:
    """Open one of the tables of a file.

    Raises
    ------
    FormatError
        It cannot be read, or its rows are labelled in more than one way.
    """
    kind = _kind(group)
    if kind in _TABLES:
        parts = _table_parts(group, name)
        axes = read_pickled(group.attrs.get("non_index_axes"))
        try:
            named = [_label(item) for item in axes[0][1]]
        except (TypeError, IndexError, KeyError):
            named = []
    elif kind in _FIXED:
        parts = _fixed_parts(group, name)
        named = _items(group, "axis0", name)
    else:
        raise FormatError(f"{group.name[1:]!r} is a {kind} of pandas, not a table", file=name)
    table = Hdf5Table(name, file, parts, _ordered(parts, named))
    if "shape" in parts[0].dataset.attrs:
        # a row stands for none, which PyTables cannot store
        table.n_rows = 0
    index = parts[0].headings[0]
    if index.kind == "time":
        table.told = Told(time_column=index.name)
    table.notes.append(f"written by pandas: {group.name[1:]}")
    return table


def _dataset(group: h5py.Group, key: str, name: str) -> h5py.Dataset:
    found = member(group, key, name)
    if not isinstance(found, h5py.Dataset):
        raise FormatError(f"there is no dataset {key!r} in {group.name[1:]!r}", file=name)
    return found


def _ordered(parts: Sequence[Part], named: Sequence[str]) -> Sequence[int]:
    """Return the columns behind the index in the order of the frame, which keeps them by type."""
    names = [heading.name for part in parts[1:] for heading in part.headings]
    if len(set(names)) < len(names) or sorted(names) != sorted(named):
        return ()
    at = {name: number for number, name in enumerate(names, 1)}
    return [0, *(at[name] for name in named)]


def _index(
    dataset: h5py.Dataset, kind: str, name: str, zone: object
) -> tuple[Heading, Callable[[npt.NDArray[Any]], Cells]]:
    """Return the heading of the labels of the rows, and what makes cells of them."""
    if kind.startswith("datetime64"):
        unit = kind[11:-1] if kind.endswith("]") else "ns"
        heading = Heading(name=name, kind="time", aware=zone is not None)
        return heading, lambda values: as_times(values.view(f"M8[{unit.partition(',')[0]}]"))
    if kind == "date":
        return Heading(name=name, kind="time"), _from_ordinals
    return heading_of(dataset.dtype, name), as_cells


def _from_ordinals(values: npt.NDArray[Any]) -> Cells:
    # days since the year 1, which begins with day 1
    return (values.astype(np.int64) - 719_163).view("M8[D]")


def _counts_rows(labels: h5py.Dataset, field: str | None = None) -> bool:
    """Tell whether the labels of the rows are their numbers."""
    if not len(labels):
        return False
    first, last = labels[0], labels[len(labels) - 1]
    if field is not None:
        first, last = first[field], last[field]
    return bool(np.issubdtype(type(first), np.integer) and (first, last) == (0, len(labels) - 1))


def _table_parts(group: h5py.Group, name: str) -> list[Part]:
    """Take the fields of a table of PyTables apart: its index, and blocks of equal type."""
    table = _dataset(group, "table", name)
    attrs = table.attrs
    if "index" not in table.dtype.names:
        raise FormatError(f"the table {group.name[1:]!r} has no index", file=name)
    told = read_pickled(group.attrs.get("info"))
    told = told.get("index") if isinstance(told, dict) else None
    told = told if isinstance(told, dict) else {}
    label = told.get("index_name")
    kind = text_of(attrs.get("index_kind"))
    index, convert = _index(table, kind, _label(label) or "index", told.get("tz"))
    if index.kind != "time":
        index = heading_of(table.dtype["index"], index.name)
        index = replace(index, hidden=_counts_rows(table, "index"))
    parts = [Part(table, [index], fields=[(("index",), None)], convert=convert)]
    values = compound(table)
    columns = defaultdict(list)
    for heading, (path, at) in zip(values.headings, values.fields, strict=True):
        field = path[0]
        if field == "index":
            continue
        names = read_pickled(attrs.get(f"{field}_kind"))
        names = names if isinstance(names, list) else [field]
        at_name = _label(names[at or 0]) if (at or 0) < len(names) else heading.name
        kind = text_of(attrs.get(f"{field}_dtype"))
        if text_of(attrs.get(f"{field}_meta")) == "category":
            kind = f"category {field}"
        columns[kind if kind.startswith(_SPECIAL) else ""].append(
            (replace(heading, name=at_name), (path, at))
        )
    for kind, found in columns.items():
        part = _typed(table, kind, [h for h, _ in found], [f for _, f in found])
        if kind.startswith("category "):
            _categorize(part, group, kind.removeprefix("category "), name)
        parts.append(part)
    return parts


def _categorize(part: Part, group: h5py.Group, field: str, name: str) -> None:
    """Give the texts that numbers stand for."""
    part.headings = [Heading(name=heading.name, kind="text") for heading in part.headings]
    table = loaded(group, f"meta/{field}/meta/table", name)
    known = [*as_cells(table["values"]), None]
    part.convert = lambda codes: [known[code] for code in codes.tolist()]


def _typed(
    dataset: h5py.Dataset,
    kind: str,
    headings: Sequence[Heading],
    fields: Sequence[tuple[tuple[str, ...], int | None]] = (),
    *,
    across: bool = False,
) -> Part:
    """Return columns of values, which may be times stored as integers."""
    part = Part(dataset, headings, across, fields)
    unit = kind.partition("[")[2].rstrip("]").partition(",")[0] or "ns"
    if kind.startswith("datetime64"):
        part.headings = [Heading(name=heading.name, kind="time") for heading in headings]
        part.convert = lambda values: as_times(values.view(f"M8[{unit}]"))
    elif kind.startswith("timedelta64"):
        part.headings = [replace(heading, units=unit) for heading in headings]
    return part


def _fixed_parts(group: h5py.Group, name: str) -> list[Part]:
    """Take the arrays of a frame or series apart."""
    series = _kind(group) == "series"
    rows = "index" if series else "axis1"
    if rows not in group:
        raise FormatError(
            f"the rows of {group.name[1:]!r} have several labels each",
            file=name,
            hint="store the table after reset_index()",
        )
    labels = _dataset(group, rows, name)
    attrs = labels.attrs
    index, convert = _index(
        labels,
        text_of(attrs.get("kind")),
        _label(read_pickled(attrs.get("name"))) or "index",
        attrs.get("tz"),
    )
    index = replace(index, hidden=index.kind != "time" and _counts_rows(labels))
    parts = [Part(labels, [index], convert=convert)]
    if series:
        label = _label(read_pickled(group.attrs.get("name"))) or "values"
        return [*parts, _block(_dataset(group, "values", name), [label])]
    for number in range(int(group.attrs.get("nblocks", 0))):
        names = _items(group, f"block{number}_items", name)
        parts.append(_block(_dataset(group, f"block{number}_values", name), names))
    return parts


def _block(dataset: h5py.Dataset, names: Sequence[str]) -> Part:
    """Return the columns of a block of equal type."""
    across = dataset.ndim == 2 and not dataset.attrs.get("transposed", 1)
    kind = text_of(dataset.attrs.get("value_type"))
    headings = [heading_of(dataset.dtype, name) for name in names]
    if text_of(dataset.attrs.get("CLASS")) == "VLARRAY":
        # pickled objects, all of them in one cell
        headings = [Heading(name=name, kind="other") for name in names]
        return Part(dataset, headings, convert=None)
    return _typed(dataset, kind, headings, across=across)


def _items(group: h5py.Group, key: str, name: str) -> list[str]:
    """Return names of columns, which may be labelled in several ways each."""
    if key in group:
        return [_label(item) for item in loaded(group, key, name).tolist()]
    parts = []
    for level in range(int(group.attrs.get(f"{key}_nlevels", 0))):
        known = loaded(group, f"{key}_level{level}", name).tolist()
        codes = loaded(group, f"{key}_label{level}", name).tolist()
        parts.append([_label(known[code]) if code >= 0 else "" for code in codes])
    return [" ".join(filter(None, words)) for words in zip(*parts, strict=True)]


def _label(value: object) -> str:
    """Return a name as text; one of several levels as their names with blanks between."""
    if value is None:
        return ""
    if isinstance(value, tuple | list):
        return " ".join(filter(None, map(_label, value)))
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
