"""README.md says what is true: everything in it that can be run is run here.

The commands run as a reader types them, with the installed `joule` on the PATH, in a directory that
has the examples in it. Where the README shows what is printed, exactly that must be printed.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import h5py
import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
N_ROWS = 3700

INSTALL = "python3 -m venv .venv && . .venv/bin/activate && pip install . && "
TEST = "python3 -m venv .venv && .venv/bin/pip install -e '.[test]' && "
MOST = {
    "Import a recording",
    "Look at it",
    "Read a part, at the resolution you need",
    "Take it out",
    "Delete what you do not need",
}


@dataclass(frozen=True)
class Block:
    section: str
    language: str
    text: str


def _blocks():
    """The fenced blocks, in order, with the heading that each stands under."""
    section = ""
    fence = re.compile(r"^#+ ([^\n]+)$|^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    for heading, language, text in (found.groups() for found in fence.finditer(README)):
        if heading:
            section = heading
        else:
            yield Block(section, language, text.strip("\n"))


BLOCKS = list(_blocks())
SET_UP = [b.text for b in BLOCKS if b.section == "Set up"]
SHELL = [(i, b) for i, b in enumerate(BLOCKS) if b.language == "sh" and b.section != "Set up"]


@dataclass
class Shell:
    place: Path

    def __call__(self, line):
        """Run a line of shell, expect success, return what it printed."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith("JOULE_")}
        done = subprocess.run(
            ["sh", "-euc", line],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            cwd=self.place,
            env={
                **kept,
                "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
                "PYTHONWARNINGS": "error",
                "JOULE_DATA_DIR": str(self.place / "node"),
                "JOULE_USER_CONFIG_DIR": str(self.place / "config"),
            },
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        return done.stdout


def _shell(place):
    (place / "examples").symlink_to(ROOT / "examples")
    return Shell(place)


@pytest.fixture
def shell(tmp_path):
    return _shell(tmp_path)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    shell = _shell(tmp_path_factory.mktemp("prepared"))
    shell("joule data ingest examples/machine.csv.gz --stream /examples/machine")
    return shell.place / "node"


@pytest.fixture
def filled(shell, prepared):
    """As it is after the first command of the README."""
    shutil.copytree(prepared, shell.place / "node")
    return shell


def test_two_commands_do_all_set_up():
    assert len(SET_UP) == 2
    assert SET_UP[0].startswith(INSTALL)
    assert SET_UP[1] == f"{TEST}.venv/bin/python -m pytest -n auto"


def test_the_first_command_shows_a_table_a_plot_and_a_decimated_read(shell):
    shown = shell(SET_UP[0].removeprefix(INSTALL))
    _, ingest, info, plot, read = re.split(r"^\$ joule .*\n", shown, flags=re.MULTILINE)
    assert f"{N_ROWS:,} rows written" in ingest
    assert re.search(r"^Index +Id +Name +Units", info, re.MULTILINE)
    assert "cpu_user" in info
    assert len(plot.splitlines()) >= 5
    assert re.search("[\u2801-\u28ff]", plot), "there is no curve"
    header, *rows = read.strip().splitlines()
    assert header.startswith("timestamp,cpu_user,")
    assert 5 <= len(rows) <= 20


def test_the_first_command_can_be_repeated(shell):
    line = SET_UP[0].removeprefix(INSTALL)
    shell(line)
    shell(line)
    assert shell("joule data count /examples/machine").strip() == str(N_ROWS)


def test_ci_runs_the_test_command_of_the_readme():
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    (pattern,) = re.findall(r"^test_command=\$\(grep -F '(.+)' README\.md\)$", script, re.MULTILINE)
    assert [line for line in README.splitlines() if pattern in line] == [SET_UP[1]]


@pytest.mark.parametrize(("index", "block"), SHELL, ids=[block.section for _, block in SHELL])
def test_commands_work_and_print_what_is_shown(index, block, filled):
    printed = filled(block.text)
    following = BLOCKS[index + 1]
    if following.language == "text":
        assert printed.strip("\n") == following.text


def test_the_five_things_are_all_there():
    assert {block.section for _, block in SHELL} >= MOST
    for _, block in SHELL:
        lines = block.text.splitlines()
        assert all("joule" in shlex.split(line) for line in lines)


def _of(section):
    return "\n".join(block.text for _, block in SHELL if block.section == section)


def test_an_import_stores_every_row_and_the_gap(shell):
    shell(_of("Import a recording"))
    assert shell("joule data count /lab/machine").strip() == str(N_ROWS)
    assert len(shell("joule data intervals /lab/machine").splitlines()) == 2


def test_an_export_holds_every_row(filled):
    filled(_of("Take it out"))
    with h5py.File(filled.place / "machine.h5") as file:
        assert file["data"].shape == (N_ROWS, 8)


def test_an_export_comes_back_as_it_was(filled):
    filled(_of("Take it out"))
    filled("joule data ingest machine.h5 --stream /again")
    read = "joule data read --csv --mark-intervals"
    assert filled(f"{read} /again") == filled(f"{read} /examples/machine")


def test_a_deletion_leaves_the_rest(filled):
    before = int(filled("joule data count /examples/machine"))
    removed = int(filled("joule data count /examples/machine --end start+1m"))
    filled(_of("Delete what you do not need"))
    assert 0 < removed < before
    assert int(filled("joule data count /examples/machine")) == before - removed


def test_the_node_is_served_and_used_over_the_network(filled):
    (block,) = [b for b in BLOCKS if b.language == "console"]
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    serve, *others = [
        line.removeprefix("$ ").replace("8088", str(port)) for line in block.text.splitlines()
    ]
    script = f"""
        {serve.removesuffix("&")} 2> log &
        server=$!
        trap 'kill $server; wait $server' EXIT
        until grep -q "at http" log; do kill -0 $server; sleep 0.1; done
        {"; ".join(others)}
    """
    granted, *rows = filled(script).splitlines()
    assert granted.startswith("Access to node [lab] granted")
    assert len(rows) == 11  # the last row and the second before it
    assert all(len(row.split()) == 2 for row in rows)


def test_the_python_example_runs(filled):
    (example,) = [block.text for block in BLOCKS if block.language == "python"]
    (filled.place / "example.py").write_text(example, encoding="utf-8")
    rows, memory = filled("python example.py").splitlines()
    assert re.fullmatch(rf"{N_ROWS} rows, here as \d+ means", rows)
    assert re.fullmatch(r"\d+ MiB of memory at most", memory)
    assert "the recorder was stopped" in filled("joule annotation list /examples/machine")


@pytest.mark.parametrize("file", ["README.md", "examples/README.md", "CHANGELOG.md"])
def test_links_lead_to_files(file):
    text = (ROOT / file).read_text(encoding="utf-8")
    targets = [t for t in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in t]
    assert [t for t in targets if not (ROOT / file).parent.joinpath(t).exists()] == []


def test_the_recorder_writes_what_can_be_imported(shell):
    for _ in range(2):
        shell("python examples/record_machine.py own.csv --seconds 0.3")
    shell("joule data ingest own.csv --stream /own")
    assert shell("joule data count /own").strip() == "6"
    assert len(shell("joule data intervals /own").splitlines()) == 2
