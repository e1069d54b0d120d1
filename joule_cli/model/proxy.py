"""Web interfaces that a node stands in front of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(slots=True, eq=False)
class Proxy:
    """A web interface behind a node.

    Parameters
    ----------
    id
        Its place in the node's configuration, from 0.
    name
        In lower case.
    target_url
        Where the interface is, as the node reaches it.
    proxied_url
        Where a node serves it to others; `None` if unknown.

    Notes
    -----
    Source: Joule API reference, "Proxy Actions".
    """

    id: int
    name: str
    target_url: str
    proxied_url: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the wire form."""
        return {"id": self.id, "name": self.name, "url": self.target_url}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Proxy:
        """Build a proxy from its wire form."""
        return cls(id=data["id"], name=data["name"], target_url=data["url"])

    def __repr__(self) -> str:
        return (
            f"<joule.api.Proxy id={self.id} name={self.name!r} proxied_url={self.proxied_url!r} "
            f"target_url={self.target_url!r}>"
        )
