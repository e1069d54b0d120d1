"""Breaking intervals."""

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
    count_text,
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

if TYPE_CHECKING:
    from typing import Any

    from joule_cli.api.node import Node
    from joule_cli.model import DataStream

_DONE = [Column(key) for key in ("path", "split")]


@command(
    "split",
    examples=[
        "joule data split /house/mains --max-gap 5s --dry-run",
        "joule data split '/house/**' --max-gap 1h --yes",
    ],
)
@click.argument("stream", type=STREAM, nargs=-1, required=True)
@time_bounds
@click.option(
    "-m",
    "--max-gap",
    type=DurationType(1),
    required=True,
    metavar="D",
    help="Break where rows are further apart; a plain number counts us.",
)
@safe_options
@progress_option
@with_node
async def split(
    node: Node, stream: tuple[Ref, ...], bounds: Bounds, max_gap: int, dry_run: bool
) -> None:
    """Break intervals where rows are far apart.

    No rows are added or removed, and joule data consolidate joins intervals again. A dry run lists
    the gaps that would become breaks.
    """
    streams = await expand_streams(node, stream, info=bounds.relative)
    if dry_run:
        records = []
        for path, model in streams:
            limits = await bounds.resolve(node, model)
            records += gap_records(
                path, await node.data_split(path, max_gap, *limits, dry_run=True)
            )
        emit_list(records, GAP_COLUMNS)
        return
    if any_pattern(stream, streams):
        listing = "\n".join(f"  {path}" for path, _ in streams)
        confirm_or_leave(f"Split {len(streams)} streams?", details=listing, always=True)
    done: list[dict[str, Any]] = []

    async def split_one(item: tuple[str, DataStream]) -> None:
        path, model = item
        gaps = await node.data_split(path, max_gap, *await bounds.resolve(node, model))
        done.append({"path": path, "split": len(gaps)})

    try:
        await watched_by_rows(node, streams, split_one, "splitting")
    finally:
        if output_format() not in {"table", "plain"}:
            emit_done(done, _DONE, several=len(streams) > 1)
        elif not current().quiet:
            for each in done:
                before = f"{each['path']}: " if len(streams) > 1 else ""
                gaps = count_text(each["split"], "gap")
                emit_text(f"{before}Split at {gaps}" if each["split"] else f"{before}No long gaps")
