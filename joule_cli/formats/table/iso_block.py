"""Many ISO 8601 times at once: texts of one length with digits in the same places."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from joule_cli.formats.table.dates import DAY_US, read_date
from joule_cli.formats.table.problems import BadCell

if TYPE_CHECKING:
    from collections.abc import Sequence

Stamps = npt.NDArray[np.int64]

_FORM: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?"
    r"(Z|[+-]\d\d(?::?\d\d)?)?",
    re.ASCII,
)
_FIELDS: Final = 7
#: More lengths than a file has that leaves out zeros at the end of fractions.
_MOST_LENGTHS: Final = 12


def read_block(cells: Sequence[str]) -> tuple[Stamps, npt.NDArray[np.bool_] | None] | None:
    """Read (n,) times; `None` if one of them needs a closer look.

    Returns
    -------
    stamps, instants
        As `Form.read` gives them.
    """
    lengths = np.fromiter(map(len, cells), np.int64, len(cells))
    known = np.unique(lengths)
    if len(known) > _MOST_LENGTHS:
        return None
    stamps = np.zeros(len(cells), np.int64)
    instants = np.zeros(len(cells), bool)
    for length in known.tolist():
        rows = np.flatnonzero(lengths == length)
        texts = cells if len(rows) == len(cells) else [cells[row] for row in rows.tolist()]
        found = _of_one_length(texts, length)
        if found is None:
            return None
        stamps[rows], instants[rows] = found
    return stamps, instants if instants.any() else None


def _of_one_length(texts: Sequence[str], length: int) -> tuple[Stamps, bool] | None:
    form = _FORM.fullmatch(texts[0])
    joined = "".join(texts)
    if form is None or not joined.isascii():
        return None
    table = np.frombuffer(joined.encode(), np.uint8).reshape(len(texts), length)
    spans = [form.span(field) for field in range(1, _FIELDS + 1)]
    digits = [at for begin, end in spans for at in range(begin, end)]
    fixed = [at for at in range(length) if at not in digits]
    # the marks, and the offset from UTC, are the same in all
    if (table[:, fixed] != table[0, fixed]).any() or ((table[:, digits] - 48) > 9).any():
        return None
    numbers = [_number(table, begin, end) for begin, end in spans]
    year, month, day, hour, minute, second, fraction = numbers
    begin, end = spans[-1]
    places = end - begin
    us = fraction // 10 ** (places - 6) if places > 6 else fraction * 10 ** (6 - max(places, 0))
    ordinary = (month >= 1) & (month <= 12) & (day >= 1) & (hour < 24) & (minute < 60)
    if not (ordinary & (second < 60) & (year >= 1)).all():
        return None
    months = (year - 1970) * 12 + month - 1
    first = months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    after = (months + 1).astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    if (first + day > after).any():
        return None
    seconds = (hour * 60 + minute) * 60 + second
    stamps = (first + day - 1) * DAY_US + seconds * 1_000_000 + us
    if form[8] is None:
        return stamps, False
    try:
        offset = read_date(texts[0], "iso").offset_us
    except BadCell:
        return None
    return stamps - (offset or 0), True


def _number(table: npt.NDArray[np.uint8], begin: int, end: int) -> Stamps:
    """Return the numbers in some columns of digits; zeros without columns."""
    out = np.zeros(len(table), np.int64)
    for at in range(begin, end):
        out = out * 10 + (table[:, at] - 48)
    return out
