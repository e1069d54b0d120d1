"""Texts to instants: every row of the grammar."""

import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joule_cli.errors import TimeFormatError
from joule_cli.series.time import (
    ParsedTime,
    format_time,
    interval_time,
    parse_time,
)

NEW_YORK = ZoneInfo("America/New_York")
#: A Sunday, 09:40 in New York.
NOW = datetime(2026, 11, 22, 9, 40, tzinfo=NEW_YORK)
INT64 = st.integers(-(2**63), 2**63 - 1)
#: The years 1 to 9999, a day away from the ends so that every zone can show them.
YEARS = st.integers(-62135510400000000, 253402214400000000)


def us(dt: datetime) -> int:
    return (dt - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def read(text: str) -> ParsedTime:
    return parse_time(text, now=us(NOW), tz=NEW_YORK)


def ny(*fields: int) -> datetime:
    return datetime(*fields, tzinfo=NEW_YORK)


def utc(*fields: int) -> datetime:
    return datetime(*fields, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0),
        ("-90", -90),
        ("+1700000000123456", 1700000000123456),
        ("  1700000000123456  ", 1700000000123456),
        ("9223372036854775806", 2**63 - 2),
        ("@1700000000", 1700000000_000000),
        ("@1700000000.25", 1700000000_250000),
        ("@1700000000.1234569", 1700000000_123456),
        ("@.5", 500000),
        ("@-1.5", -1500000),
        ("@-0.0000001", -1),
        ("@0.99999999999999999999999999999999", 999999),
        ("@9223372036854.775807", 2**63 - 1),
    ],
)
def test_numbers(text, expected):
    assert read(text).timestamp == expected


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("2024", "2024-01-01"),
        ("20231114", "2023-11-14"),
        ("170000000", "@170000000 "),
        ("1700000000", "@1700000000 "),
        ("170000000000", "@170000000.000"),
        ("1700000000000", "@1700000000.000"),
        ("1700000000123456789", "1700000000123456 "),
    ],
)
def test_a_number_that_looks_like_another_unit_warns_and_stays_microseconds(text, other):
    parsed = read(text)
    assert parsed.timestamp == int(text)
    assert len(parsed.warnings) == 1
    assert f"write {other}" in parsed.warnings[0]


