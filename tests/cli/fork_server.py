"""Runs the program in forks of one process that has already imported it.

A run costs a few milliseconds instead of a start of Python. ``Forks`` starts that process, which is
this module run as a program. ``Forks.install`` puts a small ``joule`` into a folder, for tests and
shells that start a program: it asks for a run, and passes on its streams and its status.

With `warm`, the modules of the program are imported, too. That each of them can be imported by
itself is tested in `tests/test_imports.py`.

The standard streams of a run come over a socket. Lines of JSON go back: from the run its process
id, and what it did when it is about to end; from the server its status.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import importlib
import json
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
import time
import traceback
from dataclasses import dataclass, field

_DEADLINE_S = 60
#: Libraries that few commands need, and that would make every fork slower.
_LARGE = {"duckdb", "matplotlib", "pyarrow", "sqlalchemy"}

_PROGRAM = """\
#!{python} -IS
import json, os, signal, socket, sys
with socket.socket(socket.AF_UNIX) as server:
    server.connect({address!r})
    asked = dict(args=sys.argv[1:], env=dict(os.environ), folder=os.getcwd())
    request = json.dumps(asked).encode()
    socket.send_fds(server, [len(request).to_bytes(4, "big")], [0, 1, 2])
    server.sendall(request)
    with server.makefile() as answers:
        child = json.loads(answers.readline())["pid"]
        for number in signal.SIGINT, signal.SIGTERM:
            signal.signal(number, lambda number, frame: os.kill(child, number))
        for number in 0, 1, 2:
            os.close(number)
        told = dict()
        while "status" not in told:
            told = json.loads(answers.readline() or '{{"status": 99}}')
os._exit(told["status"] if told["status"] >= 0 else 128 - told["status"])
"""


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
        Import what commands need beforehand; never for a test of imports.
    """

    def __init__(self, *, warm: bool) -> None:
        import tempfile

        self._place = tempfile.TemporaryDirectory()
        self._address = f"{self._place.name}/forks"
        command = [sys.executable, "-m", __name__, self._address, "warm" if warm else "cold"]
        # a fork has one thread only
        env = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
        self._server = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env
        )
        assert self._server.stdout.readline() == b"ready\n"

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def close(self):
        self._server.stdin.close()
        self._server.wait()
        self._server.stdout.close()
        self._place.cleanup()

    def install(self, folder):
        """Put ``joule`` into a folder and return its path."""
        program = folder / "joule"
        text = _PROGRAM.format(python=sys.executable, address=self._address)
        program.write_text(text, "utf-8")
        program.chmod(0o755)
        return program

    def run(
        self,
        folder,
        *args,
        env,
        stdin="",
        piped=False,
        reader=True,
        typed=None,
        pause_s=None,
        watch_calls=False,
    ):
        """Run the program, away from any terminal unless told otherwise, and wait for its end.

        Parameters
        ----------
        piped
            The standard streams are pipes instead of files.
        reader
            Whether somebody reads standard output; else it is a pipe without a reader.
        typed
            Run on a terminal on which this was typed beforehand; ``out`` is what it shows.
        pause_s
            Seconds between two reports of progress, in place of the usual ones.
        watch_calls
            Note which methods of the node are called.
        """
        import socket

        request = {
            "folder": str(folder),
            "args": [str(arg) for arg in args],
            "env": env,
            "terminal": typed is not None,
            "pause_s": pause_s,
            "watch_calls": watch_calls,
        }
        texts = [_File(stdin), _File(), _File()]
        ends = [file.number for file in texts]
        ours = pipes = None
        if typed is not None:
            ours, theirs = pty.openpty()
            fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
            os.write(ours, typed.encode())
            ends = [theirs] * 3
        elif piped:
            pipes = [os.pipe(), os.pipe(), os.pipe()]
            ends = [pipes[0][0], pipes[1][1], pipes[2][1]]
        elif not reader:
            unread, ends[1] = os.pipe()
            os.close(unread)
        with socket.socket(socket.AF_UNIX) as server:
            server.connect(self._address)
            data = json.dumps(request).encode()
            socket.send_fds(server, [len(data).to_bytes(4, "big")], ends)
            server.sendall(data)
            for end in {*ends} - {file.number for file in texts}:
                os.close(end)
            if ours is not None:
                _show(ours, texts[1].number)
            if pipes is not None:
                _exchange(stdin.encode(), pipes[0][1], pipes[1][0], pipes[2][0], texts)
            told = {"modules": [], "calls": []}
            with server.makefile(encoding="utf-8") as answers:
                while "status" not in told:
                    told.update(json.loads(answers.readline()))
        _, out, err = (file.take() for file in texts)
        return Run(told["status"], out, err, set(told["modules"]), set(told["calls"]))


