"""The only event loop, and the only place where failures become exit statuses.

A command that needs a node is a coroutine under `with_node`::

    @stream.command("move")
    @click.argument("source", type=STREAM)
    @with_node
    async def move(node: Node, source: str | int) -> None: ...

It raises `JouleError` for what fails, ``click.exceptions.Exit(3)`` for work partly done, and lets
`CancelledError` pass when interrupted (a live read that ends well on Ctrl-C catches it and
returns). Never catch errors only to print them: `guard` does that.
"""

from __future__ import annotations

import io
import os
import signal
import sys
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, NoReturn, ParamSpec, TypeVar

import click

from joule_cli.cli._settings import Settings, current
from joule_cli.errors import JouleError, NotFoundError
from joule_cli.series.visible import lines_of, one_line

if TYPE_CHECKING:
    import asyncio
    from collections.abc import (
        AsyncIterator,
        Awaitable,
        Callable,
        Coroutine,
        Iterable,
        Iterator,
        Mapping,
    )
    from types import FrameType

    from joule_cli.api.node import Node

P = ParamSpec("P")
T = TypeVar("T")

#: Seconds that an interrupted command may take to clean up before the process ends regardless.
GRACE_S = 1.0
BROKEN_PIPE = 128 + signal.SIGPIPE
PARTLY_DONE = 3


class Interrupted(BaseException):
    """A signal ended the work."""

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.exit_code = 128 + signum


def with_node(body: Callable[Concatenate[Node, P], Awaitable[None]]) -> Callable[P, None]:
    """Run the coroutine `body` with the node that the common options name."""

    @wraps(body)
    def command(*args: P.args, **kwargs: P.kwargs) -> None:
        settings = current()

        async def session() -> None:
            async with open_node(settings) as node, advised(node):
                await body(node, *args, **kwargs)

        run(session, settings)

    return command


def without_node(body: Callable[P, Awaitable[None]]) -> Callable[P, None]:
    """Run the coroutine `body` of a command that needs no node."""

    @wraps(body)
    def command(*args: P.args, **kwargs: P.kwargs) -> None:
        async def session() -> None:
            await body(*args, **kwargs)

        run(session, current())

    return command


@asynccontextmanager
async def open_node(settings: Settings, name: str | None = None) -> AsyncIterator[Node]:
    """Open the node `name`, or the one that the settings choose, and close it afterwards."""
    from joule_cli.api.connect import get_node

    # a node named by the command is looked up by its name alone
    url = settings.url if name is None else None
    node = get_node(name or settings.node or "", url=url, timeout_s=settings.timeout_s)
    if not node.embedded and not settings.quiet and is_terminal(sys.stderr):
        click.echo(f"--connecting to [{one_line(node.name)}]--", err=True)
        if node.insecure:
            click.echo("Warning: the certificate of this node is not checked", err=True)
    async with node:
        yield node


@asynccontextmanager
async def advised(node: Node) -> AsyncIterator[None]:
    """Tell in an error about what does not exist which names on the node are near."""
    try:
        yield
    except NotFoundError as exc:
        from joule_cli.cli._advice import add_advice

        await add_advice(node, exc)
        raise


def run(start: Callable[[], Coroutine[Any, Any, T]], settings: Settings | None = None) -> T:
    """Run a coroutine to its end; SIGINT, SIGTERM and SIGHUP cancel it and raise `Interrupted`."""
    import asyncio

    _log_to_stderr(settings or current())
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(_tell_leftover)
    try:
        task = loop.create_task(start())
        with _woken_by_signals(loop), _cancel_on_signals(loop, task) as received:
            try:
                return loop.run_until_complete(task)
            except (asyncio.CancelledError, JouleError) as exc:
                # cancelling a task can surface as an error of whatever it was waiting for
                if received:
                    raise Interrupted(received[0]) from exc
                raise
            finally:
                _finish(loop)
    finally:
        loop.close()


