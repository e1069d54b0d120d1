"""A letter means the same in every command, except where Joule 1.0.1 has given it a meaning."""

from __future__ import annotations

import click
import pytest

from tests.cli.test_help import CONTEXTS

MEANING = {
    "-b": "--show-bounds",
    "-d": "--destination-node",
    "-e": "--end",
    "-f": "--output",
    "-h": "--help",
    "-i": "--id",
    "-l": "--layout",
    "-m": "--mark-intervals",
    "-n": "--new",
    "-o": "--output",
    "-r": "--max-rows",
    "-s": "--start",
    "-v": "--verbose",
    "-w": "--window",
    "-y": "--yes",
}
#: What scripts for Joule 1.0.1 rely on; each has a long name that means the same everywhere.
OF_JOULE_1_0_1 = {
    ("folder list", "-s"): "--status",
    ("folder delete", "-r"): "--recursive",
    ("stream info", "-e"): "--elements",
    ("stream annotations", "-c"): "--csv",
    ("data read", "-i"): "--elements",
    ("data read", "-l"): "--live",
    ("data consolidate", "-m"): "--max-gap",
    ("data ingest", "-s"): "--stream",
    ("data merge", "-p"): "--primary",
    ("data merge", "-s"): "--secondary",
    ("data merge", "-d"): "--destination",
    ("event copy", "-a"): "--action",
    ("module list", "-s"): "--statistics",
    ("master add", "-k"): "--key",
    ("master add", "-u"): "--remote-access-url",
    ("archive upload", "-f"): "--flush",
    ("archive upload", "-e"): "--quit-on-error",
    ("admin authorize", "-u"): "--url",
    ("admin erase", "-l"): "--links",
}
#: Letters of commands that Joule 1.0.1 does not have, like those of the nearest one that it has.
LIKE = {
    ("stream list", "-s"): ("folder list", "-s"),
    ("data export", "-i"): ("data read", "-i"),
    ("data plot", "-i"): ("data read", "-i"),
    ("data plot", "-l"): ("data read", "-l"),
    ("data split", "-m"): ("data consolidate", "-m"),
}
#: The one letter of our own.
OWN = {("module logs", "-f"): "--follow"}


def _options():
    for path, ctx in CONTEXTS.items():
        for param in ctx.command.own_params(ctx):
            if isinstance(param, click.Option):
                yield path.removeprefix("joule "), param


def test_every_letter_means_what_it_says():
    wrong = []
    for path, option in _options():
        for letter in (name for name in option.opts if len(name) == 2):
            if path == "joule":
                continue
            place = LIKE.get((path, letter), (path, letter))
            expected = OF_JOULE_1_0_1.get(place) or OWN.get(place) or MEANING.get(letter)
            if expected not in option.opts:
                wrong.append((path, letter, option.opts))
    assert wrong == []


def test_the_letters_of_joule_1_0_1_are_there():
    found = {(path, name) for path, option in _options() for name in option.opts}
    assert {*OF_JOULE_1_0_1, *OWN} <= found


def test_every_letter_can_be_spelled_out():
    short = [(p, o.opts) for p, o in _options() if not any(n.startswith("--") for n in o.opts)]
    assert short == []


@pytest.mark.parametrize(
    "name", ["--start", "--end", "--last", "--yes", "--dry-run", "--progress", "--max-gap"]
)
def test_a_long_option_takes_the_same_everywhere(name):
    kinds = {
        (type(option.type), option.is_flag, option.multiple)
        for _, option in _options()
        if name in option.opts
    }
    assert len(kinds) == 1
