from __future__ import annotations

import io
from itertools import count

import numpy as np
import pytest

from joule_cli.errors import FormatError
from joule_cli.formats import ReadOptions, WriteOptions, open_reader, open_writer
from joule_cli.model.data_stream import Element
from joule_cli.series.layout import Layout
from tests.contracts.format_contract import (
    TextFormatContract,
    joined,
    make_head,
    make_rows,
    spans,
)


class TestCsv(TextFormatContract):
    suffix = ".csv"


class TestTsv(TextFormatContract):
    suffix = ".tsv"


class TestSemicolonsWithoutHeader(TextFormatContract):
    suffix = ".csv"
    empty_without_rows = True
    write_options = WriteOptions(mark_intervals=True, header="none", delimiter=";")


class TestAnnotated(TextFormatContract):
    """The file says everything about itself: its types and the column of its intervals."""

    suffix = ".csv"
    can_append = False
    write_options = WriteOptions(annotate=True, header="units", interval_column=True)

    def read_options(self, layout: Layout) -> ReadOptions:
        return ReadOptions()


def csv_of(rows: np.ndarray, head=None, *more: object, name: str = "csv", **options) -> str:
    out = io.BytesIO()
    datatype = rows["data"].dtype.name
    head = head or make_head(f"{datatype}_{rows['data'].shape[1]}")
    with open_writer(out, head, name, WriteOptions(**options)) as writer:
        for item in (rows, *more):
            if item is None:
                writer.interval_break()
            else:
                writer.write(item)
    return out.getvalue().decode()


def rows_of(layout: str, *values: list) -> np.ndarray:
    rows = np.zeros(len(values), Layout.parse(layout).dtype)
    rows["timestamp"] = 1_700_000_000_000_000 + np.arange(len(values))
    rows["data"] = np.array(values, rows["data"].dtype)
    return rows


def read(text: str | bytes, name: str | None = "csv", **options) -> list:
    data = text.encode() if isinstance(text, str) else text
    with open_reader(io.BytesIO(data), name, ReadOptions(**options)) as reader:
        return list(reader)


def table(text: str | bytes, **options) -> list[list]:
    rows = joined(read(text, **options), Layout("float64", 1))
    pairs = zip(rows["timestamp"].tolist(), rows["data"].tolist(), strict=True)
    return [[stamp, values] for stamp, values in pairs]


def names(text: str, **options) -> list[tuple[str, str | None]]:
    with open_reader(io.BytesIO(text.encode()), "csv", ReadOptions(**options)) as reader:
        return [(e.name, e.units) for e in reader.head.elements]


def failure(text: str | bytes, **options) -> str:
    with pytest.raises(FormatError) as caught:
        read(text, **options)
    return caught.value.sentence()


def head_named(*elements: str | Element, **fields):
    elements = [Element(e) if isinstance(e, str) else e for e in elements]
    return make_head(f"float32_{len(elements) * (3 if 'bounds' in fields else 1)}",
                     elements=elements, **fields)  # fmt: skip


# writing


def test_the_shortest_text_of_values():
    rows = rows_of("float32_2", [0.1, 2], [-0.0, 1e-7])
    assert csv_of(rows, head_named("x", "y")) == (
        "timestamp,x,y\n1700000000000000,0.1,2\n1700000000000001,-0.0,1e-7\n"
    )


def test_breaks():
    rows, more = rows_of("float32_1", [1]), rows_of("float32_1", [2])
    more["timestamp"] += 5
    head = head_named("x")
    marked = csv_of(rows, head, None, more, None, mark_intervals=True)
    assert marked.splitlines()[1:] == [
        "1700000000000000,1",
        "# interval break",
        "1700000000000005,2",
    ]
    assert "#" not in csv_of(rows, head, None, more)
    assert csv_of(rows, head, None, more, interval_column=True) == (
        "timestamp,x,interval\n1700000000000000,1,0\n1700000000000005,2,1\n"
    )


