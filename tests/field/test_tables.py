"""Names, shapes, numbers, missing values and order of tables."""

from __future__ import annotations

import pytest

files = pytest.mark.files


@files("03-ukdale-duplicates")
def test_equal_rows_are_one(case):
    assert "3 rows written, 1 repeated" in case.ingest("dup.csv -s /x")
    assert case.rows("/x") == [
        ("2013-03-17T19:12:42+00:00", 232.4),
        ("2013-03-17T19:12:43+00:00", 235.0),
        ("2013-03-17T19:12:44+00:00", 230.1),
    ]


@files("04-wikienergy-unsorted")
def test_rows_out_of_order(case):
    case.refused("nonmono.csv -s /x", "nonmono.csv:4: ", "1363547563", "19:12:43", "--sort")
    case.ingest("nonmono.csv -s /x --sort")
    assert [row[1] for row in case.rows("/x")] == [1.0, 2.0, 3.0, 4.0]


@files("11-greend-null")
def test_null_is_a_missing_value(case):
    assert "missing values: 000D6F00029C2918 1" in case.ingest("greend.csv -s /x")
    assert case.rows("/x") == [
        ("2014-02-01T23:00:00.500000+00:00", 1.5, None),
        ("2014-02-01T23:00:01.500000+00:00", 1.6, 5.0),
    ]


@files("12-emoncms-null")
def test_what_becomes_of_missing_values(case):
    case.ingest("emon.csv -s /x")
    assert [row[1] for row in case.rows("/x")] == [230.1, None, 231.0]
    case.ingest("emon.csv -s /y --missing skip")
    assert [row[1] for row in case.rows("/y")] == [230.1, 231.0]
    case.refused("emon.csv -s /z --missing error", "emon.csv:2: ", "missing")
    case.refused("emon.csv -s /z --datatype int32 --use-columns 1", "emon.csv:1: ", "230.1")


@files("13-heatermeter-nan")
def test_columns_without_a_value(case):
    case.refused("hm.csv -s /x", "the column 1 holds no value", "--use-columns 2,6")
    case.ingest("hm.csv -s /x --use-columns 2,6")
    assert case.rows("/x") == [
        ("2019-03-24T10:48:00+00:00", 14.45652173913, 0.0),
        ("2019-03-24T10:49:00+00:00", 12.35, 0.0),
    ]


@files("16-klipper-hash-header")
def test_names_behind_a_mark(case):
    case.refused("klipper.csv -s /x", "--start-time")
    case.ingest("klipper.csv -s /x --start-time 2024-05-01T00:00Z")
    assert case.names("/x") == ["accel_x", "accel_y", "accel_z"]
    assert case.rows("/x") == [
        ("2024-05-01T00:00:12.830844+00:00", -153.228906, 976.834277, -8523.35791),
        ("2024-05-01T00:00:12.831042+00:00", -225.054956, 919.373437, -8485.050684),
    ]


@files("17-boxcar-txt")
@pytest.mark.parametrize("options", ["", "--format tsv --time-format '%m/%d/%y %H:%M:%S.%f'"])
def test_a_text_with_tabs_and_a_header(case, options):
    case.ingest(f"boxcar.txt -s /x {options}")
    assert case.names("/x") == [
        "Temperature (*C) c:1",
        "High-Res Temp (*C) c:1 2",
        "RH (%) c:3",
    ]
    assert case.rows("/x") == [
        ("2003-07-07T10:45:40+00:00", 26.34, 26.22, 48.3),
        ("2003-07-07T11:45:40+00:00", 24.4, 24.35, 44.2),
    ]


@files("25-homeassistant-history")
def test_series_are_never_mixed(case):
    columns = "--time-column last_changed --use-columns state"
    for line in ("ha.csv -s /x", f"ha.csv -s /x {columns} --on-error skip"):
        case.refused(line, "--where entity_id=sensor.power", "/FOLDER/{entity_id}")
    case.refused(f"ha_mixed.csv -s /x {columns}", "--where entity_id=sensor.power")
    words = "--missing-values unavailable,unknown"
    case.ingest(f"ha.csv -s /x {columns} --where entity_id=sensor.power {words}")
    power = [
        ("2025-08-31T22:00:00+00:00", 18.5),
        ("2025-08-31T22:05:00+00:00", None),
        ("2025-08-31T22:10:00.123000+00:00", 19.5),
    ]
    assert case.rows("/x") == power
    case.ingest(f"ha.csv -s '/home/{{entity_id}}' {columns} {words}")
    assert case.rows("/home/sensor.power") == power
    assert case.rows("/home/sensor.temp") == [
        ("2025-08-31T22:01:00+00:00", 20.1),
        ("2025-08-31T22:03:00+00:00", None),
        ("2025-08-31T22:10:00+00:00", 20.2),
    ]


