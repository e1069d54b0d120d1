"""Commands that are killed before what they make has its name: the next one tidies up."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

from tests.archives import T, flow_model, npy, write_archive, write_importer
from tests.cli.conftest import Joule
from tests.cli.filling import fill
from tests.engine.test_foreign_files import make_older

#: The program, which ends itself by SIGKILL at a step of its work.
KILLED = """
import os, signal, sys
from pathlib import Path
step = sys.argv.pop(1)
def die(*args, **kwargs):
    os.kill(os.getpid(), signal.SIGKILL)
def linked(self, target, link=Path.hardlink_to):
    link(self, target)
    die()
if step == "rename":
    Path.replace = die
elif step == "link":
    Path.hardlink_to = die
elif step == "linked":
    Path.hardlink_to = linked
elif step == "converted":
    import joule_cli.engine.stores.sqlite.backup
    joule_cli.engine.stores.sqlite.backup.open_connection = die
import joule_cli.__main__ as program
sys.argv[0] = "joule"
program.main()
"""


@pytest.fixture
def joule(tmp_path):
    (tmp_path / "out").mkdir()
    joule = Joule(tmp_path)
    fill(joule, "/a/x", (0, 100))
    return joule


def killed(joule, step, *words):
    done = subprocess.run(
        [sys.executable, "-c", KILLED, step, *map(str, words)],
        env=joule.environment(),
        cwd=joule.folder,
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done


def names(folder):
    return sorted(entry.name for entry in folder.rglob("*"))


@pytest.mark.parametrize(
    ("step", "words", "made"),
    [
        ("rename", "data export /a/x --to out/x.h5", ["x.h5"]),
        ("rename", "data export /a/x --to out/x.csv", ["x.csv"]),
        ("rename", "data export /a --to out --resume", ["a", "manifest.json", "x.h5"]),
        ("rename", "data read /a/x --csv --output out/x.csv", ["x.csv"]),
        ("rename", "admin backup out/copy.db", ["copy.db"]),
        ("rename", "admin backup --keep 3 out/copy.db", ["copy.db"]),
        ("link", "admin repair --to out/new.db", ["new.db"]),
        ("link", "stream create /a/y:int8[v] --url file:out/new.db", ["new.db"]),
    ],
)
def test_the_same_command_again(joule, step, words, made):
    killed(joule, step, *words.split())
    assert any(name.endswith((".part", ".new")) for name in names(joule.folder / "out"))
    assert joule(*words.split()).status == 0
    found = names(joule.folder / "out")
    assert [name for name in found if not name.endswith(("-lock", "-shm", "-wal"))] == made


@pytest.mark.parametrize("next_one", ["folder list", "stream create /a/z:int8[v]", "admin check"])
def test_a_new_node_that_has_two_names(joule, next_one):
    url = ("--url", "file:out/new.db")
    killed(joule, "linked", "stream", "create", "/a/y:int8[v]", *url)
    assert names(joule.folder / "out") == [".new.db.new", "new.db"]
    assert joule(*next_one.split(), *url).status == 0
    assert ".new.db.new" not in names(joule.folder / "out")
    joule.ok("folder", "list", *url)


def test_a_repaired_file_that_has_two_names(joule):
    killed(joule, "linked", "admin", "repair", "--to", "out/new.db")
    assert names(joule.folder / "out") == ["new.db", "new.db.part"]
    assert joule("admin", "repair", "--to", "out/new.db").status == 1
    joule("admin", "backup", "out/new.db")
    assert names(joule.folder / "out") == ["new.db"]


def test_a_name_that_people_give_themselves_stays(joule):
    (joule.folder / "out" / "new.db.new").write_bytes(b"mine")
    joule.ok("stream", "create", "/a/y:int8[v]", "--url", "file:out/new.db")
    assert (joule.folder / "out" / "new.db.new").read_bytes() == b"mine"


def test_restore_of_a_former_format(joule):
    old = joule.folder / "old.db"
    make_older(old)
    killed(joule, "converted", "admin", "restore", old, "--yes")
    assert "joule.db.part" in names(joule.folder)
    joule.ok("admin", "backup", "out/copy.db")
    assert joule("admin", "restore", "out/copy.db", "--yes").status == 0
    assert [name for name in names(joule.folder) if ".part" in name] == []
    assert joule("data", "count", "/a/x").out.strip().endswith("100")


@contextmanager
def server(joule, *program):
    ready, told = os.pipe()
    words = (*program, "node", "serve", "--socket", "socket", "--ready-fd", str(told))
    words = (*words, "--importer-dir", "importers", "--archive-dir", "out")
    with subprocess.Popen(
        words, env=joule.environment(), cwd=joule.folder, pass_fds=[told], stderr=subprocess.PIPE
    ) as process:
        os.close(told)
        try:
            with os.fdopen(ready) as pipe:
                assert pipe.readline()
            yield process
        finally:
            process.terminate()


def test_an_archive_that_was_imported(joule):
    write_importer(joule.folder / "importers")
    archive = write_archive(
        joule.folder / "a.zip", data=[("flow", flow_model(), {f"{T + 1}.dat": npy([T, T + 1])})]
    )
    url = ("--url", f"unix:{joule.folder}/socket")
    with server(joule, sys.executable, "-c", KILLED, "rename") as process:
        assert joule("archive", "upload", archive, *url).status != 0
        assert process.wait(10) == -signal.SIGKILL
    [left] = names(joule.folder / "out")
    assert left.endswith(".part")
    with server(joule, sys.executable, "-m", "joule_cli"):
        end = time.monotonic() + 10
        while joule("archive", "upload", archive, *url).status not in {0, 1, 3}:
            assert time.monotonic() < end
    assert left not in names(joule.folder / "out")
