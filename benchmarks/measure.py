"""Run something in a fresh process and say what it took.

The system counts the memory of the parent at the moment of the start as the child's, so this
program itself stays small: it must not import numpy.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING

from benchmarks.results import CaseError

if TYPE_CHECKING:
    import resource
    from collections.abc import Mapping, Sequence

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Usage:
    """What one process took."""

    wall_s: float
    cpu_s: float
    peak_mb: float
    output: str


def run(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    stdout: Path | None = None,
    expected: int = 0,
) -> Usage:
    """Run a program to its end.

    Parameters
    ----------
    stdout
        Where its output goes; `None` to return it.
    expected
        The status that it should end with.

    Raises
    ------
    CaseError
        It ends with another status.
    """
    with TemporaryFile() as out, TemporaryFile() as err:
        if stdout is None:
            return _run(argv, env, out, err, expected)
        with stdout.open("wb") as file:
            return _run(argv, env, file, err, expected)


def _run(
    argv: Sequence[str],
    env: Mapping[str, str],
    out: IO[bytes],
    err: IO[bytes],
    expected: int,
) -> Usage:
    begin = time.perf_counter()
    with subprocess.Popen(
        argv, env=env, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=out, stderr=err
    ) as child:
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - begin
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != expected:
        err.seek(0)
        said = err.read().decode(errors="replace").strip().splitlines()
        last = said[-1] if said else "no message"
        raise CaseError(f"status {child.returncode}: {last}")
    text = ""
    if out.readable():
        out.seek(0)
        text = out.read().decode(errors="replace")
    return Usage(wall, cpu_seconds(usage), peak_mb(usage), text)


def cpu_seconds(usage: resource.struct_rusage) -> float:
    """Return the time that all threads of a process took."""
    return usage.ru_utime + usage.ru_stime


def peak_mb(usage: resource.struct_rusage) -> float:
    """Return the most memory that a process had."""
    # Linux counts in KiB, macOS in bytes
    unit = 1 if sys.platform == "darwin" else 2**10
    return usage.ru_maxrss * unit / 1e6
