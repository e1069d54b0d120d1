from __future__ import annotations

import io
from itertools import count

import numpy as np
import pytest

from joule_cli.errors import FormatError
from joule_cli.formats import ReadOptions, WriteOptions, open_reader, open_writer
from joule_cli.series.layout import Layout
from tests.contracts.format_contract import (
    TextFormatContract,
    joined,
    make_head,
    make_rows,
    spans,
)


class TestText(TextFormatContract):
    suffix = ".txt"
    empty_without_rows = True

    def as_stored(self, rows: np.ndarray) -> np.ndarray:
        """Six decimals: halves and quarters below a million keep all their bits."""
        if rows["data"].dtype.kind == "f":
            with np.errstate(invalid="ignore", over="ignore"):
                data = np.sign(rows["data"]) * (np.abs(rows["data"]) % 65536)
                halves = np.copysign(np.rint(data * 64) / 64, rows["data"])
                rows["data"] = np.where(np.isinf(rows["data"]), rows["data"], halves)
        return rows


def text_of(rows: np.ndarray, layout: str, *more: object, **options) -> str:
    out = io.BytesIO()
    with open_writer(out, make_head(layout), "text", WriteOptions(**options)) as writer:
        for item in (rows, *more):
            if item is None:
                writer.interval_break()
            else:
                writer.write(item)
    return out.getvalue().decode()


def rows_of(values: list, layout: str) -> np.ndarray:
    rows = np.zeros(len(values), Layout.parse(layout).dtype)
    rows["timestamp"] = np.arange(len(values)) + 1_700_000_000_000_000
    rows["data"] = np.array(values, Layout.parse(layout).element).reshape(len(values), -1)
    return rows


def read(text: str | bytes, layout: str = "float64_1", **options) -> list:
    data = text.encode() if isinstance(text, str) else text
    datatype = Layout.parse(layout).datatype
    with open_reader(io.BytesIO(data), "text", ReadOptions(datatype=datatype, **options)) as reader:
        return list(reader)


def failure(text: str | bytes, layout: str = "float64_1", **options) -> str:
    with pytest.raises(FormatError) as caught:
        read(text, layout, **options)
    return caught.value.sentence()


def test_values_are_written_so_that_they_read_back():
    rows = rows_of([[0.1, -2], [3e-7, 1e10], [-0.0, 16777217]], "float32_2")
    text = text_of(rows, "float32_2")
    assert text == (
        "1700000000000000 0.1 -2\n1700000000000001 3e-7 10000000000\n"
        "1700000000000002 -0.0 16777216\n"
    )
    (back,) = read(text, "float32_2")
    assert back.tobytes() == rows.tobytes()
    assert text_of(rows, "float32_2", precision=6) == (
        "1700000000000000 0.100000 -2.000000\n1700000000000001 0.000000 10000000000.000000\n"
        "1700000000000002 -0.000000 16777216.000000\n"
    )


def test_infinities_are_words():
    rows = rows_of([[np.inf, -np.inf], [1, 2]], "float32_2")
    assert text_of(rows, "float32_2") == ("1700000000000000 inf -inf\n1700000000000001 1 2\n")
    assert text_of(rows[:1], "float32_2", precision=1) == "1700000000000000 inf -inf\n"
    (back,) = read("1 Infinity\n2 -INF\n3 +inf\n4 1.5\n")
    assert back["data"][:, 0].tolist() == [np.inf, -np.inf, np.inf, 1.5]


def test_integers_are_exact_beyond_2_to_the_53():
    rows = rows_of([2**53 + 1, -(2**63)], "int64_1")
    text = text_of(rows, "int64_1")
    assert text == ("1700000000000000 9007199254740993\n1700000000000001 -9223372036854775808\n")
    assert read(text, "int64_1")[0].tobytes() == rows.tobytes()
    text = text_of(rows, "int64_1", precision=6)
    assert text.startswith("1700000000000000 9007199254740993.000000\n")
    assert read(text, "int64_1")[0].tobytes() == rows.tobytes()


def test_breaks_show_between_intervals_when_asked_for():
    first, second = make_rows(1, layout="int8_1"), make_rows(1, 2, layout="int8_1")
    marked = text_of(first, "int8_1", None, None, second, None, mark_intervals=True)
    assert marked == "1000 5\n# interval break\n2000 10\n"
    assert text_of(first, "int8_1", None, second) == "1000 5\n2000 10\n"


