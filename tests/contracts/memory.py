"""A store in memory, as simple as it can be: what other stores are compared with."""

from __future__ import annotations

import asyncio
import hmac
import itertools
from contextlib import contextmanager
from copy import deepcopy
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from joule_cli.engine.stores.metadata import (
    AnnotationStore,
    MetadataStore,
    Opened,
    PeerStore,
    folder_taken,
    locked,
    no_annotation,
    no_folder,
    no_stream,
    stream_taken,
    timestamp_text,
)
from joule_cli.engine.stores.storage import Changes, Claims, Storage, StorageInfo
from joule_cli.engine.validation import DEEPEST
from joule_cli.errors import ApiError, ConflictError, NameTakenError, StreamInUseError
from joule_cli.model import (
    AnnotationInfo,
    DataStream,
    DataStreamInfo,
    EventStream,
    Folder,
    Follower,
    Master,
)
from joule_cli.model.node_info import MISSING_VALUES, SPLIT_INTERVALS
from tests.contracts.memory_series import MemoryEvents, MemoryRows

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator

    from joule_cli.engine.stores.metadata import Key
    from joule_cli.model import Annotation, Joining

#: Of the disk that there is not.
_SIZE = 1 << 30


class MemoryStorage(Storage):
    """Everything in dictionaries of this object; gone when it is."""

    capabilities = frozenset({MISSING_VALUES, SPLIT_INTERVALS})
    claims: MemoryClaims
    changes: MemoryChanges
    rows: MemoryRows
    events: MemoryEvents
    metadata: MemoryMetadata
    annotations: MemoryAnnotations
    peers: MemoryPeers

    def __init__(self, url: str = "memory:", **options: Any) -> None:
        super().__init__(url, **options)
        self.node_uuid = str(uuid4())
        self.commits = 0
        self.claims = MemoryClaims()
        self.changes = MemoryChanges(self)
        self.rows = MemoryRows(self)
        self.events = MemoryEvents(self)
        self.metadata = MemoryMetadata(self)
        self.annotations = MemoryAnnotations(self)
        self.peers = MemoryPeers()

    def forget(self, stream: DataStream | EventStream) -> None:
        """Let go of what a deleted stream had."""
        if isinstance(stream, DataStream):
            known = self.annotations.known
            self.annotations.known = {n: a for n, a in known.items() if a.stream_id != stream.id}
            self.rows.tables.pop(stream.id or 0, None)

    async def info(self) -> StorageInfo:
        return StorageInfo(self.url, self.node_uuid, _SIZE, _SIZE, _SIZE, _SIZE)


class MemoryClaims(Claims):
    """The ids that were claimed."""

    def __init__(self) -> None:
        self.held: set[int] = set()

    async def acquire(self, stream_id: int, name: str) -> None:
        if stream_id in self.held:
            raise StreamInUseError(f"DataStream [{name}] is already being produced", object=name)
        self.held.add(stream_id)

    async def release(self, stream_id: int) -> None:
        self.held.discard(stream_id)

    def owns(self, stream_id: int) -> bool:
        return stream_id in self.held

    async def active(self) -> frozenset[int]:
        return frozenset(self.held)


class MemoryChanges(Changes):
    """Looks at the number of commits."""

    def __init__(self, storage: MemoryStorage) -> None:
        self.storage = storage

    async def ticks(self) -> AsyncGenerator[bool, None]:
        seen = -1
        while True:
            changed, seen = self.storage.commits != seen, self.storage.commits
            yield changed
            await asyncio.sleep(0.01)


