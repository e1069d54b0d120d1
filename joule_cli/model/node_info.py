"""What a node says about itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

#: The capability to hold missing values in streams of float types.
MISSING_VALUES: Final = "missing-values"

#: The capability to break intervals at gaps between their rows.
SPLIT_INTERVALS: Final = "split-intervals"


@dataclass(slots=True, frozen=True)
class NodeInfo:
    """Version, name and storage of a node; all sizes in bytes.

    Parameters
    ----------
    path
        Where the node keeps its database.
    size_db
        Size of the database.
    size_free, size_other, size_reserved
        Free space, space used by others and reserved space of that file system.
    uuid
        Fixed for the life of the node's database; empty when the node does not tell.
    capabilities
        What the node can do that one of Joule 1.0.1 cannot, such as `MISSING_VALUES`.
    """

    version: str
    name: str
    path: str
    size_reserved: int
    size_other: int
    size_free: int
    size_db: int
    uuid: str = ""
    capabilities: frozenset[str] = frozenset()

    def to_json(self) -> dict[str, Any]:
        """Return every field by name."""
        return {
            "name": self.name,
            "uuid": self.uuid,
            "version": self.version,
            "path": self.path,
            "size_db": self.size_db,
            "size_free": self.size_free,
            "size_other": self.size_other,
            "size_reserved": self.size_reserved,
            "capabilities": sorted(self.capabilities),
        }