@pytest.mark.parametrize(
    "text", ["0", "100", "9999", "12345678", "1700000000123456", "-1700000000"]
)
def test_other_numbers_do_not_warn(text):
    assert read(text).warnings == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2023-11-14", ny(2023, 11, 14)),
        ("2023-11-14 22:13", ny(2023, 11, 14, 22, 13)),
        ("2023-11-14T22", ny(2023, 11, 14, 22)),
        ("2023-11-14T22:13:20", ny(2023, 11, 14, 22, 13, 20)),
        ("2023-11-14t22:13:20.5z", utc(2023, 11, 14, 22, 13, 20, 500000)),
        ("2023-11-14T22:13:20,25Z", utc(2023, 11, 14, 22, 13, 20, 250000)),
        ("2023-11-14T22:13:20.123457Z", utc(2023, 11, 14, 22, 13, 20, 123457)),
        ("2023-11-14T22:13:20.123456789Z", utc(2023, 11, 14, 22, 13, 20, 123456)),
        ("2023-11-14T22:13:20+00:00", utc(2023, 11, 14, 22, 13, 20)),
        ("2023-11-14 22:13:20.123456+00:00", utc(2023, 11, 14, 22, 13, 20, 123456)),
        ("2023-11-14 22:13:20 -0500", ny(2023, 11, 14, 22, 13, 20)),
        ("2023-11-14T22:13+0530", utc(2023, 11, 14, 16, 43)),
        ("2023-11-14T22:13-05", ny(2023, 11, 14, 22, 13)),
        ("2023-11-14 22:13 UTC", utc(2023, 11, 14, 22, 13)),
        ("2023-07-14 22:13 EST", utc(2023, 7, 15, 3, 13)),
        ("2023-07-14 22:13 CEST", utc(2023, 7, 14, 20, 13)),
        ("20231114T221320Z", utc(2023, 11, 14, 22, 13, 20)),
        ("20231114T2213", ny(2023, 11, 14, 22, 13)),
        ("20231114T22", ny(2023, 11, 14, 22)),
        ("20231114 221320.5", ny(2023, 11, 14, 22, 13, 20, 500000)),
        ("2023-W46-2", ny(2023, 11, 14)),
        ("2023W462T10:00Z", utc(2023, 11, 14, 10)),
        ("2023-W46", ny(2023, 11, 13)),
        ("2023-318", ny(2023, 11, 14)),
        ("2024-05", ny(2024, 5, 1)),
        ("2024/05/03 10:00", ny(2024, 5, 3, 10)),
        ("2024.05.03", ny(2024, 5, 3)),
        ("2023-11-14T24:00", ny(2023, 11, 15)),
        ("0001-01-02T00:00Z", utc(1, 1, 2)),
        ("0001-01-01T00:00-05:00", utc(1, 1, 1, 5)),
        ("9999-12-31T23:59:59.999999Z", utc(9999, 12, 31, 23, 59, 59, 999999)),
    ],
)
def test_iso(text, expected):
    assert read(text) == ParsedTime(us(expected))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("now", NOW),
        ("NOW", NOW),
        ("now-1h30m", NOW - timedelta(minutes=90)),
        ("now - 1 hour", NOW - timedelta(hours=1)),
        ("now + 250 ms", NOW + timedelta(milliseconds=250)),
        ("-90m", NOW - timedelta(minutes=90)),
        ("- 90 m", NOW - timedelta(minutes=90)),
        ("+5m", NOW + timedelta(minutes=5)),
        ("1h", NOW - timedelta(hours=1)),
        ("1h 30m", NOW - timedelta(minutes=90)),
        ("1h ago", NOW - timedelta(hours=1)),
        ("1 minute ago", NOW - timedelta(minutes=1)),
        ("2 days ago", NOW - timedelta(days=2)),
        ("2 days, 3 hours ago", NOW - timedelta(days=2, hours=3)),
        ("2 days and 3 hours ago", NOW - timedelta(days=2, hours=3)),
        ("1.5 weeks ago", NOW - timedelta(days=10.5)),
        ("1mo ago", NOW - timedelta(days=30)),
        ("in 5m", NOW + timedelta(minutes=5)),
        ("in 2 hours", NOW + timedelta(hours=2)),
        ("P1D", NOW - timedelta(days=1)),
        ("PT1H", NOW - timedelta(hours=1)),
        ("in PT1H", NOW + timedelta(hours=1)),
        ("now-P1DT12H", NOW - timedelta(hours=36)),
    ],
)
def test_relative_to_now(text, expected):
    assert read(text) == ParsedTime(us(NOW) + (expected - NOW) // timedelta(microseconds=1))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("today", ny(2026, 11, 22, 9, 40)),
        ("yesterday", ny(2026, 11, 21, 9, 40)),
        ("tomorrow", ny(2026, 11, 23, 9, 40)),
        ("today 00:00", ny(2026, 11, 22)),
        ("yesterday 14:00", ny(2026, 11, 21, 14)),
        ("yesterday at 2:30 pm", ny(2026, 11, 21, 14, 30)),
        ("14:00 yesterday", ny(2026, 11, 21, 14)),
        ("Yesterday noon", ny(2026, 11, 21, 12)),
        ("yesterday 14:00 UTC", utc(2026, 11, 21, 14)),
        ("midnight", ny(2026, 11, 22)),
        ("noon", ny(2026, 11, 22, 12)),
        ("5 pm", ny(2026, 11, 22, 17)),
        ("12am", ny(2026, 11, 22)),
        ("12:30 p.m.", ny(2026, 11, 22, 12, 30)),
        ("10:30:01.5", ny(2026, 11, 22, 10, 30, 1, 500000)),
        ("24:00", ny(2026, 11, 23)),
        ("sunday", ny(2026, 11, 22)),
        ("monday", ny(2026, 11, 16)),
        ("Mon 8:15", ny(2026, 11, 16, 8, 15)),
        ("last monday", ny(2026, 11, 16)),
        ("last sunday", ny(2026, 11, 15)),
        ("next sunday", ny(2026, 11, 29)),
        ("next friday 5pm", ny(2026, 11, 27, 17)),
    ],
)
def test_words(text, expected):
    assert read(text) == ParsedTime(us(expected))


