"""Events of other programs: what their files say is found out, or refused with the remedy."""

from __future__ import annotations

import io
import json
import zipfile
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from joule_cli.errors import FormatError
from joule_cli.formats.events import EventReadOptions, Fields, open_event_reader
from joule_cli.model import Event

T0 = 1_704_067_200_000_000
BERLIN = ZoneInfo("Europe/Berlin")
NUMBERS = Fields({"power": "numeric", "note": "string"})


def read(text, form=None, **options):
    """Events of a file as the command reads it: times of any form, judged by a clock of 2025."""
    place = io.BytesIO(text.encode()) if isinstance(text, str) else text
    options = {"time_format": "auto", "clock": lambda: T0 + 366 * 86400 * 10**6} | options
    with open_event_reader(place, form, EventReadOptions(**options)) as reader:
        return [event for block in reader.blocks() for event in block.events]


def spans(text, **options):
    """Start and end of each event, as seconds from 2024 on, UTC."""

    def seconds(stamp):
        return None if stamp is None else (stamp - T0) / 10**6

    return [(seconds(e.start_time), seconds(e.end_time)) for e in read(text, **options)]


def refusal(text, **options):
    with pytest.raises(FormatError) as caught:
        read(text, **options)
    return f"{caught.value.sentence()} | {caught.value.hint}"


# -- units


@pytest.mark.parametrize("factor", [1, 10**3, 10**6, 10**9])
@pytest.mark.parametrize("form", ["csv", "jsonl", "json"])
def test_the_unit_is_found_out(factor, form):
    rows = [(1704067200 * factor, 1704067260 * factor), (1704067300 * factor, None)]
    text = {
        "csv": "start,end\n" + "".join(f"{a},{'' if b is None else b}\n" for a, b in rows),
        "jsonl": "".join(json.dumps({"start": a, "end": b}) + "\n" for a, b in rows),
        "json": json.dumps([{"start": a, "end": b} for a, b in rows]),
    }[form]
    assert spans(text, form=form) == [(0, 60), (100, None)]
    assert spans(text, form=form, time_format={1: "s", 1000: "ms", 10**6: "us"}.get(factor, "ns"))


@pytest.mark.parametrize(
    "text", ["start\n1704067200.25\n", '{"start":1704067200.25}\n', '{"start":"1704067200.25"}']
)
def test_fractions_of_seconds_are_exact(text):
    assert spans(text) == [(0.25, None)]


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("start,end\n0,60\n", {}, "the unit of the time '0' is not clear"),
        (
            "start,end\n0,60\n",
            {"time_format": "s"},
            "the time '0' is 1970-01-01 00:00:00+00:00, in the first day",
        ),
        ("start,end\n1704067200,60\n", {}, "'60' in seconds since 1970 is 1970-01-01 00:01:00"),
        ("start\n1704067200\n1704067200000\n", {}, "'1704067200000' in seconds since 1970"),
        ("start,end\n1704067200,1804067200\n", {}, "is 2027-03-03 09:46:40+00:00, in the future"),
        ("start,end\n2024-05-01,2034-05-01\n", {}, "'2034-05-01' is 2034-05-01 00:00:00+00:00"),
        ('{"start":5}\n', {}, "the unit of the time '5' is not clear"),
        ("start\n1.704E+09\n", {"time_format": "s"}, "has lost its last digits"),
    ],
)
def test_doubtful_times_are_refused(text, options, message):
    said = refusal(text, **options)
    assert message in said
    assert "--accept-times" in said or "lost its last digits" in said


def test_accepted_times():
    assert read("start,end\n0,60\n", accept_times=True) == [Event(0, 60)]
    found = spans("start,end\n1704067200,1804067200\n", accept_times=True)
    assert found == [(0, 100_000_000)]


def test_events_that_joule_wrote_are_taken_as_they_are():
    own = {"id": 1, "event_stream_id": 3, "node_uuid": "u"}
    lines = [{**own, "start_time": time, "end_time": time + 60} for time in (0, 20_240_501)]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    assert [e.start_time for e in read(text)] == [0, 20_240_501]
    late = json.dumps({**own, "start_time": T0 * 2}) + "\n"
    assert read(late)[0].start_time == T0 * 2
    # joule event read --time s
    assert "leave out --start-time" in refusal(late, start_time=T0)
    seconds = json.dumps({**own, "start_time": 1704067200, "end_time": 1704067200.5}) + "\n"
    assert spans(seconds) == [(0, 0.5)]


