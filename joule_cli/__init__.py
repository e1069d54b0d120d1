"""Joule nodes from the shell and from asyncio programs.

``import joule_cli as joule`` gives `joule.api`, `joule.errors`, `joule.models` and
`joule.utilities` under the names of the Joule API reference. They load on first use, so that
importing this package costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

__version__ = "0.3.0"

__all__ = ["__version__", "api", "errors", "models", "utilities"]


def __getattr__(name: str) -> ModuleType:
    if name in {"api", "errors", "models", "utilities"}:
        return importlib.import_module(f"joule_cli.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
