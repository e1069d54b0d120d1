"""Rows that cannot be taken, each with the first reason that was found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable


class Reason(NamedTuple):
    """Why a row is bad, the remedy, and whether it is bad at all: totals are left out in peace."""

    text: str
    hint: str | None = None
    harmless: bool = False


class BadCell(ValueError):
    """A cell that cannot be read: the reason and the remedy."""

    def __init__(self, text: str, hint: str | None = None) -> None:
        super().__init__(text)
        self.text = text
        self.hint = hint

    @property
    def reason(self) -> Reason:
        """The same for a whole row."""
        return Reason(self.text, self.hint)


@dataclass(slots=True)
class Problems:
    """The bad rows of one batch, by their position."""

    found: dict[int, Reason] = field(default_factory=dict)

    def add(self, row: int, text: str, hint: str | None = None) -> None:
        """Note a bad row; the first reason stays."""
        self.found.setdefault(row, Reason(text, hint))

    def add_all(self, rows: Iterable[int], text: str, hint: str | None = None) -> None:
        """Note several rows that are bad for one reason."""
        for row in rows:
            self.add(row, text, hint)

    def __contains__(self, row: int) -> bool:
        return row in self.found

    def __bool__(self) -> bool:
        return bool(self.found)
