"""Texts of other programs: InfluxDB and LabVIEW."""

from __future__ import annotations

import io
import os
import random
import threading
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from joule_cli.errors import FormatError
from joule_cli.formats.containers.influx import (
    AnnotatedCsvContainer,
    LineProtocolContainer,
    is_annotated,
)
from joule_cli.formats.containers.lvm import LvmContainer
from tests.formats.containers.support import bad_rows, failure, kept, names, options, read

NS = 1_556_813_561_098_000_000


def opened(kind, text):
    content = text if isinstance(text, bytes) else text.encode()
    return kept(kind(io.BytesIO(content), options()))


def points(text):
    return opened(LineProtocolContainer, text)


# line protocol


def test_points_of_one_series():
    text = (
        f"mains,host=a volts=230.1,amps=5.2 {NS}\n"
        f"mains,host=a amps=5.3,volts=230.2 {NS + 1}\n"
    )  # fmt: skip
    container = points(text)
    assert [(c.name, c.kind, c.hidden) for c in container.columns] == [
        ("time", "any", False), ("measurement", "text", True), ("host", "text", True),
        ("volts", "any", False), ("amps", "any", False),
    ]  # fmt: skip
    assert container.told.time_column == "time"
    assert container.unit == "line"
    assert read(container) == [
        [NS, "mains", "a", 230.1, 5.2], [NS + 1, "mains", "a", 230.2, 5.3]]  # fmt: skip


def test_values_of_all_types():
    text = (
        f'm a=1i,b=5u,c=-1.5e3,d=t,e=FALSE,f="x, \\"y\\" = z",g=.5,h=0.1234567890123456789 {NS}\n'
    )
    assert read(points(text)) == [
        [NS, "m", 1, 5, -1500, True, False, 'x, "y" = z', 0.5, Decimal("0.1234567890123456789")]
    ]


def test_marks_that_are_escaped():
    text = f"my\\ m\\,1,ta\\=g=a\\ b\\,c fi\\ eld=1i {NS}\n"
    container = points(text)
    assert names(container) == ["time", "measurement", "ta=g", "fi eld"]
    assert read(container) == [[NS, "my m,1", "a b,c", 1]]


def test_points_of_several_series_comments_and_times_that_are_missing():
    text = f"# c\nm a=1 {NS}\n\nn,t=x b=2 {NS}\r\nm a=3\n"
    container = points(text)
    assert names(container) == ["time", "measurement", "t", "a", "b"]
    assert read(container) == [
        [NS, "m", None, 1, None], [NS, "n", "x", None, 2], [None, "m", None, 3, None]]  # fmt: skip


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("m", "not a line of the protocol: MEASUREMENT,TAG=TEXT FIELD=VALUE TIME"),
        ("m a=1 x", "not a line of the protocol: MEASUREMENT,TAG=TEXT FIELD=VALUE TIME"),
        ("m a=1,", "the fields are not pairs such as NAME=VALUE"),
        ("m,t a=1", "the tags are not pairs such as NAME=VALUE"),
        ("m a=x", "'x' is no value of the field 'a'"),
        ("m a=1_0", "'1_0' is no value of the field 'a'"),
        ("m a=nan", "'nan' is no value of the field 'a'"),
        ("m a=1,a=2", "the field 'a' occurs twice"),
        ("m,t=1,t=2 a=1", "the tag 't' occurs twice"),
        ('m a="x', "not a line of the protocol: MEASUREMENT,TAG=TEXT FIELD=VALUE TIME"),
    ],
)
def test_lines_that_are_no_points(line, reason):
    assert bad_rows(points(f"m a=5 1\n{line}\nm a=6 2\n")) == [(2, reason)]
    assert failure(lambda: points(f"\n{line}\n")) == f"-:2: {reason}"


def test_a_field_that_the_first_points_lack():
    text = "m a=5 1\n" * 1000 + "m b=5 1\n"
    assert bad_rows(points(text)) == [(1001, "the field 'b' is not in the first lines")]


def test_many_points():
    text = "".join(f"m,h=a x={i} {NS + i}\n" for i in range(20_000))
    container = points(text)
    assert [row[-1] for row in read(container, [0, 3])] == list(range(20_000))


def test_a_pipe_gives_the_points_that_have_arrived():
    out, into = os.pipe()
    rest = threading.Event()

    def write():
        with os.fdopen(into, "wb", buffering=0) as file:
            file.write(b"m a=1 1\n")
            rest.wait()
            file.write(b"m a=2 2\n")

    thread = threading.Thread(target=write)
    thread.start()
    with os.fdopen(out, "rb", buffering=0) as file:
        container = kept(LineProtocolContainer(file, options()))
        assert container.sample().size == 1
        rest.set()
        assert read(container) == [[1, "m", 1], [2, "m", 2]]
    thread.join()


