"""The course of values, drawn with characters or as a picture."""

from __future__ import annotations

import math
import os
import sys
from typing import TYPE_CHECKING, Any

import click

from joule_cli.cli import _render
from joule_cli.cli._lazy import command
from joule_cli.cli._options import DURATION, STREAM, Bounds, time_bounds
from joule_cli.cli._output import (
    Column,
    emit_list,
    emit_objects,
    emit_text,
    output_format,
)
from joule_cli.cli._ranges import no_rows
from joule_cli.cli._references import Ref, expand_streams
from joule_cli.cli._run import is_terminal, with_node
from joule_cli.cli._settings import current
from joule_cli.cli._times import read_duration
from joule_cli.cli.data._curves import Look, read_curves
from joule_cli.cli.data._draw import Style
from joule_cli.cli.data._picture.options import picture_options, refuse
from joule_cli.cli.data._window import draw_all
from joule_cli.series.visible import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from joule_cli.api.node import Node
    from joule_cli.cli.data._curves import Curves
    from joule_cli.cli.data._picture.options import PictureRequest

#: Rows for each dot across: decimation goes in steps of four, and each dot needs one at least.
_ROWS_PER_DOT = 8
#: What --live shows by default.
_LIVE_SPAN_US = 300_000_000


@command(
    "plot",
    examples=[
        "joule data plot /house/mains --last 1d -i volts",
        "joule data plot /house/mains --live --last 10m",
        "joule data plot /house/mains --last 7d --png mains.png --events /house/events",
        "joule data plot '/house/*' --start 2024-03-01 --svg march.svg --size 1600x900",
    ],
)
@click.argument("stream", type=STREAM, nargs=-1, required=True)
@time_bounds
@click.option("-i", "--elements", metavar="LIST", help="Elements: indices, names, ranges.")
@click.option("--scale", is_flag=True, help="Apply offset and scale factor of the elements.")
@click.option(
    "--width", type=click.IntRange(20), metavar="N", help="Columns; by default those there are."
)
@click.option("--height", type=click.IntRange(2), metavar="N", help="Lines of each curve.")
@click.option("--ascii", "ascii_only", is_flag=True, help="Draw with ASCII characters.")
@click.option("-l", "--live", is_flag=True, help="Go on drawing as rows are written.")
@click.option("--duration", type=DURATION, metavar="D", help="End --live after this time.")
@click.option("--reconnect", is_flag=True, help="Let --live try again when the node is away.")
@picture_options
@with_node
async def plot(
    node: Node,
    stream: tuple[Ref, ...],
    bounds: Bounds,
    elements: str | None,
    scale: bool,
    width: int | None,
    height: int | None,
    ascii_only: bool,
    live: bool,
    duration: int | None,
    reconnect: bool,
    picture: PictureRequest | None,
) -> None:
    """Draw the values of streams over time.

    Each element has a curve that reaches from the minimum to the maximum of the rows at a time;
    where the stream has a gap, or values are missing, so has the curve.

    In a terminal it is drawn with characters. With --live it is drawn again as rows come, until
    Ctrl-C: the last D of --last, or everything since --start; by default the last 5 minutes.

    Pictures (--png, --svg) need matplotlib. They show the mean of the rows in the range from the
    minimum to the maximum, and above it annotations and events as spans.
    """
    if not live:
        refuse({"--duration": duration, "--reconnect": reconnect}, "needs --live.")
    if picture is not None:
        from joule_cli.cli.data._picture.files import draw_files

        others = {"--live": live, "--width": width, "--height": height, "--ascii": ascii_only}
        refuse(others, "does not go with a picture.")
        await draw_files(
            node, picture, lambda rows: _read(node, stream, bounds, elements, rows, scale=scale)
        )
        return
    style = Style(ascii_only or not _render.encodes("⣿│└"))
    if live:
        look = Look(elements, scale, style, width, height)
        await _live(node, stream, bounds, look, duration, reconnect=reconnect)
        return
    columns = width or _width()
    form = output_format()
    if len(stream) > 1 and form in {"csv", "tsv", "jsonl"}:
        raise click.UsageError(f"--{form} gives the points of one stream only.")
    max_rows = _ROWS_PER_DOT * 2 * columns
    found = await _read(node, stream, bounds, elements, max_rows, scale=scale)
    if form not in {"table", "plain"}:
        _emit_points(found, form)
        return
    nothing = {
        curves.path: f"{one_line(curves.path)}: " + await no_rows(node, curves.path, *curves.asked)
        for curves in found
        if not curves.pieces
    }
    emit_text("\n".join(draw_all(found, nothing, columns, _render.height(), height, style)))


