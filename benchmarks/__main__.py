"""``python -m benchmarks``: run the cases and print a table."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.bench import ROW_BYTES, Bench, Sizes
from benchmarks.cases import all_cases
from benchmarks.results import CaseError, Results
from benchmarks.table import render

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.results import Case

#: The usual size, which the targets are stated for.
_ROWS = 10_000_000


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    sizes = Sizes(options.rows, options.large)
    cases = [case for case in all_cases(sizes) if _wanted(case.name, options.only)]
    if not cases:
        print("no case has such a name", file=sys.stderr)
        return 2
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="joule-bench-", dir=options.dir) as place:
        bench = Bench(sizes, Path(place))
        environment = _environment(bench, options.repeat)
        print("\n".join(f"{name}: {text}" for name, text in environment.items()), flush=True)
        results = _run(bench, cases, options.repeat)
    print()
    print(render(cases, results))
    print(f"\n{time.perf_counter() - begin:.0f} s in all")
    if options.json is not None:
        content = {
            "environment": environment,
            "metrics": {
                f"{case.name}/{name}": {
                    "unit": metric.unit,
                    "median": results.median(f"{case.name}/{name}"),
                    "samples": results.samples.get(f"{case.name}/{name}", []),
                    "targets": {
                        str(target): results.reached(f"{case.name}/{name}", target)
                        for target in metric.targets
                    },
                }
                for case in cases
                for name, metric in case.metrics.items()
            },
            "failures": results.failures,
        }
        options.json.write_text(json.dumps(content, indent=2) + "\n")
    return 1 if results.failures else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__)
    parser.add_argument("--rows", type=_count, default=_ROWS, help="rows of the engine cases")
    parser.add_argument("--repeat", type=_count, default=5, help="fresh processes per case")
    parser.add_argument("--only", metavar="PATTERN", help="cases whose name has or matches this")
    parser.add_argument("--large", action="store_true", help="let the stream grow 100 times longer")
    parser.add_argument("--dir", type=Path, help="where to put the files (4 GB, --large 12 GB)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure to a file")
    return parser


def _count(text: str) -> int:
    number = int(text.replace("_", ""))
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number


def _wanted(name: str, pattern: str | None) -> bool:
    return pattern is None or pattern in name or fnmatch(name, pattern)


def _run(bench: Bench, cases: Sequence[Case], repeat: int) -> Results:
    """Run every case; one that fails is noted, and the rest go on."""
    results = Results()
    for case in cases:
        times = min(repeat, case.at_most)
        try:
            for turn in range(times):
                if sys.stderr.isatty():
                    print(f"\r\033[K{case.name} {turn + 1}/{times}", end="", file=sys.stderr)
                found = case.run(bench)
                for name in case.metrics:
                    results.samples.setdefault(f"{case.name}/{name}", []).append(found[name])
        except CaseError as error:
            results.failures[case.name] = str(error)
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr)
    return results


def _environment(bench: Bench, repeat: int) -> dict[str, str]:
    """Return what somebody else needs to judge the figures."""
    data = bench.worker("prepare:parameters")
    sizes = bench.sizes
    load = os.getloadavg()[0]
    return {
        "machine": f"{platform.machine()}, {os.cpu_count()} CPUs, {platform.system()} "
        f"{platform.release()}, Python {platform.python_version()}, load {load:.1f} at the start",
        "rows": f"{sizes.rows:,} x 4 float32 ({sizes.rows * ROW_BYTES / 1e6:.0f} MB raw); commands "
        f"{sizes.command_rows:,}, SQLite table {sizes.sqlite_rows:,} rows; {sizes.events:,} events",
        "data": "16-bit counts, sines of {amplitude} with noise of {noise} (standard deviation), "
        "every {period_us} µs with ±{jitter_us} µs, seed {seed}".format(**data),
        "repeats": f"{repeat} fresh processes a case, fewer for long ones",
        "targets": f"stated for {_ROWS:,} rows on two idle cores",
    }


if __name__ == "__main__":
    sys.exit(main())
