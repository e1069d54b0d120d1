from __future__ import annotations

from datetime import timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from joule_cli.formats.times import TimeParser

NOW = 1_700_000_000_123_457


@pytest.mark.parametrize(
    ("form", "text", "stamp"),
    [
        ("us", "1700000000123457", NOW),
        ("us", "-5", -5),
        ("us", "1700000000123457.000", NOW),
        ("us", "1.7e15", 1_700_000_000_000_000),
        ("ms", "1700000000123", 1_700_000_000_123_000),
        ("ms", "1700000000123.457", NOW),
        ("s", "1700000000", 1_700_000_000_000_000),
        ("s", "1700000000.123457", NOW),
        ("s", "1700000000.1234579999", NOW),
        ("s", "-0.5", -500_000),
        ("s", "-0.0000001", -1),
        ("s", "1.5e3", 1_500_000_000),
        ("ns", "1700000000123457999", NOW),
        ("ns", "-1", -1),
        ("iso", "2023-11-14T22:13:20.123457Z", NOW),
        ("iso", "2023-11-14 23:13:20.123457+01:00", NOW),
        ("iso", "2023-11-14T22:13:20", 1_700_000_000_000_000),
        ("%d.%m.%Y %H:%M:%S.%f", "14.11.2023 22:13:20.123457", NOW),
        ("auto", "1700000000.123457", NOW),
        ("auto", "1700000000123", 1_700_000_000_123_000),
        ("auto", "1700000000123457", NOW),
        ("auto", "1700000000123457999", NOW),
        ("auto", "2023-11-14T22:13:20Z", 1_700_000_000_000_000),
    ],
)
def test_forms(form, text, stamp):
    assert TimeParser(form)(text) == stamp
    assert TimeParser(form)(f"  {text} ") == stamp


@given(st.integers(-(2**63), 2**63 - 1))
def test_seconds_with_a_fraction_are_exact(stamp):
    sign = "-" if stamp < 0 else ""
    whole, fraction = divmod(abs(stamp), 10**6)
    assert TimeParser("s")(f"{sign}{whole}.{fraction:06d}") == stamp


@pytest.mark.parametrize(
    ("form", "text", "reason"),
    [
        ("us", "1700000000.5", "'1700000000.5' is not a whole number of microseconds"),
        ("us", "", "the time is missing"),
        ("us", "noon", "'noon' is not a time in microseconds"),
        ("s", "1_000", "'1_000' is not a time in seconds"),
        ("s", "9" * 19, "the time '9999999999999999999' is out of range"),
        ("s", "1e900", "the time '1e900' is out of range"),
        ("iso", "14.11.2023", "'14.11.2023' is not an ISO 8601 time"),
        ("%H:%M", "25:00", "'25:00' is not a time like '%H:%M'"),
        (
            "auto",
            "5",
            "the unit of the time '5' is not clear: it is between 1990 and 2100 neither in seconds "
            "nor in milliseconds, microseconds or nanoseconds",
        ),
        ("auto", "noon", "'noon' is not an ISO 8601 time"),
    ],
)
def test_what_is_no_time(form, text, reason):
    with pytest.raises(ValueError, match=r"time|number") as caught:
        TimeParser(form)(text)
    assert str(caught.value) == reason


def test_auto_refuses_mixed_units():
    times = TimeParser("auto")
    times("1700000000")
    with pytest.raises(ValueError, match="is in milliseconds, those before in seconds"):
        times("1700000001000")
    with pytest.raises(ValueError, match="is not a time in seconds"):
        times("2023-11-14T22:13:20Z")
    times = TimeParser("auto")
    times("2023-11-14T22:13:20Z")
    with pytest.raises(ValueError, match="is in seconds, those before in ISO 8601"):
        times("1700000001")


def test_naive_times_are_in_the_given_zone():
    zone = timezone(timedelta(hours=1))
    assert TimeParser("iso", zone)("2023-11-14T23:13:20") == 1_700_000_000_000_000
    assert TimeParser("%Y-%m-%d %H:%M:%S", zone)("2023-11-14 23:13:20") == 1_700_000_000_000_000


def test_columns_of_integers():
    seconds = np.array([1_700_000_000, 1_700_000_001])
    assert TimeParser("s").from_integers(seconds).tolist() == [
        1_700_000_000_000_000,
        1_700_000_001_000_000,
    ]
    assert TimeParser("auto").from_integers(seconds * 10**9)[0] == 1_700_000_000_000_000
    assert TimeParser("ns").from_integers(np.array([-1]))[0] == -1
    assert TimeParser("s").from_integers(np.array([2**60])) is None
    assert TimeParser("auto").from_integers(np.array([1_700_000_000, 1_700_000_000_000])) is None
    assert TimeParser("iso").from_integers(seconds) is None


def test_looking_does_not_settle_the_unit():
    times = TimeParser("auto")
    assert times.settles("1700000000")
    assert not times.settles("timestamp")
    assert times("1700000000123") == 1_700_000_000_123_000
