"""`joule module`: the programs that a node runs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from joule_cli.cli._lazy import group
from joule_cli.cli._options import DURATION, read_instant
from joule_cli.cli._output import (
    Column,
    ListWriter,
    emit_block,
    emit_list,
    emit_object,
    emit_text,
    note,
    output_format,
    show_rows,
    warn,
)
from joule_cli.cli._run import is_terminal, with_node
from joule_cli.cli._settings import current
from joule_cli.errors import (
    ModuleNotFound,
    NodeUnreachableError,
    TimeFormatError,
    TransferCutError,
)
from joule_cli.series.visible import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable

    from joule_cli.api.node import Node
    from joule_cli.model import Module

#: Seconds between two looks at the lines of a module; a node has no call that waits for them.
_LOOK_S = 1.0
_CLEAR = "\x1b[H\x1b[2J"


@group("module", examples=["joule module list --statistics", "joule module logs filter --follow"])
def module() -> None:
    """See what the modules of a node do."""


@module.command(
    "list",
    examples=[
        "joule module list -s",
        "joule module list --failed",
        "joule module list -s --watch 5s",
    ],
)
@click.option("-s", "--statistics", is_flag=True, help="Measure processor and memory.")
@click.option("--failed", is_flag=True, help="Only those that do not run; end with 1 if any.")
@click.option(
    "--watch", metavar="D", type=DURATION, help="List again after this time, until Ctrl-C."
)
@with_node
async def list_(node: Node, statistics: bool, failed: bool, watch: int | None) -> None:
    """List the modules."""
    import asyncio

    if watch is not None and output_format() == "json":
        raise click.UsageError("--watch has no end, use --jsonl.")
    if watch is not None and watch <= 0:
        raise click.UsageError("--watch needs a time above 0.")
    columns = [Column("name"), Column("inputs"), Column("outputs")]
    if statistics:
        columns += [Column("cpu", "CPU %", "number"), Column("memory", "Mem %", "number")]
    columns += [
        Column("id", kind="number", shown=False),
        Column("description", shown=False),
        Column("is_app", shown=False),
        Column("pid", kind="number", shown=False),
    ]

    async def look() -> list[Module]:
        found = await node.module_list(statistics or failed)
        return [each for each in found if not failed or not _runs(each)]

    if watch is None:
        found = await look()
        emit_list((_record(each, statistics) for each in found), columns)
        if failed and found:
            raise click.exceptions.Exit(1)
        return
    redraw = output_format() == "table" and is_terminal(sys.stdout)
    try:
        with ListWriter(columns) as writer:
            while True:
                found = await look()
                records = [_record(each, statistics) for each in found]
                if writer.format in {"table", "plain"}:
                    if redraw:
                        sys.stdout.write(_CLEAR)
                    show_rows(records, writer.columns)
                    sys.stdout.flush()
                else:
                    for record in records:
                        writer.write(record)
                    sys.stdout.flush()
                await asyncio.sleep(watch / 1_000_000)
    except asyncio.CancelledError:
        return


def _runs(module: Module) -> bool:
    return module.statistics is not None and module.statistics.pid is not None


def _record(module: Module, statistics: bool) -> dict[str, Any]:
    value = module.to_json()
    used = module.statistics
    if not statistics:
        value.pop("statistics", None)
    if output_format() in {"json", "jsonl"} and current().columns is None:
        return value
    between = "\n" if output_format() == "table" else ", "
    value["inputs"] = between.join(module.inputs.values())
    value["outputs"] = between.join(module.outputs.values())
    value["pid"] = None if used is None else used.pid
    value["cpu"] = None if used is None else _decimals(used.cpu_percent, 1)
    value["memory"] = None if used is None else _decimals(used.memory_percent, 1)
    return value


def _decimals(value: float | None, digits: int) -> str | None:
    return None if value is None else f"{value:.{digits}f}"


@module.command("info", examples=["joule module info filter", "joule module info 2 --json"])
@click.argument("module")
@with_node
async def info(node: Node, module: str) -> None:
    """Describe a module, given by name or id."""
    from joule_cli.model import ModuleStatistics

    found = await _find(node, module)
    used = found.statistics

    def show() -> None:
        running = used or ModuleStatistics(None, None, None, None)
        emit_block(
            [
                ("Name", found.name),
                ("Description", found.description),
                ("Data App", "yes" if found.is_app else "no"),
                ("Inputs", _pipes(found.inputs)),
                ("Outputs", _pipes(found.outputs)),
                ("PID", None if running.pid is None else str(running.pid)),
                ("CPU Usage", _percent(running.cpu_percent)),
                ("Memory Usage", _percent(running.memory_percent)),
                ("Uptime", _uptime(running.create_time)),
            ]
        )

    emit_object(found.to_json(), show)


module.add_command(info, "get")


async def _find(node: Node, reference: str) -> Module:
    if reference.isascii() and reference.isdigit():
        try:
            return await node.module_get(int(reference), statistics=True)
        except ModuleNotFound:
            # a name may be a number
            pass
    return await node.module_get(reference, statistics=True)


def _pipes(connections: dict[str, str]) -> str | None:
    return ", ".join(f"{name}: {path}" for name, path in connections.items()) or None


def _percent(value: float | None) -> str | None:
    return None if value is None else f"{value:.2f}%"


def _uptime(create_time: float | None) -> str | None:
    if create_time is None:
        return None
    from datetime import timedelta

    seconds = max(current().now // 1_000_000 - int(create_time), 0)
    return str(timedelta(seconds=seconds))


@module.command(
    "logs",
    examples=[
        "joule module logs filter --tail 20",
        "joule module logs filter --follow",
        "joule module logs filter --since '10 minutes ago' --jsonl",
    ],
)
@click.argument("module")
@click.option("-f", "--follow", is_flag=True, help="Wait for more lines, until Ctrl-C.")
@click.option("--tail", metavar="N", type=click.IntRange(min=0), help="Only the last N lines.")
@click.option("--since", metavar="T", help="Only lines from this time on (joule help times).")
@with_node
async def logs(node: Node, module: str, follow: bool, tail: int | None, since: str | None) -> None:
    """Print the latest lines of a module, given by name or id.

    A node keeps about 100 lines of each module. Their times are in the node's own time zone, and
    are read as local ones.
    """
    import asyncio

    earliest = read_instant(since, "--since")
    if follow and output_format() == "json":
        raise click.UsageError("--follow has no end, use --jsonl.")
    key: str | int = module
    found = await _first_lines(node, module)
    key, lines = found
    shown = [line for line in lines if earliest is None or _is_since(line, earliest)]
    shown = shown if tail is None else shown[len(shown) - min(tail, len(shown)) :]
    people = output_format() in {"table", "plain"} and current().columns is None
    columns = [Column("time", kind="time"), Column("line")]
    try:
        if people:
            _print(shown)
        else:
            with ListWriter(columns) as writer:
                for line in shown:
                    writer.write(_split(line))
                while follow:
                    lines, new = await _more(node, key, lines)
                    for line in new:
                        writer.write(_split(line))
        while follow:
            lines, new = await _more(node, key, lines)
            _print(new)
    except asyncio.CancelledError:
        if not follow:
            raise


async def _first_lines(node: Node, reference: str) -> tuple[str | int, list[str]]:
    if reference.isascii() and reference.isdigit():
        try:
            return int(reference), await node.module_logs(int(reference))
        except ModuleNotFound:
            pass
    return reference, await node.module_logs(reference)


async def _more(node: Node, key: str | int, lines: list[str]) -> tuple[list[str], list[str]]:
    """Return all lines after a while, and those among them that are new."""
    import asyncio

    await asyncio.sleep(_LOOK_S)
    try:
        now = await node.module_logs(key)
    except (NodeUnreachableError, TransferCutError) as exc:
        warn(f"{exc.sentence()}; trying again")
        return lines, []
    known = overlap(lines, now)
    if lines and not known and len(now) >= len(lines):
        note("--some lines may be missing, the module prints them faster than they are read--")
    return now, now[known:]


def overlap(before: list[str], now: list[str]) -> int:
    """Return how many of the first lines were the last ones before; old lines roll off."""
    for length in range(min(len(before), len(now)), 0, -1):
        if before[len(before) - length :] == now[:length]:
            return length
    return 0


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        # what a module prints may be indented with tabs
        emit_text("\t".join(map(one_line, line.split("\t"))))
    sys.stdout.flush()


def _time(line: str) -> int | None:
    """Return the time at the start of a line, µs; it has no zone."""
    stamp, found, _ = line.removeprefix("[").partition("]: ")
    if not found or not line.startswith("["):
        return None
    from joule_cli.cli._times import read_time

    try:
        return read_time(stamp, "time of a line").timestamp
    except TimeFormatError:
        return None


def _is_since(line: str, earliest: int) -> bool:
    time = _time(line)
    return time is None or time >= earliest


def _split(line: str) -> dict[str, Any]:
    time = _time(line)
    return {"time": time, "line": line if time is None else line.partition("]: ")[2]}
