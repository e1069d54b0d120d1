"""Names that were probably meant by one that does not exist."""

from __future__ import annotations

from typing import TYPE_CHECKING

from joule_cli.series.visible import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

#: Names that are shown; more do not help.
_SHOWN = 3
#: Names of a list before the rest is only counted.
_LISTED = 20
#: How alike two names are at least, from 0 to 1; the value that difflib recommends.
_ALIKE = 0.6
#: How much less than the nearest name another may be alike.
_BEHIND = 0.15
#: Names that are compared closely, which takes long; a node may have 100,000.
_COMPARED = 500


def nearest(name: str, known: Iterable[str], limit: int = _SHOWN) -> list[str]:
    """Return the names that are most like one that is not among them, the nearest first.

    These are names that differ in case only or lack leading folders, else those that begin with
    the text, else those with few different letters. Of a path the last part must be alike too.

    Parameters
    ----------
    name
        What was looked for.
    known
        The names or paths that exist; they need not be sorted, and may repeat.
    limit
        How many names at most.
    """
    wanted = name.strip().strip("/").casefold()
    if not wanted:
        return []
    folded: dict[str, list[str]] = {}
    for each in dict.fromkeys(known):
        if each != name:
            folded.setdefault(each.strip().strip("/").casefold(), []).append(each)
    folded.pop("", None)
    same = folded.get(wanted, [])
    ending = [each for each in folded if each.endswith(f"/{wanted}")]
    begun = [each for each in folded if each != wanted and each.startswith(wanted)]
    found = same + [each for key in ending or sorted(begun, key=len) for each in folded[key]]
    if not found:
        found = [each for key in _alike(wanted, folded, limit) for each in folded[key]]
    return found[:limit]


def did_you_mean(name: str, known: Iterable[str]) -> str | None:
    """Return ``did you mean a, b or c?`` for a name that does not exist, if any is near."""
    return question(nearest(name, known))


def among(name: str, known: Iterable[str], kind: str) -> str:
    """Return a hint for a name that does not exist: the nearest ones, then those that there are.

    Parameters
    ----------
    kind
        What the names are, in the plural, as in ``the elements are volts, amps``.
    """
    names = list(known)
    if not names:
        return f"there are no {kind}"
    listed = ", ".join(map(one_line, names[:_LISTED]))
    if len(names) > _LISTED:
        listed += f" and {len(names) - _LISTED:,} more"
    near = did_you_mean(name, names)
    return f"{near} The {kind} are {listed}" if near else f"the {kind} are {listed}"


def question(names: Sequence[str]) -> str | None:
    """Return ``did you mean a, b or c?`` for names that were found, None without any."""
    if not names:
        return None
    *others, last = map(one_line, names)
    return f"did you mean {', '.join(others)} or {last}?" if others else f"did you mean {last}?"


def _alike(wanted: str, known: Iterable[str], limit: int) -> list[str]:
    import difflib
    import heapq

    letters = {wanted[i : i + n] for n in (1, 2) for i in range(len(wanted))}
    likely = heapq.nlargest(_COMPARED, known, key=lambda key: sum(each in key for each in letters))
    matcher = difflib.SequenceMatcher(autojunk=False)

    def ratio(text: str) -> float:
        matcher.set_seq1(text)
        # an upper bound that costs less
        return matcher.ratio() if matcher.quick_ratio() >= _ALIKE else 0.0

    matcher.set_seq2(wanted)
    whole = {key: ratio(key) for key in likely}
    matcher.set_seq2(wanted.rpartition("/")[2])
    last = {key: ratio(key.rpartition("/")[2]) for key in likely}
    scores = {key: max(last[key], (whole[key] + last[key]) / 2) for key in likely}
    least = max(_ALIKE, max(scores.values(), default=0.0) - _BEHIND)
    found = [key for key in likely if scores[key] >= least]
    return sorted(found, key=lambda key: (-scores[key], -whole[key], key))[:limit]
