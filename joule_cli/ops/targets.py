"""Destinations of computed rows: float streams with a given number of elements."""

from __future__ import annotations

from typing import TYPE_CHECKING

from joule_cli.errors import ElementNamesError, LayoutMismatchError
from joule_cli.ops.errors import OperationError, OverlapError
from joule_cli.ops.joints import join, joints
from joule_cli.ops.streams import stored_intervals
from joule_cli.series.element_names import match
from joule_cli.series.intervals import Interval, intersection

if TYPE_CHECKING:
    from collections.abc import Sequence

    from joule_cli.model import DataStream
    from joule_cli.ops.streams import Place
    from joule_cli.series.element_names import Naming

_FLOATS = ("float32", "float64")


#: Types of which every value is a float32.
_SMALL = ("float32", "int8", "int16", "uint8", "uint16")


def match_target(
    names: Sequence[str], target: DataStream, naming: Naming, path: str
) -> list[int] | None:
    """Return the positions of the values for each element of an existing destination.

    `None` if they are in its order.

    Parameters
    ----------
    names
        Of the elements that the values belong to.

    Raises
    ------
    ElementNamesError
        They do not fit the destination's.
    """
    wanted = [element.name for element in target.elements]
    try:
        columns = match(names, wanted, naming.renames, naming.by_position, noun="element")
    except ElementNamesError as exc:
        exc.object = path
        raise
    return None if columns == list(range(len(wanted))) else columns


def result_type(
    target: DataStream | None, sources: Sequence[DataStream], datatype: str | None, path: str
) -> str:
    """Return the datatype of the results, after checking that the destination stores it.

    Parameters
    ----------
    target
        The destination, if it exists.
    sources
        The streams that the results come from.
    datatype
        What was asked for; `None` takes the destination's, else float64 if a source has values
        that are no float32.

    Raises
    ------
    OperationError
        Another type than float32 or float64 was asked for.
    LayoutMismatchError
        The destination has another type.
    """
    if datatype is not None and datatype not in _FLOATS:
        raise OperationError(f"results are float32 or float64, not {datatype}")
    if target is None:
        small = all(source.datatype in _SMALL for source in sources)
        return datatype or ("float32" if small else "float64")
    if target.datatype not in _FLOATS or target.datatype != (datatype or target.datatype):
        wanted = datatype or "float32 or float64"
        raise LayoutMismatchError(
            f"the destination stores {target.datatype}, not {wanted}", object=path
        )
    return target.datatype


async def refuse_rows_inside(
    place: Place, target: DataStream | None, wanted: Sequence[Interval]
) -> None:
    """Raise `OverlapError` if the destination has rows inside `wanted`."""
    if target is None or not wanted:
        return
    hits = intersection(await stored_intervals(place.node, target), wanted)
    if hits:
        rows = 0
        for hit in hits:
            rows += await place.node.data_count(target, hit.start, hit.end)
        raise OverlapError(place.path, wanted[0].start, wanted[-1].end, rows)


async def join_inside(place: Place, target: DataStream, wholes: Sequence[Interval]) -> None:
    """Remove the breaks that lie inside `wholes`."""
    if wholes:
        first, last = wholes[0].start, wholes[-1].end
        present = await stored_intervals(place.node, target, first, last)
        await join(place.node, target, joints(present, wholes))
