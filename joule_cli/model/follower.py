"""What a node can control."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True, frozen=True)
class Follower:
    """A node that another node can control, with the key for it.

    Parameters
    ----------
    name
        The follower's own name, unique among the followers.
    location
        Its URL, unique as well.
    key
        Opens the follower; a secret.
    """

    name: str
    location: str
    key: str = field(repr=False)
    id: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the wire form, which has the key."""
        return {"id": self.id, "name": self.name, "location": self.location, "key": self.key}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Follower:
        """Build a follower from its wire form."""
        return cls(name=data["name"], location=data["location"], key=data["key"], id=data.get("id"))