def _tell_leftover(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log what failed in the background: the command tells its own failure.

    A connection that breaks can fail several things at once, of which one is told.
    """
    import logging

    message, exc = str(context.get("message", "")), context.get("exception")
    logger = logging.getLogger("joule_cli.cli")
    logger.debug("%s", message, exc_info=exc)
    if "never retrieved" not in message:
        logger.error("%s (%r)", message, exc)


def _finish(loop: asyncio.AbstractEventLoop) -> None:
    import asyncio

    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    if left:
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
    loop.run_until_complete(loop.shutdown_asyncgens())


@contextmanager
def _woken_by_signals(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """Let every signal wake the loop.

    One that comes just before the loop goes to sleep would otherwise be handled when it wakes for
    something else, and perhaps nothing else comes.
    """
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    os.set_blocking(writing, False)
    loop.add_reader(reading, os.read, reading, 4096)
    before = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        loop.remove_reader(reading)
        os.close(reading)
        os.close(writing)


@contextmanager
def _cancel_on_signals(
    loop: asyncio.AbstractEventLoop, task: asyncio.Task[Any]
) -> Iterator[list[int]]:
    received: list[int] = []

    def handle(signum: int, frame: FrameType | None) -> None:
        received.append(signum)
        # the second signal ends the process at once
        signal.signal(signum, signal.SIG_DFL)
        _end_after_grace(128 + signum)
        loop.call_soon_threadsafe(task.cancel)

    before: dict[signal.Signals, Any] = {}
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # what the parent chose to ignore (nohup, background jobs) stays ignored
        if signal.getsignal(number) is not signal.SIG_IGN:
            before[number] = signal.signal(number, handle)
    try:
        yield received
    finally:
        if not received:
            for number, handler in before.items():
                signal.signal(number, handler)


def _end_after_grace(status: int) -> None:
    # a busy worker thread or a reader of stdout that has stopped must not keep Ctrl-C waiting
    import threading

    timer = threading.Timer(GRACE_S, os._exit, [status])
    timer.daemon = True
    timer.start()


def _log_to_stderr(settings: Settings) -> None:
    import logging

    from joule_cli.cli._log_format import LineFormatter

    levels = (logging.WARNING, logging.INFO, logging.DEBUG)
    level = logging.ERROR if settings.quiet else levels[min(settings.verbose, 2)]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LineFormatter("%(message)s"))
    logger = logging.getLogger("joule_cli")
    logger.handlers[:] = [handler]
    logger.setLevel(level)
    logger.propagate = False


def is_terminal(stream: Any) -> bool:
    """Whether a person sits at this end of a stream."""
    return stream is not None and not stream.closed and bool(stream.isatty())


def guard(program: Callable[[], Any], settings: Settings) -> NoReturn:
    """Run the program, tell what failed in one line, and end the process with its status."""
    status = 0
    try:
        program()
        sys.stdout.flush()
    except click.exceptions.Exit as exc:
        status = exc.exit_code
    except click.ClickException as exc:
        status = exc.exit_code
        if settings.machine and not isinstance(exc, click.exceptions.NoArgsIsHelpError):
            _report_json("usage_error", exc.format_message(), None, None)
        else:
            shown = io.StringIO()
            exc.show(shown)
            click.echo(lines_of(shown.getvalue()), err=True, nl=False)
    except JouleError as exc:
        status = exc.exit_code
        report(exc, settings)
    except BrokenPipeError:
        status = BROKEN_PIPE
    except (Interrupted, KeyboardInterrupt, click.Abort) as exc:
        status = exc.exit_code if isinstance(exc, Interrupted) else 128 + signal.SIGINT
        if is_terminal(sys.stderr):
            click.echo(err=True)
    except OSError as exc:
        # every other OSError has become a JouleError; this one is about the standard streams
        status = 1
        _report(settings, "os_error", f"cannot write the output: {exc.strerror}", exc)
    except Exception as exc:  # noqa: BLE001 - a person gets one sentence, -vv the traceback
        status = 1
        _report(settings, "internal_error", f"internal error: {type(exc).__name__}: {exc}", exc)
    leave(status)


def leave(status: int) -> NoReturn:
    """Flush the standard streams and end the process, whatever other threads are doing."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        status = BROKEN_PIPE
    except OSError as exc:
        if status == 0:
            status = 1
            with suppress(OSError):
                click.echo(f"Error: cannot write the output: {exc.strerror}", err=True)
    with suppress(OSError):
        sys.stderr.flush()
    if status >= 128 or _threads_are_busy():
        os._exit(status)
    if status:
        # what could not be written is not tried again at interpreter shutdown
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.exit(status)


def _threads_are_busy() -> bool:
    threading = sys.modules.get("threading")
    return threading is not None and threading.active_count() > 1


def report(exc: JouleError, settings: Settings) -> None:
    """Print an error as people, or with ``--json`` programs, read it."""
    if settings.debug:
        _print_traceback(exc)
    if exc.hint is None and exc.__cause__ is not None:
        from joule_cli.cli._near_files import hint_for

        exc.hint = hint_for(exc)
    if settings.machine:
        known = {key: getattr(exc, key, None) for key in ("line", "column")}
        known["hint"] = _as_sentence(exc.hint) if exc.hint else None
        _report_json(exc.code, exc.message, exc.status, exc.object, known)
        return
    click.echo(f"Error: {one_line(exc.sentence())}", err=True)
    if exc.hint:
        click.echo(lines_of(_as_sentence(exc.hint)), err=True)


def _as_sentence(text: str) -> str:
    # hints come from every layer, as words or as sentences, or as a text with a mark under it
    if "\n" in text:
        return text
    end = "" if text[-1] in ".?!" else "."
    return text[0].upper() + text[1:] + end


def report_interruption(message: str, about: str, settings: Settings) -> None:
    """Tell how far interrupted work got, as `report` tells an error."""
    if settings.machine:
        _report_json("interrupted", message, None, about)
    elif not settings.quiet:
        click.echo(one_line(message), err=True)


def _report(settings: Settings, code: str, message: str, exc: BaseException) -> None:
    if settings.debug:
        _print_traceback(exc)
    if settings.machine:
        _report_json(code, message, None, None)
    else:
        click.echo(f"Error: {one_line(message)}", err=True)


def _report_json(
    code: str,
    message: str,
    status: int | None,
    about: str | None,
    known: Mapping[str, Any] | None = None,
) -> None:
    import json

    error = {"code": code, "message": message, "status": status, "object": about}
    error |= {key: value for key, value in (known or {}).items() if value is not None}
    click.echo(json.dumps({"error": error}, ensure_ascii=False), err=True)


def _print_traceback(exc: BaseException) -> None:
    import traceback

    click.echo(lines_of("".join(traceback.format_exception(exc))), err=True, nl=False)


async def for_each(items: Iterable[T], action: Callable[[T], Awaitable[None]]) -> None:
    """Do the same to several things; one that fails is reported and does not stop the others.

    With some failed, or stored in part, the status is 3; with nothing done it is 1, as for a
    single one.
    """
    failed = done = 0
    only = list(items)
    if len(only) == 1:
        await action(only[0])
        return
    for item in only:
        try:
            await action(item)
        except JouleError as exc:
            report(exc, current())
            failed += 1
            done += exc.exit_code == PARTLY_DONE
        else:
            done += 1
    if failed:
        raise click.exceptions.Exit(PARTLY_DONE if done else 1)
