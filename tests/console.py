"""Listings of a console, typed into a real ``python -m asyncio``."""

from __future__ import annotations

import ast
import codeop
import re
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_DEADLINE_S: Final = 60
_ASSIGNED: Final = re.compile(r"(\w+) *= *[^=]")
_PROMPTS: Final = re.compile(r"^(?:(?:>>>|\.\.\.) )+", re.MULTILINE)
#: Begins the output of a step; nothing that is printed has it.
_MARK: Final = "=====step====="
#: Shows of which classes the exception of the last traceback is.
_CLASSES: Final = "print('Caught:', *[kind.__name__ for kind in sys.last_type.__mro__])"


@dataclass(frozen=True)
class Step:
    """One statement of a listing, and what stands below it.

    Parameters
    ----------
    source
        The statement, without prompts.
    shown
        What the listing shows below; below an assignment it is the value of the name.
    """

    source: str
    shown: str

    def typed(self) -> list[str]:
        """Return the lines to type."""
        lines = [f"print({_MARK!r})", *self.source.splitlines()]
        if _is_open(self.source):
            lines.append("")
        assigned = _ASSIGNED.match(self.source)
        if self.shown.startswith("joule.errors."):
            lines.append(_CLASSES)
        elif self.shown and assigned:
            lines.append(assigned[1])
        return lines


@dataclass(frozen=True)
class Transcript:
    """What a console printed: before the first step, for each step, and at its end."""

    beginning: str
    outputs: list[str]
    end: str


def read_listing(listing: str) -> list[Step]:
    """Split a listing into its steps.

    A statement goes on until it is complete, whether or not its lines begin with ``...``.
    """
    steps: list[Step] = []
    source: list[str] = []
    shown: list[str] = []
    for line in [*listing.strip("\n").splitlines(), ">>> "]:
        if line.startswith(">>> "):
            if source:
                steps.append(Step("\n".join(source), "\n".join(shown)))
            source, shown = [line[4:].lstrip()], []
        elif line.startswith("... "):
            source.append(line[4:])
        elif not shown and _is_open("\n".join(source)):
            source.append(line)
        else:
            shown.append(line)
    return steps


def run_console(steps: Sequence[Step], environment: Mapping[str, str]) -> Transcript:
    """Type steps into a console, and end it as Ctrl-D does."""
    lines = [line for step in steps for line in step.typed()]
    script = "\n".join(["import sys", *lines, f"print({_MARK!r})", ""])
    done = subprocess.run(
        [sys.executable, "-u", "-m", "asyncio"],
        input=script,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        env=dict(environment),
        timeout=_DEADLINE_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    beginning, *outputs, end = _PROMPTS.sub("", done.stdout).split(f"{_MARK}\n")
    assert len(outputs) == len(steps), done.stdout
    return Transcript(beginning, outputs, end)


def _is_open(source: str) -> bool:
    """Whether more lines can belong to a statement, so that an empty one has to end it."""
    compiler = codeop.CommandCompiler()
    compiler.compiler.flags |= ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    return compiler(source) is None
