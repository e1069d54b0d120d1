"""Verify the events of a node file against the rules by which they are found."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from joule_cli.engine.event_validation import check_event_fields
from joule_cli.engine.stores.sqlite import event_tally
from joule_cli.engine.stores.sqlite.event_keys import KEY_SHIFT, LAST_EVENT_ID, key_range
from joule_cli.engine.stores.sqlite.events import reach
from joule_cli.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import apsw

#: Events checked in one read transaction.
_BATCH = 5_000


class Finding(NamedTuple):
    """Something wrong with one event, or with its stream (`time` is None)."""

    time: int | None
    text: str


class SeenEvents(NamedTuple):
    """What a read transaction has seen of a stream; go on behind the key `last`, if any."""

    n_events: int
    findings: list[Finding]
    last: int | None


def check_stream(connection: apsw.Connection, stream_id: int) -> list[Finding]:
    """Check what a stream says of itself."""
    row = connection.execute(
        "SELECT CAST(event_fields AS BLOB), last_event_id FROM event_stream WHERE id = ?",
        (stream_id,),
    ).fetchone()
    if row is None:
        return []  # deleted meanwhile
    fields, last_id = row
    found = []
    try:
        check_event_fields(json.loads(fields))
    except (ApiError, ValueError):
        found.append(Finding(None, "has event fields that cannot be read"))
    largest = connection.execute(
        "SELECT max(key) FROM event WHERE key BETWEEN ? AND ?", key_range(stream_id)
    ).get
    if largest is not None and largest & LAST_EVENT_ID > last_id:
        found.append(
            Finding(None, f"has the event {largest & LAST_EVENT_ID}, but gave out {last_id} ids")
        )
    found.extend(
        Finding(bucket << event_tally.BUCKET_BITS, "has a wrong number of events on record")
        for bucket in event_tally.problems(connection, stream_id)
    )
    return found


def check_batch(connection: apsw.Connection, stream_id: int, after: int | None) -> SeenEvents:
    """Check the next events of a stream, behind the key `after`."""
    first, last = key_range(stream_id)
    # as bytes, because damaged text need not be Unicode
    rows: list[Any] = connection.execute(
        'SELECT key, stream_id, reach, start, "end", CAST(content AS BLOB) FROM event '
        "WHERE key BETWEEN ? AND ? ORDER BY key LIMIT ?",
        (first if after is None else after + 1, last, _BATCH),
    ).fetchall()
    findings = [
        Finding(row[3] if isinstance(row[3], int) else None, text)
        for row in rows
        for text in _problems(*row)
    ]
    return SeenEvents(len(rows), findings, rows[-1][0] if len(rows) == _BATCH else None)


def orphans(connection: apsw.Connection) -> int:
    """Return how many events belong to no stream, with a look into each stream's range."""
    known = {id_ for (id_,) in connection.execute("SELECT id FROM event_stream")}
    number = 0
    key = connection.execute("SELECT min(key) FROM event").get
    while key is not None:
        low, high = key_range(key >> KEY_SHIFT)
        if key >> KEY_SHIFT not in known:
            number += connection.execute(
                "SELECT count(*) FROM event WHERE key BETWEEN ? AND ?", (low, high)
            ).get
        key = connection.execute("SELECT min(key) FROM event WHERE key > ?", (high,)).get
    return number


def _problems(
    key: int, stream_id: Any, stored_reach: Any, start: Any, end: Any, content: bytes
) -> Iterator[str]:
    name = f"event {key & LAST_EVENT_ID}"
    if stream_id != key >> KEY_SHIFT:
        yield f"{name} is found as one of another stream"
    if not isinstance(start, int) or not isinstance(end, int | None):
        yield f"{name} has a time that is not a number"
    elif end is not None and end <= start:
        yield f"{name} does not end after its start"
    elif stored_reach != reach(start, end):
        yield f"{name} is not found by its length"
    try:
        orjson.loads(content)
    except orjson.JSONDecodeError:
        yield f"{name} has a content that is not JSON"
