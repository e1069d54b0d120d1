"""What the commands on folders, streams and annotations show about a stream."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from joule_cli.cli import _render
from joule_cli.cli._output import Column, emit_list, emit_ok, show_bytes, show_time
from joule_cli.cli._progress import counted, working
from joule_cli.cli._prompt import confirm_or_leave
from joule_cli.cli._run import for_each
from joule_cli.model.data_stream import KEEP_NONE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from joule_cli.api.node import Node
    from joule_cli.model import DataStream, DataStreamInfo, EventStream

    NamedStream = tuple[str, DataStream]
    NamedEvents = tuple[str, EventStream]

#: Columns for lists of things about to be deleted.
DOOMED = (
    Column("kind"),
    Column("path"),
    Column("rows", kind="number"),
    Column("start", kind="time"),
    Column("end", kind="time"),
    Column("events", kind="number"),
)
#: Lines of a question before it only counts the rest.
_LISTED = 20


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

    return await asyncio.gather(*(node.data_stream_info(path) for path, _ in streams))


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


def doomed_records(
    streams: Sequence[NamedStream], infos: Sequence[DataStreamInfo]
) -> list[dict[str, Any]]:
    """Return one record per stream for the `DOOMED` columns."""
    return [
        {"kind": "stream", "path": path, "id": stream.id, **info.to_json()}
        for (path, stream), info in zip(streams, infos, strict=True)
    ]


async def gather_doomed(
    node: Node, streams: Sequence[NamedStream], events: Sequence[NamedEvents] = ()
) -> list[dict[str, Any]]:
    """Return one record per data stream and event stream for the `DOOMED` columns."""
    from joule_cli.cli.event import _streams as event_streams

    return [
        *doomed_records(streams, await gather_info(node, streams)),
        *event_streams.doomed_records(events, await event_streams.gather_info(node, events)),
    ]


def number_held(records: Sequence[dict[str, Any]]) -> int:
    """Return how many rows and events are in `records`."""
    return sum((each.get("rows") or 0) + (each.get("events") or 0) for each in records)


def contents_text(records: Sequence[dict[str, Any]]) -> str:
    """Return how many streams, rows and events are in `records`, for a question."""
    kinds = Counter(record["kind"] for record in records)
    rows = sum(record.get("rows") or 0 for record in records)
    text = f"{kinds['stream']} streams and {rows:,} rows"
    if kinds["event_stream"]:
        events = sum(record.get("events") or 0 for record in records)
        text += f", {kinds['event_stream']} event streams and {events:,} events"
    return text


def show_doomed(records: Sequence[dict[str, Any]]) -> None:
    """Print what a dry run would delete."""
    emit_list(records, DOOMED)


def doomed_lines(records: Sequence[dict[str, Any]]) -> str:
    """Return a line per thing that goes, with its range and size, for a question."""
    lines = []
    for record in records[:_LISTED]:
        line = f"  {_render.one_line(record['path'])}"
        if record.get("rows") is not None:
            line += f"  {record['rows']:,} rows"
        if record.get("events") is not None:
            line += f"  {record['events']:,} events"
        if record.get("start") is not None:
            line += f", {show_time(record['start'])} to {show_time(record['end'])}"
        lines.append(line)
    if len(records) > _LISTED:
        lines.append(f"  and {len(records) - _LISTED} more")
    return "\n".join(lines)


def ask_to_delete(records: Sequence[dict[str, Any]], what: str, *, always: bool) -> None:
    """Ask before deleting; the question names every stream with its range and size."""
    confirm_or_leave(f"Delete {what}?", details=doomed_lines(records), always=always)


def one_or_number(streams: Sequence[tuple[str, Any]], kind: str) -> str:
    """Name the only stream, or tell how many there are of a kind, in the plural."""
    return streams[0][0] if len(streams) == 1 else f"{len(streams)} {kind}"


def ask_to_move(streams: Sequence[tuple[str, Any]], kind: str, destination: str | int) -> None:
    """Ask before moving all that a pattern matches; the question names every stream."""
    listing = "\n".join(f"  {path}" for path, _ in streams)
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
