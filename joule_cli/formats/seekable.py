"""Files that are not read from the beginning to the end."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import IO

from joule_cli.errors import FormatError
from joule_cli.formats.base import FileRef, os_failure


def check_seekable(place: FileRef, name: str, kind: str) -> None:
    """Refuse what libraries would tell apart only in their texts.

    Raises
    ------
    FormatError
        A file that is missing, forbidden, a directory or empty, or a pipe.
    """
    if isinstance(place, str | os.PathLike):
        _check_named(Path(place), name, kind)
    elif not _can_seek(place):
        raise not_seekable(name, kind)


def _check_named(path: Path, name: str, kind: str) -> None:
    if path.is_dir():
        raise FormatError("is a directory, not a file", file=name)
    try:
        with path.open("rb", buffering=0) as file:
            seekable = file.seekable()
            empty = seekable and not file.read(1)
    except OSError as exc:
        raise os_failure(exc, name) from exc
    if not seekable:
        raise not_seekable(name, kind)
    if empty:
        raise FormatError("the file is empty", file=name)


def _can_seek(file: IO[bytes]) -> bool:
    try:
        return file.seekable()
    except (OSError, AttributeError, io.UnsupportedOperation):
        return False


def not_seekable(name: str, kind: str) -> FormatError:
    """Say that `kind` needs a file."""
    return FormatError(
        f"{kind} can only be read from a file, not from a pipe", file=name, hint="name the file"
    )
