"""Times as loggers, data sets and spreadsheets have them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

files = pytest.mark.files


@files("01-redd-dat-seconds")
@pytest.mark.parametrize("option", ["", "--time-format s"])
def test_whole_seconds_without_a_header(case, option):
    case.ingest(f"channel_1.dat -s /x {option}")
    assert case.rows("/x") == [
        ("2012-01-01T00:10:00+00:00", 52.1147),
        ("2012-01-01T00:15:00+00:00", 50.9517),
        ("2012-01-01T00:20:00+00:00", 49.8164),
    ]


@files("02-ukdale-dat-fraction")
@pytest.mark.parametrize("option", ["", "--time-format s"])
def test_fractions_of_seconds_keep_their_digits(case, option):
    case.ingest(f"mains.dat -s /x {option}")
    assert case.rows("/x") == [
        ("2013-03-17T19:12:42.200000+00:00", 232.41, 101.5),
        ("2013-03-17T19:12:43.200000+00:00", 235.0, 102.5),
        ("2013-03-17T19:12:44.200000+00:00", 230.1, 99.0),
    ]


@files("06-grafana-dst-units")
@pytest.mark.parametrize("file", ["grafana.csv", "grafana_nou.csv"])
def test_the_order_tells_the_two_passes_of_an_hour(case, file):
    case.ingest(f"{file} -s /x --tz Europe/Berlin")
    assert case.rows("/x") == [
        ("2024-10-26T23:00:00+00:00", 13.6, 18.2),
        ("2024-10-26T23:30:00+00:00", 13.5, 18.2),
        ("2024-10-27T00:00:00+00:00", 13.4, 18.2),
        ("2024-10-27T00:30:00+00:00", 13.3, 18.1),
        ("2024-10-27T01:00:00+00:00", 13.2, 18.2),
        ("2024-10-27T01:30:00+00:00", 13.1, 18.2),
        ("2024-10-27T02:00:00+00:00", 13.0, 18.2),
    ]
    assert case.names("/x") == ["Kitchen", "Bath"]
    if file == "grafana.csv":
        assert case.units("/x") == ["°C", "°C"]


@files("07-dst-ambiguous-daily")
def test_what_the_order_cannot_tell_is_asked(case):
    case.refused(
        "amb.csv -s /x --tz Europe/Berlin",
        "amb.csv:3: 2024-10-27 02:30 occurs twice in Europe/Berlin",
        "from 03:00 to 02:00",
        "--ambiguous",
    )
    for how, instant in (("earlier", "00:30"), ("later", "01:30")):
        case.ingest(f"amb.csv -s /{how} --tz Europe/Berlin --ambiguous {how}")
        assert case.rows(f"/{how}") == [
            ("2024-10-26T00:30:00+00:00", 1.0),
            (f"2024-10-27T{instant}:00+00:00", 2.0),
            ("2024-10-28T01:30:00+00:00", 3.0),
        ]
    case.refused(
        "nex.csv -s /y --tz Europe/Berlin",
        "nex.csv:3: 2024-03-31 02:30 does not exist in Europe/Berlin",
        "from 02:00 to 03:00",
        "--nonexistent forward",
    )
    case.ingest("nex.csv -s /y --tz Europe/Berlin --nonexistent forward")
    assert case.rows("/y") == [
        ("2024-03-30T01:30:00+00:00", 1.0),
        ("2024-03-31T01:30:00+00:00", 2.0),
        ("2024-04-01T00:30:00+00:00", 3.0),
    ]


@files("08-spring-fixed-offset-logger")
def test_a_logger_that_keeps_winter_time(case):
    case.refused(
        "spring.csv -s /x --tz Europe/Berlin",
        "spring.csv:4: 2024-03-31 02:00 does not exist in Europe/Berlin",
        "--tz=+01:00",
    )
    case.ingest("spring.csv -s /x --tz +01:00")
    assert case.rows("/x") == [
        ("2024-03-31T00:00:00+00:00", 1.0),
        ("2024-03-31T00:30:00+00:00", 2.0),
        ("2024-03-31T01:00:00+00:00", 3.0),
        ("2024-03-31T01:30:00+00:00", 4.0),
        ("2024-03-31T02:00:00+00:00", 5.0),
    ]


@files("09-dataport-offsets")
def test_an_offset_in_each_time(case):
    case.refused("dp.csv -s /x", "'grid' holds no value", "--use-columns dataid,use,air1")
    case.ingest("dp.csv -s /x --time-column localminute --use-columns use,air1")
    case.ingest("dp.csv -s /y --use-columns use,air1")
    assert case.rows("/x") == [
        ("2013-11-03T05:59:00+00:00", 1.5, 0.5),
        ("2013-11-03T06:59:00+00:00", 1.6, 0.6),
        ("2013-11-03T07:00:00+00:00", 1.7, 0.7),
        ("2013-11-03T08:00:00+00:00", 1.8, 0.8),
    ]
    assert case.rows("/y") == case.rows("/x")


@files("10-ampds-tsv")
def test_a_short_name_of_the_times(case):
    case.ingest("WHE.tab -s /x")
    assert case.rows("/x") == [
        ("2012-04-01T07:00:00+00:00", 120.5, 1.5, 150.0),
        ("2012-04-01T07:01:00+00:00", 120.6, 1.6, 160.0),
    ]


@files("14-keysight-units-row")
def test_relative_times_need_a_beginning(case):
    case.refused("keysight.csv -s /x", "--start-time")
    case.refused("keysight.csv -s /x --time-format s", "1969-12-31", "--start-time", "--accept")
    case.ingest("keysight.csv -s /x --start-time 2024-05-01T12:00:00Z")
    assert case.rows("/x") == [
        ("2024-05-01T11:59:59.886568+00:00", 4.938284392),
        ("2024-05-01T11:59:59.886571+00:00", 4.953974769),
        ("2024-05-01T11:59:59.886574+00:00", 4.9),
    ]
    assert (case.names("/x"), case.units("/x")) == (["TX1"], ["Volt"])


@files("15-digilent-comments-relative")
def test_negative_relative_times(case):
    case.refused("digilent.csv -s /x", "--start-time")
    case.ingest("digilent.csv -s /x --start-time 2021-04-14T13:10:34Z")
    assert case.rows("/x") == [
        ("2021-04-14T13:10:33.999869+00:00", -0.01202555057749403),
        ("2021-04-14T13:10:33.999969+00:00", -0.011),
        ("2021-04-14T13:10:34.000069+00:00", 0.5),
        ("2021-04-14T13:10:34.000169+00:00", 0.25),
    ]


@files("18-hoboware-ampm")
def test_a_clock_of_twelve_hours_and_an_offset_in_the_header(case):
    case.refused("hobo.csv -s /x", "--use-columns", "Temp")
    template = "'%m/%d/%y %I:%M:%S %p'"
    options = "--skip-lines 1 --time-column 1 --use-columns 2 --on-error skip"
    case.ingest(f"hobo.csv -s /x {options} --time-format {template} --tz=-07:00")
    # the header tells the offset
    case.ingest(f"hobo.csv -s /y --use-columns 2 --time-format {template} --missing skip")
    expected = [
        ("2014-05-07T06:58:00+00:00", 68.27),
        ("2014-05-07T07:03:00+00:00", 68.1),
        ("2014-05-07T07:08:00+00:00", None),
    ]
    assert case.rows("/x") == expected
    assert case.rows("/y") == expected[:2]
    said = case.ingest(
        "hobom.csv -s /z --skip-lines 2 --use-columns 1,2 --tz +05:00 --missing skip"
    )
    assert "1 with missing values left out" in said
    assert case.rows("/z") == [
        ("2018-05-03T03:08:23+00:00", 54.23, 85.1),
        ("2018-05-03T03:23:23+00:00", 53.23, 88.9),
    ]


@files("19-ampm-with-24h-template")
def test_an_hour_of_24_with_am_and_pm(case):
    case.refused("ampm3.csv -s /x --time-format '%m/%d/%y %H:%M:%S %p'", "%p needs %I")
    case.refused("ampm3.csv -s /x", "day and month", "%m/%d/%y %I:%M:%S %p")
    case.ingest("ampm3.csv -s /x --time-format '%m/%d/%y %I:%M:%S %p'")
    assert case.rows("/x") == [("2024-05-06T23:58:00+00:00", 1.0)]


@files("21-energyplus-24h-noyear")
def test_no_year_and_the_hour_24(case):
    case.refused("eplus.csv -s /x", "no year", "--start-time")
    template = "--time-format '%m/%d  %H:%M:%S'"
    case.refused(f"eplus.csv -s /x {template} --on-error skip", "no year", "--start-time")
    case.ingest(f"eplus.csv -s /x {template} --start-time 2015-01-01")
    assert case.rows("/x") == [
        ("2015-01-01T01:00:00+00:00", 1.5, 1000.0),
        ("2015-01-01T23:00:00+00:00", 1.6, 1001.0),
        ("2015-01-02T00:00:00+00:00", 1.7, 1002.0),
        ("2015-01-02T01:00:00+00:00", 1.8, 1003.0),
    ]
    case.ingest("e24.csv -s /y")
    assert case.rows("/y") == [
        ("2015-01-01T23:45:00+00:00", 1.0),
        ("2015-01-02T00:00:00+00:00", 2.0),
        ("2015-01-02T00:15:00+00:00", 3.0),
    ]


@files("22-time-of-day-only")
def test_no_date(case):
    case.refused("tod.csv -s /x", "no date", "--start-time")
    case.refused("tod.csv -s /x --time-format '%H:%M:%S'", "no day", "--start-time")
    case.ingest("tod.csv -s /x --start-time 2024-05-01")
    assert case.rows("/x") == [
        ("2024-05-01T11:58:00+00:00", 1.0),
        ("2024-05-01T11:59:00+00:00", 2.0),
    ]


@files("23-nsrdb-split-time")
@pytest.mark.parametrize(
    "options",
    [
        "",
        "--skip-lines 2",
        "--skip-lines 2 --time-column Year,Month,Day,Hour,Minute --time-format '%Y %m %d %H %M'",
    ],
)
def test_a_time_in_five_columns(case, options):
    case.ingest(f"nsrdb.csv -s /x {options}")
    assert case.rows("/x") == [
        ("2014-01-01T00:30:00+00:00", 0.0, 0.0, -3.1),
        ("2014-01-01T01:30:00+00:00", 0.0, 0.0, -3.3),
        ("2014-01-01T08:30:00+00:00", 120.0, 300.0, 1.0),
    ]


@files("28-nanoseconds-collide")
def test_rows_that_differ_below_a_microsecond(case):
    case.refused(
        "influx1.csv -s /x --time-column time --use-columns a,b",
        "lines 3 and 4 differ only below a microsecond",
    )
    case.refused("isons.csv -s /x", "lines 2 and 3 differ only below a microsecond")
    case.ingest("isons.csv -s /x --on-duplicate mean")
    assert [row[1] for row in case.rows("/x")] == [100.5, 102.0]


@files("35-hdf5-seconds")
@pytest.mark.parametrize(
    ("file", "unit"), [("seci.h5", "s"), ("sec.h5", "s"), ("msi.h5", "ms"), ("nsi.h5", "ns")]
)
def test_units_of_times_in_hdf5(case, file, unit):
    case.ingest(f"{file} -s /x --time-format {unit}")
    case.ingest(f"{file} -s /y")
    step = 1 if file != "sec.h5" else 0.1
    start = datetime(2024, 1, 1, tzinfo=UTC)
    assert [row[0] for row in case.rows("/x")] == [
        (start + timedelta(seconds=step * number)).isoformat() for number in range(5)
    ]
    assert case.rows("/y") == case.rows("/x")


@files("47-excel-scientific-times")
@pytest.mark.parametrize("option", ["", "--time-format ms"])
def test_digits_that_a_spreadsheet_has_lost(case, option):
    case.refused(f"exc2.csv -s /x {option}", "exc2.csv:2: ", "1.38325E+12", "lost")


@files("51-shell-date-pipe")
def test_seconds_in_a_pipe(case):
    case("cat dn.txt | joule data write /x --create 'float32[x]'")
    assert [row[0][:19] for row in case.rows("/x")] == [
        "2026-11-28T07:46:49",
        "2026-11-28T07:46:49",
        "2026-11-28T07:46:50",
    ]
    case('echo "1704067200 1.5" | joule data write /y --create "float32[x]"')
    assert case.rows("/y") == [("2024-01-01T00:00:00+00:00", 1.5)]
    said = case('echo "12 1.5" | joule data write /z --create "float32[x]" --time-format s', 1)
    assert "1970-01-01" in said
    assert "--accept-times" in said
