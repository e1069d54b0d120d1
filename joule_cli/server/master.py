"""Master actions over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from joule_cli.errors import ApiError, MasterNotFound
from joule_cli.model.master import MASTER_TYPES
from joule_cli.server.body import json_response, ok, read_object
from joule_cli.server.join import (
    ask_lumen_to_be_master,
    ask_to_be_master,
    find_other,
    introduce,
    join_refused,
)
from joule_cli.server.other import JoinError
from joule_cli.server.peers import caller, peers_of
from joule_cli.server.pending import PENDING
from joule_cli.server.state import NODE, SETTINGS
from joule_cli.wire import endpoints

if TYPE_CHECKING:
    from collections.abc import Mapping

routes = web.RouteTableDef()

#: What requests call the types.
_TYPES: Final = {names[0]: kind for kind, names in MASTER_TYPES.items()}


@routes.get(endpoints.MASTERS)
async def masters(request: web.Request) -> web.Response:
    """List the masters."""
    return json_response([each.to_json() for each in await request.app[NODE].master_list()])


@routes.post(endpoints.MASTER)
async def add(request: web.Request) -> web.Response:
    """Let a user or another node control this node."""
    body = await read_object(request)
    if "master_type" not in body:
        raise ApiError("Invalid request 'master_type'")
    kind = _TYPES.get(str(body["master_type"]).lower())
    if kind is None:
        raise ApiError("master_type must be [user|joule|lumen]")
    # the UNIX socket is trusted, but a grant needs a grantor
    grantor = await caller(request)
    if grantor is None:
        raise ApiError("Invalid request 'X-API-KEY'")
    if kind == "USER":
        return await _add_user(request, body, grantor)
    for name in ("identifier", *(["lumen_params"] if kind == "LUMEN_NODE" else [])):
        if name not in body:
            raise ApiError(f"Cannot add master: ['{name}']")
    if not isinstance(body["identifier"], str) or not body["identifier"].isprintable():
        raise ApiError("Cannot add master: [identifier] must be a URL or a host")
    try:
        name = await _join(request, kind, body["identifier"], body.get("lumen_params"), grantor)
    except JoinError as exc:
        raise join_refused(exc) from exc
    return json_response({"name": name})


async def _add_user(request: web.Request, body: Mapping[str, Any], grantor: int) -> web.Response:
    if "identifier" not in body:
        raise ApiError("Invalid request 'identifier'")
    stored = await peers_of(request.app).add_master(
        "USER", body["identifier"], body.get("api_key"), grantor_id=grantor
    )
    return json_response({"key": stored.key, "name": request.app[SETTINGS].name})


async def _join(
    request: web.Request, kind: str, identifier: str, credentials: Any, grantor: int
) -> str:
    peers, settings = peers_of(request.app), request.app[SETTINGS]
    introduction = introduce(request)
    lumen = kind == "LUMEN_NODE"
    if credentials is not None and not isinstance(credentials, dict):
        raise ApiError("Cannot add master: [lumen_params] must be an object")
    other = await find_other(identifier, path="/lumen" if lumen else "", ca_file=settings.ca_file)
    key = peers.new_key()
    with request.app[PENDING].expect(key):
        if lumen:
            name = identifier
            await ask_lumen_to_be_master(other, key, introduction, credentials or {})
        else:
            name = await ask_to_be_master(other, key, introduction)
        await peers.add_master(kind, name, key, grantor_id=grantor, replace=True)
    return name


@routes.delete(endpoints.MASTER)
async def delete(request: web.Request) -> web.Response:
    """Take the control away from a master."""
    node = request.app[NODE]
    name, kind = request.query.get("name"), _TYPES.get(request.query.get("master_type", ""))
    own_id = await caller(request)
    if name is None or kind is None or own_id is None:
        raise ApiError("specify name and master_type")
    for found in await node.master_list():
        if (found.master_type, found.name) == (kind, name):
            break
    else:
        node_name = request.app[SETTINGS].name
        raise MasterNotFound(f"{kind.lower()} [{name}] is not a master of node [{node_name}]")
    if found.id == own_id:
        raise ApiError("cannot delete yourself, this would lock you out of the node")
    await node.master_delete(kind, name)
    peers_of(request.app).forget()
    return ok()
