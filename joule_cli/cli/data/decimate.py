"""The stored decimation levels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from joule_cli.cli._deleting import doomed_records, show_doomed, telling
from joule_cli.cli._lazy import command
from joule_cli.cli._options import STREAM, progress_option, safe_options
from joule_cli.cli._output import emit_ok
from joule_cli.cli._prompt import confirm_or_leave
from joule_cli.cli._references import Ref, any_pattern, expand_streams
from joule_cli.cli._run import with_node
from joule_cli.cli._streams import gather_info, one_or_number, watched_by_rows
from joule_cli.series.visible import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from joule_cli.api.node import Node
    from joule_cli.model import DataStream


@command(
    "decimate",
    examples=["joule data decimate /house/mains", "joule data decimate '/house/**' --yes"],
)
@click.argument("stream", type=STREAM, nargs=-1, required=True)
@safe_options
@progress_option
@with_node
async def decimate(node: Node, stream: tuple[Ref, ...], dry_run: bool) -> None:
    """Compute all decimated rows of streams anew."""
    streams = await expand_streams(node, stream, info=dry_run)
    if dry_run:
        show_doomed(doomed_records(streams, await gather_info(node, streams)))
        return
    if any_pattern(stream, streams):
        _ask("Decimate", streams, always=True)

    async def decimate_one(item: tuple[str, DataStream]) -> None:
        await node.data_decimate(item[0])

    await watched_by_rows(node, streams, decimate_one, "decimating")
    emit_ok(value={"decimated": [path for path, _ in streams]})


@command(
    "drop-decimations",
    examples=["joule data drop-decimations /house/mains --dry-run"],
)
@click.argument("stream", type=STREAM, nargs=-1, required=True)
@safe_options
@progress_option
@with_node
async def drop_decimations(node: Node, stream: tuple[Ref, ...], dry_run: bool) -> None:
    """Delete the decimated rows of streams.

    The rows themselves stay, and decimated reads compute what they need from them.
    """
    streams = await expand_streams(node, stream, info=dry_run)
    if dry_run:
        show_doomed(doomed_records(streams, await gather_info(node, streams)))
        return
    _ask("Drop the decimated rows of", streams, always=any_pattern(stream, streams))

    async def drop_one(item: tuple[str, DataStream]) -> None:
        await node.data_drop_decimations(item[0])
        gone.append(item[0])

    def lines(paths: list[str]) -> list[str]:
        return [f"Dropped the decimated rows of {one_line(path)}" for path in paths]

    with telling(lines, lambda paths: {"dropped": paths}) as gone:
        await watched_by_rows(node, streams, drop_one, "dropping")


def _ask(question: str, streams: Sequence[tuple[str, DataStream]], *, always: bool) -> None:
    what = one_or_number(streams, "streams")
    listing = [f"  {path}" for path, _ in streams]
    confirm_or_leave(f"{question} {what}?", details=listing, always=always)
