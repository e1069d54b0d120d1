"""Real shells on pseudo-terminals, with a person who types, presses TAB, and presses Enter."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import shlex
import signal
import subprocess
import termios
import time
from pathlib import Path

COMPLETIONS = Path(__file__).parents[2] / "completions"
_DEADLINE_S = 20
_READY = "ready-for-keys"
TAB = "\t"


class Shell:
    """One shell that completes `joule`; what it runs is a program that writes down its arguments.

    Parameters
    ----------
    program
        The real program, which is asked for completions.
    loading
        Lines of the configuration that make the shell complete, by default those of an
        installation.
    """

    def __init__(self, kind, folder, program, environment, loading=None):
        self.kind = kind
        self.home = folder
        self._record = folder / "arguments"
        programs = folder / "bin"
        programs.mkdir(parents=True)
        wrapper = programs / "joule"
        wrapper.write_text(
            "#!/bin/sh\n"
            f'[ -n "$_JOULE_COMPLETE" ] && exec {shlex.join(program)} "$@"\n'
            f"printf '%s\\0' \"$@\" >{self._record}.part && mv {self._record}.part {self._record}\n"
        )
        wrapper.chmod(0o755)
        self._environment = {
            **environment,
            "PATH": f"{programs}:{os.environ['PATH']}",
            "HOME": str(folder),
            "ZDOTDIR": str(folder),
            "XDG_CONFIG_HOME": str(folder / "config-home"),
            "XDG_DATA_HOME": str(folder / "data-home"),
            "TERM": "xterm",
            "LC_ALL": "C.UTF-8",
        }
        del self._environment["COLUMNS"]
        start = getattr(self, f"_{kind}")(folder, loading)
        self._ours, theirs = pty.openpty()
        self._child = subprocess.Popen(
            start,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=self._environment,
            cwd=folder,
            start_new_session=True,
            # job control and Ctrl-C need the terminal of the session
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(theirs)
        self._shown = b""
        self.wait_for(_READY)

    def _bash(self, folder, loading):
        if loading is None:
            loading = f". {COMPLETIONS}/joule.bash"
        file = folder / "bashrc"
        file.write_text(f"{loading}\nbind 'set bell-style none'\nPS1='{_READY} '\n")
        return ["bash", "--noprofile", "--rcfile", str(file), "-i"]

    def _zsh(self, folder, loading):
        if loading is None:
            loading = f"fpath=({COMPLETIONS} $fpath)\nautoload -U compinit\ncompinit -u -D"
        (folder / ".zshrc").write_text(f"{loading}\nunsetopt beep\nPS1='{_READY} '\n")
        return ["zsh", "-d", "-i"]

    def _fish(self, folder, loading):
        if loading is None:
            loading = f"set -p fish_complete_path {COMPLETIONS}"
        file = folder / "config-home" / "fish" / "config.fish"
        file.parent.mkdir(parents=True)
        file.write_text(
            f"{loading}\nset fish_greeting\nset fish_autosuggestion_enabled 0\n"
            f"function fish_prompt\n    echo -n '{_READY} '\nend\n"
        )
        return ["fish", "-i"]

    def arguments(self, keys):
        """Type, press Enter, and return what the program is called with."""
        self._record.unlink(missing_ok=True)
        self._type(f"{keys}\r")
        self._read_until(self._record.exists)
        found = self._record.read_bytes().decode().split("\0")[:-1]
        self.wait_for(_READY)
        return found

    def shown(self, keys, until):
        """Type, wait for what must be shown, and return the text since; the line is left."""
        self._type(keys)
        found = self.wait_for(until)
        self.leave()
        return found

    def leave(self):
        """Leave the line: delete it and press Enter, which Ctrl-C would not wait for."""
        self._type("\x15\r")
        self.wait_for(_READY)

    def wait_for(self, text):
        """Return what is shown since the last keys, once a text is there."""
        self._read_until(lambda: text in self._plain())
        self._read()
        return self._plain()

    def _read_until(self, done):
        deadline = time.monotonic() + _DEADLINE_S
        while not done():
            assert time.monotonic() < deadline, f"shown is only {self._plain()!r}"
            self._read()

    def _type(self, keys):
        self._shown = b""
        os.write(self._ours, keys.encode())

    def _read(self):
        if select.select([self._ours], [], [], 0.05)[0]:
            self._shown += os.read(self._ours, 65536)

    def _plain(self):
        text = self._shown.decode("utf-8", "replace")
        return re.sub(r"\x1b(\[[0-?]*[ -/]*[@-~]|[()].|\][^\x07]*\x07|[=>])", "", text)

    def close(self):
        """End the shell."""
        if self._child.poll() is None:
            self._child.send_signal(signal.SIGKILL)
        self._child.wait()
        os.close(self._ours)
