"""Servers in processes of their own, while something is measured with them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

from benchmarks.bench import joule_command
from benchmarks.measure import ROOT, cpu_seconds, peak_mb
from benchmarks.results import CaseError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from benchmarks.bench import Bench


@dataclass(slots=True)
class Server:
    """A running server; what it took is known when it has ended."""

    url: str
    pid: int
    key: str = field(default="", repr=False)
    cpu_s: float = 0.0
    peak_mb: float = 0.0

    @property
    def place(self) -> dict[str, str]:
        """Arguments of a worker that speaks to it."""
        return {"url": self.url, "key": self.key}


@contextmanager
def serving(bench: Bench, file: Path) -> Iterator[Server]:
    """Serve a node file with the installed program and its usual options."""
    key = bench.python("-m", "benchmarks.workers.key", str(file)).output.strip()
    argv = [*joule_command(), "node", "serve", str(file), "--port", "0", "--ready-fd"]
    with _running(bench, argv) as server:
        server.key = key
        yield server


@contextmanager
def bare(bench: Bench) -> Iterator[Server]:
    """Run a server that takes and gives bytes, and does nothing else with them."""
    with _running(bench, [sys.executable, "-m", "benchmarks.workers.bare"]) as server:
        yield server


@contextmanager
def _running(bench: Bench, argv: Sequence[str]) -> Iterator[Server]:
    """Run a program that writes its address to the file descriptor in its last argument."""
    read, write = os.pipe()
    with TemporaryFile() as log, os.fdopen(read) as ready:
        child = subprocess.Popen(
            [*argv, str(write)],
            env=bench.env,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=[write],
        )
        os.close(write)
        try:
            url = ready.readline().strip()
            server = Server(url, child.pid)
            if url:
                yield server
        finally:
            # not by the object, which would notice a child that has ended, and lose its usage
            os.kill(child.pid, signal.SIGTERM)
            _, status, usage = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
        server.cpu_s, server.peak_mb = cpu_seconds(usage), peak_mb(usage)
        if child.returncode or not url:
            log.seek(0)
            said = log.read().decode(errors="replace").strip().splitlines()
            last = said[-1] if said else "no message"
            raise CaseError(f"a server ended with status {child.returncode}: {last}")
