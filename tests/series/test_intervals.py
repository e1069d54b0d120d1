"""Interval algebra against sets of integers."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joule_cli.series.intervals import Interval, clip, difference, gaps, intersection, union

EDGES = st.integers(-20, 20)


@st.composite
def disjoint(draw):
    """Ascending, disjoint intervals that may touch."""
    cuts = sorted(draw(st.sets(EDGES, max_size=10)))
    pairs = list(pairwise(cuts))
    return [list(pair) for pair in pairs if draw(st.booleans())]


def points(intervals):
    return {t for start, end in intervals for t in range(start, end)}


def is_ordered(intervals):
    return all(a[1] <= b[0] for a, b in pairwise(intervals)) and all(
        start < end for start, end in intervals
    )


@given(disjoint(), disjoint())
def test_intersection(a, b):
    result = intersection(a, b)
    assert points(result) == points(a) & points(b)
    assert is_ordered(result)


@given(disjoint(), disjoint())
def test_difference(a, b):
    result = difference(a, b)
    assert points(result) == points(a) - points(b)
    assert is_ordered(result)


@given(st.lists(st.tuples(EDGES, EDGES).map(sorted)))
def test_union(intervals):
    result = union(intervals)
    assert points(result) == points(intervals)
    assert all(a.end < b.start for a, b in pairwise(result))
    assert is_ordered(result)


@given(disjoint(), st.none() | EDGES, st.none() | EDGES)
def test_clip(intervals, start, end):
    low = -100 if start is None else start
    high = 100 if end is None else end
    result = clip(intervals, start, end)
    assert points(result) == {t for t in points(intervals) if low <= t < high}
    assert is_ordered(result)


@given(disjoint(), st.integers(0, 5))
def test_gaps(intervals, min_gap):
    result = gaps(intervals, min_gap)
    assert points(result) <= set(range(-20, 20)) - points(intervals)
    assert all(end - start > min_gap for start, end in result)
    span = set(range(intervals[0][0], intervals[-1][1])) if intervals else set()
    short = [g for g in gaps(intervals) if g not in result]
    assert points(result) | points(short) | points(intervals) == span
    assert all(end - start <= min_gap for start, end in short)


def test_touching_intervals_stay_separate_pieces():
    touching = [[0, 10], [10, 20]]
    assert intersection(touching, [[0, 20]]) == [(0, 10), (10, 20)]
    assert difference(touching, [[5, 6]]) == [(0, 5), (6, 10), (10, 20)]
    assert clip(touching, 5, 15) == [(5, 10), (10, 15)]
    assert union(touching) == [(0, 20)]
    assert gaps(touching) == []


@pytest.mark.parametrize("operation", [intersection, difference])
def test_results_are_intervals(operation):
    (result,) = operation([[0, 10]], [[5, 30]])
    assert isinstance(result, Interval)
    assert result.start < result.end
