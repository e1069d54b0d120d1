"""Folders and streams under random operations, on a file and in memory."""

from __future__ import annotations

import asyncio
import itertools
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from joule_cli.engine.node import EmbeddedNode
from joule_cli.engine.stores.sqlite.storage import SqliteStorage
from joule_cli.errors import ApiError
from tests.contracts.memory import MemoryStorage
from tests.contracts.streams import flow, starts_stream

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

names = st.sampled_from(["a", "b", "c"])
paths = st.lists(names, max_size=3).map(lambda parts: "/" + "/".join(parts))


class Folders(RuleBasedStateMachine):
    """Two nodes that are told the same must look the same, and refuse the same."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory()
        self.now = itertools.count()
        time = [0]
        self.time = time
        path = Path(self.folder.name) / "node.db"
        self.nodes = [
            EmbeddedNode("file", SqliteStorage(path, clock=lambda: time[0])),
            EmbeddedNode("memory", MemoryStorage(clock=lambda: time[0])),
        ]
        self.pipes: list[Any] = [None, None]

    @initialize()
    def begin(self) -> None:
        """Give the root folders one time of change."""
        self.both(lambda node: node.folder_create("/a"))

    def teardown(self) -> None:
        self.stop_writing()
        for node in self.nodes:
            self.runner.run(node.close())
        self.runner.close()
        self.folder.cleanup()

    def both(self, change: Callable[[EmbeddedNode], Awaitable[Any]]) -> list[Any]:
        """Change both nodes; return the results, or what was raised."""
        self.time[0] = next(self.now)

        async def outcome(node: EmbeddedNode) -> Any:
            try:
                return await change(node)
            except ApiError as error:
                return error

        results = [self.runner.run(outcome(node)) for node in self.nodes]
        told = [
            (type(r), r.message) if isinstance(r, ApiError) else isinstance(r, ApiError)
            for r in results
        ]
        assert told[0] == told[1]
        trees = [self.runner.run(node.folder_root()) for node in self.nodes]
        shapes = [sorted(map(str, shape(tree))) for tree in trees]
        assert shapes[0] == shapes[1]
        return results

    @rule(path=paths, description=st.none() | names)
    def create(self, path: str, description: str | None) -> None:
        self.both(lambda node: node.folder_create(path, description))

    @rule(path=paths, name=names, events=st.booleans())
    def create_stream(self, path: str, name: str, events: bool) -> None:
        if events:
            self.both(lambda node: node.event_stream_create(starts_stream(name), path))
        else:
            self.both(lambda node: node.data_stream_create(flow(name), path))

    @rule(source=paths, destination=paths, kind=st.sampled_from(["folder", "data", "event"]))
    def move(self, source: str, destination: str, kind: str) -> None:
        move = "folder_move" if kind == "folder" else f"{kind}_stream_move"
        self.both(lambda node: getattr(node, move)(source, destination))

    @rule(path=paths, name=names, kind=st.sampled_from(["folder", "data_stream", "event_stream"]))
    def rename(self, path: str, name: str, kind: str) -> None:
        async def change(node: EmbeddedNode) -> None:
            found = await getattr(node, f"{kind}_get")(path)
            found.name, found.description = name, name
            await getattr(node, f"{kind}_update")(found)

        self.both(change)

    @rule(path=paths, recursive=st.booleans())
    def delete(self, path: str, recursive: bool) -> None:
        self.both(lambda node: node.folder_delete(path, recursive))

    @rule(path=paths, events=st.booleans())
    def delete_stream(self, path: str, events: bool) -> None:
        delete = "event_stream_delete" if events else "data_stream_delete"
        self.both(lambda node: getattr(node, delete)(path))

    @rule(path=paths)
    def write(self, path: str) -> None:
        self.stop_writing()
        self.pipes = self.both(lambda node: node.data_write(path))

    @rule()
    def stop_writing(self) -> None:
        for pipe in self.pipes:
            if pipe is not None and not isinstance(pipe, ApiError):
                self.runner.run(pipe.close())
        self.pipes = [None, None]


def shape(root: Any) -> list[Any]:
    """Return all that two nodes must agree about."""
    found = [(path, each.description, each.locked, each.updated_at) for path, each in root.walk()]
    for path, stream in [*root.streams(), *root.events()]:
        flags = (getattr(stream, "locked", None), getattr(stream, "active", None))
        found.append((path, type(stream), stream.description, flags, stream.updated_at))
    return found


def test_folders_on_a_file_and_in_memory_agree():
    run_state_machine_as_test(
        Folders, settings=settings(settings(), max_examples=30, stateful_step_count=30)
    )
