"""Declared fields of event streams as the options write them."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterable

#: A name may have colons, so the type is what the text ends with.
_FIELD = re.compile(r"(.+?):\s*(?:(string|numeric)|category:?\[(.*)\])\s*", re.DOTALL)


def read_fields(texts: Iterable[str]) -> dict[str, str]:
    """Read ``--field NAME:TYPE``, in the order given, to what a node calls its types."""
    fields: dict[str, str] = {}
    for text in texts:
        found = _FIELD.fullmatch(text)
        if found is None:
            raise click.BadParameter(
                f"'{text}' is not NAME:TYPE; the types are string, numeric and category[a,b]"
            )
        name, simple, choices = found.groups()
        name = name.strip()
        if not name:
            raise click.BadParameter(f"'{text}' has no name before the colon")
        if name in fields:
            raise click.BadParameter(f"the field '{name}' is given twice")
        fields[name] = simple or f"category:{_json(_categories(choices, text))}"
    return fields


def _categories(choices: str, text: str) -> list[str]:
    try:
        # names with commas are written as in JSON
        values = json.loads(f"[{choices}]")
    except ValueError:
        values = None
    if not isinstance(values, list) or not all(isinstance(v, str) for v in values):
        if '"' in choices:
            raise click.BadParameter(f"the quotes in '{text}' do not make a list of texts")
        values = [value.strip() for value in choices.split(",")]
    if not values or not all(values):
        raise click.BadParameter(f"a category in '{text}' has no name")
    if len(set(values)) < len(values):
        raise click.BadParameter(f"a category in '{text}' is given twice")
    return values


def _json(values: list[str]) -> str:
    return json.dumps(values, ensure_ascii=False, separators=(",", ":"))