def test_precision():
    rows = rows_of("float32_2", [0.1, 2], [1 / 3, 0])
    assert csv_of(rows, precision=3).splitlines()[1:] == [
        "1700000000000000,0.100,2.000",
        "1700000000000001,0.333,0.000",
    ]
    assert csv_of(rows_of("int64_1", [2**53 + 1]), precision=0).splitlines()[1:] == [
        "1700000000000000,9007199254740993"
    ]


def test_form_of_time():
    text = csv_of(rows_of("int8_1", [1]), format_time=lambda t: f"T{t % 10},")
    assert text.splitlines()[1:] == ['"T0,",1']


@pytest.mark.parametrize(("name", "mark"), [("csv", ","), ("tsv", "\t")])
def test_delimiters(name, mark):
    text = csv_of(rows_of("int8_2", [1, 2]), name=name)
    assert text == f"timestamp{mark}e0{mark}e1\n1700000000000000{mark}1{mark}2\n"


def test_headers():
    rows = rows_of("float32_2", [1, 2])
    head = head_named(Element("x", units="V"), Element("y", units=None))
    assert csv_of(rows, head, header="units").startswith("timestamp,x [V],y\n")
    assert csv_of(rows, head, header="none").startswith("17")


def test_headers_of_bounds():
    head = head_named(Element("x", units="V"), "y", bounds=True)
    rows = rows_of("float32_6", [1, 2, 3, 4, 5, 6])
    assert csv_of(rows, head, header="units") == (
        "timestamp,x [V],y,x_min [V],y_min,x_max [V],y_max\n1700000000000000,1,2,3,4,5,6\n"
    )
    assert csv_of(rows, head, bounds_order="element") == (
        "timestamp,x,x_min,x_max,y,y_min,y_max\n1700000000000000,1,3,5,2,4,6\n"
    )


def test_names_that_need_quotes_or_an_index():
    elements = ['a,"b"', "timestamp", "x", Element("x", index=7), "two\nlines", "#n"]
    text = csv_of(rows_of("float32_6", [1, 2, 3, 4, 5, 6]), head_named(*elements))
    assert text.startswith('timestamp,"a,""b""",timestamp#1,x#2,x#7,"two\nlines","#n"\n17')
    assert [name for name, _ in names(text)] == [
        'a,"b"', "timestamp", "x", "x", "two\nlines", "#n"
    ]  # fmt: skip
    assert table(text) == [[1_700_000_000_000_000, [1, 2, 3, 4, 5, 6]]]


@pytest.mark.parametrize("mark", [";", "|", "\t"])
def test_names_that_hold_the_delimiter(mark):
    head = head_named(f"a{mark}b", 'say "x"')
    text = csv_of(rows_of("float32_2", [1, 2]), head, delimiter=mark)
    assert [name for name, _ in names(text, delimiter=mark)] == [f"a{mark}b", 'say "x"']


def test_annotations_describe_the_stream():
    head = head_named(Element("x", units="V", offset=1.5), node_name="lab", start=1, end=2,
                      decimation_level=16, path="/a\n/b")  # fmt: skip
    text = csv_of(rows_of("float32_1", [1]), head, annotate=True)
    lines = text.splitlines()
    assert lines[0] == r'# path: "/a\n/b"'
    assert lines[1] == "# datatype: float32"
    assert lines[2].startswith('# elements: [{"id":null')
    assert lines[3:] == ["# decimation_level: 16", "# range: 1 2", "# node: lab",
                         "timestamp,x", "1700000000000000,1"]  # fmt: skip
    with open_reader(io.BytesIO(text.encode()), "csv") as reader:
        told = reader.head
        assert (told.path, told.layout, told.decimation_level) == ("/a\n/b", head.layout, 16)
        assert told.stream is not None
        assert told.stream.elements[0].to_json() == head.elements[0].to_json() | {"index": 0}


def test_infinities_are_words_and_missing_values_nothing():
    rows = rows_of("float32_2", [np.inf, 1.5], [-np.inf, np.nan])
    lines = ["1700000000000000,inf,1.5", "1700000000000001,-inf,"]
    assert csv_of(rows, header="none").splitlines() == lines
    assert csv_of(rows, header="none", precision=1).splitlines() == lines


# reading


