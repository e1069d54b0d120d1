"""`joule event`: event streams and their events."""

from __future__ import annotations

from joule_cli.cli._lazy import group

_HERE = "joule_cli.cli.event"


@group(
    "event",
    lazy={
        "list": (f"{_HERE}.show:list_", "List event streams."),
        "info": (f"{_HERE}.show:info", "Describe event streams and what they hold."),
        "get": (f"{_HERE}.show:get", "Print every attribute of event streams."),
        "create": (f"{_HERE}.create:create", "Create an event stream."),
        "update": (f"{_HERE}.create:update", "Change attributes of an event stream."),
        "rename": (f"{_HERE}.change:rename", "Give an event stream another name."),
        "move": (f"{_HERE}.change:move", "Move event streams into a folder."),
        "delete": (f"{_HERE}.change:delete", "Delete event streams with their events."),
        "read": (f"{_HERE}.read:read", "Print events in the order of their start."),
        "count": (f"{_HERE}.count:count", "Count the events of streams."),
        "write": (f"{_HERE}.write:write", "Write events to a stream and print their number."),
        "remove": (
            f"{_HERE}.remove:remove",
            "Remove events of a stream and say how many; the stream stays.",
        ),
        "copy": (
            f"{_HERE}.copy:copy",
            "Copy the events that begin in the range to another event stream.",
        ),
    },
    examples=[
        "joule event create /house/events --field power:numeric --field 'kind:category[heat,cool]'",
        "joule event count /house/events --last 1d --where 'power > 100'",
    ],
)
def event() -> None:
    """Record, find and manage events: labelled spans of time."""
