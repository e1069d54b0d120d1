"""What is about to be deleted, for the question, and what went, for the answer.

Records have ``kind``, ``path``, ``rows`` or ``events``, ``start`` and ``end``.
"""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from joule_cli.cli._output import Column, count_text, emit_list, emit_ok
from joule_cli.cli._progress import counted, working
from joule_cli.cli._prompt import confirm_or_leave
from joule_cli.cli._ranges import range_text
from joule_cli.cli._run import for_each
from joule_cli.series.visible import one_line

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence

    from joule_cli.api.node import Node
    from joule_cli.cli._streams import NamedEvents, NamedStream
    from joule_cli.model import DataStreamInfo

    Record = dict[str, Any]

T = TypeVar("T")

#: Columns for lists of things about to be deleted.
DOOMED = (
    Column("kind"),
    Column("path"),
    Column("rows", kind="number"),
    Column("start", kind="time"),
    Column("end", kind="time"),
    Column("events", kind="number"),
)
#: Lines of a question, or of an answer, before it only counts the rest.
_LISTED = 20


def doomed_records(streams: Sequence[NamedStream], infos: Sequence[DataStreamInfo]) -> list[Record]:
    """Return one record per stream."""
    return [
        {"kind": "stream", "path": path, "id": stream.id, **info.to_json()}
        for (path, stream), info in zip(streams, infos, strict=True)
    ]


async def gather_doomed(
    node: Node, streams: Sequence[NamedStream], events: Sequence[NamedEvents] = ()
) -> list[Record]:
    """Return one record per data stream and event stream."""
    from joule_cli.cli._streams import gather_info
    from joule_cli.cli.event import _streams as event_streams

    return [
        *doomed_records(streams, await gather_info(node, streams)),
        *event_streams.doomed_records(events, await event_streams.gather_info(node, events)),
    ]


def totals(records: Iterable[Record]) -> Record:
    """Return how many streams, rows and events are in `records`, and their range of time."""
    records = list(records)
    kinds = Counter(record["kind"] for record in records)
    starts = [record["start"] for record in records if record.get("start") is not None]
    ends = [record["end"] for record in records if record.get("end") is not None]
    return {
        "streams": kinds["stream"],
        "rows": sum(record.get("rows") or 0 for record in records),
        "event_streams": kinds["event_stream"],
        "events": sum(record.get("events") or 0 for record in records),
        "start": min(starts, default=None),
        "end": max(ends, default=None),
    }


def number_held(records: Iterable[Record]) -> int:
    """Return how many rows and events are in `records`."""
    held = totals(records)
    return int(held["rows"] + held["events"])


def contents_text(records: Iterable[Record]) -> str:
    """Return how many streams, rows and events are in `records`, and their range of time."""
    held = totals(records)
    parts = []
    if held["streams"]:
        parts += [count_text(held["streams"], "stream"), count_text(held["rows"], "row")]
    if held["event_streams"]:
        parts.append(count_text(held["event_streams"], "event stream"))
        parts.append(count_text(held["events"], "event"))
    return ", ".join(parts or ["no streams"]) + range_text(held["start"], held["end"])


def show_doomed(records: Sequence[Record]) -> None:
    """Print what a dry run would delete."""
    emit_list(records, DOOMED)


def doomed_lines(records: Sequence[Record]) -> list[str]:
    """Return a line per thing that goes, with its range and size."""
    lines = []
    for record in records[:_LISTED]:
        line = f"  {one_line(record['path'])}"
        if record.get("rows") is not None:
            line += f"  {count_text(record['rows'], 'row')}"
        if record.get("events") is not None:
            line += f"  {count_text(record['events'], 'event')}"
        lines.append(line + range_text(record.get("start"), record.get("end")))
    if len(records) > _LISTED:
        lines.append(f"  and {len(records) - _LISTED:,} more")
    return lines


def ask_to_delete(records: Sequence[Record], what: str, *, always: bool) -> None:
    """Ask before deleting; the question names every stream with its range and size."""
    confirm_or_leave(f"Delete {what}?", details=doomed_lines(records), always=always)


def deleted_lines(sentence: str, records: Sequence[Record]) -> list[str]:
    """Return what went for people: a sentence with the totals, and a line for each of several."""
    streams = [record for record in records if record["kind"] != "folder"]
    contents = contents_text(records)
    if len(records) == 1 and streams:
        held = totals(records)
        number = count_text(held["rows"], "row")
        if records[0]["kind"] == "event_stream":
            number = count_text(held["events"], "event")
        contents = number + range_text(held["start"], held["end"])
    return [f"{sentence}: {contents}", *(doomed_lines(streams) if len(records) > 1 else ())]


def deleted_value(names: Sequence[str], records: Sequence[Record]) -> Record:
    """Return what went for programs."""
    return {"deleted": list(names), **totals(records), "contents": list(records)}


async def delete_streams(
    streams: Sequence[tuple[str, T]],
    held: Mapping[str, Sequence[Record]],
    delete: Callable[[tuple[str, T]], Awaitable[None]],
    kind: str,
) -> None:
    """Delete streams or folders one after the other, and say what went.

    Parameters
    ----------
    held
        What each of them holds, by its path.
    kind
        What they are, in the plural.
    """

    async def delete_one(item: tuple[str, T]) -> None:
        await delete(item)
        gone.append(item[0])

    def contents(paths: list[str]) -> list[Record]:
        return [record for path in paths for record in held[path]]

    def lines(paths: list[str]) -> list[str]:
        what = one_line(paths[0]) if len(paths) == 1 else f"{len(paths)} {kind}"
        return deleted_lines(f"Deleted {what}", contents(paths))

    sizes = {path: number_held(inside) for path, inside in held.items()}
    with telling(lines, lambda paths: deleted_value(paths, contents(paths))) as gone:
        async with working("deleting", sum(sizes.values()), "records") as bar:
            await for_each(streams, counted(bar, delete_one, lambda item: sizes[item[0]]))


@contextmanager
def telling(
    lines: Callable[[list[T]], Sequence[str]], value: Callable[[list[T]], Record]
) -> Iterator[list[T]]:
    """Say at the end of the block what went, also if it fails or is interrupted half way.

    Gives the list that takes what has gone.

    Parameters
    ----------
    lines
        Makes of the list what people read.
    value
        Makes of it what programs read.
    """
    gone: list[T] = []
    try:
        yield gone
    except BaseException:
        if gone:
            emit_ok("\n".join(lines(gone)), value(gone))
        raise
    emit_ok("\n".join([*lines(gone), "OK"]), value(gone))
