"""What all action groups of the embedded node share."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

    from joule_cli.engine.stores.storage import Storage
    from joule_cli.model import DataStream, Folder


class EngineState:
    """The parts of an embedded node; `EmbeddedNode` makes and closes them."""

    storage: Storage


def mark_active(stream: DataStream) -> None:
    """Set the flags of a stream that is being written."""
    stream.is_destination = stream.active = stream.locked = True


def mark_below(folder: Folder, active: Collection[int]) -> bool:
    """Set the flags of a folder and of all below it; tell whether rows are written there.

    Parameters
    ----------
    active
        Ids of the data streams that are being written.
    """
    busy = False
    for stream in folder.data_streams:
        if stream.id in active:
            mark_active(stream)
            busy = True
    for child in folder.children:
        busy |= mark_below(child, active)
    folder.locked |= busy
    return busy
