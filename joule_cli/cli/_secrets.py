"""Keys and passwords: from files, from stdin, from a question without echo."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path

from joule_cli.cli._output import warn
from joule_cli.cli._prompt import UnansweredError, ask
from joule_cli.cli._run import is_terminal
from joule_cli.cli._settings import current
from joule_cli.errors import ConfigurationError

#: Shown in place of a secret.
MASK = "********"
#: Fields of ``/proc/self/stat`` behind the name of the program, see proc_pid_stat(5).
_ARG_START, _ARG_END = 45, 46


def read_secret(file: str) -> str:
    """Return what a file holds, or stdin for ``-``, without the line end.

    Raises
    ------
    ConfigurationError
        It cannot be read, or holds nothing or more than a line.
    """
    try:
        if file == "-":
            text = sys.stdin.read()
        else:
            with open(file, encoding="utf-8") as stream:  # noqa: PTH123  (a name like /dev/fd/3)
                text = stream.read()
    except OSError as exc:
        raise ConfigurationError(f"cannot read the key: {exc.strerror}", object=file) from exc
    except UnicodeDecodeError as exc:
        raise ConfigurationError("cannot read the key: not text", object=file) from exc
    secret = text.strip()
    if not secret or "\n" in secret:
        raise ConfigurationError("there must be one line with the key", object=file)
    return secret


def given_openly(secret: str, better: str) -> str:
    """Return a secret that was an argument, after hiding it from others as far as it goes.

    Parameters
    ----------
    better
        What the warning recommends.
    """
    # others may have seen it before
    warn(f"other users of this machine can see keys in arguments, with ps; {better}")
    with suppress(OSError, ValueError, IndexError):
        _hide_argument(secret.encode("utf-8", "surrogateescape"))
    return secret


def _hide_argument(secret: bytes) -> None:
    """Overwrite an argument where the kernel reads it for other processes."""
    # the name of the program, in parentheses, may hold blanks
    stat = Path("/proc/self/stat").read_bytes().rpartition(b")")[2].split()
    begin, end = int(stat[_ARG_START]), int(stat[_ARG_END])
    with open("/proc/self/mem", "r+b", buffering=0) as memory:  # noqa: PTH123  (no buffer)
        memory.seek(begin)
        place = begin
        for word in memory.read(end - begin).split(b"\0"):
            place += len(word)
            # alone, or behind its option
            if secret and word.endswith(secret):
                memory.seek(place - len(secret))
                memory.write(b"*" * len(secret))
            place += 1


def ask_secret(question: str, hint: str) -> str:
    """Ask for a secret, at a terminal without echo, else on stdin.

    Raises
    ------
    UnansweredError
        Nobody answers; `hint` names the option that does.
    """
    if current().no_input:
        raise UnansweredError(f"{question} is needed", hint=hint)
    if is_terminal(sys.stdin):
        import getpass

        answer: str | None
        try:
            answer = getpass.getpass(f"{question}: ", stream=sys.stderr)
        except EOFError:
            answer = None
    else:
        answer = ask(f"{question}: ")
    if answer is None or not answer.strip():
        raise UnansweredError(f"{question} is needed", hint=hint)
    return answer.strip()