def test_times_that_count_from_the_beginning():
    start = {"start_time": T0, "time_format": "s"}
    assert spans("start,end\n0,1.5\n2,3\n", **start) == [(0, 1.5), (2, 3)]
    assert "--time-format" in refusal("start\n0\n5\n", start_time=T0)


# -- dates


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        ("2024-01-01 00:01", "2024-01-01T00:02:00Z", (60, 120)),
        ("2024/01/01 00:01", "2024/01/01 00:02", (60, 120)),
        ("13.01.2024 00:01", "13.01.2024 00:02", (12 * 86400 + 60, 12 * 86400 + 120)),
        ("1/13/2024 12:01 AM", "1/13/2024 12:01 PM", (12 * 86400 + 60, 12.5 * 86400 + 60)),
        ("1 Jan 2024 00:01", "1 Jan 2024 24:00", (60, 86400)),
        ("2024-01-01T01:01:00+01:00", "", (60, None)),
        ("2024-01-01 00:01", "NaT", (60, None)),
        ("2024-01-01 00:01", "-", (60, None)),
    ],
)
def test_common_forms_need_no_template(start, end, expected):
    assert spans(f"start;end;note\n{start};{end};x\n") == [expected]


def test_starts_and_ends_together_tell_day_from_month(tmp_path):
    assert spans("start,end\n01/02/2024,13/02/2024\n") == [(31 * 86400, 43 * 86400)]
    said = refusal("start,end\n01/02/2024,03/02/2024\n")
    assert "day and month could be swapped" in said
    assert "--time-format '%d/%m/%Y'" in said
    rows = "01/02/2024,03/02/2024\n" * 2000
    (tmp_path / "e.csv").write_text(f"start,end\n{rows}01/02/2024,13/02/2024\n")
    assert len(spans(tmp_path / "e.csv")) == 2001


def test_a_template_without_a_year_needs_the_start_time():
    text = "start,end,n\n12/31 23:00:00,01/01 01:00:00,1\n01/01 11:00:00,01/01 12:00:00,2\n"
    form = {"time_format": "%m/%d %H:%M:%S"}
    said = refusal(text, **form)
    assert "no year" in said
    assert "--start-time" in said
    assert spans(text, **form, start_time=T0 - 86400 * 10**6) == [(-3600, 3600), (39600, 43200)]


def test_times_of_day_go_on_from_the_start_time():
    text = "start,end\n22:00,06:00\n23:30,23:45\n01:00,00:30\n"
    assert "--start-time" in refusal(text)
    expected = [(79200, 108000), (84600, 85500), (90000, 174600)]
    assert spans(text, start_time=T0) == expected
    local = spans(text, start_time=T0 - 3600 * 10**6, local=BERLIN)
    assert local == [(a - 3600, b - 3600) for a, b in expected]


@pytest.mark.parametrize(
    ("header", "row", "expected"),
    [
        ("Date,Start,End,n", "2024-01-01,22:00,06:00,1", (79200, 108000)),
        ("Start,Date,n", "22:00,2024-01-01,1", (79200, None)),
        (
            "Start Date,Start Time,End Date,End Time,n",
            "2024-01-01,22:00,2024-01-03,06:00,1",
            (79200, 2 * 86400 + 21600),
        ),
        ("End Date,End Time,Start Time,Start Date", "2024-01-03,06:00,22:00,2024-01-01", None),
        ("Start,Duration,n", "2024-01-01,01:30,1", (0, None)),
    ],
)
def test_days_in_a_column_of_their_own(header, row, expected):
    assert spans(f"{header}\n{row}\n") == [expected or (79200, 2 * 86400 + 21600)]


def test_columns_can_be_put_together():
    text = "Day,On,Off,n\n2024-01-01,22:00,06:00,1\n"
    found = read(text, renames={"Day,On": "start_time", "Off": "end_time"})
    assert [(e.start_time - T0, e.end_time - T0) for e in found] == [
        (79200 * 10**6, 108000 * 10**6)
    ]
    assert found[0].content == {"n": 1}


# -- local times


