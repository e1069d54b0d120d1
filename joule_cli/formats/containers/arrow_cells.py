"""Columns of Arrow tables as cells."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from joule_cli.errors import FormatError
from joule_cli.formats.base import os_failure
from joule_cli.formats.containers.base import Cells, Heading

if TYPE_CHECKING:
    from collections.abc import Iterator

#: pyarrow raises these for whatever is wrong with a file.
ARROW_ERRORS = (pa.ArrowException, OSError, ValueError, EOFError, KeyError, TypeError, MemoryError)

#: Columns for row numbers that pandas stores.
_PANDAS_INDEX = "__index_level_"


@contextmanager
def arrow_errors(name: str) -> Iterator[None]:
    """Turn what pyarrow raises about the file `name` into errors for a person."""
    try:
        yield
    except pa.ArrowNotImplementedError as exc:
        raise FormatError("the file uses what this pyarrow cannot read", file=name) from exc
    except ARROW_ERRORS as exc:
        if isinstance(exc, OSError) and exc.errno:
            raise os_failure(exc, name) from exc
        raise FormatError("the file is cut or damaged", file=name) from exc


def is_text(kind: pa.DataType) -> bool:
    """Tell whether a column holds text, each cell for itself."""
    is_view = getattr(pa.types, "is_string_view", lambda _: False)
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or is_view(kind))


def heading(field: pa.Field, units: str = "") -> Heading:
    """Return what the type and the name of a column say."""
    kind, types = field.type, pa.types
    if types.is_dictionary(kind):
        kind = kind.value_type
    told: dict[str, Any] = {"name": field.name, "units": units}
    if types.is_timestamp(kind):
        return Heading(**told, kind="time", aware=kind.tz is not None)
    if types.is_date(kind):
        return Heading(**told, kind="time")
    told["hidden"] = field.name.startswith(_PANDAS_INDEX)
    if types.is_boolean(kind):
        return Heading(**told, kind="number", dtype=np.dtype(bool))
    if types.is_float16(kind):
        return Heading(**told, kind="number", dtype=np.dtype("f4"))
    if types.is_integer(kind) or types.is_floating(kind):
        return Heading(**told, kind="number", dtype=np.dtype(kind.to_pandas_dtype()))
    if types.is_duration(kind):
        told["units"] = units or kind.unit
        return Heading(**told, kind="number", dtype=np.dtype("i8"))
    if types.is_decimal(kind):
        return Heading(**told, kind="number")
    if is_text(kind) or types.is_time(kind):
        return Heading(**told, kind="text")
    return Heading(**told, kind="any" if types.is_null(kind) else "other")


def cells_of(column: pa.Array) -> Cells:
    """Return the cells of a column of any type.

    Returns
    -------
    array or list
        Arrays of numbers, bools and ``datetime64``, masked where there are nulls; lists of text
        and decimals. Of what is neither, such as lists, only the name of the type.
    """
    kind, types = column.type, pa.types
    if types.is_dictionary(kind):
        return _from_dictionary(column)
    if types.is_timestamp(kind):
        return _array(column.view(pa.int64())).view(f"M8[{kind.unit}]")
    if types.is_date32(kind):
        return _array(column.view(pa.int32())).astype("M8[D]")
    if types.is_date64(kind):
        return _array(column.view(pa.int64())).view("M8[ms]")
    if types.is_duration(kind):
        return _array(column.view(pa.int64()))
    if types.is_float16(kind):
        return _array(column.cast(pa.float32()))
    if types.is_boolean(kind) or types.is_integer(kind) or types.is_floating(kind):
        return _array(column)
    if is_text(kind):
        # offsets that point elsewhere would be followed
        column.validate(full=True)
        return list(column.to_pylist())
    if types.is_decimal(kind) or types.is_null(kind):
        return list(column.to_pylist())
    if types.is_time(kind):
        return [None if cell is None else str(cell) for cell in column.to_pylist()]
    return [str(kind)[:40]] * len(column)


def _array(column: pa.Array) -> npt.NDArray[Any]:
    if not column.null_count:
        plain: npt.NDArray[Any] = column.to_numpy(zero_copy_only=False)
        return plain
    missing = column.is_null().to_numpy(zero_copy_only=False)
    empty: Any = False if pa.types.is_boolean(column.type) else 0
    values = column.fill_null(pa.scalar(empty, column.type)).to_numpy(zero_copy_only=False)
    masked: npt.NDArray[Any] = np.ma.MaskedArray(values, missing)
    return masked


def _from_dictionary(column: pa.Array) -> Cells:
    column.validate(full=True)
    known = cells_of(column.dictionary)
    if not isinstance(known, list):
        return cells_of(column.dictionary_decode())
    # the texts of many rows stay one text each
    known.append(None)
    return [known[at] for at in column.indices.fill_null(len(known) - 1).to_pylist()]


def joined(parts: list[Cells]) -> Cells:
    """Join the cells of one column."""
    if len(parts) == 1:
        return parts[0]
    if any(isinstance(part, list) for part in parts):
        return [cell for part in parts for cell in part]
    join = np.ma.concatenate if any(map(np.ma.isMaskedArray, parts)) else np.concatenate
    found: Cells = join(parts)
    return found
