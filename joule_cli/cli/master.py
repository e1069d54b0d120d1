"""`joule master`: who may control a node."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from joule_cli.cli._lazy import group
from joule_cli.cli._options import safe_options
from joule_cli.cli._output import (
    Column,
    emit_list,
    emit_object,
    emit_ok,
    emit_text,
    output_format,
    warn,
)
from joule_cli.cli._prompt import ask, confirm_or_leave
from joule_cli.cli._run import with_node
from joule_cli.cli._secrets import ask_secret, given_openly, read_secret
from joule_cli.cli._settings import current
from joule_cli.errors import ApiError, MasterNotFound
from joule_cli.series.visible import one_line

if TYPE_CHECKING:
    from joule_cli.api.node import Node
    from joule_cli.model import Master

_TYPE = click.Choice(["user", "joule", "lumen"])
_KINDS = {"user": "USER", "joule": "JOULE_NODE", "lumen": "LUMEN_NODE"}
_HEADINGS = {"user": "Users", "joule": "Joule Nodes", "lumen": "Lumen Nodes"}
_COLUMNS = (
    Column("type"),
    Column("name"),
    Column("id", kind="number", shown=False),
    Column("grantor_id", kind="number", shown=False),
)
_LUMEN_HINT = (
    "Use --lumen-key-file, or --first-name, --last-name, --email and --password-file for a server "
    "without accounts."
)


@group("master", examples=["joule master list", "joule master add user alice"])
def master() -> None:
    """Choose who may control a node."""


@master.command("list", examples=["joule master list", "joule master list --type user --json"])
@click.option("--type", "kind", type=_TYPE, help="Only masters of this type.")
@with_node
async def list_(node: Node, kind: str | None) -> None:
    """List users and nodes that hold a key of the node."""
    found = await node.master_list()
    if kind is not None:
        found = [each for each in found if each.master_type == _KINDS[kind]]
    if output_format() not in {"table", "plain"} or current().columns is not None:
        emit_list((each.to_json() for each in found), _COLUMNS)
        return
    emit_text("This node can be controlled by:")
    for name, heading in _HEADINGS.items():
        if kind in {None, name}:
            emit_text(f"{heading}:")
            names = [each.name for each in found if each.master_type == _KINDS[name]]
            for each in names or ["[None]"]:
                emit_text(f"\t{one_line(each)}")


@master.command(
    "add",
    examples=[
        "joule master add user alice",
        "joule master add user alice --key-file alice.key",
        "joule master add joule http://192.0.2.1:8088",
        "joule master add lumen lumen.example --lumen-key-file lumen.key",
    ],
)
@click.argument("type", type=_TYPE)
@click.argument("identifier")
@click.option("-k", "--key", metavar="KEY", help="Key of a user; better use --key-file.")
@click.option("--key-file", metavar="FILE", help="Read the key of a user, - for stdin.")
@click.option("-u", "--remote-access-url", metavar="URL", help="Where Lumen reaches this node.")
@click.option("--lumen-key-file", metavar="FILE", help="Read the key of Lumen, - for stdin.")
@click.option("--first-name", metavar="TEXT", help="For a first account on Lumen.")
@click.option("--last-name", metavar="TEXT", help="For a first account on Lumen.")
@click.option("--email", metavar="TEXT", help="For a first account on Lumen.")
@click.option("--password-file", metavar="FILE", help="For a first account on Lumen, - for stdin.")
@with_node
async def add(
    node: Node,
    type: str,
    identifier: str,
    key: str | None,
    key_file: str | None,
    remote_access_url: str | None,
    lumen_key_file: str | None,
    first_name: str | None,
    last_name: str | None,
    email: str | None,
    password_file: str | None,
) -> None:
    """Let a user, a Joule node or a Lumen server control the node.

    A user gets a key of 32 characters or more; without one, it is made. It is shown once.
    """
    account = (first_name, last_name, email, password_file)
    if key is not None and key_file is not None:
        raise click.UsageError("--key and --key-file exclude each other.")
    if key is not None:
        given_openly(key, "use --key-file")
    if type != "lumen" and any(each is not None for each in (lumen_key_file, *account)):
        raise click.UsageError("These credentials are for a lumen master.")
    if type != "user" and (key is not None or key_file is not None):
        warn("only a user has a key that can be chosen")
    if type == "user":
        chosen = key if key_file is None else read_secret(key_file)
        await _add_user(node, identifier, chosen)
        return
    if type == "joule":
        added = await node.master_add(type, identifier)
    else:
        extra = {} if remote_access_url is None else {"return_address": remote_access_url}
        if lumen_key_file is not None:
            credentials = {"auth_key": read_secret(lumen_key_file)}
        elif any(each is not None for each in account):
            if None in account:
                raise click.UsageError(_LUMEN_HINT)
            credentials = _account(first_name, last_name, email, read_secret(password_file or "-"))
        else:
            credentials = {}
        added = await _add_lumen(node, identifier, credentials, extra)
    name = (await node.info()).name
    kind = "Joule Node" if type == "joule" else "Lumen Node"
    emit_ok(
        f"Access to [{name}] granted to {kind} [{identifier}]",
        {"type": added.master_type, "name": added.name, "key": None, "url": node.url},
    )


async def _add_user(node: Node, identifier: str, key: str | None) -> None:
    added = await node.master_add("user", identifier, api_key=key)
    name = one_line((await node.info()).name)
    value = {"type": added.master_type, "name": added.name, "key": added.key, "url": node.url}

    def show() -> None:
        if current().quiet:
            emit_text(str(added.key))
            return
        emit_text(f"Access to node [{name}] granted to user [{identifier}]\n\nKey:\t{added.key}\n")
        emit_text("Run the following command to install the key on the user's machine")
        if node.embedded:
            emit_text(f"\t$> joule node add {name} URL {added.key}")
            emit_text("* URL is where 'joule node serve' serves this file")
        else:
            emit_text(f"\t$> joule node add {name} {node.url} {added.key}")
            emit_text("* IP address may differ based on network setup")

    emit_object(value, show)


async def _add_lumen(
    node: Node, identifier: str, credentials: dict[str, str], extra: dict[str, str]
) -> Master:
    if credentials:
        return await node.master_add("lumen", identifier, {**credentials, **extra})
    try:
        return await node.master_add("lumen", identifier, {})
    except ApiError as exc:
        # a Lumen server tells only in its words what it needs
        if "auth_key" in exc.message:
            hint = "Use --lumen-key-file."
            credentials = {"auth_key": ask_secret("Lumen authorization key", hint)}
        elif "first_name" in exc.message:
            credentials = _ask_account()
        else:
            raise
    return await node.master_add("lumen", identifier, {**credentials, **extra})


def _ask_account() -> dict[str, str]:
    answers = []
    for question in ("First name", "Last name", "E-mail"):
        answers.append(None if current().no_input else ask(f"{question}: "))
        if not (answers[-1] or "").strip():
            raise click.UsageError(_LUMEN_HINT)
    password = ask_secret("Password", _LUMEN_HINT)
    if ask_secret("Repeat the password", _LUMEN_HINT) != password:
        raise click.UsageError("The two passwords differ.")
    first, last, email = ((answer or "").strip() for answer in answers)
    return _account(first, last, email, password)


def _account(
    first: str | None, last: str | None, email: str | None, password: str
) -> dict[str, str]:
    return {
        "first_name": first or "",
        "last_name": last or "",
        "email": email or "",
        "password": password,
    }


@master.command("delete", examples=["joule master delete user alice"])
@click.argument("type", type=_TYPE)
@click.argument("name")
@safe_options
@with_node
async def delete(node: Node, type: str, name: str, dry_run: bool) -> None:
    """Take the control away from a user or a node."""
    node_name = (await node.info()).name
    known = [each for each in await node.master_list() if each.master_type == _KINDS[type]]
    found = [each.to_json() for each in known if each.name == name]
    if not found:
        from joule_cli.series.nearest import did_you_mean

        raise MasterNotFound(
            f"{type} [{name}] is not a master of node [{node_name}]",
            object=name,
            hint=did_you_mean(name, [each.name for each in known]),
        )
    if dry_run:
        emit_list(found, _COLUMNS)
        return
    confirm_or_leave(f"Revoke the access of {type} {name} to {node_name}?")
    await node.master_delete(type, name)
    emit_ok(f"Access to node [{node_name}] revoked for {type} [{name}]", {"deleted": found[0]})
