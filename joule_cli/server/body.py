"""JSON bodies of requests and responses."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from aiohttp import web

from joule_cli.errors import ApiError, InvalidReference
from joule_cli.server.payload import Payload
from joule_cli.server.refusals import Refusal
from joule_cli.server.state import SETTINGS
from joule_cli.wire.codec import MEDIA_TYPE, dump, load_request
from joule_cli.wire.params import read_int

if TYPE_CHECKING:
    from collections.abc import Mapping


def json_response(value: Any) -> web.Response:
    """Return an answer that carries JSON."""
    return web.Response(text=dump(value), content_type=MEDIA_TYPE)


def ok() -> web.Response:
    """Return the answer to a request that has no other."""
    return web.Response(text="ok")


async def read_object(request: web.Request, most_bytes: int | None = None) -> dict[str, Any]:
    """Return the JSON object that a request carries.

    Parameters
    ----------
    most_bytes
        Its largest size, by default that of the settings.

    Raises
    ------
    ApiError
        It carries something else.
    Refusal
        The body is too large, does not arrive, or breaks off.
    """
    if request.content_type.lower() != MEDIA_TYPE:
        raise ApiError(f"content-type must be {MEDIA_TYPE}")
    value = load_request(await _read(request, most_bytes))
    if not isinstance(value, dict):
        raise ApiError("the body must be a JSON object")
    return value


async def _read(request: web.Request, most_bytes: int | None) -> bytes:
    settings = request.app[SETTINGS]
    limit = settings.json_limit_bytes if most_bytes is None else most_bytes
    _check_size(request.content_length or 0, limit)
    body, payload = bytearray(), Payload(request)
    try:
        async with asyncio.timeout(settings.body_timeout_s):
            # the sum counts: a body may be packed, or tell no length
            while part := await payload.readany():
                body += part
                _check_size(len(body), limit)
    except TimeoutError:
        raise Refusal(408, "408: the body did not arrive in time") from None
    return bytes(body)


def _check_size(size: int, limit: int) -> None:
    if size > limit:
        text = f"Maximum request body size {limit} exceeded, actual body size {size}"
        raise Refusal(413, text)


def read_source(
    body: Mapping[str, Any], prefix: str = "", missing: str = "specify an id or a path"
) -> str | int:
    """Return the path or the id that a body names; the path wins, and null counts as absent.

    Raises
    ------
    ApiError
        `missing`, or a value of the wrong type.
    """
    path = body.get(f"{prefix}path")
    if path is None:
        return read_id(body, f"{prefix}id", missing)
    if not isinstance(path, str):
        raise ApiError(f"parameter {prefix}path must be a text")
    return path


def read_id(body: Mapping[str, Any], name: str, missing: str) -> int:
    """Return an id, given as a number or as text.

    Raises
    ------
    ApiError
        `missing`, or not an integer.
    """
    value = body.get(name)
    if value is None:
        raise ApiError(missing)
    if isinstance(value, str):
        value = read_int({name: value}, name)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ApiError(f"parameter {name} must be an int")
    return value


def read_destination(body: Mapping[str, Any]) -> str | int:
    """Return the folder that something is put into.

    Raises
    ------
    InvalidReference
        The path is not well formed.
    ApiError
        No folder is named.
    """
    path = body.get("dest_path")
    if path is None:
        return read_id(body, "dest_id", "specify a destination")
    if not isinstance(path, str) or not _is_absolute(path):
        raise InvalidReference(f"Destination error: invalid path [{path}]")
    return path


def _is_absolute(path: str) -> bool:
    first, *names = path.split("/")
    return path == "/" or (not first and bool(names) and all(names))


def read_attributes(body: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return the object of a request to update a stream or a folder.

    Raises
    ------
    ApiError
        It is missing, or no object.
    """
    if name not in body:
        raise ApiError(f"Invalid request: specify {name} as JSON")
    value = body[name]
    if not isinstance(value, dict):
        raise ApiError(f"error: [{name}] attribute must be JSON")
    return value
