"""Power cuts: what is on the disk when only synced writes are sure to be there.

A VFS of SQLite records every write, truncation, deletion and sync of a node at work. From the
record the tests make the files that a power cut at any point may leave, and open them.
"""

from __future__ import annotations

import pickle
import random
from typing import TYPE_CHECKING

import numpy as np
import pytest

from joule_cli.errors import ApiError
from tests.engine.writers import Program, read_pieces
from tests.faults.disk import FATES, Change, Disk
from tests.faults.recording import EVENTS, ROWS, State, event, states
from tests.nodes import FileNode

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

DTYPE = np.dtype([("timestamp", "<i8"), ("data", "<f4", (2,))])


def recorded(folder: Path, seed: int, n_steps: int) -> list[Change]:
    """Return all that a node at work did to its files."""
    with Program("tests.faults.recording") as program:
        program.begin("record", str(folder), seed, n_steps)
        program.finish()
    return pickle.loads((folder / "record").read_bytes())


async def lost(folder: Path, promised: list[State]) -> str | None:
    """Tell what is wrong with the files after a power cut.

    Parameters
    ----------
    promised
        What was acknowledged, and that with the step after it; empty before the first one.
    """
    async with FileNode("demo", folder / "node.db") as node:
        if not promised:
            await node.folder_root()  # opens; what is in it was promised to nobody
            return None
        try:
            problems = (await node.storage.maintenance.check()).problems
            pieces = await read_pieces(node, ROWS, DTYPE)
            events = [e async for e in node.event_stream_read(EVENTS)]
            notes = await node.annotation_get(ROWS)
        except ApiError as error:
            return error.sentence()
    if State(pieces, len(events), len(notes)) not in promised:
        return "something was lost, or half a step was kept"
    for number, each in enumerate(events):
        if each.content != event(number).content or each.end_time != event(number).end_time:
            return "an event has changed"
    return str(problems) if problems else None


async def cut_often(
    folder: Path, changes: list[Change], known: list[State], rng: random.Random, n_cuts: int
) -> AsyncIterator[str | None]:
    """Cut the power at random points, half of them beside a sync."""
    syncs = [i for i, each in enumerate(changes) if each.kind in ("sync", "delete", "truncate")]
    beside = [max(0, cut + rng.choice([0, 0, 1, 1, 2, -5])) for cut in rng.choices(syncs, k=n_cuts)]
    cuts = sorted(beside[: n_cuts // 2] + rng.choices(range(len(changes)), k=n_cuts - n_cuts // 2))
    disk, position = Disk(), 0
    for number, cut in enumerate(cuts):
        for change in changes[position:cut]:
            disk.take(change)
        position = max(position, cut)
        place = folder / str(number)
        place.mkdir()
        fate = FATES[number % len(FATES)]
        disk.after_power_cut(place, fate, rng)
        n = disk.n_acknowledged
        failure = await lost(place, known[n - 1 : n + 1] if n else [])
        yield None if failure is None else f"cut {cut}, {fate}: {failure}"
        for file in place.iterdir():
            file.unlink()


@pytest.mark.parametrize(
    ("n_runs", "n_cuts"), [(1, 60), pytest.param(10, 100, marks=pytest.mark.slow)]
)
async def test_what_was_acknowledged_outlives_a_power_cut(tmp_path: Path, n_runs: int, n_cuts: int):
    for run in range(n_runs):
        seed, n_steps = random.randrange(10**9), 200
        folder = tmp_path / str(run)
        folder.mkdir()
        changes, known = recorded(folder, seed, n_steps), states(seed, n_steps)
        async for failure in cut_often(folder, changes, known, random.Random(seed), n_cuts):
            assert failure is None, f"seed {seed}"


async def test_a_disk_that_does_not_sync_is_noticed(tmp_path: Path):
    """The test above can fail: without the syncs of the log it does."""
    changes, known = recorded(tmp_path, 1, 60), states(1, 60)
    changes = [each for each in changes if (each.kind, each.file) != ("sync", "node.db-wal")]
    failures = [f async for f in cut_often(tmp_path, changes, known, random.Random(1), 20)]
    assert any(failures)
