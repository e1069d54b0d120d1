"""Proxy actions over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from joule_cli.api.actions.proxy import ProxyActions
from joule_cli.api.references import proxy_key
from joule_cli.errors import NotFoundError, ProxyNotFound
from joule_cli.model import Proxy
from joule_cli.remote.answers import read_list, read_object
from joule_cli.remote.base import RemoteState
from joule_cli.wire import endpoints
from joule_cli.wire.params import name_params

if TYPE_CHECKING:
    from joule_cli.api.references import ProxyRef

_KEYS = ("id", "name", "url")


class RemoteProxies(RemoteState, ProxyActions):
    """The proxies of a remote node."""

    async def proxy_list(self) -> list[Proxy]:
        return read_list(await self.session.get(endpoints.PROXIES), self._proxy, *_KEYS)

    async def proxy_get(self, proxy: ProxyRef) -> Proxy:
        key = proxy_key(proxy)
        try:
            answer = await self.session.get(endpoints.PROXY, name_params(key), about=key)
        except NotFoundError as exc:
            raise ProxyNotFound("proxy does not exist", object=str(key)) from exc
        return read_object(answer, self._proxy, *_KEYS)

    def _proxy(self, data: dict[str, Any]) -> Proxy:
        found = Proxy.from_json(data)
        # the base of a UNIX socket is no address that a browser could use
        if self.session.address.socket is None:
            found.proxied_url = f"{self.session.address.base}{endpoints.INTERFACE}p{found.id}/"
        return found