@files("29-enedis")
def test_lines_before_the_header_and_changing_offsets(case):
    case.ingest("enedis.csv -s /x")
    case.ingest("enedis.csv -s /y --skip-lines 2 --missing skip")
    times = ["23:30", "00:00", "00:30", "01:00", "01:30", "02:00"]
    assert [(row[0][11:16], row[1]) for row in case.rows("/x")] == list(
        zip(times, [460.0, 461.0, 462.0, 463.0, None, 465.0], strict=True)
    )
    assert [row[1] for row in case.rows("/y")] == [460.0, 461.0, 462.0, 463.0, 465.0]


@files("30-german-meter-decimal-comma")
def test_a_german_meter(case):
    case.refused("de.csv -s /x", "'Datum bis' holds times", "--use-columns 'Verbrauch in kWh'")
    said = case.ingest("de.csv -s /x --use-columns 'Verbrauch in kWh' --tz Europe/Berlin")
    assert "de.csv: line 5: a row of totals, left out" in said
    options = "--use-columns 2 --time-format '%d.%m.%Y %H:%M' --tz Europe/Berlin"
    case.ingest(f"de.csv -s /w {options} --decimal , --thousands .")
    assert case.rows("/x") == [
        ("2024-10-26T22:00:00+00:00", 0.125),
        ("2024-10-26T22:15:00+00:00", 0.13),
        ("2024-10-26T22:30:00+00:00", 1234.5),
    ]
    assert case.rows("/w") == case.rows("/x")
    case.ingest("dc.csv -s /y")
    assert [row[1] for row in case.rows("/y")] == [1.5, 2.25]
    # one thousand or one
    case.refused("dc2.csv -s /z", "1.234", "--decimal .", "--decimal ,")
    case.ingest("dc2.csv -s /z --decimal .")
    assert [row[1:] for row in case.rows("/z")] == [(1.234, 230.0), (1.235, 231.0)]
    case.ingest("dc2.csv -s /k --decimal , --thousands .")
    assert [row[1:] for row in case.rows("/k")] == [(1234.0, 230.0), (1235.0, 231.0)]


@files("32-sep-line")
def test_a_line_that_names_the_delimiter(case):
    case.refused("sep.csv -s /x", "'Series' holds text", "--use-columns Value")
    case.ingest("sep.csv -s /x --skip-lines 1 --time-column Time --use-columns Value")
    case.ingest("sep.csv -s /y --use-columns Value")
    assert case.rows("/x") == [
        ("2015-07-26T08:02:00+00:00", 1.5),
        ("2015-07-26T08:03:00+00:00", 1.6),
    ]
    assert case.rows("/y") == case.rows("/x")


@files("33-column-order-changes")
def test_names_decide(case):
    case.ingest("o1.csv o2.csv -s /x")
    case.refused("o4.csv -s /x", "temp, hum", "volts, amps", "--map", "--by-position")
    case.ingest("o5.parquet -s /x")
    rows = [
        ("2024-01-01T00:00:00+00:00", 230.0, 5.0),
        ("2024-01-01T00:00:01+00:00", 231.0, 6.0),
        ("2024-01-02T00:00:00+00:00", 232.0, 7.0),
        ("2024-01-02T00:00:01+00:00", 233.0, 8.0),
        ("2024-01-04T00:00:00+00:00", 234.0, 9.0),
    ]
    assert case.names("/x") == ["volts", "amps"]
    assert case.rows("/x") == rows
    case.ingest("o6.csv -s /z")
    case("joule data copy /z /x --yes")
    assert case.rows("/x") == [
        *rows,
        ("2024-01-05T00:00:00+00:00", 232.0, 7.0),
        ("2024-01-05T00:00:01+00:00", 233.0, 8.0),
    ]
    case.ingest("o4.csv -s /m --map temp=volts --map hum=amps")
    assert case.names("/m") == ["volts", "amps"]


