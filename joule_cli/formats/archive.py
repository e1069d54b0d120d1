"""Archives in which a node exports rows and events for another one.

A ZIP file with a description in ``metadata.json`` and a folder for each stream under ``data/`` and
``events/``. Nothing is unpacked to disk; one member at a time is in memory, and none that is larger
than a member can be. Source: Joule node and modules, "Archives".
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

import numpy as np
from numpy.lib import format as npy

from joule_cli.errors import FormatError
from joule_cli.model import DataStream, Event, EventStream
from joule_cli.series.layout import Layout

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType

    from joule_cli.series.layout import Rows

MAGIC: Final = "joule-data-archive-bundle"
#: A block has at most 50,000 rows; this is room for 650 elements.
_LARGEST_MEMBER: Final = 256 * 1024 * 1024
#: A block has at most 1,000 events, and a description few streams.
_LARGEST_JSON: Final = 32 * 1024 * 1024
#: Values in one of these: objects in memory are many times as large as their text.
_MOST_VALUES: Final = 2_000_000
#: What all members unpack to: bytes for any archive, and for each of its own bytes. Rows do not
#: pack better than this, what is made to fill a disk does.
_MOST_UNPACKED: Final = (1024 * 1024 * 1024, 100)
#: No time and no count has more digits than these, and longer ones would not be converted.
_ROWS: Final = re.compile(r"(-?[0-9]{1,20})\.dat")
_BREAK: Final = re.compile(r"(-?[0-9]{1,20}|None)_interval_break\.dat")
_EVENTS: Final = re.compile(r"(-?[0-9]{1,20})\.json")
_FOLDER: Final = re.compile(r"(data|events)/([0-9]{1,20})/metadata\.json")
#: What the summary says of each stream.
_KINDS: Final[dict[str, type]] = {
    **dict.fromkeys(("source_label", "stream_path", "stream_layout"), str),
    **dict.fromkeys(("start_ts", "end_ts", "row_count", "interval_count", "event_count"), int),
    "event_fields": dict,
}
#: What NumPy raises for a head that describes no array of rows.
_NO_ARRAY: Final = (
    *(ValueError, KeyError, IndexError, TypeError, EOFError, OverflowError),
    *(SyntaxError, RecursionError, MemoryError),
)


@dataclass(slots=True, frozen=True)
class ArchivedStream:
    """One stream of an archive.

    Parameters
    ----------
    folder
        Where it is in the archive, as in ``data/0``.
    source_label
        What importers match.
    stream_path
        Where it was on the node that exported it.
    model
        The stream itself.
    """

    folder: str
    source_label: str
    stream_path: str
    model: DataStream | EventStream


class Member(NamedTuple):
    """One file of a stream in the order of time; `name` is `None` for an interval break."""

    name: str | None


@dataclass(slots=True, frozen=True)
class Summary:
    """What an archive says about itself.

    Parameters
    ----------
    name
        Label of the archive, which is the name of the exporter.
    node
        Name of the node that exported it.
    created_at
        µs since the epoch.
    data_streams, event_streams
        Objects with ``source_label``, ``stream_path``, ``start_ts``, ``end_ts`` and the counts.
    """

    name: str
    node: str
    created_at: int | None
    version: str
    data_streams: list[dict[str, Any]] = field(default_factory=list)
    event_streams: list[dict[str, Any]] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Return every field by name."""
        return {
            "name": self.name,
            "node": self.node,
            "created_at": self.created_at,
            "version": self.version,
            "data_streams": self.data_streams,
            "event_streams": self.event_streams,
        }


