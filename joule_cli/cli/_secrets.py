"""Keys and passwords: from files, from stdin, from a question without echo."""

from __future__ import annotations

import sys

from joule_cli.cli._prompt import UnansweredError, ask
from joule_cli.cli._run import is_terminal
from joule_cli.cli._settings import current
from joule_cli.errors import ConfigurationError

#: Shown in place of a secret.
MASK = "********"


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
