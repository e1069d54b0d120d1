"""The course of values, drawn with characters."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from joule_cli.cli import _render
from joule_cli.cli._lazy import command
from joule_cli.cli._options import STREAM, Bounds, find_stream, time_bounds
from joule_cli.cli._output import (
    Column,
    emit_list,
    emit_object,
    emit_text,
    output_format,
    show_time,
)
from joule_cli.cli._run import is_terminal, with_node
from joule_cli.cli._settings import current
from joule_cli.cli._times import zone
from joule_cli.cli.data._draw import Style, curve, margin_of, time_axis
from joule_cli.cli.data._input import path_of

if TYPE_CHECKING:
    from joule_cli.api.node import Node
    from joule_cli.cli.data._draw import Point
    from joule_cli.model import Element

Ref = str | int

#: Lines of all curves together, if there is no --height, and the limits of one.
_LINES, _LOWEST, _HIGHEST = 48, 6, 16
#: Rows for each dot across: decimation goes in steps of four, and each dot needs one at least.
_ROWS_PER_DOT = 8
_MINUTE_US, _DAY_US = 60_000_000, 86_400_000_000


@dataclass(slots=True)
class _Curves:
    """What is drawn.

    Parameters
    ----------
    intervals
        Blocks of rows: the time, then mean, minimum and maximum of each element.
    """

    path: str
    elements: list[Element]
    level: int
    intervals: list[list[list[Any]]]
    span: tuple[int, int]

    def points(self, index: int) -> list[list[Point]]:
        """Return the curve of one element."""
        at = 1 + 3 * index
        return [
            [(row[0], row[at], row[at + 1], row[at + 2]) for row in rows] for rows in self.intervals
        ]


@command(
    "plot",
    examples=[
        "joule data plot /house/mains --last 1d -i volts",
        "joule data plot /house/mains --ascii --width 100 --height 20",
    ],
)
@click.argument("stream", type=STREAM)
@time_bounds
@click.option("-i", "--elements", metavar="LIST", help="Elements: indices, names, ranges.")
@click.option(
    "--width", type=click.IntRange(20), metavar="N", help="Columns; by default those there are."
)
@click.option("--height", type=click.IntRange(2), metavar="N", help="Lines of each curve.")
@click.option("--ascii", "ascii_only", is_flag=True, help="Draw with ASCII characters.")
@with_node
async def plot(
    node: Node,
    stream: Ref,
    bounds: Bounds,
    elements: str | None,
    width: int | None,
    height: int | None,
    ascii_only: bool,
) -> None:
    """Draw the values of a stream over time.

    Each element has a curve that reaches from the minimum to the maximum of the rows at a time;
    where the stream has a gap, so has the curve.
    """
    columns = width or _width()
    start, end = await bounds.resolve(node, stream)
    found = await _read(node, stream, start, end, elements, _ROWS_PER_DOT * 2 * columns)
    if output_format() not in {"table", "plain"}:
        _emit_points(found)
    elif found.intervals:
        _draw(found, columns, height, Style(ascii_only or not _render.encodes("⣿│└")))
    else:
        emit_text(f"No rows in {found.path}")


def _width() -> int:
    text = os.environ.get("COLUMNS", "")
    if text.isdecimal() and int(text) >= 20:
        return int(text)
    if is_terminal(sys.stdout):
        return max(os.get_terminal_size(sys.stdout.fileno()).columns, 20)
    return 80


async def _read(
    node: Node, stream: Ref, start: int | None, end: int | None, elements: str | None, rows: int
) -> _Curves:
    from joule_cli.ops.select import parse_elements

    model = await find_stream(node, stream)
    count = len(model.elements)
    chosen = list(range(count)) if elements is None else parse_elements(elements, model.elements)
    intervals: list[list[list[Any]]] = []
    fresh = True
    pipe = await node.data_read(stream, start, end, rows)
    async with pipe:
        # decimated rows have all means, then all minima, then all maxima
        step = count if pipe.decimated else 0
        order = [kind * step + i for i in chosen for kind in range(3)]
        async for block, ended in pipe.blocks():
            if len(block):
                if fresh:
                    intervals.append([])
                values = block["data"][:, order].tolist()
                times = block["timestamp"].tolist()
                intervals[-1] += ([t, *row] for t, row in zip(times, values, strict=True))
                fresh = False
            fresh = fresh or ended
    first = intervals[0][0][0] if intervals else 0
    last = intervals[-1][-1][0] if intervals else 0
    if pipe.decimated:
        # a decimated row stands at the mean of its times
        info = await node.data_stream_info(stream)
        first = first if info.start is None else info.start
        last = last if info.end is None else info.end
    return _Curves(
        path=await path_of(node, stream),
        elements=[model.elements[i] for i in chosen],
        level=pipe.decimation_level,
        intervals=intervals,
        span=(first if start is None else start, last if end is None else end - 1),
    )


def _draw(found: _Curves, width: int, height: int | None, style: Style) -> None:
    count = len(found.elements)
    lines = height or min(max(_LINES // count, _LOWEST), _HIGHEST)
    first, last = found.span
    out = [f"{_render.one_line(found.path)}  {show_time(first)} to {show_time(last)}"]
    for index, element in enumerate(found.elements):
        units = f" [{element.units}]" if element.units else ""
        drawn = curve(found.points(index), found.span, width, lines, style)
        margin = margin_of(drawn, style)
        axis = time_axis(_time_labels(first, last), width - margin - 1, style)
        out += ["", _render.one_line(f"{element.name}{units}"), *drawn]
        out += [" " * margin + line for line in axis]
    emit_text("\n".join(out))


def _time_labels(first: int, last: int) -> list[str]:
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


def _emit_points(found: _Curves) -> None:
    names = [
        f"{element.name}{suffix}" for element in found.elements for suffix in ("", "_min", "_max")
    ]
    rows = [row for interval in found.intervals for row in interval]
    if output_format() != "json":
        columns = [Column("timestamp", kind="time"), *(Column(name) for name in names)]
        emit_list((dict(zip(["timestamp", *names], row, strict=True)) for row in rows), columns)
        return
    first, last = found.span
    emit_object(
        {
            "path": found.path,
            "decimation_level": found.level,
            "start": first if rows else None,
            "end": last + 1 if rows else None,
            "intervals": [[part[0][0], part[-1][0] + 1] for part in found.intervals],
            "columns": ["timestamp", *names],
            "data": rows,
        }
    )
