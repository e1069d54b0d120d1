"""Programs that go on until somebody ends them."""

from __future__ import annotations

import queue
import signal
import subprocess
import threading

from tests.cli.conftest import PROGRAM

_DEADLINE_S = 15


class Running:
    """The program in a process of its own, whose lines are read as they come.

    Parameters
    ----------
    writes
        Whether lines are given to it.
    """

    def __init__(self, joule, *args, writes=False, env=None):
        self.process = subprocess.Popen(
            [*PROGRAM, *map(str, args)],
            stdin=subprocess.PIPE if writes else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            env=joule.environment(env),
            cwd=joule.folder,
        )
        self._lines = queue.SimpleQueue()
        self._errors = queue.SimpleQueue()
        for stream, lines in (
            (self.process.stdout, self._lines),
            (self.process.stderr, self._errors),
        ):
            threading.Thread(target=_pass_on, args=(stream, lines), daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        if self.process.stdin is not None:
            self.process.stdin.close()

    def write(self, text):
        self.process.stdin.write(text)
        self.process.stdin.flush()

    def lines(self, count):
        """Wait for so many lines."""
        return [self._lines.get(timeout=_DEADLINE_S) for _ in range(count)]

    def error_line(self):
        return self._errors.get(timeout=_DEADLINE_S)

    def end(self, signum=signal.SIGINT):
        """Send a signal; return the status, what else was printed, and the errors."""
        if signum is not None:
            self.process.send_signal(signum)
        elif self.process.stdin is not None:
            self.process.stdin.close()
        status = self.process.wait(_DEADLINE_S)
        return status, _rest(self._lines), _rest(self._errors)


def _pass_on(stream, lines):
    with stream:
        for line in stream:
            lines.put(line.rstrip("\n"))
    lines.put(None)


def _rest(lines):
    found = []
    while (line := lines.get(timeout=_DEADLINE_S)) is not None:
        found.append(line)
    return found
