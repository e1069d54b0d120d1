"""The real program in processes of its own, through pipes and pseudo-terminals."""

from __future__ import annotations

import asyncio
import atexit
import fcntl
import json
import os
import pty
import select
import shlex
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from joule_cli.api import get_node
from tests.cli.command_table import prepare
from tests.cli.fork_server import Forks

#: The program as it is installed.
PROGRAM = [str(Path(sys.executable).with_name("joule"))]


@cache
def forks():
    """The process of this run of tests that runs the program in forks."""
    started = Forks(warm=True)
    atexit.register(started.close)
    return started


@cache
def forked_program():
    """The path of a ``joule`` that starts at once, for tests that are not about starting."""
    folder = TemporaryDirectory()
    atexit.register(folder.cleanup)
    return str(forks().install(Path(folder.name)))


_DEADLINE_S = 20


@dataclass
class Result:
    status: int
    out: str
    err: str = ""

    def json(self):
        return json.loads(self.out)

    def error(self):
        """The error object on stderr."""
        return json.loads(self.err)["error"]


@dataclass
class Joule:
    """Runs commands on one node file, in a known environment."""

    folder: Path
    env: dict[str, str] = field(default_factory=dict)

    def environment(self, extra=None):
        kept = {
            k: os.environ[k] for k in ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH") if k in os.environ
        }
        base = {
            "HOME": str(self.folder),
            "JOULE_DATA_DIR": str(self.folder),
            "JOULE_USER_CONFIG_DIR": str(self.folder / "config"),
            "TZ": "UTC",
            "LANG": "C.UTF-8",
            "TERM": "xterm",
            "COLUMNS": "80",
        }
        return {**kept, **base, **self.env, **(extra or {})}

    def __call__(self, *args, stdin="", env=None):
        """Run through pipes; stdin is at its end after the given text."""
        environment = self.environment(env)
        if self._program(env) != PROGRAM[0]:
            run = forks().run(self.folder, *args, env=environment, stdin=stdin, piped=True)
            return Result(run.status, run.out, run.err)
        done = subprocess.run(
            [*PROGRAM, *map(str, args)],
            input=stdin,
            capture_output=True,
            encoding="utf-8",
            env=environment,
            cwd=self.folder,
            timeout=_DEADLINE_S,
            check=False,
        )
        return Result(done.returncode, done.stdout, done.stderr)

    def _program(self, env):
        """Return the program to start: the installed one where Python itself is told something."""
        told = any(name.startswith("PYTHON") for name in {**self.env, **(env or {})})
        return PROGRAM[0] if told else forked_program()

    def ok(self, *args, **kwargs):
        """Run, expect success and silence on stderr, return stdout."""
        result = self(*args, **kwargs)
        assert (result.status, result.err) == (0, "")
        return result.out

    def shell(self, line, env=None):
        """Run a line of bash in which `joule` is the program."""
        # a fork gets neither closed streams nor limits, and its name is not on its command line
        cold = any(word in line for word in ("&-", "ulimit", "pgrep"))
        program = PROGRAM[0] if cold else self._program(env)
        done = subprocess.run(
            ["bash", "-c", f'joule() {{ {program} "$@"; }}\n{line}'],
            capture_output=True,
            encoding="utf-8",
            env=self.environment(env),
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            timeout=_DEADLINE_S,
            check=False,
        )
        return Result(done.returncode, done.stdout, done.stderr)

    def terminal(
        self,
        *args,
        typed="",
        when="",
        columns=80,
        rows=24,
        env=None,
        send=None,
        program=PROGRAM,
    ):
        """Run on a pseudo-terminal and return everything it shows.

        Parameters
        ----------
        typed
            Keys pressed once `when` is on the screen.
        send
            A signal sent then instead.
        """
        environment = self.environment(env)
        if env is None or "COLUMNS" not in env:
            del environment["COLUMNS"]
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        child = subprocess.Popen(
            [*program, *map(str, args)],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=environment,
            cwd=self.folder,
            start_new_session=True,
        )
        os.close(theirs)
        shown = b""
        pressed = False
        try:
            deadline = time.monotonic() + _DEADLINE_S
            while time.monotonic() < deadline:
                if not pressed and (typed or send) and when.encode() in shown:
                    pressed = True
                    if send is not None:
                        child.send_signal(send)
                    else:
                        os.write(ours, typed.encode())
                if not select.select([ours], [], [], 0.05)[0]:
                    continue
                try:
                    piece = os.read(ours, 65536)
                except OSError:  # how Linux says that the other side is closed
                    break
                if not piece:
                    break
                shown += piece
            status = child.wait(timeout=_DEADLINE_S)
        finally:
            if child.poll() is None:
                child.send_signal(signal.SIGKILL)
                child.wait()
            os.close(ours)
        return Result(status, shown.decode().replace("\r\n", "\n"))


@pytest.fixture
def joule(tmp_path):
    """The program over an empty node."""
    return Joule(tmp_path)


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """The program over a node with a few streams, for tests that change nothing."""
    joule = Joule(tmp_path_factory.mktemp("filled"))
    joule.ok("stream", "create", "/house/mains:float32[volts:V,amps:A]", "--description", "grid")
    joule.ok("stream", "create", "/house/kitchen/fridge:int16[power]", "--keep", "none")
    joule.ok("stream", "create", "/lab/größe:float64[x]")
    joule.ok("annotation", "create", "/house/mains", "fridge, on", "--start", "1700000000000000")
    joule.ok(
        *("annotation", "create", "/house/mains", "outage", "--content", 'said "no"'),
        *("--start", "1700000001000000", "--end", "1700000002000000"),
    )
    return joule


@pytest.fixture(scope="session")
def prepared(tmp_path_factory):
    """A folder with a node, its registry and files, as `command_table` describes it."""
    folder = tmp_path_factory.mktemp("prepared")
    prepare(folder)
    return folder


@dataclass
class Forked:
    """Runs lines of commands in a copy of the prepared folder, with no more than cron gives."""

    forks: Forks
    folder: Path

    def __call__(self, line, *more, env=None, **options):
        given = {
            "PATH": "/usr/bin:/bin",
            "JOULE_URL": f"file:{self.folder}/joule.db",
            "JOULE_USER_CONFIG_DIR": str(self.folder / "config"),
            **(env or {}),
        }
        words = [*shlex.split(line), *more]
        return self.forks.run(self.folder, *words, env=given, watch_calls=True, **options)


@pytest.fixture
def forked(prepared, tmp_path):
    """Runs commands in a fresh copy of the prepared folder."""
    folder = tmp_path / "node"
    shutil.copytree(prepared, folder)
    return Forked(forks(), folder)


def write_rows(joule, path, timestamps, gap_before=()):
    """Write rows whose values rise with each row."""

    async def write():
        async with get_node(url=f"file:{joule.folder}/joule.db") as node:
            stream = await node.data_stream_get(path)
            width = len(stream.elements)
            async with await node.data_write(path) as pipe:
                for number, timestamp in enumerate(timestamps):
                    if timestamp in gap_before:
                        await pipe.close_interval()
                    await pipe.write([[timestamp, *range(number, number + width)]])

    asyncio.run(write())


def at_once(joule, words, inputs):
    """Start a program per input, give each its input when all are running, and return them."""
    children = [
        subprocess.Popen(
            [*PROGRAM, *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            env=joule.environment(),
            cwd=joule.folder,
        )
        for _ in inputs
    ]
    for child, text in zip(children, inputs, strict=True):
        child.stdin.write(text)
        child.stdin.close()
        child.stdin = None
    return [(*child.communicate(timeout=60), child.returncode) for child in children]
