"""JSON bodies: text in both directions.

The JSON forms of the stored objects are with the objects, as ``to_json`` and ``from_json``.
"""

from __future__ import annotations

import json
from typing import Any

from joule_cli.errors import ApiError, ProtocolError

MEDIA_TYPE = "application/json"
#: One JSON document on each line, as they come.
LINES_TYPE = "application/x-ndjson"
#: Levels of objects and lists in a request.
_DEEPEST = 700


def dump(value: Any) -> str:
    """Return JSON as the original node writes it: ASCII, with blanks after commas and colons."""
    return json.dumps(value)


def load_request(body: bytes) -> Any:
    """Return the content of a request.

    Raises
    ------
    ApiError
        ``invalid json``; objects and lists that are nested deeply are, too, as code that looks at
        such a value runs out of stack.
    """
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        raise ApiError("invalid json") from None
    if body.count(b"[") + body.count(b"{") > _DEEPEST and _is_deep(value):
        raise ApiError("invalid json: it is nested too deeply")
    return value


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(_DEEPEST):
        inner: list[Any] = []
        for each in level:
            if isinstance(each, dict):
                inner += each.values()
            elif isinstance(each, list):
                inner += each
        level = inner
    return bool(level)


def load_response(body: bytes) -> Any:
    """Return the content of a response.

    Raises
    ------
    ProtocolError
        ``Invalid node response (not json)``.
    """
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as exc:
        raise ProtocolError("Invalid node response (not json)") from exc


def require_keys(value: Any, *keys: str) -> dict[str, Any]:
    """Return an answer that is an object with these keys.

    Raises
    ------
    ProtocolError
        It is something else, or a key is missing.
    """
    if not isinstance(value, dict):
        raise ProtocolError(f"Invalid node response: an object with {', '.join(keys)} was expected")
    missing = [key for key in keys if key not in value]
    if missing:
        raise ProtocolError(f"Invalid node response: missing {', '.join(missing)}")
    return value
