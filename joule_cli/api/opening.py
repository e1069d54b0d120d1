"""Nodes behind an address that is not stored."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Final, Protocol, cast

if TYPE_CHECKING:
    from pathlib import Path

    from joule_cli.api.node import Node

#: What serves ``http``, ``https`` and ``unix`` addresses, as ``module:class``; loaded on use.
REMOTE: Final = "joule_cli.remote.node:RemoteNode"


class _Opens(Protocol):
    def __call__(
        self, name: str, url: str, *, key: str, ca_file: Path | None, timeout_s: float
    ) -> Node: ...


def open_address(
    name: str, url: str, *, key: str = "", ca_file: Path | None = None, timeout_s: float = 60.0
) -> Node:
    """Return the node at an address, without contacting it yet.

    Parameters
    ----------
    ca_file
        A certificate authority to trust besides the system's.
    timeout_s
        Seconds that the node may send nothing before a call fails.

    Raises
    ------
    ConfigurationError
        `url` is not an address of a node.
    """
    module, _, attribute = REMOTE.partition(":")
    implementation = cast("_Opens", getattr(importlib.import_module(module), attribute))
    return implementation(name, url, key=key, ca_file=ca_file, timeout_s=timeout_s)