class MemoryMetadata(MetadataStore):
    """A tree of folders as `Node.folder_root` gives it; no stream of it is ever handed out."""

    def __init__(self, storage: MemoryStorage) -> None:
        self.storage = storage
        self.ids = {kind: itertools.count(1) for kind in (Folder, DataStream, EventStream)}
        self.now = storage.clock()
        self.root = Folder(name="root", locked=True)
        self.place(self.root)

    def place(self, made: Folder | DataStream | EventStream) -> None:
        """Give something new its id."""
        made.id = next(self.ids[type(made)])
        made.updated_at = timestamp_text(self.now)

    @contextmanager
    def change(self) -> Iterator[None]:
        """Take everything back if the block raises."""
        before = deepcopy(self.root)
        self.now = self.storage.clock()
        try:
            yield
        except BaseException:
            self.root = before
            raise
        self.storage.commits += 1

    def find_folder(self, key: Key) -> tuple[Folder, list[Folder]]:
        """Return a folder, and those above it from the root on."""
        for path, folder in self.root.walk():
            if key in (path, folder.id):
                above = [f for p, f in self.root.walk() if path.startswith(f"{p.rstrip('/')}/")]
                return folder, [each for each in above if each is not folder]
        raise no_folder(key)

    def find_stream(self, kind: type, key: Key) -> tuple[Any, Folder]:
        """Return a stream, and the folder that it is in."""
        for path, folder in self.root.walk():
            for stream in streams_of(folder, kind):
                if key in (f"{path.rstrip('/')}/{stream.name}", stream.id):
                    return stream, folder
        raise no_stream(key)

    def destination(self, key: Key) -> Folder:
        """Return a folder, which is made if its path is new."""
        if isinstance(key, int):
            return self.find_folder(key)[0]
        folder = self.root
        for name in key.strip("/").split("/") if key != "/" else ():
            child = next((each for each in folder.children if each.name == name), None)
            if child is None:
                child = Folder(name=name)
                self.place(child)
                folder.children.append(child)
                self.touch(child)
            folder = child
        return folder

    def touch(self, changed: Folder) -> None:
        """Set the time of change of a folder and of all above it."""
        now = timestamp_text(self.now)
        folder, above = self.find_folder(changed.id or 0)
        for each in [folder, *above]:
            each.updated_at = now

    def unlocked_folder(self, key: Key) -> tuple[Folder, Folder]:
        """Return a folder that may be changed, and the one above it."""
        folder, above = self.find_folder(key)
        if folder is self.root or any(
            s.id in self.storage.claims.held for _, s in folder.streams()
        ):
            raise locked("folder", key)
        return folder, above[-1]

    def unlocked_stream(self, kind: type, key: Key) -> tuple[Any, Folder]:
        stream, folder = self.find_stream(kind, key)
        if kind is DataStream and stream.id in self.storage.claims.held:
            raise locked("stream", key)
        return stream, folder

    async def folder(self, key: Key) -> Folder:
        return sorted_copy(self.find_folder(key)[0])

    async def create_folder(self, path: str, description: str | None) -> Folder:
        with self.change():
            folder = self.destination(path)
            if description is not None:
                folder.description = description
                self.touch(folder)
            return sorted_copy(folder)

    async def update_folder(self, key: Key, name: str, description: str | None) -> None:
        folder, parent = self.unlocked_folder(key)
        if any(each.name == name and each is not folder for each in parent.children):
            raise folder_taken(name)
        with self.change():
            folder, _ = self.unlocked_folder(key)
            folder.name, folder.description = name, description
            self.touch(folder)

    async def move_folder(self, key: Key, destination: Key) -> None:
        with self.change():
            folder, former = self.unlocked_folder(key)
            target = self.destination(destination)
            about = key if isinstance(key, str) else folder.name
            if any(each.name == folder.name for each in target.children):
                raise folder_taken(about)
            _, above = self.find_folder(target.id or 0)
            if folder in [target, *above]:
                raise ConflictError("cannot place a parent in a child folder", object=about)
            height = max(path.count("/") for path, _ in folder.walk("/x")) - 1
            if len(above) + 1 + height > DEEPEST:
                raise ConflictError(f"folders can be nested {DEEPEST} deep at most", object=about)
            former.children.remove(folder)
            target.children.append(folder)
            self.touch(former)
            self.touch(folder)

    async def delete_folder(self, key: Key, *, recursive: bool) -> None:
        with self.change():
            folder, parent = self.unlocked_folder(key)
            if folder.children and not recursive:
                raise ConflictError(
                    "specify [recursive] or remove child folders first", object=str(key)
                )
            parent.children.remove(folder)
            self.touch(parent)
            for _, stream in [*folder.streams(), *folder.events()]:
                self.storage.forget(stream)

    async def stream(self, kind: type, key: Key) -> Any:
        return deepcopy(self.find_stream(kind, key)[0])

    async def opened(self, key: Key) -> Opened:
        stream, _ = self.find_stream(DataStream, key)
        return Opened(deepcopy(stream), written=stream.id in self.storage.rows.written)

    async def data_stream_info(self, key: Key) -> DataStreamInfo:
        stream, _ = self.find_stream(DataStream, key)
        times = self.storage.rows.table(stream.id).times
        if not times:
            return DataStreamInfo(None, None, 0)
        return DataStreamInfo(times[0], times[-1], len(times), times[-1] - times[0], len(times))

    async def create_stream(self, stream: Any, destination: Key) -> Any:
        with self.change():
            folder = self.destination(destination)
            refuse_taken(folder, stream.name, stream.name)
            made = deepcopy(stream)
            self.place(made)
            for index, element in enumerate(getattr(made, "elements", ())):
                element.index, element.id = index, (made.id or 0) * 1000 + index
            streams_of(folder, type(stream)).append(made)
            self.touch(folder)
            return deepcopy(made)

    async def update_stream(self, key: Key, stream: Any) -> None:
        with self.change():
            known, folder = self.unlocked_stream(type(stream), key)
            if stream.name != known.name:
                refuse_taken(folder, stream.name, stream.name)
            if isinstance(stream, DataStream):
                if len(stream.elements) != len(known.elements):
                    raise ApiError("incorrect number of elements", object=stream.name)
                for element, old in zip(stream.elements, known.elements, strict=True):
                    element.id, element.index = old.id, old.index
                known.elements, known.decimate = deepcopy(stream.elements), stream.decimate
            else:
                known.event_fields = deepcopy(stream.event_fields)
                known.chunk_duration_us = stream.chunk_duration_us
            known.name, known.description = stream.name, stream.description
            known.keep_us = stream.keep_us
            known.updated_at = timestamp_text(self.now)
            self.touch(folder)

    async def move_stream(self, kind: type, key: Key, destination: Key) -> None:
        with self.change():
            stream, former = self.unlocked_stream(kind, key)
            folder = self.destination(destination)
            about = key if isinstance(key, str) else stream.name
            refuse_taken(folder, stream.name, about, "destination folder")
            streams_of(former, kind).remove(stream)
            streams_of(folder, kind).append(stream)
            stream.updated_at = timestamp_text(self.now)
            self.touch(former)
            self.touch(folder)

    async def delete_stream(self, kind: type, key: Key) -> None:
        with self.change():
            stream, folder = self.unlocked_stream(kind, key)
            streams_of(folder, kind).remove(stream)
            self.touch(folder)
            self.storage.forget(stream)


