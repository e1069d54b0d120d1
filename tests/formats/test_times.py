"""The forms of times."""

from __future__ import annotations

from datetime import UTC, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from joule_cli.errors import FormatError
from joule_cli.formats.containers.base import Heading
from joule_cli.formats.table.options import ReadOptions
from joule_cli.formats.table.problems import Problems
from joule_cli.formats.table.settle import settle

NOW = 1_700_000_000_123_457


def read(form, cells, tz=UTC):
    """Read times: µs on their own clock, UTC if they name their offset."""
    found = settle(ReadOptions(time_format=form), Heading(name="time"), cells, None, tz)
    problems = Problems()
    stamps, _ = found.read(cells, problems)
    if problems:
        raise ValueError(problems.found[0].text)
    return stamps.tolist()


@pytest.mark.parametrize(
    ("form", "text", "stamp"),
    [
        ("us", "1700000000123457", NOW),
        ("us", "-5", -5),
        ("us", "1700000000123457.999", NOW),
        ("us", "1.700000000123450e15", 1_700_000_000_123_450),
        ("ms", "1700000000123", 1_700_000_000_123_000),
        ("ms", "1700000000123.457", NOW),
        ("s", "1700000000", 1_700_000_000_000_000),
        ("s", "1700000000.123457", NOW),
        ("s", "1700000000.1234579999", NOW),
        ("s", "-0.5", -500_000),
        ("s", "-0.0000001", -1),
        ("s", "1.5e0", 1_500_000),
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
    assert read(form, [text]) == [stamp]
    assert read(form, [f"  {text} "]) == [stamp]


@given(st.integers(-(2**63), 2**63 - 1))
def test_seconds_with_a_fraction_are_exact(stamp):
    sign = "-" if stamp < 0 else ""
    whole, fraction = divmod(abs(stamp), 10**6)
    assert read("s", [f"{sign}{whole}.{fraction:06d}"]) == [stamp]


@pytest.mark.parametrize(
    ("form", "text", "reason"),
    [
        (
            "us",
            "1.7e15",
            "the time '1.7e15' has lost its last digits, as spreadsheets do",
        ),
        ("us", "", "the time is missing"),
        ("us", "noon", "'noon' is not a time in microseconds since 1970"),
        ("s", "1_000", "'1_000' is not a time in seconds since 1970"),
        ("s", "9" * 19, "the time '9999999999999999999' is out of range"),
        ("s", "1e900", "the time '1e900' is out of range"),
        ("iso", "noon", "'noon' is not an ISO 8601 time"),
        ("%Y %j %H:%M", "2023 318 25:00", "'2023 318 25:00' is not a time like '%Y %j %H:%M'"),
    ],
)
def test_what_is_no_time(form, text, reason):
    with pytest.raises(ValueError, match=r"time|number") as caught:
        read(form, [text])
    assert str(caught.value) == reason


@pytest.mark.parametrize(
    ("form", "text", "reason"),
    [
        ("auto", "5", "the unit of the time '5' is not clear: it is between 1990 and 2100 neither"),
        ("auto", "noon", "'noon' in the column 'time' is not a time in a form that is known"),
        ("%d.%m %H:%M", "14.11 10:00", "the template '%d.%m %H:%M' has no year"),
        ("%H:%M", "10:00", "the template '%H:%M' has no day"),
        ("noon", "5", "there is no form of times 'noon'"),
    ],
)
def test_forms_that_are_not_clear(form, text, reason):
    with pytest.raises(FormatError) as caught:
        read(form, [text])
    assert caught.value.message.startswith(reason)
    assert caught.value.hint


def test_times_of_another_form_are_no_times():
    for one, other in (("1700000000", "2023-11-14T22:13:20Z"), ("2023-11-14", "1700000001")):
        with pytest.raises(ValueError, match=r"is not an? "):
            read("auto", [one, one, other][::-1])


def test_offsets_are_those_of_the_text():
    zone = timezone(timedelta(hours=1))
    expected = [1_700_000_000_000_000]
    assert read("iso", ["2023-11-14T23:13:20+01:00"], zone) == expected
    assert read("%Y-%m-%d %H:%M:%S%z", ["2023-11-14 23:13:20+0100"]) == expected


def test_columns_of_integers():
    seconds = np.array([1_700_000_000, 1_700_000_001])
    expected = [1_700_000_000_000_000, 1_700_000_001_000_000]
    assert read("s", seconds) == expected
    assert read("auto", seconds * 10**9) == expected
    assert read("auto", (seconds * 1000).tolist()) == expected
    assert read("ns", np.array([-1])) == [-1]
    with pytest.raises(ValueError, match="out of range"):
        read("s", [2**60])
