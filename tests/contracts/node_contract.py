"""What every `Node` does, however it is reached."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.contracts.annotation import AnnotationContract
from tests.contracts.data import DataContract
from tests.contracts.data_stream import DataStreamContract
from tests.contracts.event import EventContract, OpenEventContract
from tests.contracts.event_filter import EventFilterContract
from tests.contracts.event_stream import EventStreamContract
from tests.contracts.folder import FolderContract
from tests.contracts.missing import MissingValuesContract

if TYPE_CHECKING:
    from joule_cli.api.node import Node


class NodeContract(
    FolderContract,
    DataStreamContract,
    DataContract,
    MissingValuesContract,
    AnnotationContract,
    EventStreamContract,
    EventContract,
    OpenEventContract,
    EventFilterContract,
):
    """Subclass it in the tests of an implementation, with the fixture `fresh_node`."""

    async def test_info_names_the_node_and_its_storage(self, node: Node):
        await node.folder_create("/a")
        info = await node.info()
        assert info.name == node.name
        assert info.version
        assert info.size_db > 0
        assert info.size_free > 0
        assert info.size_other >= 0
        assert info.size_reserved >= 0

    async def test_uuid_never_changes(self, node: Node):
        await node.folder_create("/a")
        first = (await node.info()).uuid
        await node.folder_create("/b")
        assert first
        assert (await node.info()).uuid == first

    async def test_closing_twice_does_nothing(self, node: Node):
        await node.close()
        await node.close()
