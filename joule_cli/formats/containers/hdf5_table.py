"""Columns that lie in datasets of an HDF5 file."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import numpy.typing as npt

from joule_cli.errors import FormatError
from joule_cli.formats.base import FileRef, os_failure
from joule_cli.formats.containers.base import Cells, Heading
from joule_cli.formats.containers.hdf5_cf import apply_conventions
from joule_cli.formats.containers.hdf5_inside import check_inside
from joule_cli.formats.containers.sliced import SlicedTable
from joule_cli.formats.hdf5_common import CACHE_BYTES, H5_ERRORS
from joule_cli.formats.seekable import check_seekable

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

#: More columns than this are no stream.
_MOST_COLUMNS = 100_000
#: Rows and chunks larger than this are not loaded; those of real files are far smaller.
_MOST_BYTES = 1 << 30
#: Chunks up to this size are read as a whole, to unpack each once.
_SLAB_BYTES = 1 << 28
#: Names of a message; objects of a file that are looked at.
_SHOWN, _MOST_OBJECTS = 12, 200_000


@contextmanager
def h5_errors(name: str) -> Iterator[None]:
    """Turn what h5py raises about the file `name` into errors for a person."""
    try:
        yield
    except (*H5_ERRORS, MemoryError, AttributeError, IndexError, OverflowError) as exc:
        if isinstance(exc, OSError) and exc.errno:
            raise os_failure(exc, name) from exc
        raise FormatError("the file is cut or damaged", file=name) from exc


def open_file(place: FileRef, name: str) -> h5py.File:
    """Open an HDF5 file for reading."""
    check_seekable(place, name, "HDF5")
    try:
        return h5py.File(place, "r", rdcc_nbytes=CACHE_BYTES, locking=False)
    except H5_ERRORS as exc:
        if h5py.is_hdf5(place):
            raise FormatError("the file is cut or damaged", file=name) from exc
        raise FormatError("the file is not HDF5, or cut", file=name) from exc


def text_of(value: Any) -> str:
    """Return an attribute that is a text; empty for what is none."""
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.item()
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value if isinstance(value, str) else ""


def units_of(dataset: h5py.Dataset) -> str:
    """Return the units that a dataset has as an attribute."""
    return text_of(dataset.attrs.get("units")) or text_of(dataset.attrs.get("unit"))


def datasets_of(group: h5py.Group) -> list[h5py.Dataset]:
    """Return the datasets of a group and of all below it, in the order of their paths."""
    found: list[h5py.Dataset] = []
    seen = 0

    def note(_: str, item: Any) -> bool | None:
        nonlocal seen
        seen += 1
        if isinstance(item, h5py.Dataset):
            found.append(item)
        return True if seen >= _MOST_OBJECTS else None

    group.visititems(note)
    return found


def shown(datasets: Sequence[h5py.Dataset]) -> str:
    """Name datasets with their shapes and types."""
    texts = [f"{item.name[1:]} {item.shape} {_type_name(item)}" for item in datasets[:_SHOWN]]
    if len(datasets) > _SHOWN:
        texts.append(f"and {len(datasets) - _SHOWN} more")
    return ", ".join(texts) or "no dataset"


def _type_name(dataset: h5py.Dataset) -> str:
    kind = dataset.dtype
    if kind.names:
        return f"of the fields {', '.join(kind.names[:_SHOWN])}"
    return "text" if h5py.check_string_dtype(kind) else str(kind)


def refused(file: h5py.Group, reason: str, name: str) -> FormatError:
    """Return an error that lists the datasets of a file."""
    with h5_errors(name):
        listed = shown(datasets_of(file))
    return FormatError(
        f"{reason}; the file holds {listed}",
        file=name,
        hint="choose with --dataset NAME and --time-dataset NAME",
    )


def heading_of(kind: np.dtype[Any], name: str, units: str = "") -> Heading:
    """Return the heading of a column of this type."""
    if h5py.check_string_dtype(kind) is not None:
        return Heading(name=name, units=units, kind="text")
    if kind.kind in "iufb":
        return Heading(name=name, units=units, kind="number", dtype=_native(kind))
    return Heading(name=name, units=units, kind="time" if kind.kind == "M" else "other")


def _native(kind: np.dtype[Any]) -> np.dtype[Any]:
    if kind.kind == "f" and kind.itemsize not in (4, 8):
        return np.dtype("f4" if kind.itemsize == 2 else "f8")
    return np.dtype(f"{kind.kind}{kind.itemsize}")


def as_cells(values: npt.NDArray[Any]) -> Cells:
    """Return the cells of a column as h5py reads it: (n,)."""
    kind = values.dtype
    if kind.kind in "SO":
        return [
            cell.decode("utf-8", "replace") if isinstance(cell, bytes) else str(cell)
            for cell in values.tolist()
        ]
    if kind.kind in "iufb":
        return values.astype(_native(kind), copy=False)
    if kind.kind == "M":
        return as_times(values)
    return [str(kind)[:40]] * len(values)


def as_times(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Mask the smallest number, which is no time: (n,) datetime64."""
    missing = np.isnat(values)
    masked: npt.NDArray[Any] = np.ma.MaskedArray(values, missing) if missing.any() else values
    return masked


