"""Runs the program in forks of one process that has already imported it.

A run costs a few milliseconds instead of a start of Python, so that a test can run every command
many times. ``Forks`` is the client; the server is this module run as a program, which reads a
request and answers it with one line of JSON each.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
from dataclasses import dataclass, field

_DEADLINE_S = 20
_LARGE = ("duckdb", "matplotlib", "pyarrow", "sqlalchemy")


@dataclass
class Run:
    """How a run of the program ended.

    Parameters
    ----------
    modules
        Top-level packages that it had imported at its end.
    calls
        Methods of the node that it called.
    """

    status: int
    out: str
    err: str
    modules: set[str] = field(default_factory=set)
    calls: set[str] = field(default_factory=set)


class Forks:
    """Starts the server, and asks it for runs of the program.

    Parameters
    ----------
    warm
        Import beforehand what commands need for their work; never for a test of imports.
    """

    def __init__(self, *, warm: bool) -> None:
        command = [sys.executable, "-m", __name__, "warm" if warm else "cold"]
        # a fork has one thread only
        env = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
        self._server = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8", env=env
        )

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self._server.stdin.close()
        self._server.wait()
        self._server.stdout.close()

    def run(self, folder, *args, env, stdin="", reader=True, typed=None, pause_s=None):
        """Run the program, away from any terminal unless told otherwise, and wait for its end.

        Parameters
        ----------
        reader
            Whether somebody reads standard output; else it is a pipe without a reader.
        typed
            Run on a terminal on which this was typed beforehand; ``out`` is what it shows.
        pause_s
            Seconds between two reports of progress, in place of the usual ones.
        """
        request = {
            "folder": str(folder),
            "args": [str(arg) for arg in args],
            "env": env,
            "stdin": stdin,
            "reader": reader,
            "typed": typed,
            "pause_s": pause_s,
        }
        self._server.stdin.write(json.dumps(request) + "\n")
        self._server.stdin.flush()
        answer = json.loads(self._server.stdout.readline())
        return Run(
            answer["status"],
            answer["out"],
            answer["err"],
            set(answer["modules"]),
            set(answer["calls"]),
        )


def _serve(*, warm):
    from joule_cli.cli import app

    if warm:
        _import_everything()
    for line in sys.stdin:
        request = json.loads(line)
        answer = _run(app, request, watch_calls=warm)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def _import_everything():
    import asyncio  # noqa: F401
    import gc
    import importlib
    import pkgutil

    import joule_cli

    # large packages that hardly any command needs would make every fork slower
    sys.modules.update(dict.fromkeys(_LARGE))
    for module in pkgutil.walk_packages(joule_cli.__path__, "joule_cli."):
        if module.name != "joule_cli.__main__":
            # this only makes runs faster; a run that needs the module shows what is wrong with it
            with contextlib.suppress(Exception):
                importlib.import_module(module.name)
    for name in _LARGE:
        del sys.modules[name]
    for name in ("aiohttp", "dateutil.parser", "h5py", "rich.console", "rich.table"):
        importlib.import_module(name)
    gc.freeze()


def _run(app, request, *, watch_calls):
    read_end, write_end = os.pipe()
    files = {name: os.memfd_create(name) for name in ("in", "out", "err")}
    os.write(files["in"], request["stdin"].encode())
    os.lseek(files["in"], 0, os.SEEK_SET)
    ours = theirs = None
    if request["typed"] is not None:
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        os.write(ours, request["typed"].encode())
    child = os.fork()
    if child == 0:
        try:
            os.close(read_end)
            _become_the_program(app, request, files, theirs, write_end, watch_calls)
        finally:
            os._exit(99)
    os.close(write_end)
    if theirs is not None:
        os.close(theirs)
        _show(ours, files["out"])
    with os.fdopen(read_end, encoding="utf-8") as told:
        known = [json.loads(line) for line in told]
    _, status = os.waitpid(child, 0)
    seen = {"modules": [], "calls": []}
    for piece in known:
        seen.update(piece)
    texts = {}
    for name, number in files.items():
        with os.fdopen(number, "rb") as file:
            file.seek(0)
            texts[name] = file.read().decode("utf-8", "replace").replace("\r\n", "\n")
    return {
        "status": os.waitstatus_to_exitcode(status),
        "out": texts["out"],
        "err": texts["err"],
        **seen,
    }


def _show(terminal, file):
    """Keep all that a terminal shows, until nobody writes to it."""
    try:
        while piece := os.read(terminal, 65536):
            os.write(file, piece)
    except OSError:  # how Linux says that the other side is closed
        pass
    os.close(terminal)


def _become_the_program(app, request, files, terminal, report, watch_calls):
    os.setsid()  # no terminal controls it
    signal.alarm(_DEADLINE_S)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["env"])
    out = files["out"]
    if not request["reader"]:
        end, out = os.pipe()
        os.close(end)
    ends = (files["in"], out, files["err"])
    if terminal is not None:
        fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
        ends = (terminal,) * 3
    for number, file in enumerate(ends):
        os.dup2(file, number)
    if terminal is not None:
        os.close(terminal)
    sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = os.fdopen(2, "w", encoding="utf-8", closefd=False)
    sys.argv = ["joule", *request["args"]]
    if request["pause_s"] is not None:
        from joule_cli.cli import _progress

        _progress.REDRAW_S = _progress.LINE_S = request["pause_s"]
    calls = _watch() if watch_calls else set()

    def tell():
        modules = sorted({name.partition(".")[0] for name in sys.modules})
        known = json.dumps({"modules": modules, "calls": sorted(calls)})
        os.write(report, known.encode() + b"\n")

    leave = os._exit

    def leave_at_once(status):
        tell()
        leave(status)

    # some endings of the program do not come back here
    os._exit = leave_at_once
    status = 99
    try:
        app.main()
    except SystemExit as exc:
        status = exc.code if isinstance(exc.code, int) else 0 if exc.code is None else 1
    with contextlib.suppress(BrokenPipeError, OSError):
        sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _watch():
    """Note which calls of the node are made, whichever node it is."""
    from functools import wraps

    from joule_cli.api.node import Node
    from joule_cli.engine.node import EmbeddedNode
    from joule_cli.remote.node import RemoteNode

    calls = set()

    def noting(name, method):
        @wraps(method)
        def call(*args, **kwargs):
            calls.add(name)
            return method(*args, **kwargs)

        return call

    for cls in (EmbeddedNode, RemoteNode):
        for name in dir(Node):
            method = getattr(cls, name)
            if not name.startswith("_") and callable(method):
                setattr(cls, name, noting(name, method))
    return calls


if __name__ == "__main__":
    _serve(warm=sys.argv[1] == "warm")