def local(*times):
    """The instants, s from 2024, of local times in Berlin; (text, 1) is the later pass."""
    out = []
    for time in times:
        text, fold = time if isinstance(time, tuple) else (time, 0)
        shown = datetime.fromisoformat(text).replace(tzinfo=BERLIN, fold=fold)
        out.append((shown - datetime(2024, 1, 1, tzinfo=UTC)) / timedelta(seconds=1))
    return out


def test_the_order_of_the_starts_tells_which_hour_is_meant():
    times = ["2024-10-27 01:30", "2024-10-27 02:30", "2024-10-27 02:10", "2024-10-27 03:10"]
    expected = local(times[0], times[1], (times[2], 1), times[3])
    for block in (times, [*times, *["2024-10-28"] * 20_000]):
        text = "start,x\n" + "".join(f"{time},1\n" for time in block)
        assert [start for start, _ in spans(text, local=BERLIN)][:4] == expected
    # with an end that can only be later than its start
    text = "start,end\n2024-10-27 02:40,2024-10-27 02:20\n2024-10-27 02:15,2024-10-27 02:30\n"
    (a, b), (c, d) = spans(text, local=BERLIN)
    assert [a, b] == local("2024-10-27 02:40", ("2024-10-27 02:20", 1))
    assert [c, d] == local(("2024-10-27 02:15", 1), ("2024-10-27 02:30", 1))


def test_what_the_order_does_not_tell_is_refused():
    one = "start\n2024-10-27 02:30\n"
    # the newest first, as alarms are listed
    down = "start\n2024-10-28\n2024-10-27 02:30\n2024-10-27 02:10\n2024-10-26\n"
    end = "start,end\n2024-10-27 01:30,2024-10-27 02:30\n"
    for text in (one, down, end):
        said = refusal(text, local=BERLIN)
        assert "occurs twice in Europe/Berlin" in said
        assert "--ambiguous earlier or later, or --tz=+01:00" in said
        for how, fold in (("earlier", 0), ("later", 1)):
            found = [time for span in spans(text, local=BERLIN, ambiguous=how) for time in span]
            assert local(("2024-10-27 02:30", fold))[0] in found
    assert spans(down, tz=ZoneInfo("Etc/GMT-1"))[1] == (local("2024-10-27 02:30")[0] + 3600, None)


def test_times_that_the_clocks_skip():
    text = "start,end\n2024-03-31 02:30,2024-03-31 04:00\n"
    said = refusal(text, local=BERLIN)
    assert "does not exist in Europe/Berlin" in said
    assert "--tz=+01:00" in said
    assert spans(text, local=BERLIN, nonexistent="forward") == [
        tuple(local("2024-03-31 03:30", "2024-03-31 04:00"))
    ]


def test_a_zone_in_the_name_of_the_column():
    text = "Start Time (GMT+01:00),n\n2024-01-01 01:00,1\n"
    assert spans(text, local=ZoneInfo("America/New_York")) == [(0, None)]


# -- names


@pytest.mark.parametrize(
    ("header", "content"),
    [
        ("Start Time,End Time,kind", {"kind": "x"}),
        ("Begin,Stop,kind", {"kind": "x"}),
        ("Beginn,Ende,Art", {"Art": "x"}),
        ("Von,Bis,Art", {"Art": "x"}),
        ("started_at,ended_at,id2", {"id2": "x"}),
        ("time,until,kind", {"kind": "x"}),
        ("Timestamp,Finish,kind", {"kind": "x"}),
    ],
)
def test_names_are_recognised(header, content):
    (event,) = read(f"{header}\n2024-01-01 00:00,2024-01-01 00:01,x\n")
    assert (event.start_time, event.end_time, event.content) == (T0, T0 + 60_000_000, content)


def test_states_are_no_times():
    text = "time,from,to\n2024-01-01 00:00,off,on\n"
    assert read(text)[0].content == {"from": "off", "to": "on"}


def test_columns_are_mapped():
    text = "alarm_at;quit;id;remark\n2024-01-01;2024-01-02;A7;x\n"
    assert "there is no column 'start_time', only 'alarm_at'" in refusal(text)
    renames = {"alarm_at": "start_time", "quit": "end_time", "id": "alarm", "3": "note"}
    (event,) = read(text, renames=renames, fields=NUMBERS)
    assert (event.end_time - event.start_time) == 86400 * 10**6
    assert (event.id, event.content) == (None, {"alarm": "A7", "note": "x"})
    assert "use --map id=NAME" in refusal(text, renames={"quit": "end"})
    assert "there is no column 'alarm'" in refusal(text, renames={"alarm": "start"})


