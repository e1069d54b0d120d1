"""Rows, breaks and levels under random operations, compared with a plain model."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from joule_cli.errors import DuplicateTimestampError, NonMonotonicError, StorageError
from joule_cli.model import DataStream, Element
from tests.contracts.rows_model import RowsModel, SessionModel
from tests.nodes import FileNode

if TYPE_CHECKING:
    from joule_cli.pipes import Pipe

#: Of this layout a chunk takes 4,096 rows, so that full chunks are common.
DATATYPE, WIDTH = "float64", 8
counts = st.sampled_from([1, 1, 2, 3, 10, 63, 64, 65, 300, 4095, 4096, 5000])
starts = st.integers(-20_000, 40_000)
gaps = st.sampled_from([0, 0, 1, 5, 100, 5000])
bounds = st.one_of(st.none(), starts)


def values_at(times: list[int]) -> np.ndarray:
    """Return values that carry their own time, so that minima and maxima name rows.

    In the last columns some are missing: here and there, for long, and always.
    """
    stamps = np.array(times)
    values = stamps[:, None] * np.arange(1.0, WIDTH + 1)
    values[stamps % 3 == 0, -3] = np.nan
    values[stamps // 1000 % 2 == 0, -2] = np.nan
    values[:, -1] = np.nan
    return values


def rows_at(times: list[int], dtype: np.dtype) -> np.ndarray:
    """Return rows with these values."""
    rows = np.zeros(len(times), dtype)
    rows["timestamp"] = times
    rows["data"] = values_at(times)
    return rows


class Rows(RuleBasedStateMachine):
    """One stream, at most one open producer, and everything that can happen to them."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "node.db"
        self.node = FileNode("local", self.path)
        self.model = RowsModel()
        self.session: SessionModel | None = None
        self.pipe: Pipe | None = None
        self.dtype = np.dtype([("timestamp", "<i8"), ("data", "<f8", (WIDTH,))])

    def run(self, awaitable):
        return self.runner.run(awaitable)

    @initialize()
    def create(self) -> None:
        elements = [Element(name=f"e{i}") for i in range(WIDTH)]
        stream = DataStream(name="s", datatype=DATATYPE, elements=elements)
        self.stream = self.run(self.node.data_stream_create(stream, "/a"))

    def teardown(self) -> None:
        async def finish() -> None:
            if self.pipe is not None:
                await self.pipe.close()
            report = await self.node.storage.maintenance.check()
            await self.node.close()
            assert report.problems == []

        try:
            self.run(finish())
        finally:
            self.runner.close()
            self.folder.cleanup()

    @precondition(lambda self: self.pipe is None)
    @rule(gap=gaps, cache=st.sampled_from([0, 0, 100]))
    def open(self, gap: int, cache: int) -> None:
        self.pipe = self.run(self.node.data_write(self.stream, merge_gap=gap, missing=True))
        if cache:
            self.pipe.enable_cache(cache)
        self.cached = bool(cache)
        self.session = SessionModel(self.model, gap)

    @precondition(lambda self: self.pipe is not None)
    @rule(start=starts, n=counts, step=st.sampled_from([1, 1, 2, 7]), near=st.booleans())
    def write(self, start: int, n: int, step: int, near: bool) -> None:
        if near and self.session.last is not None:
            start = self.session.last + step
        times = list(range(start, start + n * step, step))
        rows = rows_at(times, self.dtype)

        async def send() -> None:
            await self.pipe.write(rows)
            await self.pipe.flush_cache()

        try:
            self.session.write(times)
        except (NonMonotonicError, DuplicateTimestampError) as expected:
            with pytest.raises(type(expected)):
                self.run(send())
            self.close_failed_pipe()
        else:
            self.run(send())

    def close_failed_pipe(self) -> None:
        self.run(self.pipe.close())
        self.session.close()
        self.pipe = self.session = None

    @precondition(lambda self: self.pipe is not None)
    @rule()
    def close_interval(self) -> None:
        async def send() -> None:
            await self.pipe.close_interval()
            await self.pipe.flush_cache()

        self.run(send())
        self.session.close_interval()
        self.session.settle()

    @precondition(lambda self: self.pipe is not None)
    @rule()
    def close(self) -> None:
        self.run(self.pipe.close())
        self.session.close()
        self.pipe = self.session = None

    @rule(a=bounds, b=bounds)
    def delete(self, a: int | None, b: int | None) -> None:
        start, end = ordered(a, b)
        self.run(self.node.data_delete(self.stream, start, end))
        self.model.delete(start, end)

    @rule(a=bounds, b=bounds, gap=st.sampled_from([1, 10, 1000, 10**6]))
    def consolidate(self, a: int | None, b: int | None, gap: int) -> None:
        start, end = ordered(a, b)
        joined = self.run(self.node.data_consolidate(self.stream, gap, start, end))
        assert joined == self.model.consolidate(gap, start, end)

    @rule(a=bounds, b=bounds, gap=st.sampled_from([1, 10, 1000, 10**6]))
    def split(self, a: int | None, b: int | None, gap: int) -> None:
        start, end = ordered(a, b)
        found = self.run(self.node.data_split(self.stream, gap, start, end, dry_run=True))
        made = self.run(self.node.data_split(self.stream, gap, start, end))
        assert found == made == self.model.split(gap, start, end)

    @rule()
    def drop_levels(self) -> None:
        self.run(self.node.data_drop_decimations(self.stream))

    @rule()
    def make_levels(self) -> None:
        self.run(self.node.data_decimate(self.stream))

    @rule(kept=st.booleans())
    def set_decimate(self, kept: bool) -> None:
        async def update() -> None:
            stream = await self.node.data_stream_get(self.stream)
            stream.decimate = kept
            await self.node.data_stream_update(stream)

        if self.pipe is None:
            self.run(update())

    @rule()
    def reopen(self) -> None:
        async def again() -> None:
            await self.node.close()
            if self.pipe is not None:
                with pytest.raises(StorageError):
                    await self.pipe.write(rows_at([10**9], self.dtype))
            self.node = FileNode("local", self.path)

        self.run(again())
        if self.session is not None:
            self.session.close()
        self.pipe = self.session = None

    @rule()
    def compact(self) -> None:
        self.run(self.node.storage.maintenance.compact())

    @rule(a=bounds, b=bounds)
    def read(self, a: int | None, b: int | None) -> None:
        start, end = ordered(a, b)
        self.run(self.compare(start, end))

    @rule(a=bounds, b=bounds, max_rows=st.sampled_from([1, 2, 5, 20, 100, 3000]))
    def read_decimated(self, a: int | None, b: int | None, max_rows: int) -> None:
        start, end = ordered(a, b)
        self.run(self.compare_decimated(start, end, max_rows))

    @invariant()
    def agrees(self) -> None:
        if hasattr(self, "stream"):
            self.run(self.compare(None, None))

    async def compare(self, start: int | None, end: int | None) -> None:
        pieces = await self.pieces(start, end, None)
        expected = self.model.pieces(start, end)
        assert [piece["timestamp"].tolist() for piece in pieces] == expected
        for piece, times in zip(pieces, expected, strict=True):
            assert piece.tobytes() == rows_at(times, self.dtype).tobytes()
        window = self.model.window(start, end)
        assert await self.node.data_intervals(self.stream, start, end) == self.model.intervals(
            start, end
        )
        assert await self.node.data_count(self.stream, start, end) == len(window)

    async def pieces(
        self, start: int | None, end: int | None, max_rows: int | None
    ) -> list[np.ndarray]:
        """Return the rows of each interval as the node gives them."""
        pieces: list[list[np.ndarray]] = [[]]
        async with await self.node.data_read(self.stream, start, end, max_rows) as pipe:
            self.level = pipe.decimation_level
            async for rows, ended in pipe.blocks():
                if len(rows):
                    pieces[-1].append(rows.copy())
                if ended:
                    pieces.append([])
        return [np.concatenate(blocks) for blocks in pieces if blocks]

    async def compare_decimated(self, start: int | None, end: int | None, max_rows: int) -> None:
        pieces = await self.pieces(start, end, max_rows)
        expected = self.model.pieces(start, end)
        window = self.model.window(start, end)
        if self.level == 1:
            assert [piece["timestamp"].tolist() for piece in pieces] == expected
            assert len(window) <= max_rows
            return
        assert 1 <= sum(map(len, pieces)) <= max_rows
        if len(expected) <= max_rows:
            # no row spans a break
            assert [int(p["data"][0, WIDTH]) for p in pieces] == [p[0] for p in expected]
        remaining = iter(window)
        for row in np.concatenate(pieces):
            first, last = int(row["data"][WIDTH]), int(row["data"][2 * WIDTH])
            group = [next(remaining)]
            while group[-1] != last:
                group.append(next(remaining))
            assert group[0] == first
            # rounded down once for each stored level that the row was made from
            assert 0 <= sum(group) // len(group) - int(row["timestamp"]) <= 3
            values = values_at(group)
            there = [column[~np.isnan(column)] for column in values.T]
            expected = [column.mean() if len(column) else np.nan for column in there]
            assert row["data"][:WIDTH] == pytest.approx(expected, abs=1e-6, nan_ok=True)
        assert list(remaining) == []


def ordered(a: int | None, b: int | None) -> tuple[int | None, int | None]:
    if a is None or b is None:
        return a, b
    return min(a, b), max(a, b) + 1


def test_rows_agree_with_a_plain_model():
    run_state_machine_as_test(
        Rows, settings=settings(settings(), max_examples=40, stateful_step_count=30)
    )
