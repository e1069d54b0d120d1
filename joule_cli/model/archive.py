"""What a node says about the import of an archive."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True, frozen=True)
class ArchiveMessage:
    """One line of an import.

    Parameters
    ----------
    source_label
        Label of the stream in the archive.
    destination
        Path of the stream on the node.
    target_type
        ``data_stream`` or ``event_stream``.
    """

    message: str
    source_label: str | None = None
    destination: str | None = None
    target_type: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the wire form."""
        return {
            "source_label": self.source_label,
            "destination": self.destination,
            "message": self.message,
            "target_type": self.target_type,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> ArchiveMessage:
        """Build a message from its wire form."""
        return cls(data["message"], data["source_label"], data["destination"], data["target_type"])


@dataclass(slots=True)
class ArchiveLog:
    """The messages of an import; it has succeeded if there are no errors.

    Notes
    -----
    Source: Joule wire protocol, "Archives".
    """

    info: list[ArchiveMessage] = field(default_factory=list)
    warnings: list[ArchiveMessage] = field(default_factory=list)
    errors: list[ArchiveMessage] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Return the wire form."""
        return {
            name: [message.to_json() for message in messages]
            for name, messages in (
                ("info", self.info),
                ("warnings", self.warnings),
                ("errors", self.errors),
            )
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> ArchiveLog:
        """Build a log from its wire form."""
        return cls(
            *(
                [ArchiveMessage.from_json(each) for each in data[name]]
                for name in ("info", "warnings", "errors")
            )
        )
