"""Rows in the order of time: repeated times, rows out of order, sorting."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from datetime import UTC
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from joule_cli.errors import FormatError
from joule_cli.formats.numbers import shorten
from joule_cli.formats.table.problems import Reason
from joule_cli.series.time_output import format_time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from joule_cli.series.layout import Rows

_BLOCK_ROWS: Final = 1 << 16


@dataclass(slots=True)
class Ordered:
    """Rows whose times rise, and what became of the others of a block.

    Parameters
    ----------
    kept
        Positions in the block of the rows that are kept.
    equal
        How many rows were the same as one that is kept.
    merged
        How many rows had the time of one that is kept, and gave way to it or went into it.
    refused
        Reasons of rows that cannot be taken, by their position.
    """

    rows: Rows
    kept: npt.NDArray[np.intp]
    equal: int = 0
    merged: int = 0
    refused: dict[int, Reason] = field(default_factory=dict)


#: Gets a row that does not come after the kept row above it, and that row (-1 in an earlier block).
Explain: TypeAlias = "Callable[[int, int], Reason | None]"


class Order:
    """Sees that times rise strictly over a whole file.

    Rows that repeat the kept row above are dropped. Of rows with one time and other values,
    `policy` says which is kept; for ``last`` and ``mean`` they come in one block. Rows before the
    one above are refused.
    """

    def __init__(self, policy: Literal["error", "first", "last", "mean"]) -> None:
        self._policy = policy
        self._last: Any = None

    @property
    def last(self) -> int | None:
        """The time of the last row that was kept."""
        return None if self._last is None else int(self._last["timestamp"])

    def __call__(self, rows: Rows, explain: Explain) -> Ordered:
        """Take a block; `explain` gives a reason of its own for a row that is refused."""
        stamps = rows["timestamp"]
        if not len(rows):
            return Ordered(rows, np.empty(0, np.intp))
        first_fits = self._last is None or stamps[0] > self._last["timestamp"]
        if first_fits and bool((stamps[1:] > stamps[:-1]).all()):
            found = Ordered(rows, np.arange(len(rows)))
        else:
            found = self._sift(rows, explain)
        if len(found.rows):
            self._last = found.rows[-1].copy()
        return found

    def _sift(self, rows: Rows, explain: Explain) -> Ordered:
        stamps = rows["timestamp"]
        before = np.empty_like(stamps)
        before[1:] = np.maximum.accumulate(stamps)[:-1]
        before[0] = stamps[0] - 1
        if self._last is not None:
            before[0] = self._last["timestamp"]
            np.maximum(before, before[0], out=before)
        rises = stamps > before
        kept = np.flatnonzero(rises)
        out = Ordered(rows, kept)
        several: dict[int, list[Any]] = {}
        for row in np.flatnonzero(~rises).tolist():
            at = int(np.searchsorted(kept, row)) - 1
            above = int(kept[at]) if at >= 0 else -1
            repeated = stamps[row] == before[row]
            if repeated and _same(rows[row], rows[above] if above >= 0 else self._last):
                out.equal += 1
            elif repeated and self._policy != "error":
                out.merged += 1
                if above >= 0:
                    several.setdefault(above, [rows["data"][above]]).append(rows["data"][row])
            else:
                reason = explain(row, above)
                out.refused[row] = reason or order_reason(int(stamps[row]), int(before[row]))
        if several and self._policy != "first":
            rows = rows.copy()
            for above, values in several.items():
                rows["data"][above] = _merged(values, self._policy, rows.dtype["data"].base)
        out.rows = rows[kept]
        return out


def _same(one: Any, other: Any) -> bool:
    a, b = one["data"], other["data"]
    return bool(((a == b) | ((a != a) & (b != b))).all())


def _merged(values: list[Any], policy: str, element: np.dtype[Any]) -> Any:
    if policy == "last":
        return values[-1]
    mean = np.mean(np.array(values, np.float64), axis=0)
    return np.rint(mean).astype(element) if element.kind in "iu" else mean.astype(element)


def order_reason(stamp: int, last: int, text: str = "") -> Reason:
    """Say what is wrong with a time that does not rise; `text` is what the file has."""
    shown = format_time(stamp, "human", UTC)
    if text and text != shown:
        shown = f"{shorten(text)} ({shown})"
    if stamp == last:
        return Reason(
            f"the time {shown} is repeated with other values",
            "use --on-duplicate first, last or mean",
        )
    return Reason(
        f"the time {shown} is before {format_time(last, 'human', UTC)}, the one above it",
        "use --sort to bring the rows into order",
    )


def gathered(items: Iterator[Rows | None]) -> Iterator[Rows | None]:
    """Put small blocks of rows together; those before an error still come."""
    held: list[Rows] = []
    count = 0
    try:
        for rows in items:
            if held and (rows is None or count >= _BLOCK_ROWS):
                yield np.concatenate(held)
                held, count = [], 0
            if rows is None:
                yield None
            else:
                held.append(rows)
                count += len(rows)
    except FormatError:
        if held:
            yield np.concatenate(held)
        raise
    if held:
        yield np.concatenate(held)


class Spool:
    """Rows in a temporary file without a name, to be sorted or given again."""

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self._dtype = dtype
        self._file = tempfile.TemporaryFile(prefix="joule-")  # noqa: SIM115 - closed by close
        self._stamps: list[npt.NDArray[np.int64]] = []
        self.rows = 0

    def add(self, rows: Rows) -> None:
        """Append rows."""
        self._file.write(np.ascontiguousarray(rows).tobytes())
        self._stamps.append(rows["timestamp"].copy())
        self.rows += len(rows)

    def blocks(self, *, sort: bool) -> Iterator[tuple[Rows, npt.NDArray[np.intp]]]:
        """Give all rows, and the position of each among those that were added.

        Neighbours with one time come in one block.
        """
        if not self.rows:
            return
        self._file.flush()
        whole = np.memmap(self._file, self._dtype, "r", shape=(self.rows,))
        stamps = np.concatenate(self._stamps)
        order = np.argsort(stamps, kind="stable") if sort else np.arange(self.rows)
        begin = 0
        while begin < self.rows:
            end = min(begin + _BLOCK_ROWS, self.rows)
            while end < self.rows and stamps[order[end]] == stamps[order[end - 1]]:
                end += 1
            yield np.array(whole[order[begin:end]]), order[begin:end]
            begin = end

    def close(self) -> None:
        """Give the space back."""
        self._file.close()
