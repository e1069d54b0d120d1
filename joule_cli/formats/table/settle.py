"""Finding out in which form a column holds its times."""

from __future__ import annotations

import re
from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from joule_cli.errors import FormatError
from joule_cli.formats.numbers import shorten
from joule_cli.formats.table.clock import on_clock
from joule_cli.formats.table.dates import (
    Order,
    family_of,
    possible_orders,
    template_parts,
)
from joule_cli.formats.table.forms import (
    UNITS,
    DateForm,
    Form,
    NumberForm,
    TemplateForm,
    TypedForm,
)
from joule_cli.formats.table.names import unit_of_time
from joule_cli.formats.table.problems import BadCell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import tzinfo

    from joule_cli.formats.containers.base import Cells, Heading
    from joule_cli.formats.table.options import ReadOptions

    #: Gives the texts of the time column in the whole file; `None` if it cannot be read twice.
    Survey = Callable[[], Iterable[str]] | None

#: A unit is taken only for times from here (1990) ...
EARLIEST_NS: Final = 631_152_000 * 1_000_000_000
#: ... to here (2100); the ranges of the four units do not meet.
LATEST_NS: Final = 4_102_444_800 * 1_000_000_000
#: The same for counts of days.
_DAYS: Final = {"matlab": (726_834, 767_010)}
_DECIMAL = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?", re.ASCII)
_COMPACT: Final = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}
_DATES: Final = {"dmy": "%d{0}%m{0}{1}", "mdy": "%m{0}%d{0}{1}", "dm": "%d{0}%m", "md": "%m{0}%d"}


def unit_of(value: int | Decimal) -> str | None:
    """Return the unit in which a number is a time between 1990 and 2100."""
    for unit, ns in UNITS.items():
        if EARLIEST_NS <= value * ns < LATEST_NS:
            return unit
    return None


def settle(
    options: ReadOptions,
    heading: Heading,
    sample: Cells,
    told: str | None,
    tz: tzinfo,
    survey: Survey = None,
) -> Form:
    """Return the form of a column of times.

    Parameters
    ----------
    sample
        Its first cells.
    told
        The form that the file itself tells.
    tz
        Zone of local times: times without a date go on from the start time on that clock.
    survey
        Gives all of its cells as text, where the first ones do not tell day from month.

    Raises
    ------
    FormatError
        The form that was asked for cannot be, or none fits without doubt.
    """
    form = options.time_format
    if heading.kind == "time":
        return TypedForm(aware=heading.aware)
    if form == "auto" and told is not None:
        form = told
    base = options.start_time
    if form in UNITS:
        return NumberForm(form, base or 0, exact=_has_fraction(sample))
    if form in {"excel", "matlab"}:
        return NumberForm(form, exact=True)
    if form == "iso":
        return DateForm("iso")
    day = None if base is None else on_clock(base, tz)
    if form != "auto":
        return _template(form, day)
    return _guess(options, heading, sample, survey, day)


def _template(template: str, base: int | None) -> Form:
    if "%" not in template:
        raise FormatError(
            f"there is no form of times {shorten(template)}",
            hint="use auto, us, ms, s, ns, iso, excel, matlab or a template such as "
            "'%d.%m.%Y %H:%M'",
        )
    try:
        parts = template_parts(template)
    except BadCell as bad:
        raise FormatError(f"--time-format {template!r}: {bad.text}") from bad
    for part, what in (("date", "day"), ("year", "year")):
        if part not in parts and base is None:
            raise FormatError(
                f"the template {template!r} has no {what}",
                hint="use --start-time with the first day, such as --start-time 2024-05-01",
            )
    return TemplateForm(template, parts, base)


def _guess(
    options: ReadOptions, heading: Heading, sample: Cells, survey: Survey, day: int | None
) -> Form:
    texts = [text for text in map(_text, _cells(sample)) if text]
    if not texts:
        return DateForm("iso")
    numbers = [Decimal(text) for text in texts if len(text) < 60 and _DECIMAL.fullmatch(text)]
    if 2 * len(numbers) >= len(texts):
        return _guess_unit(options, heading, numbers, texts)
    families = Counter(family for text in texts if (family := family_of(text)) is not None)
    if not families or 2 * sum(families.values()) < len(texts):
        example = next((text for text in texts if family_of(text) is None), texts[0])
        raise FormatError(
            f"{shorten(example)} in the column {_name(heading)} is not a time in a form that is "
            "known",
            hint="use --time-column to choose another column, or --time-format with a template "
            "such as '%d.%m.%Y %H:%M'",
        )
    family = families.most_common(1)[0][0]
    example = next(text for text in texts if family_of(text) == family)
    if family in {"short", "tod"} and day is None:
        missing = "year" if family == "short" else "date"
        raise FormatError(
            f"the times have no {missing}, the first is {shorten(example)}",
            hint="use --start-time with the first day, such as --start-time 2024-05-01",
        )
    if family in {"iso", "named"}:
        return DateForm("iso" if family == "iso" else "named")
    if family == "tod":
        return DateForm("tod", day)
    return _ordered(family, texts, example, day, survey)


