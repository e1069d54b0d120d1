"""Buckets of equal width, for histograms over time."""

from __future__ import annotations

from typing import NamedTuple

from joule_cli.errors import ApiError

#: Monday 2000-01-03 UTC, from where buckets count; as in Joule 1.0.1.
_ORIGIN = 946_857_600_000_000
#: How many times the width that is chosen by default goes into the range.
_DEFAULT = 99
_MOST = 100_000


class Buckets(NamedTuple):
    """Neighbouring half-open spans of `width` µs; the first one begins at `first`."""

    first: int
    width: int
    number: int

    @classmethod
    def over(cls, low: int, high: int, width: int | None = None) -> Buckets:
        """Return the buckets that hold `low`, `high` and all between.

        They are aligned to multiples of `width` counted from 2000-01-03 UTC, a Monday. Without a
        width there are about a hundred.

        Raises
        ------
        ApiError
            `width` is not a positive integer, or gives more than 100,000 buckets.
        """
        if width is None:
            width = max(round((high - low) / _DEFAULT), 1)
        check_width(width)
        first = low - (low - _ORIGIN) % width
        number = (high - first) // width + 1
        if number > _MOST:
            raise ApiError(f"[width] gives {number:,} buckets, more than {_MOST:,}")
        return cls(first, width, number)

    def place(self, timestamp: int) -> int:
        """Return the number of the bucket that a timestamp is in, from 0 for the first."""
        return (timestamp - self.first) // self.width

    def starts(self) -> range:
        """Return where each bucket begins."""
        return range(self.first, self.first + self.number * self.width, self.width)


def check_width(width: object) -> None:
    """Refuse what is no width of a bucket.

    Raises
    ------
    ApiError
        Not a positive integer.
    """
    if not isinstance(width, int) or isinstance(width, bool) or width < 1:
        raise ApiError("[width] must be an integer > 0")