def test_words_count_days_of_the_zone_not_of_utc():
    late = us(ny(2026, 11, 22, 22))  # already the 23rd in UTC
    assert parse_time("midnight", now=late, tz=NEW_YORK).timestamp == us(ny(2026, 11, 22))
    assert parse_time("midnight", now=late, tz=UTC).timestamp == us(utc(2026, 11, 23))


def test_yesterday_is_24_hours_ago_also_across_a_change_of_the_clocks():
    now = us(utc(2023, 3, 12, 20))
    assert parse_time("yesterday", now=now, tz=NEW_YORK).timestamp == us(utc(2023, 3, 11, 20))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 Sep 2020 00:00:00", ny(2020, 9, 1)),
        ("14 November 2023", ny(2023, 11, 14)),
        ("Nov 14, 2023, 10:13 PM", ny(2023, 11, 14, 22, 13)),
        ("14-Nov-2023 10:00", ny(2023, 11, 14, 10)),
        ("14th of Nov 2023 at 5:30pm", ny(2023, 11, 14, 17, 30)),
        ("28 Jun 2019 16:00 EDT", utc(2019, 6, 28, 20)),
        ("28 Jun 2019 16:00 CET", utc(2019, 6, 28, 15)),
        ("Tue, 14 Nov 2023 22:13:20 +0000", utc(2023, 11, 14, 22, 13, 20)),
        ("5 May 2024 10:00 -0500 (EST)", utc(2024, 5, 5, 15)),
        ("13/11/2024", ny(2024, 11, 13)),
        ("11/13/2024 08:00", ny(2024, 11, 13, 8)),
        ("11/11/2024", ny(2024, 11, 11)),
        ("2024-5-1", ny(2024, 5, 1)),
        ("2024-05-01 10:00 am", ny(2024, 5, 1, 10)),
    ],
)
def test_written_dates(text, expected):
    assert read(text) == ParsedTime(us(expected))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        ("   ", "empty"),
        ("foo", "not a time"),
        ("14 Nov 2023 and more", "not a time"),
        ("5 bananas ago", "not a time"),
        ("now-", "not a time"),
        ("now-soon", "not a duration"),
        ("now+60", "not a duration"),
        ("end+1", "not a duration"),
        ("1_000", "not a time"),
        ("0x10", "not a time"),
        ("nan", "not a time"),
        ("2023-11-14 5m", "not a time"),
        ("5M ago", "minutes or months"),
        ("1.5", "whole microseconds"),
        ("1700000000.5", "whole microseconds"),
        ("@", "not a number"),
        ("@1e9", "not a number"),
        ("@.", "not a number"),
        ("@1,5", "not a number"),
        ("@9223372036854.775808", "out of range"),
        ("@99999999999999", "out of range"),
        ("@-99999999999999", "out of range"),
        ("9223372036854775808", "out of range"),
        ("-9223372036854775809", "out of range"),
        ("9" * 5000, "out of range"),
        ("500000 years ago", "too long"),
        ("in 292450 years", "out of range"),
        ("2023-02-30", "no such time"),
        ("2023-13", "no such time"),
        ("2023-366", "no such time"),
        ("2023-W54", "no such time"),
        ("2023-11-14 25:00", "no such time"),
        ("2023-11-14T22:13:60", "no such time"),
        ("13 pm", "no such time"),
        ("25:00", "no such time"),
        ("2023-11-14T10:00+25:00", "not an offset"),
        ("2023-11-14T10:30.5", "only seconds"),
        ("2024-05-01-05", "needs a time of day"),
        ("0001-01-01 America", "not a time"),
        ("10/11/2024", "could mean 2024-10-11 or 2024-11-10"),
        ("10.11.2024 10:00", "could mean"),
        ("14 Nov 23", "could mean"),
        ("01/02/03", "could mean"),
        ("Nov 14 99", "four digits"),
        ("Sep 2020", "incomplete"),
        ("12/2024", "incomplete"),
        ("14 Nov", "incomplete"),
        ("14 Nov 10:00", "incomplete"),
        ("monday 5", "incomplete"),
        ("Mon, 14 Nov 2023", "not a Mon but a Tuesday"),
        ("2023-11-14 22:13:20 GMT+3", "two ways"),
        ("14 Nov 2023 10:00 UTC-5", "two ways"),
        ("28 Jun 2019 16:00 BRST", "zone abbreviation"),
        ("28 Jun 2019 16:00 IST", "zone abbreviation"),
        ("2019-06-28 16:00 BST", "zone abbreviation"),
        ("yesterday 14:00 XYZ", "zone abbreviation"),
        ("2024-05-01 10:00 PST8PDT", "not a time"),
    ],
)
def test_refused(text, reason):
    with pytest.raises(TimeFormatError, match=reason) as caught:
        read(text)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    "text", ["foo", "", "10/11/2024", "Sep 2020", "2019-06-28 16:00 BST", "1.5"]
)
def test_a_refusal_says_what_to_write(text):
    with pytest.raises(TimeFormatError) as caught:
        read(text)
    assert caught.value.hint