def _ordered(
    family: str, texts: Sequence[str], example: str, day: int | None, survey: Survey
) -> Form:
    """Tell day from month by the rows, of the whole file if need be."""
    orders = possible_orders(texts, family)
    if len(orders) > 1 and survey is not None:
        orders = possible_orders(survey(), family)
    if not orders:
        raise FormatError(
            "the dates have the day first in some rows and the month first in others",
            hint="use --time-format with a template such as '%d.%m.%Y %H:%M'",
        )
    templates = {order: _template_of(example, order) for order in orders}
    if len(orders) > 1:
        first, second = (templates[order] for order in sorted(orders))
        raise FormatError(
            f"day and month could be swapped in all times, such as {shorten(example)}",
            hint=f"use --time-format '{first}' or '{second}'",
        )
    (order,) = orders
    return DateForm(order, day if family == "short" else None, templates[order])


def _template_of(example: str, order: Order) -> str:
    """Return the template that reads an example in one order of day and month."""
    mark = re.search(r"[-/.]", example)
    year = re.match(r"\D*\d{1,2}[-/.]\d{1,2}[-/.](\d+)", example)
    template = _DATES[order].format(
        mark[0] if mark else "/", "%y" if year and len(year[1]) == 2 else "%Y"
    )
    clock = re.search(r"[T_\s,]+\d{1,2}:\d{2}(:\d{2})?([.,]\d+)?\s*([AaPp])?", example)
    if clock is None:
        return template
    hour, half = ("%I", " %p") if clock[3] else ("%H", "")
    seconds = (":%S" if clock[1] else "") + (".%f" if clock[2] else "")
    return f"{template} {hour}:%M{seconds}{half}"


def _guess_unit(
    options: ReadOptions, heading: Heading, numbers: Sequence[Decimal], texts: Sequence[str]
) -> Form:
    exact = any("." in text or "e" in text.lower() for text in texts)
    if options.start_time is not None:
        unit = unit_of_time(heading.name, heading.units)
        if unit is None and any(number != number.to_integral_value() for number in numbers):
            unit = "s"
        if unit is None:
            raise FormatError(
                f"the unit of the relative times in the column {_name(heading)} is not known",
                hint="use --time-format s, ms, us or ns",
            )
        return NumberForm(unit, options.start_time, exact=exact)
    votes = Counter(unit for number in numbers if (unit := unit_of(number)) is not None)
    if votes:
        return NumberForm(votes.most_common(1)[0][0], exact=exact)
    if heading.units == "datenum" and all(
        _DAYS["matlab"][0] <= number < _DAYS["matlab"][1] for number in numbers
    ):
        return NumberForm("matlab", exact=True)
    template = _compact(texts)
    if template is not None:
        return TemplateForm(template, {"year", "date"})
    if options.accept_times:
        return NumberForm("us", exact=exact)
    raise FormatError(
        f"the unit of the time {shorten(texts[0])} is not clear: it is between 1990 and 2100 "
        "neither in seconds nor in milliseconds, microseconds or nanoseconds",
        hint="use --time-format s, ms, us or ns; for times that count from the beginning of a "
        "recording add --start-time with that moment; --accept-times takes them as microseconds "
        "since 1970",
    )


def _compact(texts: Sequence[str]) -> str | None:
    """Return the template of dates that are written as one number."""
    template = _COMPACT.get(len(texts[0]))
    if template is None or not all(
        len(text) == len(texts[0]) and text.isdecimal() for text in texts
    ):
        return None
    return template if all(family_of(_spelled(text)) == "iso" for text in texts) else None


def _spelled(text: str) -> str:
    clock = f" {text[8:10]}:{text[10:12]}" if len(text) > 8 else ""
    return f"{text[:4]}-{text[4:6]}-{text[6:8]}{clock}"


def _has_fraction(sample: Cells) -> bool:
    return any("." in text or "e" in text.lower() for text in map(_text, _cells(sample)))


def _cells(sample: Cells) -> Iterable[Any]:
    return sample.tolist() if isinstance(sample, np.ndarray) else sample


def _text(cell: Any) -> str:
    return "" if cell is None or isinstance(cell, bool) else str(cell).strip()


def _name(heading: Heading) -> str:
    return shorten(heading.name) if heading.name else "of the times"
