"""What the commands on event streams show about one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from joule_cli.cli._output import Column, show_bytes
from joule_cli.cli._references import event_stream_info

if TYPE_CHECKING:
    from collections.abc import Sequence

    from joule_cli.api.node import Node
    from joule_cli.model import EventStream, EventStreamInfo

    NamedStream = tuple[str, EventStream]

INFO_KEYS = ("event_count", "start", "end", "bytes")


def list_columns(*, ids: bool, with_info: bool) -> list[Column]:
    """Return the columns of a list of event streams."""
    return [
        Column("path"),
        Column("id", kind="number", shown=ids),
        Column("event_count", "events", kind="number", shown=with_info),
        Column("start", kind="time", shown=with_info),
        Column("end", kind="time", shown=with_info),
        Column("bytes", kind="bytes", shown=with_info),
        *(Column(key, shown=False) for key in ("name", "description", "event_fields")),
        *(Column(key, kind="number", shown=False) for key in ("keep_us", "chunk_duration_us")),
    ]


async def gather_info(node: Node, streams: Sequence[NamedStream]) -> list[EventStreamInfo]:
    """Ask for the info of several event streams at once."""
    import asyncio

    return await asyncio.gather(*(event_stream_info(node, stream) for _, stream in streams))


def stream_record(path: str, stream: EventStream, info: EventStreamInfo | None) -> dict[str, Any]:
    """Return the model of an event stream with its path and what it holds."""
    record = {"path": path, **stream.to_json()}
    if info is not None:
        record.update(info.to_json())
    return record


def keep_text(keep_us: int) -> str:
    """Return how long events are kept after they end, for people."""
    from joule_cli.series.time import format_duration

    if keep_us == 0:
        return "no events that have ended"
    return "all events" if keep_us < 0 else format_duration(keep_us)


def chunk_text(chunk_duration_us: int | None) -> str:
    """Return the span of a storage partition, for people."""
    from joule_cli.series.time import format_duration

    return format_duration(chunk_duration_us) if chunk_duration_us else "not partitioned"


def size_text(info: EventStreamInfo) -> str:
    """Return number and size of the events, for people."""
    size = show_bytes(info.bytes)
    return f"{info.event_count:,} ({size})" if info.bytes else f"{info.event_count:,}"


def field_text(kind: str) -> str:
    """Return the type of a field as `--field` takes it: ``category[heat,cool]``."""
    base, _, choices = kind.partition(":")
    if base != "category":
        return base
    try:
        values = json.loads(choices)
    except ValueError:
        return kind
    simple = all(v and v == v.strip() and not set(v) & set(',"') for v in values)
    return f"category[{','.join(values)}]" if simple else f"category{choices}"


def doomed_records(
    streams: Sequence[NamedStream], infos: Sequence[EventStreamInfo]
) -> list[dict[str, Any]]:
    """Return one record per event stream that goes, with the number and range of its events."""
    return [
        {
            "kind": "event_stream",
            "path": path,
            "id": stream.id,
            "events": info.event_count,
            "start": info.start,
            "end": info.end,
        }
        for (path, stream), info in zip(streams, infos, strict=True)
    ]
