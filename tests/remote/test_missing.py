"""Missing values on the way to nodes that can hold them, and to others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from joule_cli.errors import InvalidValuesError, MissingValuesError, ProtocolError
from joule_cli.model.node_info import MISSING_VALUES
from joule_cli.remote.base import read_capabilities
from tests.contracts.data import PATH, T, rows_at
from tests.contracts.streams import flow
from tests.older import OlderNode
from tests.remote.conftest import connect
from tests.remote.recorded import LINES
from tests.serving import serve

if TYPE_CHECKING:
    from pathlib import Path

    from joule_cli.api.node import Node


async def times_of(node: Node) -> list[int]:
    async with await node.data_read(PATH) as pipe:
        return ((await pipe.read_all())["timestamp"] - T).tolist()


def test_a_node_of_joule_1_0_1_tells_no_capabilities():
    recorded = [line for line in LINES if line["request"]["path"] == "/version.json"]
    assert recorded
    for line in recorded:
        assert read_capabilities(line["response"]["body"]["json"]) == frozenset()


@pytest.mark.parametrize("told", ["all", {"a": 1}, [1], None])
def test_capabilities_of_another_form_are_no_answer(told):
    with pytest.raises(ProtocolError, match="capabilities"):
        read_capabilities({"capabilities": told})


async def test_a_node_without_the_capability_is_refused_before_anything_changes(tmp_path: Path):
    async with (
        OlderNode("old", tmp_path / "old.db") as own,
        serve(own) as place,
        connect(place, "old") as node,
    ):
        await node.data_stream_create(flow(), "/a")
        async with await node.data_write(PATH) as pipe:
            await pipe.write(rows_at(range(5)))
        with pytest.raises(MissingValuesError, match="cannot hold missing values") as failure:
            await node.data_write(PATH, T, T + 3, missing=True)
        assert failure.value.object == "flow"
        assert failure.value.hint
        assert await times_of(own) == [0, 1, 2, 3, 4]
        assert not (await node.data_stream_get(PATH)).is_destination


async def test_rows_of_integers_need_no_capability(tmp_path: Path):
    async with (
        OlderNode("old", tmp_path / "old.db") as own,
        serve(own) as place,
        connect(place, "old") as node,
    ):
        await node.data_stream_create(flow(datatype="int32"), "/a")
        async with await node.data_write(PATH, missing=True) as pipe:
            await pipe.write([[T, 1, 2]])
        assert await times_of(own) == [0]


async def test_a_node_that_has_lost_the_capability_refuses(tmp_path: Path):
    """As after a downgrade: what the client remembers is then wrong."""
    async with (
        OlderNode("old", tmp_path / "old.db") as own,
        serve(own) as place,
        connect(place, "old") as node,
    ):
        await node.data_stream_create(flow(), "/a")
        node._told_capabilities = frozenset({MISSING_VALUES})
        rows = rows_at(range(3))
        rows["data"][1] = np.nan
        with pytest.raises(InvalidValuesError):
            async with await node.data_write(PATH, missing=True) as pipe:
                await pipe.write(rows)
        assert await own.data_count(PATH) == 0
