"""Questions, on stderr and answered through stdin.

Where Joule 1.0.1 asks, scripts answer through a pipe, so the question is asked there too
(``always=True``). Where it does not ask, only a person at a terminal is asked. With ``--no-input``
nothing goes on without ``--yes``, at a terminal or not.
"""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING, Any

import click

from joule_cli.cli._output import emit_ok
from joule_cli.cli._run import is_terminal
from joule_cli.cli._settings import current
from joule_cli.errors import JouleError
from joule_cli.series.visible import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

YES_HINT = "Use --yes to answer yes to every question."


class UnansweredError(JouleError):
    """A question had to be asked, and there is no terminal for the answer."""


def confirm(
    question: str,
    *,
    details: Sequence[str] | str = (),
    always: bool = False,
    stdin_is_data: bool = False,
) -> bool:
    """Ask a yes or no question; no is the default.

    Parameters
    ----------
    question
        Names what is about to happen, to which object, and how much of it.
    details
        Lines shown before the question.
    always
        Also ask when there is no terminal.
    stdin_is_data
        Stdin carries the command's input, so no answer can come from there.

    Raises
    ------
    UnansweredError
        ``--no-input`` forbids to ask, or stdin ends without an answer.
    """
    settings = current()
    if settings.yes:
        return True
    if not (always or is_asked()):
        return True
    if settings.no_input or stdin_is_data:
        raise UnansweredError(f"{question} needs an answer", hint=YES_HINT)
    for line in details.split("\n") if isinstance(details, str) else details:
        click.echo(one_line(line), err=True)
    while True:
        answer = ask(f"{question} [y/N]: ")
        if answer is None:
            raise UnansweredError(f"no answer to the question: {question}", hint=YES_HINT)
        match answer.strip().lower():
            case "y" | "yes":
                return True
            case "" | "n" | "no":
                return False
            case _:
                click.echo("Answer y or n.", err=True)


def is_asked() -> bool:
    """Whether a question has an answer: ``--yes``, a person, or the refusal of ``--no-input``."""
    settings = current()
    person = is_terminal(sys.stdin) and is_terminal(sys.stderr)
    return settings.yes or settings.no_input or person


def confirm_or_leave(
    question: str,
    *,
    details: Sequence[str] | str = (),
    always: bool = False,
    stdin_is_data: bool = False,
) -> None:
    """Ask, and end the command with ``Cancelled`` and status 0 when the answer is no."""
    if not confirm(question, details=details, always=always, stdin_is_data=stdin_is_data):
        emit_ok("Cancelled", {"status": "cancelled"})
        raise click.exceptions.Exit(0)


def ask(text: str) -> str | None:
    """Read a line after a prompt on stderr; `None` at the end of input."""
    click.echo(one_line(text), err=True, nl=False)
    # Python repeats a read that a signal interrupts, unless the handler raises
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    term = signal.signal(signal.SIGTERM, _terminate)
    try:
        line = sys.stdin.readline()
    except KeyboardInterrupt:
        click.echo(err=True)
        raise click.exceptions.Exit(128 + signal.SIGINT) from None
    finally:
        signal.signal(signal.SIGINT, before)
        signal.signal(signal.SIGTERM, term)
    if not line:
        click.echo(err=True)
        return None
    return line


def _terminate(signum: int, frame: Any) -> None:
    raise click.exceptions.Exit(128 + signum)
