"""Moving mean and running median of rows that arrive in blocks.

A window leaves missing values out; where it has no others, the result is missing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from joule_cli.ops.errors import OperationError
from joule_cli.ops.rows import fill_values, refuse_results
from joule_cli.series.layout import Layout, Rows

_Values: TypeAlias = npt.NDArray[np.generic]
_Indices: TypeAlias = npt.NDArray[np.int64]
Unit: TypeAlias = Literal["rows", "us"]
_Floats: TypeAlias = npt.NDArray[np.float64]
#: Maps (n, k) values and a window to the (n - window + 1, k) results.
Kernel: TypeAlias = Callable[[_Values, int], _Values]

#: Values that one step of the median looks at together.
_STEP_VALUES = 1 << 21


def moving_mean(values: _Values, window: int) -> _Floats:
    """Return the mean of each `window` successive rows, as float64.

    Each sum is made of two sums of values inside its window, so that large values elsewhere
    cost no precision, infinities elsewhere do not matter, and the work does not depend on the
    window. The mean of infinities of both signs is NaN.
    """
    floats = values.astype(np.float64)
    missing = np.isnan(floats)
    present: _Floats | int = window
    if missing.any():
        floats[missing] = 0
        present = _window_sums((~missing).astype(np.float64), window)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        means = _window_sums(floats, window) / present
        finite = np.isfinite(means)
        if not finite.all():
            # a sum was too large, unless values are infinite or missing; dividing first costs a
            # little precision instead
            divided = _window_sums(floats / window, window) * (window / present)
            means = np.where(finite, means, divided)
    return means


def all_missing(values: _Values, window: int) -> npt.NDArray[np.bool_]:
    """Tell of which windows every value is missing."""
    missing: npt.NDArray[np.bool_] = np.isnan(values)
    everything: npt.NDArray[np.bool_] = _window_sums(missing.astype(np.float64), window) == window
    return everything


def _window_sums(values: _Floats, window: int) -> _Floats:
    count, width = values.shape
    results = count - window + 1
    groups = -(-count // window)
    padded = np.zeros((groups * window, width))
    padded[:count] = values
    grouped = padded.reshape(groups, window, width)
    ahead = np.cumsum(grouped, axis=1).reshape(-1, width)
    behind = np.cumsum(grouped[:, ::-1], axis=1)[:, ::-1].reshape(-1, width)
    sums: _Floats = behind[:results] + ahead[window - 1 : count]
    # a window that is one whole group is in both sums
    sums[::window] = behind[:results:window]
    return sums


def running_median(values: _Values, window: int) -> _Floats:
    """Return the median of each `window` successive rows, as float64.

    Of an even number it lies between the middle two.
    """
    results = len(values) - window + 1
    width = values.shape[1]
    out = np.empty((results, width))
    step = max(_STEP_VALUES // (window * width), 1)
    for first in range(0, results, step):
        last = min(first + step, results)
        part = values[first : last + window - 1]
        views = np.lib.stride_tricks.sliding_window_view(part, window, axis=0)
        half = window // 2
        if part.dtype.kind == "f" and np.isnan(part).any():
            out[first:last] = _present_median(views)
        elif window % 2:
            out[first:last] = np.partition(views, half, axis=-1)[..., half]
        else:
            parts = np.partition(views, (half - 1, half), axis=-1)
            out[first:last] = _middle(parts[..., half - 1], parts[..., half])
    return out


def _present_median(views: npt.NDArray[Any]) -> _Floats:
    """Return the median of what is not missing."""
    # sorting puts NaN behind all numbers
    ordered = np.sort(views, axis=-1)
    present = views.shape[-1] - np.isnan(views).sum(axis=-1, keepdims=True)
    low = np.take_along_axis(ordered, np.maximum(present - 1, 0) // 2, axis=-1)
    high = np.take_along_axis(ordered, present // 2, axis=-1)
    return _middle(low[..., 0], high[..., 0])


def _middle(low: npt.NDArray[Any], high: npt.NDArray[Any]) -> _Floats:
    """Return what lies between the middle two of an even number."""
    low, high = low.astype(np.float64), high.astype(np.float64)
    with np.errstate(invalid="ignore"):
        # halves first: a sum may be too large
        median: _Floats = np.where(low == high, low, low / 2 + high / 2)
    return median


class WindowFilter:
    """Filters the rows of one interval, block by block.

    Rows whose window reaches beyond the interval have no result; the others keep their timestamps.

    Parameters
    ----------
    window
        Rows, or µs. Of an even number of rows one more lies before the row in question than behind
        it; a window of time begins half of it before the row and ends, exclusive, half behind.

    Raises
    ------
    OperationError
        The window is not positive.
    """

    def __init__(
        self,
        kernel: Kernel,
        window: int,
        layout: Layout,
        datatype: str,
        *,
        destination: str,
        unit: Unit = "rows",
    ) -> None:
        check_window(window)
        self._unit = unit
        self._before, self._after = margins(window, unit)
        self._first: int | None = None
        self._last: int | None = None
        self._destination = destination
        self._kernel = kernel
        self._window = window
        self._carry: Rows = np.empty(0, layout.dtype)
        self._dtype = Layout(datatype, layout.width).dtype
        self._results = 0

    @property
    def unused(self) -> tuple[int, int] | None:
        """First timestamp, and 1 µs past the last, of rows that were too few for a result."""
        if self._results or not len(self._carry):
            return None
        stamps = self._carry["timestamp"]
        return int(stamps[0]), int(stamps[-1]) + 1

    def feed(self, rows: Rows) -> Rows:
        """Return the results that `rows` completes, possibly none.

        Raises
        ------
        InvalidValuesError
            A result is not a number, or too large for its type.
        """
        rows = np.concatenate([self._carry, rows]) if len(self._carry) else rows
        middle, begins, ends, kept = self._windows(rows["timestamp"])
        self._carry = rows[kept:].copy()
        self._results += len(middle)
        out: Rows = np.empty(len(middle), self._dtype)
        if len(middle):
            out["timestamp"] = rows["timestamp"][middle]
            values, sizes = rows["data"], ends - begins
            found = _each_window(self._kernel, values, begins, sizes)
            fill_values(out, found, self._destination)
            undefined = np.isnan(found)
            if undefined.any():
                # of infinities of both signs
                undefined &= _each_window(all_missing, values, begins, sizes) == 0
                refuse_results(out, undefined, "is not a number", self._destination)
        return out

    def _windows(self, stamps: _Indices) -> tuple[_Indices, _Indices, _Indices, int]:
        """Find the windows that can be computed now.

        Returns
        -------
        middle, begins, ends
            The rows that the results belong to, the first row of each window, and past its last.
        kept
            The first row that a later window needs.
        """
        if self._unit == "rows":
            begins = np.arange(max(len(stamps) - self._window + 1, 0))
            return begins + self._before, begins, begins + self._window, len(begins)
        if not len(stamps):
            nothing = np.empty(0, np.int64)
            return nothing, nothing, nothing, 0
        if self._first is None:
            self._first = int(stamps[0])
            self._last = self._first + self._before - 1
        assert self._last is not None
        # behind the last result, and as far as the whole window is known
        low, high = np.searchsorted(
            stamps, [self._last + 1, int(stamps[-1]) - self._after + 2]
        ).tolist()
        middle = np.arange(low, max(low, high))
        if len(middle):
            self._last = int(stamps[middle[-1]])
        begins = np.searchsorted(stamps, stamps[middle] - self._before)
        ends = np.searchsorted(stamps, stamps[middle] + self._after)
        kept = int(np.searchsorted(stamps, self._last + 1 - self._before))
        return middle, begins, ends, kept


def _each_window(kernel: Kernel, values: _Values, begins: _Indices, sizes: _Indices) -> _Floats:
    """Apply a kernel to windows of several sizes: (n, k) for n windows."""
    out = np.empty((len(begins), values.shape[1]))
    for size in np.unique(sizes).tolist():
        chosen = np.flatnonzero(sizes == size)
        at = begins[chosen]
        if len(at) * size < at[-1] - at[0]:
            # a few of this size, far apart: their rows one behind the other
            apart = values[(at[:, None] + np.arange(size)).reshape(-1)]
            out[chosen] = kernel(apart, size)[::size]
        else:
            out[chosen] = kernel(values[at[0] : at[-1] + size], size)[at - at[0]]
    return out


def margins(window: int, unit: Unit) -> tuple[int, int]:
    """Return how far a window reaches before and behind a row.

    In rows, or in µs, of which the last one behind is not part of it.
    """
    before = window // 2
    return before, window - before - (unit == "rows")


def check_window(window: int) -> None:
    """Refuse a window that is empty."""
    if window < 1:
        raise OperationError(f"the window must be positive, not {window}")
