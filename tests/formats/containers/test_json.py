"""JSON documents and JSON lines."""

from __future__ import annotations

import gzip
import io
import json
import os
import random
import threading
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joule_cli.errors import FormatError
from joule_cli.formats import WriteOptions, open_writer
from joule_cli.formats.containers.json import JsonContainer, open_json
from joule_cli.formats.containers.json_rows import read_text
from joule_cli.formats.containers.jsonl import JsonlContainer
from joule_cli.model.data_stream import Element
from joule_cli.series.intervals import Interval
from tests.contracts.format_contract import make_head, make_rows
from tests.formats.containers.support import (
    bad_rows,
    failure,
    kept,
    names,
    options,
    read,
    rows_of,
)

T = 1_700_000_000_000_000


def lines(text, **given):
    content = text if isinstance(text, bytes) else text.encode()
    return kept(JsonlContainer(io.BytesIO(content), options(**given)))


def document(text, **given):
    content = text if isinstance(text, bytes) else text.encode()
    return kept(open_json(io.BytesIO(content), options(**given)))


def spelled(rows, *, pretty=False) -> str:
    return json.dumps(rows, indent=2 if pretty else None)


# JSON lines


def test_objects_and_arrays():
    container = lines('{"t": 1, "x": 2.5}\n{"x": 3, "t": 2}\n')
    assert names(container) == ["t", "x"]
    assert read(container) == [[1, 2.5], [2, 3]]
    container = lines("[1, 2.5]\n[2, 3]\n")
    assert names(container) == ["", ""]
    assert read(container) == [[1, 2.5], [2, 3]]


def test_numbers_alone_come_flat():
    for text in ('{"t": 1, "x": 2.5}\n' * 3, "[1, 2.5]\n" * 3):
        (batch,) = lines(text).batches()
        assert batch.flat == [1, 2.5] * 3
    (batch,) = lines('{"t": 1, "x": null}\n').batches()
    assert (batch.flat, batch.cells) == (None, [[1], [None]])


def test_breaks_comments_and_blank_lines():
    text = '# c\n{"t":1}\n\nnull\n{"t":2}\n{"interval_break": true}\n#\n{"t":3}\nnull\n'
    container = lines(text)
    assert [b and b.number(0) for b in container.batches()] == [2, None, 5, None, 8, None]
    assert read(lines(text)) == [[1], None, [2], None, [3], None]


def test_keys_of_the_first_rows_are_the_columns():
    container = lines('{"t": 1, "a": 5}\n{"t": 2, "b": true}\n{"t": 3, "s": "x", "a": null}\n')
    assert names(container) == ["t", "a", "b", "s"]
    assert read(container) == [
        [1, 5, None, None], [2, None, True, None], [3, None, None, "x"]]  # fmt: skip


def test_objects_in_objects_are_taken_apart():
    container = lines('{"t": 1, "a": {"b": {"c": 5}, "e": {}}, "l": [1]}\n{"t": 2, "a": {}}\n')
    assert [(c.name, c.kind) for c in container.columns] == [
        ("t", "any"), ("a.b.c", "any"), ("l", "other")]  # fmt: skip
    assert read(container) == [[1, 5, "[1]"], [2, None, None]]


def test_a_key_that_the_first_rows_lack_makes_a_bad_row():
    text = '{"t": 1, "a": 5}\n' * 1000 + '{"t": 2, "a": 6, "b": 7}\n{"t": 3, "b": null}\n'
    assert bad_rows(lines(text)) == [(1001, "the key 'b' is not in the first rows")]
    # who takes some of the columns does not mind others
    assert read(lines(text), [0])[-2:] == [[2], [3]]


def test_what_is_no_row_is_bad():
    text = (
        '{"t": 1, "a": 5}\n{"t": 2, "a": 6,}\n[3, 7]\n'
        '{"t": 4, "t": 5, "a": 8}\n'
        '{"t": 6, "a": 9, "t": 7}\n{"t": 8, "a": [1]}\n5\n'
        '{"t": 9, "a": 10}\n\xff\n{"t": 9, "a": 11}'
    ).encode("latin-1")
    container = lines(text)
    bad = dict(bad_rows(container))
    assert list(bad) == [2, 3, 4, 5, 6, 7, 9]
    assert bad[2].startswith("not JSON: ")
    assert "(column 17)" in bad[2]
    assert (bad[3], bad[7]) == ("expected an object", "expected an object")
    assert bad[4] == bad[5] == "the key 't' occurs twice"
    assert bad[6] == "'a' is a list"
    assert bad[9] == "the text is not UTF-8 (column 1)"
    assert container.warnings == []
    assert read(lines(text)) == [[1, 5], [9, 10], [9, 11]]
    shown = [b.text(at) for b in lines(text).batches() for at in sorted(b.bad)]
    assert shown[:2] == ['{"t": 2, "a": 6,}', "[3, 7]"]


