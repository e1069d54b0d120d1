"""Kinds of files, whole, cut and damaged, and the way out again."""

from __future__ import annotations

import pytest

files = pytest.mark.files
SECONDS = [f"2024-01-01T00:00:0{second}+00:00" for second in range(5)]


@files("27-influx-line-protocol")
def test_line_protocol(case):
    case.ingest("x.lp -s /x")
    assert case.names("/x") == ["volts", "amps"]
    assert case.rows("/x") == [
        ("2019-05-02T16:12:41.098000+00:00", 230.1, 5.2),
        ("2019-05-02T16:12:42.098000+00:00", 230.2, 5.3),
    ]


@files("37-pandas-hdf-table")
@pytest.mark.parametrize("line", ["pd_table.h5", "pd_fixed.h5"])
def test_both_layouts_of_pandas(case, line):
    case.ingest(f"{line} -s /x")
    assert case.names("/x") == ["active", "volt"]
    assert case.rows("/x") == [
        (time, 1.5 + second, 230.0 + second) for second, time in enumerate(SECONDS)
    ]


@files("37-pandas-hdf-table")
def test_nanoseconds_of_pandas(case):
    case.ingest("fixns.h5 -s /z --dataset df/block0_values --time-dataset df/axis1")
    assert [row[0] for row in case.rows("/z")] == SECONDS[:3]


@files("38-matlab-v73")
@pytest.mark.parametrize("options", ["", "--format hdf5 --dataset x --time-dataset t"])
def test_arrays_of_matlab(case, options):
    case.ingest(f"rec3.mat -s /x {options}")
    assert [row[0] for row in case.rows("/x")] == SECONDS


@files("39-pandas-parquet")
def test_tables_of_pandas(case):
    case.ingest("pd.parquet -s /a")
    assert case.rows("/a") == [
        (time, 1.5 + second, 230.0 + second) for second, time in enumerate(SECONDS)
    ]
    case.ingest("pdnaive.parquet -s /b --tz Europe/Berlin")
    assert case.rows("/b")[0][0] == "2023-12-31T23:00:00+00:00"
    case.ingest("pdns.parquet -s /c")
    assert [row[0] for row in case.rows("/c")] == SECONDS
    case.ingest("pdnan.parquet -s /d --missing skip")
    assert [row[1] for row in case.rows("/d")] == [1.5, 2.5, 4.5, 5.5]
    case.refused("pdmixed.parquet -s /e", "'label' holds text", "--use-columns")
    case.ingest("pdmixed.parquet -s /e --time-column ts --use-columns active,volt")
    assert len(case.rows("/e")) == 5


@files("45-truncated-files")
def test_files_that_are_cut(case):
    case.refused("cut.csv -s /x", "cut.csv:2001: ", "no line end", "--last-line")
    case.refused("cut2.csv -s /x", "no line end", "--last-line")
    case.refused("cut.csv.gz -s /x", "cut")
    case.ingest("cut.csv -s /x --last-line drop")
    assert case.rows("/x")[-1][1] == 2098.25
    assert len(case.rows("/x")) == 1999


@files("46-nul-bytes")
def test_bytes_that_a_loss_of_power_leaves(case):
    assert "8 NUL bytes" in case.ingest("nul.csv -s /x")
    assert [row[1] for row in case.rows("/x")] == [1.0, 3.0]
    case.refused("nul3.csv -s /y", "nul3.csv:3: ", "NUL bytes", "--on-error skip")
    assert "NUL bytes" in case.ingest("nul3.csv -s /y --on-error skip", status=3)
    assert [row[1] for row in case.rows("/y")] == [1.0, 3.0]


@files("49-binary-unknown")
def test_workbooks_and_archives(case):
    case.ingest("pd.xlsx -s /x")
    assert len(case.rows("/x")) == 5
    case.ingest("a.tdms -s /y")
    assert [row[1] for row in case.rows("/y")] == [0.0, 1.0, 2.0, 3.0, 4.0]
    case.ingest("full2.csv.zip -s /z --last-line keep")
    assert case.rows("/z")[0] == ("2024-01-01T00:00:00+00:00", 100.25)


@files("52-event-seconds")
def test_times_of_events(case):
    case("joule event write /x ev2.csv --create")
    case("joule event write /y ev2.csv --create --time-format s")
    for path in ("/x", "/y"):
        (event,) = case.joule("event", "read", path, "--json").json()
        assert (event["start_time"], event["end_time"]) == (1704067200000000, 1704067260000000)
    said = case("joule event write /z ev3.csv --create --time-format '%m/%d %H:%M:%S'", 1)
    assert "no year" in said
    assert "--start-time" in said


@files("54-parquet-csv-roundtrip")
def test_out_and_in_again(case):
    case.ingest("pd.csv -s /x")
    case("joule data export /x --to out.csv --time iso --tz Europe/Berlin")
    text = (case.joule.folder / "out.csv").read_text()
    assert text.splitlines()[1] == "2024-01-01T01:00:00+01:00,1.5,230"
    case("joule data export /x --to out.parquet")
    for file in ("out.csv", "out.parquet"):
        case.ingest(f"{file} -s /{file[4:]}")
        assert case.rows(f"/{file[4:]}") == case.rows("/x")


@files("55-resume-no-final-newline")
def test_a_last_line_without_an_end_is_never_glued(case):
    case.ingest("three.csv -s /x")
    whole = "timestamp,w\n" + "".join(
        f"17040672{second:02}000000,{1.25 + second}\n" for second in range(3)
    )
    for name, command in (("o.csv", "data read /x -f"), ("o2.csv", "data export /x --to")):
        case(f"cp nonl.csv {name}")
        case(f"joule {command} {name} --resume")
        assert (case.joule.folder / name).read_text() == whole
    case("cp half.csv o3.csv")
    done = case.joule("data", "read", "/x", "-f", "o3.csv", "--resume")
    text = (case.joule.folder / "o3.csv").read_text()
    assert (done.status, text) in {(0, whole), (1, (case.joule.folder / "half.csv").read_text())}


@files("56-export-resume-time-form")
def test_a_file_goes_on_in_its_own_form_of_times(case):
    case.ingest("pd.csv -s /x")
    case("joule data export /x --to out.csv --time iso --tz Europe/Berlin")
    before = (case.joule.folder / "out.csv").read_text()
    said = case("joule data export /x --to out.csv --resume", 1)
    assert "--time iso" in said
    case("joule data export /x --to out.csv --time iso --tz Europe/Berlin --resume")
    assert (case.joule.folder / "out.csv").read_text() == before
