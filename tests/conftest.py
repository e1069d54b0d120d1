"""Fixtures of all tests, and what every test is checked for afterwards."""

from __future__ import annotations

import asyncio
import gc
import inspect
import itertools
import os
import signal
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TypeAlias

import pytest
from hypothesis import settings

from joule_cli.api.node import Node
from tests.nodes import FileNode
from tests.test_weak_points import WEAK_POINTS

#: Makes an empty node that is closed when its block ends.
FreshNode: TypeAlias = Callable[[], AbstractAsyncContextManager[Node]]

#: 2026-03-01T08:15:30.250000+00:00, where the clock of test nodes begins.
FIRST_TICK = 1_772_352_930_250_000

# The same examples each time, so that a failure belongs to a change. Others are tried by
# HYPOTHESIS_PROFILE=long, each time new ones.
settings.register_profile(
    "quick", max_examples=25, stateful_step_count=25, deadline=None, derandomize=True
)
settings.register_profile("long", max_examples=1000, stateful_step_count=60, deadline=None)
# A shell ignores Ctrl-C in what it starts in the background, and so would every program under test.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that prove the weak points of Joule 1.0.1 gone."""
    named = {test for _, *tests in WEAK_POINTS.values() for test in tests}
    for item in items:
        # where it was written: contracts are imported by the tests of each store and format
        function = getattr(item, "function", None)
        module = getattr(function, "__module__", "").removeprefix("tests.").replace(".", "/")
        if f"{module}.py::{item.name.partition('[')[0]}" in named:
            item.add_marker("weak_point")


@pytest.fixture
def ticking_clock() -> Callable[[], int]:
    """A clock that moves on by one second each time it is read."""
    ticks = itertools.count(FIRST_TICK, 1_000_000)
    return lambda: next(ticks)


@pytest.fixture
def fresh_node(tmp_path: Path, ticking_clock: Callable[[], int]) -> FreshNode:
    """Makes empty nodes of the kind under test; other transports override this fixture."""
    numbers = itertools.count()
    return lambda: FileNode("demo", tmp_path / f"{next(numbers)}.db", clock=ticking_clock)


@pytest.fixture
async def node(fresh_node: FreshNode) -> AsyncIterator[Node]:
    async with fresh_node() as node:
        yield node


@pytest.fixture
async def leftover_tasks() -> AsyncIterator[None]:
    yield
    left = asyncio.all_tasks() - {asyncio.current_task()}
    assert not left, "the test left tasks behind"


@pytest.fixture(autouse=True)
def nothing_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test that leaves tasks, threads of a node or open files behind."""
    if inspect.iscoroutinefunction(getattr(request, "function", None)):
        request.getfixturevalue("leftover_tasks")
    place = request.getfixturevalue("tmp_path") if "tmp_path" in request.fixturenames else None
    yield
    threads = [t.name for t in threading.enumerate() if t.name.startswith("joule-")]
    assert not threads, "the test left a node open"
    if place is not None:
        if list(_open_files(place)):
            # what a library has in a cycle is closed by the collector
            gc.collect()
        assert not list(_open_files(place)), "the test left files open"


def _open_files(place: Path) -> Iterator[str]:
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            target = descriptor.readlink()
        except OSError:  # the descriptor of this listing itself
            continue
        if target.is_relative_to(place):
            yield str(target)
