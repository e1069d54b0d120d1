"""A few rows decoded without NumPy are those that NumPy decodes."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from joule_cli.api.connect import get_node
from joule_cli.engine.stores.sqlite.codec import encode
from joule_cli.engine.stores.sqlite.columns import decode_columns
from joule_cli.engine.stores.sqlite.short import decode_short
from joule_cli.errors import CorruptChunkError
from joule_cli.model import DataStream, Element
from joule_cli.model.data_stream import DATATYPES
from joule_cli.series.layout import Layout

LATEST = 2**63 - 1


@st.composite
def stored_rows(draw):
    layout = Layout(draw(st.sampled_from(sorted(DATATYPES))), draw(st.integers(1, 4)))
    first = draw(st.integers(-(2**63), LATEST - 2**43))
    # no jitter has no residuals; each larger one takes more bytes
    jitter = draw(st.sampled_from([0, 100, 10_000, 2**20, 2**33]))
    n_rows = draw(st.integers(1, 300))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    steps = 10_000 + rng.integers(0, jitter + 1, n_rows)
    rows = np.zeros(n_rows, layout.dtype)
    rows["timestamp"] = first + np.cumsum(steps)
    if draw(st.booleans()):
        # a span that has no line
        rows["timestamp"][0], rows["timestamp"][-1] = -(2**63), LATEST
    rows["data"] = rng.integers(0, 100, rows["data"].shape)
    return layout, rows


@settings(deadline=None)
@given(
    stored_rows(),
    st.data(),
    st.booleans(),
)
def test_the_same_rows(stored, data, with_times):
    layout, rows = stored
    times = rows["timestamp"].tolist()
    bound = st.none() | st.sampled_from(times) | st.integers(times[0], times[-1])
    start, end = data.draw(bound), data.draw(bound)
    if start is not None and end is not None and start > end:
        start, end = end, start
    elements = sorted(data.draw(st.sets(st.integers(0, layout.width - 1))))
    given_ = (encode(rows), len(rows), layout, elements, start, end)
    wanted, columns = decode_columns(*given_, with_times=with_times)
    found, short = decode_short(*given_, with_times=with_times)
    assert (found is None) == (wanted is None)
    if wanted is not None and found is not None:
        assert found.tolist() == wanted.tolist()
    assert [column.tobytes() for column in short] == [column.tobytes() for column in columns]
    assert [len(column) for column in short] == [len(column) for column in columns]


@pytest.mark.parametrize("n_rows", [10, 100])
def test_what_is_not_intact_is_refused(n_rows):
    layout = Layout("float32", 2)
    rows = np.zeros(n_rows, layout.dtype)
    rows["timestamp"] = np.arange(n_rows)
    blob = encode(rows)
    for bad in (b"", blob[:-1], blob[:-1] + b"\xff"):
        with pytest.raises(CorruptChunkError):
            decode_short(bad, n_rows, layout, [0, 1])
    with pytest.raises(CorruptChunkError):
        decode_short(blob, n_rows + 1, layout, [0, 1])


SCRIPT = """
import asyncio, sys
from joule_cli.api.connect import get_node
async def main():
    async with get_node(url=sys.argv[1]) as node:
        async with await node.db_query(sys.argv[2]) as result:
            print(await result.read())
    print("numpy" in sys.modules)
asyncio.run(main())
"""
ALL = 'SELECT count(*), sum(x) FROM "a/b"'
MINUTE = f"{ALL} WHERE time >= make_timestamptz(60000000) AND time < make_timestamptz(120000000)"


@pytest.mark.parametrize(
    ("sql", "answer"),
    [(MINUTE, "[(6000, 6000.0)]\nFalse\n"), (ALL, "[(300000, 300000.0)]\nTrue\n")],
    ids=["a minute", "all"],
)
async def test_numpy_is_loaded_for_long_scans_alone(tmp_path, sql, answer):
    url = f"file:{tmp_path}/joule.db"
    async with get_node(url=url) as node:
        model = DataStream(name="b", datatype="float32", elements=[Element(name="x")])
        stream = await node.data_stream_create(model, "/a")
        async with await node.data_write(stream) as pipe:
            rows = np.zeros(300_000, pipe.dtype)
            rows["timestamp"] = np.arange(300_000) * 10_000
            rows["data"] = 1
            await pipe.write(rows)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, url, sql], capture_output=True, text=True, check=True
    )
    assert done.stdout == answer
