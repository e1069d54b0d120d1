"""Every help text and every page of the manual, compared with a file.

``JOULE_UPDATE_HELP=1 python -m pytest tests/cli/test_help.py`` writes the files anew.
"""

from __future__ import annotations

import os
from pathlib import Path

import click
import pytest

from joule_cli.cli._lazy import Group
from joule_cli.cli._settings import Settings
from joule_cli.cli.app import root
from tests.cli import manual

FILES = Path(__file__).parent / "help"
MANUAL = Path(__file__).parents[2] / "man"
TOPICS = ["times", "formats", "exit-status", "environment"]


def _contexts(command, parent=None):
    ctx = click.Context(
        command,
        parent,
        info_name=command.name,
        obj=Settings(),
        max_content_width=80,
        terminal_width=80,
        **(command.context_settings or {}),
    )
    yield ctx
    if isinstance(command, click.Group):
        for name in command.list_commands(ctx):
            yield from _contexts(command.get_command(ctx, name), ctx)


CONTEXTS = {ctx.command_path: ctx for ctx in _contexts(root)}


def page_of(path):
    return f"{path.replace(' ', '-')}.1"


def _compare(file, text):
    if os.environ.get("JOULE_UPDATE_HELP"):
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, "utf-8")
    assert text == file.read_text("utf-8")


@pytest.mark.parametrize("path", CONTEXTS)
def test_help_is_as_written_down(path):
    _compare(FILES / f"{path.replace(' ', '-')}.txt", CONTEXTS[path].get_help() + "\n")


@pytest.mark.parametrize("path", CONTEXTS)
def test_page_of_a_command_is_as_written_down(path):
    _compare(MANUAL / page_of(path), manual.command_page(CONTEXTS[path]))


@pytest.mark.parametrize("topic", TOPICS)
def test_page_of_a_topic_is_as_written_down(topic):
    _compare(MANUAL / f"joule-{topic}.7", manual.topic_page(topic))


def test_no_file_is_left_over():
    names = {path.replace(" ", "-") for path in CONTEXTS} | {f"topic-{t}" for t in TOPICS}
    assert {file.stem for file in FILES.glob("*.txt")} == names
    pages = {page_of(path) for path in CONTEXTS} | {f"joule-{t}.7" for t in TOPICS}
    assert {file.name for file in MANUAL.iterdir()} == pages


@pytest.mark.parametrize("path", CONTEXTS)
def test_help_has_a_sentence_and_examples(path):
    command = CONTEXTS[path].command
    assert command.get_short_help_str(200)
    assert command.examples
    assert all("joule " in example for example in command.examples)


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
    _compare(FILES / f"topic-{topic}.txt", joule.ok("help", topic))


def test_help_of_a_command_by_name(joule):
    assert joule.ok("help", "stream", "list") == joule.ok("stream", "list", "-h")
    assert "Topics" in joule.ok("help")
    assert joule("help", "nothing").status == 2


def test_version(joule):
    assert joule.ok("-V") == joule.ok("--version")
    assert joule.ok("-V").startswith("joule ")
