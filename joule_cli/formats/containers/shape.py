"""The shape of a table in text: what separates the columns, and where the rows begin."""

from __future__ import annotations

import csv
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from joule_cli.formats.table.dates import family_of
from joule_cli.formats.table.names import time_rank, unit_of_time
from joule_cli.formats.table.options import MISSING_WORDS

if TYPE_CHECKING:
    from collections.abc import Sequence

#: What can separate columns, the surest first; blanks are "".
DELIMITERS: Final = ("\t", ";", ",", "|", "")
_NUMBER: Final = re.compile(
    r"[+-]?(?:[\d.,]*\d[\d.,]*)(?:[eE][+-]?\d+)?(?:\s*[^\d\s.,:/-][^\d.,:/-]{0,12})?"
)
_WORDS: Final = frozenset({"true", "false", "inf", "-inf", "infinity", "-infinity"})
_SEP: Final = re.compile(r"\s*sep=(.)\s*", re.IGNORECASE)
_TIME_UNITS: Final = frozenset({"", "-", "ts", "iso"})
_TIME_PATTERN: Final = re.compile(r"[ymdhsaf:%./\-\s]+", re.IGNORECASE)
#: Lines that are looked at.
LINES: Final = 200


@dataclass(slots=True)
class Shape:
    """How a text is a table.

    Parameters
    ----------
    delimiter
        Between columns; empty for blanks.
    names, units
        Of the columns; empty without a header.
    begin
        Index of the first line of the rows.
    width
        Number of columns.
    problem
        Why the header cannot be that of the rows.
    notes
        What was recognised besides, for a person.
    """

    delimiter: str
    names: list[str] = field(default_factory=list)
    units: list[str] = field(default_factory=list)
    begin: int = 0
    width: int = 0
    header: str = ""
    problem: str = ""
    notes: list[str] = field(default_factory=list)


def split(line: str, delimiter: str) -> list[str]:
    """Split a line into cells; quoted ones without their marks."""
    if not delimiter:
        return line.split()
    if '"' not in line:
        return line.split(delimiter)
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        return line.split(delimiter)


def kind_of(cell: str) -> str:
    """Tell what a cell looks like: ``number``, ``time``, ``missing`` or ``text``."""
    cell = cell.strip()
    if cell.lower() in MISSING_WORDS:
        return "missing"
    if _NUMBER.fullmatch(cell) or cell.lower() in _WORDS:
        return "number"
    return "text" if family_of(cell) is None else "time"


def find_shape(
    lines: Sequence[str],
    delimiters: Sequence[str] = DELIMITERS,
    *,
    header: bool | None = None,
    narrowest: int = 2,
) -> Shape:
    """Find out how the first lines of a text are a table.

    Parameters
    ----------
    lines
        The first lines of the file, without line ends.
    delimiters
        Those that can be.
    header
        Whether a line names the columns; `None` looks.
    narrowest
        Number of columns that there are at least.
    """
    notes = []
    begin = 0
    found = _SEP.fullmatch(lines[0]) if lines else None
    if found:
        delimiters, begin = (found[1],), 1
        notes.append(f"a line sep={found[1]}")
    content = [i for i in range(begin, len(lines)) if _is_content(lines[i])]
    delimiter = _delimiter([lines[i] for i in content], delimiters, narrowest)
    shape = Shape(delimiter, notes=notes, begin=begin)
    rows = {i: split(lines[i], delimiter) for i in content}
    if not rows:
        _commented_header(shape, lines, len(lines), header)
        return shape
    if lines[content[0]].lstrip('"').startswith("TOA5") and len(content) > 3:
        shape.names, shape.units = rows[content[1]], rows[content[2]]
        shape.begin, shape.width = content[3] + 1, len(shape.names)
        shape.header = lines[content[1]]
        notes.append("a TOA5 file of a data logger")
        return _named(shape)
    shape.width = _table_width(list(rows.values()), narrowest)
    if header is False:
        shape.begin = content[0]
        return shape
    first = _first_data(rows, content, shape.width)
    _find_header(shape, lines, rows, content, first, header)
    return _named(shape)


def _is_content(line: str) -> bool:
    bare = line.strip()
    return bool(bare) and not bare.startswith("#") and not bare.startswith("\0")


