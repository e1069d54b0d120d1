"""The declared fields of an event stream, and whether the content of an event fits them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from joule_cli.formats.events.exact import dumps
from joule_cli.formats.numbers import shorten

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

NUMERIC: Final = "numeric"
TEXT: Final = "text"
#: Values of a category that a message lists.
_LISTED = 10


class Fields:
    """Declared fields by name, in their order.

    A field may be missing or ``null``; fields that are not declared may hold anything.

    Parameters
    ----------
    declared
        Name to ``numeric``, ``string`` or ``category:["a","b"]``, as `EventStream.event_fields`.
    """

    def __init__(self, declared: Mapping[str, str] | None = None) -> None:
        self.declared = dict(declared or {})
        #: Name to `NUMERIC` or `TEXT`: how the cells of its column are read and written.
        self.kinds = {
            name: NUMERIC if kind == "numeric" else TEXT for name, kind in self.declared.items()
        }
        self._categories = {name: _categories(kind) for name, kind in self.declared.items()}
        self._checks = [
            (name, self.kinds[name] == NUMERIC, self._categories[name]) for name in self.declared
        ]

    def __iter__(self) -> Iterator[str]:
        return iter(self.declared)

    def fit(self, content: Any) -> bool:
        """Tell whether a content has values of the declared types only."""
        if type(content) is not dict:
            return True
        for name, numeric, categories in self._checks:
            value = content.get(name)
            if value is None:
                continue
            if numeric:
                if type(value) is not float and type(value) is not int:
                    return False
            elif type(value) is not str or (categories is not None and value not in categories):
                return False
        return True

    def reason(self, content: dict[str, Any]) -> str:
        """Say what is wrong with a content that does not fit."""
        for name, numeric, categories in self._checks:
            value = content.get(name)
            if self.fit({name: value}):
                continue
            shown = dumps(value).decode()
            shown = shown if len(shown) <= 40 else f"{shown[:37]}..."
            if numeric:
                return f"the field {shorten(name)} must be a number, not {shown}"
            if categories is not None and isinstance(value, str):
                known = ", ".join(list(categories)[:_LISTED])
                more = ", ..." if len(categories) > _LISTED else ""
                return f"the field {shorten(name)} must be one of {known}{more}, not {shown}"
            return f"the field {shorten(name)} must be a text, not {shown}"
        return "the content does not fit the declared fields"


def _categories(kind: str) -> dict[str, None] | None:
    base, _, choices = kind.partition(":")
    if base != "category":
        return None
    try:
        return dict.fromkeys(json.loads(choices))
    except (ValueError, TypeError):
        # a node of another version may say it otherwise
        return None
