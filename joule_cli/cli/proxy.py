"""`joule proxy`: web interfaces behind a node."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from joule_cli.cli._lazy import group
from joule_cli.cli._output import Column, emit_block, emit_list, emit_object
from joule_cli.cli._run import with_node
from joule_cli.errors import ProxyNotFound

if TYPE_CHECKING:
    from joule_cli.api.node import Node
    from joule_cli.model import Proxy

_COLUMNS = (
    Column("id", "ID", "number"),
    Column("name", "Name"),
    Column("url", "Target URL"),
    Column("proxied_url", "Proxy URL", shown=False),
)


@group("proxy", examples=["joule proxy list", "joule proxy info grafana"])
def proxy() -> None:
    """See the web interfaces behind a node."""


@proxy.command("list", examples=["joule proxy list", "joule proxy list --columns name,proxied_url"])
@with_node
async def list_(node: Node) -> None:
    """List the proxies."""
    emit_list((_record(each) for each in await node.proxy_list()), _COLUMNS)


@proxy.command("info", examples=["joule proxy info grafana", "joule proxy info 0 --json"])
@click.argument("proxy")
@with_node
async def info(node: Node, proxy: str) -> None:
    """Describe a proxy, given by name or id."""
    found = await _find(node, proxy)

    def show() -> None:
        emit_block(
            [
                ("ID", str(found.id)),
                ("Name", found.name),
                ("Proxy URL", found.proxied_url),
                ("Source URL", found.target_url),
            ]
        )

    emit_object(_record(found), show)


proxy.add_command(info, "get")


async def _find(node: Node, reference: str) -> Proxy:
    if reference.isascii() and reference.isdigit():
        try:
            return await node.proxy_get(int(reference))
        except ProxyNotFound:
            # a name may be a number
            pass
    return await node.proxy_get(reference)


def _record(proxy: Proxy) -> dict[str, Any]:
    return {**proxy.to_json(), "proxied_url": proxy.proxied_url}