def test_precision_and_form_of_time():
    rows = rows_of([1.25], "float64_1")
    text = text_of(rows, "float64_1", precision=1, format_time=lambda t: f"{t // 10**6}s")
    assert text == "1700000000s 1.2\n"
    assert text_of(rows_of([7], "int8_1"), "int8_1", precision=0) == "1700000000000000 7\n"


def test_columns_may_be_apart_by_any_blanks():
    (rows,) = read("  1  2.5\t3 \n2 3 4\r\n\n3 1 1\n", "float64_2")
    assert rows["data"].tolist() == [[2.5, 3], [3, 4], [1, 1]]
    assert rows["timestamp"].tolist() == [1, 2, 3]


def test_comments_and_breaks():
    items = read(
        "# a comment\n\n1 1\n#interval break\n# x\n2 1\n  # interval break\n3 1\n# interval break\n"
    )
    assert [span.start for span in spans(items)] == [1, 2, 3]


def test_input_without_times():
    ticks = count(10, 5)
    stamps = lambda n: np.array([next(ticks) for _ in range(n)])  # noqa: E731
    (rows,) = read("1 2\n3  4\n", "int8_2", stamps=stamps)
    assert rows["timestamp"].tolist() == [10, 15]
    assert rows["data"].tolist() == [[1, 2], [3, 4]]


def test_a_row_is_given_as_soon_as_it_arrives():
    class Slow(io.RawIOBase):
        def __init__(self):
            self.chunks = [b"1 1\n", b"2 1\n3", b" 1\n"]

        def read1(self, size):
            return self.chunks.pop(0) if self.chunks else b""

    with open_reader(Slow(), "text") as reader:
        assert [len(rows) for rows in reader] == [1, 1, 1]


def test_a_last_line_that_may_be_cut_is_refused():
    text = "1 5.25\n2 5.2"
    with pytest.raises(FormatError) as caught:
        read(text)
    assert caught.value.sentence() == "-:2: the last line has no line end and may be cut"
    remedy = "use --last-line keep to store it, or --last-line drop to leave it out"
    assert caught.value.hint == remedy
    assert len(joined(read(text, last_line="keep"), Layout("float64", 1))) == 2
    assert len(joined(read(text, last_line="drop"), Layout("float64", 1))) == 1


def test_a_last_line_without_end_that_is_as_long_as_the_others_is_warned_of():
    with open_reader(io.BytesIO(b"1 5.25\n2 5.26"), "text") as reader:
        assert len(joined(reader, reader.head.layout)) == 2
        assert reader.tally.warnings == ["-: the last line has no line end, the file may be cut"]


def test_missing_values():
    with open_reader(io.BytesIO(b"1 1 nan\n2 NaN 2\n3 nan NaN\n4 4 4\n"), "text") as reader:
        rows = joined(reader, reader.head.layout)
        assert reader.tally.missing == {"Element 0": 2, "Element 1": 2}
    assert np.isnan(rows["data"]).tolist() == [
        [False, True],
        [True, False],
        [True, True],
        [False, False],
    ]


def test_rows_repeated_as_they_are_count_once():
    with open_reader(io.BytesIO(b"1 1\n1 1\n2 nan\n2 nan\n2 nan\n"), "text") as reader:
        assert joined(reader, reader.head.layout)["timestamp"].tolist() == [1, 2]
        assert (reader.tally.rows, reader.tally.equal) == (2, 3)


def test_rows_far_before_a_bad_one_are_given(tmp_path):
    path = tmp_path / "rows.txt"
    path.write_text("".join(f"{i} {i}.5\n" for i in range(1, 50_001)) + "50001 x\n")
    given = []
    with open_reader(path) as reader, pytest.raises(FormatError, match="'x' is not a number"):
        given.extend(reader.blocks())
    assert len(joined(given, Layout("float64", 1))) > 25_000


