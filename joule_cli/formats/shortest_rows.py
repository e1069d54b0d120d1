"""Rows as lines of text, with the shortest digits that read back to the same values."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import orjson

from joule_cli.formats.decimal_rows import covers, stamp_words, trimmed_rows

if TYPE_CHECKING:
    from joule_cli.formats.decimal_rows import Array, Stamps

#: Numbers that are written with as many letters as a timestamp.
_PLACE, _INTEGER_PLACE = -1e12, 10**15
_PLACE_LETTERS = 16
#: Whole numbers in a block that are taken out one by one.
_FEW = 100
_LINE_END, _COMMA, _POINT, _ZERO = b"\n,.0"


def shortest_rows(
    stamps: Stamps, data: Array, delimiter: bytes, missing: bytes = b"nan"
) -> bytes | None:
    """Write timestamp and values of each row.

    Parameters
    ----------
    stamps
        (n,), at least one.
    data
        (n, k) of an element type.
    delimiter
        One ASCII character.
    missing
        What stands for NaN, at most four letters.

    Returns
    -------
    bytes or None
        Whole lines with the numbers of `numbers.shortest`; `None` where a timestamp has not
        16 digits, or a value is negative zero.
    """
    if not covers(stamps):
        return None
    # out of the rows: what follows takes half the time
    data = np.ascontiguousarray(data)
    if data.dtype.kind != "f":
        return _lines(stamps, data, delimiter, missing)
    text = trimmed_rows(stamps, data, delimiter)
    if text is not None:
        return text
    if (np.signbit(data) & (data == 0)).any():
        return None
    return _lines(stamps, data, delimiter, missing)


def _lines(stamps: Stamps, data: Array, delimiter: bytes, missing: bytes) -> bytes | None:
    """Write lines with the digits of orjson, which writes arrays of one type only.

    Each row begins with a number as long as its timestamp, which is then put over it. No line is
    taken apart or put together.
    """
    n, width = data.shape
    if data.dtype.kind == "f":
        table = np.empty((n, width + 1), data.dtype)
        table[:, 0] = _PLACE
    else:
        table = np.empty((n, width + 1), np.uint64 if data.dtype == np.uint64 else np.int64)
        table[:, 0] = _INTEGER_PLACE
    table[:, 1:] = data
    # in one dimension, which takes half the time
    text = bytearray(orjson.dumps(table.reshape(-1), option=orjson.OPT_SERIALIZE_NUMPY))
    letters = np.frombuffer(text, np.uint8)
    # where every number ends
    ends = np.empty(table.size, np.int64)
    ends[:-1] = np.flatnonzero(letters == _COMMA)
    ends[-1] = len(text) - 1
    ends = ends.reshape(table.shape)
    if ends[0, 0] != 1 + _PLACE_LETTERS:
        return None
    begins = ends[:, 0] - _PLACE_LETTERS
    digits = stamp_words(stamps).view(np.uint64)
    at_any_letter = np.ndarray((len(text) - 7,), np.uint64, text, strides=(1,))
    at_any_letter[begins] = digits[:, 0]
    at_any_letter[begins + 8] = digits[:, 1]
    if delimiter != b",":
        # wraps where the delimiter comes behind the comma
        letters -= (letters == _COMMA) * np.uint8((_COMMA - delimiter[0]) % 256)
    letters[ends[:, -1]] = _LINE_END
    if data.dtype.kind == "f":
        return _corrected(letters, ends[:, 1:], data, missing)
    return letters[1:].tobytes()


def _corrected(letters: Array, ends: Array, data: Array, missing: bytes) -> bytes:
    """Put words for ``null``, which orjson writes for what is no number, and drop each ``.0``.

    Parameters
    ----------
    ends
        (n, k), where the text of each value ends.
    """
    finite = np.isfinite(data)
    whole = (np.rint(data) == data) & finite
    everything = finite.all()
    points = ends[whole] - 2 if whole.any() else ends[:0, 0]
    # very large ones have an exponent
    points = points[(letters[points] == _POINT) & (letters[points + 1] == _ZERO)]
    if everything and len(points) < _FEW:
        # as by chance
        text = letters.tobytes()
        cuts = [1, *(place for point in points.tolist() for place in (point, point + 2)), len(text)]
        return b"".join(text[a:b] for a, b in zip(cuts[::2], cuts[1::2], strict=True))
    kept = np.ones(len(letters), np.bool_)
    kept[0] = False
    kept[points] = False
    kept[points + 1] = False
    if not everything:
        for chosen, word in (
            (np.isnan(data), missing),
            (data == np.inf, b"inf"),
            (data == -np.inf, b"-inf"),
        ):
            places = ends[chosen] - len(b"null")
            for i, letter in enumerate(word):
                letters[places + i] = letter
            for i in range(len(word), len(b"null")):
                kept[places + i] = False
    return letters[kept].tobytes()