def test_two_columns_of_one_name():
    text = "start,a,a\n2024-01-01,1,2\n"
    assert "use --map 2=NAME" in refusal(text)
    assert read(text, renames={"2": "b"})[0].content == {"a": 1, "b": 2}


def test_chosen_columns():
    text = ",start,a,b,\n0,2024-01-01,1,2,\n1,2024-01-02,3,4,\n"
    assert [e.content for e in read(text)] == [{"a": 1, "b": 2}, {"a": 3, "b": 4}]
    assert [e.content for e in read(text, use_columns=["b"])] == [{"b": 2}, {"b": 4}]
    nameless = "start,,b\n2024-01-01,x,2\n"
    assert "--map 1=NAME" in refusal(nameless)
    assert read(nameless, renames={"1": "a"})[0].content == {"a": "x", "b": 2}


def test_events_of_one_kind():
    text = "start,kind,n\n2024-01-01,a,1\nbad,b,2\n2024-01-03,a,3\n"
    assert [e.content["n"] for e in read(text, where=[("kind", "a")])] == [1, 3]
    assert "bad" in refusal(text, where=[("kind", "*")])
    assert "there is no column 'sort'" in refusal(text, where=[("sort", "a")])


def test_objects_of_other_programs():
    text = (
        '{"begin":"2024-01-01T00:00:00Z","end":"2024-01-01T00:01:00Z","kind":"12","tags":{"a":[1]},'
        '"power":"5","gone":null}\n'
    )
    (event,) = read(text, fields=NUMBERS)
    assert (event.start_time, event.end_time) == (T0, T0 + 60_000_000)
    assert event.content == {"kind": "12", "tags": {"a": [1]}, "power": 5}
    (event,) = read(f'{{"x": {{"events": [{text}]}}}}')
    assert event.content["tags"] == {"a": [1]}


# -- shape


def test_lines_before_the_table():
    text = (
        "Alarm log;;;\nExported;2024-05-01;;\n\n"
        "Beginn;Ende;Alarm;Dauer [min]\n"
        "01.04.2024 13:30;13.04.2024 13:45;Überlauf;15,5\n"
        "02.04.2024 13:30;;Druck;\n"
    )
    first, second = read(text)
    assert first.content == {"Alarm": "Überlauf", "Dauer [min]": 15.5}
    assert (second.end_time, second.content) == (None, {"Alarm": "Druck"})
    assert [e.content for e in read("x\ny\n" + text, skip_lines=2)] == [
        first.content,
        second.content,
    ]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_encodings_and_line_ends(encoding, end):
    text = "sep=;\nstart;kind\n2024-01-01;ö\n".replace("\n", end)
    assert read(io.BytesIO(text.encode(encoding)))[0].content == {"kind": "ö"}


def test_texts_with_lines_do_not_hide_the_times():
    note = "\n".join(f"line {i}, with 5 words; 2024" for i in range(40))
    text = "start,note\n" + "".join(f'{1704067200 + i},"{note}"\n' for i in range(30))
    found = read(text)
    assert [e.start_time - T0 for e in found] == [i * 10**6 for i in range(30)]
    assert {e.content["note"] for e in found} == {note}


def test_a_last_line_that_may_be_cut():
    text = "start,kind\n2024-01-01,heating\n2024-01-02,heat"
    assert "--last-line keep" in refusal(text)
    assert len(read(text, last_line="drop")) == 1
    assert read(text, last_line="keep")[1].content == {"kind": "heat"}


# -- values


def test_marks_of_numbers():
    text = "start;power;ip;day;x\n2024-01-01;1.234,5;10.100.100.200;01.05.2024;1,5\n"
    (event,) = read(text, fields=NUMBERS)
    assert event.content == {
        "power": 1234.5,
        "ip": "10.100.100.200",
        "day": "01.05.2024",
        "x": 1.5,
    }
    assert spans("start;power\n1704067200,25;1,5\n1704067201,5;2\n") == [(0.25, None), (1.5, None)]
    text = 'start,power\n2024-01-01,"1,5"\n'
    assert "use --decimal ," in refusal(text, fields=NUMBERS)
    assert read(text, fields=NUMBERS, decimal=",")[0].content == {"power": 1.5}
    text = 'start,power\n2024-01-01,"1,234.5"\n'
    assert read(text, fields=NUMBERS, thousands=",")[0].content == {"power": 1234.5}


