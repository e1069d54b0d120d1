"""What a file of rows holds, and how it is understood; nothing is stored."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from joule_cli.ops.gaps import GapWatch
from joule_cli.ops.worker import Worker, read_ahead, with_share

if TYPE_CHECKING:
    from collections.abc import Callable

    from joule_cli.formats.base import Tally
    from joule_cli.formats.table.options import ReadOptions
    from joule_cli.formats.table.reader import TableReader


@dataclass(slots=True)
class ColumnView:
    """One column of a file.

    Parameters
    ----------
    role
        ``time``, ``value``, ``interval``, ``where``, ``label`` or empty for one that is not used.
    element
        The element that its values are for.
    """

    index: int
    name: str
    role: str
    element: str
    units: str
    datatype: str
    missing: int = 0


@dataclass(slots=True)
class Inspection:
    """What a file holds.

    Parameters
    ----------
    times
        The form of the times; empty if the rows have none.
    time_format
        What ``--time-format`` says in its place; empty where the type of the column does.
    zone
        Zone of local times; empty if they are instants.
    start, end
        Of the first and the last row, µs.
    rejects
        The first row of each kind of mistake: number, text, reason and how many there are.
    """

    container: str
    notes: list[str]
    columns: list[ColumnView]
    times: str
    time_format: str
    zone: str
    zone_told: str | None
    delimiter: str | None
    decimal: str
    thousands: str
    tally: Tally
    rows: int = 0
    intervals: int = 0
    start: int | None = None
    end: int | None = None
    gaps: GapWatch = field(default_factory=GapWatch)
    rejects: list[dict[str, Any]] = field(default_factory=list)


class RejectKinds:
    """Keeps the first bad row of each kind."""

    def __init__(self) -> None:
        self.kinds: dict[str, dict[str, Any]] = {}

    def add(self, number: int, text: str, reason: str) -> None:
        """Take a bad row; called from the thread that reads."""
        kind = "".join("#" if character.isdigit() else character for character in reason)
        kind = kind.split("'")[0] + kind.split("'")[-1]
        found = self.kinds.setdefault(
            kind, {"number": number, "text": text, "reason": reason, "count": 0}
        )
        found["count"] += 1


async def inspect(
    open_reader: Callable[[ReadOptions], TableReader], options: ReadOptions, rejects: RejectKinds
) -> Inspection:
    """Read a whole file and tell how it is understood.

    Raises
    ------
    FormatError
        It cannot be read, or something is in doubt.
    """
    async with Worker("inspect") as worker:
        reader = await worker.call(open_reader, options)
        try:
            found = _view(reader)
            fresh = True
            last: int | None = None
            items = with_share(reader.blocks(), reader)
            async with aclosing(read_ahead(worker, items)) as ahead:
                async for rows, _ in ahead:
                    if rows is None:
                        fresh = True
                        continue
                    stamps = rows["timestamp"]
                    if found.start is None:
                        found.start = int(stamps[0])
                    last = int(stamps[-1])
                    found.rows += len(rows)
                    found.intervals += fresh
                    found.gaps.add(rows, fresh=fresh)
                    fresh = False
        finally:
            reader.close()
    found.end = last
    found.tally = reader.tally
    for column in found.columns:
        column.missing = reader.tally.missing.get(column.element, 0) if column.element else 0
    found.rejects = list(rejects.kinds.values())
    return found


def _view(reader: TableReader) -> Inspection:
    view, container = reader.view, reader.container
    roles = {at: "interval" for at in (view.columns.interval,) if at is not None}
    roles |= dict.fromkeys(view.columns.labels, "label")
    roles |= dict.fromkeys((at for at, _ in view.columns.where), "where")
    roles |= dict.fromkeys(view.columns.times, "time")
    roles |= dict.fromkeys(view.columns.values, "value")
    elements = dict(zip(view.columns.values, view.elements, strict=True))
    names = dict(zip(view.columns.values, view.names, strict=True))
    columns = []
    for at, heading in enumerate(container.columns):
        element = elements.get(at)
        units = element.units if element is not None else heading.units
        columns.append(
            ColumnView(
                index=at,
                name=heading.name,
                role=roles.get(at, ""),
                element=names.get(at, ""),
                units=units or "",
                datatype=reader.head.layout.datatype if element is not None else "",
            )
        )
    times = view.times
    return Inspection(
        container=container.kind,
        notes=list(container.notes),
        columns=columns,
        times=times.form.label if times is not None else "",
        time_format=times.form.option if times is not None else "",
        zone=str(view.tz) if times is not None and times.form.local else "",
        zone_told=view.zone_told,
        delimiter=container.delimiter,
        decimal=view.marks.decimal,
        thousands=view.marks.thousands,
        tally=reader.tally,
    )
