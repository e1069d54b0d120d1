"""Numbers of events."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from joule_cli.cli import _render
from joule_cli.cli._lazy import command
from joule_cli.cli._options import DURATION, STREAM, Bounds, progress_option, time_bounds
from joule_cli.cli._output import (
    Column,
    emit_list,
    emit_object,
    emit_text,
    output_format,
    show_time,
)
from joule_cli.cli._progress import working
from joule_cli.cli._references import Ref, expand_event_streams
from joule_cli.cli._run import with_node
from joule_cli.cli.event._options import Chosen, filter_options, ongoing_option, resolve_window
from joule_cli.ops.streams import FoundEvents

if TYPE_CHECKING:
    from joule_cli.api.node import Node
    from joule_cli.model import EventBucket

_COLUMNS = (Column("path"), Column("count", kind="number"))
_BUCKET_COLUMNS = (
    Column("start", kind="time"),
    Column("end", kind="time"),
    Column("count", kind="number"),
)
#: Cells of the longest bar, and those for which the end of the spans is left out.
_BAR, _LEAST_BAR = 40, 12
#: Columns where there is no terminal.
_PIPE = 80
_EIGHTHS = " ▏▎▍▌▋▊▉█"


@command(
    "count",
    examples=[
        "joule event count /house/events --last 1d --where 'power > 100'",
        "joule event count /house/events --histogram --width 1h --last 1w",
    ],
)
@click.argument("streams", type=STREAM, nargs=-1, required=True, metavar="STREAM...")
@time_bounds
@filter_options
@ongoing_option
@click.option(
    "--histogram",
    is_flag=True,
    help="Count the events that begin in each span of time instead, in about 100 spans.",
)
@click.option(
    "--width",
    type=DURATION,
    metavar="D",
    help="Span of the histogram, as in 1h; days begin at midnight UTC, weeks on Monday.",
)
@progress_option
@click.pass_context
def count(
    ctx: click.Context,
    streams: tuple[Ref, ...],
    bounds: Bounds,
    chosen: Chosen,
    ongoing: bool,
    histogram: bool,
    width: int | None,
) -> None:
    """Count the events of streams."""
    if not histogram:
        if width is not None:
            raise click.UsageError("--width needs --histogram.")
        _count(streams, bounds, chosen, ongoing)
        return
    if ctx.get_parameter_source("ongoing") is not ParameterSource.DEFAULT:
        raise click.UsageError("A histogram counts by the start of events, without --ongoing.")
    if len(streams) > 1:
        raise click.UsageError("A histogram is of one stream.")
    _histogram(streams, bounds, chosen, width)


@with_node
async def _count(
    node: Node, references: tuple[Ref, ...], bounds: Bounds, chosen: Chosen, ongoing: bool
) -> None:
    records = []
    found = await expand_event_streams(node, references, info=bounds.relative)
    filters = chosen.json_filter()
    async with working("counting", len(found), "streams") as bar:
        for path, stream in found:
            start, end = await resolve_window(FoundEvents(node, path, stream), bounds)
            number = await node.event_stream_count(stream, start, end, filters, ongoing)
            records.append({"path": path, "count": number})
            bar.advance(1)
    if len(records) == 1:
        emit_object(records[0], lambda: emit_text(str(records[0]["count"])), _COLUMNS)
    else:
        emit_list(records, _COLUMNS)


@with_node
async def _histogram(
    node: Node, references: tuple[Ref, ...], bounds: Bounds, chosen: Chosen, width: int | None
) -> None:
    found = await expand_event_streams(node, references, info=bounds.relative)
    if len(found) > 1:
        raise click.UsageError(f"A histogram is of one stream; {len(found)} match.")
    path, stream = found[0]
    start, end = await resolve_window(FoundEvents(node, path, stream), bounds)
    # the last instant of a histogram belongs to it
    last = None if end is None else end - 1
    filters = chosen.json_filter()
    async with working("counting", unit="streams"):
        buckets = await node.event_stream_histogram(stream, start, last, filters, width)
    if output_format() not in {"table", "plain"}:
        emit_list((bucket.to_json() for bucket in buckets), _BUCKET_COLUMNS)
        return
    columns, cells = _fitting(buckets)
    rows = zip(buckets, _bars(buckets, cells), strict=True)
    records = ({**bucket.to_json(), "bar": bar} for bucket, bar in rows)
    emit_list(records, [*columns, Column("bar", " ", shown=cells > 0)])


def _fitting(buckets: list[EventBucket]) -> tuple[list[Column], int]:
    """Return the columns beside the bars, and the cells that are left for the longest bar.

    The end, which is the start of the next line, goes first.
    """
    room = _render.width()
    if room == _render.ENDLESS:
        room = _PIPE
    between = _render.BLANKS if output_format() == "plain" else _render.LINE
    starts = [len(show_time(bucket.start) or "") for bucket in buckets]
    ends = [len(show_time(bucket.end) or "") for bucket in buckets]
    counts = [len(str(bucket.count)) for bucket in buckets]
    start, end = (max([*lengths, len("start")]) for lengths in (starts, ends))
    left = room - start - max([*counts, len("count")]) - 3 * between - 1
    with_end = left - end - between >= _LEAST_BAR
    if with_end:
        left -= end + between
    columns = [replace(c, shown=c.key != "end" or with_end) for c in _BUCKET_COLUMNS]
    return columns, min(max(left, 0), _BAR)


def _bars(buckets: list[EventBucket], cells: int) -> list[str]:
    most = max((bucket.count for bucket in buckets), default=0) or 1
    # what is there at all is seen, and nothing is a blank, not the dash of a missing value
    if not _render.encodes(_EIGHTHS):
        return ["#" * -(-bucket.count * cells // most) or " " for bucket in buckets]
    bars = []
    for bucket in buckets:
        whole, eighth = divmod(-(-bucket.count * cells * 8 // most), 8)
        bars.append((_EIGHTHS[8] * whole + _EIGHTHS[eighth]).rstrip() or " ")
    return bars
