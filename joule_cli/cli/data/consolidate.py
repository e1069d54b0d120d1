"""Joining intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from joule_cli.cli._lazy import command
from joule_cli.cli._options import (
    STREAM,
    Bounds,
    DurationType,
    progress_option,
    safe_options,
    time_bounds,
)
from joule_cli.cli._output import (
    Column,
    emit_done,
    emit_list,
    emit_text,
    output_format,
)
from joule_cli.cli._prompt import confirm_or_leave
from joule_cli.cli._references import Ref, any_pattern, expand_streams
from joule_cli.cli._run import with_node
from joule_cli.cli._settings import current
from joule_cli.cli._streams import watched_by_rows
from joule_cli.cli.data._gaps import GAP_COLUMNS, gap_records
from joule_cli.series.intervals import gaps
from joule_cli.series.visible import one_line

if TYPE_CHECKING:
    from typing import Any

    from joule_cli.api.node import Node
    from joule_cli.model import DataStream

_DONE = [Column(key) for key in ("path", "consolidated", "redecimated")]


@command(
    "consolidate",
    examples=[
        "joule data consolidate /house/mains --max-gap 5s --dry-run",
        "joule data consolidate '/house/**' --max-gap 5s --redecimate --yes",
    ],
)
@click.argument("stream", type=STREAM, nargs=-1, required=True)
@time_bounds
@click.option(
    "-m",
    "--max-gap",
    type=DurationType(1),
    default="2s",
    show_default=True,
    metavar="D",
    help="Join intervals at most this far apart; a plain number counts us.",
)
@click.option("--redecimate", is_flag=True, help="Also compute the decimated rows anew.")
@safe_options
@progress_option
@with_node
async def consolidate(
    node: Node,
    stream: tuple[Ref, ...],
    bounds: Bounds,
    max_gap: int,
    redecimate: bool,
    dry_run: bool,
) -> None:
    """Join intervals that are only a short gap apart.

    No rows are added or removed. A dry run lists the gaps.
    """
    streams = await expand_streams(node, stream, info=bounds.relative)
    if dry_run:
        emit_list(await _find_gaps(node, streams, bounds, max_gap), GAP_COLUMNS)
        return
    if any_pattern(stream, streams):
        listing = [f"  {path}" for path, _ in streams]
        question = f"Consolidate {len(streams)} streams?"
        confirm_or_leave(question, details=listing, always=True)
    records: list[dict[str, Any]] = []

    async def join_one(item: tuple[str, DataStream]) -> None:
        path, model = item
        joined = await node.data_consolidate(path, max_gap, *await bounds.resolve(node, model))
        if redecimate:
            await node.data_decimate(path)
        records.append({"path": path, "consolidated": joined, "redecimated": redecimate})

    try:
        await watched_by_rows(node, streams, join_one, "consolidating")
    finally:
        if output_format() not in {"table", "plain"}:
            emit_done(records, _DONE, several=len(streams) > 1)
        elif not current().quiet:
            for each in records:
                _tell(each["path"] if len(streams) > 1 else None, each["consolidated"], redecimate)


def _tell(path: str | None, joined: int, redecimate: bool) -> None:
    before = f"{one_line(path)}: " if path else ""
    what = f"Consolidated {joined:,} intervals" if joined else "No intervals to consolidate"
    emit_text(f"{before}{what}")
    if redecimate:
        emit_text(f"{before}Computed all decimated rows anew")


async def _find_gaps(
    node: Node, streams: list[tuple[str, DataStream]], bounds: Bounds, max_gap: int
) -> list[dict[str, Any]]:
    records = []
    for path, model in streams:
        stored = await node.data_intervals(path, *await bounds.resolve(node, model))
        records += gap_records(
            path, (gap for gap in gaps(stored, -1) if gap[1] - gap[0] <= max_gap)
        )
    return records
