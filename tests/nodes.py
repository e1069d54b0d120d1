"""Nodes in files, as tests open them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from joule_cli.engine.node import EmbeddedNode
from joule_cli.engine.stores.sqlite.storage import SqliteStorage

if TYPE_CHECKING:
    from pathlib import Path


class FileNode(EmbeddedNode):
    """The node in the file `path`; `options` are those of its storage."""

    storage: SqliteStorage

    def __init__(self, name: str, path: Path, **options: Any) -> None:
        super().__init__(name, SqliteStorage(path, **options))
