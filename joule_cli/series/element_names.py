"""Matching the columns of a file, or the elements of a stream, with a stream's elements by name.

A name that occurs twice among the columns is chosen as ``NAME#2``, its position counted from 0.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from joule_cli.errors import ElementNamesError
from joule_cli.series.nearest import nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

#: Names that an error lists of each side.
_LISTED = 20


@dataclass(frozen=True, slots=True)
class Naming:
    """How the elements of a destination are found; parameters as for `match`."""

    renames: Mapping[str, str] = field(default_factory=dict)
    by_position: bool = False


def parse_renames(texts: Iterable[str]) -> dict[str, str]:
    """Read ``FOUND_NAME=ELEMENT`` entries.

    Raises
    ------
    ElementNamesError
        An entry lacks a side, or a name is renamed twice.
    """
    renames: dict[str, str] = {}
    for text in texts:
        old, _, new = text.partition("=")
        if not old or not new:
            raise ElementNamesError(f"{text} is not NAME=ELEMENT")
        if renames.setdefault(old, new) != new:
            raise ElementNamesError(f"{old} is renamed to {renames[old]} and to {new}")
    return renames


def match(
    found: Sequence[str],
    wanted: Sequence[str],
    renames: Mapping[str, str] | None = None,
    by_position: bool = False,
    *,
    noun: str = "column",
    leave_out: str | None = None,
) -> list[int]:
    """Find the column that belongs to each element.

    Parameters
    ----------
    found
        Names of the columns that hold values, in their order.
    wanted
        Names of the destination's elements, in their order.
    renames
        Name of a column, or ``NAME#2``, to the name of its element; the others keep theirs.
    by_position
        The first column goes to the first element, whatever they are called.
    noun
        What a column is called in errors: ``column``, or ``element`` of another stream.
    leave_out
        The option that takes only some of the columns, as in ``--columns``.

    Returns
    -------
    list of int
        For each wanted element the position of its column in `found`.

    Raises
    ------
    ElementNamesError
        An element has no column, a column no element, or a name stands for two.
    """
    if by_position:
        if renames:
            raise ElementNamesError("names cannot be mapped when positions decide")
        if len(found) != len(wanted):
            raise ElementNamesError(
                f"{_count(len(found), noun)} for {_count(len(wanted), 'element')}: "
                f"{_both(found, wanted, noun)}",
                hint=f"{leave_out} chooses the {noun}s to take" if leave_out else None,
            )
        return list(range(len(wanted)))
    for new in (renames or {}).values():
        if new not in wanted:
            raise _unknown(f"there is no element {new}", new, wanted, "element")
    names = renamed(found, renames or {}, noun=noun)
    missing = [name for name in dict.fromkeys(wanted) if name not in names]
    extra = [at for at, name in enumerate(names) if name not in wanted]
    if missing or extra:
        parts = [f"the names differ: {_both(found, wanted, noun)}"]
        if missing:
            parts.append(f"nothing for {_listed(missing)}")
        if extra:
            parts.append(f"no place for {_listed([found[at] for at in extra])}")
        raise ElementNamesError(
            "; ".join(parts), hint=_remedy(found, wanted, missing, extra, noun, leave_out)
        )
    _refuse_doubles(found, names, wanted, noun, leave_out)
    return [names.index(name) for name in wanted]


def renamed(found: Sequence[str], renames: Mapping[str, str], *, noun: str = "column") -> list[str]:
    """Return the names that columns have after `renames`; parameters and errors as for `match`."""
    names = list(found)
    for old, new in renames.items():
        names[_position(old, found, noun)] = new
    return names


def _near(name: str, known: Iterable[str]) -> str | None:
    """Return the one of `known` that `name` was probably meant to be."""
    return next(iter(nearest(name, known, 1)), None)


def _position(name: str, found: Sequence[str], noun: str) -> int:
    places = [at for at, each in enumerate(found) if each == name]
    if len(places) == 1:
        return places[0]
    if places:
        spellings = " or ".join(f"{name}#{at}" for at in places)
        raise ElementNamesError(
            f"{_count(len(places), noun)} are called {name}", hint=f"write {spellings}"
        )
    bare, mark, number = name.rpartition("#")
    if mark and number.isdecimal() and int(number) < len(found) and found[int(number)] == bare:
        return int(number)
    raise _unknown(f"there is no {noun} {name}", name, found, noun)


def _unknown(message: str, name: str, known: Sequence[str], noun: str) -> ElementNamesError:
    near = _near(name, known)
    if near is not None:
        return ElementNamesError(message, hint=f"did you mean {near}?")
    return ElementNamesError(message, hint=f"the {noun}s are {_listed(known)}")


def _refuse_doubles(
    found: Sequence[str],
    names: Sequence[str],
    wanted: Sequence[str],
    noun: str,
    leave_out: str | None,
) -> None:
    for name in wanted:
        if wanted.count(name) > 1:
            raise ElementNamesError(
                f"two elements are called {name}", hint="use --by-position if the order is the same"
            )
        places = [at for at, each in enumerate(names) if each == name]
        if len(places) > 1:
            first, second = (f"{found[at]}#{at}" for at in places[:2])
            raise ElementNamesError(
                f"two {noun}s are for the element {name}: {first} and {second}",
                hint=f"{leave_out} chooses one by its index" if leave_out else None,
            )


def _remedy(
    found: Sequence[str],
    wanted: Sequence[str],
    missing: Sequence[str],
    extra: Sequence[int],
    noun: str,
    leave_out: str | None,
) -> str | None:
    ways = []
    if missing and extra:
        free = [found[at] for at in extra]
        for name in missing:
            near = _near(name, free)
            if near is not None:
                ways.append(f"--map {_word(f'{near}={name}')} if {near} is {name}")
                break
        else:
            ways.append(f"--map {_word(f'{free[0]}={missing[0]}')} if they are the same")
    if len(found) == len(wanted):
        ways.append("--by-position if the order is the same")
    if extra and not missing and leave_out:
        ways.append(f"{leave_out} with the {noun}s to take")
    return f"use {', or '.join(ways)}" if ways else None


def _word(text: str) -> str:
    """Quote a word for a shell where that is needed."""
    import shlex

    return shlex.quote(text)


def _both(found: Sequence[str], wanted: Sequence[str], noun: str) -> str:
    others = "the elements" if noun == "column" else "those of the destination"
    return f"the {noun}s are {_listed(found)}, {others} {_listed(wanted)}"


def _listed(names: Sequence[str]) -> str:
    text = ", ".join(names[:_LISTED])
    more = len(names) - _LISTED
    return f"{text} and {more} more" if more > 0 else text


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}{'' if n == 1 else 's'}"
