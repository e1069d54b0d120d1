"""One run of the benchmarks: its sizes, its directory and the files in it."""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from benchmarks.measure import ROOT, run
from benchmarks.results import CaseError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.measure import Usage

T = TypeVar("T")

STREAM = "/bench/adc"
WIDTH = 4
ROW_BYTES = 8 + 4 * WIDTH


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much each group of cases handles."""

    rows: int
    large: bool = False

    @property
    def command_rows(self) -> int:
        """Rows that whole commands read and write."""
        return max(self.rows // 5, 100)

    @property
    def sqlite_rows(self) -> int:
        """Rows of the table with a row per sample, which is slow."""
        return max(self.rows // 10, 100)

    @property
    def commits(self) -> int:
        """Small blocks, each committed."""
        return min(5000, max(self.rows // 500, 10))

    @property
    def intervals(self) -> int:
        """Intervals of ten rows."""
        return min(100_000, max(self.rows // 100, 10))

    @property
    def events(self) -> int:
        """Events of the event cases."""
        return max(self.rows // 10, 1000)

    @property
    def growth(self) -> list[int]:
        """Lengths of the stream that decimated reads are tried on."""
        return [self.rows * factor for factor in ((1, 5, 20, 100) if self.large else (1, 5, 20))]


class Bench:
    """Sizes, and a directory with files that cases share."""

    def __init__(self, sizes: Sizes, place: Path) -> None:
        self.sizes = sizes
        self.place = place
        self.warm: set[tuple[str, ...]] = set()  # commands that were run before
        # a user's own configuration must neither be used nor be changed
        self.env = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("JOULE_", "XDG_"))
            # an installed program does not compile itself anew each time
            and name != "PYTHONDONTWRITEBYTECODE"
        }
        self.env |= {
            "HOME": str(place),
            "JOULE_USER_CONFIG_DIR": str(place / "config"),
            "PYTHONPATH": os.pathsep.join(
                [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
            ),
        }

    def worker(self, function: str, **arguments: object) -> dict[str, float]:
        """Call ``benchmarks.workers.<module>:<function>`` in a fresh process."""
        argv = [sys.executable, "-m", "benchmarks.workers", function, json.dumps(arguments)]
        answer: dict[str, float] = json.loads(run(argv, env=self.env).output)
        return answer

    def joule(self, *arguments: str, stdout: Path | None = None, status: int = 0) -> Usage:
        """Run the installed program, which should end with `status`."""
        command = [*joule_command(), *arguments]
        return run(command, env=self.env, stdout=stdout, expected=status)

    def python(self, *arguments: str) -> Usage:
        """Run the same interpreter as the installed program's."""
        return run([sys.executable, *arguments], env=self.env)

    def path(self, name: str) -> Path:
        """Return where a file of this run is, made or not."""
        return self.place / name

    def fresh(self, name: str) -> Path:
        """Return the path of a file that does not exist."""
        path = self.path(name)
        for suffix in ("", "-wal", "-shm", "-lock"):
            path.with_name(name + suffix).unlink(missing_ok=True)
        return path

    def file(self, name: str, make: Callable[[Path], object]) -> Path:
        """Return a file of this run; the first that asks makes it."""
        path = self.path(name)
        if not path.exists():
            self.remake(name, make)
        return path

    def remake(self, name: str, make: Callable[[Path], T]) -> T:
        """Make a file anew; a failure leaves nothing half made for later cases."""
        try:
            return make(self.fresh(name))
        except BaseException:
            self.fresh(name)
            raise

    def rows(self) -> Path:
        """Return a file with the rows of the engine cases (``numpy.save``)."""
        return self._rows("rows.npy", self.sizes.rows)

    def command_rows(self) -> Path:
        """Return a file with the rows of the command cases."""
        return self._rows("command.npy", self.sizes.command_rows)

    def _rows(self, name: str, n_rows: int) -> Path:
        def make(path: Path) -> None:
            self.worker("prepare:adc", path=str(path), n_rows=n_rows)

        return self.file(name, make)

    def require_space(self, n_rows: int) -> None:
        """Refuse to fill the disk: a stored row takes at most a third of its raw size."""
        needed = n_rows * ROW_BYTES // 3
        free = shutil.disk_usage(self.place).free
        if free < needed:
            raise CaseError(f"needs {needed / 1e9:.1f} GB of disk, {free / 1e9:.1f} GB are free")


def joule_command() -> Sequence[str]:
    """Return the installed script, or the module if there is no script."""
    script = Path(sys.executable).with_name("joule")
    return [str(script)] if script.exists() else [sys.executable, "-m", "joule_cli"]
