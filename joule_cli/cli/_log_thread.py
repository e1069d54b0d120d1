"""A log whose reader may stop reading without stopping the program."""

from __future__ import annotations

import logging
import os
import queue
import select
import sys
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from joule_cli.cli._log_format import LineFormatter

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Lines that wait for a reader; the next ones are left out and counted.
_MOST_WAITING: Final = 10_000
#: Seconds that the last lines have to get out.
_LINGER_S: Final = 1.0


class ThreadedLog(logging.Handler):
    """Writes a log in a thread of its own.

    Without a reader, a number of lines wait, and those that follow are left out. How many is said
    in their place, once there is room again.

    Parameters
    ----------
    descriptor
        File to write to; it stays open.
    most_waiting
        Lines, or entries of several lines, that may wait.
    """

    def __init__(self, descriptor: int, most_waiting: int = _MOST_WAITING) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._waiting: queue.Queue[str | None] = queue.Queue(most_waiting)
        self._lost = 0
        # a daemon, since it may be writing to a reader that never comes back
        self._thread = threading.Thread(target=self._write_all, name="log", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Let a line wait to be written, or count it as lost; called by one thread at a time."""
        text = f"{self.format(record)}\n"
        try:
            self._waiting.put_nowait(f"{self._loss()}{text}")
        except queue.Full:
            self._lost += 1
        else:
            self._lost = 0

    def close(self) -> None:
        """Give the lines that wait a moment to get out, and take no more."""
        with suppress(queue.Full):
            if self._lost:
                self._waiting.put_nowait(self._loss())
            self._waiting.put_nowait(None)
        self._thread.join(_LINGER_S)
        super().close()

    def _loss(self) -> str:
        if not self._lost:
            return ""
        lines = "line" if self._lost == 1 else "lines"
        return f"{self._lost} {lines} of the log are missing here: it was not read\n"

    def _write_all(self) -> None:
        while (text := self._waiting.get()) is not None:
            # a reader that is gone is not coming back, and the program goes on without
            with suppress(OSError):
                self._write(text.encode("utf-8", "backslashreplace"))

    def _write(self, data: bytes) -> None:
        # not through sys.stderr: the interpreter cannot end while a thread is stuck in there
        while data:
            try:
                data = data[os.write(self._descriptor, data) :]
            except BlockingIOError:
                select.select([], [self._descriptor], [])


@contextmanager
def threaded_log(form: str) -> Iterator[None]:
    """Write the log to stderr in a thread until the block ends.

    Parameters
    ----------
    form
        Format of a line, as `logging.Formatter` takes it.
    """
    if sys.stderr is None:
        yield
        return
    sys.stderr.flush()
    handler = ThreadedLog(sys.stderr.fileno())
    handler.setFormatter(LineFormatter(form))
    # the root has what libraries log, which would go to stderr straight away
    loggers = [logging.getLogger("joule_cli"), logging.getLogger()]
    before = [list(logger.handlers) for logger in loggers]
    for logger in loggers:
        logger.handlers[:] = [handler]
    try:
        yield
    finally:
        for logger, handlers in zip(loggers, before, strict=True):
            logger.handlers[:] = handlers
        handler.close()
