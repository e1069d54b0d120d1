from __future__ import annotations

import io
import json
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


class TestObjects(TextFormatContract):
    suffix = ".jsonl"
    empty_without_rows = True


class TestArrays(TextFormatContract):
    suffix = ".ndjson"
    empty_without_rows = True
    write_options = WriteOptions(mark_intervals=True, arrays=True)


def jsonl_of(rows: np.ndarray, *names: str, more: tuple = (), **options) -> str:
    out = io.BytesIO()
    head = make_head(
        Layout(rows["data"].dtype.name, rows["data"].shape[1]), elements=[Element(n) for n in names]
    )
    with open_writer(out, head, "jsonl", WriteOptions(**options)) as writer:
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


def read(text: str | bytes, **options) -> list:
    data = text.encode() if isinstance(text, str) else text
    with open_reader(io.BytesIO(data), "jsonl", ReadOptions(**options)) as reader:
        return list(reader)


def failure(text: str | bytes, **options) -> str:
    with pytest.raises(FormatError) as caught:
        read(text, **options)
    return caught.value.sentence()


def test_objects():
    rows = rows_of("float32_2", [0.1, 2])
    assert jsonl_of(rows, "x", "y") == '{"timestamp": 1700000000000000, "x": 0.1, "y": 2}\n'


def test_arrays():
    rows = rows_of("float32_2", [0.1, 2])
    assert jsonl_of(rows, "x", "y", arrays=True) == "[1700000000000000, 0.1, 2]\n"


def test_breaks():
    first, second = make_rows(1, layout="int8_1"), make_rows(1, 2, layout="int8_1")
    objects = jsonl_of(first, "x", more=(None, second, None), mark_intervals=True)
    assert objects.splitlines()[1] == '{"interval_break": true}'
    arrays = jsonl_of(first, "x", more=(None, second, None), mark_intervals=True, arrays=True)
    assert arrays.splitlines()[1:] == ["null", "[2000, 10]"]


def test_names_are_escaped_and_kept_apart():
    names = ['a"b', "timestamp", "x", "x", "100%s", "ü"]
    text = jsonl_of(rows_of("int8_6", [1, 2, 3, 4, 5, 6]), *names)
    assert list(json.loads(text)) == ["timestamp", 'a"b', "timestamp#1", "x#2", "x#3", "100%s", "ü"]
    assert json.loads(text)["ü"] == 6


@pytest.mark.parametrize(
    ("form", "expected"),
    [(lambda t: f"{t // 1000}.5", 1700000000000.5), (lambda _: '2023-"11', '2023-"11')],
)
def test_form_of_time(form, expected):
    text = jsonl_of(rows_of("int8_1", [1]), "x", format_time=form)
    assert json.loads(text)["timestamp"] == expected


def test_precision():
    assert jsonl_of(rows_of("float64_1", [1 / 3]), "x", precision=2, arrays=True) == (
        "[1700000000000000, 0.33]\n"
    )


def test_keys_come_in_any_order():
    rows = joined(
        read('{"b": 1, "timestamp": 5, "a": 2}\n{"a": 3, "b": 4, "timestamp": 6}\n'),
        Layout("float64", 2),
    )
    assert rows["timestamp"].tolist() == [5, 6]
    assert rows["data"].tolist() == [[1, 2], [4, 3]]


def test_one_key_without_times():
    ticks = count(10)
    stamps = lambda n: np.array([next(ticks) for _ in range(n)])  # noqa: E731
    (rows,) = read('{"x": 1}\n{"x": 2}\n', stamps=stamps)
    assert rows["timestamp"].tolist() == [10, 11]
    assert rows["data"].tolist() == [[1], [2]]


def test_times_in_other_forms():
    text = '{"timestamp": 1700000000.123457, "x": 1}\n{"timestamp": 1700000000.123458, "x": 1}\n'
    (rows,) = read(text, time_format="s")
    assert rows["timestamp"].tolist() == [1_700_000_000_123_457, 1_700_000_000_123_458]
    (rows,) = read('["2023-11-14T22:13:20Z", 1]\n', time_format="iso")
    assert rows["timestamp"].tolist() == [1_700_000_000_000_000]


def test_infinities_are_strings_and_missing_values_null():
    rows = rows_of("float32_2", [np.inf, 1.5], [-np.inf, np.nan])
    lines = ['[1700000000000000, "inf", 1.5]', '[1700000000000001, "-inf", null]']
    assert jsonl_of(rows, arrays=True).splitlines() == lines
    assert jsonl_of(rows, arrays=True, precision=1).splitlines() == lines
    objects = [json.loads(line) for line in jsonl_of(rows, "x", "y").splitlines()]
    assert [row["x"] for row in objects] == ["inf", "-inf"]


