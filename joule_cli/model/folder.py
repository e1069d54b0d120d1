"""Folders: the tree that streams live in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from joule_cli.model.data_stream import DataStream
from joule_cli.model.event_stream import EventStream

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(slots=True, eq=False)
class Folder:
    """A folder with everything below it.

    Notes
    -----
    `name` and `description` may be edited and sent back with ``Node.folder_update``.
    Source: Joule API reference, "Folder Actions".
    """

    name: str = ""
    description: str | None = None
    id: int | None = None
    locked: bool = False
    children: list[Folder] = field(default_factory=list)
    data_streams: list[DataStream] = field(default_factory=list)
    event_streams: list[EventStream] = field(default_factory=list)
    updated_at: str | None = None

    def walk(self, path: str = "/") -> Iterator[tuple[str, Folder]]:
        """Yield ``(path, folder)`` for this folder and all below it, parents first.

        Parameters
        ----------
        path
            The path of this folder itself.
        """
        yield path, self
        base = path.rstrip("/")
        for child in self.children:
            yield from child.walk(f"{base}/{child.name}")

    def streams(self, path: str = "/") -> Iterator[tuple[str, DataStream]]:
        """Yield ``(path, stream)`` for every data stream in this folder and below it."""
        for folder_path, folder in self.walk(path):
            for stream in folder.data_streams:
                yield f"{folder_path.rstrip('/')}/{stream.name}", stream

    def events(self, path: str = "/") -> Iterator[tuple[str, EventStream]]:
        """Yield ``(path, stream)`` for every event stream in this folder and below it."""
        for folder_path, folder in self.walk(path):
            for stream in folder.event_streams:
                yield f"{folder_path.rstrip('/')}/{stream.name}", stream

    def to_json(self) -> dict[str, Any]:
        """Return the wire form, with the keys in the order of the protocol."""
        return {
            "id": self.id,
            "name": self.name,
            "description": self.description,
            "locked": self.locked,
            "updated_at": self.updated_at,
            "children": [c.to_json() for c in self.children],
            "streams": [s.to_json() for s in self.data_streams],
            "event_streams": [s.to_json() for s in self.event_streams],
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Folder:
        """Build a folder, and all below it, from its wire form."""
        return cls(
            name=data["name"],
            description=data.get("description"),
            id=data.get("id"),
            locked=data.get("locked", False),
            children=[cls.from_json(c) for c in data.get("children", [])],
            data_streams=[DataStream.from_json(s) for s in data.get("streams", [])],
            event_streams=[EventStream.from_json(s) for s in data.get("event_streams", [])],
            updated_at=data.get("updated_at"),
        )

    def __repr__(self) -> str:
        return (
            f"<joule.api.Folder id={self.id} name={self.name!r} "
            f"description={self.description!r} locked={self.locked}>"
        )
