"""joule data plot --live, on a pseudo-terminal"""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time

import pytest

from tests.cli.conftest import PROGRAM
from tests.cli.following import Running

T0 = 1_700_000_000_000_000
SECOND = 1_000_000
ENTER, LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"
_DEADLINE_S = 15


class Screen:
    """The program on a terminal; what it draws is read as it comes."""

    def __init__(self, joule, *args, columns=80, rows=24):
        self._ours, theirs = pty.openpty()
        self._set_size(theirs, columns, rows)
        environment = joule.environment()
        del environment["COLUMNS"]
        self.before = termios.tcgetattr(theirs)
        self.process = subprocess.Popen(
            [*PROGRAM, "data", "plot", *map(str, args), "--live"],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=environment,
            cwd=joule.folder,
            start_new_session=True,
        )
        self._theirs = theirs
        self.text = ""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._ours)
        os.close(self._theirs)

    @staticmethod
    def _set_size(terminal, columns, rows):
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def resize(self, columns, rows):
        self._set_size(self._theirs, columns, rows)
        self.process.send_signal(signal.SIGWINCH)

    def read_until(self, holds):
        """Read until the last whole frame, a list of lines, is as wanted; return it."""
        deadline = time.monotonic() + _DEADLINE_S
        while True:
            frames = self.text.split("\x1b[H")[1:]
            whole = [frame for frame in frames if "\x1b[J" in frame]
            if whole:
                lines = whole[-1].split("\x1b[J")[0].replace("\x1b[K", "").splitlines()
                if holds(lines):
                    return lines
            assert time.monotonic() < deadline, self.text[-3000:]
            self._read()

    def _read(self):
        if select.select([self._ours], [], [], 0.05)[0]:
            self.text += os.read(self._ours, 65536).decode(errors="replace").replace("\r\n", "\n")

    def end(self, signum=signal.SIGINT):
        """Send a signal and return the status; `text` is then what came behind it."""
        self.text = ""
        if signum is not None:
            self.process.send_signal(signum)
        deadline = time.monotonic() + _DEADLINE_S
        while self.process.poll() is None and time.monotonic() < deadline:
            self._read()
        status = self.process.wait(1)
        while select.select([self._ours], [], [], 0)[0]:
            self._read()
        assert termios.tcgetattr(self._theirs) == self.before
        return status


@pytest.fixture
def stream(joule):
    joule.ok("stream", "create", "/a/x:float64[v:V,w:A]")
    return joule


def rows(*seconds):
    return "".join(f"{T0 + s * SECOND} {s} {-s}\n" for s in seconds)


def store(joule, *seconds):
    joule.ok("data", "write", "-q", "/a/x", stdin=rows(*seconds))


def curve(lines, number=0):
    """The part of a curve behind the axis, line by line."""
    drawn = [line for line in lines if line[:12].count("│") + line[:12].count("┤")]
    height = len(drawn) // 2
    part = drawn[number * height : (number + 1) * height]
    return [line[max(line.find("│"), line.find("┤")) + 1 :] for line in part]


def test_it_is_drawn_again_as_rows_come(stream):
    store(stream, 0, 1, 2)
    with Screen(stream, "/a/x", "--start", T0) as screen:
        lines = screen.read_until(lambda lines: "w [A]" in lines)
        assert screen.text.startswith(ENTER)
        assert lines[0] == "/a/x  2023-11-14 22:13:20+00:00 to 2023-11-14 22:13:22+00:00"
        assert len(lines) <= 23
        assert max(map(len, lines)) <= 80
        with Running(stream, "data", "write", "/a/x", "--flush", "10ms", writes=True) as writer:
            writer.write(rows(*range(10, 21)))
            lines = screen.read_until(lambda lines: "22:13:40+00:00" in lines[0])
            writer.write("# interval break\n" + rows(*range(35, 41)))
            lines = screen.read_until(lambda lines: "22:14:00+00:00" in lines[0])
        # rows at 0 to 2, joined to none; then 10 to 20 and 35 to 40 of 40 seconds
        drawn = [line.ljust(80) for line in curve(lines)]
        inked = [any(line[x] not in " │" for line in drawn) for x in range(73)]
        assert not any(inked[7:17])
        assert all(inked[19:36])
        assert not any(inked[39:62])
        assert all(inked[65:72])
        assert "40.0┤" in lines[3]
        assert screen.end() == 0
    assert LEAVE in screen.text
    # what was drawn last stays behind
    assert [line.rstrip() for line in lines] == screen.text.split(LEAVE)[1].splitlines()


def test_a_window_slides_with_the_rows(stream):
    with Screen(stream, "/a/x", "--last", "10s", "-i", "v") as screen:
        assert "waiting" in screen.read_until(lambda lines: True)[-1]
        store(stream, *range(100, 105))
        screen.read_until(lambda lines: "22:14:54+00:00 to 2023-11-14 22:15:04+00:00" in lines[0])
        store(stream, *range(105, 113))
        lines = screen.read_until(lambda lines: "22:15:12+00:00" in lines[0])
        assert any(line.startswith("102") for line in lines)
        assert not any("w [A]" in line for line in lines)
        assert screen.end(signal.SIGTERM) == 0


def test_the_size_of_the_terminal_is_followed(stream):
    store(stream, *range(50))
    with Screen(stream, "/a/x", "--start", "min", rows=40) as screen:
        lines = screen.read_until(lambda lines: "w [A]" in lines)
        assert len(lines) == 39
        screen.resize(60, 9)
        lines = screen.read_until(lambda lines: len(lines) < 10)
        # there is no room for the second
        assert max(map(len, lines[1:])) == 60
        assert "w [A]" not in lines
        assert lines[1] == "(1 of 2 elements, see -i)"
        assert screen.end() == 0


def test_a_job_that_is_suspended_leaves_the_screen(stream):
    store(stream, *range(5))
    with Screen(stream, "/a/x", "--start", "min") as screen:
        screen.read_until(lambda lines: "v [V]" in lines)
        screen.text = ""
        screen.process.send_signal(signal.SIGTSTP)
        assert os.WIFSTOPPED(os.waitpid(screen.process.pid, os.WUNTRACED)[1])
        screen._read()
        assert screen.text.endswith(LEAVE)
        screen.process.send_signal(signal.SIGCONT)
        screen.read_until(lambda lines: "v [V]" in lines)
        assert ENTER in screen.text
        assert screen.end() == 0


def test_the_duration_ends_it(stream):
    with Screen(stream, "/a/x", "--duration", "200ms") as screen:
        assert screen.end(None) == 0
    assert f"{LEAVE}/a/x: there are no rows from " in screen.text
    assert screen.text.endswith("; the stream has none\n")


def test_a_failure_restores_the_screen(stream):
    with Screen(stream, "/a/x", "--url", "http://127.0.0.1:9") as screen:
        assert screen.end(None) == 1
    assert "Error: " in screen.text
    assert screen.text.count(ENTER) == screen.text.count(LEAVE)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--live", "--json"), "--live draws on a terminal"),
        (("--live", "--end", "now"), "--live and --end exclude each other"),
        (("--live", "--png", "x.png"), "--live does not go with a picture"),
        (("--live", "/a/y"), "--live draws one stream only"),
        (("--duration", "1s"), "--duration needs --live"),
    ],
)
def test_what_it_does_not_go_with(filled, options, told):
    result = filled("data", "plot", "/house/mains", *options)
    assert (result.status, result.out) == (2, "")
    assert told in (result.error()["message"] if "--json" in options else result.err)
