"""Missing values on their way to nodes that may not hold them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from joule_cli.errors import MissingValuesError
from joule_cli.model.node_info import MISSING_VALUES
from joule_cli.series.time_output import format_time

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from joule_cli.api.node import Node
    from joule_cli.model import DataStream
    from joule_cli.ops.streams import Place
    from joule_cli.series.intervals import Interval
    from joule_cli.series.layout import Rows


async def holds_missing(node: Node) -> bool:
    """Tell whether a node can hold missing values."""
    return MISSING_VALUES in await node.capabilities()


async def may_lack_values(node: Node, stream: DataStream) -> bool:
    """Tell whether a stream of a node may have missing values; one of integers has none."""
    return stream.datatype.startswith("float") and await holds_missing(node)


async def refuse_missing_rows(
    source: Place, destination: Place, stream: DataStream, spans: Sequence[Interval]
) -> bool:
    """Tell whether the destination holds missing values; if not, refuse a source that has some.

    The rows of the source are read for that, but only then: those that are stored before the first
    missing value would stay.

    Raises
    ------
    MissingValuesError
        The destination cannot hold what a row has.
    """
    if await holds_missing(destination.node):
        return True
    if await may_lack_values(source.node, stream):
        for span in spans:
            reader = await source.node.data_read(stream, span.start, span.end)
            async with reader:
                await refuse_missing(reader.blocks(), destination)
    return False


async def refuse_missing(blocks: AsyncIterator[tuple[Rows, bool]], destination: Place) -> None:
    """Raise `MissingValuesError` for the first row that has a missing value."""
    async for rows, _ in blocks:
        missing = np.isnan(rows["data"]).any(axis=1)
        if missing.any():
            time = format_time(int(rows["timestamp"][int(missing.argmax())]), "human")
            raise MissingValuesError(
                f"values are missing at {time}, which node {destination.node.name} cannot hold",
                object=destination.path,
                hint="data export, then data ingest --missing skip, leave such rows out",
            )
