"""Module and proxy actions of a node in a file, which runs no modules and stands before nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from joule_cli.api.actions.module import ModuleActions
from joule_cli.api.actions.proxy import ProxyActions
from joule_cli.api.references import module_key, proxy_key
from joule_cli.errors import ModuleNotFound, ProxyNotFound

if TYPE_CHECKING:
    from joule_cli.api.references import ModuleRef, ProxyRef
    from joule_cli.model import Module, Proxy


class EmbeddedModules(ModuleActions, ProxyActions):
    """No modules and no proxies; those of a served node belong to its server."""

    async def module_list(self, statistics: bool = False) -> list[Module]:
        return []

    async def module_get(self, module: ModuleRef, statistics: bool = False) -> Module:
        raise ModuleNotFound("module does not exist", object=str(module_key(module)))

    async def module_logs(self, module: ModuleRef) -> list[str]:
        raise ModuleNotFound("module does not exist", object=str(module_key(module)))

    async def proxy_list(self) -> list[Proxy]:
        return []

    async def proxy_get(self, proxy: ProxyRef) -> Proxy:
        raise ProxyNotFound("proxy does not exist", object=str(proxy_key(proxy)))
