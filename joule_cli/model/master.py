"""Who may control a node."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from joule_cli.errors import ApiError

#: The types under the names of the wire, and what callers may write for each, in any case.
MASTER_TYPES: Final = {
    "USER": ("user",),
    "JOULE_NODE": ("joule", "joule_node"),
    "LUMEN_NODE": ("lumen", "lumen_node"),
}


def read_master_type(text: object) -> str:
    """Return the type that a text means, as it is listed.

    Raises
    ------
    ApiError
        It means none.
    """
    for kind, names in MASTER_TYPES.items():
        if isinstance(text, str) and text.lower() in names:
            return kind
    raise ApiError("master_type must be [user|joule|lumen]")


@dataclass(slots=True, eq=False)
class Master:
    """A user or a node that holds a key of this node.

    Parameters
    ----------
    master_type
        ``USER``, ``JOULE_NODE`` or ``LUMEN_NODE``.
    name
        Unique among the masters of one type.
    key
        The key, known only to the answer of `Node.master_add` for a user.
    id
        Fixed for the life of the entry.
    grantor_id
        Id of the master whose key authorised the addition, if any.

    Notes
    -----
    Source: Joule API reference, "Master Actions".
    """

    master_type: str
    name: str
    key: str | None = field(default=None, repr=False)
    id: int | None = None
    grantor_id: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the wire form, which never has the key."""
        return {
            "id": self.id,
            "name": self.name,
            "type": self.master_type,
            "grantor_id": self.grantor_id,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Master:
        """Build a master from its wire form."""
        return cls(
            master_type=str(data["type"]).upper(),
            name=data["name"],
            id=data.get("id"),
            grantor_id=data.get("grantor_id"),
        )

    def __repr__(self) -> str:
        return f"<joule.api.Master id={self.id} name={self.name!r} type={self.master_type!r}>"