def test_a_skipped_local_time_is_read_on_the_clock_before_the_change():
    parsed = read("2023-03-12 02:30")
    assert parsed.timestamp == us(utc(2023, 3, 12, 7, 30))
    assert "skipped" in parsed.warnings[0]
    assert "03:30:00-04:00" in parsed.warnings[0]


def test_a_repeated_local_time_is_its_first_occurrence():
    parsed = read("2023-11-05 01:30:00.5")
    assert parsed.timestamp == us(utc(2023, 11, 5, 5, 30, 0, 500000))
    assert "twice" in parsed.warnings[0]
    assert "01:30:00-04:00" in parsed.warnings[0]


@pytest.mark.parametrize(
    "text", ["2023-11-05 00:59:59", "2023-11-05 02:00", "2023-11-05 01:30 EST"]
)
def test_times_beside_a_change_of_the_clocks_do_not_warn(text):
    assert read(text).warnings == []


def test_written_dates_warn_about_changes_of_the_clocks_too():
    assert "skipped" in read("12 March 2023 02:30").warnings[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2023-07-01 12:00", utc(2023, 7, 1, 16)),
        ("2023-03-12 02:30", utc(2023, 3, 12, 7, 30)),
        ("2023-11-05 01:30", utc(2023, 11, 5, 5, 30)),
        ("2023-01-01 12:00:00.000007", utc(2023, 1, 1, 17, 0, 0, 7)),
    ],
)
def test_the_zone_of_the_system(monkeypatch, text, expected):
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        parsed = parse_time(text, now=us(NOW))
        warned = [w for w in parsed.warnings if "zone" in w]
        assert (parsed.timestamp, len(warned)) == (us(expected), int(":30" in text))
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_bare_duration_that_looks_like_seconds_since_1970_warns():
    parsed = read("1700000000s")
    assert parsed.timestamp == us(NOW) - 1700000000_000000
    assert "before now" in parsed.warnings[0]


@pytest.mark.parametrize("text", ["min", "MAX"])
def test_open_bounds(text):
    parsed = read(text)
    assert (parsed.timestamp, parsed.anchor, parsed.needs_stream) == (None, text.lower(), False)
    assert parsed.resolve(5, 10) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("start", 1_000),
        ("END", 90_000_000),
        ("end-1m", 30_000_000),
        ("end - 1 minute", 30_000_000),
        ("start + 1s", 1_001_000),
        ("start-PT1S", -999_000),
    ],
)
def test_times_of_the_stream(text, expected):
    parsed = read(text)
    assert parsed.needs_stream
    assert parsed.timestamp is None
    assert parsed.resolve(1_000, 90_000_000) == expected


