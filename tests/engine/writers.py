"""Programs that use a node from processes of their own.

``python -m tests.engine.writers`` reads one line of JSON from its input: the name of a function
in `PROGRAMS` and its arguments. So a test can start the next process while it still works with
the present one. Programs acknowledge work with one byte on their output, as soon as it is done.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from joule_cli.engine.stores.base import StoredStream
from joule_cli.errors import JouleError
from joule_cli.model import DataStream, Element
from tests.contracts.rows_model import RowsModel, SessionModel
from tests.nodes import FileNode

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator, Mapping

    from joule_cli.pipes import Pipe

# -- rows whose values follow from their times


def rows_at(times: Any, dtype: np.dtype) -> np.ndarray:
    """Return rows with values that only these times have."""
    ts = np.asarray(times, np.int64)
    rows = np.empty(len(ts), dtype)
    rows["timestamp"] = ts
    mixed = ts[:, None] * np.array([2654435761, 40503]) + np.array([12345, 678])
    rows["data"] = (mixed >> 7) & 0xFFFFFF  # exact as float32
    return rows


def made_stream(name: str, datatype: str = "float32") -> DataStream:
    return DataStream(name=name, datatype=datatype, elements=[Element(name="a"), Element(name="b")])


async def read_pieces(node: FileNode, stream: Any, dtype: np.dtype) -> list[list[int]]:
    """Return the times of each interval; every value must be what its time demands."""
    pieces: list[list[int]] = [[]]
    async with await node.data_read(stream) as pipe:
        async for rows, end_of_interval in pipe.blocks():
            assert rows.tobytes() == rows_at(rows["timestamp"], dtype).tobytes()
            pieces[-1] += rows["timestamp"].tolist()
            if end_of_interval:
                pieces.append([])
    return [piece for piece in pieces if piece]


# -- random work that the test can repeat on a model


class Op(NamedTuple):
    """One step of a producer, all or nothing."""

    name: str
    args: tuple[Any, ...] = ()


SIZES = (1, 100, 5000, 100_000)


def work(seed: int, now: int, weights: tuple[float, ...] = (6, 3, 1.2, 0.25)) -> Iterator[Op]:
    """Yield steps for ever; `now` is later than every row in the stream.

    Rows of the normal flow lie at multiples of 10, those inserted into the past between them.
    """
    rng = random.Random(seed)
    spans: list[tuple[int, int]] = []
    inserted: set[int] = set()
    while True:
        bounds = (None, None)
        if spans and rng.random() < 0.15:
            start, n = rng.choice(spans)
            bounds = (start + 10 * rng.randrange(n), None)
        yield Op("open", (rng.choice([0, 0, 5000]), *bounds))
        for _ in range(rng.randrange(1, 5)):
            size = rng.choices(SIZES, weights)[0]
            for _ in range(rng.choice([1, 5, 70]) if size <= 100 else rng.randrange(1, 4)):
                yield Op("write", (now, size, 10))
                spans.append((now, size))
                now += size * 10
            now += rng.choice([0, 0, 1000, 10_000])
            if rng.random() < 0.4:
                yield Op("break")
            if rng.random() < 0.2:
                yield rng.choice([Op("merge"), Op("decimate"), Op("drop")])
        yield Op("close")
        if rng.random() < 0.7:
            start, n = rng.choice(spans)
            first = start + 10 * rng.randrange(n) + rng.randrange(1, 10)
            block = (first, rng.choice([1, 10, 700]), 10)
            if inserted.isdisjoint(block_times(*block)):
                inserted.update(block_times(*block))
                yield Op("open", (rng.choice([0, 500]), None, None))
                yield Op("write", block)
                yield Op("close")
        if rng.random() < 0.5:
            start, n = rng.choice(spans)
            yield Op("delete", (start + 10 * rng.randrange(n), start + 10 * n + 1))
        if rng.random() < 0.5:
            yield Op("consolidate", (rng.choice([100, 2000, 20_000]), None, None))
        if rng.random() < 0.3:
            yield Op("merge")


def block_times(first: int, size: int, step: int) -> range:
    """Return the times of a written block."""
    return range(first, first + size * step, step)


class Modelled:
    """What a stream holds after steps of `work`."""

    def __init__(self) -> None:
        self.rows = RowsModel()
        self.session: SessionModel | None = None

    def apply(self, op: Op) -> None:
        match op.name:
            case "open":
                gap, start, end = op.args
                if start is not None or end is not None:
                    self.rows.delete(start, end)
                self.session = SessionModel(self.rows, gap)
            case "write":
                assert self.session is not None
                self.session.write(list(block_times(*op.args)))
            case "break":
                assert self.session is not None
                self.session.close_interval()
                self.session.settle()
            case "close":
                assert self.session is not None
                self.session.close()
                self.session = None
            case "delete":
                self.rows.delete(*op.args)
            case "consolidate":
                self.rows.consolidate(*op.args)

    def lose_session(self) -> None:
        """Forget what only the killed producer knew."""
        self.session = None

    @property
    def after(self) -> int:
        """A time later than every row, a multiple of 10."""
        return (self.rows.times[-1] // 10 + 1) * 10 if self.rows.times else 10_000


class Worker:
    """Carries out steps of `work` on a node."""

    def __init__(self, node: FileNode, stream: str) -> None:
        self.node = node
        self.stream = stream
        self.pipe: Pipe | None = None

    async def apply(self, op: Op) -> None:
        match op.name:
            case "open":
                gap, start, end = op.args
                self.pipe = await self.node.data_write(self.stream, start, end, merge_gap=gap)
            case "write":
                assert self.pipe is not None
                await self.pipe.write(rows_at(block_times(*op.args), self.pipe.dtype))
            case "break":
                assert self.pipe is not None
                await self.pipe.close_interval()
            case "close":
                assert self.pipe is not None
                await self.pipe.close()
                self.pipe = None
            case "delete":
                await self.node.data_delete(self.stream, *op.args)
            case "consolidate":
                await self.node.data_consolidate(self.stream, *op.args)
            case "merge":
                await merge_small(self.node, self.stream)
            case "decimate":
                await self.node.data_decimate(self.stream)
            case "drop":
                await self.node.data_drop_decimations(self.stream)


async def merge_small(node: FileNode, path: str) -> None:
    await node.storage.rows.merge_small(StoredStream.of(await node.data_stream_get(path)))


# -- programs


def acknowledge() -> None:
    os.write(1, b".")


async def crash(path: str, stream: str, seed: int, now: int) -> None:
    """Work until killed, one byte for each step."""
    worker = Worker(FileNode("writer", Path(path)), stream)
    for op in work(seed, now):
        await worker.apply(op)
        acknowledge()


#: Of the rows that `produce` writes: the time between two, µs.
STEP = 1000


def numbered_rows(first: int, size: int, dtype: np.dtype) -> np.ndarray:
    """Return a block that shows where it begins and ends: its row numbers, and its last one."""
    rows = np.empty(size, dtype)
    numbers = np.arange(first, first + size)
    rows["timestamp"] = numbers * STEP
    rows["data"][:, 0] = numbers
    rows["data"][:, 1] = first + size - 1
    return rows


async def produce(path: str, stream: str, seed: int, seconds: float) -> None:
    """Write numbered rows in blocks of many sizes."""
    rng = random.Random(seed)
    number, end = 0, time.monotonic() + seconds
    async with FileNode("producer", Path(path)) as node:
        while time.monotonic() < end:
            gap = rng.choice([0, STEP])
            async with await node.data_write(stream, merge_gap=gap) as pipe:
                for _ in range(rng.randrange(1, 200)):
                    size = rng.choice([1, 1, 1, 10, 100, 1000, 3000])
                    await pipe.write(numbered_rows(number, size, pipe.dtype))
                    number += size
                    if rng.random() < 0.02:
                        await pipe.close_interval()
                    if rng.random() < 0.1:
                        await asyncio.sleep(rng.random() * 0.02)
                    if time.monotonic() > end:
                        break
    os.write(1, b"%d" % number)


async def watch(path: str, stream: str, seed: int, seconds: float) -> None:
    """Read numbered rows in all ways; every answer must be whole and no older than the last."""
    rng = random.Random(seed)
    known, reads, end = 0, 0, time.monotonic() + seconds
    async with FileNode("watcher", Path(path)) as node:
        while time.monotonic() < end:
            match rng.choice(["all", "part", "decimated", "array", "count"]):
                case "all":
                    known = await _watch_all(node, stream, known)
                case "part":
                    await _watch_part(node, stream, rng, known)
                case "decimated":
                    known = await _watch_decimated(node, stream, rng.choice([1, 30, 1000]), known)
                case "array":
                    if known:
                        most = rng.choice([10, 100, 5000])
                        rows = await node.data_read_array(stream, max_rows=most)
                        assert 0 < len(rows) <= most
                case "count":
                    found = await node.data_count(stream)
                    assert found >= known, "rows were lost"
                    known = found
            reads += 1
    os.write(1, b"%d" % reads)


async def _watch_all(node: FileNode, stream: str, known: int) -> int:
    found, last = 0, -1
    async with await node.data_read(stream) as pipe:
        async for rows, _ in pipe.blocks():
            numbers = rows["timestamp"] // STEP
            assert (numbers == np.arange(found, found + len(rows))).all(), "rows are missing"
            assert (rows["data"][:, 0] == numbers).all(), "values belong to other times"
            found += len(rows)
            if len(rows):  # a break may come by itself
                last = int(rows["data"][-1, 1])
    assert found >= known, "rows were lost"
    assert last == found - 1, "half a block was read"
    return found


async def _watch_part(node: FileNode, stream: str, rng: random.Random, known: int) -> None:
    if known < 2:
        return
    first = rng.randrange(known - 1)
    after = rng.randrange(first + 1, known)
    async with await node.data_read(stream, first * STEP, after * STEP) as pipe:
        rows = await pipe.read_all(maxrows=after)
    assert (rows["data"][:, 0] == np.arange(first, after)).all()


async def _watch_decimated(node: FileNode, stream: str, most: int, known: int) -> int:
    if not known:
        return known
    async with await node.data_read(stream, max_rows=most) as pipe:
        rows = await pipe.read_all()
        level = pipe.decimation_level
    assert 0 < len(rows) <= most, "too many decimated rows"
    if level == 1:
        first = last = rows["data"][:, 0]
    else:
        mean, first, last = (rows["data"][:, i] for i in (0, 2, 4))
        assert np.allclose(mean, (first + last) / 2)
    assert first[0] == 0
    assert (first[1:] == last[:-1] + 1).all(), "a decimated read left rows out"
    found = int(last[-1]) + 1
    assert found >= known, "rows were lost"
    return found


async def tend(path: str, streams: list[str], seed: int, seconds: float) -> None:
    """Check, consolidate and merge while others work."""
    rng = random.Random(seed)
    rounds, end = 0, time.monotonic() + seconds
    async with FileNode("keeper", Path(path)) as node:
        while time.monotonic() < end:
            report = await node.storage.maintenance.check()
            assert report.problems == []
            stream = rng.choice(streams)
            await node.data_consolidate(stream, 10 * STEP)
            await rng.choice([node.data_decimate, node.data_drop_decimations])(stream)
            await merge_small(node, stream)
            rounds += 1
            await asyncio.sleep(rng.random())
    os.write(1, b"%d" % rounds)


async def hold(path: str, stream: str) -> None:
    """Be the producer of a stream until killed."""
    node = FileNode("holder", Path(path))
    pipe = await node.data_write(stream)
    await pipe.write(rows_at([1, 2, 3], pipe.dtype))
    acknowledge()
    await asyncio.sleep(600)


async def block(path: str, seconds: float) -> None:
    """Keep the write lock of the file."""
    import sqlite3

    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    acknowledge()
    time.sleep(seconds)
    connection.execute("COMMIT")
    connection.close()


async def first_use(path: str, name: str) -> None:
    """Make a stream in a file that others make at the same moment; print the node's uuid."""
    async with FileNode("first", Path(path)) as node:
        await node.data_stream_create(made_stream(name), "/all")
        os.write(1, (await node.info()).uuid.encode())


