"""Where streams have rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from joule_cli.cli._lazy import command
from joule_cli.cli._options import DURATION, STREAM, Bounds, time_bounds
from joule_cli.cli._output import (
    Column,
    data_time,
    emit_list,
    emit_text,
    limited,
    output_format,
    write_utf8,
)
from joule_cli.cli._references import Ref, expand_streams
from joule_cli.cli._run import with_node
from joule_cli.cli._settings import current
from joule_cli.cli._transfer import interval_line
from joule_cli.ops.streams import stored_intervals
from joule_cli.series.intervals import Interval, clip, difference, intersection

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from joule_cli.api.node import Node

_Found = list[tuple[str, list[Interval]]]


@command(
    "intervals",
    examples=[
        "joule data intervals /house/mains --last 1d",
        "joule data intervals '/house/**' --timeline",
        "joule data intervals /house/mains --gaps --min-gap 5m --durations",
        "joule data intervals /house/mains --diff /archive/mains --csv > missing.csv",
    ],
)
@click.argument("stream", type=STREAM, nargs=-1, required=True)
@time_bounds
@click.option("--gaps", is_flag=True, help="List the time without rows instead.")
@click.option("--min-gap", type=DURATION, metavar="D", help="Disregard gaps up to this long.")
@click.option("--diff", type=STREAM, metavar="STREAM", help="Only what this stream lacks.")
@click.option("--common", type=STREAM, metavar="STREAM", help="Only what this stream has too.")
@click.option("--durations", is_flag=True, help="Show how long each is.")
@click.option("--timeline", is_flag=True, help="Draw where there are rows.")
@with_node
async def intervals(
    node: Node,
    stream: tuple[Ref, ...],
    bounds: Bounds,
    gaps: bool,
    min_gap: int | None,
    diff: Ref | None,
    common: Ref | None,
    durations: bool,
    timeline: bool,
) -> None:
    """List the intervals of streams.

    Gaps lie between intervals and, where a bound is given, between it and them.
    """
    found: _Found = []
    for path, model in await expand_streams(node, stream, info=bounds.relative):
        start, end = await bounds.resolve(node, model)
        # bounds inside an interval are no gap, though they lie between two rows
        parts = (
            clip(await stored_intervals(node, model), start, end)
            if gaps
            else await stored_intervals(node, model, start, end)
        )
        if diff is not None:
            parts = difference(parts, await stored_intervals(node, diff))
        if common is not None:
            parts = intersection(parts, await stored_intervals(node, common))
        if min_gap is not None:
            parts = _bridged(parts, min_gap)
        if gaps:
            parts = _gaps(parts, start, end, min_gap or 0)
        found.append((path, parts))
    _emit(found, gaps=gaps, durations=durations, timeline=timeline)


def _bridged(parts: Iterable[Interval], longest: int) -> list[Interval]:
    """Join neighbours that are at most `longest` apart."""
    joined: list[Interval] = []
    for part in parts:
        if joined and part.start - joined[-1].end <= longest:
            joined[-1] = Interval(joined[-1].start, part.end)
        else:
            joined.append(part)
    return joined


def _gaps(
    parts: Sequence[Interval], start: int | None, end: int | None, longest_ignored: int
) -> list[Interval]:
    if start is None:
        start = parts[0].start if parts else None
    if end is None:
        end = parts[-1].end if parts else None
    if start is None or end is None or start >= end:
        return []
    left = difference([Interval(start, end)], parts)
    return [gap for gap in left if gap.end - gap.start > longest_ignored]


def _emit(found: _Found, *, gaps: bool, durations: bool, timeline: bool) -> None:
    settings = current()
    form = output_format()
    several = len(found) > 1
    if form == "json" and settings.columns is None:
        write_utf8(_document(found, durations) + "\n")
    elif form not in {"table", "plain"} or settings.columns is not None:
        columns = [
            Column("path", shown=several),
            Column("start", kind="time"),
            Column("end", kind="time"),
            Column("duration_us", "duration", kind="number", shown=durations),
        ]
        emit_list(_records(found, several, durations), columns)
    elif timeline:
        from joule_cli.cli.data._timeline import draw

        draw(found, gaps=gaps)
    else:
        _lines(found, gaps=gaps, durations=durations)


def _records(found: _Found, several: bool, durations: bool) -> Iterator[dict[str, Any]]:
    chosen = current().columns or ()
    for path, parts in found:
        for start, end in parts:
            record: dict[str, Any] = {"start": start, "end": end}
            if several or "path" in chosen:
                record = {"path": path, **record}
            if durations or "duration_us" in chosen:
                record["duration_us"] = end - start
            yield record


def _document(found: _Found, durations: bool) -> str:
    """Return ``[[start, end], ...]``; of several streams, an array of objects with these."""
    import json

    settings = current()

    def entry(part: Interval) -> Any:
        start, end = (data_time(t, settings) for t in part)
        if durations:
            return {"start": start, "end": end, "duration_us": part.end - part.start}
        return [start, end]

    value: Any
    if len(found) == 1:
        value = [entry(part) for part in limited(found[0][1])]
    else:
        value = [
            {"path": path, "intervals": [entry(part) for part in limited(parts)]}
            for path, parts in found
        ]
    return json.dumps(value, ensure_ascii=False)


def _lines(found: _Found, *, gaps: bool, durations: bool) -> None:
    from joule_cli.series.time import format_duration
    from joule_cli.series.visible import one_line

    what = "gaps" if gaps else "intervals"
    for path, parts in found:
        before = f"{one_line(path)}  " if len(found) > 1 else ""
        if not parts:
            emit_text(f"{before}No {what}.")
        for part in limited(parts):
            after = f"  {format_duration(part.end - part.start)}" if durations else ""
            emit_text(f"{before}{interval_line(part)}{after}")
        if durations and len(parts) > 1:
            total = sum(end - start for start, end in parts)
            emit_text(f"{before}{len(parts):,} {what}, {format_duration(total)}")
