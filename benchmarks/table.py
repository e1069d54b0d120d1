"""The results as one plain table."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.results import Case, Metric, Results

_HEADER = ("case", "median", "min-max", "unit", "target", "ratio to baseline")
_NUMBERS = (1, 2)


def render(cases: Sequence[Case], results: Results) -> str:
    """Return the table of the cases that were run."""
    lines: list[Sequence[str]] = [_HEADER]
    for case in cases:
        if case.name in results.failures:
            lines.append((case.name, "FAILED", "", "", results.failures[case.name], ""))
            continue
        for name, metric in case.metrics.items():
            lines.append(_line(f"{case.name}/{name}", metric, results))
    # a message of a failure is not cut, and makes no column wide
    widths = [
        max(len(line[i]) for line in lines if line[1] != "FAILED" or i == 0)
        for i in range(len(_HEADER))
    ]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if i in _NUMBERS else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def _line(name: str, metric: Metric, results: Results) -> Sequence[str]:
    values = results.samples[name]
    middle = results.median(name)
    assert middle is not None
    targets = "; ".join(
        f"{target} {_verdict(results.reached(name, target))}" for target in metric.targets
    )
    ratios = []
    for baseline in metric.baselines:
        ratio = results.ratio(name, baseline)
        if ratio is not None:
            ratios.append(f"{number(ratio)}x {baseline.partition('/')[0]}")
    spread = f"{number(min(values))}-{number(max(values))}"
    return name, number(middle), spread, metric.unit, targets, ", ".join(ratios)


def _verdict(reached: bool | None) -> str:
    if reached is None:
        return "not compared"
    return "reached" if reached else "MISSED"


def number(value: float) -> str:
    """Three digits are more than these figures are worth."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"
