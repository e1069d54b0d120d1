"""A node that cannot do what those of ours can."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tests.nodes import FileNode

if TYPE_CHECKING:
    from joule_cli.model import NodeInfo
    from joule_cli.pipes import Pipe


class OlderNode(FileNode):
    """Tells no capabilities and knows no missing values, as one of Joule 1.0.1."""

    async def info(self) -> NodeInfo:
        return replace(await super().info(), capabilities=frozenset())

    async def capabilities(self) -> frozenset[str]:
        return frozenset()

    async def data_write(self, *arguments: Any, missing: bool = False, **options: Any) -> Pipe:
        return await super().data_write(*arguments, **options)
