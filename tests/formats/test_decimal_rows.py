from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from joule_cli.formats.decimal_rows import fixed_rows
from joule_cli.model.data_stream import DATATYPES
from joule_cli.series.layout import Layout, Rows

NOW = 1_700_000_000_000_000


def plainly(rows: Rows) -> bytes:
    lines = []
    for stamp, values in zip(rows["timestamp"].tolist(), rows["data"].tolist(), strict=True):
        lines.append(f"{stamp}" + "".join(f" {value:f}" for value in values) + "\n")
    return "".join(lines).encode()


def six_decimals(rows: Rows) -> bytes | None:
    return fixed_rows(rows["timestamp"], rows["data"], b" ")


def rows_of(datatype: str, *values: list, stamp: int = NOW) -> Rows:
    rows = np.zeros(len(values), Layout(datatype, len(values[0])).dtype)
    rows["timestamp"] = stamp + np.arange(len(values))
    rows["data"] = np.array(values, datatype)
    return rows


@st.composite
def values(draw, datatype: str) -> list[float]:
    if datatype.startswith("float"):
        width = int(datatype[5:])
        plain = st.floats(-999_990, 999_990, width=width)
        near_a_tie = st.builds(
            lambda a, b: float(np.dtype(datatype).type(a / 2 ** min(b, 20))),
            st.integers(-(2**19), 2**19), st.integers(0, 40),
        )  # fmt: skip
        decimals = st.builds(lambda a: a / 2e6, st.integers(-(10**10), 10**10))
        one = st.one_of(plain, near_a_tie, decimals)
    else:
        info = np.iinfo(datatype)
        one = st.integers(max(info.min, -999_999), min(info.max, 999_999))
    return draw(st.lists(one, min_size=2, max_size=2))


@pytest.mark.parametrize("datatype", DATATYPES)
def test_the_text_is_that_of_the_plain_way(datatype):
    @given(st.lists(values(datatype), min_size=1, max_size=8))
    def check(drawn: list[list[float]]) -> None:
        rows = rows_of(datatype, *drawn)
        text = six_decimals(rows)
        if text is None:
            # two digits can be in doubt in float64 only
            assert datatype == "float64"
            text = plainly(rows)
        assert text == plainly(rows)

    check()


def test_values_of_special_shape():
    special = [0.0, -0.0, -1e-9, 6e-7, 0.9999996, 999.9999996, 999_998.9999996, 1000, -1000]
    for value in special:
        for other in (1.0, 123_456.0):
            rows = rows_of("float64", [value, other])
            assert six_decimals(rows) == plainly(rows)


def test_ties_go_to_the_even_digit():
    assert six_decimals(rows_of("float64", [0.5**7])) == f"{NOW} 0.007812\n".encode()
    assert six_decimals(rows_of("float32", [3 * 0.5**7])) == f"{NOW} 0.023438\n".encode()


@pytest.mark.parametrize(
    "rows",
    [
        rows_of("float32", [1e6]),
        rows_of("float32", [np.nan]),
        rows_of("float64", [-np.inf]),
        rows_of("int32", [10**6]),
        rows_of("int64", [-(2**63)]),
        rows_of("uint64", [2**64 - 1]),
        rows_of("int8", [1], stamp=10**15 - 1),
        rows_of("int8", [1], stamp=10**16),
        rows_of("int8", [1], stamp=-NOW),
        # 2.5 millionths and less than float64 can tell after the multiplication
        rows_of("float64", [2.5000000000000002e-6]),
    ],
)
def test_what_is_left_to_the_plain_way(rows):
    assert six_decimals(rows) is None
