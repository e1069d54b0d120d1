"""Buckets of a histogram."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from joule_cli.errors import ApiError
from joule_cli.series.buckets import Buckets

MONDAY = 946_857_600_000_000
TIMES = st.integers(-(10**15), 3 * 10**15)


@example(0, 101, None)
@example(0, 148, None)
@given(TIMES, TIMES, st.none() | st.integers(10**11, 10**16))
def test_they_cover_the_range_and_no_more(low, high, width):
    low, high = sorted((low, high))
    buckets = Buckets.over(low, high, width)
    starts = buckets.starts()
    assert len(starts) == buckets.number
    assert starts[0] <= low < starts[0] + buckets.width
    assert starts[-1] <= high < starts[-1] + buckets.width
    assert buckets.place(low) == 0
    assert buckets.place(high) == buckets.number - 1
    assert (starts[0] - MONDAY) % buckets.width == 0
    # widths are whole: one and a half times the usual width is rounded down to 1 µs
    assert width is not None or buckets.number <= 150


def test_as_joule_1_0_1_has_them():
    buckets = Buckets.over(1000, 40000)
    assert (buckets.width, buckets.first) == (394, 626)


@pytest.mark.parametrize("width", [0, -1, 1.5, True, "1"])
def test_no_width(width):
    with pytest.raises(ApiError, match=r"\[width\] must be an integer > 0"):
        Buckets.over(0, 10, width)


def test_too_many():
    with pytest.raises(ApiError, match="gives 1,000,000,001 buckets, more than 100,000"):
        Buckets.over(MONDAY, MONDAY + 10**9, 1)