# CSV with annotations

HEAD = (
    "#group,false,false,true,true,false,false,true,true\n"
    "#datatype,string,long,dateTime:RFC3339,dateTime:RFC3339,dateTime:RFC3339,double,string,string\n"
    "#default,_result,,,,,,,\n"
    ",result,table,_start,_stop,_time,_value,_field,host\n"
)


def annotated(text):
    return opened(AnnotatedCsvContainer, text)


def row(second, value, field, host="a", table=0):
    return (
        f",,{table},2024-01-01T00:00:00Z,2024-01-02T00:00:00Z,2024-01-01T00:00:0{second}Z,"
        f"{value},{field},{host}\n"
    )


def test_tables_with_annotations():
    text = (
        HEAD + row(1, 1.5, "w") + row(2, "", "w") + "\n" + HEAD + row(1, 2.5, "v", table=1) + "\n"
    )
    assert is_annotated(text.encode())
    container = annotated(text)
    assert [(c.name, c.hidden) for c in container.columns] == [
        ("result", True), ("table", True), ("_start", True), ("_stop", True), ("_time", False),
        ("_value", False), ("_field", True), ("host", True),
    ]  # fmt: skip
    assert container.told.time_column == "_time"
    assert read(container, [0, 4, 5, 6, 7]) == [
        ["_result", "2024-01-01T00:00:01Z", "1.5", "w", "a"],
        ["_result", "2024-01-01T00:00:02Z", None, "w", "a"],
        ["_result", "2024-01-01T00:00:01Z", "2.5", "v", "a"],
    ]
    assert [b.number(2) for b in annotated(text).batches()] == [12]


def test_tables_of_other_columns_and_other_order():
    other = (
        "#datatype,string,long,double,dateTime:RFC3339,string\n,result,table,_value,_time,room\n"
    )
    text = HEAD + row(1, 1.5, "w") + "\r\n" + other + ',,1,2.5,2024-01-01T00:00:02Z,"k, ß"\n'
    container = annotated(text)
    assert names(container)[-1] == "room"
    assert [[r[4], r[5], r[7], r[8]] for r in read(container)] == [
        ["2024-01-01T00:00:01Z", "1.5", "a", None],
        ["2024-01-01T00:00:02Z", "2.5", None, "k, ß"],
    ]


def test_pivoted_tables_and_a_header_without_annotations():
    text = "#datatype,dateTime:RFC3339,double,boolean\n,_time,w,on\n,2024-01-01T00:00:01Z,1,true\n"
    text += "\n,_time,w,on\n,2024-01-01T00:00:02Z,2,false\n"
    assert [(c.name, c.hidden) for c in annotated(text).columns] == [
        ("_time", False), ("w", False), ("on", False)]  # fmt: skip
    assert [r[1:] for r in read(annotated(text))] == [["1", "true"], ["2", "false"]]


def test_what_is_no_annotated_table():
    assert not is_annotated(b"timestamp,x\n1,2\n")
    assert not is_annotated(b"# group\n")
    said = "-: there is no header below the annotations"
    assert failure(lambda: annotated("#group,false\n")) == said
    said = "-: the query failed: the file holds an error"
    text = "#datatype,string,long\n,error,reference\n,no bucket,897\n"
    assert failure(lambda: annotated(text)) == said
    text = HEAD + row(1, 1.5, "w") + ",,0\n" + row(2, 2.5, "w")
    assert bad_rows(annotated(text)) == [(6, "expected 9 columns, found 3")]


# LabVIEW

LVM = """LabVIEW Measurement\t
Writer_Version\t2
Reader_Version\t2
Separator\tTab
Decimal_Separator\t.
Multi_Headings\tNo
X_Columns\tOne
Time_Pref\tRelative
Operator\tme
Date\t2024/05/01
Time\t12:30:00.5
***End_of_Header***\t
\t
Channels\t2\t
Samples\t2\t2
Date\t2024/05/01\t2024/05/01
Time\t12:30:00.75\t12:30:00.75
Y_Unit_Label\tV\tA
X_Dimension\tTime\tTime
X0\t0.0E+0\t0.0E+0
Delta_X\t0.250000\t0.250000
***End_of_Header***\t\t
X_Value\tVoltage\tCurrent\tComment
"""
ROWS = "0.000000\t1.5\t2.5\tstart\n0.250000\t3.5\t\n"
BEGIN = datetime(2024, 5, 1, 12, 30, 0, 750_000)


def lvm(text):
    return opened(LvmContainer, text)


