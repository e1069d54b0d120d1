"""Producers that are killed at random moments."""

from __future__ import annotations

import itertools
import random
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.engine.writers import (
    Modelled,
    Program,
    Worker,
    made_stream,
    read_pieces,
    rows_at,
    work,
)
from tests.nodes import FileNode

if TYPE_CHECKING:
    from pathlib import Path

ROUNDS = 7  # two kills in each
STREAMS = ("/a/first", "/b/second")


async def settle(node: FileNode, stream: str, model: Modelled, seed: int, n_done: int) -> None:
    """Apply the acknowledged steps, and the one after them if the file has it."""
    dtype = np.dtype([("timestamp", "<i8"), ("data", "<f4", (2,))])
    steps = list(itertools.islice(work(seed, model.after), n_done + 1))
    for op in steps[:n_done]:
        model.apply(op)
    found = await read_pieces(node, stream, dtype)
    if found != model.rows.pieces(None, None):
        model.apply(steps[n_done])
        assert found == model.rows.pieces(None, None), (
            f"seed {seed}: neither the state after step {n_done} nor after {steps[n_done]}"
        )
    assert await node.data_count(stream) == len(model.rows.times)
    model.lose_session()


@pytest.mark.parametrize(
    "group", [*range(4), *(pytest.param(i, marks=pytest.mark.slow) for i in range(4, 72))]
)
async def test_killed_producers_lose_nothing_and_leave_nothing_half_done(
    tmp_path: Path, group: int
):
    path = tmp_path / "node.db"
    base_seed = random.randrange(10**9)
    print(f"seed {base_seed}")
    rng = random.Random(base_seed)
    async with FileNode("demo", path) as node:
        for stream in STREAMS:
            folder, name = stream.rsplit("/", 1)
            await node.data_stream_create(made_stream(name), folder)
    models = {stream: Modelled() for stream in STREAMS}
    n_steps = 0
    ready = [Program() for _ in STREAMS]
    for _ in range(ROUNDS):
        programs = dict(zip(STREAMS, ready, strict=True))
        seeds = {stream: rng.randrange(10**9) for stream in STREAMS}
        for stream, program in programs.items():
            program.begin("crash", str(path), stream, seeds[stream], models[stream].after)
        ready = [Program() for _ in STREAMS]
        # the pause of a few rounds ends before the file is open
        time.sleep(rng.uniform(0, 0.25))
        async with FileNode("demo", path) as node:
            # the second producer goes on while the rows of the first are looked at
            for stream in rng.sample(STREAMS, 2):
                done = len(programs[stream].kill())
                n_steps += done
                await settle(node, stream, models[stream], seeds[stream], done)
            report = await node.storage.maintenance.check()
        assert report.problems == [], f"seed {base_seed}"
        assert report.n_rows == sum(len(m.rows.times) for m in models.values())
    for program in ready:
        program.__exit__()
    assert n_steps > 20


async def test_steps_do_to_the_node_what_they_do_to_the_model(tmp_path: Path):
    """Without this the comparison above would prove little."""
    seed = random.randrange(10**9)
    dtype = np.dtype([("timestamp", "<i8"), ("data", "<f4", (2,))])
    model = Modelled()
    async with FileNode("demo", tmp_path / "node.db") as node:
        await node.data_stream_create(made_stream("s"), "/a")
        worker = Worker(node, "/a/s")
        seen = set()
        for op in itertools.islice(work(seed, model.after, (6, 3, 1, 0)), 400):
            await worker.apply(op)
            model.apply(op)
            if op.name not in ("write", "open"):
                seen.add(op.name)
                found = await read_pieces(node, "/a/s", dtype)
                assert found == model.rows.pieces(None, None), f"seed {seed}: after {op}"
        assert {"close", "break"} <= seen
        if worker.pipe is not None:
            await worker.pipe.close()
        assert (await node.storage.maintenance.check()).problems == [], f"seed {seed}"


async def test_unfinished_session_is_continued_by_the_next(tmp_path: Path):
    path = tmp_path / "node.db"
    async with FileNode("demo", path) as node:
        await node.data_stream_create(made_stream("s"), "/a")
    with Program() as program:
        program.begin("hold", str(path), "/a/s")
        program.wait_byte()
        program.kill()
    async with FileNode("demo", path) as node:
        async with await node.data_write("/a/s", merge_gap=10) as pipe:
            await pipe.write(rows_at([5, 6], pipe.dtype))
        assert await node.data_intervals("/a/s") == [[1, 7]]
