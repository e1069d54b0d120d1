"""Monitoring: is a stream recent, and does it have as many rows as it should."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from joule_cli.cli._lazy import command
from joule_cli.cli._options import DURATION, STREAM, Bounds, time_bounds
from joule_cli.cli._output import Column, emit_list, output_format
from joule_cli.cli._references import Ref, expand_streams, stream_info
from joule_cli.cli._run import with_node
from joule_cli.cli._settings import current

if TYPE_CHECKING:
    from joule_cli.api.node import Node


@command(
    "check",
    examples=[
        "joule stream check '/house/**' --max-age 10m -q || mail-somebody",
        "joule stream check /house/mains --last 1d --min-rows 86000",
    ],
)
@click.argument("stream", type=STREAM, nargs=-1, required=True)
@click.option("--max-age", type=DURATION, metavar="D", help="The last row is at most this old.")
@click.option("--min-rows", type=click.IntRange(min=0), metavar="N", help="There are N rows.")
@time_bounds
@with_node
async def check(
    node: Node,
    stream: tuple[Ref, ...],
    max_age: int | None,
    min_rows: int | None,
    bounds: Bounds,
) -> None:
    """Tell whether streams are recent and complete.

    Ends with 1 if any is older than --max-age or has fewer rows than --min-rows in the range.
    With --quiet only those are printed.
    """
    now = current().now
    records = []
    for path, model in await expand_streams(node, stream, info=True):
        info = await stream_info(node, model)
        rows = info.rows
        if bounds.given:
            rows = await node.data_count(path, *await bounds.resolve(node, model))
        age_us = None if info.end is None else max(now - info.end, 0)
        records.append(
            {
                "path": path,
                "status": _verdict(age_us, rows, max_age, min_rows),
                "age_us": age_us,
                "rows": rows,
                "end": info.end,
            }
        )
    bad = [r for r in records if r["status"] != "ok"]
    told = bad if current().quiet else records
    # not even a heading when all is well, so that cron sends no mail
    if told or not _for_people():
        emit_list(
            map(_with_age, told),
            [
                Column("path"),
                Column("status"),
                Column("age" if _for_people() else "age_us", "age", kind="number"),
                Column("rows", kind="number"),
                Column("end", kind="time"),
            ],
        )
    if bad:
        raise click.exceptions.Exit(1)


def _verdict(age_us: int | None, rows: int, max_age: int | None, min_rows: int | None) -> str:
    if max_age is not None and age_us is None:
        return "empty"
    if max_age is not None and age_us is not None and age_us > max_age:
        return "old"
    if min_rows is not None and rows < min_rows:
        return "short"
    return "ok"


def _for_people() -> bool:
    return output_format() in {"table", "plain"}


def _with_age(record: dict[str, Any]) -> dict[str, Any]:
    if not _for_people() or record["age_us"] is None:
        return record
    from joule_cli.series.time import format_duration

    whole_seconds = record["age_us"] // 1_000_000 * 1_000_000
    return {**record, "age": format_duration(whole_seconds)}
