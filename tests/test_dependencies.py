"""What the package needs, and which versions of it."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement

PROJECT = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text("utf-8"))[
    "project"
]
NEEDED = [Requirement(text) for text in PROJECT["dependencies"]]
#: Packages of extras, which may be missing.
EXTRA = {"duckdb", "matplotlib", "psycopg", "pyarrow", "sqlalchemy"}


@pytest.mark.parametrize("requirement", NEEDED, ids=str)
def test_a_new_major_version_is_not_taken_untried(requirement):
    bounds = {each.operator: each.version for each in requirement.specifier}
    assert set(bounds) == {">=", "<"}
    assert version(requirement.name) in requirement.specifier
    # the bound is the next major version, so that repairs still come
    assert bounds["<"].isdecimal()


def test_nothing_of_an_extra_is_needed_to_start_and_serve():
    assert not EXTRA & {each.name for each in NEEDED}
    program = (
        "import sys, pkgutil, importlib, joule_cli\n"
        f"for name in {EXTRA!r}: sys.modules[name] = None\n"
        "import joule_cli.cli.app, joule_cli.daemon, joule_cli.engine.node, joule_cli.remote.node\n"
        "import joule_cli.engine.stores.sqlite.storage\n"
        "import joule_cli.server.app, joule_cli.cli.node_serve, joule_cli.formats, joule_cli.ops\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
