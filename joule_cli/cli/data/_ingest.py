"""One file after the other into the node, with the question where rows are in the way."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from itertools import accumulate, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from joule_cli.cli._output import Column, count_text, emit_ok, output_format, show_time
from joule_cli.cli._prompt import confirm
from joule_cli.cli._run import report
from joule_cli.cli._settings import current
from joule_cli.cli.data._input import opened
from joule_cli.formats import open_reader
from joule_cli.ops.errors import OverlapError
from joule_cli.ops.ingest import ingest, plan_ingest
from joule_cli.ops.ingest_series import ingest_series, labels_in
from joule_cli.ops.ingest_tree import PartOutcome, ingest_tree, plan_ingest_tree

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from joule_cli.api.node import Node
    from joule_cli.cli._progress import Progress
    from joule_cli.cli.data._rejects import Rejects
    from joule_cli.formats import Reader, ReadOptions
    from joule_cli.formats.base import Tally
    from joule_cli.formats.table.reader import TableReader
    from joule_cli.ops.gaps import GapWatch
    from joule_cli.ops.ingest import IngestPlan
    from joule_cli.ops.ingest_run import IngestResult
    from joule_cli.ops.ingest_source import IngestOptions
    from joule_cli.ops.progress import Step

Records = list[dict[str, Any]]

COLUMNS = (
    Column("file"),
    Column("stream"),
    Column("created"),
    Column("rows", kind="number"),
    Column("skipped", kind="number"),
    Column("rejected", kind="number"),
    Column("duplicates", kind="number", shown=False),
    Column("missing", shown=False),
    Column("replaced", kind="number"),
    Column("conflicts", kind="number", shown=False),
    Column("layout", shown=False),
    Column("intervals", kind="number"),
    Column("start", kind="time"),
    Column("end", kind="time"),
    Column("warnings", shown=False),
)


@dataclass(slots=True)
class Ingestion:
    """How files become rows of streams.

    `failed` counts the files inside directories that did not.
    """

    node: Node
    form: str | None
    options: IngestOptions
    asks: bool
    rejects: Rejects
    table: dict[str, Any]
    bar: Progress
    failed: int = 0

    async def run(self, file: str, path: str | None, step: Callable[[Step], None]) -> Records:
        """Write a file, or a directory, and return a record for each file."""
        if is_directory(file):
            return await self._directory(file, path, step)
        options = self._for(file)
        if path is not None and labels_in(path):
            return await self._series(file, path, options, step)
        try:
            result = await ingest(self._opener(file), self.node, path, options, step)
        except OverlapError as exc:
            if not self.asks:
                raise
            self.bar.clear()
            question = (
                f"Replace {count_text(exc.rows, 'row')} of {exc.object} "
                f"from {show_time(exc.start)} to {show_time(exc.end)}?"
            )
            if not exc.rows:
                question = f"Replace the rows of {exc.object} that are in the way?"
            if not confirm(question, always=True, stdin_is_data=file == "-"):
                emit_ok("Cancelled", {"status": "cancelled"})
                raise click.exceptions.Exit(0) from None
            options = replace(options, on_conflict="replace")
            self.bar.restart()
            result = await ingest(self._opener(file), self.node, path, options, step)
        return [_record(file, result)]

    async def plan(self, file: str, path: str | None, step: Callable[[Step], None]) -> Records:
        """Find out what `run` would do; nothing is changed."""
        if is_directory(file):
            return await self._plan_directory(file, path, step)
        options = self._for(file)
        plan = await plan_ingest(self._opener(file), self.node, path, options, step)
        if output_format() in {"table", "plain"} and not current().quiet and options.repeatable:
            await self._inspect(file, plan.stream)
        return [self._planned(file, plan)]

    async def _inspect(self, file: str, stream: str) -> None:
        """Show how a file is understood."""
        from joule_cli.cli.data.inspect import show
        from joule_cli.formats.registry import open_named_reader
        from joule_cli.ops.inspect import RejectKinds, inspect

        form = ""
        rejects = RejectKinds()

        def open_file(read: ReadOptions) -> TableReader:
            nonlocal form
            reader, form = open_named_reader(opened(file), self.form, read)
            return reader

        on_reject = rejects.add if self.options.skip_bad else None
        read = replace(self.options.read, on_reject=on_reject)
        found = await inspect(open_file, read, rejects)
        self.bar.clear()
        show(file, form, self.table, found, stream)

    def _for(self, file: str) -> IngestOptions:
        return replace(self.options, repeatable=file != "-" and _is_regular(file))

    async def _series(
        self, file: str, path: str, options: IngestOptions, step: Callable[[Step], None]
    ) -> Records:
        """Write each series of a long table to a stream of its own."""
        outcomes = await ingest_series(self._opener(file), self.node, path, options, step)
        records = []
        for outcome in outcomes:
            if outcome.error is not None:
                self.bar.clear()
                report(outcome.error, current())
                self.failed += 1
            elif outcome.result is not None:
                records.append(_record(file, outcome.result))
        return records

    def _opener(self, file: str) -> Callable[[ReadOptions], Reader]:
        def open_file(read: ReadOptions) -> Reader:
            reader = open_reader(opened(file), self.form, read)
            self.rejects.heading = reader.heading
            return reader

        return open_file

    def _planned(self, file: str, plan: IngestPlan) -> dict[str, Any]:
        if plan.conflicts and not self.asks and self.options.on_conflict == "fail":
            start, end = plan.intervals[0].start, plan.intervals[-1].end
            raise OverlapError(plan.stream, start, end, plan.conflicts)
        spans = plan.intervals
        return {
            "file": file,
            "stream": plan.stream,
            "created": plan.creates,
            "layout": plan.layout,
            "rows": plan.rows,
            "conflicts": plan.conflicts,
            "intervals": len(spans),
            "start": spans[0].start if spans else None,
            "end": spans[-1].end if spans else None,
            **_noticed(plan.tally, plan.gaps),
        }

    def _open_part(self, file: Path, read: ReadOptions) -> Reader:
        return open_reader(file, self.form, read)

    async def _directory(
        self, directory: str, folder: str | None, step: Callable[[Step], None]
    ) -> Records:
        options = self.options
        outcomes = await self._tree(directory, folder, options, step)
        in_the_way = [o for o in outcomes if isinstance(o.error, OverlapError)]
        if in_the_way and self.asks:
            self.bar.clear()
            paths = sorted({outcome.path for outcome in in_the_way})
            details = "\n".join(f"  {path}" for path in paths)
            question = f"Replace rows of {count_text(len(paths), 'stream')}?"
            if not confirm(question, details=details, always=True):
                emit_ok("Cancelled", {"status": "cancelled"})
                raise click.exceptions.Exit(0)
            options = replace(options, on_conflict="replace")
            self.bar.restart()
            outcomes = await self._tree(directory, folder, options, step)
        records = []
        for outcome in outcomes:
            if outcome.error is not None:
                self.bar.clear()
                report(outcome.error, current())
                self.failed += 1
            elif outcome.result is not None:
                records.append(_record(str(Path(directory, str(outcome.file))), outcome.result))
        return records

    async def _tree(
        self,
        directory: str,
        folder: str | None,
        options: IngestOptions,
        step: Callable[[Step], None],
    ) -> list[PartOutcome]:
        def finished(outcome: PartOutcome) -> None:
            if outcome.result is not None:
                self.bar.next_part()

        return await ingest_tree(
            Path(directory), self.node, folder or "/", self._open_part, options, step, finished
        )

    async def _plan_directory(
        self, directory: str, folder: str | None, step: Callable[[Step], None]
    ) -> Records:
        plans = await plan_ingest_tree(
            Path(directory),
            self.node,
            folder or "/",
            self._open_part,
            self.options,
            step,
            self.bar.next_part,
        )
        return [self._planned(str(file), plan) for file, plan in plans]


def parts_of(files: Sequence[str]) -> list[tuple[float, float] | None]:
    """Return for each file the shares of the work at which it begins and ends, by the sizes.

    `None` for all when the size of one is not known.
    """
    if len(files) == 1:
        return [(0.0, 1.0)]
    sizes = [_size(file) for file in files]
    known = [size for size in sizes if size is not None]
    total = sum(known)
    if len(known) < len(sizes) or not total:
        return [None] * len(sizes)
    ends = [end / total for end in accumulate(known)]
    return list(pairwise([0.0, *ends]))


def _size(file: str) -> int | None:
    path = Path(file)
    try:
        if is_directory(file):
            return sum(each.stat().st_size for each in path.rglob("*"))
        return path.stat().st_size if file != "-" and path.is_file() else None
    except OSError:
        # its reader tells what is wrong with it
        return None


def is_directory(file: str) -> bool:
    """Whether a file given by name is a directory."""
    return file != "-" and Path(file).is_dir()


def _is_regular(file: str) -> bool:
    path = Path(file)
    # a file that does not exist is reported by its reader
    return not path.exists() or path.is_file()


def _record(file: str, result: IngestResult) -> dict[str, Any]:
    plain = {
        field.name: getattr(result, field.name)
        for field in fields(result)
        if field.name not in {"tally", "gaps"}
    }
    return {"file": file, **plain, **_noticed(result.tally, result.gaps)}


def _noticed(tally: Tally, gaps: GapWatch) -> dict[str, Any]:
    """Return what was noticed besides rows."""
    return {
        "rejected": tally.rejected,
        "duplicates": tally.equal + tally.merged,
        "missing": dict(tally.missing),
        "incomplete": tally.incomplete,
        "filtered": tally.filtered,
        "warnings": list(tally.warnings),
        "step": gaps.step_us,
        "gaps": gaps.gaps,
        "longest_gap": gaps.longest_us or None,
    }
