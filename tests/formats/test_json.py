from __future__ import annotations

import io
import json

import numpy as np
import pytest

from joule_cli.errors import FormatError
from joule_cli.formats import ReadOptions, StreamHead, WriteOptions, open_reader, open_writer
from joule_cli.series.intervals import Interval
from joule_cli.series.layout import Layout, Rows
from tests.contracts.format_contract import (
    Items,
    TextFormatContract,
    joined,
    make_head,
    make_rows,
    spans,
)


class TestMarked(TextFormatContract):
    suffix = ".json"
    has_end = True
    can_append = False


class TestWithIntervals(TextFormatContract):
    """The breaks are only in the list of intervals; the file says its own types."""

    suffix = ".json"
    has_end = True
    can_append = False
    write_options = WriteOptions()

    def head(self, layout: Layout, items: Items) -> StreamHead:
        return make_head(layout, intervals=spans(items))

    def read_options(self, layout: Layout) -> ReadOptions:
        return ReadOptions()


def document_of(head: StreamHead, *items: Rows | None, complete=True, **options) -> str:
    out = io.BytesIO()
    writer = open_writer(out, head, "json", WriteOptions(**options))
    for item in items:
        if item is None:
            writer.interval_break()
        else:
            writer.write(item)
    writer.flush()
    writer.close(complete=complete)
    return out.getvalue().decode()


def read(text: str | bytes, **options) -> list:
    data = text.encode() if isinstance(text, str) else text
    with open_reader(io.BytesIO(data), "json", ReadOptions(**options)) as reader:
        return list(reader)


def failure(text: str | bytes, **options) -> str:
    with pytest.raises(FormatError) as caught:
        read(text, **options)
    return caught.value.sentence()


def test_the_document():
    rows = make_rows(2, layout="int16_1")
    text = document_of(make_head("int16_1", intervals=[Interval(1000, 2001)]), rows)
    document = json.loads(text)
    assert list(document) == ["stream", "decimation_level", "intervals", "columns", "data"]
    assert document["stream"]["path"] == "/lab/s"
    assert document["stream"]["layout"] == "int16_1"
    assert document["intervals"] == [[1000, 2001]]
    assert document["columns"] == ["timestamp", "e0"]
    assert document["data"] == [[1000, 5], [2000, 10]]
    assert text.endswith('"data": [\n[1000, 5],\n[2000, 10]\n]}\n')


def test_breaks_may_be_marked():
    text = document_of(
        make_head("int8_1"),
        make_rows(1, layout="int8_1"),
        None,
        make_rows(1, 2, layout="int8_1"),
        None,
        mark_intervals=True,
    )
    assert json.loads(text)["data"] == [[1000, 5], None, [2000, 10]]


def test_a_document_that_was_cut_has_no_end():
    text = document_of(make_head(), make_rows(3), complete=False)
    assert not text.rstrip().endswith("}")
    assert failure(text) == "-: the document is cut: its data has no end"


def test_decimated_rows_have_the_type_of_decimated_rows():
    head = make_head(
        "float32_6", stream=make_head("int16_2").stream, elements=make_head("int16_2").elements,
        decimation_level=16, bounds=True,
    )  # fmt: skip
    text = document_of(head, make_rows(1, layout="float32_6"), bounds_order="element")
    assert json.loads(text)["columns"][1:4] == ["e0", "e0_min", "e0_max"]
    with open_reader(io.BytesIO(text.encode())) as reader:
        assert reader.head.layout == Layout("float32", 6)
        assert reader.head.decimation_level == 16


@pytest.mark.parametrize(
    "text",
    [
        '{"columns": ["timestamp", "a"], "data": [[1, 2], [3, 4]]}',
        ' {"data":[[1,2],[3,4]], "source": {"data": [5]}}\n',
        '{"a": {"data": [1]}, "data" : [\n[1, 2\n] ,\n [3,4] ]\n}',
        "[[1, 2], [3, 4]]",
        "\n[\n[1, 2],\n[3, 4]\n]\n",
    ],
)
def test_other_shapes(text):
    rows = joined(read(text), Layout("float64", 1))
    assert rows["timestamp"].tolist() == [1, 3]
    assert rows["data"].tolist() == [[2], [4]]


def test_infinities_are_read_as_strings_and_as_words():
    (rows,) = read('[[1, "inf"], [2, -1.5],\n [3, Infinity], [4, "-INF"], [5, -Infinity]]')
    assert rows["data"][:, 0].tolist() == [np.inf, -1.5, np.inf, -np.inf, -np.inf]


