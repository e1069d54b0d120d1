"""What the data calls of every node check first."""

from __future__ import annotations

from joule_cli.errors import DataError


def read_range(start: int | None, end: int | None) -> tuple[int | None, int | None]:
    """Refuse empty ranges; turn bounds beyond every timestamp into open ones."""
    if start is not None and end is not None and start >= end:
        raise DataError("[start] must be before [end]")
    if start is not None:
        start = None if start <= -(2**63) else min(int(start), 2**63 - 1)
    if end is not None:
        end = None if end >= 2**63 else max(int(end), -(2**63) + 1)
    return start, end


def check_reduction(max_rows: int | None, decimation_level: int | None) -> None:
    """Refuse to read fewer rows than one, or every zeroth."""
    if max_rows is not None and max_rows <= 0:
        raise DataError("[max-rows] must be > 0")
    if decimation_level is not None and decimation_level <= 0:
        raise DataError("[decimation-level] must be > 0")


def check_merge_gap(merge_gap: int) -> None:
    """Refuse a gap of less than nothing."""
    if merge_gap < 0:
        raise DataError("merge-gap must be >= 0")


def check_max_gap(max_gap: int) -> None:
    """Refuse a longest gap in which nothing fits."""
    if max_gap <= 0:
        raise DataError("max_gap must be a positive integer")
