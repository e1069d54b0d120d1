"""Files and directories, for shells that do not list them themselves."""

from __future__ import annotations

import os

from click.shell_completion import CompletionItem

from joule_cli.series.visible import one_line

#: Types of items that stand for what is on the disk; `suffixes` chooses among files.
FILE = "file"
DIRECTORY = "dir"


def moves_cursor(text: str) -> bool:
    """Whether a text has line ends or other characters that a terminal does not print."""
    return one_line(text) != text


def pattern(item: CompletionItem[str]) -> str:
    """Return the suffixes of an item as a pattern of zsh."""
    suffixes = item.suffixes or ()
    if len(suffixes) > 1:
        return f"*({'|'.join(suffixes)})"
    # one alone in brackets would be a qualifier
    return "".join(f"*{suffix}" for suffix in suffixes)


def list_files(
    item: CompletionItem[str], word: str, *, tilde: bool = False
) -> list[CompletionItem[str]]:
    """Return what an item stands for: itself, or the names that continue the word.

    Directories can be gone into whatever was asked for. Where no file has such a suffix, all are
    given.

    Parameters
    ----------
    tilde
        The word begins with a tilde that the shell expands.
    """
    if item.type not in {FILE, DIRECTORY}:
        return [item]
    before, name = _before(item, word)
    folder = name[: name.rfind("/") + 1]
    start = name[len(folder) :]
    place = os.path.expanduser(folder) if tilde and not before else folder  # noqa: PTH111
    directories: list[str] = []
    files: list[str] = []
    try:
        with os.scandir(place or ".") as entries:
            for entry in entries:
                if not entry.name.startswith(start) or entry.name.startswith(".") > bool(start):
                    continue
                if moves_cursor(entry.name):
                    continue
                (directories if entry.is_dir() else files).append(entry.name)
    except OSError:
        return []
    wanted = files if item.type == FILE else []
    fitting = [each for each in wanted if each.endswith(tuple(item.suffixes or ("",)))]
    if not fitting and not directories:
        fitting = wanted
    found = [(f"{each}/", "open") for each in directories] + [(e, "plain") for e in fitting]
    return [CompletionItem(before + folder + each, kind) for each, kind in sorted(found)]


def _before(item: CompletionItem[str], word: str) -> tuple[str, str]:
    option, equals, value = word.partition("=")
    start = option + equals if equals and option.startswith("-") else ""
    name = value if start else word
    return start + item.value, name.removeprefix(item.value)
