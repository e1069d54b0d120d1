"""No call and no command of the original is forgotten."""

from __future__ import annotations

import ast
import re
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Calls that ask a served node for nothing, and why.
CALLS_WITHOUT_MEANING = {
    "to_config": "tells what the client itself stores of a node",
}
#: Commands that ask a served node for nothing, and why.
COMMANDS_WITHOUT_MEANING = {
    "admin initialize": "prepares a PostgreSQL server and system files for the original daemon",
    "admin erase": "empties the PostgreSQL database of the original daemon",
    "admin authorize": "writes a key into the PostgreSQL database of the original daemon",
}

WALK = """
    import inspect
    import click
    from joule.api.node import BaseNode, TcpNode, UnixNode
    from joule.cli.__main__ import main

    def walk(group, place):
        context = click.Context(group)
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            if isinstance(command, click.Group):
                yield from walk(command, (*place, name))
            else:
                yield " ".join((*place, name))

    classes = (BaseNode, TcpNode, UnixNode)
    calls = {n for c in classes for n, _ in inspect.getmembers(c, inspect.isfunction)}
    return sorted(n for n in calls if n[0] != "_"), list(walk(main, ()))
"""


FUNCTIONS = [
    item
    for file in Path(__file__).parent.glob("test_*.py")
    for item in ast.walk(ast.parse(file.read_text()))
    if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef)
]


def texts(function: ast.AST) -> set[str]:
    """Return all texts in a test, with its parameters."""
    found = (item.value for item in ast.walk(function) if isinstance(item, ast.Constant))
    return {value for value in found if isinstance(value, str)}


def calls_in(function: ast.AST) -> set[str]:
    """Return what the scripts of a test call."""
    return {name for text in texts(function) for name in re.findall(r"\bnode\.(\w+)\(", text)}


class Run(NamedTuple):
    """A place where a test runs a command."""

    words: list[str]  # as far as they are in the call
    others: set[str]  # what may stand for the rest, if something does

    def is_of(self, command: str) -> bool:
        wanted = command.split()
        if self.words[: len(wanted)] == wanted:
            return True
        count = len(self.words)
        return wanted[:count] == self.words and set(wanted[count:]) <= self.others


def runs_in(function: ast.AST) -> Iterator[Run]:
    """Yield the commands that a test runs."""
    for item in ast.walk(function):
        if not isinstance(item, ast.Call):
            continue
        if isinstance(item.func, ast.Attribute) and item.func.attr == "joule":
            given = item.args
        elif isinstance(item.func, ast.Name) and item.func.id == "done":
            given = item.args[1:]
        else:
            continue
        said = list(takewhile(lambda word: word is not None, map(word_of, given)))
        yield Run(said, texts(function) if len(said) < len(given) else set())


def word_of(argument: ast.expr) -> str | None:
    if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
        return argument.value
    return None


async def test_every_call_and_command_is_tested(site):
    calls, commands = await site.run(WALK)
    assert len(calls) > 50
    assert len(commands) > 40
    tested = set().union(*map(calls_in, FUNCTIONS))
    assert set(calls) - tested == set(CALLS_WITHOUT_MEANING)
    runs = [run for function in FUNCTIONS for run in runs_in(function)]
    untested = {each for each in commands if not any(run.is_of(each) for run in runs)}
    assert untested == set(COMMANDS_WITHOUT_MEANING)
