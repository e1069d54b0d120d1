"""The folder tree of a node against nested dicts, under random operations."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from joule_cli.errors import (
    ApiError,
    ConflictError,
    FolderNotFound,
    LockedError,
    NameTakenError,
)
from tests.contracts.streams import flow

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from contextlib import AbstractAsyncContextManager

    from joule_cli.api.node import Node

#: A folder: child folders by name, and the names of its streams under the empty name.
Tree = dict[str, Any]
STREAMS = ""

names = st.sampled_from(["a", "b", "c"])
paths = st.lists(names, max_size=4).map(lambda parts: "/" + "/".join(parts))


def compare_with_model(fresh_node: Callable[[], AbstractAsyncContextManager[Node]]) -> None:
    """Run random operations on a fresh node and on dicts, comparing results and errors."""
    run_state_machine_as_test(lambda: FolderTree(fresh_node))


def _folder() -> Tree:
    return {STREAMS: set()}


def _parts(path: str) -> list[str]:
    return path.split("/")[1:] if path != "/" else []


class FolderTree(RuleBasedStateMachine):
    def __init__(self, fresh_node: Callable[[], AbstractAsyncContextManager[Node]]) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.opened = fresh_node()
        self.node = self.runner.run(self.opened.__aenter__())
        self.root = _folder()

    def teardown(self) -> None:
        self.runner.run(self.opened.__aexit__(None, None, None))
        self.runner.close()

    def find(self, path: str) -> Tree | None:
        folder: Tree | None = self.root
        for name in _parts(path):
            folder = None if folder is None else folder.get(name)
        return folder

    def make(self, path: str) -> Tree:
        folder = self.root
        for name in _parts(path):
            folder = folder.setdefault(name, _folder())
        return folder

    def check(self, call: Awaitable[object], expected: type[ApiError] | None) -> bool:
        """Run a call; return whether it was to succeed."""
        outcome: type[BaseException] | None = None
        try:
            self.runner.run(self.wait(call))
        except ApiError as exc:
            outcome = type(exc)
        assert outcome is expected
        return expected is None

    async def wait(self, call: Awaitable[object]) -> None:
        await call

    @rule(path=paths)
    def create(self, path: str) -> None:
        self.check(self.node.folder_create(path), None)
        self.make(path)

    @rule(path=paths, name=names)
    def create_stream(self, path: str, name: str) -> None:
        folder = self.find(path)
        taken = folder is not None and name in folder[STREAMS]
        call = self.node.data_stream_create(flow(name), path)
        if self.check(call, NameTakenError if taken else None):
            self.make(path)[STREAMS].add(name)

    @rule(source=paths, destination=paths)
    def move(self, source: str, destination: str) -> None:
        folder, target = self.find(source), self.find(destination)
        expected: type[ApiError] | None = None
        if folder is None:
            expected = FolderNotFound
        elif source == "/":
            expected = LockedError
        elif target is not None and _parts(source)[-1] in target:
            expected = NameTakenError
        elif f"{destination}/".startswith(f"{source}/"):
            # a new folder inside the source is made first, and may carry its name
            expected = ConflictError
        if self.check(self.node.folder_move(source, destination), expected):
            *above, name = _parts(source)
            moved = self.find("/" + "/".join(above)).pop(name)  # type: ignore[union-attr]
            self.make(destination)[name] = moved

    @rule(path=paths, name=names)
    def rename(self, path: str, name: str) -> None:
        folder = self.find(path)
        if folder is None:
            return
        *above, old = _parts(path) or [""]
        parent = self.root if path == "/" else self.find("/" + "/".join(above))
        assert parent is not None
        expected: type[ApiError] | None = None
        if path == "/":
            expected = LockedError
        elif name != old and name in parent:
            expected = NameTakenError
        stored = self.runner.run(self.node.folder_get(path))
        stored.name = name
        if self.check(self.node.folder_update(stored), expected):
            parent[name] = parent.pop(old)

    @rule(path=paths, recursive=st.booleans())
    def delete(self, path: str, recursive: bool) -> None:
        folder = self.find(path)
        expected: type[ApiError] | None = None
        if folder is None:
            expected = FolderNotFound
        elif path == "/":
            expected = LockedError
        elif len(folder) > 1 and not recursive:
            expected = ConflictError
        if self.check(self.node.folder_delete(path, recursive), expected):
            *above, name = _parts(path)
            del self.find("/" + "/".join(above))[name]  # type: ignore[index]

    @rule(path=paths, name=names)
    def delete_stream(self, path: str, name: str) -> None:
        folder = self.find(path)
        if folder is not None and name in folder[STREAMS]:
            self.check(self.node.data_stream_delete(f"{path.rstrip('/')}/{name}"), None)
            folder[STREAMS].remove(name)

    @invariant()
    def same_tree(self) -> None:
        root = self.runner.run(self.node.folder_root())
        model: dict[str, set[str]] = {}

        def walk(path: str, folder: Tree) -> None:
            model[path or "/"] = folder[STREAMS]
            for name, child in folder.items():
                if name != STREAMS:
                    walk(f"{path}/{name}", child)

        walk("", self.root)
        assert {p: {s.name for s in f.data_streams} for p, f in root.walk()} == model
