"""Missing values are NULL in SQL."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.contracts.missing import T, holed
from tests.engine.sql_helpers import ask, make_stream, read_all

pytest.importorskip("duckdb")


@pytest.fixture(params=["float32", "float64"])
async def stream(request: pytest.FixtureRequest, node):
    """20,000 rows in chunks of any size, with holes, infinities and large numbers."""
    found = await make_stream(node, "/t/x", request.param, ["a", "b"])
    values = holed(20_000)
    values[::1000, 0] = np.inf
    values[500::1000, 0] = np.finfo(request.param).max
    async with await node.data_write(found, missing=True) as pipe:
        rows = np.zeros(len(values), pipe.dtype)
        rows["timestamp"] = T + np.arange(len(rows))
        rows["data"] = values
        for part in np.split(rows, [1, 9, 70, 300, 5001]):
            await pipe.write(part)
    return found


def none(value: float) -> float | None:
    return None if math.isnan(value) else value


async def test_every_value_is_itself_or_null(node, stream):
    rows = await read_all(node, stream)
    found = await ask(node, 'SELECT a, b, time FROM "t/x"')
    expected = [
        (*map(none, values), time)
        for time, values in zip(rows["timestamp"].tolist(), rows["data"].tolist(), strict=True)
    ]
    if stream.datatype == "float64":
        assert found == expected
    else:
        # the shortest digits that mean the same
        assert [[v is None for v in row] for row in found] == [
            [v is None for v in row] for row in expected
        ]
        assert [np.float32(b) for _, b, _ in found if b is not None] == [
            np.float32(b) for _, b, _ in expected if b is not None
        ]


async def test_aggregates_leave_them_out(node, stream):
    values = (await read_all(node, stream))["data"][:, 1].astype(float)
    there = values[~np.isnan(values)]
    sql = 'SELECT count(*), count(b), sum(b)::DOUBLE, min(b), max(b) FROM "t/x"'
    assert await ask(node, sql) == [
        (20_000, len(there), there.sum(), there.min(), there.max()),
    ]
    missing = 'SELECT count(*) FROM "t/x" WHERE b IS NULL'
    assert await ask(node, missing) == [(20_000 - len(there),)]
    some = f'SELECT count(*) FROM "t/x" WHERE b > 0 AND time >= make_timestamptz({T + 100})'
    assert await ask(node, some) == [(int((values[100:] > 0).sum()),)]


async def test_a_row_of_missing_values_is_a_row(node):
    await make_stream(node, "/t/x", "float32", ["a"])
    async with await node.data_write("/t/x", missing=True) as pipe:
        await pipe.write([[T + i, None] for i in range(9)])
    assert await ask(node, 'SELECT count(*), count(a), avg(a) FROM "t/x"') == [(9, 0, None)]
