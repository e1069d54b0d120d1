"""How text looks: tables on a terminal, plain columns elsewhere, trees, colour, ASCII fallback."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from joule_cli.cli._run import is_terminal
from joule_cli.series.visible import lines_of, one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from joule_cli.cli._settings import Settings

#: Columns of a time in full, and those that longer texts are left with beside whole times.
_LONGEST_TIME, _LEAST_PROSE = 32, 12
#: Columns of the longest word that is kept whole; paths, addresses and JSON may be longer.
_LONGEST_WORD = 24
#: What lines between columns cost each, with one more at the edge, and what blanks cost.
LINE, BLANKS = 3, 2

#: Columns where nothing is too wide.
ENDLESS = 100_000

_COLOURS = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}


def write_text(text: str) -> None:
    """Write to stdout; what the encoding lacks is escaped."""
    sys.stdout.write(text)


def encodes(characters: str, stream: Any = None) -> bool:
    """Whether the stream's encoding has these characters."""
    stream = stream or sys.stdout
    try:
        characters.encode(stream.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True


def symbol(character: str, fallback: str) -> str:
    """Return the character, or the ASCII one where stdout cannot show it."""
    return character if encodes(character) else fallback


def use_color(settings: Settings, stream: Any = None) -> bool:
    """Whether to colour what goes to a stream: ``--color``, the environment, then the terminal."""
    if settings.color != "auto":
        return settings.color == "always"
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    if os.environ.get("FORCE_COLOR", "") not in {"", "0"}:
        return True
    return is_terminal(stream or sys.stdout)


def paint(text: str, colour: str, settings: Settings) -> str:
    """Return text in a colour if colours are wanted."""
    return f"\x1b[{_COLOURS[colour]}m{text}\x1b[0m" if use_color(settings) else text


def plain(
    headings: Sequence[str] | None, rows: Sequence[Sequence[str]], right: Sequence[bool]
) -> None:
    """Write aligned columns without box or cutting; a missing value is a dash."""
    cells = [[one_line(cell) or "-" for cell in row] for row in rows]
    lines = [list(map(one_line, headings)), *cells] if headings is not None else cells
    if not lines:
        return
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        parts = [
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(line, widths, right, strict=True)
        ]
        write_text("  ".join(parts).rstrip() + "\n")


def table(
    headings: Sequence[str] | None,
    rows: Sequence[Sequence[str]],
    right: Sequence[bool],
    settings: Settings,
) -> None:
    """Draw a table that fits the terminal; elsewhere it takes the width it needs.

    Where words would be cut it has no lines between the columns, and where they still would be,
    there is one line per cell.
    """
    names = [one_line(name) for name in headings or [""] * len(right)]
    rows = [[lines_of(cell).replace("\t", " ") for cell in row] for row in rows]
    lines, room = [names, *rows], width()
    boxed = True
    fixed = _kept_widths(lines) or _word_widths(lines, room - LINE * len(names) - 1)
    if fixed is None:
        boxed = False
        # without lines between them, the second line of a cell would look like another row
        rows = [[one_line(cell) for cell in row] for row in rows]
        lines = [names, *rows]
        fixed = _word_widths(lines, room - BLANKS * (len(names) - 1))
    if fixed is None:
        _records(headings, rows, settings)
        return
    from rich import box
    from rich.table import Table
    from rich.text import Text

    lined = box.ROUNDED if encodes("╭─│") else box.ASCII
    drawn = Table(
        box=lined if boxed else None,
        pad_edge=boxed,
        padding=(0, 1) if boxed else (0, BLANKS, 0, 0),
        show_header=headings is not None,
        header_style="bold",
    )
    for name, to_right, each in zip(names, right, fixed, strict=True):
        drawn.add_column(
            Text(name),
            justify="right" if to_right else "left",
            overflow="fold",
            width=each,
        )
    dash = symbol("\N{EM DASH}", "-")
    for row in rows:
        drawn.add_row(*(Text(cell or dash) for cell in row))
    console(settings).print(drawn)


def _kept_widths(lines: Sequence[Sequence[str]]) -> list[int | None] | None:
    """Return the widths of columns that are not folded: times and numbers, if prose has room."""
    widths = [max(len(cell) for cell in column) for column in zip(*lines, strict=True)]
    kept = [n if n <= _LONGEST_TIME else None for n in widths]
    needed = sum(_LEAST_PROSE if n is None else n for n in kept)
    return kept if needed + LINE * len(kept) + 1 <= width() else None


def _word_widths(lines: Sequence[Sequence[str]], room: int) -> list[int] | None:
    """Return widths that cut no word, with what is left of the room for those that lack least."""
    columns = list(zip(*lines, strict=True))
    whole = [max(map(len, column)) for column in columns]
    widths = [
        min(max((len(word) for cell in column for word in cell.split()), default=1), _LONGEST_WORD)
        for column in columns
    ]
    left = room - sum(widths)
    if left < 0:
        return None
    for index in sorted(range(len(widths)), key=lambda at: whole[at] - widths[at]):
        more = min(left, whole[index] - widths[index])
        widths[index] += more
        left -= more
    return widths


def _records(
    headings: Sequence[str] | None, rows: Sequence[Sequence[str]], settings: Settings
) -> None:
    """Write the cells of each row below each other, with their names before them."""
    names = None if headings is None else [one_line(name) for name in headings]
    indent = 0 if names is None else max(map(len, names), default=0) + BLANKS
    dash = symbol("\N{EM DASH}", "-")
    for number, row in enumerate(rows):
        if number:
            write_text("\n")
        for index, cell in enumerate(row):
            name = "" if names is None else names[index]
            label = paint(name, "bold", settings) + " " * (indent - len(name))
            write_text(f"{label}{one_line(cell) or dash}\n")


def console(settings: Settings) -> Any:
    """Return a rich console on stdout that follows the colour rules."""
    from rich.console import Console

    class Pipe(Console):
        def on_broken_pipe(self) -> None:
            # rich would end the process with a status of its own
            raise BrokenPipeError

    return Pipe(
        file=sys.stdout,
        width=width(),
        force_terminal=use_color(settings),
        no_color=not use_color(settings),
        color_system="standard" if use_color(settings) else None,
        highlight=False,
        markup=False,
        emoji=False,
        legacy_windows=False,
    )


def width() -> int:
    """Return the columns of the terminal; in a pipe as many as anything needs."""
    if os.environ.get("COLUMNS", "").isdigit() and int(os.environ["COLUMNS"]) > 0:
        return int(os.environ["COLUMNS"])
    if is_terminal(sys.stdout):
        return os.get_terminal_size(sys.stdout.fileno()).columns or 80
    return ENDLESS


def height() -> int | None:
    """Return the lines of the terminal; `None` where there is none."""
    if not is_terminal(sys.stdout):
        return None
    if os.environ.get("LINES", "").isdigit() and int(os.environ["LINES"]) > 0:
        return int(os.environ["LINES"])
    return os.get_terminal_size(sys.stdout.fileno()).lines or 24


def cut(text: str, columns: int, *, end: bool = True) -> str:
    """Return at most so many columns of a text: its beginning, or without `end` its tail."""
    if len(text) <= columns:
        return text
    mark = symbol("…", "")
    kept = max(columns - len(mark), 0)
    return (text[:kept] + mark if end else mark + text[len(text) - kept :])[:columns]


@dataclass(slots=True)
class Branch:
    """A line of a tree and the lines below it."""

    text: str
    below: list[Branch] = field(default_factory=list)


def tree(root: Branch) -> None:
    """Draw a tree with guides, in ASCII where the encoding has no lines."""
    guides = ("├── ", "└── ", "│   ") if encodes("├└│─") else ("|-- ", "`-- ", "|   ")
    write_text(f"{root.text}\n")
    stack = [("", list(reversed(root.below)))]
    while stack:
        indent, left = stack[-1]
        if not left:
            stack.pop()
            continue
        branch = left.pop()
        write_text(f"{indent}{guides[0] if left else guides[1]}{branch.text}\n")
        stack.append((indent + (guides[2] if left else "    "), list(reversed(branch.below))))
