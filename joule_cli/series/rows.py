"""What programs write, as rows of a layout."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from joule_cli.errors import LayoutMismatchError, MissingValuesError

if TYPE_CHECKING:
    from joule_cli.series.layout import Layout, Rows


def as_rows(data: object, layout: Layout) -> Rows:
    """Turn what a program hands to ``Pipe.write`` into rows of `layout`.

    Parameters
    ----------
    data
        A structured array with ``timestamp`` and ``data`` (for one element ``data`` may be a
        scalar field), a 2-D array or plain nested lists with the timestamp in column 0.

    Returns
    -------
    Rows
        (n,) of the layout's dtype; a view of `data` when it already has that dtype.

    Raises
    ------
    LayoutMismatchError
        Wrong number of columns, wrong dimension or a type that cannot be cast.
    MissingValuesError
        A value that is to be an integer is NaN.
    """
    if isinstance(data, np.ndarray) and data.dtype == layout.dtype:
        return np.atleast_1d(data) if data.ndim <= 1 else _wrong_dimensions()
    if isinstance(data, np.ndarray) and data.dtype.names is not None:
        return _from_structured(np.atleast_1d(data), layout)
    return _from_matrix(data, layout)


def _wrong_dimensions() -> Rows:
    raise LayoutMismatchError("wrong number of dimensions in array")


def _from_structured(data: npt.NDArray[np.void], layout: Layout) -> Rows:
    if data.ndim != 1:
        _wrong_dimensions()
    if data.dtype.names != ("timestamp", "data"):
        raise LayoutMismatchError(
            f"wrong dtype for 1D (structured) array {data.dtype} != req type {layout.dtype}"
        )
    # not -1, which NumPy cannot work out for no rows
    values = data["data"].reshape(len(data), math.prod(data.dtype["data"].shape))
    if values.shape[1] != layout.width or data["timestamp"].dtype.kind not in "iu":
        raise LayoutMismatchError(
            f"wrong dtype for 1D (structured) array {data.dtype} != req type {layout.dtype}"
        )
    return _assemble(data["timestamp"], values, layout)


def _from_matrix(data: object, layout: Layout) -> Rows:
    if isinstance(data, list | tuple) and data and isinstance(data[0], list | tuple):
        # column 0 apart from the values, so that a float value does not round the timestamps
        widths = {len(row) for row in data}
        if widths != {layout.width + 1}:
            raise LayoutMismatchError("wrong number of fields for this data type")
        try:
            stamps = _from_list([row[0] for row in data], np.dtype("<i8"))
            values = _from_list([row[1:] for row in data], layout.element)
        except (TypeError, ValueError, OverflowError) as exc:
            raise LayoutMismatchError(f"the values do not fit the layout {layout}") from exc
        return _assemble(stamps, values, layout)
    matrix = np.asarray(data)
    if matrix.size == 0:
        return np.empty(0, layout.dtype)
    if matrix.dtype.kind not in "iufb":
        raise LayoutMismatchError("invalid data type must be a structured array or 2D matrix")
    if matrix.ndim != 2:
        _wrong_dimensions()
    if matrix.shape[1] != layout.width + 1:
        raise LayoutMismatchError("wrong number of fields for this data type")
    return _assemble(matrix[:, 0], matrix[:, 1:], layout)


def _from_list(data: list[Any], dtype: np.dtype[np.generic]) -> npt.NDArray[np.generic]:
    found = np.array(data)
    if found.dtype == object:
        # integers beyond uint64 mixed with others
        return found if dtype.kind in "iu" else np.array(data, np.float64)
    if found.dtype.kind == "f" and dtype.kind in "iu" and np.abs(found).max() >= 2.0**53:
        # NumPy takes float64 for integers of which some fit only int64 and some only uint64
        return np.array(data, object)
    return found


def _assemble(
    stamps: npt.NDArray[np.generic], values: npt.NDArray[np.generic], layout: Layout
) -> Rows:
    rows = np.empty(len(stamps), layout.dtype)
    try:
        _check_range(stamps, np.dtype("<i8"))
        _check_range(values, layout.element)
        rows["timestamp"] = stamps
        with np.errstate(invalid="ignore", over="ignore"):
            rows["data"] = values
        if layout.element.kind == "f" and not np.can_cast(values.dtype, layout.element):
            _check_overflow(values, rows["data"])
    except (TypeError, ValueError, OverflowError) as exc:
        if layout.element.kind != "f" and _has_missing(values):
            raise MissingValuesError(
                f"a stream of {layout.datatype} cannot hold missing values (NaN)",
                hint="one of float32 or float64 can; or leave the rows out",
            ) from exc
        raise LayoutMismatchError(f"the values do not fit the layout {layout}") from exc
    return rows


def _has_missing(values: npt.NDArray[Any]) -> bool:
    return any(value is None or value != value for value in values.flat)  # NaN


def _check_overflow(values: npt.NDArray[Any], stored: npt.NDArray[Any]) -> None:
    """Refuse numbers that became infinities."""
    infinite = np.isinf(stored)
    if infinite.any() and np.isfinite(values[infinite]).any():
        raise OverflowError


def _check_range(values: npt.NDArray[Any], dtype: np.dtype[np.generic]) -> None:
    """Refuse what an assignment would wrap around; fractions are cut off, as NumPy does."""
    if dtype.kind not in "iu" or not values.size or np.can_cast(values.dtype, dtype):
        return
    limits = np.iinfo(dtype.name)
    low, high = (int(extreme) for extreme in (values.min(), values.max()))
    if low < limits.min or high > limits.max:
        raise OverflowError
