"""What the commands on folders, streams and annotations show about a stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from joule_cli.cli._output import emit_ok, show_bytes
from joule_cli.cli._progress import counted, working
from joule_cli.cli._prompt import confirm_or_leave
from joule_cli.cli._references import stream_info
from joule_cli.cli._run import for_each
from joule_cli.model.data_stream import KEEP_NONE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from joule_cli.api.node import Node
    from joule_cli.model import DataStream, DataStreamInfo, EventStream

    NamedStream = tuple[str, DataStream]
    NamedEvents = tuple[str, EventStream]


def status(stream: DataStream) -> str:
    """Return ``active``, ``configured`` or ``idle``."""
    if stream.active:
        return "active"
    return "configured" if stream.locked or stream.is_configured else "idle"


def keep_text(keep_us: int) -> str:
    """Return how long rows are kept, for people."""
    from joule_cli.series.time import format_duration

    if keep_us == KEEP_NONE:
        return "no data"
    return "all data" if keep_us < 0 else format_duration(keep_us)


async def gather_info(node: Node, streams: Sequence[NamedStream]) -> list[DataStreamInfo]:
    """Ask for the info of several streams at once."""
    import asyncio

    return await asyncio.gather(*(stream_info(node, stream) for _, stream in streams))


async def watched_by_rows(
    node: Node,
    streams: Sequence[NamedStream],
    action: Callable[[NamedStream], Awaitable[None]],
    label: str,
) -> None:
    """Do something to streams that takes as long as they have rows, and show how far it got."""
    async with working(label) as bar:
        rows: dict[str, int] = {}
        if bar.visible:
            infos = await gather_info(node, streams)
            rows = {path: info.rows for (path, _), info in zip(streams, infos, strict=True)}
            bar.total = sum(rows.values())
        await for_each(streams, counted(bar, action, lambda item: rows.get(item[0], 0)))


def stream_record(path: str, stream: DataStream, info: DataStreamInfo | None) -> dict[str, Any]:
    """Return the model of a stream with its path, its status, and what it holds."""
    record = {"path": path, **stream.to_json(), "status": status(stream)}
    if info is not None:
        record.update(info.to_json())
    return record


def one_or_number(streams: Sequence[tuple[str, Any]], kind: str) -> str:
    """Name the only stream, or tell how many there are of a kind, in the plural."""
    return streams[0][0] if len(streams) == 1 else f"{len(streams)} {kind}"


def ask_to_move(streams: Sequence[tuple[str, Any]], kind: str, destination: str | int) -> None:
    """Ask before moving all that a pattern matches; the question names every stream."""
    listing = [f"  {path}" for path, _ in streams]
    question = f"Move {len(streams)} {kind} to {destination}?"
    confirm_or_leave(question, details=listing, always=True)


async def move_each(
    streams: Sequence[tuple[str, Any]],
    move: Callable[[str, str | int], Awaitable[None]],
    destination: str | int,
) -> None:
    """Move streams into a folder and tell which."""

    async def move_one(item: tuple[str, Any]) -> None:
        await move(item[0], destination)

    await for_each(streams, move_one)
    emit_ok(value={"moved": [path for path, _ in streams], "destination": destination})


def size_text(info: DataStreamInfo) -> str:
    """Return rows and size on disk, for people."""
    size = show_bytes(info.bytes)
    return f"{info.rows:,} ({size})" if info.bytes else f"{info.rows:,}"
