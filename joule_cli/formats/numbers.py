"""Text to numbers and numbers to text, in blocks."""

from __future__ import annotations

import math
import re
from decimal import Decimal
from itertools import chain, zip_longest
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import orjson

if TYPE_CHECKING:
    from collections.abc import Sequence

Array = npt.NDArray[Any]

#: Bytes of text that are parsed at a time: a few thousand numbers stay in the processor's cache,
#: which halves the time.
PIECE_BYTES = 1 << 17
#: Values that are formatted at a time, for the same reason.
PIECE_VALUES = 1 << 14

_DIGITS = b"0123456789+-.eE"
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_WORD = re.compile(r"[+-]?(?:nan|inf|infinity)", re.IGNORECASE)
#: Integers up to here are the same in float64.
_EXACT = float(1 << 53)
#: The bits of a float64 below its 25 most significant ones.
_BELOW_25_BITS = (1 << 28) - 1


def parse_table(block: bytes, columns: int) -> list[int | float] | None:
    """Read lines of `columns` numbers with commas between them into one flat list.

    Parameters
    ----------
    block
        Whole lines, each ended by a line feed.

    Returns
    -------
    list or None
        Python integers (exact below 2^64) and correctly rounded floats; `None` when the text is
        anything else than plain JSON numbers in that shape.
    """
    if b"\r" in block:
        block = block.replace(b"\r\n", b"\n")
    marks = block.translate(None, _DIGITS)
    if marks != (b"," * (columns - 1) + b"\n") * (len(marks) // columns):
        return None
    try:
        flat: list[int | float] = orjson.loads(b"[" + block[:-1].replace(b"\n", b",") + b"]")
    except orjson.JSONDecodeError:
        return None
    return flat


def has_negative_zero(block: bytes) -> bool:
    """Tell whether an integer ``-0`` stands in comma separated lines: it loses its sign."""
    return b"-0," in block or b"-0\n" in block or b"-0\r" in block


def to_stamps(values: list[int | float]) -> npt.NDArray[np.int64] | None:
    """Turn Python integers into int64; `None` when one is a float or too large."""
    stamps = np.array(values)
    return stamps if stamps.dtype == np.int64 else None


def to_elements(values: list[int | float], element: np.dtype[Any]) -> Array | None:
    """Turn Python numbers into `element`; `None` when one does not fit exactly enough.

    Floats become integers only when they are whole and below 2^53; floats that overflow are
    refused.
    """
    if element.kind == "f":
        return narrowed(np.array(values, dtype=np.float64), element)
    if element == np.uint64:
        if set(map(type, values)) == {int} and min(values) >= 0:
            return np.array(values, dtype=element)
        return None
    numbers = np.array(values)
    if numbers.dtype.kind == "f":
        whole = (np.abs(numbers) < _EXACT) & (numbers == np.rint(numbers))
        if not whole.all():
            return None
    elif numbers.dtype.kind not in "iu":
        return None
    limits = np.iinfo(element)
    if numbers.size and not (limits.min <= numbers.min() and numbers.max() <= limits.max):
        return None
    return numbers.astype(element, copy=False)


def read_floats(texts: Sequence[str], element: np.dtype[Any]) -> Array | None:
    """Turn texts into floats of type `element`; `None` when one needs a closer look.

    Raises
    ------
    ValueError
        One is not a number.
    """
    floats = np.array(list(map(float, texts)), np.float64)
    infinite = np.isinf(floats)
    if infinite.any():
        # 1e999 is an infinity for Python too
        infinite[infinite] = [is_word(texts[i]) for i in np.flatnonzero(infinite).tolist()]
    return narrowed(floats, element, infinite)


def is_word(text: str) -> bool:
    """Tell whether a text is NaN or an infinity, written as a word."""
    return _WORD.fullmatch(text.strip()) is not None


def narrowed(
    floats: npt.NDArray[np.float64],
    element: np.dtype[Any],
    infinite: npt.NDArray[np.bool_] | None = None,
) -> Array | None:
    """Turn parsed float64 into `element`; `None` when one overflows or may round wrongly.

    `infinite` tells where infinities are meant.

    Text that lies next to the middle between two float32 can become that very middle in float64,
    and then the wrong float32: about one in 10^8 of the shortest texts does. Middles have 25
    significant bits and are no float32.
    """
    with np.errstate(over="ignore"):
        stored = floats.astype(element, copy=False)
    fits = np.isfinite(stored)
    if infinite is not None:
        fits |= infinite
    if not fits.all():
        return None
    if element.itemsize == 4:
        few_bits = (floats.view(np.uint64) & np.uint64(_BELOW_25_BITS)) == 0
        if few_bits.any() and (stored[few_bits] != floats[few_bits]).any():
            return None
    return stored


def _rounded_once(value: str | int | float | Decimal, number: float) -> float:
    """Move `number`, the float64 of `value`, off the middle between two float32."""
    near = np.float32(number)
    beyond = np.nextafter(near, np.float32(math.copysign(math.inf, number - float(near))))
    if float(near) == number or float(near) + float(beyond) != 2 * number:
        return number
    exact, middle = Decimal(value), Decimal(number)
    if exact == middle:
        return number
    return math.nextafter(number, math.inf if exact > middle else -math.inf)


def read_value(value: str | int | float | Decimal, element: np.dtype[Any]) -> int | float:
    """Read one number for `element`; infinities are written as words, of floats only.

    Raises
    ------
    ValueError
        Not a number, not whole or out of the type's range; the text says which.
    """
    if isinstance(value, str):
        value = value.strip()
        if not value:
            raise ValueError("the value is missing")
        if is_word(value):
            return _read_word(value, element)
        if not _NUMBER.fullmatch(value):
            raise ValueError(f"{shorten(value)} is not a number")
    if element.kind == "f":
        number = float(value)
        with np.errstate(over="ignore"):
            if element.itemsize == 4 and math.isfinite(number):
                number = _rounded_once(value, number)
            stored = element.type(number)
        if not np.isfinite(stored):
            raise ValueError(f"{shorten(str(value))} is out of the range of {element.name}")
        return number
    whole = _integer(value)
    limits = np.iinfo(element)
    if not limits.min <= whole <= limits.max:
        raise ValueError(f"{shorten(str(value))} is out of the range of {element.name}")
    return whole


def _read_word(word: str, element: np.dtype[Any]) -> float:
    number = float(word)
    if math.isnan(number):
        raise ValueError(f"{word} cannot be stored, values must be numbers")
    if element.kind != "f":
        raise ValueError(f"{word} cannot be stored as {element.name}")
    return number


def _integer(value: str | int | float | Decimal) -> int:
    if isinstance(value, int):
        return value
    if isinstance(value, str) and value.lstrip("+-").isdigit() and len(value) < 100:
        return int(value)
    exact = Decimal(value)
    # a huge exponent would make a huge integer; nothing that large fits any type
    if exact.is_zero():
        return 0
    if exact.adjusted() > 30:
        return (1 << 99) * (-1 if exact < 0 else 1)
    if exact != exact.to_integral_value():
        raise ValueError(f"{shorten(str(value))} is not a whole number")
    return int(exact)


def shorten(text: str) -> str:
    """Quote a piece of input for a message, the long ones cut and nothing unprintable."""
    return repr(text if len(text) <= 40 else text[:37] + "...")


def pieces(block: bytes, size: int = PIECE_BYTES) -> list[bytes]:
    """Cut whole lines into pieces of whole lines of about `size` bytes."""
    if len(block) <= size:
        return [block]
    out = []
    begin = 0
    while begin < len(block):
        cut = block.find(b"\n", begin + size) + 1
        out.append(block[begin : cut or len(block)])
        begin += len(out[-1])
    return out


def shortest(values: Array, *, quoted: bool = False, missing: str = "nan") -> bytes:
    """Write numbers as the shortest text that reads back to the same value of their type.

    Parameters
    ----------
    values
        Any shape, contiguous or not, of any element type.
    quoted
        Put infinities, for which JSON has no numbers, between quotation marks.
    missing
        What stands for NaN.

    Returns
    -------
    bytes
        JSON, nested as the array is; whole numbers without ``.0``, negative zero as ``-0.0``,
        infinities as ``inf`` and ``-inf``.
    """
    values = np.ascontiguousarray(values)
    text: bytes = orjson.dumps(values, option=orjson.OPT_SERIALIZE_NUMPY)
    if values.dtype.kind != "f":
        return text
    if b"null" in text:
        form = '"%s"' if quoted else "%s"
        words = {math.inf: (form % "inf").encode(), -math.inf: (form % "-inf").encode()}
        found = [words.get(v, missing.encode()) for v in values[~np.isfinite(values)].tolist()]
        text = b"".join(chain(*zip_longest(text.split(b"null"), found, fillvalue=b"")))
    text = text.replace(b".0,", b",").replace(b".0]", b"]")
    if b"-0," in text or b"-0]" in text:
        text = text.replace(b"-0,", b"-0.0,").replace(b"-0]", b"-0.0]")
    return text


def fixed(
    values: Array, precision: int, *, quoted: bool = False, missing: str = "nan"
) -> list[str]:
    """Write each number with `precision` decimals; integers exactly.

    Parameters
    ----------
    values
        (n,) of an element type.
    quoted, missing
        As in `shortest`.
    """
    if values.dtype.kind == "f":
        out = [f"{value:.{precision}f}" for value in values.tolist()]
        for i in np.flatnonzero(~np.isfinite(values)).tolist():
            out[i] = missing if np.isnan(values[i]) else f'"{out[i]}"' if quoted else out[i]
        return out
    zeros = f".{'0' * precision}" if precision else ""
    return [f"{value}{zeros}" for value in values.tolist()]


def texts(values: Sequence[Any] | Array, precision: int | None) -> list[str]:
    """Write each of (n,) numbers, shortest or with fixed decimals."""
    array = np.asarray(values)
    if precision is not None:
        return fixed(array, precision)
    return shortest(array)[1:-1].decode().split(",") if array.size else []
