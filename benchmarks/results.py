"""What a case measures, what it should reach, and what came out."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.bench import Bench


@dataclass(frozen=True, slots=True)
class Target:
    """A limit for a median, or for its ratio to the median of `baseline`; reached when met."""

    limit: float
    at_least: bool = False
    baseline: str | None = None

    def reached(self, value: float) -> bool:
        """Whether a figure is as good as the limit."""
        return value >= self.limit if self.at_least else value <= self.limit

    def __str__(self) -> str:
        text = f"{'>=' if self.at_least else '<='} {self.limit:g}"
        return text if self.baseline is None else f"{text}x {self.baseline}"


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure of a case.

    Parameters
    ----------
    targets
        Stated for runs of the usual size.
    baselines
        ``case/metric`` names that the median is divided by.
    """

    unit: str
    targets: tuple[Target, ...] = ()
    baselines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Case:
    """Something to measure: `run` does it once, in fresh processes, and returns its figures."""

    name: str
    metrics: dict[str, Metric]
    run: Callable[[Bench], dict[str, float]]
    at_most: int = 1000  # repetitions, for what takes long


class CaseError(Exception):
    """A case could not be measured: what it ran failed, or gave a wrong result."""


@dataclass(slots=True)
class Results:
    """The figures of a run, by ``case/metric``."""

    samples: dict[str, list[float]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)

    def median(self, name: str) -> float | None:
        """Return the median of a metric, `None` if it was not measured."""
        values = self.samples.get(name)
        return median(values) if values else None

    def ratio(self, name: str, baseline: str) -> float | None:
        """Divide the medians of two metrics."""
        value, base = self.median(name), self.median(baseline)
        return None if value is None or not base else value / base

    def reached(self, name: str, target: Target) -> bool | None:
        """Tell whether a metric reaches a target; `None` if that was not measured."""
        value = self.median(name)
        if target.baseline is not None:
            value = self.ratio(name, target.baseline)
        return None if value is None else target.reached(value)
