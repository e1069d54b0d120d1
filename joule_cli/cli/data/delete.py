"""Deleting rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from joule_cli.cli._deleting import telling
from joule_cli.cli._lazy import command
from joule_cli.cli._options import (
    STREAM,
    Bounds,
    progress_option,
    read_bounds,
    safe_options,
    time_bounds,
)
from joule_cli.cli._output import Column, count_text, emit_list
from joule_cli.cli._progress import counted, working
from joule_cli.cli._prompt import confirm_or_leave
from joule_cli.cli._ranges import range_text
from joule_cli.cli._references import Ref, any_pattern, expand_streams
from joule_cli.cli._run import for_each, with_node
from joule_cli.cli._transfer import interval_line, pairs, read_interval_file
from joule_cli.ops.errors import OperationError
from joule_cli.ops.streams import stored_intervals
from joule_cli.series.intervals import Interval, clip, intersection
from joule_cli.series.visible import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from joule_cli.api.node import Node
    from joule_cli.model import DataStream

_COLUMNS = (
    Column("path"),
    Column("start", kind="time"),
    Column("end", kind="time"),
    Column("rows", kind="number"),
)
#: Lines of a question before it only counts the rest.
_LISTED = 20


@dataclass(frozen=True, slots=True)
class _Doomed:
    """What would go from one stream: its rows in `ranges`."""

    path: str
    ranges: list[tuple[int | None, int | None]]
    #: with rows, and how many
    pieces: list[tuple[Interval, int]]

    @property
    def rows(self) -> int:
        return sum(rows for _, rows in self.pieces)

    def records(self) -> list[dict[str, Any]]:
        return [
            {"path": self.path, "start": piece.start, "end": piece.end, "rows": rows}
            for piece, rows in self.pieces
        ]

    def sentence(self) -> str:
        path = one_line(self.path)
        if not self.pieces:
            return f"Nothing to delete in {path}"
        span = range_text(self.pieces[0][0].start, self.pieces[-1][0].end)
        return f"Deleted {count_text(self.rows, 'row')} of {path}{span}"

    def to_json(self) -> dict[str, Any]:
        intervals = pairs([piece for piece, _ in self.pieces])
        return {"path": self.path, "rows": self.rows, "intervals": intervals}


@command(
    "delete",
    examples=[
        "joule data delete /house/mains --before 'now-1y' --dry-run",
        "joule data delete /house/mains -s 2024-03-01 -e 2024-03-02",
        "joule data delete '/tmp/*' --all --yes",
    ],
)
@click.argument("stream", type=STREAM, nargs=-1, required=True)
@time_bounds
@click.option("--before", metavar="T", help="Delete what is older; the same as --end alone.")
@click.option("--all", "everything", is_flag=True, help="Delete all rows.")
@click.option(
    "--intervals", metavar="FILE", help="Delete only inside these (data intervals --csv)."
)
@safe_options
@progress_option
@with_node
async def delete(
    node: Node,
    stream: tuple[Ref, ...],
    bounds: Bounds,
    before: str | None,
    everything: bool,
    intervals: str | None,
    dry_run: bool,
) -> None:
    """Delete rows of streams; the streams stay.

    Needs --all, a bound or --intervals. A range with one bound reaches to the end of the stream.
    """
    if before is not None:
        if bounds.given:
            raise click.UsageError("--before excludes --start, --end and --last.")
        bounds = read_bounds(None, before)
    if everything and (bounds.given or intervals is not None):
        raise OperationError("--all cannot be combined with a range of time")
    if not everything and not bounds.given and intervals is None:
        raise OperationError("nothing says which rows", hint="Give --all, a bound or --intervals.")
    wanted = read_interval_file(intervals)
    streams = await expand_streams(node, stream, info=bounds.relative)
    doomed = [await _find(node, path, model, bounds, wanted) for path, model in streams]
    if dry_run:
        emit_list((record for each in doomed for record in each.records()), _COLUMNS)
        return
    pattern = any_pattern(stream, streams)
    if pattern or any(each.pieces for each in doomed):
        _ask(doomed, always=pattern, stdin_is_data=intervals == "-")

    async def delete_one(each: _Doomed) -> None:
        for start, end in each.ranges:
            await node.data_delete(each.path, start, end)
        gone.append(each)

    with telling(_lines, lambda gone: {"deleted": [each.to_json() for each in gone]}) as gone:
        async with working("deleting", sum(each.rows for each in doomed)) as bar:
            await for_each(doomed, counted(bar, delete_one, lambda each: each.rows))


async def _find(
    node: Node, path: str, model: DataStream, bounds: Bounds, wanted: Sequence[Interval] | None
) -> _Doomed:
    start, end = await bounds.resolve(node, model)
    stored = await stored_intervals(node, model, start, end)
    ranges: list[tuple[int | None, int | None]] = [(start, end)]
    if wanted is not None:
        inside = clip(wanted, start, end)
        stored = intersection(stored, inside)
        ranges = list(inside)
    pieces = []
    for piece in stored:
        rows = await node.data_count(path, piece.start, piece.end)
        if rows:
            pieces.append((piece, rows))
    return _Doomed(path, ranges, pieces)


def _lines(gone: Sequence[_Doomed]) -> list[str]:
    """Return what went, for people."""
    lines = [each.sentence() for each in gone[:_LISTED]]
    if len(gone) > _LISTED:
        lines.append(f"and of {len(gone) - _LISTED:,} more streams")
    if len(gone) > 1:
        rows = sum(each.rows for each in gone)
        lines.append(f"{count_text(rows, 'row')} of {len(gone)} streams")
    return lines


def _ask(doomed: Sequence[_Doomed], *, always: bool, stdin_is_data: bool) -> None:
    lines = []
    for each in doomed:
        lines.append(f"  {each.path}  {count_text(each.rows, 'row')}")
        if len(doomed) == 1:
            lines += [
                f"    {interval_line(piece)}  {count_text(rows, 'row')}"
                for piece, rows in each.pieces
            ]
    if len(lines) > _LISTED:
        lines[_LISTED:] = [f"  and {len(lines) - _LISTED} more"]
    rows = sum(each.rows for each in doomed)
    where = doomed[0].path if len(doomed) == 1 else f"{len(doomed)} streams"
    confirm_or_leave(
        f"Delete {count_text(rows, 'row')} of {where}?",
        details=lines,
        always=always,
        stdin_is_data=stdin_is_data,
    )
