"""Master actions of the embedded node."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from joule_cli.api.actions.master import MasterActions
from joule_cli.engine.base import EngineState
from joule_cli.engine.keys import check_key, check_master_name, new_key
from joule_cli.errors import ApiError, MasterNotFound
from joule_cli.model.master import read_master_type

if TYPE_CHECKING:
    from collections.abc import Mapping

    from joule_cli.model import Master

_USER: Final = "USER"


class EmbeddedMasters(EngineState, MasterActions):
    """The masters that a store knows."""

    name: str

    async def master_list(self) -> list[Master]:
        return await self.storage.peers.masters()

    async def master_add(
        self,
        master_type: str,
        identifier: str,
        lumen_parameters: Mapping[str, Any] | None = None,
        api_key: str | None = None,
    ) -> Master:
        if read_master_type(master_type) != _USER:
            raise ApiError(
                "only a served node can join another node",
                object=identifier,
                hint="serve the file with 'joule node serve', then add the master there",
            )
        key = new_key() if api_key is None else check_key(api_key)
        return await self.storage.peers.add_master(_USER, check_master_name(identifier), key)

    async def master_delete(self, master_type: str, name: str) -> None:
        kind = read_master_type(master_type)
        if not await self.storage.peers.delete_master(kind, name):
            raise MasterNotFound(
                f"{kind.lower()} [{name}] is not a master of node [{self.name}]", object=name
            )
