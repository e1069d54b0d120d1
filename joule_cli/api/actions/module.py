"""Module actions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from joule_cli.api.references import ModuleRef
    from joule_cli.model import Module


class ModuleActions(ABC):
    """Programs that a node runs. Source: Joule API reference, "Module Actions"."""

    @abstractmethod
    async def module_list(self, statistics: bool = False) -> list[Module]:
        """List the modules.

        Parameters
        ----------
        statistics
            Also measure the use of processor and memory, which takes half a second a module.

        Notes
        -----
        Wire: ``GET /modules.json``.
        """

    @abstractmethod
    async def module_get(self, module: ModuleRef, statistics: bool = False) -> Module:
        """Return one module; a node gives its statistics whether asked or not.

        Raises
        ------
        ModuleNotFound
            The reference names no module.

        Notes
        -----
        Wire: ``GET /module.json``.
        """

    @abstractmethod
    async def module_logs(self, module: ModuleRef) -> list[str]:
        """Return the latest lines that a module has printed, oldest first.

        Each is ``[<local time of the node, ISO 8601>]: <text>``.

        Raises
        ------
        ModuleNotFound
            The reference names no module.

        Notes
        -----
        Wire: ``GET /module/logs.json``.
        """