def test_infinities_are_read_as_strings_and_as_words():
    (rows,) = read('[1, "inf"]\n[2, "-Infinity"]\n[3, Infinity]\n[4, -Infinity]\n[5, 1]\n')
    assert rows["data"][:, 0].tolist() == [np.inf, -np.inf, np.inf, -np.inf, 1]
    (rows,) = read('{"timestamp": 1, "x": "inf"}\n{"timestamp": 2, "x": -Infinity}\n')
    assert rows["data"][:, 0].tolist() == [np.inf, -np.inf]


def test_breaks_and_comments_on_input():
    text = '# c\nnull\n[1, 1]\nnull\n\n[2, 1]\n{ "interval_break" : true }\n[3, 1]\nnull\n'
    assert [span.start for span in spans(read(text))] == [1, 2, 3]


@pytest.mark.parametrize(
    ("text", "options", "sentence"),
    [
        ("[1, 2]\n[2]\n", {}, "-:2: expected 2 columns, found 1"),
        ("[1, 2]\n[2, 3, 4]\n", {}, "-:2: expected 2 columns, found 3"),
        ('[1, 2]\n[2, "x"]\n', {}, '-:2: "x" is not a number'),
        ("[1, 2]\n[2, null]\n", {}, "-:2: null is not a number"),
        ("[1, 2]\n[2, true]\n", {}, "-:2: true is not a number"),
        ("[1, 2]\n[2, [3]]\n", {}, "-:2: [3] is not a number"),
        ("[1, 2]\n[2, NaN]\n", {}, "-:2: NaN cannot be stored, values must be numbers"),
        ('[1, 2]\n[2, "nan"]\n', {}, "-:2: nan cannot be stored, values must be numbers"),
        ("[1, -Infinity]\n", {"datatype": "int8"}, "-:1: -Infinity cannot be stored as int8"),
        ("[Infinity, 1]\n", {}, "-:1: 'Infinity' is not a time in microseconds"),
        ('[1, 2]\n[2, "1"]\n', {}, '-:2: "1" is not a number'),
        ("[1, 2]\n[2, 1e999]\n", {}, "-:2: '1E+999' is out of the range of float64"),
        ("[1, 2]\n[2, 3\n", {}, "-:2:6: not JSON: expecting ',' delimiter"),
        ("[1, 2]\n[1, 3]\n", {}, "-:2: the timestamp 1 is repeated"),
        ("[3, 2]\n[1, 3]\n", {}, "-:2: the timestamp 1 is before 3, the one above it"),
        ("[1, 2]\n[null, 3]\n", {}, "-:2: the time is missing"),
        ("[1, 2]\n[true, 3]\n", {}, "-:2: true is not a time"),
        ('[1, 2]\n{"timestamp": 1}\n', {}, "-:2: expected an array"),
        ('{"timestamp": 1, "x": 1}\n[2, 2]\n', {}, "-:2: expected an object"),
        ('{"timestamp": 1, "x": 1}\n{"timestamp": 2}\n', {}, "-:2: there is no key 'x'"),
        ('{"timestamp": 1, "x": 1}\n{"timestamp": 2, "x": 1, "y": 2}\n', {},
         "-:2: the key 'y' is not in the first row"),
        ('{"time": 1, "x": 1}\n', {}, "-:1: there is no key 'timestamp'"),
        ('{"timestamp": 1}\n', {}, "-:1: expected a timestamp and at least one value"),
        ('\n"text"\n', {}, "-:2: expected an object or an array"),
        ("[1, 200]\n", {"datatype": "int8"}, "-:1: '200' is out of the range of int8"),
        ("[1, -9223372036854775809]\n", {"datatype": "int64"},
         "-:1: '-9223372036854775809' is out of the range of int64"),
        ("[1, 1.5]\n", {"datatype": "int8"}, "-:1: '1.5' is not a whole number"),
        (b"[1, 2]\n[2, \xff]\n", {}, "-:2:5: the line is not UTF-8 text"),
        (b"\xff\n", {}, "-:1:1: the line is not UTF-8 text"),
        ("[" * 100_000 + "\n", {}, "-:1: not a row: nested too deeply"),
    ],
)  # fmt: skip
def test_bad_input(text, options, sentence):
    assert failure(text, **options) == sentence


def test_bad_lines_can_be_left_out():
    rejects: list = []
    items = read("[1, 1]\n[2, 1\n[3, 3]\n", on_reject=lambda *reject: rejects.append(reject))
    assert joined(items, Layout("float64", 1))["timestamp"].tolist() == [1, 3]
    assert rejects == [(2, "[2, 1", "not JSON: expecting ',' delimiter")]


def test_integers_are_exact():
    rows = rows_of("int64_1", [2**63 - 1], [-(2**63)], [2**53 + 1])
    text = jsonl_of(rows, "x", arrays=True)
    assert "9223372036854775807" in text
    (back,) = read(text, datatype="int64")
    assert back.tobytes() == rows.tobytes()
