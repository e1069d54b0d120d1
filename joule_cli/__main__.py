"""Run the `joule` program, as the console script and as ``python -m joule_cli``."""

from __future__ import annotations

import signal
from typing import NoReturn


def main() -> NoReturn:
    """Load the program and run it; Ctrl-C ends it without a traceback from the first moment."""
    on_interrupt = signal.getsignal(signal.SIGINT)
    if on_interrupt is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from joule_cli.cli import app

    signal.signal(signal.SIGINT, on_interrupt)
    app.main()


if __name__ == "__main__":
    main()