async def read_only(path: str, stream: str) -> None:
    """Read as a user without any right to write; print the number of rows."""
    node = FileNode("visitor", Path(path))
    # loads modules that the other user may not be able to read
    assert node.storage.rows
    os.setgid(65534)
    os.setuid(65534)
    async with node:
        async with await node.data_read(stream) as pipe:
            rows = await pipe.read_all()
        try:
            await node.data_delete(stream)
        except JouleError as error:
            os.write(1, f"{len(rows)} {type(error).__name__}".encode())


async def outsider(path: str, new_path: str) -> None:
    """Tell what happens to a user who may neither open nor make a node."""
    os.setgid(65534)
    os.setuid(65534)
    for place in (path, new_path):
        async with FileNode("outsider", Path(place)) as node:
            try:
                await node.folder_create("/a")
            except JouleError as error:
                os.write(1, f"{type(error).__name__} {error.sentence()}\n".encode())


PROGRAMS = {
    f.__name__: f
    for f in (crash, produce, watch, tend, hold, block, first_use, read_only, outsider)
}


class Program:
    """One process, ready to begin at once."""

    def __init__(self, module: str = "tests.engine.writers") -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.wait_byte()

    def begin(self, program: str, *args: Any) -> None:
        stdin = self.process.stdin
        assert stdin is not None
        stdin.write(json.dumps([program, args]).encode() + b"\n")
        stdin.flush()

    def wait_byte(self) -> None:
        """Wait until the process is ready, or has acknowledged one step."""
        assert self.process.stdout is not None
        if not os.read(self.process.stdout.fileno(), 1):
            _, errors = self.process.communicate()
            raise AssertionError(errors.decode())

    def kill(self) -> bytes:
        """Kill -9; return what it has acknowledged since."""
        self.process.kill()
        out, errors = self.process.communicate()
        assert self.process.returncode == -9, errors.decode()
        return out

    def finish(self, timeout: float = 60) -> str:
        """Wait for the end of the program; return what it printed."""
        out, errors = self.process.communicate(timeout=timeout)
        assert self.process.returncode == 0, errors.decode()
        return out.decode()

    def __enter__(self) -> Program:
        return self

    def __exit__(self, *exc: object) -> None:
        self.process.kill()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()
        self.process.wait()


def main(programs: Mapping[str, Callable[..., Coroutine[Any, Any, None]]]) -> None:
    acknowledge()
    line = sys.stdin.readline()
    if line:
        program, args = json.loads(line)
        asyncio.run(programs[program](*args))


if __name__ == "__main__":
    main(PROGRAMS)
