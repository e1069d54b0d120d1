"""Gaps in a list: what `consolidate` would close and `split` open."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from joule_cli.cli._output import Column

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

GAP_COLUMNS = (
    Column("path"),
    Column("start", kind="time"),
    Column("end", kind="time"),
    Column("duration_us", "duration", kind="number"),
)


def gap_records(path: str, gaps: Iterable[Sequence[int]]) -> list[dict[str, Any]]:
    """Return gaps of a stream, each from 1 µs past a row to the next one, for a list."""
    return [
        {"path": path, "start": start, "end": end, "duration_us": end - start}
        for start, end in gaps
    ]
