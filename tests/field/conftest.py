"""A node in an empty folder with the files of one case in it."""

from __future__ import annotations

import csv
import io
import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest

from tests.cli.conftest import Joule, joule  # noqa: F401, TC001 - the fixture

FILES = Path(__file__).parent / "files"


@dataclass
class Case:
    """The files of a case, and a node to put them into."""

    joule: Joule

    def __call__(self, line, status=0, **more):
        """Run a command line of bash and see its status; return everything that it prints."""
        result = self.joule.shell(line, **more)
        said = result.out + result.err
        assert result.status == status, said
        assert "internal error" not in said
        assert "Traceback" not in said
        return said

    def ingest(self, line, status=0):
        """Run ``joule data ingest``."""
        return self(f"joule data ingest {line}", status)

    def refused(self, line, *words):
        """See that an import is refused with these words, and that nothing is stored."""
        said = self.ingest(line, status=1)
        for word in words:
            assert word in said
        return said

    def rows(self, path):
        """Return the rows of a stream: time in ISO 8601, UTC, and the values; `None` for missing.

        The text is taken apart by Python's own reader of CSV.
        """
        return [
            (datetime.fromisoformat(time).isoformat(), *(float(x) if x else None for x in values))
            for time, *values in self._table(path)[1:]
        ]

    def names(self, path):
        """Return the names of the elements."""
        return self._table(path)[0][1:]

    def units(self, path):
        """Return the units of the elements."""
        info = self.joule("stream", "info", path, "--json").json()
        return [element["units"] for element in info["stream"]["elements"]]

    def _table(self, path):
        out = self.joule.ok("data", "read", path, "--csv", "--time", "iso", "--tz", "UTC")
        return list(csv.reader(io.StringIO(out)))


@pytest.fixture
def case(request, joule):  # noqa: F811
    """The case that the test names with ``@pytest.mark.files``."""
    name = request.node.get_closest_marker("files").args[0]
    for file in (FILES / name).iterdir():
        shutil.copy(file, joule.folder)
    return Case(joule)