def test_a_key_twice_is_noticed_where_all_keys_are_there():
    text = '{"t": 1, "a": 5}\n{"t": 2, "a": 6, "t": 3}\n'
    assert bad_rows(lines(text)) == [(2, "the key 't' occurs twice")]
    text = '{"t": 1, "a": "x:y"}\n{"t": 2, "a": "x", "t": 3}\n{"t": 3, "a": "\\":"}\n'
    assert bad_rows(lines(text)) == [(2, "the key 't' occurs twice")]
    assert read(lines(text)) == [[1, "x:y"], [3, '":']]


def test_arrays_of_another_width_are_bad():
    assert bad_rows(lines("[1, 2]\n[1]\n[1, 2, 3]\n{}\n")) == [
        (2, "expected 2 columns, found 1"),
        (3, "expected 2 columns, found 3"),
        (4, "expected an array"),
    ]


def test_two_rows_in_a_line_are_no_rows():
    assert bad_rows(lines('{"t": 1}\n{"t": 2},{"t": 3}\n'))[0][0] == 2
    assert [n for n, _ in bad_rows(lines('{"t": 1, "a": 3}\n{"t": 1\n"a": 2}\n'))] == [2, 3]


@pytest.mark.parametrize(
    ("number", "value"),
    [
        ("18446744073709551615", 2**64 - 1),
        ("18446744073709551616", 2**64),
        ("-9223372036854775809", -(2**63) - 1),
        ("36893488147419103233", 2**65 + 1),
        ("1e400", Decimal("1e400")),
        ("Infinity", "Infinity"),
        ("-Infinity", "-Infinity"),
        ("0.12345678901234567890123", Decimal("0.12345678901234567890123")),
        ("0.1", 0.1),
        ("1.0", 1.0),
        ("true", True),
        ("null", None),
        ('"NaN"', "NaN"),
    ],
)
def test_numbers_keep_their_digits(number, value):
    for container in (
        lines(f'{{"t": 1, "a": {number}}}\n'),
        lines(f"[1, {number}]\n"),
        document(f"[[1, {number}]]"),
        document(f'[{{"t": 1, "a": {number}}}]'),
    ):
        (batch,) = container.batches()
        found = batch.exact(0, 1)
        if isinstance(value, float):
            assert float(found) == value
        else:
            assert (type(found), found) == (type(value), value)


def test_words_for_no_number_are_none():
    for container in (lines("[1, NaN]\n"), document("[[1, NaN]]")):
        assert str(read(container)) == "[[1, nan]]"


def test_a_cell_with_all_of_its_digits():
    text = '{"t": 1, "a": 0.1000000000000000055}\n{"t": 2, "a": 5}\n{"t": 3, "a": null}\n'
    (batch,) = lines(text).batches()
    assert [batch.exact(row, 1) for row in range(3)] == [Decimal("0.1000000000000000055"), 5, None]
    (batch,) = document("[[1, 0.1000000000000000055]]").batches()
    assert batch.exact(0, 1) == Decimal("0.1000000000000000055")


def test_columns_whose_digits_count_are_exact():
    text = '{"t": 1700000000.123456789, "a": 0.1}\n{"t": 1700000001, "a": 0.2}\n'
    wanted = [[Decimal("1700000000.123456789"), 0.1], [1_700_000_001, 0.2]]
    assert read(lines(text), exact=[0]) == wanted
    assert read(lines(text + "{\n"), exact=[0]) == wanted
    assert read(document(f"[{text.strip()}]".replace("\n", ",")), exact=[0]) == wanted
    nested = '{"t": {"s": 1700000000.123456789}, "a": 0.1}\n'
    assert read(lines(nested), exact=[0]) == wanted[:1]


def test_a_first_line_that_is_no_row_is_an_error():
    assert failure(lambda: lines("5\n6\n")) == "-:1: expected an object or an array"
    assert failure(lambda: lines("\n{\n")).startswith("-:2: not JSON: ")
    assert read(lines('{\n{"t": 1}\n')) == [[1]]