def test_a_header_is_found_out():
    assert table("1,2\n3,4\n") == [[1, [2]], [3, [4]]]
    assert table("timestamp,0\n3,4\n") == [[3, [4]]]
    assert table("a,b\n3,4\n") == [[3, [4]]]
    assert table("1,2\n3,4\n", header=True) == [[3, [4]]]
    assert failure("noon,2\n3,4\n") == "-:1: 'noon' is not a time in microseconds since 1970"


def test_a_header_alone_is_no_row():
    assert table("timestamp,x\n") == []
    assert failure("# only a comment\n") == "-: the file has no columns"


def test_names_and_units_of_a_header():
    assert names("timestamp,x [V],\"y, z\",x#2,x#5\n1,1,1,1,1\n") == [
        ("x", "V"), ("y, z", ""), ("x", ""), ("x", "")]  # fmt: skip
    assert names("1,2\n") == []


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_delimiters_are_found_out(mark):
    assert table(f"time{mark}a{mark}b\n1{mark}2{mark}3\n") == [[1, [2, 3]]]
    assert table(f"1{mark}2{mark}3\n") == [[1, [2, 3]]]


def test_any_delimiter_can_be_named():
    assert table("1|2|3\n", delimiter="|") == [[1, [2, 3]]]


def test_the_time_may_be_in_any_column():
    text = "x,timestamp,y\n1,10,2\n3,20,4\n"
    assert table(text) == [[10, [1, 2]], [20, [3, 4]]]
    assert table(text, time_column="x") == [[1, [10, 2]], [3, [20, 4]]]
    assert table(text, time_column=2) == [[2, [1, 10]], [4, [3, 20]]]
    assert table("5,6,7\n", time_column="1") == [[6, [5, 7]]]


def test_columns_can_be_chosen():
    text = 'timestamp,note,a,b [V]\n1,hello,2,3\n2,"x, y",4,5\n'
    assert table(text, use_columns=["b", "a"]) == [[1, [3, 2]], [2, [5, 4]]]
    assert table(text, use_columns=[2]) == [[1, [2]], [2, [4]]]
    assert names(text, use_columns=["b", 2]) == [("b", "V"), ("a", "")]
    assert table("1,2,3,4\n2,3,4,5\n", use_columns=[3, 1]) == [[1, [4, 2]], [2, [5, 3]]]


def test_times_in_other_forms():
    text = "time,x\n1700000000.123457,1\n1700000000.123458,2\n"
    stamps = [1_700_000_000_123_457, 1_700_000_000_123_458]
    assert [row[0] for row in table(text, time_format="s")] == stamps
    assert [row[0] for row in table(text, time_format="auto")] == stamps
    iso = "time,x\n2023-11-14T22:13:20.123457Z,1\n2023-11-14T22:13:20.123458Z,2\n"
    assert [row[0] for row in table(iso, time_format="auto")] == stamps
    assert [row[0] for row in table(iso, time_format="iso")] == stamps


def test_input_without_times():
    ticks = count(10, 5)
    stamps = lambda n: np.array([next(ticks) for _ in range(n)])  # noqa: E731
    assert table('a,b\n1,2\n3," 4"\n', stamps=stamps) == [[10, [1, 2]], [15, [3, 4]]]
    assert table("1,2\n", stamps=stamps) == [[20, [1, 2]]]


def test_quotes_blanks_and_line_ends():
    assert table('timestamp,x\r\n"1"," 2.5 "\r\n2,3\r\n\r\n') == [[1, [2.5]], [2, [3]]]
    assert table(b"\xef\xbb\xbftimestamp,x\n1,2\n") == [[1, [2]]]


def test_lines_can_be_skipped():
    assert table('junk, "\nmore\ntimestamp,x\n1,2\n', skip_lines=2) == [[1, [2]]]
    assert failure("a\n", skip_lines=3) == "-: the file has fewer than 4 lines"


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "cp1252"])
def test_encodings(encoding):
    text = "timestamp,Größe\n1,2\n".encode(encoding)
    with open_reader(io.BytesIO(text), "csv", ReadOptions(encoding=encoding)) as reader:
        assert reader.head.elements[0].name == "Größe"
        assert len(joined(reader, reader.head.layout)) == 1