class MemoryAnnotations(AnnotationStore):
    """Annotations by id."""

    def __init__(self, storage: MemoryStorage) -> None:
        self.storage = storage
        self.ids = itertools.count(1)
        self.known: dict[int, Annotation] = {}

    def select(self, stream: Key, first: int, last: int) -> list[Annotation]:
        number = self.storage.metadata.find_stream(DataStream, stream)[0].id
        found = [a for a in self.known.values() if a.stream_id == number]
        return sorted(
            (a for a in found if first <= a.start <= last), key=lambda a: (a.start, a.id or 0)
        )

    async def create(self, annotations: Any, stream: Key) -> list[Annotation]:
        number = self.storage.metadata.find_stream(DataStream, stream)[0].id
        made = [deepcopy(annotation) for annotation in annotations]
        for each in made:
            each.id, each.stream_id = next(self.ids), number
            self.known[each.id] = each
        return deepcopy(made)

    async def get(self, number: int) -> Annotation:
        if number not in self.known:
            raise no_annotation(number)
        return deepcopy(self.known[number])

    async def update(self, number: int, title: str, content: str | None) -> Annotation:
        await self.get(number)
        self.known[number].title, self.known[number].content = title, content
        return await self.get(number)

    async def delete(self, number: int) -> None:
        await self.get(number)
        del self.known[number]

    async def within(self, stream: Key, first: int, last: int) -> list[Annotation]:
        return deepcopy(self.select(stream, first, last))

    async def delete_within(self, stream: Key, first: int, last: int) -> None:
        for annotation in self.select(stream, first, last):
            del self.known[annotation.id or 0]

    async def info(self, stream: Key) -> AnnotationInfo:
        starts = [a.start for a in self.select(stream, -(2**63), 2**63 - 1)]
        if not starts:
            return AnnotationInfo(None, None, 0)
        return AnnotationInfo(starts[0], starts[-1], len(starts))


