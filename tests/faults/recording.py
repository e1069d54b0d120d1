"""A program that records all that a node at work does to its files.

It has a process of its own: SQLite's checksums of pages are written by a layer above the one that
records here, and that is chosen once in a process.
"""

from __future__ import annotations

import itertools
import os
import pickle
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import apsw

from joule_cli.model import Annotation, Event, EventStream
from tests.engine.writers import Modelled, Op, Worker, made_stream, main, work
from tests.faults.disk import Change
from tests.nodes import FileNode

if TYPE_CHECKING:
    from collections.abc import Iterator

ROWS, EVENTS = "/a/s", "/a/e"
#: Weights of the sizes of blocks: large ones are rare.
_WEIGHTS = (6, 3, 1, 0.02)
#: Events of one step.
BLOCK = 20


class Recorder(apsw.VFS):
    """The VFS of the system, with a record of all that changes a file."""

    def __init__(self, base: str) -> None:
        self.changes: list[Change] = []
        self.base = base
        super().__init__("recorder", base)

    def xOpen(self, name, flags):
        return _RecordedFile(self, name, flags)

    def xDelete(self, name: str, syncdir: bool) -> None:
        super().xDelete(name, syncdir)
        self.changes.append(Change("delete", Path(name).name))


class _RecordedFile(apsw.VFSFile):
    def __init__(self, recorder: Recorder, name, flags) -> None:
        self._changes = recorder.changes
        full = name if isinstance(name, str) or name is None else name.filename()
        self._name = Path(full).name if full else ""
        super().__init__(recorder.base, name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:
        super().xWrite(data, offset)
        if self._name:
            self._changes.append(Change("write", self._name, offset, bytes(data)))

    def xTruncate(self, size: int) -> None:
        super().xTruncate(size)
        self._changes.append(Change("truncate", self._name, size))

    def xSync(self, flags: int) -> None:
        super().xSync(flags)
        self._changes.append(Change("sync", self._name))


class State(NamedTuple):
    """What a node holds after some steps."""

    pieces: list[list[int]]  # times of the rows of each interval
    n_events: int
    n_notes: int


def steps(seed: int, n_steps: int) -> Iterator[Op]:
    """Yield what the node does, each step all or nothing."""
    for number, op in enumerate(itertools.islice(work(seed, 10_000, _WEIGHTS), n_steps)):
        yield op
        if number % 3 == 0:
            yield Op("events")
        if number % 10 == 0:
            yield Op("note")


def states(seed: int, n_steps: int) -> list[State]:
    """Return what the node holds at first and after each step."""
    model, n_events, n_notes = Modelled(), 0, 0
    found = [State([], 0, 0)]
    for op in steps(seed, n_steps):
        n_events += BLOCK * (op.name == "events")
        n_notes += op.name == "note"
        model.apply(op)
        found.append(State(model.rows.pieces(None, None), n_events, n_notes))
    return found


def event(number: int) -> Event:
    """Return an event whose parts follow from its number."""
    return Event(number * 10, number * 10 + 1 + number % 500, {"n": number, "text": "ü" * 30})


async def record(folder: str, seed: int, n_steps: int) -> None:
    """Let a node work, and write the record of it to a file ``record``."""
    recorder = Recorder(apsw.vfs_names()[0])
    apsw.set_default_vfs("recorder")
    link = os.link

    def recorded_link(source: Path, target: Path) -> None:
        link(source, target)
        recorder.changes.append(Change("link", Path(source).name, 0, Path(target).name.encode()))

    os.link = recorded_link
    node = FileNode("demo", Path(folder) / "node.db")
    await node.data_stream_create(made_stream("s"), "/a")
    await node.event_stream_create(EventStream("e"), "/a")
    recorder.changes.append(Change("acknowledged"))
    worker, n_events, n_notes = Worker(node, ROWS), 0, 0
    for op in steps(seed, n_steps):
        if op.name == "events":
            await node.event_stream_write(EVENTS, [event(n_events + i) for i in range(BLOCK)])
            n_events += BLOCK
        elif op.name == "note":
            await node.annotation_create(Annotation(title=f"note {n_notes}", start=n_notes), ROWS)
            n_notes += 1
        else:
            await worker.apply(op)
        recorder.changes.append(Change("acknowledged"))
    # the cut comes while the node is open
    Path(folder, "record").write_bytes(pickle.dumps(recorder.changes))
    os._exit(0)


if __name__ == "__main__":
    main({"record": record})
