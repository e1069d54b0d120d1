"""Numbers of rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from joule_cli.cli._lazy import command
from joule_cli.cli._options import STREAM, Bounds, progress_option, time_bounds
from joule_cli.cli._output import Column, emit_list, emit_object, emit_text
from joule_cli.cli._progress import working
from joule_cli.cli._references import Ref, expand_streams, stream_info
from joule_cli.cli._run import with_node
from joule_cli.ops.streams import estimated_rows

if TYPE_CHECKING:
    from joule_cli.api.node import Node

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
    found = await expand_streams(node, streams, info=bounds.relative or estimate)
    records = []
    async with working("counting", len(found), "streams") as bar:
        for path, stream in found:
            start, end = await bounds.resolve(node, stream)
            if estimate:
                rows = estimated_rows(await stream_info(node, stream), start, end)
            else:
                rows = await node.data_count(stream, start, end)
            records.append({"path": path, "rows": rows})
            bar.advance(1)
    if len(records) == 1:
        emit_object(records[0], lambda: emit_text(str(records[0]["rows"])), _COLUMNS)
    else:
        emit_list(records, _COLUMNS)
