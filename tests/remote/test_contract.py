"""The contract of every node, over each kind of socket."""

from __future__ import annotations

import pytest

from tests.contracts.node_contract import NodeContract


class TestOverHttp(NodeContract):
    pass


class TestOverHttps(NodeContract):
    @pytest.fixture
    def transport(self) -> str:
        return "https"


class TestOverUnixSocket(NodeContract):
    @pytest.fixture
    def transport(self) -> str:
        return "unix"
