"""Filters over a moving window."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click

from joule_cli.cli._lazy import command, group
from joule_cli.cli._options import (
    STREAM,
    naming_options,
    progress_option,
    read_bounds,
    safe_options,
)
from joule_cli.cli._output import count_text
from joule_cli.cli._prompt import confirm_or_leave
from joule_cli.cli._references import Ref, find_stream, path_of
from joule_cli.cli._run import with_node
from joule_cli.cli._times import read_duration
from joule_cli.cli._transfer import pairs, watched
from joule_cli.cli.data._computed import (
    emit_plan,
    emit_result,
    interval_details,
    result_type_option,
)

if TYPE_CHECKING:
    from joule_cli.api.node import Node
    from joule_cli.ops.errors import OverlapError
    from joule_cli.ops.filters import FilterOptions, FilterPlan
    from joule_cli.ops.streams import Place
    from joule_cli.ops.windows import Unit
    from joule_cli.series.element_names import Naming

F = TypeVar("F", bound=Callable[..., Any])
_Kind = Literal["mean", "median"]
_Mode = Literal["resume", "replace"]


class _Window(click.ParamType[tuple[int, str]]):
    """A number of rows, or a duration in µs, each with its unit."""

    name = "window"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, str]:
        if isinstance(value, tuple):
            return value
        try:
            return int(value), "rows"
        except ValueError:
            return read_duration(value, "--window"), "us"


def _options(command: F) -> F:
    decorators = (
        click.argument("source", type=STREAM),
        click.argument("destination", type=STREAM),
        click.option(
            "-w",
            "--window",
            type=_Window(),
            required=True,
            metavar="N|D",
            help="Rows in a window, or its length as in 20ms. An even number of rows has one more "
            "before the row that gets the result than behind it, so that the middle of the window "
            "is half a step earlier; so has a time that is an even number of steps.",
        ),
        click.option("--start", metavar="T", help="Begin at this time (joule help times)."),
        click.option("--end", metavar="T", help="End before this time."),
        click.option(
            "--resume", "mode", flag_value="resume", help="Compute only what the destination lacks."
        ),
        click.option(
            "--replace",
            "mode",
            flag_value="replace",
            help="Replace the destination's rows; the default, after a question.",
        ),
        result_type_option,
        naming_options,
    )
    for decorator in reversed(decorators):
        command = decorator(command)
    return command


def _examples(kind: str) -> list[str]:
    line = f"joule data {kind} /house/mains /house/smooth -w 15"
    return [line, f"{line} --resume --yes", line.replace("-w 15", "-w 20ms")]


@command("mean", examples=_examples("mean"))
@_options
@safe_options
@progress_option
@with_node
async def mean(node: Node, /, source: Ref, destination: Ref, **options: Any) -> None:
    """Write the moving average of a stream to another one.

    Each interval is filtered on its own. Rows whose window reaches beyond it have no result, so
    that it gives N-1 rows less than it has. A window leaves missing values out.
    """
    await _filter(node, source, destination, "mean", **options)


@command("median", examples=_examples("median"))
@_options
@safe_options
@progress_option
@with_node
async def median(node: Node, /, source: Ref, destination: Ref, **options: Any) -> None:
    """Write the running median of a stream to another one.

    Each interval is filtered on its own. Rows whose window reaches beyond it have no result, so
    that it gives N-1 rows less than it has. A window leaves missing values out.
    """
    await _filter(node, source, destination, "median", **options)


@group("filter", examples=["joule data filter median /house/mains /house/smooth -w 15"])
def filter_() -> None:
    """Filter streams over a moving window."""


filter_.add_command(mean)
filter_.add_command(median)


async def _filter(
    node: Node,
    source: Ref,
    destination: Ref,
    kind: _Kind,
    *,
    window: tuple[int, Unit],
    start: str | None,
    end: str | None,
    mode: _Mode | None,
    datatype: str | None,
    naming: Naming,
    dry_run: bool,
) -> None:
    from joule_cli.ops.filters import FilterOptions, filter_stream
    from joule_cli.ops.streams import Place
    from joule_cli.ops.windows import check_window

    # before any request
    check_window(window[0])
    bounds = read_bounds(start, end)
    old = await find_stream(node, source, info=bounds.relative)
    new = Place(node, await path_of(node, destination))
    low, high = await bounds.resolve(node, old.model)
    size, unit = window
    options = FilterOptions(
        kind, size, low, high, datatype, mode=mode or "fail", unit=unit, naming=naming
    )
    options, plan, in_the_way = await _plan(old, new, options)
    rows = 0 if in_the_way is None else in_the_way.rows
    details = _details(old, new, options, plan, rows)
    if dry_run:
        record = {
            "destination": new.path,
            "creates": plan.creates,
            "datatype": plan.datatype,
            "mode": options.mode,
            "replaced_rows": rows,
            "intervals": pairs(plan.intervals),
            "short": pairs(plan.short),
        }
        emit_plan(record, details)
        return
    if plan.intervals or rows:
        question = f"Write the {kind} of {old.path} to {new.path}"
        if rows:
            question += f" and replace {count_text(rows, 'row')} there"
        confirm_or_leave(f"{question}?", details=details, always=True)
    with watched("filtering") as watch:
        result = await filter_stream(old, new, options, watch)
    record = {
        "destination": new.path,
        "created": result.created,
        "rows": result.rows,
        "intervals": pairs(result.intervals),
        "short": pairs(result.short),
        "replaced": rows,
        "replaced_start": None if in_the_way is None else in_the_way.start,
        "replaced_end": None if in_the_way is None else in_the_way.end,
    }
    emit_result(record, result.intervals, result.short)


async def _plan(
    old: Place, new: Place, options: FilterOptions
) -> tuple[FilterOptions, FilterPlan, OverlapError | None]:
    """Return the options to go on with, the plan, and which rows would be replaced."""
    from joule_cli.ops.errors import OverlapError
    from joule_cli.ops.filters import plan_filter

    in_the_way = None
    if options.mode != "resume":
        try:
            plan = await plan_filter(old, new, replace(options, mode="fail"))
        except OverlapError as exc:
            in_the_way = exc
            options = replace(options, mode="replace")
        else:
            return options, plan, None
    return options, await plan_filter(old, new, options), in_the_way


def _details(
    old: Place, new: Place, options: FilterOptions, plan: FilterPlan, rows: int
) -> list[str]:
    from joule_cli.series.duration import format_duration

    size = options.window
    window = f"{size} rows" if options.unit == "rows" else format_duration(size)
    lines = [
        f"  source:      {old.path}",
        f"  destination: {new.path}{' (new)' if plan.creates else ''}",
        f"  filter:      {options.kind} of {window} ({plan.datatype})",
    ]
    if rows:
        lines.append(f"  replaced:    {count_text(rows, 'row')} of the destination")
    return [*lines, *interval_details(plan.intervals)]
