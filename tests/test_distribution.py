"""What a wheel and a source archive hold, and that each installs a working program."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
#: The first that knows the form of the license in pyproject.toml.
SETUPTOOLS = 77

pytestmark = pytest.mark.skipif(
    int(version("setuptools").partition(".")[0]) < SETUPTOOLS,
    reason=f"setuptools is older than {SETUPTOOLS}",
)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A wheel and a source archive, made of a copy of the tree without a network."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("out")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("joule_cli", "completions", "man"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    build = (
        "import sys; from setuptools import build_meta as backend; out = sys.argv[1]; "
        "backend.build_wheel(out); backend.build_sdist(out)"
    )
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", build, out],
        cwd=source,
        check=True,
        capture_output=True,
    )
    return out


def _pages(section):
    return {f"share/man/man{section}/{page.name}" for page in (ROOT / "man").glob(f"*.{section}")}


def test_a_wheel_puts_everything_where_shells_and_man_look(built):
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as file:
        names = file.namelist()
    assert {name.partition(".data/data/")[2] for name in names if ".data/data/" in name} == {
        "share/bash-completion/completions/joule.bash",
        "share/fish/vendor_completions.d/joule.fish",
        "share/zsh/site-functions/_joule",
        *_pages(1),
        *_pages(7),
    }
    assert len(_pages(1)) > 90
    assert len(_pages(7)) == 4
    assert "joule_cli/py.typed" in names


def test_a_source_archive_holds_what_the_wheel_is_made_of(built):
    (archive,) = built.glob("*.tar.gz")
    with tarfile.open(archive) as file:
        names = {name.partition("/")[2] for name in file.getnames()}
    patterns = [p for ps in PROJECT["tool"]["setuptools"]["data-files"].values() for p in ps]
    files = {str(f.relative_to(ROOT)) for pattern in patterns for f in ROOT.glob(pattern)}
    assert files <= names
    assert len(files) > 90


@pytest.mark.parametrize("kind", ["*.whl", "*.tar.gz"])
def test_what_is_installed_works(built, tmp_path, kind):
    (package,) = built.glob(kind)
    place = tmp_path / "env"
    venv.create(place, symlinks=True)
    # the libraries are there already; a path in a .pth file does not load those of the project
    (libraries,) = (p for p in sys.path if p.endswith("site-packages"))
    (site,) = place.glob("lib/*/site-packages")
    (site / "libraries.pth").write_text(libraries)
    pip = [sys.executable, "-m", "pip", "--python", place / "bin" / "python", "install", "--quiet"]
    offline = ["--no-deps", "--no-index", "--no-build-isolation", "--disable-pip-version-check"]
    subprocess.run([*pip, *offline, package], check=True, stdin=subprocess.DEVNULL)
    (tmp_path / "rows.csv").write_text("time,volts\n2026-11-22T23:42:00Z,230.5\n")

    def joule(*words):
        return subprocess.run(
            [place / "bin" / "joule", *words],
            cwd=tmp_path,
            env={"JOULE_DATA_DIR": str(tmp_path / "data"), "HOME": str(tmp_path)},
            check=True,
            capture_output=True,
            text=True,
        ).stdout

    assert joule("--version") == f"joule {PROJECT['project']['version']}\n"
    joule("data", "ingest", "rows.csv", "--stream", "/house/mains")
    assert joule("data", "read", "/house/mains") == "1795390920000000 230.5\n"
    assert (place / "share" / "man" / "man1" / "joule-data-read.1").exists()
    assert (site / "joule_cli" / "__main__.py").exists()