@pytest.mark.parametrize(
    ("text", "layout", "sentence"),
    [
        ("1 1 2\n2 1\n", "float64_2", "-:2: expected 3 columns, found 2"),
        ("1 1\n2 1 2\n", "float64_1", "-:2: expected 2 columns, found 3"),
        ("1\n", "float64_1", "-: expected a timestamp and at least one value"),
        ("1 1\n2 1e\n", "float64_1", "-:2: column 1: '1e' is not a number"),
        ("1 1\n2 1_0\n", "float64_1", "-:2: column 1: '1_0' is not a number"),
        ("1 1\n2 0x1\n", "float64_1", "-:2: column 1: '0x1' is not a number"),
        ("1 1\n\n2 nan\n", "int8_1",
         "-:3: column 1: the value is missing, and int8 cannot hold that"),
        ("1 1\n2 1 -inf\n", "float64_1", "-:2: expected 2 columns, found 3"),
        ("1 -Infinity\n", "int8_1", "-:1: column 1: -Infinity cannot be stored as int8"),
        ("1 1 1e999\n", "float64_2", "-:1: column 2: '1e999' is out of the range of float64"),
        ("1 1e39\n", "float32_1", "-:1: column 1: '1e39' is out of the range of float32"),
        ("1 300\n", "uint8_1", "-:1: column 1: '300' is out of the range of uint8"),
        ("1 -1\n", "uint64_1", "-:1: column 1: '-1' is out of the range of uint64"),
        ("1 9223372036854775808\n", "int64_1",
         "-:1: column 1: '9223372036854775808' is out of the range of int64"),
        ("1 18446744073709551616\n", "uint64_1",
         "-:1: column 1: '18446744073709551616' is out of the range of uint64"),
        ("1 1e99999999\n", "int64_1", "-:1: column 1: '1e99999999' is out of the range of int64"),
        ("1 1.5\n", "int16_1", "-:1: column 1: '1.5' is not a whole number"),
        ("# c\n5 1\n5 2\n", "float64_1",
         "-:3: the time '5' (1970-01-01 00:00:00.000005+00:00) is repeated with other values"),
        ("5 1\n4 2\n", "float64_1",
         "-:2: the time '4' (1970-01-01 00:00:00.000004+00:00) is before "
         "1970-01-01 00:00:00.000005+00:00, the one above it"),
        ("5 1\n# interval break\n4 2\n", "float64_1",
         "-:3: the time '4' (1970-01-01 00:00:00.000004+00:00) is before "
         "1970-01-01 00:00:00.000005+00:00, the one above it"),
        ("5 1\n5.5 2\n", "float64_1",
         "-:2: lines 1 and 2 differ only below a microsecond: 5 and 5.5 are both "
         "1970-01-01 00:00:00.000005+00:00"),
        ("5 1\nx 2\n", "float64_1", "-:2: 'x' is not a time in microseconds since 1970"),
        ("9223372036854775808 1\n", "float64_1",
         "-:1: the time '9223372036854775808' is out of range"),
        (b"1 1\n2 \xff\n", "float64_1", "-:2: the line is not UTF-8 text"),
        (b"1 1\n2 1\x00\n", "float64_1",
         "-:2: the line holds NUL bytes, as after a loss of power"),
    ],
)  # fmt: skip
def test_bad_input(text, layout, sentence):
    assert failure(text, layout) == sentence


def test_the_line_is_right_far_down_the_file():
    lines = [f"{i} {i}.5" for i in range(1, 150_001)]
    lines[123_455] = "123456 1.5 x"
    assert failure("\n".join(lines)) == "-:123456: expected 2 columns, found 3"


def test_bad_lines_can_be_left_out():
    rejects: list = []
    text = "1 1\n2 x\n3 3\n3 4\n1 9\n4 1 2\n# interval break\n5 5\n"
    one, three = (f"1970-01-01 00:00:00.00000{us}+00:00" for us in (1, 3))
    items = read(text, on_reject=lambda *reject: rejects.append(reject))
    assert joined(items, Layout("float64", 1))["timestamp"].tolist() == [1, 3, 5]
    assert rejects == [
        (2, "2 x", "column 1: 'x' is not a number"),
        (4, "3 4", f"the time '3' ({three}) is repeated with other values"),
        (5, "1 9", f"the time '1' ({one}) is before {three}, the one above it"),
        (6, "4 1 2", "expected 2 columns, found 3"),
    ]


def test_whole_numbers_in_any_spelling_for_integers():
    (rows,) = read("1 5.0\n2 +7\n3 1e3\n4 -0.0\n5 007\n", "int32_1")
    assert rows["data"][:, 0].tolist() == [5, 7, 1000, 0, 7]


def test_any_spelling_of_floats():
    (rows,) = read("1 .5\n2 +7.\n3 1E3\n4 -0\n5 007\n")
    assert rows["data"][:, 0].tolist() == [0.5, 7, 1000, 0, 7]
    assert np.signbit(rows["data"][3, 0])


def test_a_line_without_end_is_no_text_file():
    assert failure(b"1" * (40 << 20)).endswith("this is not a text file")


def test_compressed_zeros_do_not_fill_the_memory():
    import gzip

    assert failure(gzip.compress(b"0" * (40 << 20), 1)).endswith("this is not a text file")
