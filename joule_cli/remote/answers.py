"""Answers of a node as objects; an answer of another form is a `ProtocolError`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from joule_cli.errors import ApiError, ProtocolError
from joule_cli.wire.codec import require_keys

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


def read_object(value: Any, build: Callable[[dict[str, Any]], T], *keys: str) -> T:
    """Return what `build` makes of an object that has these keys; ``id`` must be an integer."""
    data = require_keys(value, *keys)
    if "id" in keys:
        read_integer(data, "id")
    try:
        return build(data)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError, ApiError) as exc:
        raise ProtocolError(f"Invalid node response: not as expected ({exc})") from exc


def read_list(value: Any, build: Callable[[dict[str, Any]], T], *keys: str) -> list[T]:
    """Return the objects of a list."""
    if not isinstance(value, list):
        raise ProtocolError("Invalid node response: a list was expected")
    return [read_object(item, build, *keys) for item in value]


def read_integer(value: Any, key: str) -> int:
    """Return an integer that an object has."""
    number = require_keys(value, key)[key]
    if isinstance(number, bool) or not isinstance(number, int):
        raise ProtocolError(f"Invalid node response: [{key}] is not an integer")
    return number


def require_ok(value: Any) -> None:
    """Check that a change was acknowledged and nothing else was said."""
    if value is not None:
        raise ProtocolError("Invalid node response: ok was expected")
