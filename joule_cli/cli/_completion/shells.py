"""What each shell tells about the line, and how it wants to be answered."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, ClassVar

from click.shell_completion import CompletionItem, ShellComplete, add_completion_class

from joule_cli.cli._completion.files import (
    DIRECTORY,
    FILE,
    list_files,
    moves_cursor,
    pattern,
)
from joule_cli.cli._completion.scripts import SCRIPTS
from joule_cli.cli._completion.values import OPEN
from joule_cli.cli._completion.words import (
    quote_bash,
    read_line,
    unquote,
    unquote_fish,
)
from joule_cli.cli._lazy import let_offer

if TYPE_CHECKING:
    from joule_cli.cli._lazy import Group

#: ``$COMP_TYPE`` of bash when the candidates are listed and nothing is inserted.
_LISTING = "63"
_LONGEST_HELP = 100


def complete(root: Group) -> None:
    """Answer the shell that asks; what fails completes nothing and is not told."""
    from joule_cli.cli._settings import Settings

    settings = Settings()
    shell, _, action = os.environ.get("_JOULE_COMPLETE", "").partition("_")
    found = _CLASSES.get(shell)
    if found is None:
        return
    asked = found(root, {"obj": settings}, "joule", "_JOULE_COMPLETE")
    try:
        # what click calls source is also printed by a command
        text = asked.source().rstrip() if action == "source" else asked.complete()
    except Exception:
        # the user is typing: an error would disturb the line
        if settings.debug:
            raise
        return
    if text:
        sys.stdout.buffer.write(f"{text}\n".encode("utf-8", "surrogateescape"))
        sys.stdout.buffer.flush()


class _Complete(ShellComplete):
    """What the shells have in common: items whose values are whole words."""

    def source(self) -> str:
        return SCRIPTS[self.name]

    def complete(self) -> str:
        args, incomplete = self.get_completion_args()
        return self.answer(self.find(args, incomplete), incomplete)

    def find(self, args: list[str], incomplete: str) -> list[CompletionItem[str]]:
        """Return the items; a value in ``--option=value`` is completed with the option."""
        from joule_cli.cli._completion import kinds

        let_offer(kinds.assign)
        items = self.get_completions(list(args), incomplete)
        option, equals, _ = incomplete.partition("=")
        before = option + equals if equals and option.startswith("-") and "--" not in args else ""
        for item in items:
            if item.type not in {FILE, DIRECTORY}:
                item.value = before + item.value
        return [item for item in items if _fits_a_line(item, incomplete)]

    def answer(self, items: list[CompletionItem[str]], incomplete: str) -> str:
        return "\n".join(self.format_completion(item) for item in items)


def _fits_a_line(item: CompletionItem[str], incomplete: str) -> bool:
    """Whether it continues what is typed, and has nothing that moves the cursor of a terminal."""
    if item.type in {FILE, DIRECTORY}:
        return True
    return item.value.startswith(incomplete) and not moves_cursor(item.value)


def _help(item: CompletionItem[str]) -> str:
    text = "".join(c if c.isprintable() else " " for c in " ".join((item.help or "").split()))
    return text if len(text) <= _LONGEST_HELP else f"{text[: _LONGEST_HELP - 1]}…"


class Bash(_Complete):
    """Gets the line up to the cursor, what bash replaces of it, and ``$COMP_TYPE``.

    Bash replaces the end of the word from the last of ``$COMP_WORDBREAKS`` or open quote on, and
    takes the candidates as they are: they are cut there and quoted for that place.
    """

    name: ClassVar[str] = "bash"

    def complete(self) -> str:
        text, replaced, kind = sys.argv[1:4]
        line = read_line(text)
        if line.redirected:
            items = list_files(CompletionItem("", FILE), line.current, tilde=line.tilde)
        else:
            items = []
            for item in self.find(line.words[1:], line.current):
                items += list_files(item, line.current, tilde=line.tilde)
        start = len(text.removesuffix(replaced))
        if line.quote:
            # what completes behind a command such as nice says it with the open quote
            start = max(start, line.after_quote)
        at = read_line(text[:start])
        before = at.current if len(at.words) == len(line.words) else ""
        items = [item for item in items if item.value.startswith(before)]
        values = [item.value for item in items]
        if kind == _LISTING and len(values) > 1:
            return "\n".join(["whole", *map(_last_name, values)])
        kept_tilde = line.tilde and not before
        words = [_quoted(value[len(before) :], at.quote, tilde=kept_tilde) for value in values]
        if len(values) != 1:
            return "\n".join(["whole", *words])
        if items[0].type != OPEN:
            # bash would take a quoted quote at the end for the one that closes
            return f"whole\n{words[0]}{at.quote[-1:]}"
        # with a second candidate bash does not close the quote
        return "\n".join([OPEN, *words, *([f"{words[0]}…"] if at.quote else [])])


def _quoted(text: str, quote: str, *, tilde: bool) -> str:
    if tilde and text.startswith("~"):
        name, slash, below = text.partition("/")
        return name + slash + quote_bash(below, quote)
    return quote_bash(text, quote)


def _last_name(value: str) -> str:
    return value[value.rstrip("/").rfind("/") + 1 :]


class Zsh(_Complete):
    """Gets the words as they are typed; quotes the candidates itself."""

    name: ClassVar[str] = "zsh"

    def get_completion_args(self) -> tuple[list[str], str]:
        *args, incomplete = [unquote(word) for word in sys.argv[1:]]
        return args, incomplete

    def format_completion(self, item: CompletionItem[str]) -> str:
        if item.type in {FILE, DIRECTORY}:
            name = "files" if item.type == FILE else "directories"
            return f"{name}\t{pattern(item)}"
        value = item.value.replace("\\", "\\\\").replace(":", "\\:")
        if text := _help(item):
            value += f":{text}"
        return f"{OPEN if item.type == OPEN else 'whole'}\t{value}"


class Fish(_Complete):
    """Gets the finished words without quotes, and the last one as it is typed."""

    name: ClassVar[str] = "fish"

    def get_completion_args(self) -> tuple[list[str], str]:
        *args, incomplete = sys.argv[1:]
        return args, unquote_fish(incomplete)

    def answer(self, items: list[CompletionItem[str]], incomplete: str) -> str:
        tilde = sys.argv[-1].startswith("~")
        listed: list[CompletionItem[str]] = []
        for item in items:
            listed += list_files(item, incomplete, tilde=tilde)
        return super().answer(listed, incomplete)

    def format_completion(self, item: CompletionItem[str]) -> str:
        text = _help(item)
        return f"{item.value}\t{text}" if text else item.value


_CLASSES: dict[str, type[_Complete]] = {
    found.name: add_completion_class(found) for found in (Bash, Zsh, Fish)
}
