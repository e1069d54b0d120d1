"""Master actions over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from joule_cli.api.actions.master import MasterActions
from joule_cli.errors import MasterNotFound, NotFoundError
from joule_cli.model import Master
from joule_cli.model.master import MASTER_TYPES, read_master_type
from joule_cli.remote.answers import read_list, read_object, require_ok
from joule_cli.remote.base import RemoteState
from joule_cli.remote.session import LONG_WORK
from joule_cli.wire import endpoints

if TYPE_CHECKING:
    from collections.abc import Mapping


class RemoteMasters(RemoteState, MasterActions):
    """The masters of a remote node."""

    async def master_list(self) -> list[Master]:
        answer = await self.session.get(endpoints.MASTERS)
        return read_list(answer, Master.from_json, "name", "type")

    async def master_add(
        self,
        master_type: str,
        identifier: str,
        lumen_parameters: Mapping[str, Any] | None = None,
        api_key: str | None = None,
    ) -> Master:
        kind = read_master_type(master_type)
        body = {
            "master_type": MASTER_TYPES[kind][0],
            "identifier": identifier,
            "lumen_params": lumen_parameters,
            "api_key": api_key,
        }
        # the node may have to wait for another one
        answer = await self.session.post(
            endpoints.MASTER, body, about=identifier, patience=LONG_WORK
        )
        if kind == "USER":
            return read_object(
                answer, lambda data: Master(kind, identifier, str(data["key"])), "key"
            )
        return read_object(answer, lambda data: Master(kind, str(data["name"])), "name")

    async def master_delete(self, master_type: str, name: str) -> None:
        kind = read_master_type(master_type)
        params = {"master_type": MASTER_TYPES[kind][0], "name": name}
        try:
            require_ok(await self.session.delete(endpoints.MASTER, params, about=name))
        except NotFoundError as exc:
            raise MasterNotFound(exc.message, object=name) from exc
