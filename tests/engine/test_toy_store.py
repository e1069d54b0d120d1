"""A third store, in as few lines as it takes: proof that the contract is enough."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from joule_cli.api import connect
from joule_cli.engine.stores.base import DataStore, StoredStream
from joule_cli.engine.stores.metadata import MetadataStore, no_stream
from joule_cli.engine.stores.storage import Storage, StorageInfo
from joule_cli.errors import UnsupportedError
from joule_cli.model import DataStream, Element, Folder
from joule_cli.model.data_stream import DataStreamInfo

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from joule_cli.engine.stores.base import Item
    from joule_cli.series.layout import Rows

SAWTOOTH = [(1_700_000_000_000_000 + 1_000_000 * i, i % 3, -i) for i in range(5)]


class ToyMetadata(MetadataStore):
    """One folder with one stream."""

    def __init__(self) -> None:
        elements = [Element(name="saw", id=1, index=0), Element(name="ramp", id=2, index=1)]
        self.flow = DataStream("sawtooth", datatype="float64", elements=elements, id=1)
        self.root = Folder("root", id=1, locked=True, data_streams=[self.flow])

    async def folder(self, key: str | int) -> Folder:
        return self.root

    async def stream(self, kind: type, key: str | int) -> Any:
        if kind is not DataStream or key not in (1, "/sawtooth"):
            raise no_stream(key)
        return self.flow

    async def data_stream_info(self, key: str | int) -> DataStreamInfo:
        await self.stream(DataStream, key)
        return DataStreamInfo(SAWTOOTH[0][0], SAWTOOTH[-1][0], len(SAWTOOTH))


class ToyRows(DataStore):
    """A fixed array."""

    def rows(self, stream: StoredStream, start: int | None, end: int | None) -> Rows:
        rows = np.array([(t, (a, b)) for t, a, b in SAWTOOTH], stream.layout.dtype)
        low = -(2**63) if start is None else start
        return rows[(rows["timestamp"] >= low) & (rows["timestamp"] < (end or 2**63 - 1))]

    async def read(
        self, stream: StoredStream, start: int | None, end: int | None
    ) -> AsyncGenerator[list[Item], None]:
        yield [self.rows(stream, start, end)]

    async def count(self, stream: StoredStream, start: int | None, end: int | None) -> int:
        return len(self.rows(stream, start, end))


class ToyStorage(Storage):
    """Needs no more than this."""

    metadata = ToyMetadata()
    rows = ToyRows()

    async def info(self) -> StorageInfo:
        return StorageInfo(self.url, "1de2e7cb-4f0e-4b10-8f3b-5f63b1c0a001")


@pytest.fixture(autouse=True)
def toy(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    """Enter the store in the table: a class, and a line."""
    monkeypatch.setitem(connect.STORES, "toy", f"{__name__}:ToyStorage")
    monkeypatch.setenv("JOULE_USER_CONFIG_DIR", str(tmp_path))


def joule(*args: str) -> tuple[int, str, str]:
    """Run a command in a program that has the store in its table."""
    program = (
        "import sys; from joule_cli.api import connect; from joule_cli.cli import app; "
        f"connect.STORES['toy'] = '{__name__}:ToyStorage'; app.main()"
    )
    command = [sys.executable, "-c", program, "--url", "toy:box", *args]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def test_data_read_gives_the_array():
    status, out, err = joule("data", "read", "/sawtooth")
    assert (status, err) == (0, "")
    numbers = [[float(cell) for cell in line.split()] for line in out.splitlines()]
    assert numbers == [list(map(float, row)) for row in SAWTOOTH]


def test_other_commands_work_as_far_as_the_store_does():
    assert "sawtooth" in joule("folder", "list")[1]
    assert joule("data", "count", "/sawtooth") == (0, "5\n", "")
    status, out, err = joule("folder", "create", "/a")
    assert (status, out) == (1, "")
    assert "the store of this node cannot create folders" in err


def test_node_over_it():
    async def use() -> None:
        async with connect.get_node("box", url="toy:box") as node:
            assert node.embedded
            assert (await node.info()).capabilities == frozenset()
            rows = await node.data_read_array("/sawtooth", flatten=True)
            assert rows.tolist() == [list(map(float, row)) for row in SAWTOOTH]
            for call in (node.master_list(), node.db_tables(), node.data_write("/sawtooth")):
                with pytest.raises(UnsupportedError):
                    await call

    asyncio.run(use())
