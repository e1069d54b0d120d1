"""Module actions over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

from joule_cli.api.actions.module import ModuleActions
from joule_cli.api.references import module_key
from joule_cli.errors import ModuleNotFound, NotFoundError, ProtocolError
from joule_cli.model import Module
from joule_cli.remote.answers import read_list, read_object
from joule_cli.remote.base import RemoteState
from joule_cli.wire import endpoints
from joule_cli.wire.params import name_params

if TYPE_CHECKING:
    from joule_cli.api.references import ModuleRef

_KEYS = ("id", "name", "description", "is_app", "inputs", "outputs")


class RemoteModules(RemoteState, ModuleActions):
    """The modules of a remote node."""

    async def module_list(self, statistics: bool = False) -> list[Module]:
        # processors are measured for half a second a module
        answer = await self.session.get(endpoints.MODULES, {"statistics": str(int(statistics))})
        return read_list(answer, Module.from_json, *_KEYS)

    async def module_get(self, module: ModuleRef, statistics: bool = False) -> Module:
        key = module_key(module)
        params = {"statistics": str(int(statistics))} | name_params(key)
        try:
            answer = await self.session.get(endpoints.MODULE, params, about=key)
        except NotFoundError as exc:
            raise ModuleNotFound("module does not exist", object=str(key)) from exc
        return read_object(answer, Module.from_json, *_KEYS)

    async def module_logs(self, module: ModuleRef) -> list[str]:
        key = module_key(module)
        try:
            lines = await self.session.get(endpoints.MODULE_LOGS, name_params(key), about=key)
        except NotFoundError as exc:
            raise ModuleNotFound("module does not exist", object=str(key)) from exc
        if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
            raise ProtocolError("Invalid node response: a list of lines was expected")
        return lines
