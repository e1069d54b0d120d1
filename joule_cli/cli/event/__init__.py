"""`joule event`: event streams and their events."""

from __future__ import annotations

from joule_cli.cli._lazy import group

_HERE = "joule_cli.cli.event"


@group(
    "event",
    lazy={},
    examples=[
        "joule event create /house/events --field power:numeric --field 'kind:category[heat,cool]'",
        "joule event count /house/events --last 1d --where 'power > 100'",
    ],
)
def event() -> None:
    """Record, find and manage events: labelled spans of time."""