def test_numbers_stay_exact():
    text = "start,power,n\n2024-01-01,123456789012345678901,9007199254740993\n"
    (event,) = read(text, fields=NUMBERS)
    assert event.content == {"power": 123456789012345678901, "n": 9007199254740993}


def test_a_unit_behind_every_number():
    text = "start,power\n2024-01-01,12 W\n2024-01-02,-\n2024-01-03,1.5 W\n"
    assert [e.content for e in read(text, fields=NUMBERS)] == [{"power": 12}, {}, {"power": 1.5}]


def test_missing_cells_leave_the_field_out():
    text = "start,power,note,n,t\n2024-01-01,NaN,NaN,N/A,-\n2024-01-02,n/a,null,5,x\n"
    first, second = read(text, fields=NUMBERS)
    # words of texts may be any
    assert first.content == {"note": "NaN", "t": "-"}
    assert second.content == {"note": "null", "n": 5, "t": "x"}
    given = {"fields": NUMBERS, "missing_values": ["-999", "x", "NaN"]}
    text = "start,power,note,t\n2024-01-01,-999,NaN,x\n2024-01-02,-999.0,a,-999\n"
    assert [e.content for e in read(text, **given)] == [{}, {"note": "a"}]
    assert "--missing-values" in refusal("start,power\n2024-01-01,off\n", fields=NUMBERS)


# -- bad events


def test_bad_events_are_handed_out():
    bad = []
    text = (
        "start,end,power\n2024-01-01,,1\nsoon,,2\n2024-01-03,2024-01-02,3\n2024-01-04,,x\n"
        "2034-01-01,,5\n,,6\n2024-01-07,,7\n"
    )
    options = {"fields": NUMBERS, "on_reject": lambda *told: bad.append(told)}
    assert [e.content["power"] for e in read(text, **options)] == [1, 7]
    assert [(line, row) for line, row, _ in bad] == [
        (3, "soon,,2"),
        (4, "2024-01-03,2024-01-02,3"),
        (5, "2024-01-04,,x"),
        (6, "2034-01-01,,5"),
        (7, ",,6"),
    ]
    assert bad[1][2] == (
        "end 2024-01-02 (2024-01-02 00:00:00+00:00) must be after start 2024-01-03 "
        "(2024-01-03 00:00:00+00:00)"
    )
    assert bad[4][2] == "start is missing"


# -- containers


def test_parquet_and_arrow(tmp_path):
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    feather = pytest.importorskip("pyarrow.feather")
    times = np.array(["2024-01-01T00:00", "2024-01-02T00:00"], "datetime64[ns]")
    table = pa.table(
        {
            "start": pa.array(times).cast(pa.timestamp("ns", "UTC")),
            "end": pa.array([*times[1:], None]).cast(pa.timestamp("ns", "UTC")),
            "power": [1.5, None],
            "n": [2**53 + 1, 7],
            "code": ["007", None],
            "on": [True, None],
        }
    )
    parquet.write_table(table, tmp_path / "e.parquet")
    feather.write_feather(table, tmp_path / "e.arrow")
    for name in ("e.parquet", "e.arrow"):
        first, second = read(tmp_path / name, fields=NUMBERS)
        assert (first.start_time, first.end_time) == (T0, T0 + 86400 * 10**6)
        assert first.content == {"power": 1.5, "n": 2**53 + 1, "code": "007", "on": True}
        assert (second.end_time, second.content) == (None, {"n": 7})
    assert "--delimiter is not for Parquet files" in refusal(tmp_path / "e.parquet", delimiter=";")


def test_an_archive_with_one_file(tmp_path):
    lines = '{"start_time":1704067200,"content":{"a":{"b":1}}}\n'
    for name, text in (("e.jsonl", lines), ("e.csv", "start;power\n2024-01-01;1,5\n")):
        path = tmp_path / f"{name}.zip"
        with zipfile.ZipFile(path, "w") as packed:
            packed.writestr(name, text)
        (event,) = read(path)
        assert event.start_time == T0
        assert event.content in ({"a": {"b": 1}}, {"power": 1.5})
