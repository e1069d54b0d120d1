"""`joule stream`: data streams as objects."""

from __future__ import annotations

from joule_cli.cli._lazy import group

_HERE = "joule_cli.cli.stream"


@group(
    "stream",
    lazy={
        "list": (f"{_HERE}.show:list_", "List data streams."),
        "info": (f"{_HERE}.show:info", "Describe streams and what they hold."),
        "get": (f"{_HERE}.show:get", "Print every attribute of streams and their elements."),
        "create": (f"{_HERE}.create:create", "Create a data stream."),
        "update": (f"{_HERE}.update:update", "Change attributes of a stream or its elements."),
        "rename": (f"{_HERE}.change:rename", "Give a stream another name."),
        "move": (f"{_HERE}.change:move", "Move streams into a folder."),
        "copy": (
            "joule_cli.cli.data.copy:copy",
            "Copy the rows that the destination lacks, with their annotations.",
        ),
        "delete": (
            f"{_HERE}.change:delete",
            "Delete data streams and event streams with all they hold.",
        ),
        "annotations": (f"{_HERE}.annotations:list_or_delete", "List or delete annotations."),
        "check": (f"{_HERE}.check:check", "Tell whether streams are recent and complete."),
    },
    examples=[
        'joule stream create "/house/mains:float32[volts,amps]"',
        "joule stream list '/house/**' --info",
    ],
)
def stream() -> None:
    """List, create and manage data streams."""
