"""The helpers that the API reference names."""

import time
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

import joule_cli as joule
from joule_cli.errors import TimeFormatError
from joule_cli.utilities import (
    datetime_to_timestamp,
    human_to_timestamp,
    interval_difference,
    interval_intersection,
    seconds_to_timestamp,
    time_now,
    timestamp_to_datetime,
    timestamp_to_human,
    timestamp_to_seconds,
    yesno,
)


@pytest.fixture
def new_york(monkeypatch):
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_time_now():
    before = time.time_ns() // 1000
    assert before <= time_now() <= time.time_ns() // 1000


def test_the_examples_of_the_reference():
    now = time_now()
    minute_ago = joule.utilities.human_to_timestamp("1 minute ago")
    assert 0 <= joule.utilities.human_to_timestamp("now") - now < 10_000_000
    assert 0 <= minute_ago + 60_000_000 - now < 10_000_000


@pytest.mark.usefixtures("new_york")
def test_human_times_are_local():
    assert timestamp_to_human(1700000000999999) == "Tue, 14 Nov 2023 17:13:20 -0500"
    assert human_to_timestamp("2023-11-14 17:13:20") == 1700000000000000
    assert human_to_timestamp("14 Nov 2023 17:13:20") == 1700000000000000
    assert human_to_timestamp(timestamp_to_human(1700000000000000)) == 1700000000000000


def test_the_ends_of_time_have_names():
    assert timestamp_to_human(-(2**63)) == "(minimum)"
    assert timestamp_to_human(2**63 - 1) == "(maximum)"
    assert timestamp_to_human(2**63 - 2) == str(2**63 - 2)


def test_an_integer_is_the_timestamp():
    assert human_to_timestamp(" 1700000000123456 ") == 1700000000123456


def test_a_second_reading_warns():
    with pytest.warns(UserWarning, match="microseconds") as caught:
        assert human_to_timestamp("1700000000") == 1700000000
    assert caught[0].filename == __file__


@pytest.mark.parametrize("text", ["", "soon", "10/11/2024", "min", "max", "start", "end-1h"])
def test_what_is_no_instant_is_a_value_error(text):
    with pytest.raises(ValueError, match=r"\w") as caught:
        human_to_timestamp(text)
    assert isinstance(caught.value, TimeFormatError)


@given(st.datetimes(timezones=st.just(UTC)))
def test_datetimes_round_trip(dt):
    assert timestamp_to_datetime(datetime_to_timestamp(dt)) == dt


def test_datetimes():
    expected = datetime(2023, 11, 14, 22, 13, 20, 123456, tzinfo=UTC)
    assert timestamp_to_datetime(1700000000123456) == expected
    assert timestamp_to_datetime(1700000000123456).tzinfo is UTC
    assert datetime_to_timestamp(expected.replace(tzinfo=None)) == 1700000000123456
    east = expected.astimezone(timezone(timedelta(hours=5)))
    assert datetime_to_timestamp(east) == 1700000000123456
    with pytest.raises(OverflowError):
        timestamp_to_datetime(2**63 - 1)


def test_seconds():
    assert seconds_to_timestamp(1.0000019) == 1000002
    assert seconds_to_timestamp(1700000000.123457) == 1700000000123457
    assert timestamp_to_seconds(1700000000123456) == 1700000000.123456


@given(st.integers(-(2**51), 2**51))
def test_seconds_round_trip(timestamp):
    assert seconds_to_timestamp(timestamp_to_seconds(timestamp)) == timestamp


def test_intervals():
    assert interval_difference([[0, 10], [20, 30]], [[5, 25]]) == [[0, 5], [25, 30]]
    assert interval_difference([[0, 10], [10, 20]], [[5, 6]]) == [[0, 5], [6, 10], [10, 20]]
    assert interval_intersection([[0, 10]], [[10, 20]]) == []
    assert interval_intersection([[0, 10], [20, 30]], [[5, 25]]) == [[5, 10], [20, 25]]


@pytest.mark.parametrize(
    ("text", "expected"), [("yes", True), (" YES ", True), ("no", False), ("No", False)]
)
def test_yesno(text, expected):
    assert yesno(text) is expected


@pytest.mark.parametrize("text", ["", "y", "true", "yes no"])
def test_yesno_refused(text):
    with pytest.raises(ValueError, match="must be 'yes' or 'no'"):
        yesno(text)
