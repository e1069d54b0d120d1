"""Master actions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from joule_cli import model
from joule_cli.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from joule_cli.model import Master


class MasterActions(ABC):
    """Who may control a node. Source: Joule API reference, "Master Actions".

    Types are ``user``, ``joule`` and ``lumen``, in any case; ``joule_node`` and ``lumen_node``
    are taken as well.
    """

    @abstractmethod
    async def master_list(self) -> list[Master]:
        """List the masters, without their keys.

        Notes
        -----
        Wire: ``GET /masters.json``.
        """

    @abstractmethod
    async def master_add(
        self,
        master_type: str,
        identifier: str,
        lumen_parameters: Mapping[str, Any] | None = None,
        api_key: str | None = None,
    ) -> Master:
        """Let a user or another node control this node.

        Parameters
        ----------
        identifier
            Name of the user, or URL or host of the other node, which is contacted.
        lumen_parameters
            Credentials for a Lumen server.
        api_key
            For a user, the key to be used, of 32 characters or more; by default one is made.

        Returns
        -------
        Master
            For a user with the key, which cannot be had again later.

        Raises
        ------
        NameTakenError
            There is a user with this name.
        ConflictError
            The key belongs to another master.
        ApiError
            The type is unknown, the key is too short, or the other node could not be reached or
            refused.

        Notes
        -----
        A node that is added again gets a new key, and its old one is no longer valid. Only a node
        that is served can add another node. Wire: ``POST /master.json``.
        """

    @abstractmethod
    async def master_delete(self, master_type: str, name: str) -> None:
        """Take the control away from a master; its key is no longer valid.

        Raises
        ------
        MasterNotFound
            There is no such master.
        ApiError
            The type is unknown, or the caller's own key belongs to this master.

        Notes
        -----
        Wire: ``DELETE /master.json``.
        """

    async def master_remove(self, master: Master | str, name: str | None = None) -> None:
        """Do what `master_delete` does, under the name in the API reference.

        Parameters
        ----------
        master
            A master, or a type if a name is given, or else the name of a user.
        """
        match master:
            case model.Master():
                await self.master_delete(master.master_type, master.name)
            case str() if name is None:
                await self.master_delete("user", master)
            case str():
                await self.master_delete(master, name)
            case _:
                raise ApiError("Invalid master datatype. Must be Master or name")