class Archive:
    """An archive that is open for reading.

    Raises
    ------
    FormatError
        ``invalid joule archive``: not a ZIP file, or not one of this kind.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._zip = zipfile.ZipFile(path)
            self._room = _MOST_UNPACKED[0] + _MOST_UNPACKED[1] * path.stat().st_size
        except (zipfile.BadZipFile, NotImplementedError, ValueError) as exc:
            raise self._invalid() from exc
        except OSError as exc:
            raise FormatError(exc.strerror or "cannot be read", file=str(path)) from exc
        self._files: dict[str, list[str]] = {}
        for name in self._zip.namelist():
            folder, _, rest = name.partition("/data/")
            if rest:
                self._files.setdefault(folder, []).append(rest)
        try:
            self.summary = self._read_summary()
        except BaseException:
            self._zip.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._zip.close()

    def streams(self) -> Iterator[ArchivedStream]:
        """Yield the data streams, then the event streams, in the order of their numbers.

        Raises
        ------
        FormatError
            The description of a stream cannot be read.
        """
        found = (_FOLDER.fullmatch(name) for name in self._zip.namelist())
        for place in sorted((m[1], int(m[2]), m[0]) for m in found if m is not None):
            yield self._read_stream(*place)

    def members(self, stream: ArchivedStream) -> tuple[list[Member], list[str]]:
        """Return the files of a stream in the order of time, and the names of unknown ones."""
        pattern = _ROWS if isinstance(stream.model, DataStream) else _EVENTS
        found: list[tuple[float, bool, Member]] = []
        unknown = []
        for rest in self._files.get(stream.folder, ()):
            if match := pattern.fullmatch(rest):
                found.append((int(match[1]), True, Member(f"{stream.folder}/data/{rest}")))
            elif pattern is _ROWS and (match := _BREAK.fullmatch(rest)):
                time = float("-inf") if match[1] == "None" else int(match[1])
                found.append((time, False, Member(None)))
            else:
                unknown.append(rest)
        # a break is numbered by the end of what is before it, rows by their last time
        found.sort(key=lambda entry: entry[:2])
        return [member for _, _, member in found], unknown

    def rows(self, stream: ArchivedStream, name: str) -> Rows:
        """Return the rows of one file.

        Raises
        ------
        FormatError
            It has none of the stream's layout.
        """
        assert isinstance(stream.model, DataStream)
        content = self._read(name, _LARGEST_MEMBER)
        try:
            layout = Layout.parse(stream.model.layout)
            stored = _array(content)
            rows = np.empty(len(stored), layout.dtype)
            rows["timestamp"] = stored["timestamp"]
            values = stored["data"].reshape(len(stored), layout.width)
        except _NO_ARRAY as exc:
            raise self._no_rows(name, stream.model) from exc
        if values.dtype != layout.element:
            raise self._no_rows(name, stream.model)
        rows["data"] = values
        return rows

    def events(self, name: str) -> list[Event]:
        """Return the events of one file.

        Raises
        ------
        FormatError
            It has none.
        """
        try:
            return [_event(each) for each in self._read_json(name)]
        except (KeyError, TypeError, ValueError) as exc:
            raise FormatError(f"{name} has no events", file=str(self.path)) from exc

    def _read_summary(self) -> Summary:
        try:
            data = self._read_json("metadata.json")
        except FormatError as exc:
            raise self._invalid() from exc
        if not isinstance(data, dict) or data.get("magic") != MAGIC:
            raise self._invalid()
        name, node, created_at = data.get("name"), data.get("node"), data.get("created_at")
        streams = data.get("data_streams", []), data.get("event_streams", [])
        if not isinstance(name, str) or not isinstance(node, str):
            raise self._invalid()
        if not all(isinstance(each, list) and all(map(_is_object, each)) for each in streams):
            raise self._invalid()
        created = created_at if _is(created_at, int) else None
        told = [[_told(each) for each in found] for found in streams]
        return Summary(name, node, created, str(data.get("version", "")), *told)

    def _read_stream(self, kind: str, number: int, member: str) -> ArchivedStream:
        data = self._read_json(member)
        try:
            model = data["stream_model"]
            build = DataStream.from_json if kind == "data" else EventStream.from_json
            return ArchivedStream(
                member.rpartition("/")[0],
                str(data["source_label"]),
                str(data["stream_path"]),
                build(model),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as exc:
            raise FormatError(f"{member} describes no stream", file=str(self.path)) from exc

    def _read_json(self, name: str) -> Any:
        text = self._read(name, _LARGEST_JSON)
        if sum(map(text.count, (b",", b"[", b"{"))) > _MOST_VALUES:
            raise FormatError(f"{name} is too large", file=str(self.path))
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as exc:
            raise FormatError(f"{name} is not JSON", file=str(self.path)) from exc

    def _read(self, name: str, most: int) -> bytes:
        try:
            with self._zip.open(name) as member:
                # what a member unpacks to is not what it says
                content = member.read(most + 1)
        except (KeyError, zipfile.BadZipFile, NotImplementedError, EOFError, RuntimeError) as exc:
            raise FormatError(f"{name} cannot be unpacked", file=str(self.path)) from exc
        except OSError as exc:
            raise FormatError(exc.strerror or "cannot be read", file=str(self.path)) from exc
        except Exception as exc:
            # zlib, lzma and bz2 have errors of their own that share no base
            raise FormatError(f"{name} cannot be unpacked", file=str(self.path)) from exc
        self._room -= len(content)
        if len(content) > most or self._room < 0:
            raise FormatError(f"{name} is too large", file=str(self.path))
        return content

    def _no_rows(self, name: str, stream: DataStream) -> FormatError:
        return FormatError(f"{name} has no rows of {stream.layout}", file=str(self.path))

    def _invalid(self) -> FormatError:
        return FormatError("invalid joule archive", file=str(self.path))


def _array(content: bytes) -> Rows:
    """Return the array of an ``.npy`` file; never more than the bytes that are there."""
    stream = io.BytesIO(content)
    version = npy.read_magic(stream)
    header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, _, dtype = header(stream)
    if dtype.hasobject or len(shape) != 1:
        raise ValueError("not rows")
    return np.frombuffer(content, dtype, count=shape[0], offset=stream.tell())


def _event(given: Any) -> Event:
    event = Event.from_json(given)
    times = (event.start_time, event.end_time)
    if type(times[0]) is not int or type(times[1]) not in (int, type(None)):
        raise TypeError("no times")
    return event


def _told(stream: dict[str, Any]) -> dict[str, Any]:
    """Return what a summary says of a stream; what is of the wrong kind is not known."""
    return {
        name: value if name not in _KINDS or _is(value, _KINDS[name]) else None
        for name, value in stream.items()
    }


def _is(value: Any, kind: type) -> bool:
    return type(value) is kind and (not isinstance(value, int) or -(2**63) <= value < 2**63)


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)
