"""Every command that a text names exists, with the options that are named with it."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path

import click
import pytest

from joule_cli.cli._settings import Settings
from joule_cli.cli._topics import TOPICS
from joule_cli.cli.app import root
from tests.cli.test_help import CONTEXTS

HERE = Path(__file__).parent.parent
TEXTS = [HERE / "README.md", HERE / "CHANGELOG.md", HERE / "examples" / "README.md"]
SOURCES = sorted((HERE / "joule_cli").rglob("*.py"))

#: ``joule`` and the words behind it, up to a mark or a quote; with a mark before it, it is code.
_MENTION = re.compile(r"(?P<mark>[`'\"\[(] ?)?(?<![\w/.-])joule(?P<words>(?: +[\w<{/.*=+@:-]+)+)")
_FENCE = re.compile(r"^```(?:sh|bash|console)$\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def fault(words):
    """What is wrong with the words behind ``joule``; none if they can be typed."""
    ctx = click.Context(root, info_name="joule", obj=Settings())
    words = list(words)
    while words:
        word = words.pop(0)
        command = ctx.command
        if word == "--":
            return None
        if word.startswith("-") and len(word) > 1:
            name, _, value = word.partition("=")
            option = _option(ctx, name)
            if option is None:
                return f"{ctx.command_path} has no option {name}"
            if words and not value and not option.is_flag and not option.count:
                words.pop(0)
        elif isinstance(command, click.Group):
            inner = command.get_command(ctx, word)
            if inner is None:
                # a placeholder, or what a script is given
                known = word.isupper() or word.startswith("$")
                return None if known else f"{ctx.command_path} has no command {word}"
            ctx = click.Context(inner, ctx, info_name=inner.name)
    return None


def _option(ctx, name):
    for param in ctx.command.get_params(ctx):
        if name in (*param.opts, *param.secondary_opts):
            return param
        # several letters behind one dash
        if isinstance(param, click.Option) and param.is_flag and name[:2] in param.opts:
            return param
    return None


def calls(line):
    """The words behind each ``joule`` of a line for a shell."""
    words = []
    inside = False
    for word in shlex.split(line, comments=True):
        # what the shell takes for itself ends a command
        if inside and not set(word) <= set("|&;<>") and word != "2>":
            words[-1].append(word)
        elif word == "joule":
            inside = True
            words.append([])
        else:
            inside = word == "joule"
    return words


def lines_of(text):
    """The lines in blocks of code."""
    for block in _FENCE.findall(text):
        for line in block.splitlines():
            yield line.removeprefix("$ ")


def mentions(text):
    """The words behind each ``joule`` that is meant as a command."""
    for found in _MENTION.finditer(text):
        words = [word.rstrip(".:") for word in found["words"].split()]
        words = words[: next((i for i, w in enumerate(words) if "{" in w), len(words))]
        known = words and root.get_command(click.Context(root), words[0]) is not None
        if found["mark"] is not None:
            yield words
        elif known:
            # prose may go on behind the command
            yield words[: _length(words)]


def _length(words):
    command, ctx = root, click.Context(root)
    for number, word in enumerate(words):
        inner = command.get_command(ctx, word) if isinstance(command, click.Group) else None
        if inner is None and not word.startswith("--"):
            return number
        command = inner or command
    return len(words)


def test_what_is_wrong_is_found():
    assert fault(["stream", "list", "/a", "--info", "--limit", "5"]) is None
    assert fault(["-n", "lab", "stream", "list", "--json"]) is None
    assert fault(["COMMAND", "--help"]) is None
    assert fault(["stream", "show"]) == "joule stream has no command show"
    assert fault(["streams"]) == "joule has no command streams"
    assert fault(["data", "read", "/a", "--from=1"]) == "joule data read has no option --from"
    assert calls("joule a --x | joule b > c") == [["a", "--x"], ["b"]]
    assert list(mentions("as `joule data reed` and joule data read --live. A joule is")) == [
        ["data", "reed"],
        ["data", "read", "--live"],
    ]
    assert list(lines_of("x\n```sh\njoule a\n```\n")) == ["joule a"]


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(HERE)))
def test_texts(path):
    text = path.read_text("utf-8")
    code = [words for line in lines_of(text) for words in calls(line)]
    prose = list(mentions(_FENCE.sub("", text)))
    assert [found for words in [*code, *prose] if (found := fault(words))] == []
    assert code or prose


def test_help_and_topics():
    examples = [line for ctx in CONTEXTS.values() for line in ctx.command.examples]
    code = [words for line in examples for words in calls(line)]
    topics = [words for _, text in TOPICS.values() for words in mentions(text)]
    assert len(code) > 100
    assert topics
    assert [found for words in [*code, *topics] if (found := fault(words))] == []


def test_messages_and_comments_of_the_program():
    seen = []
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                seen += [(path.name, words) for words in mentions(node.value)]
    assert len(seen) > 50
    assert [(name, found) for name, words in seen if (found := fault(words))] == []
