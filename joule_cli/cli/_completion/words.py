"""Command lines as shells write them: taking quotes off, and putting them on.

Nothing is expanded: ``$HOME`` stays five characters. A line may end anywhere, so a quote that is
still open and a last backslash are no errors.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_SAFE = re.compile(r"[A-Za-z0-9_@%+=:,./\x80-\U0010ffff-]")
#: What a backslash quotes between double quotes.
_IN_DOUBLE = '\\"$`'
_OPERATORS = "|&;()<>"
_BLANKS = " \t\n"


class Line(NamedTuple):
    """A command line up to the cursor."""

    #: the finished words, without quotes
    words: list[str]
    #: the word at the cursor, as far as it is typed, without quotes
    current: str
    #: the quote that is open at the cursor: nothing, ``'``, ``"`` or ``$'``
    quote: str
    #: whether the word at the cursor names the file of a redirection
    redirected: bool
    #: whether the word at the cursor begins with a tilde that the shell expands
    tilde: bool
    #: where the text goes on after its last quote, which opens or closes
    after_quote: int


def read_line(text: str) -> Line:
    """Split the text of one command in the syntax of bash or zsh."""
    words: list[str] = []
    current: list[str] | None = None
    quote = ""
    redirected = tilde = False
    after_quote = i = 0
    while i < len(text):
        c = text[i]
        if quote:
            if c == quote[-1]:
                quote = ""
                after_quote = i + 1
            elif c == "\\" and (quote == "$'" or (quote == '"' and text[i + 1 : i + 2])):
                following = text[i + 1 : i + 2]
                if quote == '"' and following not in _IN_DOUBLE:
                    following = c + following
                (current := current or []).append(following)
                i += 1
            else:
                (current := current or []).append(c)
        elif c in _BLANKS or c in _OPERATORS:
            if current is not None:
                # digits before an arrow are a file descriptor
                if not redirected and not (c in "<>" and "".join(current).isdigit()):
                    words.append("".join(current))
                current, redirected = None, False
            if c in "<>":
                redirected = True
        else:
            current = [] if current is None else current
            if not current:
                tilde = c == "~"
            if text.startswith("$'", i):
                quote = "$'"
                i += 1
                after_quote = i + 1
            elif c in "'\"":
                quote = c
                after_quote = i + 1
            elif c == "\\":
                current.append(text[i + 1 : i + 2])
                i += 1
            else:
                current.append(c)
        i += 1
    if current is None:
        tilde = False
    return Line(words, "".join(current or []), quote, redirected, tilde, after_quote)


def unquote(word: str) -> str:
    """Take the quotes of bash or zsh off one word, which may be unfinished."""
    line = read_line(word)
    # a blank or an operator without quotes would have ended it
    return " ".join([*line.words, line.current])


def unquote_fish(word: str) -> str:
    """Take the quotes of fish off one word, which may be unfinished."""
    out: list[str] = []
    quote = ""
    i = 0
    while i < len(word):
        c, following = word[i], word[i + 1 : i + 2]
        if c == quote:
            quote = ""
        elif c == "\\" and (
            not quote or (following and following in {"'": "'\\", '"': '"$\\'}[quote])
        ):
            out.append(following)
            i += 1
        elif not quote and c in "'\"":
            quote = c
        else:
            out.append(c)
        i += 1
    return "".join(out)


def quote_bash(text: str, quote: str) -> str:
    """Write a text so that bash reads it as it is, where `quote` is open."""
    if quote == "'":
        return text.replace("'", "'\\''")
    if quote == "$'":
        return text.replace("\\", "\\\\").replace("'", "\\'")
    if quote == '"':
        # an exclamation mark recalls history even there, and keeps its backslash
        escaped = "".join(f"\\{c}" if c in _IN_DOUBLE else c for c in text)
        return escaped.replace("!", '"\\!"')
    return "".join(c if _SAFE.match(c) else f"\\{c}" for c in text)
