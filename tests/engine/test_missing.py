"""Missing values in a node file: what `admin check` says, and what older files become."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from joule_cli.engine.stores.sqlite.levels import decode_level, encode_levels
from joule_cli.engine.stores.sqlite.migrations import MIGRATIONS
from joule_cli.series.layout import Layout
from tests.contracts.missing import PATH, T, holed, rows_of, write
from tests.contracts.streams import flow
from tests.edited import opened
from tests.nodes import FileNode

if TYPE_CHECKING:
    from pathlib import Path

LAYOUT = Layout("float64", 2)


async def problems_of(path: Path) -> list[str]:
    async with FileNode("lab", path) as node:
        return [problem.text for problem in (await node.storage.maintenance.check()).problems]


async def make(path: Path, *blocks: np.ndarray) -> None:
    async with FileNode("lab", path) as node:
        await node.data_stream_create(flow(datatype="float64"), "/a")
        await write(node, *blocks)


@pytest.mark.parametrize("column", ["fine", "coarse", "summary"])
async def test_check_finds_levels_that_count_wrong(tmp_path: Path, column: str):
    path = tmp_path / "node.db"
    rows = rows_of(holed(10_000))
    await make(path, rows)
    assert await problems_of(path) == []
    # as if another value were missing, which changes means hardly
    worse = rows.copy()
    worse["data"][np.flatnonzero(~np.isnan(rows["data"][:, 0]))[0], 0] = np.nan
    levels = dict(zip(("fine", "coarse", "summary"), encode_levels(worse, LAYOUT), strict=True))
    connection = opened(path)
    table = "chunk" if column == "summary" else "body"
    connection.execute(f"UPDATE {table} SET {column} = ?", (levels[column],))
    connection.close()
    [problem] = await problems_of(path)
    assert "do not match its rows" in problem


async def test_levels_carry_counts_only_where_values_are_missing(tmp_path: Path):
    path = tmp_path / "node.db"
    whole = rows_of(np.ones((70_000, 2)))
    whole["data"][66_000:, 1] = np.nan
    await make(path, whole)
    found = opened(path).execute("SELECT fine FROM body ORDER BY id").fetchall()
    sizes = [256, 18]
    counted = [decode_level(b, n, LAYOUT).present for (b,), n in zip(found, sizes, strict=True)]
    assert counted[0] is None
    assert counted[1] is not None
    assert counted[1].sum(axis=0).tolist() == [4464, 464]


async def test_an_older_file_is_brought_up_to_date(tmp_path: Path):
    path = tmp_path / "node.db"
    rows = rows_of(np.arange(12_000).reshape(-1, 2))
    await make(path, rows)
    older = opened(path)
    older.pragma("user_version", 3)
    older.close()
    more = rows_of(holed(3000), start=T + 6000)
    async with FileNode("lab", path) as node:
        assert (await node.data_read_array(PATH)).tobytes() == rows.tobytes()
        async with await node.data_write(PATH, merge_gap=10, missing=True) as pipe:
            await pipe.write(more)
        found = await node.data_read_array(PATH, max_rows=1)
    values = np.concatenate([rows["data"], more["data"]])
    np.testing.assert_allclose(found["data"][0, :2], np.nanmean(values, axis=0))
    assert opened(path).pragma("user_version") == len(MIGRATIONS)
    assert await problems_of(path) == []
