"""What rows must be to be stored on any node."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from joule_cli.errors import InvalidValuesError, NonMonotonicError

if TYPE_CHECKING:
    from joule_cli.series.layout import Rows


def refuse_unordered(rows: Rows, last: int | None) -> None:
    """Check that timestamps increase strictly, from `last` on.

    Raises
    ------
    NonMonotonicError
        They do not.
    """
    at = first_unordered(rows, last)
    if at is not None:
        ts = rows["timestamp"]
        before = last if at == 0 else int(ts[at - 1])
        raise NonMonotonicError(
            f"Non-monotonic timestamps in new data: {int(ts[at])} follows {before}"
        )


def first_unordered(rows: Rows, last: int | None, *, ties: bool = False) -> int | None:
    """Return the index of the first row that is not later than the one before it.

    Parameters
    ----------
    last
        Timestamp before the first row.
    ties
        Let equal timestamps pass.
    """
    ts = rows["timestamp"]
    if not len(ts):
        return None
    first = int(ts[0])
    if last is not None and (first < last or (first == last and not ties)):
        return 0
    ordered = ts[1:] >= ts[:-1] if ties else ts[1:] > ts[:-1]
    return None if ordered.all() else int(np.argmin(ordered)) + 1


def refuse_nan(rows: Rows) -> None:
    """Check that every value is a number; infinities are.

    Raises
    ------
    InvalidValuesError
        One is NaN.
    """
    values = rows["data"]
    if values.dtype.kind == "f" and np.isnan(values).any():
        at = int(np.argmax(np.isnan(values).any(axis=1)))
        stamp = int(rows["timestamp"][at])
        raise InvalidValuesError(f"Invalid values (NaN) in new data at {stamp}")
