"""Curves drawn with characters, as many and as high as the window has room for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from joule_cli.cli import _render
from joule_cli.cli._output import count_text, show_time
from joule_cli.cli._settings import current
from joule_cli.cli._times import zone
from joule_cli.cli.data._draw import curve, margin_of, time_axis
from joule_cli.series.visible import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from joule_cli.cli.data._curves import Curves
    from joule_cli.cli.data._draw import Style

#: Lines of all curves together where there is no window, and the limits of one.
_LINES, _LOWEST, _HIGHEST = 48, 6, 16
#: Lines of a curve in a window at least, and those that each has besides: distance, name, axis of
#: time.
_LEAST, _BESIDE = 3, 4
_MINUTE_US, _DAY_US = 60_000_000, 86_400_000_000


def draw_all(
    found: Sequence[Curves],
    nothing: Mapping[str, str],
    columns: int,
    rows: int | None,
    height: int | None,
    style: Style,
) -> list[str]:
    """Draw streams below each other.

    Parameters
    ----------
    nothing
        What is said of the streams without rows, by their path.
    rows
        Lines of the window; `None` for no limit, which a height that was asked for is, too.
    """
    count = sum(len(one.elements) for one in found if one.pieces)
    shown, folded = count, None
    if rows is not None and height is None and count:
        free = rows - 1  # one stays for the next command
        folded = columns

        def room(curves: int) -> int:
            lines = _lines_beside(_parts(found, curves), nothing, columns)
            return free - lines - (curves < count)

        shown, height = fitting(count, room, most=_HIGHEST)
    drawn: list[str] = []
    for one, part in _parts(found, shown):
        drawn += [""] if drawn else []
        if part:
            lines = height or min(max(_LINES // len(one.elements), _LOWEST), _HIGHEST)
            drawn += heading(one, folded)
            drawn += draw_curves(one, columns, lines, style, part)
        else:
            drawn.append(nothing[one.path])
    if shown < count:
        more = f"{shown} of {count_text(count, 'curve')}, see -i and --height"
        drawn.append(_render.cut(more, columns))
    return drawn if rows is None or folded is None else drawn[: max(rows - 1, 1)]


def _parts(found: Sequence[Curves], shown: int) -> list[tuple[Curves, int]]:
    """Return the streams of the first curves, and how many of each; 0 for one without rows."""
    parts = []
    for one in found:
        part = min(shown, len(one.elements)) if one.pieces else 0
        shown -= part
        if part or not one.pieces:
            parts.append((one, part))
    return parts


def _lines_beside(
    parts: Sequence[tuple[Curves, int]], nothing: Mapping[str, str], columns: int
) -> int:
    """Return the lines that are needed besides those of the curves."""
    lines = max(len(parts) - 1, 0)
    for one, part in parts:
        # a sentence may fill several lines
        told = -(-len(nothing.get(one.path, "")) // columns)
        lines += len(heading(one, columns)) if part else told
    return lines


def draw_curves(curves: Curves, width: int, height: int, style: Style, shown: int) -> list[str]:
    """Draw the first elements of a stream."""
    labels = time_labels(*curves.span)
    lines: list[str] = []
    for index in range(shown):
        lines += ["", *draw_element(curves, index, labels, width, height, style)]
    return lines


def heading(curves: Curves, columns: int | None, more: str = "") -> list[str]:
    """Return path and range of a drawing and more, in one line if there is room in the window."""
    first, last = curves.span
    path = one_line(curves.path)
    lines = [path]
    for part in (f"{show_time(first)} to {show_time(last)}", more):
        if part and (columns is None or len(lines[-1]) + 2 + len(part) <= columns):
            lines[-1] += f"  {part}"
        elif part:
            lines.append(part)
    if columns is None:
        return lines
    # of a long path the end tells more
    return [_render.cut(line, columns, end=number > 0) for number, line in enumerate(lines)]


def fitting(
    count: int, room: Callable[[int], int], height: int | None = None, most: int | None = None
) -> tuple[int, int]:
    """Return how many curves fit into a window, at least one, and the lines of each.

    Parameters
    ----------
    room
        Gives the lines that there are for so many curves.
    height
        What was asked for.
    most
        The height that is enough.
    """
    lines, shown = 1, count
    for shown in range(count, 0, -1):
        lines = room(shown) // shown - _BESIDE
        if lines >= (height or _LEAST):
            break
    lines = height or max(lines, 1)
    return shown, lines if most is None else min(lines, most)


def draw_element(
    curves: Curves, index: int, labels: Sequence[str], width: int, height: int, style: Style
) -> list[str]:
    """Draw one element: a line with its name, `height` lines, and two of the axis."""
    element = curves.elements[index]
    units = f" [{element.units}]" if element.units else ""
    drawn = curve(curves.points(index), curves.span, width, height, style)
    margin = margin_of(drawn, style)
    axis = time_axis(labels, width - margin - 1, style)
    name = _render.cut(one_line(f"{element.name}{units}"), width)
    lines = [name, *drawn, *(" " * margin + line for line in axis)]
    # the labels alone may be wider than a very narrow window
    return [line[:width] for line in lines]


def time_labels(first: int, last: int) -> list[str]:
    """Write five times of the axis, as short as tells them apart."""
    from joule_cli.series.time import format_time

    settings = current()
    form = settings.time
    if form is None:
        spread = last - first
        if spread < _MINUTE_US // 6:
            form = "%H:%M:%S.%f"
        elif spread < _DAY_US:
            form = "%H:%M:%S"
        elif spread < 7 * _DAY_US:
            form = "%m-%d %H:%M"
        else:
            form = "%Y-%m-%d"
    tz = zone(settings)
    return [format_time(first + (last - first) * i // 4, form, tz) for i in range(5)]
