"""One producer per stream, across threads and processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joule_cli.engine.stores.sqlite.producers import Producers
from joule_cli.errors import StorageError, StreamInUseError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: Acquires the streams named on its command line, says so and waits for the end of its input.
HOLDER = """
import sys, pathlib
from joule_cli.engine.stores.sqlite.producers import Producers
producers = Producers(pathlib.Path(sys.argv[1]))
for number in sys.argv[2:]:
    producers.acquire(int(number), "flow")
print("held", flush=True)
sys.stdin.read()
"""


def holder(path: Path, *streams: int) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path), *map(str, streams)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def end(process: subprocess.Popen[str]) -> None:
    process.communicate()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "joule.db"


@pytest.fixture
def producers(path: Path) -> Iterator[Producers]:
    made = Producers(path)
    yield made
    made.close()


def test_looking_makes_no_file(producers: Producers, path: Path):
    assert not producers.active(3)
    assert producers.active_streams() == frozenset()
    assert list(path.parent.iterdir()) == []


def test_stream_has_one_producer_until_it_is_released(producers: Producers):
    producers.acquire(3, "flow")
    with pytest.raises(StreamInUseError, match=r"^DataStream \[flow\] is already being produced"):
        producers.acquire(3, "flow")
    producers.acquire(4, "other")
    assert producers.active_streams() == {3, 4}
    producers.release(3)
    assert not producers.active(3)
    producers.acquire(3, "flow")


def test_releasing_twice_does_nothing(producers: Producers):
    producers.acquire(3, "flow")
    producers.release(3)
    producers.release(3)
    assert producers.active_streams() == frozenset()


def test_two_nodes_in_one_process_exclude_each_other(producers: Producers, path: Path):
    other = Producers(path)
    other.acquire(3, "flow")
    assert other.owns(3)
    assert producers.active(3)
    assert not producers.owns(3)
    assert not producers.active(2)
    with pytest.raises(StreamInUseError):
        producers.acquire(3, "flow")
    # looking opens and closes files: the lock outlives that
    third = Producers(path)
    assert third.active(3)
    third.close()
    with pytest.raises(StreamInUseError):
        producers.acquire(3, "flow")
    other.close()
    producers.acquire(3, "flow")


def test_another_process_holds_a_stream_until_it_ends(producers: Producers, path: Path):
    process = holder(path, 3, 4, 900)
    try:
        assert producers.active_streams() == {3, 4, 900}
        with pytest.raises(StreamInUseError):
            producers.acquire(4, "flow")
        producers.acquire(5, "flow")
        assert producers.active_streams() == {3, 4, 5, 900}
    finally:
        end(process)
    assert producers.active_streams() == {5}
    producers.acquire(4, "flow")


def test_killed_process_holds_nothing(producers: Producers, path: Path):
    process = holder(path, 3)
    try:
        assert producers.active(3)
        os.kill(process.pid, signal.SIGKILL)
    finally:
        end(process)
    assert process.returncode == -signal.SIGKILL
    assert not producers.active(3)
    producers.acquire(3, "flow")


def test_one_of_many_threads_wins(producers: Producers):
    start = threading.Barrier(8)
    outcomes: list[bool] = []

    def compete() -> None:
        start.wait()
        try:
            producers.acquire(7, "flow")
        except StreamInUseError:
            outcomes.append(False)
        else:
            outcomes.append(True)

    threads = [threading.Thread(target=compete) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == [False] * 7 + [True]


def test_nothing_can_be_acquired_after_close(producers: Producers):
    producers.acquire(3, "flow")
    producers.close()
    producers.close()
    producers.release(3)
    assert producers.active_streams() == frozenset()
    with pytest.raises(StorageError, match="closed"):
        producers.acquire(3, "flow")


def test_missing_directory(tmp_path: Path):
    producers = Producers(tmp_path / "no" / "joule.db")
    assert not producers.active(1)
    with pytest.raises(StorageError):
        producers.acquire(1, "flow")
    producers.close()


@given(
    first=st.frozensets(st.integers(1, 40), max_size=20),
    second=st.frozensets(st.integers(1, 40), max_size=20),
)
def test_every_holder_is_seen(tmp_path_factory, first: frozenset[int], second: frozenset[int]):
    path = tmp_path_factory.mktemp("locks") / "joule.db"
    holders = [Producers(path), Producers(path)]
    for producers, streams in zip(holders, (first, second - first), strict=True):
        for stream in streams:
            producers.acquire(stream, "flow")
    observer = Producers(path)
    for producers in (observer, *holders):
        assert producers.active_streams() == first | second
        assert {i for i in range(1, 42) if producers.active(i)} == first | second
    for producers in (observer, *holders):
        producers.close()
