"""Help texts, the manual and the completion scripts.

The manual holds every help text word by word, so that the files in `man/` pin both. After a change
of a command run ``python -m joule_cli.cli._artifacts``.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from joule_cli.cli._artifacts.files import artifacts, contexts
from joule_cli.cli._lazy import Group
from joule_cli.cli._topics import TOPICS
from joule_cli.cli.app import root

ROOT = Path(__file__).parents[2]
CONTEXTS = {ctx.command_path: ctx for ctx in contexts()}
FILES = artifacts()


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_what_the_program_makes(name):
    assert (ROOT / name).read_text("utf-8") == FILES[name]


def test_no_file_is_left_over():
    found = [file for folder in ("man", "completions") for file in (ROOT / folder).iterdir()]
    assert {str(file.relative_to(ROOT)) for file in found} == set(FILES)


def test_the_files_are_written_anew(tmp_path):
    for folder in ("man", "completions"):
        (tmp_path / folder).mkdir()
    (tmp_path / "man" / "joule-gone.1").write_text("a command that was taken out")
    made = [sys.executable, "-m", "joule_cli.cli._artifacts"]
    subprocess.run(made, cwd=tmp_path, check=True)
    written = {str(f.relative_to(tmp_path)): f.read_text("utf-8") for f in tmp_path.rglob("*.*")}
    zsh = tmp_path / "completions" / "_joule"
    assert written | {"completions/_joule": zsh.read_text("utf-8")} == FILES


def test_elsewhere_nothing_is_written(tmp_path):
    made = [sys.executable, "-m", "joule_cli.cli._artifacts"]
    done = subprocess.run(made, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "run it in a checkout" in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("path", CONTEXTS)
def test_help_has_a_sentence_and_examples(path):
    command = CONTEXTS[path].command
    assert command.get_short_help_str(200)
    assert command.examples
    assert all("joule " in example for example in command.examples)


@pytest.mark.parametrize("path", CONTEXTS)
def test_help_fits_80_columns_and_has_all_that_the_manual_has(path):
    ctx = CONTEXTS[path]
    text = ctx.get_help()
    assert max(len(line) for line in text.splitlines() if " joule " not in line) <= 80
    words = text.split()
    for param in ctx.command.own_params(ctx):
        record = param.get_help_record(ctx)
        assert record is None or " ".join(record[1].split()) in " ".join(words)


@pytest.mark.parametrize("path", [p for p, c in CONTEXTS.items() if isinstance(c.command, Group)])
def test_the_tables_repeat_the_first_line_of_each_help(path):
    ctx = CONTEXTS[path]
    for name, (_, text) in ctx.command.lazy.items():
        command = ctx.command.get_command(ctx, name)
        assert command.name == name
        assert command.help.splitlines()[0] == text


def test_no_option_of_a_command_takes_the_letter_of_help_or_version():
    for ctx in CONTEXTS.values():
        letters = [o for p in ctx.command.own_params(ctx) for o in p.opts]
        assert letters.count("-h") == 1
        assert "-V" not in letters or ctx.command is root


@pytest.mark.parametrize("topic", TOPICS)
def test_topics(joule, topic):
    title, text = TOPICS[topic]
    shown = joule.ok("help", topic)
    assert text.strip() in shown
    assert topic in joule.ok("help")
    assert title in joule.ok("help")


def test_help_of_a_command_by_name(joule):
    assert joule.ok("help", "stream", "list") == joule.ok("stream", "list", "-h")
    assert "Topics" in joule.ok("help")
    assert joule("help", "nothing").status == 2


def test_version(joule):
    assert joule.ok("-V") == joule.ok("--version")
    assert joule.ok("-V").startswith("joule ")
