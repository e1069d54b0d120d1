"""The program for shells, started as forks of one process that has imported everything.

A shell finds a small `joule` in a folder of its ``PATH``. That hands its arguments, environment
and standard streams over to this module run as a program, and ends as its fork does. So a line
with pipes and quotes is run for what it is, without a start of Python for every command in it.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager

_DEADLINE_S = 60

_CLIENT = """\
#!{python} -IS
import json, os, signal, socket, sys
with socket.socket(socket.AF_UNIX) as server:
    server.connect({address!r})
    request = json.dumps([sys.argv[1:], dict(os.environ), os.getcwd()]).encode()
    socket.send_fds(server, [len(request).to_bytes(4, "big")], [0, 1, 2])
    server.sendall(request)
    with server.makefile() as answers:
        child = int(answers.readline())
        for number in signal.SIGINT, signal.SIGTERM:
            signal.signal(number, lambda number, frame: os.kill(child, number))
        for number in 0, 1, 2:
            os.close(number)
        status = int(answers.readline() or 99)
os._exit(status)
"""


@contextmanager
def resident(folder):
    """Keep the process running, and put `joule` into a folder."""
    address = str(folder / "resident")
    program = folder / "joule"
    program.write_text(_CLIENT.format(python=sys.executable, address=address), "utf-8")
    program.chmod(0o755)
    # a fork has one thread only
    env = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    with subprocess.Popen(
        [sys.executable, "-m", __name__, address], stdout=subprocess.PIPE, env=env
    ) as server:
        try:
            assert server.stdout.readline() == b"ready\n"
            yield
        finally:
            server.terminate()


def _serve(address):
    from joule_cli.cli import app

    _import_everything()
    # who answers a client is not waited for
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen(16)
        print("ready", flush=True)
        while True:
            client, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                _answer(client, app)
            client.close()


def _import_everything():
    import joule_cli

    for module in pkgutil.walk_packages(joule_cli.__path__, "joule_cli."):
        if module.name != "joule_cli.__main__":
            importlib.import_module(module.name)
    for name in ("aiohttp", "dateutil.parser", "h5py", "rich.console", "rich.table"):
        importlib.import_module(name)


def _answer(client, app):
    size, files, _, _ = socket.recv_fds(client, 4, 3)
    with client.makefile("rb") as request:
        args, env, folder = json.loads(request.read(int.from_bytes(size, "big")))
    child = os.fork()
    if child == 0:
        client.close()
        _become_the_program(app, args, env, folder, files)
    for file in (0, 1, *files):
        # whoever reads from the program must see its end
        os.close(file)
    client.sendall(b"%d\n" % child)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    client.sendall(b"%d\n" % (code if code >= 0 else 128 - code))
    os._exit(0)


def _become_the_program(app, args, env, folder, files):
    signal.alarm(_DEADLINE_S)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(env)
    time.tzset()
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.argv = ["joule", *args]
    try:
        app.main()
    except SystemExit as exc:
        status = exc.code if isinstance(exc.code, int) else int(exc.code is not None)
        os._exit(status)
    finally:
        os._exit(99)


if __name__ == "__main__":
    _serve(sys.argv[1])
