"""Copies between nodes behind sockets, and what is left of them when one dies."""

from __future__ import annotations

import json
import re
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import numpy as np
import pytest

from joule_cli.errors import TransferCutError
from joule_cli.ops.copy import CopyOptions, copy_stream
from joule_cli.ops.errors import PartialError, VerificationError
from joule_cli.ops.streams import Place
from joule_cli.remote.node import RemoteNode
from tests.cli.conftest import Joule
from tests.contracts.data import T, rows_at
from tests.contracts.streams import flow
from tests.nodes import FileNode
from tests.remote.conftest import connect
from tests.remote.mortal import mortal
from tests.serving import serve

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from joule_cli.api.node import Node

PATH = "/a/flow"
ROWS = 600_000
#: Two intervals of very different lengths, and a short one.
BLOCKS = (range(10), range(100, 500_100), range(600_000, 600_000 + ROWS - 500_010))


@asynccontextmanager
async def filled(file: Path) -> AsyncIterator[FileNode]:
    """Give a node file with `ROWS` rows."""
    async with FileNode("source", file) as node:
        await node.data_stream_create(flow(), "/a")
        async with await node.data_write(PATH) as pipe:
            for block in BLOCKS:
                await pipe.write(rows_at(block))
                await pipe.close_interval()
        yield node


async def same(one: Node, two: Node) -> bool:
    assert await one.data_intervals(PATH) == await two.data_intervals(PATH)
    found = [await node.data_read_array(PATH, max_rows=10**7) for node in (one, two)]
    return bool(np.array_equal(*found))


async def test_between_two_served_nodes(tmp_path: Path):
    async with (
        filled(tmp_path / "a.db") as own,
        FileNode("other", tmp_path / "b.db") as other,
        serve(own) as here,
        serve(other, unix=tmp_path / "socket") as there,
        connect(here) as source,
        connect(there) as destination,
    ):
        ends = Place(source, PATH), Place(destination, PATH)
        result = await copy_stream(*ends, CopyOptions(verify=True))
        assert (result.created, result.rows, result.verified_rows) == (True, ROWS, ROWS)
        assert await same(own, other)
        result = await copy_stream(*ends, CopyOptions(verify=True))
        assert (result.created, result.rows, result.verified_rows) == (False, 0, ROWS)

        await destination.data_delete(PATH, T + 200, T + 300)
        async with await destination.data_write(PATH, T + 400, T + 401) as pipe:
            await pipe.write([[T + 400, -1, -1]])
        with pytest.raises(VerificationError):
            await copy_stream(*ends, CopyOptions(verify=True))


async def test_a_destination_that_dies_and_comes_back(tmp_path: Path):
    file, place = tmp_path / "b.db", tmp_path / "socket"
    async with filled(tmp_path / "a.db") as own:
        before = 0
        for rows in (5, 100_000, 400_000):
            with mortal(file, place, (PATH, rows)):
                async with RemoteNode("far", f"unix:{place}") as node:
                    with pytest.raises(PartialError) as caught:
                        await copy_stream(Place(own, PATH), Place(node, PATH), CopyOptions())
            assert isinstance(caught.value.__cause__, TransferCutError)
            # what it claims is true: the node has not said what it stored
            async with FileNode("other", file) as other:
                after = await other.data_count(PATH)
            assert caught.value.rows == 0
            assert caught.value.last is None
            assert 0 < after - before <= caught.value.unsure
            before = after
        with mortal(file, place):
            async with RemoteNode("far", f"unix:{place}") as node:
                options = CopyOptions(verify=True)
                result = await copy_stream(Place(own, PATH), Place(node, PATH), options)
                assert 0 < result.rows <= ROWS - 400_000
                assert result.verified_rows == ROWS
                assert await same(own, node)


@pytest.mark.parametrize("is_served", [False, True])
async def test_a_source_that_dies_and_comes_back(tmp_path: Path, is_served: bool):
    file, place = tmp_path / "a.db", tmp_path / "socket"
    async with AsyncExitStack() as stack:
        own = await stack.enter_async_context(filled(file))
        stored_in = await stack.enter_async_context(FileNode("other", tmp_path / "b.db"))
        other: Node = stored_in
        if is_served:
            there = await stack.enter_async_context(serve(stored_in))
            other = await stack.enter_async_context(connect(there))
        with mortal(file, place) as process:
            async with RemoteNode("far", f"unix:{place}") as node:
                with pytest.raises(PartialError) as caught:
                    await copy_stream(
                        Place(node, PATH),
                        Place(other, PATH),
                        CopyOptions(),
                        lambda _: process.kill(),
                    )
        assert isinstance(caught.value.__cause__, TransferCutError)
        stored = await other.data_count(PATH)
        assert 0 < stored < ROWS
        # the destination was well, and has told
        assert (caught.value.rows, caught.value.unsure) == (stored, 0)
        with mortal(file, place):
            async with RemoteNode("far", f"unix:{place}") as node:
                result = await copy_stream(Place(node, PATH), Place(other, PATH), CopyOptions())
        assert result.rows == ROWS - stored
        assert await same(own, other)


async def test_the_command_tells_of_a_part_and_goes_on(tmp_path: Path):
    joule = Joule(tmp_path)
    file, place = tmp_path / "b.db", tmp_path / "socket"
    joule.ok("node", "add", "near", "joule.db")
    joule.ok("node", "add", "far", f"unix:{place}", "--no-check")
    copy = ("data", "copy", f"near:{PATH}", f"far:{PATH}")
    async with filled(tmp_path / "joule.db") as own:
        with mortal(file, place, (PATH, 100_000)):
            broken = joule(*copy)
        assert broken.status == 3, broken.err
        assert "closed the connection" in broken.err
        assert re.search(r" \(up to [\d,]+ rows of /a/flow may be stored\)\n", broken.err)
        assert "Repeat the command to continue there." in broken.err
        with mortal(file, place):
            value = json.loads(joule.ok(*copy, "--verify", "--json"))
            assert 0 < value["rows"] <= ROWS - 100_000
            assert value["verified_rows"] == ROWS
        async with FileNode("other", file) as other:
            assert await same(own, other)
