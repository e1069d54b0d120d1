"""The node and the stream of the engine cases."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from joule_cli.api import DataStream, Element, get_node

if TYPE_CHECKING:
    import numpy.typing as npt

    from joule_cli.api import Node

BLOCK_ROWS = 100_000


def open_node(path: str) -> Node:
    return get_node(url=f"file:{path}")


async def create(node: Node, stream: str, width: int = 4) -> DataStream:
    folder, _, name = stream.rpartition("/")
    elements = [Element(name=f"e{i}") for i in range(width)]
    return await node.data_stream_create(DataStream(name=name, elements=elements), folder)


def load(path: str) -> npt.NDArray[np.void]:
    """Return saved rows, in memory: the disk they come from is not what is measured."""
    rows: npt.NDArray[np.void] = np.load(path)
    return rows


def file_size(path: str) -> int:
    """Return the bytes of a node file and what SQLite keeps beside it."""
    return sum(file.stat().st_size for file in (Path(path), Path(f"{path}-wal")) if file.exists())


def percentile(values: list[float], share: float) -> float:
    return float(np.percentile(values, share, method="higher"))
