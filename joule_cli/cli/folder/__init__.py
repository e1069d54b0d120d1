"""`joule folder`: the tree that streams live in."""

from __future__ import annotations

from joule_cli.cli._lazy import group

_HERE = "joule_cli.cli.folder"


@group(
    "folder",
    lazy={
        "list": (f"{_HERE}.show:list_", "List folders and streams."),
        "info": (f"{_HERE}.show:info_", "Describe a folder and count what it holds."),
        "create": (f"{_HERE}.change:create", "Create a folder with everything above it."),
        "move": (
            f"{_HERE}.change:move",
            "Move a folder into another one, which is created if missing.",
        ),
        "rename": (f"{_HERE}.change:rename", "Give a folder another name."),
        "update": (f"{_HERE}.change:update", "Change the name or the description of a folder."),
        "delete": (f"{_HERE}.change:delete", "Delete folders with their streams and all data."),
        "copy": (f"{_HERE}.copy:copy", "Copy the content of a folder into another one."),
    },
    examples=["joule folder list --layout", "joule folder delete /tmp -r --dry-run"],
)
def folder() -> None:
    """List and manage the folders of a node."""
