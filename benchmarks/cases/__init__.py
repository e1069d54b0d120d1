"""All cases, in the order in which they run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.cases import (
    baselines,
    by_hand,
    commands,
    engine,
    events,
    growth,
    served,
    small_writes,
    sql,
    startup,
)

if TYPE_CHECKING:
    from benchmarks.bench import Sizes
    from benchmarks.results import Case


def all_cases(sizes: Sizes) -> list[Case]:
    return [
        *baselines.cases(),
        *engine.cases(),
        *small_writes.cases(sizes),
        *events.cases(),
        *commands.cases(),
        *by_hand.cases(),
        *sql.cases(),
        *startup.cases(),
        *served.cases(),
        *growth.cases(sizes),
    ]
