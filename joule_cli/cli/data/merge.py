"""Putting streams side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from joule_cli.cli._lazy import command
from joule_cli.cli._options import (
    DURATION,
    naming_options,
    progress_option,
    read_bounds,
    read_reference,
    safe_options,
)
from joule_cli.cli._output import count_text
from joule_cli.cli._prompt import confirm_or_leave
from joule_cli.cli._references import expand_streams
from joule_cli.cli._run import with_node
from joule_cli.cli._transfer import pairs, watched
from joule_cli.cli.data._computed import (
    emit_plan,
    emit_result,
    interval_details,
    result_type_option,
)
from joule_cli.errors import StreamNotFound

if TYPE_CHECKING:
    from joule_cli.api.node import Node
    from joule_cli.ops.merge import MergeInput, MergePlan
    from joule_cli.ops.resample import Method
    from joule_cli.series.element_names import Naming


@command(
    "merge",
    examples=[
        "joule data merge -p /house/mains -s /house/solar -d /house/both",
        "joule data merge -p /a/x:in -s /a/y:out -d /a/both --interpolate previous --yes",
    ],
)
@click.option(
    "-p",
    "--primary",
    required=True,
    metavar="PATH[:PREFIX]",
    help="Stream whose rows are kept, with their times.",
)
@click.option(
    "-s",
    "--secondary",
    multiple=True,
    required=True,
    metavar="PATH[:PREFIX]",
    help="Stream whose values are put beside; may be repeated.",
)
@click.option("-d", "--destination", required=True, metavar="PATH", help="Stream to write.")
@click.option("--start", metavar="T", help="Begin at this time (joule help times).")
@click.option("--end", metavar="T", help="End before this time.")
@click.option(
    "--interpolate",
    type=click.Choice(["linear", "previous", "none"]),
    default="linear",
    show_default=True,
    help="How values between the rows of a secondary are found; none takes the nearest row.",
)
@click.option(
    "--tolerance", type=DURATION, metavar="D", help="Leave out rows further from a secondary's."
)
@click.option(
    "--min-interval", type=DURATION, default="0s", metavar="D", help="Leave out shorter pieces."
)
@click.option(
    "--resume/--no-resume",
    default=True,
    help="Add what the destination lacks; else refuse one with rows there.",
)
@result_type_option
@naming_options
@safe_options
@progress_option
@with_node
async def merge(
    node: Node,
    primary: str,
    secondary: tuple[str, ...],
    destination: str,
    start: str | None,
    end: str | None,
    interpolate: Method,
    tolerance: int | None,
    min_interval: int,
    resume: bool,
    datatype: str | None,
    naming: Naming,
    dry_run: bool,
) -> None:
    """Put the values of other streams beside the rows of one.

    Names of elements begin with PREFIX, by default the name of their stream. In a destination that
    exists, values go to the element of that name, in any order of the elements. Where a value is
    missing, so is what is made of it.
    """
    from joule_cli.ops.merge import MergeOptions, merge_streams, plan_merge

    bounds = read_bounds(start, end)
    first, *others = await _inputs(node, (primary, *secondary))
    target = read_reference(destination)
    if isinstance(target, int):
        target = (await expand_streams(node, [target]))[0][0]
    low, high = await bounds.resolve(node, first.path)
    options = MergeOptions(
        start=low,
        end=high,
        interpolate=interpolate,
        tolerance=tolerance,
        min_interval=min_interval,
        datatype=datatype,
        naming=naming,
        resume=resume,
    )
    plan = await plan_merge(node, first, others, target, options)
    if dry_run:
        emit_plan(_plan_record(target, plan), _plan_details(first, others, target, plan))
        return
    if plan.intervals:
        confirm_or_leave(
            f"Merge {count_text(plan.rows, 'row')} into {target}?",
            details=_plan_details(first, others, target, plan),
            always=True,
        )
    with watched("merging") as watch:
        result = await merge_streams(node, first, others, target, options, watch)
    record = {
        "destination": target,
        "created": result.created,
        "rows": result.rows,
        "unmatched": result.unmatched,
        "intervals": pairs(result.intervals),
        "short": pairs(result.short),
    }
    emit_result(record, result.intervals, result.short)


async def _inputs(node: Node, texts: tuple[str, ...]) -> list[MergeInput]:
    from joule_cli.ops.merge import MergeInput

    known = list((await node.folder_root()).streams("/"))
    paths = {path for path, _ in known}
    ids = {stream.id: path for path, stream in known}
    found = []
    for text in texts:
        reference, prefix = read_reference(text), None
        if isinstance(reference, str) and reference not in paths and ":" in text:
            # a stream may have a colon in its name, and then that is what is meant
            name, _, prefix = text.rpartition(":")
            reference = read_reference(name)
        path = ids.get(reference) if isinstance(reference, int) else reference
        if path not in paths or path is None:
            raise StreamNotFound("stream does not exist", object=str(reference))
        found.append(MergeInput(path, prefix))
    return found


def _plan_record(target: str, plan: MergePlan) -> dict[str, Any]:
    return {
        "destination": target,
        "creates": plan.creates,
        "datatype": plan.datatype,
        "elements": plan.elements,
        "rows": plan.rows,
        "intervals": pairs(plan.intervals),
        "short": pairs(plan.short),
    }


def _plan_details(
    primary: MergeInput, secondaries: list[MergeInput], target: str, plan: MergePlan
) -> list[str]:
    return [
        f"  primary:     {primary.path}",
        *(f"  secondary:   {each.path}" for each in secondaries),
        f"  destination: {target}{' (new)' if plan.creates else ''}",
        f"  elements:    {', '.join(plan.elements)} ({plan.datatype})",
        f"  rows:        {plan.rows:,}",
        *interval_details(plan.intervals),
    ]
