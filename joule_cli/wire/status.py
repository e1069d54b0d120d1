"""Errors on the wire: status, text, and the header that names the class.

A Joule 1.0.1 node sends status and text alone. Our own adds the `code` of the class, so that our
client raises the same class that the node raised; nothing is ever told by its text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from joule_cli import errors
from joule_cli.wire import endpoints

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Response header with the code of the error's class.
CODE_HEADER: Final = "joule-error"
#: The original client repeats requests that fail with more than this, writes included.
_HIGHEST_STATUS: Final = 500


def wire_status(error: errors.JouleError) -> int:
    """Return the HTTP status that an error has."""
    if isinstance(error, errors.FileMovedError):
        # it was not done, and another server will do it
        return 503
    return min(error.status or 400, _HIGHEST_STATUS)


def wire_text(error: errors.JouleError) -> str:
    """Return the body of an error response, as in ``404: stream does not exist``."""
    return f"{wire_status(error)}: {error.message}"


def rebuild(status: int, text: str, code: str | None, endpoint: str) -> errors.ApiError:
    """Return the error that a response stands for.

    Parameters
    ----------
    text
        The body; a leading status is cut off.
    code
        Value of `CODE_HEADER`, `None` from a node that sends none.
    endpoint
        Path of the request, which tells what was not found.
    """
    message = text.strip().removeprefix(f"{status}: ")
    kind = _CLASSES.get(code or "")
    if kind is None:
        kind = _class_of(status, endpoint)
    error = kind(message)
    error.status = status
    return error


def _class_of(status: int, endpoint: str) -> type[errors.ApiError]:
    if status in {401, 403}:
        return errors.AuthorizationError
    if status != 404:
        return errors.ApiError
    if endpoint.startswith("/folder"):
        return errors.FolderNotFound
    if endpoint == endpoints.ANNOTATION:
        return errors.AnnotationNotFound
    if endpoint.startswith(("/stream", "/data", "/event", "/annotations")):
        return errors.StreamNotFound
    return errors.NotFoundError


def _api_errors(kind: type[errors.ApiError]) -> Iterator[type[errors.ApiError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from _api_errors(below)


_CLASSES: Final = {kind.code: kind for kind in _api_errors(errors.ApiError)}
