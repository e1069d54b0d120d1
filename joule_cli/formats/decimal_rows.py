"""Rows with up to six decimals as text, put together from tables of three and four digits.

This is several times as fast as formatting number by number. It covers rows from 2001 to 2286 with
values below a million, and leaves the others to the plain way; the text is the same.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Stamps = npt.NDArray[np.int64]
Parts = tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]
Words = npt.NDArray[np.uint32]

#: Timestamps with 16 digits.
_FIRST, _LAST = 10**15, 10**16 - 1
_LARGEST = 10**6
#: Every decimal fraction with so many digits is another float32.
_FLOAT32_DIGITS = 6
#: Millionths; smaller float64 are written with an exponent.
_SMALLEST = 10
#: Rows that are tried before all of them are.
_SAMPLE = 32
#: What is dropped from the text: numbers are shorter than their places in it.
_FILL = b"\0"


class _Tables(NamedTuple):
    """Texts of 4 bytes each as one word, in the byte order of the machine."""

    four: Words  # 0000 to 9999
    decimals: Words  # .000 to .999, then the same where zeros follow
    to_blank: Words  # 000 to 999 and a blank
    to_line_end: Words  # 000 to 999 and a line feed
    whole: Words  # 0 to 999, then -0 to -999, without leading zeros
    thousands: Words  # the same, and nothing for zero
    rest: Words  # 000 to 999, then as in `whole`
    blank: np.uint32


@cache
def _tables(trimmed: bool) -> _Tables:
    def words(texts: list[str]) -> Words:
        data = b"".join(text.encode().rjust(4, _FILL) for text in texts)
        return np.frombuffer(data, np.uint32)

    three = [f"{i:03d}" for i in range(1000)]
    last = [text.rstrip("0") for text in three] if trimmed else three
    before_zeros = [f".{text}" if text else "" for text in last]
    whole = [*(str(i) for i in range(1000)), *(f"-{i}" for i in range(1000))]
    thousands = list(whole)
    thousands[0] = thousands[1000] = ""
    return _Tables(
        four=words([f"{i:04d}" for i in range(10_000)]),
        decimals=words([*(f".{text}" for text in three), *before_zeros]),
        to_blank=words([f"{text} " for text in last]),
        to_line_end=words([f"{text}\n" for text in last]),
        whole=words(whole),
        thousands=words(thousands),
        rest=words([*three, *whole]),
        blank=words([" "])[0],
    )


def covers(stamps: Stamps) -> bool:
    """Tell whether (n,) timestamps, at least one, have the digits that tables can write."""
    return bool(stamps.min() >= _FIRST and stamps.max() <= _LAST)


def stamp_words(stamps: Stamps) -> Words:
    """Return the digits of (n,) timestamps as (n, 4) words."""
    four = _tables(trimmed=True).four
    words = np.empty((len(stamps), 4), np.uint32)
    high = stamps // 10**8
    for i, half in ((0, high), (2, stamps - high * 10**8)):
        upper = half // 10**4
        words[:, i] = four.take(upper)
        words[:, i + 1] = four.take(half - upper * 10**4)
    return words


def fixed_rows(stamps: Stamps, data: Array, delimiter: bytes) -> bytes | None:
    """Write timestamp and values of each row, with six decimals.

    Parameters
    ----------
    stamps
        (n,), at least one.
    data
        (n, k) of an element type.
    delimiter
        One ASCII character.

    Returns
    -------
    bytes or None
        Whole lines; `None` when the rows are outside of what is covered.
    """
    parts = _rounded(data) if covers(stamps) else None
    return None if parts is None else _lines(stamps, data, parts, delimiter, trimmed=False)


def trimmed_rows(stamps: Stamps, data: Array, delimiter: bytes) -> bytes | None:
    """Write rows of floats with the shortest decimals that read back to the same values.

    `None` also when a float has more than six decimals, or a float32 more than six digits.
    """
    if not covers(stamps) or _exact(data[:_SAMPLE]) is None:
        return None
    parts = _exact(data)
    return None if parts is None else _lines(stamps, data, parts, delimiter, trimmed=True)


def _lines(stamps: Stamps, data: Array, parts: Parts, delimiter: bytes, *, trimmed: bool) -> bytes:
    whole, millionths = parts
    tables = _tables(trimmed)
    n_words = 3 if whole.max() < 1000 else 4
    n, width = data.shape
    words = np.empty((n, 5 + width * n_words), np.uint32)
    words[:, :4] = stamp_words(stamps)
    words[:, 4] = tables.blank
    cells = words[:, 5:].reshape(n, width, n_words)
    sign = np.signbit(data) if data.dtype.kind == "f" else data < 0
    if n_words == 3:
        cells[:, :, 0] = tables.whole.take(whole + 1000 * sign)
    else:
        upper = whole // 1000
        cells[:, :, 0] = tables.thousands.take(upper + 1000 * sign)
        alone = (upper == 0) * (1000 + 1000 * sign)
        cells[:, :, 1] = tables.rest.take(whole - upper * 1000 + alone)
    upper = millionths // 1000
    lower = millionths - upper * 1000
    if trimmed:
        upper += 1000 * (lower == 0)
    cells[:, :, -2] = tables.decimals.take(upper)
    cells[:, :-1, -1] = tables.to_blank.take(lower[:, :-1])
    cells[:, -1, -1] = tables.to_line_end.take(lower[:, -1])
    return words.tobytes().translate(bytes.maketrans(b" ", delimiter), _FILL)


def _exact(data: Array) -> Parts | None:
    """Split the size of (n, k) floats; `None` if one is written with more digits, or otherwise.

    A decimal fraction with up to 15 digits (6 for float32) that reads back to a float is the
    only one with so many digits that does, and the shortest but for its last zeros.
    """
    size = np.abs(data)
    largest = float(size.max())
    # written so that NaN fails
    if not largest < _LARGEST - 1:
        return None
    places = 6
    if data.dtype.itemsize == 4:
        while largest * 10**places >= 10**_FLOAT32_DIGITS - 1:
            places -= 1
    exact = size.astype(np.float64)
    scaled = np.rint(exact * 10.0**places)
    if ((scaled / 10.0**places).astype(data.dtype) != size).any():
        return None
    if (np.signbit(data) & (scaled == 0)).any():
        return None
    if data.dtype.itemsize == 8 and ((scaled > 0) & (scaled < _SMALLEST)).any():
        return None
    floor = np.floor(exact)
    millionths = scaled * 10.0 ** (6 - places) - floor * 1e6
    return floor.astype(np.int32), millionths.astype(np.int32)


def _rounded(data: Array) -> Parts | None:
    """Split the size of (n, k) values; `None` if one is too large or its rounding is in doubt."""
    if data.dtype.kind != "f":
        if data.max() >= _LARGEST or (data.dtype.kind == "i" and data.min() <= -_LARGEST):
            return None
        whole = np.abs(data.astype(np.int32))
        return whole, np.zeros_like(whole)
    size = np.abs(data.astype(np.float64))
    # one less, because rounding may go up; written so that NaN fails
    if not (size < _LARGEST - 1).all():
        return None
    floor = np.floor(size)
    fraction = size - floor
    scaled = fraction * 1e6
    if data.dtype.itemsize == 8 and _in_doubt(fraction, scaled):
        return None
    # exact for float32: 24 bits times a million are less than 53 bits
    millionths = np.rint(scaled).astype(np.int32)
    whole = floor.astype(np.int32)
    carry = millionths == 10**6
    if carry.any():
        whole += carry
        millionths[carry] = 0
    return whole, millionths


def _in_doubt(fraction: npt.NDArray[np.float64], scaled: npt.NDArray[np.float64]) -> bool:
    """Tell whether the rounding of ``fraction * 1e6`` can decide the last decimal."""
    near = np.abs(scaled - np.floor(scaled) - 0.5) < 1e-9
    if not near.any():
        return False
    # with 33 significant bits the product is exact, and a tie is a tie
    inexact = fraction[near].view(np.uint64) & np.uint64((1 << 20) - 1)
    return bool(inexact.any())
