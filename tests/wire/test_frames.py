from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from joule_cli.errors import DataError
from joule_cli.series.layout import Layout
from joule_cli.wire.frames import FrameDecoder, FrameEncoder

T = 1700000000000000


def rows(layout, *values):
    return np.array(list(values), Layout.parse(layout).dtype)


@pytest.mark.parametrize(
    ("layout", "row", "text"),
    [
        ("float32_2", (T, [1.0, 2.0]), "00401e18240a06000000803f00000040"),
        ("int16_2", (T + 10, [1, -2]), "0a401e18240a06000100feff"),
        ("int64_1", (T, [5]), "00401e18240a06000500000000000000"),
        ("float64_1", (T, [0.5]), "00401e18240a0600000000000000e03f"),
    ],
)
def test_bytes_of_the_protocol(layout, row, text):
    (packed,) = FrameEncoder(layout).encode([rows(layout, row)])
    assert bytes(packed).hex() == text


@pytest.mark.parametrize(("layout", "size"), [("float32_2", 16), ("int16_2", 12)])
def test_a_break_is_a_row_of_zeros(layout, size):
    assert FrameEncoder(layout).encode([None]) == [bytes(size)]


def test_a_row_that_reads_as_a_break_is_refused():
    with pytest.raises(DataError, match="would read as a break"):
        FrameEncoder("int16_2").encode([rows("int16_2", (0, [0, 0]))])


@given(
    st.lists(st.none() | st.lists(st.integers(-100, 100), min_size=1, max_size=5), max_size=8),
    st.lists(st.integers(0, 200), max_size=10),
)
def test_bytes_cut_anywhere_give_the_same_rows(blocks, cuts):
    items = [
        None if block is None else rows("int32_2", *((T + v, [v, -v]) for v in block))
        for block in blocks
    ]
    raw = b"".join(bytes(part) for part in FrameEncoder("int32_2").encode(items))
    decoder = FrameDecoder("int32_2")
    edges = sorted({0, len(raw), *(cut for cut in cuts if cut < len(raw))})
    found = []
    for low, high in pairwise(edges):
        for item in decoder.decode(raw[low:high]):
            found += [None] if item is None else item.tolist()
    expected = []
    for item in items:
        expected += [None] if item is None else item.tolist()
    assert [x if x is None else (x[0], list(x[1])) for x in found] == [
        x if x is None else (x[0], list(x[1])) for x in expected
    ]
    assert decoder.cut_bytes == 0


def test_an_incomplete_row_is_left():
    decoder = FrameDecoder("int16_2")
    assert decoder.decode(bytes(5)) == []
    assert decoder.decode(b"") == []
    assert decoder.cut_bytes == 5
    assert decoder.decode(bytes(7)) == [None]
