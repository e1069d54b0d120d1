"""Reading back a directory of exported streams."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from joule_cli.errors import FormatError, JouleError, StreamNotFound
from joule_cli.ops.annotations import copy_annotations, keep_missing
from joule_cli.ops.ingest import ingest, plan_ingest
from joule_cli.ops.manifest import MANIFEST, Manifest
from joule_cli.ops.streams import Place, create_stream, find_stream, like

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from joule_cli.api.node import Node
    from joule_cli.formats.base import Reader
    from joule_cli.formats.table.options import ReadOptions
    from joule_cli.ops.ingest import IngestPlan
    from joule_cli.ops.ingest_run import IngestResult
    from joule_cli.ops.ingest_source import IngestOptions
    from joule_cli.ops.manifest import Entry
    from joule_cli.ops.progress import ProgressCallback, Step


@dataclass(frozen=True, slots=True)
class PartOutcome:
    """How it went with one file, or with a stream as a whole if `file` is None."""

    path: str
    file: str | None
    result: IngestResult | None = None
    annotations: int = 0
    error: JouleError | None = None


async def ingest_tree(
    directory: Path,
    node: Node,
    folder: str,
    open_file: Callable[[Path, ReadOptions], Reader],
    options: IngestOptions,
    progress: ProgressCallback | None = None,
    finished: Callable[[PartOutcome], None] | None = None,
) -> list[PartOutcome]:
    """Write everything that `export_tree` put into `directory` below `folder` of the node.

    Streams are created as they were, also those without rows; intervals that go on from one
    file to the next are joined again. A stream that fails does not stop the others.

    Raises
    ------
    FormatError
        The directory has no manifest, or a bad one.
    """
    manifest, options = _whole(directory), _for_parts(options)
    outcomes: list[PartOutcome] = []
    whole = _WholeProgress(manifest, progress)

    def done(outcome: PartOutcome) -> None:
        outcomes.append(outcome)
        if finished is not None:
            finished(outcome)

    for entry in manifest.entries.values():
        place = Place(node, folder.rstrip("/") + entry.path)
        file: str | None = None
        try:
            if not any(part.rows for part in entry.parts):
                # text without rows does not say what the stream is like
                await _create_empty(place, entry, options)
            # decimated rows are described by their file
            model = entry.model() if entry.decimation_level == 1 else None
            for part in entry.parts:
                if not part.rows:
                    continue
                file = part.file
                source = directory / file
                result = await ingest(
                    lambda read, source=source: open_file(source, read),  # type: ignore[misc]
                    node,
                    place.path,
                    replace(options, join=part.continues, model=model),
                    whole.part(part.rows),
                )
                done(PartOutcome(place.path, file, result))
            file = None
            stream = await node.data_stream_get(place.path)
            notes = await keep_missing(entry.notes(), node, stream)
            count = await copy_annotations(node, stream, notes)
            done(PartOutcome(place.path, None, annotations=count))
        except JouleError as exc:
            done(PartOutcome(place.path, file, error=exc))
    return outcomes


async def plan_ingest_tree(
    directory: Path,
    node: Node,
    folder: str,
    open_file: Callable[[Path, ReadOptions], Reader],
    options: IngestOptions,
    progress: ProgressCallback | None = None,
    finished: Callable[[], None] = lambda: None,
) -> list[tuple[Path, IngestPlan]]:
    """Find out for each file with rows what `ingest_tree` would do with it.

    Parameters
    ----------
    finished
        Told after each file.

    Raises
    ------
    FormatError
        The directory has no manifest, or a bad one, or a file cannot be read.
    """
    manifest, options = _whole(directory), _for_parts(options)
    plans = []
    whole = _WholeProgress(manifest, progress, checks=True)
    for entry in manifest.entries.values():
        # decimated rows are described by their file
        model = entry.model() if entry.decimation_level == 1 else None
        for part in entry.parts:
            if not part.rows:
                continue
            file = directory / part.file
            plan = await plan_ingest(
                lambda read, source=file: open_file(source, read),  # type: ignore[misc]
                node,
                folder.rstrip("/") + entry.path,
                replace(options, model=model),
                whole.part(part.rows),
            )
            finished()
            plans.append((file, plan))
    return plans


def _whole(directory: Path) -> Manifest:
    manifest = Manifest.load(directory)
    if manifest is None:
        raise FormatError(f"the directory has no {MANIFEST}", file=str(directory))
    manifest.require_whole(directory)
    return manifest


def _for_parts(options: IngestOptions) -> IngestOptions:
    read = replace(options.read, accept_times=True)
    if read.time_format == "auto":
        # an export writes µs unless it was told otherwise
        read = replace(read, time_format="us")
    return replace(options, read=read)


class _WholeProgress:
    """Tells of each part which share of the whole directory is done with it, by rows.

    Parameters
    ----------
    checks
        The work is to look at the parts, and not what comes after that.
    """

    def __init__(
        self, manifest: Manifest, progress: ProgressCallback | None, *, checks: bool = False
    ) -> None:
        self._checks = checks
        parts = [part.rows for entry in manifest.entries.values() for part in entry.parts]
        self._total = sum(parts)
        self._done = 0
        self._progress = progress

    def part(self, rows: int) -> ProgressCallback | None:
        """Return what takes the reports of the next part."""
        before = self._done
        self._done += rows
        report = self._progress
        if report is None:
            return None

        def step(told: Step) -> None:
            if told.checking == self._checks:
                done = before + rows * (told.fraction or 0.0)
                told = replace(told, share=done / self._total)
            report(told)

        return step


async def _create_empty(place: Place, entry: Entry, options: IngestOptions) -> None:
    if await find_stream(place) is not None:
        return
    if not options.create:
        raise StreamNotFound("stream does not exist", object=place.path)
    await create_stream(place, like(entry.model(), place.path, keep_us=options.keep_us))