def _delimiter(lines: Sequence[str], delimiters: Sequence[str], narrowest: int) -> str:
    """Return the delimiter by which most lines have the same number of meaningful cells."""
    if len(delimiters) == 1 or not lines:
        return delimiters[0]
    tail = lines[len(lines) // 2 :][-40:]
    chosen = None
    if narrowest < 2:
        # ``1,2`` is rather two columns than one number with a decimal comma
        chosen, best = _best(tail, delimiters, 2)
        chosen = chosen if best == (1.0, 1.0) else None
    if chosen is None:
        chosen, _ = _best(tail, delimiters, narrowest)
    if chosen is None:
        chosen = max((d for d in delimiters if d), key=lambda d: sum(x.count(d) for x in lines))
        if not any(chosen in line for line in lines):
            chosen = "" if "" in delimiters and narrowest > 1 else ","
    return chosen


def _best(
    tail: Sequence[str], delimiters: Sequence[str], narrowest: int
) -> tuple[str | None, tuple[float, float]]:
    """Return the best delimiter that makes some columns, and how well it does."""
    best = (0.0, 0.0)
    chosen = None
    for delimiter in delimiters:
        rows = [split(line, delimiter) for line in tail]
        width = _width(rows)
        if width < narrowest:
            continue
        fitting = [row for row in rows if len(row) == width]
        cells = [kind_of(cell) for row in fitting for cell in row]
        quality = sum(kind != "text" for kind in cells) / max(len(cells), 1)
        score = (len(fitting) / len(rows), round(quality, 1))
        if chosen is None or (min(score) > 0 and _beats(score, best)):
            best, chosen = score, delimiter
    return chosen, best


def _beats(score: tuple[float, float], best: tuple[float, float]) -> bool:
    """Whether one delimiter is clearly better than one that is surer by itself."""
    return score[0] * (0.2 + score[1]) > 1.2 * best[0] * (0.2 + best[1])


def _width(rows: Sequence[Sequence[str]]) -> int:
    """Return the usual number of cells in the later rows."""
    counts = Counter(len(row) for row in rows[len(rows) // 2 :])
    return counts.most_common(1)[0][0]


def _table_width(rows: Sequence[Sequence[str]], narrowest: int) -> int:
    """Return the number of columns: that of most rows of numbers, or of most later lines."""
    plain = [len(row) for row in rows if _is_plain(row)]
    usual = Counter(width for width in plain if width >= narrowest).most_common(1)
    later = Counter(len(row) for row in rows[len(rows) // 2 :]).most_common(1)[0]
    return usual[0][0] if usual and usual[0][1] >= later[1] else later[0]


def _is_plain(row: Sequence[str]) -> bool:
    """Whether a line is a row without doubt: nothing but numbers, times and missing values."""
    kinds = [kind_of(cell) for cell in row]
    return "text" not in kinds and kinds[0] != "missing"


def _first_data(rows: dict[int, list[str]], content: Sequence[int], width: int) -> int:
    """Return the line of the first row that is like most of the later ones."""
    fitting = [rows[i] for i in content if len(rows[i]) == width]
    tail = fitting[len(fitting) // 2 :][-40:]
    kinds = [[kind_of(cell) for cell in row] for row in tail]
    usual = [Counter(column).most_common(1)[0][0] for column in zip(*kinds, strict=True)]
    places = [at for at, kind in enumerate(usual) if kind in {"number", "time"}]
    for i in content:
        row = rows[i]
        if _is_plain(row) and len(row) > 1:
            # never left out, whatever its length
            return i
        if len(row) != width or not places:
            continue
        found = [kind_of(row[at]) for at in places]
        if any(usual[at] == "time" == kind for at, kind in zip(places, found, strict=True)):
            return i
        filled = sum(kind != "missing" for kind in found)
        mostly = "text" not in found[:1] and 2 * found.count("text") < filled
        if "time" not in usual and mostly:
            return i
    return content[-1] + 1


def _find_header(
    shape: Shape,
    lines: Sequence[str],
    rows: dict[int, list[str]],
    content: Sequence[int],
    first: int,
    header: bool | None,
) -> None:
    """Find the names, and the units below them, above the first row."""
    above = [i for i in content if i < first]
    block: list[int] = []
    for i in reversed(above):
        if not _may_be_names(rows[i], shape.width):
            break
        block.insert(0, i)
    if not block:
        shape.begin = first if above and _differ(rows, above, shape.width) else content[0]
        if shape.begin == first and above:
            _note_titles(shape, len(above))
        if not _commented_header(shape, lines, shape.begin, header) and header:
            shape.names = rows[content[0]]
            shape.begin = content[0] + 1
        return
    # a title may have as many words as there are columns, but hardly names a time
    named = [i for i in block if any(time_rank(cell) is not None for cell in rows[i])]
    names = named[0] if named else max(block, key=lambda i: sum(map(bool, map(str.strip, rows[i]))))
    block = block[block.index(names) :]
    shape.names, shape.header = rows[names], lines[names]
    shape.begin = names + 1
    last = [rows[i][-1] for i in content if i >= first and len(rows[i]) == shape.width]
    if len(rows[names]) < shape.width and any(cell.strip() for cell in last):
        shape.problem = f"{len(rows[names])} names stand above {shape.width} columns"
    if len(block) > 1 and _are_units(rows[block[1]], rows[names]):
        shape.units = rows[block[1]]
        shape.begin = block[1] + 1
        shape.notes.append("a row of units")
    titles = sum(1 for i in above if i < names)
    if titles:
        _note_titles(shape, titles)


def _note_titles(shape: Shape, count: int) -> None:
    shape.notes.append(f"{count} line{'' if count == 1 else 's'} before the table")


def _differ(rows: dict[int, list[str]], above: Sequence[int], width: int) -> bool:
    return all(len(rows[i]) != width for i in above)


def _may_be_names(row: Sequence[str], width: int) -> bool:
    """Whether a line can name the columns: text alone, of about as many columns."""
    bare = list(row)
    while len(bare) > 1 and not bare[-1].strip():
        bare.pop()
    if not width - 1 <= len(row) <= width + 1 and not len(bare) <= width <= len(row):
        return False
    kinds = [kind_of(cell) for cell in bare]
    texts = kinds.count("text")
    if {"number", "time"} & set(kinds) and not any(time_rank(cell) is not None for cell in bare):
        # a bad row rather than names that look like numbers
        return False
    return (
        texts > 0
        and (kinds[0] in {"text", "missing"} or texts == len(kinds) - 1)
        and (2 * (texts + kinds.count("missing")) >= len(kinds))
    )


def _are_units(row: Sequence[str], names: Sequence[str]) -> bool:
    """Whether a line below the names holds units: short, and of the times a unit of time."""
    if any(len(cell.strip()) > 24 for cell in row):
        return False
    ranks = [rank for name in names if (rank := time_rank(name)) is not None]
    best = min(ranks, default=None)
    at = next((i for i, name in enumerate(names) if time_rank(name) == best), 0) if ranks else 0
    return at < len(row) and _is_time_unit(row[at]) and list(row) != list(names)


def _is_time_unit(cell: str) -> bool:
    bare = cell.strip().strip("[]()").lower()
    if unit_of_time("", bare) is not None or bare in _TIME_UNITS:
        return True
    return len(bare) > 3 and _TIME_PATTERN.fullmatch(bare) is not None


def _commented_header(shape: Shape, lines: Sequence[str], first: int, header: bool | None) -> bool:
    """Take the names from a comment right above the rows."""
    if header is False or not first or first > len(lines):
        return False
    line = lines[first - 1].strip()
    if not line.startswith("#"):
        return False
    cells = split(line.lstrip("# \t"), shape.delimiter)
    if len(cells) < 2 or (shape.width and len(cells) != shape.width):
        return False
    if any(kind_of(cell) != "text" for cell in cells[:1]) or ":" in cells[0]:
        return False
    shape.names, shape.header = cells, line
    shape.width = len(cells)
    shape.notes.append("the names stand behind #")
    return True


def _named(shape: Shape) -> Shape:
    """Bring names, units and the number of columns together."""
    if not shape.names:
        return shape
    names = [name.strip().lstrip("\ufeff") for name in shape.names]
    if len(names) < shape.width:
        names += [""] * (shape.width - len(names))
    shape.names, shape.width = names, len(names)
    units = [unit.strip().strip("[]()") for unit in shape.units]
    shape.units = (units + [""] * len(names))[: len(names)] if units else []
    return shape
