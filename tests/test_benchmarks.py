"""The benchmarks run, each case of them, and say so when one does not."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.__main__ import _run
from benchmarks.bench import Bench, Sizes
from benchmarks.results import Case, Metric, Results, Target
from benchmarks.table import render

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize(
    "pattern",
    [
        pytest.param("[!j]*", id="engine"),
        pytest.param("joule-*", id="commands"),
    ],
)
def test_every_case_gives_its_figures(tmp_path: Path, pattern: str) -> None:
    found = tmp_path / "found.json"
    options = ["--rows", "3000", "--repeat", "1", "--dir", tmp_path, "--json", found]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", *options, "--only", pattern],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    metrics = json.loads(found.read_text())["metrics"]
    assert all(metric["median"] > 0 for metric in metrics.values())
    assert all(f"\n{name} " in done.stdout for name in metrics)
    assert list(tmp_path.iterdir()) == [found], "the files of the run stay behind"


def test_an_unknown_case_is_refused() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--only", "nothing"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")


def test_a_failed_case_is_reported_and_the_rest_go_on(tmp_path: Path) -> None:
    def fail(bench: Bench) -> dict[str, float]:
        bench.python("-c", "raise SystemExit('no such thing')")
        return {"time": 0.0}

    unit = {"time": Metric("s")}
    cases = [Case("broken", unit, fail), Case("sound", unit, lambda _: {"time": 2.0})]
    results = _run(Bench(Sizes(100), tmp_path), cases, 2)
    assert results.failures == {"broken": "status 1: no such thing"}
    assert results.samples == {"sound/time": [2.0, 2.0]}
    assert "FAILED" in render(cases, results)


def test_targets_are_compared_with_medians_and_ratios() -> None:
    targets = (Target(5, at_least=True), Target(10, at_least=True, baseline="slow/rate"))
    fast = Case("fast", {"rate": Metric("/s", targets, ("slow/rate",))}, lambda _: {})
    results = Results({"fast/rate": [6.0, 4.0, 9.0], "slow/rate": [2.0]})
    line = render([fast], results).splitlines()[1]
    columns = re.split("  +", line)
    assert columns[4:] == [">= 5 reached; >= 10x slow/rate MISSED", "3x slow"]
    assert columns[:4] == ["fast/rate", "6", "4-9", "/s"]


def test_a_ratio_without_its_baseline_is_not_judged() -> None:
    metric = Metric("/s", (Target(10, at_least=True, baseline="slow/rate"),), ("slow/rate",))
    line = render([Case("fast", {"rate": metric}, lambda _: {})], Results({"fast/rate": [6.0]}))
    assert line.endswith("not compared")
