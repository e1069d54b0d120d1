"""A long table, each of its series into a stream of its own."""

from __future__ import annotations

import re
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from joule_cli.errors import FormatError, JouleError, LayoutMismatchError
from joule_cli.formats.base import Reader, Tally
from joule_cli.formats.table.order import Spool
from joule_cli.formats.table.problems import Problems
from joule_cli.formats.table.values import Marks, MissingValues, ValueColumn
from joule_cli.ops.ingest import ingest
from joule_cli.ops.ingest_tree import PartOutcome
from joule_cli.ops.worker import Worker, read_ahead
from joule_cli.series.element_names import match
from joule_cli.series.layout import Layout

if TYPE_CHECKING:
    from collections.abc import Iterator

    from joule_cli.api.node import Node
    from joule_cli.formats.table.options import ReadOptions
    from joule_cli.formats.table.reader import Labelled, TableReader
    from joule_cli.ops.ingest_source import IngestOptions, OpenReader
    from joule_cli.ops.progress import ProgressCallback
    from joule_cli.series.layout import Rows

#: A name of a column in the path of the streams.
_FIELD: Final = re.compile(r"\{([^{}]+)\}")
#: More series are hardly meant: each has an open file.
_MOST_SERIES: Final = 500


def labels_in(path: str) -> list[str]:
    """Return the names of columns in a path such as ``/home/{entity_id}``."""
    return _FIELD.findall(path)


async def ingest_series(
    open_reader: OpenReader,
    node: Node,
    template: str,
    options: IngestOptions,
    progress: ProgressCallback | None = None,
) -> list[PartOutcome]:
    """Write each series of a long table to the stream whose path its labels make.

    The whole file is read and checked before anything is stored.

    Raises
    ------
    FormatError
        The file is bad; nothing is stored.
    """
    names = labels_in(template)
    read = replace(options.read, labels=names)
    if options.skip_bad and options.on_reject is not None:
        read = replace(read, on_reject=options.on_reject)
    spools: dict[str, Spool] = {}
    try:
        async with Worker("ingest") as worker:
            reader: Any = await worker.call(open_reader, read)
            try:
                async with aclosing(read_ahead(worker, reader.labelled())) as found:
                    async for part in found:
                        _keep(part, template, spools, reader)
            finally:
                reader.close()
        outcomes = []
        for path, spool in spools.items():
            opener = _Opener(spool, reader)
            try:
                result = await ingest(opener, node, path, options, progress)
                outcomes.append(PartOutcome(path, reader.name, result))
            except JouleError as exc:
                outcomes.append(PartOutcome(path, reader.name, error=exc))
        if outcomes and outcomes[0].result is not None:
            # what was noticed belongs to the file, and is told once
            outcomes[0].result.tally = replace(reader.tally, rows=outcomes[0].result.rows)
        return outcomes
    finally:
        for spool in spools.values():
            spool.close()


def _keep(part: Labelled, template: str, spools: dict[str, Spool], reader: TableReader) -> None:
    values = iter(part.label)
    path = _FIELD.sub(lambda _: next(values).replace("/", "_").strip(), template)
    if "//" in path or path.endswith("/"):
        raise FormatError(f"a label is empty, which makes the path {path}", file=reader.name)
    if path not in spools:
        if len(spools) == _MOST_SERIES:
            raise FormatError(
                f"the labels make more than {_MOST_SERIES} streams",
                file=reader.name,
                hint="use --where to take some of them",
            )
        spools[path] = Spool(part.rows.dtype)
    spools[path].add(part.rows)


@dataclass(slots=True)
class _Opener:
    """Opens the rows of one series as if they were a file."""

    spool: Spool
    reader: TableReader

    def __call__(self, read: ReadOptions) -> Reader:
        return _SeriesReader(self.spool, self.reader, read)


class _SeriesReader(Reader):
    """The rows of one series, for the elements and the type of its stream."""

    def __init__(self, spool: Spool, reader: TableReader, read: ReadOptions) -> None:
        self.name = reader.name
        self.tally = Tally()
        self.options = read
        head = reader.head
        self._spool = spool
        self._order = list(range(head.layout.width))
        names = [element.name for element in head.elements]
        if read.elements is not None and names and list(read.elements) != names:
            self._order = match(
                names, read.elements, read.renames, read.by_position, leave_out="--use-columns"
            )
        elif read.elements is not None and len(read.elements) != head.layout.width:
            raise LayoutMismatchError(
                f"the stream has {len(read.elements)} elements, the file {head.layout.width}",
                object=reader.name,
            )
        layout = Layout(read.datatype or head.layout.datatype, head.layout.width)
        elements = [head.elements[at] for at in self._order] if names else ()
        self.head = replace(head, layout=layout, elements=elements, path=None, stream=None)

    def blocks(self) -> Iterator[Rows | None]:
        """Give the rows; docstring of `Reader.blocks` applies."""
        layout = self.head.layout
        missing = MissingValues(self.options)
        for rows, _ in self._spool.blocks(sort=self.options.sort):
            out = np.empty(len(rows), layout.dtype)
            out["timestamp"] = rows["timestamp"]
            problems = Problems()
            for index, at in enumerate(self._order):
                name = self.head.elements[index].name if self.head.elements else index
                column = ValueColumn(name, layout.element, Marks(), missing)
                out["data"][:, index] = column.read(rows["data"][:, at], problems).values
            for reason in problems.found.values():
                raise FormatError(reason.text, file=self.name, hint=reason.hint)
            self.tally.rows += len(out)
            yield out

    @property
    def share(self) -> float | None:
        """The share of the series that was given."""
        return self.tally.rows / self._spool.rows if self._spool.rows else 1.0

    def close(self) -> None:
        """Do nothing: the rows may be read again."""