class _File:
    """A file in memory for a standard stream."""

    def __init__(self, text=""):
        self.number = os.memfd_create("stream")
        os.write(self.number, text.encode())
        os.lseek(self.number, 0, os.SEEK_SET)

    def take(self):
        """Return what is in it, and close it."""
        with os.fdopen(self.number, "rb") as file:
            file.seek(0)
            return file.read().decode("utf-8", "replace").replace("\r\n", "\n")


def _show(terminal, file):
    """Keep all that a terminal shows, until nobody writes to it."""
    # how Linux says that the other side is closed
    with contextlib.suppress(OSError):
        while piece := os.read(terminal, 65536):
            os.write(file, piece)
    os.close(terminal)


def _exchange(data, stdin, stdout, stderr, texts):
    """Write to a program and keep what it writes, until it has closed both of its streams."""
    import selectors

    os.set_blocking(stdin, False)
    kept = {stdout: texts[1].number, stderr: texts[2].number}
    with selectors.DefaultSelector() as ready:
        ready.register(stdin, selectors.EVENT_WRITE)
        for end in kept:
            ready.register(end, selectors.EVENT_READ)
        while ready.get_map():
            for key, _ in ready.select():
                if key.fd == stdin:
                    try:
                        data = data[os.write(stdin, data) :]
                    except BrokenPipeError:
                        data = b""
                    left = data
                else:
                    left = os.read(key.fd, 65536)
                    os.write(kept[key.fd], left)
                if not left:
                    ready.unregister(key.fd)
                    os.close(key.fd)


def _serve(address, *, warm):
    if warm:
        _import_all()
    gc.freeze()
    known = set(sys.modules)
    import selectors
    import socket

    # what only the server needs is not imported yet for the program
    ours = sys.modules.keys() - known
    with socket.socket(socket.AF_UNIX) as listener, selectors.DefaultSelector() as ready:
        listener.bind(address)
        listener.listen(16)
        ready.register(listener, selectors.EVENT_READ)
        # the end of whoever started it
        ready.register(0, selectors.EVENT_READ)
        print("ready", flush=True)
        while True:
            for key, _ in ready.select():
                if key.fd == 0:
                    return
                if key.data is None:
                    client, _ = listener.accept()
                    try:
                        request, files = _receive(client)
                    except ValueError:
                        client.close()  # it was killed before it had asked
                        continue
                    child = os.fork()
                    if child == 0:
                        try:
                            listener.close()
                            for name in ours:
                                del sys.modules[name]
                            _become_the_program(request, files, client)
                        except BaseException:  # noqa: BLE001  # as Python ends a program
                            traceback.print_exc()
                        finally:
                            os._exit(99)
                    for file in files:
                        # whoever reads from the program must see its end
                        os.close(file)
                    ready.register(os.pidfd_open(child), selectors.EVENT_READ, (child, client))
                else:
                    ready.unregister(key.fd)
                    os.close(key.fd)
                    _tell_status(*key.data)


def _receive(client):
    import socket

    size, files, _, _ = socket.recv_fds(client, 4, 3)
    with client.makefile("rb") as data:
        return json.loads(data.read(int.from_bytes(size, "big"))), files


def _tell_status(child, client):
    _, status = os.waitpid(child, 0)
    # who asked may be gone
    with client, contextlib.suppress(OSError):
        client.sendall(b'{"status": %d}\n' % os.waitstatus_to_exitcode(status))


def _import_all():
    import pkgutil

    import joule_cli

    sys.modules.update(dict.fromkeys(_LARGE))
    for module in pkgutil.walk_packages(joule_cli.__path__, "joule_cli."):
        try:
            importlib.import_module(module.name)
        except ImportError as exc:
            if str(exc.name).partition(".")[0] not in _LARGE:
                raise
    for name in _LARGE:
        del sys.modules[name]
    for name in ("h5py", "rich.console", "rich.table"):
        importlib.import_module(name)


def _become_the_program(request, files, client):
    os.setsid()  # no terminal controls it
    signal.alarm(_DEADLINE_S)
    client.sendall(b'{"pid": %d}\n' % os.getpid())
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["env"])
    time.tzset()
    if request.get("terminal"):
        fcntl.ioctl(files[0], termios.TIOCSCTTY, 0)
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = os.fdopen(2, "w", encoding="utf-8", closefd=False)
    sys.argv = ["joule", *request["args"]]
    if request.get("pause_s") is not None:
        from joule_cli.cli import _progress

        _progress.REDRAW_S = _progress.LINE_S = request["pause_s"]
    calls = _watch() if request.get("watch_calls") else set()
    leave = os._exit

    def tell_and_leave(status):
        modules = sorted({name.partition(".")[0] for name in sys.modules})
        known = json.dumps({"modules": modules, "calls": sorted(calls)})
        # who asked may be gone
        with contextlib.suppress(OSError):
            client.sendall(known.encode() + b"\n")
        leave(status)

    # some endings of the program do not come back here
    os._exit = tell_and_leave
    from joule_cli.__main__ import main

    main()


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
    _serve(sys.argv[1], warm=sys.argv[2] == "warm")