def test_only_breaks_and_comments_have_no_columns():
    container = lines("# c\nnull\n")
    assert (list(container.columns), container.sample().size) == ([], 0)
    assert list(container.batches()) == [None]


def test_a_pipe_gives_what_has_arrived():
    out, into = os.pipe()
    rest = threading.Event()

    def write():
        with os.fdopen(into, "wb", buffering=0) as file:
            file.write(b'{"t": 1}\n')
            rest.wait()
            file.write(b'{"t": 2}\n')

    thread = threading.Thread(target=write)
    thread.start()
    with os.fdopen(out, "rb", buffering=0) as file:
        container = kept(JsonlContainer(file, options()))
        assert rows_of(container.sample()) == [[1]]
        rest.set()
        assert read(container) == [[1], [2]]
    thread.join()


# JSON documents


@pytest.mark.parametrize("pretty", [False, True])
def test_lists_of_arrays_and_of_objects(pretty):
    rows = [[1, 2.5], [2, 3], [3, "x"]]
    assert read(document(spelled(rows, pretty=pretty))) == rows
    objects = [{"t": t, "x": x} for t, x in rows]
    container = document(spelled(objects, pretty=pretty))
    assert names(container) == ["t", "x"]
    assert read(container) == rows


@pytest.mark.parametrize("text", ["[]", "[null]", '{"columns": ["t"], "data": []}', "[null, null]"])
def test_documents_without_rows(text):
    container = document(text)
    assert names(container) == (["t"] if "t" in text[:15] else [])
    assert container.sample().size == 0
    assert set(container.batches()) <= {None}


def test_rows_have_lines_where_they_have_their_own():
    container = document("[\n[1, 2],\n[2, 3],\nnull,\n[3, 4]\n]\n")
    found = [(b.number(at), b.text(at)) for b in container.batches() if b for at in range(b.size)]
    assert found == [(2, "[1, 2]"), (3, "[2, 3]"), (5, "[3, 4]")]
    assert container.unit == "line"
    container = document("[[1, 2], [2, 3], [3, 4]]")
    assert [b.number(at) for b in container.batches() for at in range(b.size)] == [1, 2, 3]
    assert container.unit == "row"
    container = document(spelled([{"t": 1}, {"t": 2}], pretty=True))
    assert [b.number(at) for b in container.batches() for at in range(b.size)] == [2, 5]


def test_the_document_of_a_stream(tmp_path):
    path = tmp_path / "a.json"
    elements = [Element("x", units="V", index=0), Element("x", index=1)]
    head = make_head("int16_2", elements=elements, intervals=[Interval(1000, 1001)])
    rows = make_rows(3, layout="int16_2")
    with open_writer(path, head, options=WriteOptions(mark_intervals=True)) as writer:
        writer.write(rows[:1])
        writer.interval_break()
        writer.write(rows[1:])
    container = kept(open_json(path, options()))
    told = container.told
    assert names(container) == ["timestamp", "x#0", "x#1"]
    assert (told.own, told.path, told.datatype) == (True, "/lab/s", "int16")
    assert (told.time_column, told.intervals) == ("timestamp", [Interval(1000, 1001)])
    assert {name: e.units for name, e in told.elements.items()} == {"x#0": "V", "x#1": ""}
    wanted = [[t, *values] for t, values in rows.tolist()]
    assert read(container) == [wanted[0], None, *wanted[1:]]


def test_the_type_of_decimated_rows():
    text = '{"stream": {"datatype": "INT32"}, "decimation_level": 4, "data": [[1, 2, 2, 2]]}'
    assert document(text).told.datatype == "float64"


@pytest.mark.parametrize("text", ['{"stream": 5, "data": [[1]]}', '{"columns": 5, "data": [[1]]}'])
def test_a_description_that_cannot_be_read(text):
    assert failure(lambda: document(text)) == "-: the description of the stream cannot be read"


