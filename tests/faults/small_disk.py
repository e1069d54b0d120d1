"""Small file systems that are filled, and commands for the node on them."""

from __future__ import annotations

import os
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.cli.conftest import Joule

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cli.conftest import Result


class SmallDisk:
    """A file system of 3 MB with a node on it, and one beside it with all the room one needs."""

    def __init__(self, place: Path, elsewhere: Path) -> None:
        self.place, self.elsewhere = place, elsewhere
        self.node = place / "node.db"
        self._joule = Joule(elsewhere)

    def run(self, *words: str | Path) -> Result:
        """Run a command for the node in a process of its own."""
        return self._joule("--url", f"file:{self.node}", *map(str, words))

    def fill(self, left: int = 0) -> None:
        """Let another file take all room, but for some bytes."""
        with (self.place / "ballast").open("wb", buffering=0) as ballast:
            size = 2**20
            while size >= 512:
                try:
                    ballast.write(bytes(size))
                except OSError:
                    size //= 2
            os.fsync(ballast.fileno())
            ballast.truncate(max(0, ballast.tell() - left))

    def make_room(self) -> None:
        (self.place / "ballast").unlink()

    @property
    def used(self) -> int:
        found = os.statvfs(self.place)
        return (found.f_blocks - found.f_bfree) * found.f_frsize


@contextmanager
def mounted(place: Path, command: list[str | Path]) -> Iterator[None]:
    place.mkdir()
    try:
        subprocess.run([*command, place], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("a small file system cannot be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", place], check=True)
