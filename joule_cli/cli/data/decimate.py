"""The stored decimation levels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from joule_cli.cli._lazy import command
from joule_cli.cli._options import STREAM, progress_option, safe_options
from joule_cli.cli._output import emit_ok
from joule_cli.cli._prompt import confirm_or_leave
from joule_cli.cli._references import any_pattern, expand_streams
from joule_cli.cli._run import with_node
from joule_cli.cli._streams import doomed_records, gather_info, show_doomed, watched_by_rows

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from joule_cli.api.node import Node
    from joule_cli.model import DataStream

Ref = str | int


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
    await _each(node, stream, dry_run, ("Decimate", "decimated", "decimating"), node.data_decimate)


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
    words = ("Drop the decimated rows of", "dropped", "dropping")
    await _each(node, stream, dry_run, words, node.data_drop_decimations)


async def _each(
    node: Node,
    references: tuple[Ref, ...],
    dry_run: bool,
    words: tuple[str, str, str],
    action: Callable[[str], Awaitable[None]],
) -> None:
    streams = await expand_streams(node, references)
    if dry_run:
        show_doomed(doomed_records(streams, await gather_info(node, streams)))
        return
    question, done, doing = words
    if any_pattern(references, streams):
        listing = "\n".join(f"  {path}" for path, _ in streams)
        confirm_or_leave(f"{question} {len(streams)} streams?", details=listing, always=True)

    async def one(item: tuple[str, DataStream]) -> None:
        await action(item[0])

    await watched_by_rows(node, streams, one, doing)
    emit_ok(value={done: [path for path, _ in streams]})
