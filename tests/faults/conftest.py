from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.faults.small_disk import SmallDisk, mounted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(params=["tmpfs", "ext4 with small blocks"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SmallDisk]:
    place = tmp_path / "small"
    command: list[str | Path] = ["mount", "-t", "tmpfs", "-o", "size=3m", "none"]
    if request.param != "tmpfs":
        image = tmp_path / "image"
        image.write_bytes(bytes(5 * 2**20))
        try:
            subprocess.run(["mkfs.ext4", "-q", "-b", "1024", image], check=True)
        except (OSError, subprocess.CalledProcessError):
            pytest.skip("mkfs.ext4 is not here")
        command = ["mount", "-o", "loop", image]
    with mounted(place, command):
        yield SmallDisk(place, tmp_path)
