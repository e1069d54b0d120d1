"""Curves made of characters: a grid of dots, an axis of values and an axis of times."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

#: One row of a curve: time, mean, minimum, maximum.
Point = tuple[int, float, float, float]

#: Bits of the eight dots of a braille character, by line and column.
_BRAILLE = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
_HALVES = (" ", "'", ".", ":")


@dataclass(frozen=True, slots=True)
class Style:
    """Characters of a drawing, and how many dots one of them holds."""

    ascii: bool

    @property
    def across(self) -> int:
        """Dots beside each other."""
        return 1 if self.ascii else 2

    @property
    def down(self) -> int:
        """Dots above each other."""
        return 2 if self.ascii else 4

    @property
    def axis(self) -> tuple[str, str, str, str, str]:
        """Value axis, its ticks, corner, time axis, its ticks."""
        return ("|", "+", "+", "-", "+") if self.ascii else ("│", "┤", "└", "─", "┬")


class Canvas:
    """Dots in a grid of characters; the origin is at the lower left."""

    def __init__(self, width: int, height: int, style: Style) -> None:
        self.style = style
        self.columns = width * style.across
        self.lines = height * style.down
        self._cells = [[0] * width for _ in range(height)]

    def dot(self, x: int, y: int) -> None:
        """Set one dot."""
        line, below = divmod(self.lines - 1 - y, self.style.down)
        cell, right = divmod(x, self.style.across)
        bit = 1 << below if self.style.ascii else _BRAILLE[below][right]
        self._cells[line][cell] |= bit

    def bar(self, x: int, low: int, high: int) -> None:
        """Set the dots of a column from `low` to `high`."""
        for y in range(low, high + 1):
            self.dot(x, y)

    def segment(self, x0: int, y0: int, x1: int, y1: int) -> None:
        """Set the dots of a straight line."""
        steps = max(abs(x1 - x0), abs(y1 - y0))
        for step in range(1, steps):
            self.dot(
                x0 + round((x1 - x0) * step / steps),
                y0 + round((y1 - y0) * step / steps),
            )

    def text(self) -> list[str]:
        """Return the lines, the top one first."""
        if self.style.ascii:
            return ["".join(_HALVES[bits] for bits in line) for line in self._cells]
        return [
            "".join(chr(0x2800 + bits) if bits else " " for bits in line) for line in self._cells
        ]


def curve(
    intervals: Sequence[Sequence[Point]],
    span: tuple[int, int],
    width: int,
    height: int,
    style: Style,
) -> list[str]:
    """Draw one element: its envelope, joined within each interval, beside its values.

    Infinities reach to the edge. A missing value, whose minimum is NaN, leaves a hole.

    Parameters
    ----------
    span
        First and last time of the axis, µs.
    width
        Of everything, the labels included.
    """
    bounds = [v for points in intervals for p in points for v in p[1:] if math.isfinite(v)]
    low, high = min(bounds, default=0.0), max(bounds, default=0.0)
    if low == high:
        pad = abs(low) / 10 or 1.0
        low, high = low - pad, high + pad
    labels = _value_labels(low, high, height)
    margin = max(map(len, labels.values()))
    canvas = Canvas(max(width - margin - 1, 1), height, style)

    def across(time: int) -> int:
        share = (time - span[0]) / max(span[1] - span[0], 1)
        return round(share * (canvas.columns - 1))

    def up(value: float) -> int:
        if math.isinf(value):
            return canvas.lines - 1 if value > 0 else 0
        # halves, because the distance of two values can exceed what a float holds
        share = (value / 2 - low / 2) / (high / 2 - low / 2)
        return min(max(round(share * (canvas.lines - 1)), 0), canvas.lines - 1)

    for points in intervals:
        before: tuple[int, int] | None = None
        for time, mean, minimum, maximum in points:
            if math.isnan(minimum):
                before = None
                continue
            x = across(time)
            canvas.bar(x, up(minimum), up(maximum))
            if math.isnan(mean):
                # of infinities of both signs: the bar has the full height
                before = None
                continue
            y = up(mean)
            if before is not None:
                canvas.segment(*before, x, y)
            before = (x, y)
    bare, tick = style.axis[:2]
    return [
        f"{labels.get(number, ''):>{margin}}{tick if number in labels else bare}{line}".rstrip()
        for number, line in enumerate(canvas.text())
    ]


def margin_of(drawn: Sequence[str], style: Style) -> int:
    """Return where the value axis stands."""
    return min(drawn[0].find(mark) for mark in style.axis[:2] if mark in drawn[0])


def time_axis(labels: Sequence[str], width: int, style: Style) -> list[str]:
    """Draw an axis with labels at even distances; those that would touch are left out."""
    _, _, corner, line, tick = style.axis
    width = max(width, 1)
    ruler = [line] * width
    text = [" "] * width
    free = 0
    before = ""
    for number, label in enumerate(labels):
        at = round(number * (width - 1) / max(len(labels) - 1, 1))
        begin = min(max(at - len(label) // 2, 0), width - len(label))
        # the last is also true of one that is wider than the axis
        if label == before or begin < free:
            continue
        before = label
        ruler[at] = tick
        text[begin : begin + len(label)] = label
        free = begin + len(label) + 1
    return [corner + "".join(ruler), " " + "".join(text).rstrip()]


def _value_labels(low: float, high: float, height: int) -> dict[int, str]:
    """Name the values at the top, at the bottom and between, by the number of the line."""
    count = 2 if height < 5 else 3 if height < 9 else 5
    lines = {round(i * (height - 1) / (count - 1)) for i in range(count)}
    share = max(height - 1, 1)
    values = {n: high / share * (share - n) + low / share * n for n in sorted(lines)}
    return dict(zip(values, _numbers(list(values.values())), strict=True))


def _numbers(values: Sequence[float]) -> list[str]:
    """Write numbers with as few digits as tell them apart."""
    size = max(map(abs, values))
    # halves, because the distance of two values can exceed what a float holds
    step = min((abs(a / 2 - b / 2) for a, b in pairwise(values)), default=size / 2)
    digits = 3
    if step > 0 and size > 0 and math.isfinite(size / 2 / step):
        digits = min(max(math.ceil(math.log10(size / 2 / step)) + 2, 3), 17)
    if 1e-3 <= size < 1e7:
        decimals = max(digits - 1 - math.floor(math.log10(size)), 0)
        return [f"{value + 0.0:.{decimals}f}" for value in values]
    return [f"{value + 0.0:.{digits}g}" for value in values]
