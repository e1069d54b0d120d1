"""Counting without visiting: windows against a plain list, at the edges of the buckets too."""

from __future__ import annotations

from bisect import bisect_left

import apsw
from hypothesis import given
from hypothesis import strategies as st

from joule_cli.engine.stores.sqlite import event_tally
from joule_cli.engine.stores.sqlite.migrations import migrate

EARLIEST, LATEST = -(2**63), 2**63 - 1
BUCKET = 1 << event_tally.BUCKET_BITS

near_edges = st.builds(
    lambda bucket, offset: min(max(bucket * BUCKET + offset, EARLIEST), LATEST),
    st.integers(-3, 3) | st.sampled_from([-(2**31), 2**31 - 1, 2**31]),
    st.integers(-2, 2) | st.integers(0, BUCKET - 1),
)


@given(st.lists(near_edges, max_size=20), st.none() | near_edges, st.none() | near_edges)
def test_a_count_is_the_number_of_starts_in_the_window(starts, low, high):
    if low is not None and high is not None and low > high:
        low, high = high, low
    connection = apsw.Connection(":memory:")
    migrate(connection, ":memory:")
    connection.executemany(
        "INSERT INTO event (stream_id, reach, start, content) VALUES (1, 16, ?, '{}')",
        [(start,) for start in starts],
    )
    event_tally.add(connection, 1, starts)
    ordered = sorted(starts)
    first = 0 if low is None else bisect_left(ordered, low)
    last = len(ordered) if high is None else bisect_left(ordered, high)
    assert event_tally.count(connection, 1, low, high) == max(last - first, 0)
    assert event_tally.problems(connection, 1) == []


@given(st.lists(st.tuples(near_edges, st.booleans()), max_size=20))
def test_what_is_removed_is_no_longer_counted(events):
    connection = apsw.Connection(":memory:")
    migrate(connection, ":memory:")
    event_tally.add(connection, 1, (start for start, _ in events))
    gone = [start for start, goes in events if goes]
    assert event_tally.subtract(connection, 1, gone) == len(gone)
    left = connection.execute("SELECT sum(n_events), min(n_events) FROM event_tally").get
    n_left = len(events) - len(gone)
    assert left == ((None, None) if n_left == 0 else (n_left, left[1]))
    assert n_left == 0 or left[1] > 0