@dataclass(slots=True)
class Part:
    """The columns of a table that lie in one dataset.

    Parameters
    ----------
    headings
        One for each column.
    across
        The rows of the table lie along the second axis.
    fields
        Of a compound dataset: for each column the fields down to it, and the number of the value.
    convert
        Turns the values of a column, (n,), into cells; `None` for what is not read, but named.
    """

    dataset: h5py.Dataset
    headings: Sequence[Heading]
    across: bool = False
    fields: Sequence[tuple[tuple[str, ...], int | None]] = ()
    convert: Callable[[npt.NDArray[Any]], Cells] | None = field(default=as_cells)

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        shape = self.dataset.shape
        return int(shape[1 if self.across else 0])

    @property
    def row_bytes(self) -> int:
        """Size of one row."""
        width = 1 if self.fields else len(self.headings)
        return int(self.dataset.dtype.itemsize) * width

    @property
    def slab_rows(self) -> int:
        """Number of rows of a chunk, if it is small enough to be read as a whole."""
        chunks = self.dataset.chunks
        if chunks is None:
            return 1
        rows = int(chunks[1 if self.across else 0])
        return rows if rows * self.row_bytes <= _SLAB_BYTES else 1

    def load(self, begin: int, end: int, columns: Sequence[int]) -> list[Cells]:
        """Read rows of some columns."""
        dataset, convert = self.dataset, self.convert
        if convert is None:
            return [[str(dataset.dtype)[:40]] * (end - begin) for _ in columns]
        if self.fields:
            names = list(dict.fromkeys(self.fields[at][0][0] for at in columns))
            table = dataset.fields(names)[begin:end]
            return [convert(_field(table, *self.fields[at])) for at in columns]
        values = dataset[:, begin:end].T if self.across else dataset[begin:end]
        values = values.reshape(end - begin, len(self.headings))
        return [convert(values[:, at]) for at in columns]


def _field(table: npt.NDArray[Any], path: tuple[str, ...], index: int | None) -> npt.NDArray[Any]:
    for name in path:
        table = table[name]
    if index is None:
        return table
    flat: npt.NDArray[Any] = table.reshape(len(table), -1)[:, index]
    return flat


def is_column(dataset: h5py.Dataset) -> bool:
    """Tell whether a dataset is one column: (n,), (n, 1) or (1, n)."""
    return not dataset.dtype.names and (
        dataset.ndim == 1 or (dataset.ndim == 2 and 1 in dataset.shape)
    )


def single(dataset: h5py.Dataset) -> Part:
    """Return a dataset that is one column."""
    heading = heading_of(dataset.dtype, dataset.name.rpartition("/")[2], units_of(dataset))
    part = Part(dataset, [heading], across=dataset.ndim == 2 and dataset.shape[1] != 1)
    return apply_conventions(part, text_of)


def compound(dataset: h5py.Dataset) -> Part:
    """Return the fields of a compound dataset as columns."""
    found = list(islice(_columns_of(dataset.dtype, ()), _MOST_COLUMNS + 1))
    headings = [
        heading_of(kind, ".".join(path) + ("" if index is None else f" {index}"))
        for path, index, kind in found
    ]
    return Part(dataset, headings, fields=[(path, index) for path, index, _ in found])


def _columns_of(
    kind: np.dtype[Any], path: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], int | None, np.dtype[Any]]]:
    if kind.names is not None:
        for name in kind.names:
            yield from _columns_of(kind[name], (*path, name))
    elif kind.subdtype is not None:
        for index in range(int(np.prod(kind.shape))):
            yield path, index, kind.base
    else:
        yield path, None, kind


class Hdf5Table(SlicedTable):
    """Columns from one or several datasets of equal length.

    Parameters
    ----------
    order
        The columns of the parts in the order of the table, if it is another.
    """

    kind = "HDF5"

    def __init__(
        self, name: str, file: h5py.File, parts: Sequence[Part], order: Sequence[int] = ()
    ) -> None:
        super().__init__(name)
        self._file = file
        self._parts = parts
        headings = [heading for part in parts for heading in part.headings]
        self._order = order or range(len(headings))
        self.columns = [headings[at] for at in self._order]
        self.n_rows = parts[0].n_rows
        self.row_bytes = sum(part.row_bytes for part in parts)
        self.slab_rows = max(part.slab_rows for part in parts)
        if len(self.columns) > _MOST_COLUMNS:
            raise FormatError(f"the table has more than {_MOST_COLUMNS:,} columns", file=name)
        for part in parts:
            _check_size(part, name)
            if part.convert is not None and part.n_rows != self.n_rows:
                raise FormatError(
                    f"{parts[0].dataset.name[1:]!r} has {self.n_rows} rows, "
                    f"{part.dataset.name[1:]!r} has {part.n_rows}",
                    file=name,
                )

    def _load(self, begin: int, end: int, columns: Collection[int]) -> list[Cells | None]:
        cells: list[Cells | None] = [None] * len(self.columns)
        wanted = {self._order[at]: at for at in columns}
        first = 0
        with h5_errors(self.name):
            for part in self._parts:
                width = len(part.headings)
                mine = [at for at in range(width) if first + at in wanted]
                if mine:
                    for at, found in zip(mine, part.load(begin, end, mine), strict=True):
                        cells[wanted[first + at]] = found
                first += width
        return cells

    def close(self) -> None:
        """Close the file; one that was handed in stays open."""
        self._file.close()


def _check_size(part: Part, name: str) -> None:
    dataset = part.dataset
    check_inside(dataset, name)
    chunk = int(np.prod(dataset.chunks)) * dataset.dtype.itemsize if dataset.chunks else 0
    for what, size in (("rows", part.row_bytes), ("chunks", chunk)):
        if size > _MOST_BYTES:
            raise FormatError(
                f"the {what} of {dataset.name[1:]!r} are too large: {size >> 20:,} MB each",
                file=name,
            )
