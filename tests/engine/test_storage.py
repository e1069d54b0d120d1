"""Stores under their contract, and nodes over them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from joule_cli.engine.node import EmbeddedNode
from joule_cli.engine.stores.sqlite.storage import SqliteStorage
from tests.contracts.memory import MemoryStorage
from tests.contracts.node_contract import NodeContract
from tests.contracts.storage import StorageContract

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from joule_cli.engine.stores.storage import Storage
    from tests.conftest import FreshNode


class TestSqliteStorage(StorageContract):
    @pytest.fixture
    async def storage(
        self, tmp_path: Path, ticking_clock: Callable[[], int]
    ) -> AsyncIterator[Storage]:
        storage = SqliteStorage(tmp_path / "node.db", clock=ticking_clock)
        yield storage
        await storage.close()


class TestMemoryStorage(StorageContract):
    @pytest.fixture
    def storage(self, ticking_clock: Callable[[], int]) -> Storage:
        return MemoryStorage(clock=ticking_clock)


class TestNodeInMemory(NodeContract):
    """What a node does is written over the contract alone."""

    @pytest.fixture
    def fresh_node(self, ticking_clock: Callable[[], int]) -> FreshNode:
        return lambda: EmbeddedNode("demo", MemoryStorage(clock=ticking_clock))
