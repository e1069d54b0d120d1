"""The decimal mark and the mark between thousands."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from joule_cli.errors import FormatError
from joule_cli.formats.numbers import shorten
from joule_cli.formats.table.dates import family_of
from joule_cli.formats.table.values import Marks

if TYPE_CHECKING:
    from joule_cli.formats.containers.base import Batch, Container
    from joule_cli.formats.table.options import ReadOptions
    from joule_cli.formats.table.values import MissingValues

#: A number of ``,`` and ``.``, with a unit behind it or not.
_NUMBER: Final = re.compile(r"([+-]?[\d.,]*\d)(?:[eE][+-]?\d+)?(?:\s*[^\d\s.,][^\d.,]*)?")
#: ``1.234``: ambiguous, a thousand or a fraction.
_GROUPED: Final = re.compile(r"[+-]?[1-9]\d{0,2}(\.\d{3})+")


def settle_marks(
    container: Container, sample: Batch, options: ReadOptions, missing: MissingValues
) -> Marks:
    """Return the marks of the numbers of a table.

    Where ``;``, tabs or blanks separate the columns, they are found out; elsewhere the decimal mark
    is a point unless the options say otherwise.

    Raises
    ------
    FormatError
        The marks contradict each other, or ``1.234`` could be one thousand or one.
    """
    decimal, thousands = options.decimal, options.thousands
    if decimal is not None and decimal == thousands:
        raise FormatError("--decimal and --thousands cannot be the same", file=container.name)
    if decimal is not None or thousands is not None:
        return Marks(decimal or ("," if thousands == "." else "."), thousands or "")
    delimiter = container.delimiter
    if delimiter not in {";", "\t", ""}:
        return Marks()
    numbers = []
    for at in range(len(container.columns)):
        cells = sample.column(at)
        texts = [cell.strip() for cell in cells if isinstance(cell, str)]
        texts = [text for text in texts if not missing.is_missing(text)]
        if any(family_of(text) not in {None, "short"} for text in texts[:10]):
            continue
        numbers += [found[1] for text in texts if (found := _NUMBER.fullmatch(text))]
    commas = [number for number in numbers if "," in number]
    points = [number for number in numbers if "." in number]
    if commas:
        if any("." in number and number.rfind(".") > number.find(",") for number in commas):
            # 1,234.5
            return Marks(".", ",")
        grouped = all(re.fullmatch(r"[+-]?[1-9]\d{0,2}(,\d{3})+", number) for number in commas)
        if any(number.count(",") > 1 for number in commas) or (grouped and delimiter != ";"):
            raise FormatError(
                f"the marks in {shorten(commas[0])} are not clear",
                file=container.name,
                hint="use --decimal and --thousands",
            )
        return Marks(",", ".")
    if delimiter == ";" and points and all(_GROUPED.fullmatch(number) for number in points):
        plain = points[0].replace(".", "")
        raise FormatError(
            f"{points[0]} could be {plain} or a fraction: nothing in the file tells",
            file=container.name,
            hint="use --decimal . for a fraction, or --decimal , for thousands",
        )
    return Marks()