@files("36-ignored-options")
@pytest.mark.parametrize(
    ("line", "values"),
    [
        ("t.txt -s /x --use-columns 2", [(2.0,), (5.0,)]),
        ("jl2.jsonl -s /x --use-columns b", [(2.0,), (5.0,)]),
        ("ja.json -s /x --use-columns 2", [(2.0,), (5.0,)]),
        ("h3.h5 -s /x --use-columns 2", [(2.0,), (5.0,)]),
        ("ms.jsonl -s /x --time-column ts --use-columns w", [(1.5,), (None,)]),
    ],
)
def test_columns_are_chosen_in_every_format(case, line, values):
    case.ingest(line)
    assert [row[1:] for row in case.rows("/x")] == values


@files("36-ignored-options")
def test_an_option_that_means_nothing_is_refused(case):
    case.refused("h3.h5 -s /x --delimiter ';'", "h3.h5: --delimiter is not for HDF5 files")
    case.refused("t.txt -s /x --dataset a", "t.txt: --dataset is not for text files")
    case.refused("ja.json -s /x --skip-lines 1", "ja.json: --skip-lines is not for JSON files")


@files("40-data-only-25k6")
def test_values_without_times(case):
    case.refused("only.csv -s /x", "joule data write", "--timestamps")
    case("joule data write /x only.csv --timestamps 2024-05-01 --rate 25600 --create 'float32[v]'")
    assert [row[0][19:26] for row in case.rows("/x")] == ["+00:00", ".000039", ".000078", ".000117"]


@files("41-energy-counter-float32")
def test_results_are_as_exact_as_their_sources(case):
    case.ingest("cnt.csv -s /c")
    case.ingest("cnt2.csv -s /u")
    case("joule data merge -p /u -s /c -d /m --yes")
    assert [row[1:] for row in case.rows("/m")[:2]] == [(230.0, 37823861.25), (231.0, 37823861.26)]
    case("joule data filter median /c /med -w 3 --yes")
    assert case.rows("/med")[0][1] == 37823861.26


@files("42-big-integers")
def test_integers_beyond_float64(case):
    case.refused("big.csv -s /x", "big.csv:2: ", "9007199254740993", "--datatype int64")
    case.ingest("big.csv -s /x --datatype int64")
    out = case.joule.ok("data", "read", "/x")
    assert [line.split()[1:] for line in out.splitlines()] == [
        ["9007199254740993", "135217135789158401"],
        ["9007199254740994", "135217135700000"],
    ]


@files("43-backfill-skip")
def test_rows_between_stored_ones(case):
    case.ingest("b1.csv -s /x")
    case.ingest("b2.csv -s /x --on-conflict skip")
    assert [row[1] for row in case.rows("/x")] == [1.0, 15.0, 2.0, 25.0, 3.0, 35.0]
    assert "3 skipped" in case.ingest("b2.csv -s /x --on-conflict skip")
    assert len(case.rows("/x")) == 6
    intervals = case.joule("data", "intervals", "/x", "--json").json()
    assert len(intervals) == 2


@files("44-mac-cr")
def test_lines_that_end_with_a_carriage_return(case):
    case.ingest("mac.csv -s /x")
    assert [row[1] for row in case.rows("/x")] == [1.0, 3.0]


@files("50-json-records")
def test_rows_in_json(case):
    case.ingest("emon.json -s /x")
    assert [row[1] for row in case.rows("/x")] == [1.5, None, 2.5]
    case.ingest("ha2.json -s /y --time-column last_changed --use-columns state")
    assert case.rows("/y") == [
        ("2024-01-01T00:00:00+00:00", 1.5),
        ("2024-01-01T00:00:10.500000+00:00", 2.5),
    ]
    for options in ("", "--time-column time"):
        case.ingest(f"s.jsonl -s /z{len(options)} {options}")
        assert case.rows(f"/z{len(options)}") == [
            ("2024-01-01T00:00:00+00:00", 1.5),
            ("2024-01-01T00:00:01+00:00", 2.5),
        ]
