"""Data streams and their rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import zstandard

from joule_cli.engine.stores.sqlite import chunks
from joule_cli.engine.stores.sqlite.blob import LINE, RAW, unseal
from joule_cli.engine.stores.sqlite.btree import Gap
from joule_cli.engine.stores.sqlite.codec import decode
from joule_cli.errors import CorruptChunkError
from joule_cli.model.data_stream import DATATYPES, KEEP_ALL
from joule_cli.series.layout import Layout

if TYPE_CHECKING:
    from collections.abc import Iterator

    from joule_cli.engine.stores.sqlite.repair.records import Salvage
    from joule_cli.series.layout import Rows

#: Chunks stored in one transaction.
_AT_ONCE = 256
_TIME_BYTES = 8
#: Datatypes in the order in which rows are taken for them: signed ones before others.
_LIKELY = sorted(DATATYPES, key=lambda name: (name.startswith("u"), name))


class Entry(NamedTuple):
    """One row of the directory of chunks."""

    stream_id: int
    start: int
    last: int
    n_rows: int
    closed: int
    body_id: int
    summary: bytes | None


@dataclass(slots=True)
class _Stream:
    """A data stream, as far as it is known."""

    id: int
    folder: int
    name: str
    path: str
    attributes: tuple[Any, ...] | None  # from the description on
    elements: dict[int, tuple[Any, ...]]  # rows of their table, by position
    layout: Layout | None
    spans: list[tuple[int, int]] = field(default_factory=list)  # of the chunks it is known to have
    lost: list[Entry] = field(default_factory=list)
    taken: list[int] = field(default_factory=list)  # starts of the chunks that were taken


class RowSalvage:
    """Takes the data streams of a file."""

    def __init__(self, salvage: Salvage) -> None:
        self._salvage = salvage
        self._entries: dict[int, Entry] = {}
        self._gaps: list[Gap] = []
        self._unknown_breaks: list[tuple[int, int, int, int]] = []
        #: Whether all rows were found, those included whose entries are lost.
        self._complete = True
        self._read_directory()
        self._streams = self._read_streams()
        for entry in self._entries.values():
            if entry.stream_id in self._streams:
                self._streams[entry.stream_id].spans.append((entry.start, entry.last))

    def take(self) -> set[int]:
        """Take all rows, then what is known of their streams; return the ids of these."""
        out, n_pending = self._salvage.out, 0
        out.execute("BEGIN")
        for item in self._salvage.source.read("body"):
            if isinstance(item, Gap) or len(item.values) != 4 or item.rowid is None:
                self._complete = False
                continue
            fine, blob = item.values[2:]
            if isinstance(blob, bytes):
                self._take_body(item.rowid, fine, blob)
                self._salvage.tell(len(blob))
            n_pending += 1
            if n_pending % _AT_ONCE == 0:
                out.execute("COMMIT")
                out.execute("BEGIN")
        self._set_breaks()
        n_orphans = 0
        for entry in self._entries.values():
            if entry.stream_id in self._streams:
                self._streams[entry.stream_id].lost.append(entry)
            else:
                n_orphans += entry.n_rows
        if n_orphans:
            self._salvage.lose(None, f"{n_orphans:,} rows of streams that do not exist")
        taken = {stream.id for stream in self._streams.values() if self._describe(stream)}
        out.execute("COMMIT")
        return taken

    # -- what is known

    def _read_directory(self) -> None:
        for item in self._salvage.source.read("chunk"):
            if isinstance(item, Gap):
                self._gaps.append(Gap(_place(item.after), _place(item.last)))
            elif len(item.values) == 7 and all(isinstance(v, int) for v in item.values[:6]):
                entry = Entry(*item.values)
                self._entries[entry.body_id] = entry

    def _read_streams(self) -> dict[int, _Stream]:
        source, salvage = self._salvage.source, self._salvage
        described = source.table("data_stream")
        elements: dict[int, dict[int, tuple[Any, ...]]] = {}
        for element in source.table("element").rows.values():
            elements.setdefault(element[1], {})[element[2]] = element
        names = source.names("data_stream")
        ids = set(described.rows)
        if described.gaps:
            ids |= set(names) | set(elements) | {e.stream_id for e in self._entries.values()}
        found = {}
        for number in sorted(ids):
            row = described.rows.get(number)
            place: tuple[Any, Any] = names.get(number, (None, None))
            if row is not None:
                place = row[1], row[2]
            folder = salvage.known_folder(place[0])
            name = salvage.free_name(folder, place[1], number, "stream")
            found[number] = _Stream(
                number,
                folder,
                name,
                salvage.path_of(folder, name),
                None if row is None or row[4] not in DATATYPES else row[3:],
                elements.get(number, {}),
                None,
            )
            found[number].layout = _layout(found[number])
        return found

    # -- rows

    def _take_body(self, body_id: int, fine: bytes | None, blob: bytes) -> None:
        entry = self._entries.get(body_id)
        if entry is None:
            self._take_orphan(fine, blob)
            return
        stream = self._streams.get(entry.stream_id)
        if stream is None:
            return
        if stream.layout is None:
            stream.layout = _told_layout(stream, entry, blob)
        rows = None if stream.layout is None else _decoded(blob, entry.n_rows, stream.layout)
        if rows is None:
            return
        ts = rows["timestamp"]
        if (int(ts[0]), int(ts[-1])) == (entry.start, entry.last):
            del self._entries[body_id]
            self._store(stream, rows, closed=bool(entry.closed), levels=entry.summary is not None)

    def _take_orphan(self, fine: bytes | None, blob: bytes) -> None:
        """Take rows whose entry in the directory is lost, if only one stream can have them."""
        found: list[tuple[_Stream, Rows]] = []
        for stream in self._streams.values():
            rows = None if stream.layout is None else _decoded(blob, None, stream.layout)
            if rows is None or not self._fits(stream, rows):
                continue
            if fine is not None:
                assert stream.layout is not None
                encoded = chunks.encode_chunk(rows, stream.layout, closed=True, levels=True)
                if encoded.fine != fine:
                    continue
            found.append((stream, rows))
        if len(found) != 1:
            self._complete = False
            return
        [(stream, rows)] = found
        ts = rows["timestamp"]
        first, last = int(ts[0]), int(ts[-1])
        stream.spans.append((first, last))
        self._unknown_breaks.append(
            (stream.id, first, last, (last - first) // max(len(rows) - 1, 1))
        )
        self._store(stream, rows, closed=True, levels=True)

    def _fits(self, stream: _Stream, rows: Rows) -> bool:
        """Tell whether rows lie where entries of a stream are missing."""
        first, last = int(rows["timestamp"][0]), int(rows["timestamp"][-1])
        if any(low <= last and first <= high for low, high in stream.spans):
            return False
        key = (stream.id, first)
        return any(
            (gap.after is None or gap.after[:2] < key) and (gap.last is None or key < gap.last[:2])
            for gap in self._gaps
        )

    def _store(self, stream: _Stream, rows: Rows, *, closed: bool, levels: bool) -> None:
        assert stream.layout is not None
        encoded = chunks.encode_chunk(rows, stream.layout, closed=closed, levels=levels)
        chunks.store(self._salvage.out, stream.id, encoded)
        stream.taken.append(encoded.start)
        self._salvage.result.n_rows += encoded.n_rows

    def _set_breaks(self) -> None:
        """Join what was read without an entry to what follows it at the same pace."""
        for stream_id, start, last, step in self._unknown_breaks:
            following = self._salvage.out.execute(
                "SELECT min(start) FROM chunk WHERE stream_id = ? AND start > ?", (stream_id, last)
            ).get
            if following is not None and following - last <= 2 * step:
                chunks.set_closed(self._salvage.out, stream_id, start, closed=False)

    # -- streams

    def _describe(self, stream: _Stream) -> bool:
        """Store what is known of a stream; tell whether its rows mean anything."""
        salvage = self._salvage
        for text, start, end in _joined(stream.lost, stream.taken):
            salvage.lose(stream.path, text, start, end)
        if not self._complete:
            for low, high in _ranges(self._gaps, stream.id):
                salvage.lose(stream.path, "perhaps other rows", low, high)
        if stream.layout is None:
            salvage.lose(stream.path, "the stream itself")
            return False
        known = (stream.id, stream.folder, stream.name)
        if stream.attributes is None or not salvage.insert(
            "data_stream", (*known, *stream.attributes)
        ):
            salvage.lose(stream.path, "its description")
            salvage.insert("data_stream", (*known, None, stream.layout.datatype, KEEP_ALL, 1, 0, 1))
        for position in range(stream.layout.width):
            row = stream.elements.get(position)
            if row is None or not salvage.insert("element", row):
                salvage.lose(stream.path, f"the name of element {position + 1}")
                salvage.out.execute(
                    "INSERT INTO element (stream_id, position, name, plottable, display_type, "
                    "offset, scale_factor) VALUES (?, ?, ?, 1, 'CONTINUOUS', 0, 1)",
                    (stream.id, position, f"element{position + 1}"),
                )
        salvage.result.n_streams += 1
        return True


def _layout(stream: _Stream) -> Layout | None:
    """Return the layout that a description tells, `None` if a part of it is lost."""
    width = len(stream.elements)
    if stream.attributes is None or not width or set(stream.elements) != set(range(width)):
        return None
    return Layout(stream.attributes[1], width)


def _told_layout(stream: _Stream, entry: Entry, blob: bytes) -> Layout | None:
    """Return the layout in which rows have the levels that were stored with them."""
    for datatype in _LIKELY if stream.attributes is None else [stream.attributes[1]]:
        for layout in _of_size(datatype, entry.n_rows, blob):
            rows = _decoded(blob, entry.n_rows, layout)
            if rows is None:
                continue
            encoded = chunks.encode_chunk(rows, layout, closed=True, levels=True)
            if encoded.summary == entry.summary:
                return layout
    return None


def _of_size(datatype: str, n_rows: int, blob: bytes) -> Iterator[Layout]:
    """Yield the layout of a datatype whose rows fill a blob, if there is one."""
    try:
        size = _row_bytes(blob, n_rows)
    except CorruptChunkError:
        return
    element = Layout(datatype, 1).element_bytes
    if size is not None and size >= element and size % element == 0:
        yield Layout(datatype, size // element)


def _row_bytes(blob: bytes, n_rows: int) -> int | None:
    """Return the bytes of the values of a row."""
    coding, body = unseal(blob)
    if coding == RAW:
        size, rest = divmod(len(body), n_rows)
        return None if rest else size - _TIME_BYTES
    size, rest = divmod(zstandard.frame_content_size(body[LINE.size :]), n_rows)
    return None if rest else size - LINE.unpack_from(body)[3]


def _count(blob: bytes, layout: Layout) -> int | None:
    """Return the number of rows in a blob, if it holds whole ones of a layout."""
    coding, body = unseal(blob)
    if coding == RAW:
        number, rest = divmod(len(body), layout.row_bytes)
    else:
        size = LINE.unpack_from(body)[3] + layout.width * layout.element_bytes
        number, rest = divmod(zstandard.frame_content_size(body[LINE.size :]), size)
    return None if rest or not number else number


def _decoded(blob: bytes, n_rows: int | None, layout: Layout) -> Rows | None:
    """Return rows that are whole and in order."""
    try:
        n_rows = _count(blob, layout) if n_rows is None else n_rows
        if n_rows is None or not 0 < n_rows <= chunks.capacity(layout):
            return None
        rows = decode(blob, n_rows, layout)
    except (CorruptChunkError, zstandard.ZstdError):
        return None
    ts = rows["timestamp"]
    return rows if bool(np.all(ts[1:] > ts[:-1])) else None


def _place(key: Any) -> Any:
    """Return the key of an entry, `None` if it is damaged too."""
    whole = isinstance(key, tuple) and all(isinstance(value, int) for value in key[:3])
    return key if whole and len(key) > 2 else None


def _ranges(gaps: list[Gap], stream_id: int) -> Iterator[tuple[int | None, int | None]]:
    """Yield where entries of a stream may be missing in the directory; `None` is an open end."""
    for after, last in gaps:
        if (after is None or after[0] <= stream_id) and (last is None or stream_id <= last[0]):
            yield (
                after[2] + 1 if after is not None and after[0] == stream_id else None,
                last[1] if last is not None and last[0] == stream_id else None,
            )


def _joined(lost: list[Entry], taken: list[int]) -> Iterator[tuple[str, int, int]]:
    """Yield the number and the range of rows that are lost with nothing taken between them."""
    n_rows, start, end = 0, 0, 0
    places = [(entry.start, entry) for entry in lost] + [(first, None) for first in taken]
    for first, entry in [*sorted(places, key=lambda place: place[0]), (0, None)]:
        if entry is not None:
            start, end = (start if n_rows else first), entry.last + 1
            n_rows += entry.n_rows
        elif n_rows:
            yield f"{n_rows:,} rows", start, end
            n_rows = 0
