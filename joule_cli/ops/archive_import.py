"""Storing the rows and events of an archive where importers say."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from joule_cli.errors import ApiError, DuplicateTimestampError, FormatError, JouleError
from joule_cli.formats.archive import Archive
from joule_cli.model import ArchiveLog, ArchiveMessage, DataStream, Event, EventStream
from joule_cli.ops.archive_importers import find_importer
from joule_cli.ops.missing import holds_missing
from joule_cli.ops.rows import reordered
from joule_cli.ops.streams import (
    Place,
    create_stream,
    find_event_stream,
    find_stream,
    like,
    split_path,
)
from joule_cli.ops.targets import match_target
from joule_cli.series.element_names import Naming
from joule_cli.series.zones import LOCAL_EPOCH

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from joule_cli.api.node import Node
    from joule_cli.formats.archive import ArchivedStream
    from joule_cli.ops.archive_importers import Importer, Target
    from joule_cli.pipes import Pipe
    from joule_cli.series.layout import Rows

#: UTC; the texts of the log have no zone.


async def import_archive(node: Node, path: Path, importers: Sequence[Importer]) -> ArchiveLog:
    """Import an archive and return what happened; one stream that fails stops no other.

    Raises
    ------
    FormatError
        ``invalid joule archive``.
    """
    # opening reads the directory of the file, which may be long
    archive = await asyncio.to_thread(Archive, path)
    with archive:
        summary = archive.summary
        importer = find_importer(importers, summary.name, summary.node)
        if importer is None:
            return no_importer(summary.name, summary.node)
        log = ArchiveLog()
        await _Import(node, archive, importer, log).run()
        return log


def no_importer(name: str, node: str) -> ArchiveLog:
    """Return the log of an archive that no importer expects."""
    message = f"No importer defined for archive [{name}] from node [{node}]"
    return ArchiveLog(errors=[ArchiveMessage(message)])


class _Import:
    def __init__(self, node: Node, archive: Archive, importer: Importer, log: ArchiveLog) -> None:
        self._node = node
        self._archive = archive
        self._importer = importer
        self._log = log

    async def run(self) -> None:
        try:
            streams = await asyncio.to_thread(lambda: list(self._archive.streams()))
        except FormatError as exc:
            self._log.errors.append(ArchiveMessage(exc.message))
            return
        for stream in streams:
            data = isinstance(stream.model, DataStream)
            targets = self._importer.data if data else self._importer.events
            target = targets.get(stream.source_label)
            kind = "data_stream" if data else "event_stream"
            note = _Note(
                self._log, stream.source_label, None if target is None else target.path, kind
            )
            if target is None:
                words = kind.replace("_", " ")
                note.warning(f"No match for {words} with label [{stream.source_label}]")
                continue
            try:
                if data:
                    await self._import_rows(stream, target, note)
                else:
                    await self._import_events(stream, target, note)
            except JouleError as exc:
                note.error(exc.message)

    async def _import_rows(self, stream: ArchivedStream, target: Target, note: _Note) -> None:
        assert isinstance(stream.model, DataStream)
        members, unknown = self._archive.members(stream)
        for _ in unknown:
            name = self._importer.name
            note.warning(f"Importer[{name}]: unexpected file in datastream folder, ignoring")
        place = Place(self._node, target.path)
        stored = await find_stream(place)
        if stored is None:
            note.info(f"creating data stream {target.path}")
            stored = await create_stream(place, like(stream.model, target.path))
        if stored.layout != stream.model.layout:
            raise ApiError(f"cannot import {stream.model.layout} into a stream of {stored.layout}")
        names = [element.name for element in stream.model.elements]
        columns = match_target(names, stored, Naming(), target.path)
        n_rows = self._rows_of(stream)
        note.info(f"importing {n_rows} rows of data into {target.path}")
        missing = await holds_missing(self._node)
        pipe = await self._node.data_write(stored, merge_gap=target.merge_gap, missing=missing)
        try:
            for member in members:
                if member.name is None:
                    await pipe.close_interval()
                    continue
                rows = await asyncio.to_thread(self._archive.rows, stream, member.name)
                rows = reordered(rows, columns)
                if len(rows) and not await self._write(pipe, stored, rows, note):
                    return
        finally:
            await pipe.close()

    async def _write(self, pipe: Pipe, stored: DataStream, rows: Rows, note: _Note) -> bool:
        try:
            await pipe.write(rows)
        except DuplicateTimestampError:
            time = await self._first_existing(stored, rows)
            note.error(f"data at {_time(time)} already exists in target")
        except JouleError as exc:
            first, last = int(rows["timestamp"][0]), int(rows["timestamp"][-1])
            note.error(
                f"cannot import data over range {_time(first)}-- {_time(last)}: {exc.message}"
            )
        else:
            return True
        return False

    async def _first_existing(self, stored: DataStream, rows: Rows) -> int:
        """Return the first time of a block at which the stream has a row."""
        times = rows["timestamp"]
        known = set(times.tolist())
        pipe = await self._node.data_read(stored, int(times[0]), int(times[-1]) + 1)
        try:
            while await pipe.not_empty():
                block = await pipe.read()
                pipe.consume_all()
                for time in block["timestamp"].tolist():
                    if time in known:
                        return int(time)
        finally:
            await pipe.close()
        return int(times[0])

    def _rows_of(self, stream: ArchivedStream) -> int:
        for each in self._archive.summary.data_streams:
            if each.get("source_label") == stream.source_label:
                count = each.get("row_count")
                return count if isinstance(count, int) else 0
        return 0

    async def _import_events(self, stream: ArchivedStream, target: Target, note: _Note) -> None:
        assert isinstance(stream.model, EventStream)
        place = Place(self._node, target.path)
        stored = await find_event_stream(place)
        if stored is None:
            note.info(f"creating event stream {target.path}")
            folder, name = split_path(target.path)
            model = replace(stream.model, name=name, id=None)
            stored = await self._node.event_stream_create(model, folder)
        members, unknown = self._archive.members(stream)
        for _ in unknown:
            name = self._importer.name
            note.warning(f"Importer[{name}]: unexpected file in eventstream folder, ignoring")
        n_events = 0
        for member in members:
            assert member.name is not None
            events = await asyncio.to_thread(self._archive.events, member.name)
            n_events += await self._store(stored, events, target.on_conflict)
        note.info(f"imported {n_events} events into {target.path}")

    async def _store(self, stored: EventStream, events: Sequence[Event], on_conflict: str) -> int:
        """Store a block of events, and return how many were not there as they are."""
        if not events:
            return 0
        there = await self._same_times(stored, events)
        equal = Counter(_identity(event) for found in there.values() for event in found)
        changed = []
        for event in events:
            if equal[_identity(event)] > 0:
                # the same archive may be sent again
                equal[_identity(event)] -= 1
                continue
            found = there.get(_times(event), [])
            other = found.pop(0) if found and on_conflict != "keep_both" else None
            if other is None:
                changed.append(Event(event.start_time, event.end_time, event.content))
            elif on_conflict == "keep_source":
                changed.append(replace(other, content=event.content))
            elif on_conflict == "merge":
                content = _merged(other.content, event.content)
                changed.append(replace(other, content=content))
        await self._node.event_stream_write(stored, changed)
        return len(changed)

    async def _same_times(
        self, stored: EventStream, events: Sequence[Event]
    ) -> dict[tuple[int, int | None], list[Event]]:
        """Return the stored events that have start and end of one of `events`."""
        wanted = {_times(event) for event in events}
        starts = [start for start, _ in wanted]
        found: dict[tuple[int, int | None], list[Event]] = {}
        reading = self._node.event_stream_read(
            stored, min(starts), max(starts) + 1, include_on_going_events=False
        )
        async for event in reading:
            if _times(event) in wanted:
                found.setdefault(_times(event), []).append(event)
        return found


class _Note:
    """Adds messages about one stream to a log."""

    def __init__(self, log: ArchiveLog, label: str, path: str | None, kind: str) -> None:
        self._log = log
        self._about = (label, path, kind)

    def info(self, text: str) -> None:
        self._log.info.append(ArchiveMessage(text, *self._about))

    def warning(self, text: str) -> None:
        self._log.warnings.append(ArchiveMessage(text, *self._about))

    def error(self, text: str) -> None:
        self._log.errors.append(ArchiveMessage(text, *self._about))


def _times(event: Event) -> tuple[int, int | None]:
    return event.start_time, event.end_time


def _merged(stored: Any, sent: Any) -> Any:
    """Return the fields of both; what has none is replaced as a whole."""
    if isinstance(stored or {}, dict) and isinstance(sent or {}, dict):
        return {**(stored or {}), **(sent or {})}
    return sent


def _identity(event: Event) -> tuple[int, int | None, str]:
    return (*_times(event), json.dumps(event.content, sort_keys=True))


def _time(timestamp: int) -> str:
    try:
        return str(LOCAL_EPOCH + timedelta(microseconds=timestamp))
    except OverflowError:
        return str(timestamp)