def test_an_interval_column_of_any_place():
    text = "run,timestamp,x\n3,1,1\n3,2,1\n4,3,1\n3,4,1\n"
    items = read(text, interval_column="run")
    assert [tuple(span) for span in spans(items)] == [(1, 3), (3, 4), (4, 5)]
    quoted = text.replace("3,2,1", '3,2,"1"')
    assert spans(read(quoted, interval_column=0)) == spans(items)


def test_infinities_are_read_in_any_case():
    assert table("t,x,y\n1,inf,2\n2,-Infinity,0.5\n3,+INF, inf\n") == [
        [1, [np.inf, 2]],
        [2, [-np.inf, 0.5]],
        [3, [np.inf, np.inf]],
    ]


def test_missing_values():
    text = "t,x,y\n1,,2\n2,NaN,n/a\n3,4,-\n4,5,6\n"
    with open_reader(io.BytesIO(text.encode()), "csv") as reader:
        rows = joined(reader, reader.head.layout)
        assert reader.tally.missing == {"x": 2, "y": 2}
    missing = [[True, False], [True, True], [False, True], [False, False]]
    assert np.isnan(rows["data"]).tolist() == missing
    assert rows["data"][~np.isnan(rows["data"])].tolist() == [2, 4, 5, 6]
    assert table(text, missing="skip") == [[4, [5, 6]]]


def test_digits_of_rows_among_odd_ones_are_exact():
    text = f"t,x\n1,inf\n2,{2**53 + 2}\n3,inf\n\n4,1.7976931348623157e308\n5,{2**53}\n"
    assert table(text) == [[1, [np.inf]], [2, [2.0**53 + 2]], [3, [np.inf]],
                           [4, [np.finfo(float).max]], [5, [2.0**53]]]  # fmt: skip


@pytest.mark.parametrize("name", ["csv", None])
def test_a_row_is_given_as_soon_as_it_arrives(name):
    class Slow(io.RawIOBase):
        def __init__(self):
            self.chunks = [b"timestamp,x\n", b"1,nan\n", b"2,1\n3", b",1\n"]

        def read1(self, size):
            return self.chunks.pop(0) if self.chunks else b""

    source = Slow()
    with open_reader(source, name, ReadOptions(live=True)) as reader:
        blocks = reader.blocks()
        assert len(next(blocks)) == 1
        assert len(source.chunks) == 2
        assert [len(rows) for rows in blocks] == [1, 1]


def test_comments_and_breaks():
    text = "# about\ntimestamp,x\n# more\n1,1\n# interval break\n#\n2,1\n"
    assert [span.start for span in spans(read(text))] == [1, 2]