def _width() -> int:
    width = _render.width()
    return 80 if width == _render.ENDLESS else width


async def _read(
    node: Node,
    references: Sequence[Ref],
    bounds: Bounds,
    elements: str | None,
    max_rows: int,
    *,
    scale: bool,
) -> list[Curves]:
    return [
        await read_curves(
            node,
            path,
            model,
            await bounds.resolve(node, model),
            max_rows,
            elements=elements,
            scale=scale,
        )
        for path, model in await expand_streams(node, references, info=bounds.relative)
    ]


async def _live(
    node: Node,
    references: Sequence[Ref],
    bounds: Bounds,
    look: Look,
    duration: int | None,
    *,
    reconnect: bool,
) -> None:
    if len(references) > 1:
        raise click.UsageError("--live draws one stream only.")
    if bounds.end is not None:
        raise click.UsageError("--live and --end exclude each other.")
    settings = current()
    if (
        settings.format not in {None, "table", "plain"}
        or not is_terminal(sys.stdout)
        or os.environ.get("TERM", "dumb") == "dumb"
    ):
        raise click.UsageError("--live draws on a terminal; joule data read --live gives rows.")
    from joule_cli.cli.data._plot_live import LiveView, watch

    last = click.get_current_context().params["last"]
    span = None if last is None else read_duration(last, "--last")
    if bounds.start is None:
        span = _LIVE_SPAN_US
    streams = await expand_streams(node, references, info=bounds.relative)
    if len(streams) > 1:
        raise click.UsageError("--live draws one stream only.")
    ((path, model),) = streams
    start, _ = await bounds.resolve(node, model)
    if bounds.start is None:
        start = settings.now - _LIVE_SPAN_US
    view = LiveView(path, model, start, span, look)
    seconds = None if duration is None else duration / 1_000_000
    await watch(node, view, duration_s=seconds, reconnect=reconnect)


def _emit_points(found: Sequence[Curves], form: str) -> None:
    if form == "json":
        emit_objects([_document(curves) for curves in found], lambda number: None)
        return
    if len(found) > 1:
        raise click.UsageError(f"--{form} gives the points of one stream only.")
    names = _names(found[0])
    columns = [Column("timestamp", kind="time"), *(Column(name) for name in names)]
    keys = ["timestamp", *names]
    emit_list((dict(zip(keys, row, strict=True)) for row in _rows(found[0])), columns)


def _names(curves: Curves) -> list[str]:
    return [
        f"{element.name}{suffix}" for element in curves.elements for suffix in ("", "_min", "_max")
    ]


def _rows(curves: Curves) -> list[list[Any]]:
    return [
        [time, *(None if math.isnan(value) else value for value in values)]
        for piece in curves.pieces
        for time, values in zip(piece.times.tolist(), piece.values.tolist(), strict=True)
    ]


def _document(curves: Curves) -> dict[str, Any]:
    first, last = curves.span
    rows = _rows(curves)
    return {
        "path": curves.path,
        "decimation_level": curves.level,
        "start": first if rows else None,
        "end": last + 1 if rows else None,
        "intervals": [[int(p.times[0]), int(p.times[-1]) + 1] for p in curves.pieces],
        "columns": ["timestamp", *_names(curves)],
        "data": rows,
    }