@pytest.mark.parametrize(
    "text",
    [
        '{"columns": ["timestamp", "x"], "data": []}',
        '{"columns": ["timestamp", "x"], "data": [\n\n]}\n',
        '{"columns": ["timestamp", "x"], "data": [ null ]}',
    ],
)
def test_no_rows(text):
    assert read(text) == []


@pytest.mark.parametrize("text", ["[]", '{"data": []}', '{"data": [\n\n]}\n', "[ null ]"])
def test_neither_rows_nor_columns(text):
    assert failure(text) == "-: the file has no columns"


def test_missing_values():
    text = '[[1, "nan", 1], [2, null, NaN], [3, "n/a", 3], [4, 4, 4]]'
    with open_reader(io.BytesIO(text.encode()), "json") as reader:
        rows = joined(reader, reader.head.layout)
        assert reader.tally.missing == {"Element 0": 3, "Element 1": 1}
    missing = [[True, False], [True, True], [True, False], [False, False]]
    assert np.isnan(rows["data"]).tolist() == missing


def test_one_long_line_is_read_in_pieces(tmp_path):
    n = 100_000
    text = json.dumps([[i, i / 4] for i in range(n)])
    (tmp_path / "rows.json").write_text(text)
    with open_reader(tmp_path / "rows.json") as reader:
        items = list(reader)
    assert len(joined(items, Layout("float64", 1))) == n
    assert len(items) < 5
    bad = text.replace("[99000, ", '[99000, "x", ')
    assert failure(bad) == "-: row 99001: expected 2 columns, found 3"


@pytest.mark.parametrize(
    ("text", "options", "sentence"),
    [
        ("[[1, 2], [2]]", {}, "-: row 2: expected 2 columns, found 1"),
        ("[[1, 2],\n [2, null]]", {"datatype": "int8"},
         "-:2: column 1: the value is missing, and int8 cannot hold that"),
        ("[[1, 2],\n [2, NaN]]", {"missing": "refuse"},
         "-:2: the value of 'Element 0' is missing, and the node cannot hold that"),
        ('[[1, "inf"], [2, "nan"]]', {"missing": "error"},
         "-: row 2: the value of 'Element 0' is missing"),
        ("[[1, 2],\n[1, 3]]", {},
         "-:2: the time '1' (1970-01-01 00:00:00.000001+00:00) is repeated with other values"),
        ("[[4, 2],\n[1, 3]]", {},
         "-:2: the time '1' (1970-01-01 00:00:00.000001+00:00) is before "
         "1970-01-01 00:00:00.000004+00:00, the one above it"),
        ("[[1, 200]]", {"datatype": "int8"}, "-:1: column 1: '200' is out of the range of int8"),
        ("[[1, 2] [2, 3]]", {}, "-:1:8: not JSON: expected ',' and another row, or ']'"),
        ("[[1, 2], x]", {}, "-:1:8: not JSON: expected ',' and another row, or ']'"),
        ("[[1, 2], {}]", {}, "-: row 2: expected an array"),
        ("[[1, 2],]", {}, "-:1:8: not JSON: expected ',' and another row, or ']'"),
        ('{"columns": ["t", "a"], "data": [[1, [2]]]}', {},
         "-: the column 'a' holds [2], not numbers"),
        ("[[1, 2]] x", {}, "-:1:10: something stands after the end of the rows"),
        ('{"data": [[1, 2]]', {}, "-:1: the document is cut or does not end as JSON should"),
        ('{"data": [[1, 2]', {}, "-: the document is cut: its data has no end"),
        ('{"data": [[1, 2', {}, "-: the document is cut: its data has no end"),
        ('{"data": [[1, 2]], "intervals": []}', {},
         "-: the key 'intervals' must stand before the rows"),
        ('{"rows": []}', {},
         "-: there is no table in the document, such as a list of rows by the key 'data'"),
        ('{"columns": ["timestamp"', {},
         "-:1:25: the document is cut or not JSON: expecting ',' delimiter"),
        ('{"stream": 5, "data": []}', {}, "-: the description of the stream cannot be read"),
        ('{"stream": {}, "intervals": [5], "data": []}', {},
         "-: the description of the stream cannot be read"),
        ('{"columns": ["timestamp"], "data": []}', {},
         "-: expected a timestamp and at least one value"),
        ("1, 2\n", {}, "-:1:1: not JSON: expected an object or an array"),
    ],
)  # fmt: skip
def test_bad_input(text, options, sentence):
    assert failure(text, **options) == sentence


def test_bad_rows_can_be_left_out():
    rejects: list = []
    text = '[[1, 1],\n[2, "x"],\nnull,\n[3, 3]]'
    items = read(text, on_reject=lambda *r: rejects.append(r))
    assert [span.start for span in spans(items)] == [1, 3]
    assert rejects == [(2, '[2, "x"]', "column 1: 'x' is not a number")]
