"""What merge and filters say before and after their work."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from joule_cli.cli._output import (
    count_text,
    emit_done,
    emit_object,
    emit_text,
    limited,
    output_format,
    warn,
)
from joule_cli.cli._ranges import range_text
from joule_cli.cli._settings import current
from joule_cli.cli._transfer import interval_line
from joule_cli.series.visible import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from joule_cli.series.intervals import Interval

F = TypeVar("F", bound=Callable[..., Any])

#: Intervals of a question before it only counts the rest.
_LISTED = 10


def result_type_option(command: F) -> F:
    """Add ``--datatype``."""
    return click.option(
        "--datatype",
        type=click.Choice(["float32", "float64"]),
        help="Of the results; by default the destination's, else float64 where float32 would "
        "lose digits of the sources.",
    )(command)


def interval_details(intervals: Sequence[Interval]) -> list[str]:
    """Return lines with the intervals that will be worked on."""
    lines = [f"    {interval_line(each)}" for each in intervals[:_LISTED]]
    if len(intervals) > _LISTED:
        lines.append(f"    and {len(intervals) - _LISTED:,} more intervals")
    return lines


def emit_plan(record: dict[str, Any], details: Sequence[str]) -> None:
    """Print what a dry run found out."""
    emit_object(record, lambda: emit_text("\n".join(map(one_line, details))))


def emit_result(
    record: dict[str, Any], intervals: Sequence[Interval], short: Sequence[Interval]
) -> None:
    """Print a line per interval and how much was written; warn of what was left out."""
    if output_format() not in {"table", "plain"}:
        emit_done([record])
        return
    if not current().quiet:
        for each in limited(intervals):
            emit_text(interval_line(each))
        emit_text(_sentence(record, intervals))
        if record.get("replaced"):
            span = range_text(record["replaced_start"], record["replaced_end"])
            number = count_text(record["replaced"], "row")
            emit_text(f"{number} of {one_line(record['destination'])} replaced{span}")
    for each in short:
        warn(f"too short, left out: {interval_line(each)}")
    if record.get("unmatched"):
        left_out = count_text(record["unmatched"], "row")
        warn(f"left out without a partner within the tolerance: {left_out}")


def _sentence(record: dict[str, Any], intervals: Sequence[Interval]) -> str:
    if not intervals:
        return f"Nothing to do for {one_line(record['destination'])}"
    return f"{count_text(record['rows'], 'row')} written to {one_line(record['destination'])}"
