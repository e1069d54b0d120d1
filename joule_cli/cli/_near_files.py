"""Files that were probably meant by one that does not exist."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from joule_cli.series.nearest import nearest, question

if TYPE_CHECKING:
    from joule_cli.errors import JouleError


def did_you_mean_file(path: str | os.PathLike[str]) -> str | None:
    """Return ``did you mean FILE?``, `None` if the file exists or nothing is near.

    Of a path in a folder that does not exist, it is the folder that is looked for.
    """
    missing = Path(path)
    try:
        while not missing.parent.is_dir():
            if missing.parent == missing:
                return None
            missing = missing.parent
        names = [each.name for each in missing.parent.iterdir()]
    except OSError:
        # a folder that may not be looked into
        return None
    if missing.name in names:
        return None
    return question([str(missing.parent / name) for name in _near(missing, names)])


def _near(missing: Path, names: list[str]) -> list[str]:
    # a suffix that files have in common does not make them alike
    suffix = missing.suffix or "/"
    stems = [name.removesuffix(suffix) for name in names if name.endswith(suffix)]
    found = [f"{stem}{suffix}" for stem in nearest(missing.stem, stems)]
    return found or nearest(missing.name, [n for n in names if not n.endswith(suffix)])


def hint_for(error: JouleError) -> str | None:
    """Return the hint for a failure whose cause was that a file is missing."""
    cause = error.__cause__
    if not isinstance(cause, FileNotFoundError):
        return None
    # as it was typed, if it is known
    path = error.object or cause.filename
    return did_you_mean_file(path) if isinstance(path, str | os.PathLike) else None
