"""Lines of numbers: the fast ways write the same text as the plain one, with the fewest digits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from joule_cli.formats import number_lines as module
from joule_cli.formats.decimal_rows import trimmed_rows
from joule_cli.formats.number_lines import number_lines
from joule_cli.formats.shortest_rows import shortest_rows
from joule_cli.model.data_stream import DATATYPES

NOW = 1_700_000_000_000_000
FLOATS = ["float32", "float64"]


def stamps(n: int):
    return NOW + np.arange(n, dtype=np.int64) * 999_999


def few_decimals(datatype: str):
    """Values as sensors give them."""
    return st.builds(
        lambda number, places: np.dtype(datatype).type(number / 10**places),
        st.integers(-(10**7), 10**7),
        st.integers(0, 7),
    )


def tables(datatype: str):
    kind = np.dtype(datatype)
    values = [st.integers(*((i := np.iinfo(kind)).min, i.max))] if kind.kind != "f" else [
        st.floats(width=8 * kind.itemsize),
        few_decimals(datatype),
    ]  # fmt: skip
    shape = st.tuples(st.integers(1, 50), st.integers(1, 3))
    return st.one_of(*(arrays(kind, shape, elements=each) for each in values))


@pytest.mark.parametrize("datatype", DATATYPES)
@pytest.mark.parametrize(("delimiter", "missing"), [(b" ", "nan"), (b",", ""), (b"~", "")])
def test_the_fast_ways_write_what_the_plain_one_does(datatype, delimiter, missing, monkeypatch):
    monkeypatch.setattr(module, "shortest_rows", lambda *_: None)

    @given(tables(datatype))
    def check(data) -> None:
        plain = number_lines(stamps(len(data)), data, delimiter, missing=missing)
        fast = shortest_rows(stamps(len(data)), data, delimiter, missing.encode())
        assert fast in {None, plain}
        if np.dtype(datatype).kind != "f":
            assert fast is not None
        else:
            assert trimmed_rows(stamps(len(data)), data, delimiter) in {None, plain}

    check()


@pytest.mark.parametrize("datatype", FLOATS)
def test_the_digits_are_the_fewest_that_read_back(datatype):
    kind = np.dtype(datatype).type

    @given(st.one_of(st.floats(width=np.dtype(datatype).itemsize * 8), few_decimals(datatype)))
    @example(kind(0.1))
    @example(kind(1e-5))
    @example(kind(1e16))
    @example(kind("inf"))
    @example(kind(-0.0))
    def check(value) -> None:
        line = number_lines(stamps(1), np.array([[value]], datatype), b" ").decode()
        stamp, text = line.split()
        assert stamp == str(NOW)
        back = kind(text)
        assert np.array_equal(back, kind(value), equal_nan=True)
        assert np.signbit(back) == np.signbit(kind(value)) or np.isnan(back)
        if np.isfinite(back):
            digits = np.format_float_scientific(kind(value), unique=True, trim="-")
            assert _digits(text) == _digits(digits)

    check()


def _digits(text: str) -> str:
    return text.partition("e")[0].replace(".", "").strip("-").strip("0")


def test_every_way_is_taken():
    few, many = np.array([[0.25, 100.0]]), np.array([[0.1 + 0.2, 100.0]])
    assert trimmed_rows(stamps(1), few, b" ") == f"{NOW} 0.25 100\n".encode()
    assert trimmed_rows(stamps(1), many, b" ") is None
    assert shortest_rows(stamps(1), many, b" ") == f"{NOW} 0.30000000000000004 100\n".encode()
    assert shortest_rows(stamps(1), -few * 0, b" ") is None
    assert number_lines(stamps(1), -few * 0, b" ") == f"{NOW} -0.0 -0.0\n".encode()
    assert shortest_rows(np.array([-5]), few, b" ") is None
    assert number_lines(np.array([-5]), few, b" ") == b"-5 0.25 100\n"


def test_a_column_behind_and_a_form_of_time():
    data = np.array([[1.5, -2.0]], np.float32)
    line = number_lines(stamps(1), data, b";", None, lambda stamp: f"<{stamp}>", b";7\n")
    assert line == f"<{NOW}>;1.5;-2;7\n".encode()


@pytest.mark.parametrize("precision", [0, 1, 6, 12])
@pytest.mark.parametrize("datatype", ["float32", "float64", "int64"])
def test_a_number_of_decimals(datatype, precision):
    data = np.array([[2.5, -1.0], [3.0, 12345.0]]).astype(datatype)
    expected = "".join(
        f"{stamp} {a:.{precision}f} {b:.{precision}f}\n"
        for stamp, (a, b) in zip(stamps(2).tolist(), data.tolist(), strict=True)
    )
    assert number_lines(stamps(2), data, b" ", precision).decode() == expected
