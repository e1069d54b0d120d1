"""Event streams with their events, and annotations."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

from joule_cli.engine.stores.sqlite import event_tally
from joule_cli.engine.stores.sqlite.btree import Gap
from joule_cli.engine.stores.sqlite.event_keys import KEY_SHIFT, LAST_EVENT_ID
from joule_cli.engine.stores.sqlite.events import reach
from joule_cli.model.data_stream import KEEP_ALL

if TYPE_CHECKING:
    from joule_cli.engine.stores.sqlite.repair.records import Salvage

#: Events stored in one transaction.
_AT_ONCE = 5000
#: Of an event stream whose description is lost: as of a new one.
_CHUNK_DURATION_US = 0


@dataclass(slots=True)
class _Stream:
    """An event stream, as far as it is known."""

    id: int
    folder: int
    name: str
    path: str
    attributes: tuple[Any, ...] | None  # from the description on
    last_id: int = 0
    last_taken: int = 0
    lost: dict[int, Any] = field(default_factory=dict)  # starts of events by their ids


class EventSalvage:
    """Takes the event streams of a file."""

    def __init__(self, salvage: Salvage) -> None:
        self._salvage = salvage
        self._described = salvage.source.table("event_stream")
        self._names = salvage.source.names("event_stream")
        self._streams: dict[int, _Stream] = {}
        self._gaps: list[Gap] = []
        self._n_orphans = 0

    def take(self) -> None:
        """Take all events, then what is known of their streams."""
        for number in [*self._described.rows, *self._names]:
            self._stream(number)
        out = self._salvage.out
        out.execute("BEGIN")
        n_pending = 0
        for item in self._salvage.source.read("event"):
            if isinstance(item, Gap):
                self._gaps.append(item)
                continue
            self._take_event(item.rowid or 0, item.values)
            n_pending += 1
            if n_pending % _AT_ONCE == 0:
                out.execute("COMMIT")
                out.execute("BEGIN")
        self._find_lost()
        if self._n_orphans:
            self._salvage.lose(None, f"{self._n_orphans:,} events of streams that do not exist")
        for stream in self._streams.values():
            self._describe(stream)
        out.execute("COMMIT")

    def _stream(self, number: int) -> _Stream | None:
        """Return a stream; one that is not known only if its description can be lost."""
        if number in self._streams:
            return self._streams[number]
        row = self._described.rows.get(number)
        if row is None and not self._described.gaps:
            return None
        place: tuple[Any, Any] = self._names.get(number, (None, None))
        if row is not None:
            place = row[1], row[2]
        salvage = self._salvage
        folder = salvage.known_folder(place[0])
        name = salvage.free_name(folder, place[1], number, "event-stream")
        path = salvage.path_of(folder, name)
        self._streams[number] = _Stream(
            number, folder, name, path, None if row is None else row[3:]
        )
        return self._streams[number]

    def _take_event(self, key: int, values: tuple[Any, ...]) -> None:
        stream, number = self._stream(key >> KEY_SHIFT), key & LAST_EVENT_ID
        if stream is None:
            self._n_orphans += 1
            return
        stream.last_id = max(stream.last_id, number)
        if not _is_event(values):
            stream.lost[number] = values[3] if len(values) > 3 else None
            return
        start, end, content = values[3:6]
        self._salvage.insert("event", (key, stream.id, reach(start, end), start, end, content))
        stream.last_taken = max(stream.last_taken, number)
        event_tally.add(self._salvage.out, stream.id, [start])
        self._salvage.result.n_events += 1
        self._salvage.tell(len(content))

    def _find_lost(self) -> None:
        """Look up what the index has of events that were not found."""
        if not self._gaps:
            return
        known = "SELECT 1 FROM event WHERE key = ?"
        told = True
        for item in self._salvage.source.read("event_start"):
            if isinstance(item, Gap):
                told = False
                continue
            if [type(value) for value in item.values] != [int] * 3:
                continue
            stream_id, start, key = item.values
            stream = self._stream(stream_id)
            if stream is not None and self._salvage.out.execute(known, (key,)).get is None:
                stream.lost[key & LAST_EVENT_ID] = start
        if not told:
            self._salvage.lose(None, "perhaps more events than are listed")

    def _describe(self, stream: _Stream) -> None:
        salvage = self._salvage
        for text, start, end in _joined(stream.lost):
            salvage.lose(stream.path, text, start, end)
        known = (stream.id, stream.folder, stream.name)
        if stream.attributes is None or not salvage.insert(
            "event_stream", (*known, *stream.attributes)
        ):
            salvage.lose(stream.path, "its description")
            attributes = (None, "{}", _CHUNK_DURATION_US, KEEP_ALL, stream.last_id, 0)
            salvage.insert("event_stream", (*known, *attributes))
        # ids of events that are there are not given again; a damaged page may hold another number
        salvage.out.execute(
            "UPDATE event_stream SET last_event_id = max(last_event_id, ?) WHERE id = ?",
            (stream.last_taken, stream.id),
        )
        salvage.result.n_event_streams += 1


def _is_event(values: tuple[Any, ...]) -> bool:
    if len(values) != 6:
        return False
    start, end, content = values[3:]
    try:
        orjson.loads(content)
    except (orjson.JSONDecodeError, TypeError):
        return False
    return (
        isinstance(start, int)
        and isinstance(end, int | None)
        and isinstance(content, str)
        and (end is None or end > start)
    )


def _joined(lost: dict[int, Any]) -> list[tuple[str, int | None, int | None]]:
    """Return runs of lost events with the range of time in which they begin."""
    found: list[tuple[str, int | None, int | None]] = []
    run: list[int] = []
    for number in [*sorted(lost), None]:
        if run and number != run[-1] + 1:
            starts = [lost[each] for each in run if isinstance(lost[each], int)]
            last = "" if len(run) == 1 else f" to {run[-1]}"
            bounds = (min(starts), max(starts) + 1) if starts else (None, None)
            found.append((f"event {run[0]}{last}", *bounds))
            run = []
        if number is not None:
            run.append(number)
    return found


def take_annotations(salvage: Salvage, streams: set[int]) -> None:
    """Take the annotations of streams, and tell from their index which are lost."""
    found = salvage.source.table("annotation")
    paths = _paths(salvage)
    salvage.out.execute("BEGIN")
    for row in found.rows.values():
        if row[1] in streams and salvage.insert("annotation", row):
            salvage.result.n_annotations += 1
        else:
            salvage.lose(paths.get(row[1]), f"annotation {row[0]}", row[4], row[4])
    if found.gaps:
        for item in salvage.source.read("annotation_start"):
            if isinstance(item, Gap):
                salvage.lose(None, "perhaps more annotations than are listed")
                continue
            if [type(value) for value in item.values] != [int] * 3:
                continue
            stream_id, start, number = item.values
            if number not in found.rows:
                salvage.lose(paths.get(stream_id), f"annotation {number}", start, start + 1)
    salvage.out.execute("COMMIT")


def _paths(salvage: Salvage) -> dict[int, str]:
    return {
        number: salvage.path_of(folder, name)
        for number, folder, name in salvage.out.execute(
            "SELECT id, folder_id, name FROM data_stream"
        )
    }
