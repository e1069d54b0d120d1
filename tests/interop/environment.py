"""Joule 1.0.1 in an environment of its own, made when it is first needed and kept."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

REQUIREMENTS = Path(__file__).with_name("requirements.txt")

#: An index that cannot be reached is given up after a few seconds.
_PIP = ("-m", "pip", "--disable-pip-version-check", "--quiet", "--timeout=15", "--retries=1")
#: In any index of packages.
_ANY_PACKAGE = "pip"


class NoPackageIndexError(Exception):
    """No package can be installed on this machine now."""


def python_with_joule() -> Path:
    """Return the Python that has Joule 1.0.1, after installing it where that is not done.

    Raises
    ------
    NoPackageIndexError
        It is not installed, and no package index can be reached.
    """
    folder = _cache_folder() / _key()
    python = folder / "bin" / "python"
    complete = folder / "complete"
    with _lock(folder.with_suffix(".lock")):
        if not complete.exists():
            shutil.rmtree(folder, ignore_errors=True)
            _run(Path(sys.executable), "-m", "venv", str(folder)).check_returncode()
            _install(python, folder)
            complete.touch()
    return python


def _install(python: Path, folder: Path) -> None:
    done = _run(python, *_PIP, "install", "--requirement", str(REQUIREMENTS))
    if done.returncode == 0:
        return
    probe = _run(python, *_PIP, "download", "--no-deps", f"--dest={folder}", _ANY_PACKAGE)
    if probe.returncode:
        raise NoPackageIndexError(f"no package index can be reached: {_last_line(probe.stderr)}")
    raise RuntimeError(f"Joule 1.0.1 cannot be installed: {done.stderr}")


def _cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME", "")
    parent = Path(base) if Path(base).is_absolute() else Path.home() / ".cache"
    folder = parent / "joule-cli-tests"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _key() -> str:
    """Return a name that changes with the Python and with what is installed."""
    told = f"{sys.version}\n{sys.base_prefix}\n{REQUIREMENTS.read_text()}"
    return f"joule-{hashlib.sha256(told.encode()).hexdigest()[:16]}"


def _run(python: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [python, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )


def _last_line(text: str) -> str:
    return next(iter(reversed(text.strip().splitlines())), "")


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Let one process in at a time."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