class MemoryPeers(PeerStore):
    """Masters and followers in lists."""

    def __init__(self) -> None:
        self.ids = itertools.count(1)
        self.known: list[tuple[Master, str]] = []
        self.others: list[Follower] = []
        self.until: Joining | None = None

    async def masters(self) -> list[Master]:
        return [Master(m.master_type, m.name, None, m.id, m.grantor_id) for m, _ in self.known]

    async def add_master(
        self,
        kind: str,
        name: str,
        key: str,
        *,
        grantor_id: int | None = None,
        replace: bool = False,
    ) -> Master:
        others = [(m, k) for m, k in self.known if (m.master_type, m.name) != (kind, name)]
        if len(others) < len(self.known) and not replace:
            raise NameTakenError("User already exists", object=name)
        if any(k == key for _, k in others):
            raise ConflictError("API Key is already in use", object=name)
        made = Master(kind, name, key, next(self.ids), grantor_id)
        self.known = [*others, (made, key)]
        return made

    async def delete_master(self, kind: str, name: str) -> bool:
        before = len(self.known)
        self.known = [(m, k) for m, k in self.known if (m.master_type, m.name) != (kind, name)]
        return len(self.known) < before

    async def holder(self, key: str) -> int | None:
        found = [m.id for m, k in self.known if hmac.compare_digest(k.encode(), key.encode())]
        return found[0] if found else None

    async def followers(self) -> list[Follower]:
        return list(self.others)

    async def store_follower(self, name: str, key: str, location: str) -> Follower:
        others = [each for each in self.others if each.location != location]
        for each in others:
            if each.name == name or each.key == key:
                raise ConflictError(f"follower [{name}] is already at {each.location}", object=name)
        made = Follower(name, location, key, next(self.ids))
        self.others = [*others, made]
        return made

    async def delete_follower(self, name: str) -> bool:
        before = len(self.others)
        self.others = [each for each in self.others if each.name != name]
        return len(self.others) < before

    async def joining(self) -> Joining | None:
        return self.until

    async def set_joining(self, joining: Joining) -> None:
        self.until = joining


def streams_of(folder: Folder, kind: type) -> list[Any]:
    """Return the list of a folder's streams of a kind."""
    return folder.data_streams if kind is DataStream else folder.event_streams


def refuse_taken(folder: Folder, name: str, about: str, where: str = "folder") -> None:
    """Raise if a stream of any kind in a folder has a name."""
    if any(stream.name == name for stream in [*folder.data_streams, *folder.event_streams]):
        raise stream_taken(about, where)


def sorted_copy(folder: Folder) -> Folder:
    """Return a folder with everything below it by name."""
    made = deepcopy(folder)
    for _, each in made.walk():
        for kind in (each.children, each.data_streams, each.event_streams):
            kind.sort(key=lambda found: found.name.encode())
    return made
