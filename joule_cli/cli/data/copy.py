"""Copying streams, between nodes as well."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import click

from joule_cli.cli._lazy import command
from joule_cli.cli._options import (
    Bounds,
    naming_options,
    progress_option,
    safe_options,
    time_bounds,
)
from joule_cli.cli._output import (
    Column,
    count_text,
    emit_done,
    emit_list,
    emit_ok,
    emit_text,
    output_format,
)
from joule_cli.cli._prompt import confirm, confirm_or_leave
from joule_cli.cli._references import expand_streams, fixed_folder, is_pattern, path_of
from joule_cli.cli._run import for_each, run
from joule_cli.cli._settings import current
from joule_cli.cli._transfer import (
    EndRef,
    open_ends,
    pairs,
    read_ends,
    read_interval_file,
    watched,
)
from joule_cli.series.visible import one_line

if TYPE_CHECKING:
    from joule_cli.api.node import Node
    from joule_cli.ops.copy import CopyOptions, CopyResult
    from joule_cli.ops.streams import FoundStream, Place
    from joule_cli.series.element_names import Naming
    from joule_cli.series.intervals import Interval

_COLUMNS = (
    Column("source"),
    Column("destination"),
    Column("created"),
    Column("rows", kind="number"),
    Column("intervals", shown=False),
    Column("annotations", kind="number"),
)


class _Choices(NamedTuple):
    """The options that hold for every stream."""

    bounds: Bounds
    new: bool
    intervals: list[Interval] | None
    keep_us: int | None
    annotations: bool
    verify: bool
    naming: Naming

    async def resolve(self, source: FoundStream) -> CopyOptions:
        from joule_cli.ops.copy import CopyOptions

        start, end = await self.bounds.resolve(source.node, source.model)
        return CopyOptions(
            start=start,
            end=end,
            new=self.new,
            intervals=self.intervals,
            keep_us=self.keep_us,
            annotations=self.annotations,
            accept_units=current().yes,
            naming=self.naming,
            verify=self.verify,
        )


@command(
    "copy",
    examples=[
        "joule data copy /house/mains /archive/mains --last 30d",
        "joule data copy /house/mains backup:/house/mains --new",
        "joule data copy '/house/**' /archive/house --yes",
        "joule data copy meter:/mains local:/mains --last 1d",
    ],
)
@click.argument("source")
@click.argument("destination")
@time_bounds
@click.option("-n", "--new", is_flag=True, help="Copy only what follows the destination's rows.")
@click.option("-d", "--destination-node", metavar="NAME", help="Node of the destination.")
@click.option("--no-annotations", is_flag=True, help="Leave the annotations out.")
@click.option(
    "--keep", metavar="D|source", help="How long a new destination keeps rows; all and none too."
)
@click.option("--intervals", metavar="FILE", help="Copy only inside these (data intervals --csv).")
@naming_options
@click.option("--verify", is_flag=True, help="Compare all rows afterwards.")
@safe_options
@progress_option
def copy(
    source: str,
    destination: str,
    bounds: Bounds,
    new: bool,
    destination_node: str | None,
    no_annotations: bool,
    keep: str | None,
    intervals: str | None,
    verify: bool,
    naming: Naming,
    dry_run: bool,
) -> None:
    """Copy the rows that the destination lacks, with their annotations.

    Values go to the element of the same name, in any order of the elements.
    Repeat it to continue after an interruption. NODE:/path is on another node, local:/path in your
    own file, and /path on the node that is used anyway. A pattern copies into the folder
    DESTINATION and keeps the folders below its first wildcard; so does a DESTINATION that ends with
    a slash.
    """
    if new and bounds.start is not None:
        from joule_cli.ops.errors import OperationError

        raise OperationError("only new rows or rows from a start time, not both")
    ends = read_ends(source, destination, destination_node)
    choices = _Choices(
        bounds, new, read_interval_file(intervals), _keep(keep), not no_annotations, verify, naming
    )
    run(lambda: _copy(*ends, choices, dry_run, stdin_is_data=intervals == "-"))


def _keep(text: str | None) -> int | None:
    if text is None or text == "source":
        return None
    from joule_cli.series.time import parse_keep

    return parse_keep(text)


async def _copy(
    source: EndRef, destination: EndRef, choices: _Choices, dry_run: bool, *, stdin_is_data: bool
) -> None:
    async with open_ends(source, destination) as nodes:
        places = await _places(nodes, source, destination, info=choices.bounds.relative)
        several = _is_several(source, places)
        if dry_run:
            records = [await _plan(old, new, choices) for old, new in places]
            emit_list(records, [c if c.key != "created" else Column("creates") for c in _COLUMNS])
            return
        if several:
            listing = [f"  {old.path} -> {new.path}" for old, new in places]
            confirm_or_leave(
                f"Copy {len(places)} streams?",
                details=listing,
                always=True,
                stdin_is_data=stdin_is_data,
            )
        records = []

        async def copy_one(pair: tuple[FoundStream, Place]) -> None:
            result = await copy_asking(
                *pair, await choices.resolve(pair[0]), stdin_is_data=stdin_is_data
            )
            if result is not None:
                records.append(copy_record(*pair, result))
                _tell(records[-1])
            elif not several:
                emit_ok("Cancelled", {"status": "cancelled"})

        try:
            await for_each(places, copy_one)
        finally:
            _emit(records, several)
    if records or several:
        _finish()


def _is_several(source: EndRef, places: list[tuple[FoundStream, Place]]) -> bool:
    # a path that exists wins over the pattern it could be
    return is_pattern(source.path) and [old.path for old, _ in places] != [source.path]


async def _places(
    nodes: tuple[Node, Node], source: EndRef, destination: EndRef, *, info: bool
) -> list[tuple[FoundStream, Place]]:
    from joule_cli.ops.streams import FoundStream, Place

    first, second = nodes
    streams = await expand_streams(first, [source.path], info=info)
    new = await path_of(second, destination.path)
    path, model = streams[0]
    if not is_pattern(source.path) or path == source.path:
        if destination.folder:
            new = f"{new.rstrip('/')}/{path.rpartition('/')[2]}"
        return [(FoundStream(first, path, model), Place(second, new))]
    base = fixed_folder(str(source.path))
    return [
        (FoundStream(first, path, model), Place(second, f"{new.rstrip('/')}/{path[len(base) :]}"))
        for path, model in streams
    ]


async def copy_asking(
    old: Place, new: Place, options: CopyOptions, *, stdin_is_data: bool = False
) -> CopyResult | None:
    """Copy a stream; ask if the units differ, and return `None` if the answer is no."""
    from dataclasses import replace

    from joule_cli.ops.copy import copy_stream
    from joule_cli.ops.errors import UnitsMismatchError

    try:
        with watched("copying") as watch:
            return await copy_stream(old, new, options, watch)
    except UnitsMismatchError as exc:
        details = [f"  {difference}" for difference in exc.differences]
        question = f"The units of {new.path} differ; copy to it all the same?"
        if not confirm(question, details=details, always=True, stdin_is_data=stdin_is_data):
            return None
    with watched("copying") as watch:
        return await copy_stream(old, new, replace(options, accept_units=True), watch)


def copy_record(old: Place, new: Place, result: CopyResult) -> dict[str, Any]:
    """Return what a copy did, for programs."""
    record: dict[str, Any] = {
        "source": old.path,
        "destination": new.path,
        "created": result.created,
        "rows": result.rows,
        "intervals": pairs(result.intervals),
        "annotations": result.annotations,
    }
    if result.verified_rows is not None:
        record["verified_rows"] = result.verified_rows
    return record


def copy_sentence(record: dict[str, Any]) -> str:
    """Return what a copy did, for people."""
    notes = record["annotations"]
    parts = []
    if record["rows"]:
        n_intervals = count_text(len(record["intervals"]), "interval")
        parts.append(f"{count_text(record['rows'], 'row')} in {n_intervals}")
    if notes:
        parts.append(count_text(notes, "annotation"))
    text = " and ".join(parts) or "nothing to copy"
    if record["created"]:
        text += ", stream created"
    if "verified_rows" in record:
        text += f", {count_text(record['verified_rows'], 'row')} verified"
    return one_line(f"{record['source']} -> {record['destination']}: {text}")


async def _plan(old: FoundStream, new: Place, choices: _Choices) -> dict[str, Any]:
    from dataclasses import replace

    from joule_cli.ops.copy import plan_copy

    options = await choices.resolve(old)
    plan = await plan_copy(old, new, replace(options, accept_units=True))
    return {
        "source": old.path,
        "destination": new.path,
        "creates": plan.creates,
        "rows": plan.rows,
        "intervals": pairs(plan.intervals),
        "annotations": plan.annotations,
    }


def _people() -> bool:
    return output_format() in {"table", "plain"}


def _tell(record: dict[str, Any]) -> None:
    if _people() and not current().quiet:
        emit_text(copy_sentence(record))


def _emit(records: list[dict[str, Any]], several: bool) -> None:
    if _people():
        return
    emit_done(records, _COLUMNS if several else None, several=several)


def _finish() -> None:
    if _people():
        emit_ok()
