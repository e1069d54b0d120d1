"""Breaking intervals at long gaps, over many chunks and beside producers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from joule_cli.engine.stores.sqlite import splitting, store
from joule_cli.errors import DataError
from joule_cli.series.layout import Layout
from tests.contracts.streams import flow
from tests.nodes import FileNode

if TYPE_CHECKING:
    from pathlib import Path

T = 1_700_000_000_000_000
PATH = "/a/flow"


def rows_at(stamps: np.ndarray) -> np.ndarray:
    rows = np.zeros(len(stamps), Layout("float32", 2).dtype)
    rows["timestamp"] = stamps
    rows["data"] = (stamps % 1000)[:, None]
    return rows


@pytest.fixture
async def node(tmp_path: Path):
    async with FileNode("demo", tmp_path / "node.db") as node:
        await node.data_stream_create(flow(), "/a")
        yield node


async def write(node: FileNode, stamps: np.ndarray) -> None:
    async with await node.data_write(PATH, merge_gap=10**15) as pipe:
        await pipe.write(rows_at(stamps))


@pytest.mark.parametrize("at_once", [1, 3, 10_000])
@pytest.mark.parametrize("budget", [1, 1_000_000])
async def test_gaps_in_and_between_chunks(node, monkeypatch, at_once, budget):
    monkeypatch.setattr(store, "_SPLIT_AT_ONCE", at_once)
    monkeypatch.setattr(store, "_SEARCHED_ROWS", budget)
    monkeypatch.setattr(store, "_MERGED_AT_ONCE", budget)
    random = np.random.default_rng(1)
    steps = np.full(300_000, 1000)
    # the rows of a chunk are 65,536 here: also before and behind its ends
    long = np.unique([*random.integers(1, len(steps), 40), 1, 65_535, 65_536, 65_537, 131_072])
    steps[long] = 50_000
    stamps = T + np.cumsum(steps)
    await write(node, stamps)
    before = await node.data_read_array(PATH, max_rows=10**6, flatten=True)
    expected = [[int(stamps[at - 1]) + 1, int(stamps[at])] for at in long]
    assert await node.data_split(PATH, 10_000, dry_run=True) == expected
    assert await node.data_split(PATH, 10_000) == expected
    pieces = np.split(stamps, long)
    assert await node.data_intervals(PATH) == [[int(p[0]), int(p[-1]) + 1] for p in pieces]
    assert await node.data_split(PATH, 10_000) == []
    after = await node.data_read_array(PATH, max_rows=10**6, flatten=True)
    assert after.tobytes() == before.tobytes()
    assert await node.data_consolidate(PATH, 50_000) == len(long)
    assert len(await node.data_intervals(PATH)) == 1


async def test_rows_that_come_into_a_gap_meanwhile(node, monkeypatch):
    await write(node, T + np.array([0, 1, 100, 101, 300]))
    gaps = [splitting.Interval(*gap) for gap in await node.data_split(PATH, 50, dry_run=True)]
    assert gaps == [(T + 2, T + 100), (T + 102, T + 300)]
    async with await node.data_write(PATH, merge_gap=1000, end_interval=False) as pipe:
        await pipe.write(rows_at(T + np.array([50])))
    # as found before the row came
    monkeypatch.setattr(splitting, "find_gaps", lambda *_: splitting.Found(gaps, None, None))
    assert await node.data_split(PATH, 50) == [[T + 102, T + 300]]
    assert await node.data_intervals(PATH) == [[T, T + 102], [T + 300, T + 301]]


async def test_a_gap_that_is_too_short_is_refused_before_anything_changes(node, monkeypatch):
    monkeypatch.setattr(store, "MOST_BREAKS", 10)
    await write(node, T + np.arange(0, 1200, 100))
    with pytest.raises(DataError, match="more than 10 gaps are longer than 50 us"):
        await node.data_split(PATH, 50)
    assert await node.data_intervals(PATH) == [[T, T + 1101]]


async def test_a_producer_goes_on_beside_it(node):
    async with await node.data_write(PATH) as pipe:
        await pipe.write(rows_at(T + np.array([0, 1, 500])))
        await pipe.flush_cache()
        assert await node.data_split(PATH, 100) == [[T + 2, T + 500]]
        await pipe.write(rows_at(T + np.array([501, 502])))
    assert await node.data_intervals(PATH) == [[T, T + 2], [T + 500, T + 503]]
