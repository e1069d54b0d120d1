"""Texts that fit, and numbers with as few digits as tell them apart."""

from __future__ import annotations

import textwrap
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING

from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

from joule_cli.series.visible import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Pixels per inch at which sizes in points look right, and at which those of SVG are the same.
DPI = 96
PX_PER_POINT = DPI / 72
_MORE = "\N{HORIZONTAL ELLIPSIS}"
_LONGEST = 300


@lru_cache(maxsize=4096)
def text_width(text: str, points: float, weight: str = "normal") -> float:
    """Return the width of a text in pixels, that of its widest line."""
    font = FontProperties(size=points, weight=weight)
    measure = text_to_path.get_text_width_height_descent
    return max(measure(line, font, ismath=False)[0] for line in text.split("\n")) * PX_PER_POINT


def shortened(text: str, points: float, width: float, weight: str = "normal") -> str:
    """Return a text on one line, cut where it is wider than `width` pixels."""
    text = one_line(text[:_LONGEST])
    if text_width(text, points, weight) <= width:
        return text
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if text_width(text[:middle].rstrip() + _MORE, points, weight) <= width:
            low = middle
        else:
            high = middle - 1
    return text[:low].rstrip() + _MORE


def wrapped(text: str, points: float, width: float, lines: int) -> str:
    """Return a text on at most so many lines, each at most `width` pixels wide."""
    text = one_line(text[:_LONGEST])
    across = text_width(text, points)
    if across <= width:
        return text
    columns = max(int(len(text) * width / across), 4)
    parts = textwrap.wrap(text, columns, break_long_words=True) or [text]
    if len(parts) > lines:
        parts = [*parts[: lines - 1], " ".join(parts[lines - 1 :])]
    return "\n".join(shortened(part, points, width) for part in parts)


def numbers(values: Sequence[float]) -> list[str]:
    """Write the values of an axis."""
    size = max(map(abs, values), default=0.0)
    step = min((abs(a - b) for a, b in pairwise(values)), default=size)
    # powers of ten are shorter for large numbers, unless these differ in their last digits only
    plain = size == 0 or 1e-4 <= size < (1e7 if step >= size / 1e6 else 1e15)
    form = "f" if plain else "g"
    texts: list[str] = []
    for digits in range(18):
        texts = [f"{value + 0.0:.{digits}{form}}" for value in values]
        if all(
            abs(float(text) - value) <= step / 1000
            for text, value in zip(texts, values, strict=True)
        ):
            break
    return [text.replace("e+", "e").replace("-", "\N{MINUS SIGN}") for text in texts]
