"""Numbers of rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from joule_cli.cli._lazy import command
from joule_cli.cli._options import STREAM, Bounds, progress_option, time_bounds
from joule_cli.cli._output import Column, emit_list, emit_object, emit_text
from joule_cli.cli._progress import working
from joule_cli.cli._references import expand_streams
from joule_cli.cli._run import with_node

if TYPE_CHECKING:
    from joule_cli.api.node import Node

Ref = str | int

_COLUMNS = (Column("path"), Column("rows", kind="number"))


@command(
    "count",
    examples=[
        "joule data count /house/mains --last 1d",
        "joule data count '/house/**' --estimate",
    ],
)
@click.argument("streams", type=STREAM, nargs=-1, required=True, metavar="STREAM...")
@time_bounds
@click.option(
    "--estimate",
    is_flag=True,
    help="Take the number from the size of the stream; in a range as if rows were even.",
)
@progress_option
@with_node
async def count(node: Node, streams: tuple[Ref, ...], bounds: Bounds, estimate: bool) -> None:
    """Count the rows of streams."""
    found = await expand_streams(node, streams)
    records = []
    async with working("counting", len(found), "streams") as bar:
        for path, stream in found:
            start, end = await bounds.resolve(node, path)
            if estimate:
                rows = await _estimate(node, path, start, end)
            else:
                rows = await node.data_count(stream, start, end)
            records.append({"path": path, "rows": rows})
            bar.advance(1)
    if len(records) == 1:
        emit_object(records[0], lambda: emit_text(str(records[0]["rows"])), _COLUMNS)
    else:
        emit_list(records, _COLUMNS)


async def _estimate(node: Node, path: str, start: int | None, end: int | None) -> int:
    info = await node.data_stream_info(path)
    if info.start is None or info.end is None or info.end <= info.start:
        return info.rows
    low = info.start if start is None else max(start, info.start)
    high = info.end if end is None else min(end, info.end)
    return round(info.rows * max(high - low, 0) / (info.end - info.start))
