"""Decimated reads of streams whose levels must be computed from the rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.engine.writers import made_stream, numbered_rows
from tests.nodes import FileNode

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("most", [1, 2, 10, 1000])
async def test_one_group_may_be_larger_than_a_batch(tmp_path: Path, most: int):
    async with FileNode("demo", tmp_path / "node.db") as node:
        await node.data_stream_create(made_stream("s", "float64"), "/a")
        async with await node.data_write("/a/s") as pipe:
            for i in range(8):
                await pipe.write(numbered_rows(i * 100_000, 100_000, pipe.dtype))
        kept = await node.data_read_array("/a/s", max_rows=most)
        await node.data_drop_decimations("/a/s")
        made = await node.data_read_array("/a/s", max_rows=most)
    assert 0 < len(made) <= most
    assert made["data"][:, 2].tolist() == kept["data"][:, 2].tolist()
    assert (made["data"][0, 2], made["data"][-1, 4]) == (0, 799_999)
