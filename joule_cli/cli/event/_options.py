"""Arguments and options that the commands on events share.

=========================  ============================================================
``@filter_options``        ``--where --filter``; the command gets ``chosen: Chosen``
``@ongoing_option``        ``--ongoing/--no-ongoing``; the command gets ``ongoing: bool``
``resolve_window``         the bounds of ``@time_bounds`` in µs, for an event stream
=========================  ============================================================
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import reduce, wraps
from typing import TYPE_CHECKING, Any, TypeVar

import click

from joule_cli.cli._output import tell_watcher
from joule_cli.cli._references import event_stream_info
from joule_cli.errors import TimeFormatError

if TYPE_CHECKING:
    from joule_cli.cli._options import Bounds
    from joule_cli.ops.streams import FoundEvents
    from joule_cli.series.event_filter import Filter

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which events ``--where`` and ``--filter`` choose: those that match all of them."""

    filter: Filter = ()

    @property
    def given(self) -> bool:
        """Whether events have to match anything at all; ``--filter '[]'`` says nothing."""
        return bool(self.filter)

    def json_filter(self) -> str | None:
        """Return the filter as the calls of a node take it."""
        if not self.filter:
            return None
        from joule_cli.series.event_filter import to_json

        return to_json(self.filter)


def filter_options(command: F) -> F:
    """Add ``--where`` and ``--filter``; the command gets them as ``chosen``.

    They are read before the node is opened, so that a mistake is found before any request.
    """

    @click.option(
        "--where",
        multiple=True,
        metavar="'FIELD OP VALUE'",
        help="Only events whose content matches, as in 'power > 100 and kind is heat'. "
        "OP is one of = != > >= < <= ~ is not like unlike. "
        "If repeated, events have to match all of them.",
    )
    @click.option(
        "--filter",
        multiple=True,
        metavar="JSON",
        help='The same in the form of the API, as in [[["power","gt",100]]]: OR of ANDs.',
    )
    @wraps(command)
    def filtered(*args: Any, **kwargs: Any) -> Any:
        kwargs["chosen"] = read_chosen(kwargs.pop("where"), kwargs.pop("filter"))
        return command(*args, **kwargs)

    return filtered  # type: ignore[return-value]  # click only sees that it is callable


def read_chosen(where: Iterable[str], filters: Iterable[str]) -> Chosen:
    """Read the texts of ``--where`` and ``--filter``.

    Raises
    ------
    FilterError
        With the position of the mistake.
    """
    conditions, filters = tuple(where), tuple(filters)
    if not conditions and not filters:
        return Chosen()
    from joule_cli.series.event_filter import both, parse_filter
    from joule_cli.series.where import parse_where

    return Chosen(reduce(both, map(parse_filter, filters), parse_where(conditions)))


def ongoing_option(command: F) -> F:
    """Add ``--ongoing/--no-ongoing``; the command gets ``ongoing``."""
    return click.option(
        "--ongoing/--no-ongoing",
        default=True,
        help="With --start, whether events count that began before it and had not ended then; "
        "by default they do.",
    )(command)


def tell_unknown_fields(named: Iterable[str], declared: Iterable[str], path: str) -> None:
    """Tell a person which fields were named that the stream does not declare."""
    known = list(declared)
    unknown = [field for field in dict.fromkeys(named) if field not in known]
    if known and unknown:
        from joule_cli.series.nearest import among
        from joule_cli.series.visible import one_line

        for field in unknown:
            told = f"{one_line(path)} declares no {one_line(field)}"
            tell_watcher(f"{told}; {among(field, known, 'fields')}")


async def resolve_window(source: FoundEvents, bounds: Bounds) -> tuple[int | None, int | None]:
    """Return start and end in µs; ``start`` and ``end`` are those of the stream's events.

    Raises
    ------
    TimeFormatError
        The range is empty, or the stream has no events to measure from.
    """
    anchored = [side for side in (bounds.start, bounds.end) if side and side.needs_stream]
    if not anchored:
        return bounds.within(None, None)
    info = await event_stream_info(source.node, source.model)
    if info.start is None:
        raise TimeFormatError(
            f"the stream has no events, so [{anchored[0].anchor}] is no time", object=source.path
        )
    return bounds.within(info.start, info.end)
