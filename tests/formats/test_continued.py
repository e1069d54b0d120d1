"""Where a file of lines is continued, and what its last line says."""

from __future__ import annotations

import gzip

import pytest
import zstandard

from joule_cli.errors import FormatError
from joule_cli.formats.continued import Tail, beginning, tail, time_options, time_text

PACKED = {
    "plain": lambda data: data,
    "gzip": gzip.compress,
    # as continued: one member behind the other
    "two": lambda data: gzip.compress(data[:4]) + gzip.compress(data[4:]),
    "zstd": zstandard.ZstdCompressor().compress,
}


def found(path, data, packed="plain"):
    path.write_bytes(PACKED[packed](data))
    return tail(path)


@pytest.mark.parametrize("packed", PACKED)
def test_the_last_whole_line_with_a_row(tmp_path, packed):
    path = tmp_path / "x"
    length = None if packed != "plain" else 0
    for data, line in (
        (b"t,x\n1,2\n", b"1,2"),
        (b"t,x\r\n1,2\r\n", b"1,2"),
        (b"t,x\n1,2\n# interval break\n\n", b"1,2"),
        (b"t,x\n" + b"1,2\n" * 400_000 + b"9,9\n", b"9,9"),
        (b"x" * 3_000_000 + b"\n", b"x" * 3_000_000),
        (b"1,2\n" + b"# much to say\n" * 200_000, b"1,2"),
    ):
        at = None if length is None else len(data)
        assert found(path, data, packed) == Tail(at, True, line)


def test_a_last_line_without_its_end(tmp_path):
    path = tmp_path / "x"
    assert found(path, b"t,x\n1,2\n3,4") == Tail(8, False, b"1,2")
    assert found(path, b"t,x\n1,2\n# interval br") == Tail(8, False, b"1,2")
    assert found(path, b"t,x\n1,2\n" + b"5" * 3_000_000) == Tail(8, False, b"1,2")
    with beginning(path, 8) as file:
        assert file.read() == b"t,x\n1,2\n"


@pytest.mark.parametrize(
    ("data", "packed", "text"),
    [
        (b"t,x", "plain", "no line of it is whole"),
        (b"t,x\r1,2\r", "plain", "no line of it is whole"),
        (b"t,x\n1,2", "gzip", "its last line has no end, and it is compressed"),
        (b"t,x\n1,2", "zstd", "its last line has no end, and it is compressed"),
    ],
)
def test_what_cannot_be_continued(tmp_path, data, packed, text):
    with pytest.raises(FormatError, match=text):
        found(tmp_path / "x", data, packed)


@pytest.mark.parametrize("packed", ["gzip", "zstd"])
def test_compressed_data_that_are_cut(tmp_path, packed):
    path = tmp_path / "x"
    path.write_bytes(PACKED[packed](bytes(range(256)) * 999)[:-9])
    with pytest.raises(FormatError):
        tail(path)


@pytest.mark.parametrize(
    ("line", "format", "delimiter", "text"),
    [
        (b"17 2.5", "text", None, "17"),
        (b"17\t2.5", "tsv", None, "17"),
        (b"17;2.5", "csv", ";", "17"),
        (b'"1,5",2', "csv", None, "1,5"),
        (b'{"timestamp": 17.250, "x": 1}', "jsonl", None, "17.250"),
        (b'{"x": 1, "timestamp": "2024-01-01"}', "jsonl", None, "2024-01-01"),
        (b'["2024-01-01", 1]', "jsonl", None, "2024-01-01"),
        (b"{", "jsonl", None, ""),
        (b"[]", "jsonl", None, ""),
    ],
)
def test_the_time_in_a_line(line, format, delimiter, text):
    assert time_text(line, format, delimiter) == text


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("1704067200", "--time s"),
        ("1704067200.25", "--time s"),
        ("1704067200000", "--time ms"),
        ("1704067200000000", "--time us"),
        ("1704067200000000000", "--time ns"),
        ("2024-01-01T01:00:00+01:00", "--time iso --tz +01:00"),
        ("2024-01-01T01:00:00.5+00:00", "--time iso --tz UTC"),
        ("2024-01-01 01:00:00-03:30", "--time human --tz -03:30"),
        ("2024-01-01T01:00:00", None),
        ("17", None),
        ("", None),
        ("timestamp", None),
    ],
)
def test_the_options_that_a_time_was_printed_with(text, options):
    assert time_options(text) == options