def test_an_empty_stream_has_no_start():
    with pytest.raises(TimeFormatError, match="no rows"):
        read("start").resolve(None, None)


def test_a_time_beyond_the_stream_must_stay_in_range():
    with pytest.raises(TimeFormatError, match="out of range"):
        read("end+1d").resolve(0, 2**63 - 1)


def test_resolve_of_an_instant_needs_no_stream():
    assert read("@1").resolve() == 1_000_000


@pytest.mark.parametrize(
    ("timestamp", "form", "expected"),
    [
        (1700000000123456, "human", "2023-11-14 22:13:20.123456+00:00"),
        (1700000000000000, "human", "2023-11-14 22:13:20+00:00"),
        (1700000000120000, "iso", "2023-11-14T22:13:20.120000+00:00"),
        (1700000000123456, "us", "1700000000123456"),
        (1700000000123456, "ns", "1700000000123456000"),
        (1700000000123456, "ms", "1700000000123.456"),
        (1700000000123456, "s", "1700000000.123456"),
        (1700000000000000, "s", "1700000000"),
        (1700000000100000, "s", "1700000000.1"),
        (-1, "s", "-0.000001"),
        (0, "ms", "0"),
        (1700000000123456, "%H:%M:%S.%f %z", "22:13:20.123456 +0000"),
        (2**63 - 1, "human", "9223372036854775807"),
        (-(2**63), "iso", "-9223372036854775808"),
        (2**63 - 1, "%Y", "9223372036854775807"),
        (2**63 - 1, "ns", "9223372036854775807000"),
    ],
)
def test_output(timestamp, form, expected):
    assert format_time(timestamp, form, UTC) == expected


def test_output_in_a_zone():
    assert format_time(1700000000000000, "human", NEW_YORK) == "2023-11-14 17:13:20-05:00"


def test_an_unknown_form_is_refused():
    with pytest.raises(TimeFormatError, match="unknown form"):
        format_time(0, "years", UTC)


def test_interval_lines():
    assert interval_time(1700000000999999, UTC) == "Tue, 14 Nov 2023 22:13:20 +0000"
    assert interval_time(1700000000999999, NEW_YORK) == "Tue, 14 Nov 2023 17:13:20 -0500"
    assert interval_time(2**63 - 1, UTC) == "9223372036854775807"


@given(INT64)
def test_numbers_round_trip(timestamp):
    assert int(format_time(timestamp, "ns")) == timestamp * 1000
    assert Decimal(format_time(timestamp, "ms")) * 1000 == timestamp
    assert read(format_time(timestamp, "us")).timestamp == timestamp
    assert read(f"@{format_time(timestamp, 's')}").timestamp == timestamp


@given(YEARS, st.sampled_from(["human", "iso"]), st.sampled_from([UTC, NEW_YORK, None]))
def test_clocks_round_trip(timestamp, form, zone):
    assert read(format_time(timestamp, form, zone)) == ParsedTime(timestamp)


@given(YEARS, st.integers(-1439, 1439))
def test_interval_lines_round_trip_to_the_second(timestamp, offset):
    shown = interval_time(timestamp, timezone(timedelta(minutes=offset)))
    if shown[12:14] != "00":  # dateutil takes the years 1 to 99 for two digits
        assert read(shown).timestamp == timestamp // 1_000_000 * 1_000_000


@given(st.text(max_size=30) | st.text("0123456789:-+/TZWPage nowmdh.@", max_size=20))
def test_any_text_is_read_or_refused(text):
    try:
        parsed = read(text)
    except TimeFormatError:
        return
    assert parsed.anchor is not None or isinstance(parsed.timestamp, int)


def test_our_own_grammar_loads_neither_dateutil_nor_numpy():
    code = (
        "import sys; from joule_cli.series.time import parse_time as p\n"
        "for t in ('2023-11-14T22:13:20Z', 'now-1h', 'yesterday 14:00', '@1', '5', 'end-1h'):\n"
        "    p(t, now=0)\n"
        "print(*sorted({m.split('.')[0] for m in sys.modules} & {'dateutil', 'numpy', 'click'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
