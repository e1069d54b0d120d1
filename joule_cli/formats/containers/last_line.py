"""Whether the last line of a text, which has no line end, is whole."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Literal

from joule_cli.formats.containers.shape import split
from joule_cli.formats.table.problems import Reason

if TYPE_CHECKING:
    from collections.abc import Collection

_CUT: Final = Reason(
    "the last line has no line end and may be cut",
    "use --last-line keep to store it, or --last-line drop to leave it out",
)
_NUMBER: Final = re.compile(r"[+-]?(\d*)(?:[.,](\d*))?")
#: The last line is compared with as many lines above it.
_LINES: Final = 100


class LastLine:
    """Compares the last cell of a file with those above it: a cut one is shorter."""

    def __init__(self, policy: Literal["keep", "drop"] | None) -> None:
        self._policy = policy
        self._above = b""
        self.needed: Collection[int] = ()

    def remember(self, block: bytes) -> None:
        """Take note of whole lines."""
        self._above = block

    def doubt(self, raw: bytes, delimiter: str, width: int) -> Reason | None:
        """Return why the line cannot be taken; `None` if nothing is missing, as far as is known."""
        if self._policy == "keep":
            return None
        cells = split(raw.decode("utf-8", "replace").strip("\r\n"), delimiter)
        if not cells or raw.rstrip().endswith(b'"'):
            return None
        last = len(cells) - 1
        if last < width - 1:
            # a cut before cells that are needed, or inside the last one that is
            return _CUT if any(at >= last for at in self.needed) else None
        if self._policy == "drop":
            return _CUT
        if last not in self.needed:
            return None
        above = []
        for line in self._above.split(b"\n")[-_LINES - 1 :]:
            row = split(line.decode("utf-8", "replace").strip(), delimiter)
            if len(row) == len(cells):
                above.append(row[last].strip())
        return _CUT if above and _may_be_longer(cells[last].strip(), above) else None


def _may_be_longer(cell: str, above: list[str]) -> bool:
    """Whether a cell is shorter than some above it where a cut would show."""
    found = _NUMBER.fullmatch(cell)
    others = [match for text in above if (match := _NUMBER.fullmatch(text))]
    if found is None or len(others) < len(above):
        # a word that stands above as it is, is whole
        return cell not in above and len(cell) < max(map(len, above))
    decimals = max(len(match[2] or "") for match in others)
    if decimals:
        return len(found[2] or "") < decimals
    return len(found[1]) < max(len(match[1]) for match in others)
