"""Keys of masters: making, checking and recognising them.

A slow hash would gain nothing: keys are 32 random bytes, too many to try, and every request
would wait for it.
"""

from __future__ import annotations

from typing import Any, Final

from joule_cli.engine.validation import check_text
from joule_cli.errors import ApiError

#: Characters that a key chosen by its user must have.
SHORTEST_KEY: Final = 32
_KEY_BYTES: Final = 32


def new_key() -> str:
    """Return a key that cannot be guessed: 32 random bytes in 43 characters.

    It is typed as an argument of commands, and so does not begin as an option does.
    """
    import secrets

    while (key := secrets.token_urlsafe(_KEY_BYTES)).startswith("-"):
        pass
    return key


def key_hash(key: str) -> bytes:
    """Return the SHA-256 of a key, which is enough to recognise it."""
    import hashlib

    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()


def check_key(key: Any) -> str:
    """Return a key that a user has chosen."""
    text = check_text(key, "api_key")
    if len(text) < SHORTEST_KEY:
        raise ApiError(f"API Key must be at least {SHORTEST_KEY} characters")
    if not (text.isascii() and text.isprintable()) or text != text.strip():
        raise ApiError("API Key must be printable ASCII, as it travels in a header")
    return text


def check_master_name(name: Any) -> str:
    """Return the name of a master."""
    text = check_text(name, "identifier")
    if not text.strip() or not text.isprintable():
        raise ApiError("[identifier] must be a name")
    return text
