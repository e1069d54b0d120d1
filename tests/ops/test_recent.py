"""The recent past of a stream in bounded memory."""

from __future__ import annotations

import numpy as np

from joule_cli.ops.recent import Recent

SECOND = 1_000_000


def add(recent, times, values, weight=1):
    data = np.asarray(values, float).reshape(len(times), -1)
    recent.add(np.asarray(times, np.int64), data, data, data, weight)


def test_few_rows_are_kept_as_they_are():
    recent = Recent(2, None)
    add(recent, [10, 20], [[1, 2], [3, 4]])
    recent.end_stretch()
    add(recent, [50], [[5, 6]])
    first, second = recent.stretches()
    assert first.times.tolist() == [10, 20]
    assert first.means.tolist() == first.lows.tolist() == first.highs.tolist() == [[1, 2], [3, 4]]
    assert second.times.tolist() == [50]
    assert recent.ends == (10, 50)
    assert Recent(1, None).ends is None
    assert Recent(1, None).stretches() == []


def test_everything_since_the_start_in_bounded_memory():
    """Against the mean, the least and the greatest of all rows, in whatever blocks they came."""
    random = np.random.default_rng(5)
    values = random.normal(size=300_000)
    times = np.cumsum(random.integers(1, 1000, len(values)))
    recent = Recent(1, None)
    for part in np.split(np.arange(len(values)), [1, 2, 5, 40_000, 40_001, 250_000]):
        add(recent, times[part], values[part])
    (found,) = recent.stretches()
    assert recent.ends == (times[0], times[-1])
    bucket = 1
    while times[-1] - times[0] >= bucket * 2048:
        bucket *= 2
    starts = np.unique((times - times[0]) // bucket, return_index=True)[1]
    assert 500 < len(starts) <= 2048
    counts = np.diff(starts, append=len(values))
    np.testing.assert_allclose(found.means[:, 0], np.add.reduceat(values, starts) / counts)
    assert found.lows[:, 0].tolist() == np.minimum.reduceat(values, starts).tolist()
    assert found.highs[:, 0].tolist() == np.maximum.reduceat(values, starts).tolist()
    ends = np.append(starts[1:], len(values)) - 1
    assert found.times.tolist() == (times[starts] + (times[ends] - times[starts]) // 2).tolist()


def test_means_have_weights():
    recent = Recent(1, 2048 * SECOND)
    add(recent, [0], [1], weight=4)
    add(recent, [10], [6])
    (found,) = recent.stretches()
    assert found.means.tolist() == [[2.0]]
    assert (found.lows.tolist(), found.highs.tolist()) == ([[1.0]], [[6.0]])
    assert recent.rows == 5


def test_a_window_slides_with_the_last_row():
    recent = Recent(1, 100 * SECOND)
    for second in range(1000):
        add(recent, [second * SECOND], [second])
    (found,) = recent.stretches()
    assert found.means[:, 0].tolist() == list(range(899, 1000))
    # after a long rest nothing of what was before is left
    add(recent, [5000 * SECOND], [1])
    assert recent.ends == (5000 * SECOND, 5000 * SECOND)


def test_a_gap_longer_than_a_bucket_stays():
    recent = Recent(1, None)
    for number in range(10):
        start = number * 1000 * SECOND
        add(recent, np.arange(start, start + 900 * SECOND, SECOND), np.zeros(900))
        recent.end_stretch()
    assert len(recent.stretches()) == 10
    many = Recent(1, None)
    for number in range(5_000):
        add(many, [number * SECOND], [number])
        many.end_stretch()
    assert sum(len(part.times) for part in many.stretches()) <= 2049


def test_infinities():
    recent = Recent(1, 2048 * SECOND)
    add(recent, [0, 1, 2], [np.inf, -np.inf, 1])
    (found,) = recent.stretches()
    assert np.isnan(found.means[0, 0])
    assert (found.lows[0, 0], found.highs[0, 0]) == (-np.inf, np.inf)


def test_missing_values_count_for_nothing():
    recent = Recent(2, 2048 * SECOND)
    add(recent, [0], [[1, np.nan]], weight=4)
    add(recent, [10, 20], [[np.nan, np.nan], [6, np.nan]])
    add(recent, [5 * SECOND], [[np.nan, 7]])
    (found,) = recent.stretches()
    np.testing.assert_array_equal(found.means, [[2, np.nan], [np.nan, 7]])
    np.testing.assert_array_equal(found.lows, [[1, np.nan], [np.nan, 7]])
    np.testing.assert_array_equal(found.highs, [[6, np.nan], [np.nan, 7]])
