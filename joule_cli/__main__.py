"""Run the `joule` program with ``python -m joule_cli``."""

from __future__ import annotations

from joule_cli.cli.app import main

main()
