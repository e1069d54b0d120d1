"""Rows of numbers as lines of text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from joule_cli.formats.decimal_rows import fixed_rows
from joule_cli.formats.numbers import fixed, shortest
from joule_cli.formats.shortest_rows import shortest_rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from joule_cli.formats.decimal_rows import Array, Stamps


def number_lines(
    stamps: Stamps,
    data: Array,
    delimiter: bytes,
    precision: int | None = None,
    format_time: Callable[[int], str] | None = None,
    end: bytes = b"\n",
    missing: str = "nan",
) -> bytes:
    """Write timestamp and values of each row.

    Parameters
    ----------
    stamps
        (n,), at least one.
    data
        (n, k) of an element type.
    delimiter
        One ASCII character.
    precision
        Decimals of the values; `None` for the shortest digits that read back to the same value.
    format_time
        Text of a timestamp; `None` is integer µs.
    end
        Of every line.
    missing
        What stands for a missing value.
    """
    text = None
    if format_time is None and end == b"\n":
        if precision is None:
            text = shortest_rows(stamps, data, delimiter, missing.encode())
        elif precision == 6:
            text = fixed_rows(stamps, data, delimiter)
    if text is not None:
        return text
    n, width = data.shape
    if format_time is None:
        times = shortest(stamps)[1:-1].split(b",")
    else:
        times = [format_time(stamp).encode() for stamp in stamps.tolist()]
    if precision is None:
        values = (
            shortest(data, missing=missing)[2:-2].replace(b"],[", b"\n").replace(b",", delimiter)
        )
    else:
        # one format for all rows is three times as fast as one row at a time
        form = delimiter.join([b"%b"] * width)
        cells = [cell.encode() for cell in fixed(data.ravel(), precision, missing=missing)]
        values = b"\n".join([form] * n) % tuple(cells)
    cells_of_lines: list[bytes] = [b""] * (2 * n)
    cells_of_lines[::2] = times
    cells_of_lines[1::2] = values.split(b"\n")
    return bytes((b"%b" + delimiter + b"%b" + end) * n % tuple(cells_of_lines))