def test_a_column_of_times():
    container = lvm(LVM + ROWS)
    assert [(c.name, c.units, c.hidden) for c in container.columns] == [
        ("time", "", False), ("Voltage", "V", False), ("Current", "A", False),
        ("Comment", "", True),
    ]  # fmt: skip
    assert container.told.time_column == "time"
    assert read(container) == [
        [BEGIN, "1.5", "2.5", "start"],
        [BEGIN + timedelta(seconds=0.25), "3.5", None, None],
    ]


def test_steps_in_place_of_times():
    text = LVM.replace("X_Columns\tOne", "X_Columns\tNo") + "\t1.5\t2.5\n\t3.5\t4.5\n\t5.5\t6.5\n"
    assert [r[:2] for r in read(lvm(text))] == [
        [BEGIN, "1.5"], [BEGIN + timedelta(seconds=0.25), "3.5"],
        [BEGIN + timedelta(seconds=0.5), "5.5"]]  # fmt: skip


def test_seconds_since_1904():
    text = LVM.replace("Relative", "Absolute") + "3786912000.5\t1\t2\n"
    assert read(lvm(text))[0][0] == datetime(2024, 1, 1, 0, 0, 0, 500_000, UTC)


def test_decimal_commas_and_other_separators():
    text = LVM.replace("Decimal_Separator\t.", "Decimal_Separator\t,") + "0,25\t1,5\t-2,5e1\n"
    assert read(lvm(text)) == [[BEGIN + timedelta(seconds=0.25), "1.5", "-2.5e1", None]]
    text = (LVM + ROWS).replace("Separator\tTab", "Separator\tComma").replace("\t", ",")
    assert read(lvm(text))[1][1] == "3.5"


def test_segments_follow_each_other():
    header = LVM[LVM.index("Channels") :].replace("12:30:00.75", "12:31:00")
    container = lvm(LVM + ROWS + "\n" + header + ROWS)
    found = read(container)
    assert found[2] is None
    assert found[3][0] == datetime(2024, 5, 1, 12, 31)
    other = header.replace("Voltage", "U")
    said = "-: the segments of the file have different channels"
    assert failure(lambda: read(lvm(LVM + ROWS + "\n" + other + ROWS))) == said


def test_times_of_each_channel():
    text = LVM.replace("X_Value\tVoltage\tCurrent", "X_Value\tVoltage\tX_Value\tCurrent")
    container = lvm(text + "0.5\t1\t0.5\t2\n0.6\t1\t0.7\t2\n")
    assert names(container) == ["time", "Voltage", "Current", "Comment"]
    assert bad_rows(container) == [(25, "the channels have different times")]


def test_special_blocks_and_other_dimensions():
    text = LVM.replace("Channels", "***Start_Special***\nChannels\t9\n***End_Special***\nChannels")
    assert len(read(lvm(text + ROWS))) == 2
    text = LVM.replace("X_Dimension\tTime", "X_Dimension\tFrequency").replace("Time\tTime", "x")
    container = lvm(text + ROWS)
    assert (names(container)[0], container.told.time_column) == ("Frequency", None)
    assert read(container)[1][0] == 0.25


def test_times_without_a_date_are_seconds():
    text = "\n".join(x for x in LVM.split("\n") if not x.startswith("Date"))
    container = lvm(text + ROWS)
    assert container.columns[0].units == "s"
    assert [r[0] for r in read(container)] == [0, 0.25]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("t,x\n1,2\n", "the file is not a LabVIEW measurement"),
        ("%PDF-1.7\n", "the file is a PDF document, which is not read"),
        (LVM[:200], "the header has no end, the file may be cut"),
    ],
)
def test_what_is_no_measurement(text, reason):
    assert failure(lambda: lvm(text)) == f"-: {reason}"


def test_rows_that_cannot_be_read():
    bad = bad_rows(lvm(LVM + "0.5\t1\t2\n0.6\t1\t2\tc\tx\nERR\t1\t2\n"))
    assert bad == [(25, "expected 4 columns, found 5"), (26, "'ERR' is not a time in seconds")]


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (LineProtocolContainer, "".join(f'm,h=a x={i},s="a b" {NS + i}\n' for i in range(20))),
        (AnnotatedCsvContainer, (HEAD + row(1, 1.5, "w") + "\n") * 3),
        (LvmContainer, (LVM + ROWS) * 2),
    ],
)
def test_damage_is_an_error_or_a_bad_row(kind, text):
    draw = random.Random(1)
    for _ in range(300):
        content = bytearray(text.encode())
        if draw.random() < 0.3:
            del content[draw.randrange(len(content)) :]
        for _ in range(draw.randint(0, 3)):
            if content:
                content[draw.randrange(len(content))] = draw.randrange(256)
        try:
            container = opened(kind, bytes(content))
            container.sample()
            for batch in filter(None, container.batches()):
                assert [batch.text(at) for at in range(batch.size)]
        except FormatError:
            pass
