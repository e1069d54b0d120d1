"""Durations."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joule_cli.errors import TimeFormatError
from joule_cli.series.duration import (
    DAY_US,
    HOUR_US,
    MINUTE_US,
    SECOND_US,
    format_duration,
    format_keep,
    parse_duration,
    parse_keep,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("250us", 250),
        ("250 µs", 250),
        ("20ms", 20_000),
        ("1.5s", 1_500_000),
        (".5s", 500_000),
        ("0s", 0),
        ("90s", 90 * SECOND_US),
        ("5m", 5 * MINUTE_US),
        ("5 min", 5 * MINUTE_US),
        ("1h30m", 90 * MINUTE_US),
        ("1h 30m", 90 * MINUTE_US),
        ("1 hour, 30 minutes", 90 * MINUTE_US),
        ("1 hour and 30 minutes", 90 * MINUTE_US),
        ("2d", 2 * DAY_US),
        ("2D", 2 * DAY_US),
        ("1w", 7 * DAY_US),
        ("1mo", 30 * DAY_US),
        ("1 month", 30 * DAY_US),
        ("1y", 365 * DAY_US),
        ("PT1H", HOUR_US),
        ("PT1M", MINUTE_US),
        ("P1M", 30 * DAY_US),
        ("P1DT2H3.5S", DAY_US + 2 * HOUR_US + 3_500_000),
        ("P2W", 14 * DAY_US),
        ("0.1us", 0),
        ("0.0000015s", 2),
    ],
)
def test_parse(text, expected):
    assert parse_duration(text) == expected


@pytest.mark.parametrize(
    ("text", "unit_us", "expected"),
    [
        ("20", 1, 20),
        ("20", SECOND_US, 20 * SECOND_US),
        ("1e6", 1, 1_000_000),
        ("1.5", 1_000, 1_500),
    ],
)
def test_plain_numbers_keep_the_unit_of_the_option(text, unit_us, expected):
    assert parse_duration(text, unit_us=unit_us) == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not a duration"),
        ("20", "no unit"),
        ("-5m", "negative"),
        ("5M", "minutes or months"),
        ("5 fortnights", "not a duration"),
        ("1h30", "not a duration"),
        ("1h,", "not a duration"),
        ("1h and", "not a duration"),
        ("P", "not a duration"),
        ("PT", "not a duration"),
        ("P1H", "not a duration"),
        ("h", "not a duration"),
        ("1..5s", "not a duration"),
        ("1e3s", "not a duration"),
        ("inf", "not a duration"),
        ("300000y", "too long"),
    ],
)
def test_refused(text, reason):
    with pytest.raises(TimeFormatError, match=reason) as caught:
        parse_duration(text)
    assert isinstance(caught.value, ValueError)


def test_keep():
    assert [parse_keep(t) for t in ("all", "NONE", " 2w ")] == [-1, 0, 14 * DAY_US]
    assert [format_keep(k) for k in (-1, 0, 14 * DAY_US)] == ["all", "none", "14d"]


@pytest.mark.parametrize("text", ["0s", "5", "", "some"])
def test_keep_refused(text):
    with pytest.raises(TimeFormatError):
        parse_keep(text)


@pytest.mark.parametrize(
    ("duration_us", "expected"),
    [
        (0, "0s"),
        (250, "250us"),
        (1_500, "1.5ms"),
        (1_500_000, "1.5s"),
        (SECOND_US + 1, "1.000001s"),
        (90 * SECOND_US, "1m 30s"),
        (HOUR_US, "1h"),
        (2 * DAY_US + 3 * HOUR_US, "2d 3h"),
        (DAY_US + 1, "1d 0.000001s"),
        (400 * DAY_US, "400d"),
        (-HOUR_US, "-1h"),
    ],
)
def test_format(duration_us, expected):
    assert format_duration(duration_us) == expected


@given(st.integers(0, 2**63 - 1))
def test_round_trip(duration_us):
    assert parse_duration(format_duration(duration_us)) == duration_us
