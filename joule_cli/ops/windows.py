"""Moving mean and running median of rows that arrive in blocks.

A window leaves missing values out; where it has no others, the result is missing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from joule_cli.ops.errors import OperationError
from joule_cli.ops.rows import fill_values, refuse_results
from joule_cli.series.layout import Layout, Rows

_Values: TypeAlias = npt.NDArray[np.generic]
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


def running_median(values: _Values, window: int) -> _Values:
    """Return the median of each `window` successive rows; `window` is odd."""
    results = len(values) - window + 1
    width = values.shape[1]
    out = np.empty((results, width), values.dtype)
    step = max(_STEP_VALUES // (window * width), 1)
    for first in range(0, results, step):
        last = min(first + step, results)
        part = values[first : last + window - 1]
        views = np.lib.stride_tricks.sliding_window_view(part, window, axis=0)
        if part.dtype.kind == "f" and np.isnan(part).any():
            out[first:last] = _present_median(views)
        else:
            half = window // 2
            out[first:last] = np.partition(views, half, axis=-1)[..., half]
    return out


def _present_median(views: npt.NDArray[Any]) -> _Values:
    """Return the median of what is not missing; of an even number, between the middle two."""
    # sorting puts NaN behind all numbers
    ordered = np.sort(views, axis=-1)
    present = views.shape[-1] - np.isnan(views).sum(axis=-1, keepdims=True)
    low = np.take_along_axis(ordered, np.maximum(present - 1, 0) // 2, axis=-1)
    high = np.take_along_axis(ordered, present // 2, axis=-1)
    with np.errstate(invalid="ignore"):
        median: _Values = np.where(low == high, low, low / 2 + high / 2)[..., 0]
    return median


class WindowFilter:
    """Filters the rows of one interval, block by block.

    The first and the last ``window // 2`` rows of the interval have no result; the others keep
    their timestamps.

    Raises
    ------
    OperationError
        The window is not a positive odd number.
    """

    def __init__(
        self, kernel: Kernel, window: int, layout: Layout, datatype: str, *, destination: str
    ) -> None:
        check_window(window)
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
        self._carry = rows[max(len(rows) - self._window + 1, 0) :].copy()
        results = max(len(rows) - self._window + 1, 0)
        self._results += results
        out: Rows = np.empty(results, self._dtype)
        if results:
            half = self._window // 2
            out["timestamp"] = rows["timestamp"][half : half + results]
            found = self._kernel(rows["data"], self._window)
            fill_values(out, found, self._destination)
            undefined = np.isnan(found)
            if undefined.any():
                # of infinities of both signs
                undefined &= ~all_missing(rows["data"], self._window)
                refuse_results(out, undefined, "is not a number", self._destination)
        return out


def check_window(window: int) -> None:
    """Refuse a window that has no middle row."""
    if window < 1 or window % 2 == 0:
        raise OperationError(f"the window must be a positive odd number, not {window}")
