"""Run the `joule` program, as the console script and as ``python -m joule_cli``."""

from __future__ import annotations

import os
import signal
from typing import NoReturn


def main() -> NoReturn:
    """Load the program and run it; Ctrl-C ends it without a traceback from the first moment."""
    # numpy's linear algebra starts threads when it is loaded, and nothing here multiplies matrices
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    on_interrupt = signal.getsignal(signal.SIGINT)
    if on_interrupt is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from joule_cli.cli import app

    signal.signal(signal.SIGINT, on_interrupt)
    try:
        app.main()
    except SystemExit as ended:
        # everything is closed and written; to take the interpreter apart as well would take a
        # command that loaded much as long as a third of its start
        os._exit(ended.code if isinstance(ended.code, int) else 0)


if __name__ == "__main__":
    main()
