"""Files with intervals."""

from __future__ import annotations

import pytest

from joule_cli.errors import FormatError
from joule_cli.ops.intervals_file import read_intervals


@pytest.mark.parametrize(
    "text",
    [
        "start,end\n20,30\n0,5\n4,10\n",
        "0,10\n20,30",
        "\ufeff# made by hand\r\nend,start,why\r\n10,0,a\r\n30,20,b\r\n",
        "[[20, 30], [0, 10]]",
        '{"intervals": [{"start": 0, "end": 10}, {"start": "20", "end": 30}]}',
    ],
)
def test_forms(tmp_path, text):
    file = tmp_path / "pieces"
    file.write_text(text, newline="")
    assert read_intervals(str(file)) == [(0, 10), (20, 30)]


def test_other_times_are_read_by_the_caller():
    found = read_intervals("-", text="monday,9", parse_time=lambda text: len(text))
    assert found == [(6, 9)]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("start,end\n1,2\n3\n", 3),
        ("5,5", 1),
        ("1,x", 1),
        ("[[1]]", None),
        ("[[1, true]]", None),
        ("[1, 2", 1),
        ("{}", None),
    ],
)
def test_bad_files_name_the_line(text, line):
    with pytest.raises(FormatError) as caught:
        read_intervals("pieces.csv", text=text)
    assert (caught.value.file, caught.value.line) == ("pieces.csv", line)


def test_files_that_cannot_be_read(tmp_path):
    for place in (tmp_path, tmp_path / "none"):
        with pytest.raises(FormatError):
            read_intervals(str(place))
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(FormatError, match="UTF-8"):
        read_intervals(str(tmp_path / "binary"))
