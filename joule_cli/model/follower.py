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


@dataclass(slots=True, frozen=True)
class Joining:
    """Until when other nodes may make themselves followers of a node.

    Parameters
    ----------
    until
        µs since the epoch; in the past when none may join.
    private
        Whether they may be at addresses that are not public, such as those of this machine.
    """

    until: int
    private: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the wire form."""
        return {"until": self.until, "private": self.private}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Joining:
        """Build it from its wire form.

        Raises
        ------
        TypeError
            It is something else.
        """
        until, private = data["until"], data["private"]
        if type(until) is not int or type(private) is not bool:
            raise TypeError("not a time and a flag")
        return cls(until, private)
