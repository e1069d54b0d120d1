"""Times and durations as the common options want them read."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from joule_cli.cli._settings import Settings, current
from joule_cli.errors import TimeFormatError

if TYPE_CHECKING:
    from datetime import tzinfo

    from joule_cli.series.time import ParsedTime


def zone(settings: Settings) -> tzinfo | None:
    """Return the zone of ``--tz``, else of ``JOULE_TZ``; `None` is the system's."""
    from joule_cli.series.time import find_zone

    return find_zone(settings.tz or os.environ.get("JOULE_TZ") or "local")


def read_time(text: str, what: str) -> ParsedTime:
    """Read a time; `what` (such as ``start time``) names it when it cannot be read."""
    from joule_cli.series.time import parse_time

    settings = current()
    try:
        parsed = parse_time(text, now=settings.now, tz=zone(settings))
    except TimeFormatError as exc:
        raise TimeFormatError(f"invalid {what}: {exc.message}", hint=exc.hint) from exc
    if not settings.quiet:
        for warning in parsed.warnings:
            click.echo(f"Warning: {warning}", err=True)
    return parsed


def read_duration(text: str, what: str, unit_us: int | None = None) -> int:
    """Read a duration in µs; a plain number counts `unit_us`."""
    from joule_cli.series.time import parse_duration

    try:
        return parse_duration(text, unit_us=unit_us)
    except TimeFormatError as exc:
        raise TimeFormatError(f"invalid {what}: {exc.message}", hint=exc.hint) from exc
