"""Proxy actions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from joule_cli.api.references import ProxyRef
    from joule_cli.model import Proxy


class ProxyActions(ABC):
    """Web interfaces behind a node. Source: Joule API reference, "Proxy Actions"."""

    @abstractmethod
    async def proxy_list(self) -> list[Proxy]:
        """List the proxies in the order of the node's configuration.

        Notes
        -----
        Wire: ``GET /proxies.json``.
        """

    @abstractmethod
    async def proxy_get(self, proxy: ProxyRef) -> Proxy:
        """Return one proxy.

        Raises
        ------
        ProxyNotFound
            The reference names no proxy.

        Notes
        -----
        Wire: ``GET /proxy.json``.
        """
