from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import numpy as np
import orjson
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from joule_cli.formats.numbers import (
    fixed,
    parse_table,
    pieces,
    read_floats,
    read_value,
    shortest,
    to_elements,
)

FLOAT32 = np.dtype("<f4")
FLOAT64 = np.dtype("<f8")
#: The float32 whose shortest text rounds to the middle between two float32 in float64.
DOUBLE_ROUNDING = 0x15AE43FD


def float32(bits: int) -> np.float32:
    return np.array([bits], np.uint32).view(FLOAT32)[0]


@given(st.integers(0, 2**32 - 1))
@example(DOUBLE_ROUNDING)
@example(DOUBLE_ROUNDING | 1 << 31)
@example(1)
@example(1 << 31)
@example(0x7F7FFFFF)
@example(0x7F800000)
@example(0xFF800000)
def test_the_shortest_text_of_a_float32_reads_back(bits):
    value = float32(bits)
    assume(not np.isnan(value))
    text = shortest(np.array([value]))
    if np.isinf(value):
        parsed = read_floats([text[1:-1].decode()], FLOAT32)
        assert parsed is not None
    else:
        parsed = to_elements(orjson.loads(text), FLOAT32)
    if parsed is not None:
        assert parsed.view(np.uint32)[0] == bits or text == b"[-0.0]"
    careful = FLOAT32.type(read_value(text[1:-1].decode(), FLOAT32))
    assert np.array([careful]).view(np.uint32)[0] == bits


def test_blocks_that_could_be_rounded_twice_are_looked_at_again():
    assert to_elements([7.038531e-26], FLOAT32) is None
    assert to_elements([16777216, 0.1, 2.5], FLOAT32) is not None


@given(st.integers(0, 2**32 - 2), st.integers(0, 60), st.sampled_from([-1, 0, 1]))
@example(65, 9, -1)
def test_text_near_the_middle_of_two_float32_is_rounded_once(bits, digits, side):
    low, high = float32(bits), float32(bits + 1)
    assume(np.isfinite(low) and np.isfinite(high) and np.signbit(low) == np.signbit(high))
    middle = (Fraction(float(low)) + Fraction(float(high))) / 2
    value = middle + side * Fraction(1, 10 ** (digits + 50))
    exact = Decimal(value.numerator) / Decimal(value.denominator)
    stored = FLOAT32.type(read_value(str(exact), FLOAT32))
    distances = [abs(Fraction(exact) - Fraction(float(x))) for x in (low, high)]
    assert abs(Fraction(exact) - Fraction(float(stored))) == min(distances)


@given(st.integers(0, 2**64 - 1))
def test_the_shortest_text_of_a_float64_reads_back(bits):
    value = np.array([bits], np.uint64).view(FLOAT64)
    assume(np.isfinite(value[0]))
    parsed = to_elements(orjson.loads(shortest(value)), FLOAT64)
    assert parsed is not None
    assert parsed.view(np.uint64)[0] == bits


def test_whole_numbers_lose_their_decimals_and_negative_zero_its_sign_never():
    values = np.array([[10.0, -0.0, 0.1], [1e20, -10.0, 1e-7]], np.float32)
    assert shortest(values) == b"[[10,-0.0,0.1],[1e+20,-10,1e-7]]"


@given(st.lists(st.sampled_from([np.inf, -np.inf, np.nan, -0.0, 1.0, 0.5]), min_size=1))
def test_numbers_that_json_lacks_are_words(values):
    array = np.array([values, values])
    for quoted, missing in ((False, "nan"), (True, "null"), (False, "")):
        form = {"quoted": quoted, "missing": missing}
        words = [missing if np.isnan(v) else f"{v:g}".replace("-0", "-0.0") for v in values]
        words = [f'"{word}"' if quoted and "inf" in word else word for word in words]
        line = ",".join(words)
        assert shortest(array, **form).decode() == f"[[{line}],[{line}]]"
        words = [
            f"{v:.1f}" if np.isfinite(v) else word for v, word in zip(values, words, strict=True)
        ]
        assert fixed(np.array(values), 1, **form) == words


def test_infinities_are_told_from_numbers_that_are_too_large():
    assert read_floats(["inf", "-Infinity", "1.5"], FLOAT32).tolist() == [np.inf, -np.inf, 1.5]
    for texts in (["inf", "1e999"], ["1e999"], ["nan"]):
        assert read_floats(texts, FLOAT64) is None
    assert read_floats(["inf", "1e39"], FLOAT32) is None
    assert read_value("+Infinity", FLOAT32) == np.inf
    for word, element in (("nan", FLOAT64), ("-inf", np.dtype("int8"))):
        with pytest.raises(ValueError, match=f"^{word} cannot be stored"):
            read_value(word, element)


@pytest.mark.parametrize(
    "text",
    [b"1,2\n3\n", b"1\n2,3\n", b"1,2,3\n4\n", b"1,x\n", b"1,nan\n", b"1,\n", b"01,2\n", b"1,null\n",
     b"1,true\n", b'1,"2"\n', b"1,.5\n", b"1 2\n"],
)  # fmt: skip
def test_only_plain_tables_are_parsed_at_once(text):
    assert parse_table(text, 2) is None


def test_a_table():
    assert parse_table(b"1,2.5\r\n-3,4e2\r\n", 2) == [1, 2.5, -3, 400.0]


@pytest.mark.parametrize(
    ("values", "datatype"),
    [([1.5], "int32"), ([300], "uint8"), ([-1], "uint64"), ([2**63], "int64"), ([1e17], "int64"),
     ([1.0], "uint64"), ([1e39], "float32"), ([2**64, -1], "int64")],
)  # fmt: skip
def test_what_does_not_fit_is_left_to_the_closer_look(values, datatype):
    assert to_elements(values, np.dtype(datatype)) is None


def test_what_fits():
    assert to_elements([1.0, 2], np.dtype("int8")).tolist() == [1, 2]
    assert to_elements([2**64 - 1, 0], np.dtype("uint64")).tolist() == [2**64 - 1, 0]
    assert to_elements([], np.dtype("int8")).tolist() == []


def test_fixed_decimals():
    assert fixed(np.array([1.25, -3]), 1) == ["1.2", "-3.0"]
    assert fixed(np.array([2**53 + 1]), 2) == ["9007199254740993.00"]
    assert fixed(np.array([5], np.uint8), 0) == ["5"]


@given(st.lists(st.binary(max_size=9).map(lambda b: b.replace(b"\n", b"") + b"\n"), min_size=1))
def test_pieces_are_whole_lines(lines):
    block = b"".join(lines)
    cut = pieces(block, 8)
    assert b"".join(cut) == block
    assert all(piece.endswith(b"\n") for piece in cut)