def test_the_history_of_home_assistant():
    history = [
        [],
        [
            {"entity_id": "sensor.p", "state": "1.5", "attributes": {"unit": "W", "l": [{"a": 1}]}},
            {"state": "2.5"},
        ],
        [{"entity_id": "sensor.q", "state": "off"}],
        [{"entity_id": "sensor.r", "state": "on"}, {"state": "off"}],
    ]
    wanted = [
        ["sensor.p", "1.5", "W", '[{"a": 1}]'],
        ["sensor.p", "2.5", None, None],
        ["sensor.q", "off", None, None],
        ["sensor.r", "on", None, None],
        ["sensor.r", "off", None, None],
    ]
    for pretty in (False, True):
        container = document(spelled(history, pretty=pretty))
        assert names(container) == ["entity_id", "state", "attributes.unit", "attributes.l"]
        assert read(container) == wanted


@pytest.mark.parametrize(
    "text",
    [
        '{"columns": ["x"], "index": [10, 20], "data": [[1.5], [2.5]]}',
        '{"columns": ["x"], "data": [[1.5], [2.5]], "index": [10, 20]}',
        '{"schema": {"fields": []}, "data": [{"index": 10, "x": 1.5}, {"index": 20, "x": 2.5}]}',
        '{"index": [10, 20], "x": [1.5, 2.5]}',
        '{"x": {"10": 1.5, "20": 2.5}}',
        '{"10": {"x": 1.5}, "20": {"x": 2.5}}',
        '{"feeds": [{"index": 10, "x": 1.5}, {"index": 20, "x": 2.5}], "channel": {"id": 5}}',
        '{"results": [{"s": [{"columns": ["index", "x"], "values": [[10, 1.5], [20, 2.5]]}]}]}',
        '{"data": {"result": [{"metric": {}, "values": [[10, 1.5], [20, 2.5]]}]}}',
    ],
)
def test_other_documents_with_one_table(text):
    if "index" in text and "columns" in text and text.endswith("20]}"):
        assert "must stand before" in failure(lambda: read(document(text)))
        return
    container = document(text)
    found = [[int(label), x] for label, x in read(container)]
    assert found == [[10, 1.5], [20, 2.5]]
    assert names(container) == (["", ""] if "metric" in text else ["index", "x"])


def test_one_of_several_tables_is_chosen():
    text = '{"a": [[1, 2]], "b": {"c": [{"t": 5}]}, "d": 5}'
    assert failure(lambda: document(text)) == "-: the document holds several tables: a, b.c"
    assert read(document(text, dataset="a")) == [[1, 2]]
    assert read(document(text, dataset="b.c")) == [[5]]
    said = "-: there is no table 'x' in the document, only 'a', 'b.c'"
    assert failure(lambda: document(text, dataset="x")) == said


@pytest.mark.parametrize("content", ["", "null\n", "# c\n"])
def test_json_lines_under_the_name_of_a_document(content):
    assert read(document(content + '{"t": 1}\n{"t": 2}\n'))[-2:] == [[1], [2]]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("5", "-:1:1: not JSON: expected an object or an array"),
        ("[5, 6]", "-:1:2: not JSON: expected an array or an object as a row"),
        ("[[1, 2] [3, 4]]", "-:1:8: not JSON: expected ',' and another row, or ']'"),
        ("[[1, 2],\n [3, 4] 5, [6, 7]]", "-:2:8: not JSON: expected ',' and another row, or ']'"),
        ("[[1, 2], ]", "-:1:8: not JSON: expected ',' and another row, or ']'"),
        ("[[1, 2]", "-: the document is cut: its data has no end"),
        ("[[1, 2], [3,", "-: the document is cut: its data has no end"),
        ("[[1, 2]] [3]", "-:1:10: something stands after the end of the rows"),
        ('{"data": [[1, 2]], "x": ', "-:1: the document is cut or does not end as JSON should"),
        (
            '{"data": [[1, 2]], "intervals": []}',
            "-: the key 'intervals' must stand before the rows",
        ),
        ('{"a": 1', "-:1:8: the document is cut or not JSON: expecting ',' delimiter"),
        (
            '{"a": 1}',
            "-: there is no table in the document, such as a list of rows by the key 'data'",
        ),
    ],
)
def test_what_is_no_document(text, reason):
    assert failure(lambda: read(document(text))) == reason


def test_bad_rows_of_a_document():
    text = (
        '[{"t": 1, "a": 2},\n{"t": 2, "a": 2, "a": 3},\n{"t": x},\n{"t": [1]},\n{"t": 5, "a": 6}]'
    )
    assert [number for number, _ in bad_rows(document(text))] == [2, 3, 4]
    assert read(document(text)) == [[1, 2], [5, 6]]


