"""`joule follower`: what a node can control."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import click

from joule_cli.cli._lazy import group
from joule_cli.cli._options import DURATION, safe_options
from joule_cli.cli._output import Column, emit_list, emit_ok, emit_text, output_format, show_time
from joule_cli.cli._prompt import confirm_or_leave
from joule_cli.cli._run import PARTLY_DONE, with_node
from joule_cli.cli._secrets import MASK
from joule_cli.cli._settings import current
from joule_cli.errors import ApiError, FollowerNotFound
from joule_cli.series.visible import one_line

if TYPE_CHECKING:
    from joule_cli.api.node import Node
    from joule_cli.model import Follower

_COLUMNS = (
    Column("name"),
    Column("location"),
    Column("id", kind="number", shown=False),
    Column("key", shown=False),
)
#: Versions of the original node that forget every follower when one is deleted.
_FORGET_ALL = ((0, 9), (1, 0, 1))


@group("follower", examples=["joule follower list", "joule follower accept --for 10m"])
def follower() -> None:
    """See which nodes a node can control, and let others join it."""


@follower.command("list", examples=["joule follower list", "joule follower list --json"])
@click.option("--show-secrets", is_flag=True, help="Show the keys as well.")
@with_node
async def list_(node: Node, show_secrets: bool) -> None:
    """List the nodes that this one holds a key of."""
    found = await node.follower_records()
    records = [_record(each, show_secrets) for each in found]
    if output_format() not in {"table", "plain"} or current().columns is not None:
        emit_list(records, _COLUMNS)
    elif not found:
        emit_text("This node cannot control any other nodes")
    else:
        emit_text("This node can control:")
        for each in found:
            key = f"\t{each.key}" if show_secrets else ""
            emit_text(f"\t{one_line(each.name)}\t{one_line(each.location)}{key}")


def _record(follower: Follower, show_secrets: bool) -> dict[str, Any]:
    value = follower.to_json()
    return value if show_secrets else {**value, "key": MASK}


@follower.command(
    "accept",
    examples=["joule follower accept --for 10m", "joule follower accept --for 1h --private"],
)
@click.option(
    "--for",
    "duration",
    type=DURATION,
    required=True,
    metavar="D",
    help="How long, at most a day; 0s lets none join any more.",
)
@click.option(
    "--private",
    is_flag=True,
    help="Also from private and loopback addresses.",
)
@with_node
async def accept(node: Node, duration: int, private: bool) -> None:
    """Let other nodes join this one for a while.

    Meanwhile 'joule master add joule URL', on another node, makes that one a follower of this one,
    which can control it from then on. At other times a served node takes none, unless it is served
    with --accept-followers.
    """
    joining = await node.follower_accept(duration, private=private)
    name = (await node.info()).name
    text = f"Nodes may join [{name}] until {show_time(joining.until)}"
    emit_ok(text if duration else f"Nodes may no longer join [{name}]", joining.to_json())


@follower.command("delete", examples=["joule follower delete pumphouse --yes"])
@click.argument("name")
@safe_options
@with_node
async def delete(node: Node, name: str, dry_run: bool) -> None:
    """Forget a node that this one can control.

    The key stays valid there, until the master is deleted on that side. A Joule node up to 1.0.1
    forgets all of its followers, so that this must be confirmed if it has others.
    """
    before = await node.follower_records()
    doomed = [each for each in before if each.name == name]
    if not doomed:
        from joule_cli.series.nearest import did_you_mean

        hint = did_you_mean(name, [each.name for each in before])
        raise FollowerNotFound("follower not found", object=name, hint=hint)
    all_of_them = len(before) > 1 and _forgets_all((await node.info()).version)
    if all_of_them:
        doomed = before
    if dry_run:
        emit_list((_record(each, False) for each in doomed), _COLUMNS)
        return
    names = ", ".join(each.name for each in doomed)
    question = f"Forget {names}?"
    if all_of_them:
        question = f"This version of the node forgets all followers: {names}. Go on?"
    confirm_or_leave(question, always=all_of_them)
    await node.follower_delete(name)
    left = {each.name for each in await node.follower_records()}
    lost = [each.name for each in before if each.name != name and each.name not in left]
    if name in left:
        raise ApiError("the node still has this follower", object=name)
    emit_ok(f"Follower [{name}] removed", {"deleted": [name], "also_deleted": lost})
    if lost:
        if not all_of_them:
            told = f"the node has forgotten other followers as well: {', '.join(lost)}"
            click.echo(f"Error: {one_line(told)}", err=True)
        raise click.exceptions.Exit(0 if all_of_them else PARTLY_DONE)


def _forgets_all(version: str) -> bool:
    numbers = tuple(int(part) for part in re.findall(r"\d+", version)[:3])
    first, last = _FORGET_ALL
    return first <= numbers <= last