@pytest.mark.parametrize(
    ("text", "options", "sentence"),
    [
        ("t,x\n1,2\n2\n", {}, "-:3: expected 2 columns, found 1"),
        ("t,x\n1,2\n2,3,4\n", {}, "-:3: expected 2 columns, found 3"),
        ("t,x\n1,2\n2,abc\n", {}, "-:3: column 'x': 'abc' is not a number"),
        ("t,x\n1,2\n2,\n", {"datatype": "int8"},
         "-:3: column 'x': the value is missing, and int8 cannot hold that"),
        ("t,x\n1,2\n2,\n", {"missing": "error"}, "-:3: the value of 'x' is missing"),
        ("t,x\n1,2\n,5\n", {}, "-:3: the time is missing"),
        ("t,x,y\n1,2,3\n2,NaN,3\n", {"missing": "refuse"},
         "-:3: the value of 'x' is missing, and the node cannot hold that"),
        ("t,x\n1,2\n2,inf\n", {"datatype": "int8"},
         "-:3: column 'x': inf cannot be stored as int8"),
        ("t,x\n1,inf\n2,1e999\n", {}, "-:3: column 'x': '1e999' is out of the range of float64"),
        ("t,x\n1,inf\n2,1e39\n", {"datatype": "float32"},
         "-:3: column 'x': '1e39' is out of the range of float32"),
        ("t,x\n1,2\n1,3\n", {},
         "-:3: the time '1' (1970-01-01 00:00:00.000001+00:00) is repeated with other values"),
        ("t,x\n2,2\n1,3\n", {},
         "-:3: the time '1' (1970-01-01 00:00:00.000001+00:00) is before "
         "1970-01-01 00:00:00.000002+00:00, the one above it"),
        ("t,x\n1,2\n2,\"3\n", {}, "-:3: the quotation marks are not in pairs"),
        ("t,x\n1,2\n2,\"3\"4\n", {}, "-:3: the quotation marks are not in pairs"),
        ("t,x\n1,1_0\n", {}, "-: the column 'x' holds text, such as '1_0'"),
        ("t,x\n1,10\n2,1_0\n", {}, "-:3: column 'x': '1_0' is not a number"),
        ("t,x\n1,256\n", {"datatype": "uint8"},
         "-:2: column 'x': '256' is out of the range of uint8"),
        ("t,x\n1,0.5\n", {"datatype": "int8"}, "-:2: column 'x': '0.5' is not a whole number"),
        ("t,x\n1700000000,1\n1700000001000,1\n", {"time_format": "auto"},
         "-:3: the time '1700000001000' in seconds since 1970 is no date, "
         "not between the years 1 and 9999"),
        ("t,x\n1700000000.5,1\n1700000000.6,2\n", {},
         "-:3: lines 2 and 3 differ only below a microsecond: 1700000000.5 and 1700000000.6 "
         "are both 1970-01-01 00:28:20+00:00"),
        (b"t,x\n1,\xff\n", {}, "-:2: the line is not UTF-8 text"),
        (b"t,\xff\n1,1\n", {}, "-: the names of the columns are not UTF-8 text"),
        ("t\n1\n", {}, "-: expected a timestamp and at least one value"),
        ("t,x\n1,2\n", {"time_column": "when"}, "-: there is no column 'when', only 't', 'x'"),
        ("t,x\n1,2\n", {"use_columns": [2]},
         "-: there is no column 2, the file has 2 columns, counted from 0"),
        ("1,2\n", {"use_columns": ["x"], "header": False},
         "-: there is no column 'x': the columns have no names"),
        ("t,x,i\n1,2,a\n", {"interval_column": "i"}, "-:2: the interval 'a' is not an integer"),
        ("t,x\n1,2\n", {"encoding": "klingon"}, "-: there is no encoding 'klingon'"),
    ],
)  # fmt: skip
def test_bad_input(text, options, sentence):
    assert failure(text, **options) == sentence


def test_the_line_is_right_behind_comments_and_breaks():
    lines = ["timestamp,x"]
    for i in range(1, 60_001):
        lines.append(f"{i},{i / 4}")
        if i % 1000 == 0:
            lines.append("# interval break")
    lines += ["60001,oops", ""]
    sentence = f"-:{len(lines) - 1}: column 'x': 'oops' is not a number"
    assert failure("\n".join(lines)) == sentence


def test_bad_lines_can_be_left_out():
    rejects: list = []
    text = 't,x\n1,1\n2,x\n3,3\n"3",4\n4\n5,5\n'
    assert table(text, on_reject=lambda *r: rejects.append(r)) == [[1, [1]], [3, [3]], [5, [5]]]
    assert rejects == [
        (3, "2,x", "column 'x': 'x' is not a number"),
        (
            5,
            '"3",4',
            "the time '3' (1970-01-01 00:00:00.000003+00:00) is repeated with other values",
        ),
        (6, "4", "expected 2 columns, found 1"),
    ]


def test_memory_does_not_grow_with_the_file(tmp_path):
    import tracemalloc

    path = tmp_path / "large.csv"
    with open_writer(path, make_head("float32_4")) as writer:
        for start in range(1, 400_001, 50_000):
            writer.write(make_rows(50_000, start, "float32_4"))
    assert path.stat().st_size > 8_000_000
    tracemalloc.start()
    try:
        with open_reader(path) as reader:
            n_rows = sum(len(rows) for rows in reader if rows is not None)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert n_rows == 400_000
    assert peak < 60_000_000
