"""Power cuts: what is on the disk when only synced writes are sure to be there.

A VFS of SQLite records every write, truncation, deletion and sync of a node at work. From the
record the tests make the files that a power cut at any point may leave, and open them.
"""

from __future__ import annotations

import itertools
import os
import random
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import apsw
import numpy as np
import pytest

from joule_cli.engine.admin import Administration
from joule_cli.engine.node import EmbeddedNode
from joule_cli.errors import ApiError
from tests.engine.writers import Modelled, Worker, made_stream, read_pieces, work

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

DTYPE = np.dtype([("timestamp", "<i8"), ("data", "<f4", (2,))])
SECTOR = 512
#: The VFS that SQLite takes by itself.
BASE = apsw.vfs_names()[0]


class Event(NamedTuple):
    """Something that happened to a file, or, without one, a step that was acknowledged."""

    kind: str  # write truncate sync delete link acknowledged
    file: str = ""
    offset: int = 0
    data: bytes = b""


class Recorder(apsw.VFS):
    """The VFS of the system, with a record of all that changes a file."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        super().__init__("recorder", BASE)

    def xOpen(self, name, flags):
        return RecordedFile(self, name, flags)

    def xDelete(self, name: str, syncdir: bool) -> None:
        super().xDelete(name, syncdir)
        self.events.append(Event("delete", Path(name).name))


class RecordedFile(apsw.VFSFile):
    def __init__(self, recorder: Recorder, name, flags) -> None:
        self._events = recorder.events
        full = name if isinstance(name, str) or name is None else name.filename()
        self._name = Path(full).name if full else ""
        super().__init__(BASE, name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:
        super().xWrite(data, offset)
        if self._name:
            self._events.append(Event("write", self._name, offset, bytes(data)))

    def xTruncate(self, size: int) -> None:
        super().xTruncate(size)
        self._events.append(Event("truncate", self._name, size))

    def xSync(self, flags: int) -> None:
        super().xSync(flags)
        self._events.append(Event("sync", self._name))


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorder]:
    recorder = Recorder()
    link = os.link

    def recorded_link(source: Path, target: Path) -> None:
        link(source, target)
        recorder.events.append(Event("link", source.name, 0, target.name.encode()))

    monkeypatch.setattr(os, "link", recorded_link)
    apsw.set_default_vfs("recorder")
    yield recorder
    apsw.set_default_vfs(BASE)
    recorder.unregister()


class Disk:
    """The files as written, and what of them was synced."""

    def __init__(self) -> None:
        self.synced: dict[str, bytearray] = {}
        self.pending: dict[str, list[Event]] = {}
        self.n_acknowledged = 0

    def take(self, event: Event) -> None:
        match event.kind:
            case "acknowledged":
                self.n_acknowledged += 1
            case "sync":
                if event.file not in self.synced:
                    self._sync_directory()
                content = self.synced.get(event.file, bytearray())
                for change in self.pending.pop(event.file, []):
                    content = _changed(content, change)
                self.synced[event.file] = content
            case "link":
                # of the file as it is: what was not synced before may be missing from it
                if event.file in self.synced:
                    self.synced[event.data.decode()] = bytearray(self.synced[event.file])
            case _:
                self.pending.setdefault(event.file, []).append(event)

    def _sync_directory(self) -> None:
        """Make deletions durable: SQLite syncs the directory with the first sync of a log."""
        for file, changes in self.pending.items():
            deletions = [i for i, change in enumerate(changes) if change.kind == "delete"]
            if deletions:
                self.synced.pop(file, None)
                del changes[: deletions[-1] + 1]

    def after_power_cut(self, folder: Path, rng: random.Random) -> None:
        """Make the files with some of the changes since the last sync, in whole sectors."""
        share = rng.choice([0.0, 0.3, 0.8, 1.0])
        for file in self.synced.keys() | self.pending.keys():
            content: bytearray | None = self.synced.get(file)
            content = None if content is None else bytearray(content)
            for change in self.pending.get(file, []):
                for part in _sectors(change):
                    if rng.random() < share:
                        content = _changed(content, part)
            if content is not None:
                (folder / file).write_bytes(content)


def _sectors(change: Event) -> Iterator[Event]:
    if change.kind != "write":
        yield change
        return
    start = 0
    while start < len(change.data):
        stop = min(len(change.data), start + SECTOR - (change.offset + start) % SECTOR)
        yield change._replace(offset=change.offset + start, data=change.data[start:stop])
        start = stop


def _changed(content: bytearray | None, change: Event) -> bytearray | None:
    if change.kind == "delete":
        return None
    content = bytearray() if content is None else content
    if change.kind == "truncate":
        del content[change.offset :]
        return content
    stop = change.offset + len(change.data)
    if len(content) < stop:
        content.extend(bytes(stop - len(content)))
    content[change.offset : stop] = change.data
    return content


async def at_work(folder: Path, recorder: Recorder, seed: int, n_steps: int) -> None:
    """Let a node work."""
    node = EmbeddedNode("demo", folder / "node.db")
    await node.data_stream_create(made_stream("s"), "/a")
    recorder.events.append(Event("acknowledged"))
    worker = Worker(node, "/a/s")
    for op in itertools.islice(work(seed, 10_000, (6, 3, 1, 0.02)), n_steps):
        await worker.apply(op)
        recorder.events.append(Event("acknowledged"))
    n_events = len(recorder.events)
    await node.close()
    # the cut comes while the node is open
    del recorder.events[n_events:]
    apsw.set_default_vfs(BASE)


async def lost(folder: Path, models: list[list[list[int]]], n_acknowledged: int) -> str | None:
    """Tell what is wrong with the files after a power cut."""
    async with EmbeddedNode("demo", folder / "node.db") as node:
        if n_acknowledged == 0:
            await node.folder_root()  # opens; what is in it was promised to nobody
            return None
        try:
            found = await read_pieces(node, "/a/s", DTYPE)
            problems = (await Administration(node).check()).problems
        except ApiError as error:
            return error.sentence()
        if found not in models[n_acknowledged - 1 : n_acknowledged + 1]:
            return "rows were lost, or half a step was kept"
        return str(problems) if problems else None


async def cut_often(
    tmp_path: Path, events: list[Event], seed: int, n_steps: int, n_cuts: int
) -> AsyncIterator[str | None]:
    """Cut the power at random points, most of them beside a sync."""
    model, models = Modelled(), [[]]
    for op in itertools.islice(work(seed, 10_000, (6, 3, 1, 0.02)), n_steps):
        model.apply(op)
        models.append(model.rows.pieces(None, None))
    rng = random.Random(seed)
    syncs = [i for i, event in enumerate(events) if event.kind in ("sync", "delete", "truncate")]
    acknowledged = [i for i, event in enumerate(events) if event.kind == "acknowledged"]
    cuts = rng.choices(syncs, k=n_cuts) + rng.choices(acknowledged, k=n_cuts)
    cuts = sorted({max(0, cut + rng.choice([0, 0, 1, 1, 2, -5])) for cut in cuts})
    disk, position = Disk(), 0
    for number, cut in enumerate(cuts):
        for event in events[position:cut]:
            disk.take(event)
        position = max(position, cut)
        folder = tmp_path / str(number)
        folder.mkdir()
        disk.after_power_cut(folder, rng)
        yield await lost(folder, models, disk.n_acknowledged)
        for file in folder.iterdir():
            file.unlink()


@pytest.mark.parametrize("group", range(3))
async def test_acknowledged_rows_outlive_a_power_cut(
    tmp_path: Path, recorder: Recorder, group: int
):
    seed, n_steps = random.randrange(10**9), 250
    await at_work(tmp_path, recorder, seed, n_steps)
    async for failure in cut_often(tmp_path, recorder.events, seed, n_steps, 40):
        assert failure is None, f"seed {seed}"


async def test_a_disk_that_does_not_sync_is_noticed(tmp_path: Path, recorder: Recorder):
    """The test above can fail: without the syncs of the log it does."""
    await at_work(tmp_path, recorder, 1, 60)
    events = [e for e in recorder.events if (e.kind, e.file) != ("sync", "node.db-wal")]
    failures = [failure async for failure in cut_often(tmp_path, events, 1, 60, 20)]
    assert any(failures)
