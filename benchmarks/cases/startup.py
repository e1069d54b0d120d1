"""How long the program takes to say something, against an interpreter that imports click."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from benchmarks.bench import STREAM, joule_command
from benchmarks.measure import run
from benchmarks.results import Case, CaseError, Metric, Target
from benchmarks.serving import serving

if TYPE_CHECKING:
    from benchmarks.bench import Bench

_GROUPS = ("node", "folder", "stream", "data", "annotation", "admin")


def cases() -> list[Case]:
    found = [_case("joule-help", 3, ("--help",))]
    found += [_case(f"joule-{group}-help", 3, (group, "--help")) for group in _GROUPS]
    found.append(_case("joule-folder-list", 5, ("folder", "list")))
    for command in (("folder", "list"), ("stream", "info", STREAM)):
        metrics = {"cpu": Metric("ms"), "click": Metric("x click", (Target(4),))}
        body = partial(_served, arguments=command)
        found.append(Case(f"joule-served-{command[0]}-{command[1]}", metrics, body))
    metrics = {"time": Metric("ms"), "click": Metric("x click", (Target(3),))}
    found.append(Case("joule-complete", metrics, _complete))
    return found


def _case(name: str, limit: float, arguments: tuple[str, ...]) -> Case:
    metrics = {"time": Metric("ms"), "click": Metric("x click", (Target(limit),))}
    return Case(name, metrics, partial(_start, arguments=arguments))


def _start(bench: Bench, arguments: tuple[str, ...]) -> dict[str, float]:
    """Compare with a bare ``import click`` right before, so that both meet the same load."""
    if arguments == ("folder", "list"):
        arguments = (*arguments, "--url", f"file:{bench.file('small.db', partial(_small, bench))}")
    if arguments not in bench.warm:
        # compiled files and the disk cache are for the first one to make
        bench.joule(*arguments)
        bench.warm.add(arguments)
    click = bench.python("-c", "import click").wall_s
    wall = bench.joule(*arguments).wall_s
    return {"time": wall * 1e3, "click": wall / click}


def _served(bench: Bench, arguments: tuple[str, ...]) -> dict[str, float]:
    """Ask a served node; what the server takes for it is not the command's."""
    with serving(bench, bench.file("small.db", partial(_small, bench))) as server:
        bench.joule("node", "add", "small", server.url, server.key, "--no-check", "--yes")
        words = (*arguments, "--node", "small")
        if words not in bench.warm:
            bench.joule(*words)
            bench.warm.add(words)
        click = bench.python("-c", "import click").cpu_s
        cpu = bench.joule(*words).cpu_s
    return {"cpu": cpu * 1e3, "click": cpu / click}


def _complete(bench: Bench) -> dict[str, float]:
    """Press TAB behind the folder of a stream, its names being known from the time before."""
    url = f"file:{bench.file('small.db', partial(_small, bench))}"
    argv = [*joule_command(), "--url", url, "data", "read", STREAM[:-1]]
    env = {**bench.env, "_JOULE_COMPLETE": "fish_complete"}
    if ("complete",) not in bench.warm:
        run(argv, env=env)
        bench.warm.add(("complete",))
    click = bench.python("-c", "import click").wall_s
    usage = run(argv, env=env)
    if not usage.output.startswith(STREAM):
        raise CaseError(f"completed to {usage.output!r}")
    return {"time": usage.wall_s * 1e3, "click": usage.wall_s / click}


def _small(bench: Bench, path: object) -> None:
    bench.worker(
        "commits:commits",
        source=str(bench.command_rows()),
        path=str(path),
        stream=STREAM,
        n_commits=1,
        n_rows=10,
    )
