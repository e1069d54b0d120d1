"""Texts as cells of CSV."""

from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def cell_writer(delimiter: str = ",", *, plain: bool = False) -> Callable[[str], str]:
    """Return what quotes a text, as RFC 4180 says, if it is no cell as it is.

    Parameters
    ----------
    plain
        Leave what only some readers take for a delimiter, a comment or a blank.
    """
    special = rf'[{re.escape(delimiter)}"\r\n]' + ("" if plain else r"|[,;\t]|^[# ]| $")
    find = re.compile(special).search
    return lambda text: '"' + text.replace('"', '""') + '"' if find(text) else text


def read_names(text: str) -> list[str]:
    """Return the names of a list with commas, in which a name may be quoted as a cell."""
    return [name.strip() for name in next(csv.reader([text], skipinitialspace=True), [])]


def names_text(names: Iterable[str]) -> str:
    """Return names as a list that `read_names` takes."""
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow(names)
    return out.getvalue()