def test_keys_of_rows_in_texts_do_not_confuse():
    text = '{"note": "\\"data\\": [[1]]", "in": {"data": [5]}, "data": [["a]},{", 2], ["[{", 3]]}'
    assert read(document(text)) == [["a]},{", 2], ["[{", 3]]


@pytest.mark.parametrize("kind", ["arrays", "objects", "texts", "series"])
def test_documents_of_many_pieces(kind):
    draw = random.Random(1)
    rows = [[T + i, draw.random(), None if i % 97 else "],[{"] for i in range(20_000)]
    if kind == "arrays":
        document_of, columns = rows, ["", "", ""]
    else:
        document_of, columns = (
            [{"t": t, "a": {"b": x}, "s": s} for t, x, s in rows],
            ["t", "a.b", "s"],
        )
    if kind == "texts":
        for row in document_of[::100]:
            row["l"] = [{"x": 1}, {"y": [2]}] * 300
        columns = [*columns, "l"]
    if kind == "series":
        document_of = [document_of[i : i + 4000] for i in range(0, 20_000, 4000)]
    for pretty in (False, True):
        content = gzip.compress(spelled(document_of, pretty=pretty).encode())
        container = document(content)
        assert sorted(names(container)) == sorted(columns)
        order = [names(container).index(c) for c in columns[:3]] if any(columns) else range(3)
        assert [[row[at] for at in order] for row in read(container)] == rows


def test_one_row_larger_than_a_piece():
    wide = [list(range(50_000))] * 3
    assert read(document(spelled(wide))) == wide
    objects = [{f"k{i}": i for i in range(20_000)}] * 3
    assert len(read(document(spelled(objects)))[2]) == 20_000


@given(data=st.data())
def test_documents_are_read_as_python_reads_them(data):
    cell = st.one_of(
        st.integers(-(2**70), 2**70), st.floats(allow_nan=False, allow_infinity=False), st.none(),
        st.booleans(), st.text(max_size=5), st.sampled_from(["],[", "},{", '"', "\\", "null"]),
    )  # fmt: skip
    width = data.draw(st.integers(1, 3))
    rows = data.draw(st.lists(st.lists(cell, min_size=width, max_size=width), min_size=1))
    if data.draw(st.booleans()):
        keys = data.draw(st.lists(st.text(max_size=3), min_size=width, max_size=width, unique=True))
        given = [dict(zip(keys, row, strict=True)) for row in rows]
        if {"interval_break": True} in given:
            return
    else:
        given = rows
    indent = data.draw(st.sampled_from([None, 0, 2]))
    text = json.dumps(given, indent=indent, ensure_ascii=data.draw(st.booleans()))
    read_in_lines = "".join(json.dumps(row) + "\n" for row in given)
    # Python keeps the digits of integers, too
    for container in (
        JsonContainer(io.BytesIO(text.encode("utf-8", "replace")), options()),
        JsonlContainer(io.BytesIO(read_in_lines.encode()), options()),
    ):
        container.choose(range(width))
        found = []
        for batch in filter(None, container.batches()):
            found += [[batch.exact(at, i) for i in range(width)] for at in range(batch.size)]
        assert repr(_simple(found)) == repr(_simple(rows))


def _simple(rows):
    return [
        [float(cell) if isinstance(cell, float | Decimal) else cell for cell in row] for row in rows
    ]


@given(data=st.data())
def test_damage_is_an_error_or_a_bad_row(data):
    rows = [{"t": i, "a": i / 2, "s": "x,y]"} for i in range(30)]
    whole = data.draw(st.booleans())
    text = spelled(rows) if whole else "".join(json.dumps(row) + "\n" for row in rows)
    content = bytearray(text.encode())
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(0, len(content))) :]
    for at in data.draw(st.lists(st.integers(0, max(len(content) - 1, 0)), max_size=4)):
        if at < len(content):
            content[at] = data.draw(st.integers(0, 255))
    try:
        container = (open_json if whole else JsonlContainer)(io.BytesIO(content), options())
        container.choose(range(len(container.columns)))
        for batch in container.batches():
            if batch is not None:
                rows_of(batch)
                assert [batch.text(at) for at in range(batch.size)]
                assert [batch.number(at) for at in range(batch.size)]
    except FormatError:
        pass


def test_numbers_of_too_many_digits_are_a_bad_row():
    assert read_text(b"[" + b"1" * 5000 + b"]").reason == "a number is too long"
    assert read_text(b"[" * 100_000).reason.startswith("not")
