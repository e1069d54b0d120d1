"""The input of an ingestion: options, opening the file for its stream, checking all of it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from joule_cli.errors import FormatError, LayoutMismatchError, StreamNotFound
from joule_cli.formats.base import Reader, Tally, column_names, split_at_gaps
from joule_cli.formats.table.options import ReadOptions
from joule_cli.model import DataStream, Element
from joule_cli.model.data_stream import KEEP_ALL
from joule_cli.ops.backfill import holds_missing
from joule_cli.ops.errors import OperationError
from joule_cli.ops.gaps import GapWatch
from joule_cli.ops.progress import Step
from joule_cli.ops.rows import BLOCK_ROWS
from joule_cli.ops.streams import Place, find_stream, fresh_elements, split_path
from joule_cli.ops.worker import batches, read_ahead, with_share
from joule_cli.series.intervals import Interval

if TYPE_CHECKING:
    from collections.abc import Iterator

    from joule_cli.api.node import Node
    from joule_cli.ops.progress import ProgressCallback
    from joule_cli.ops.worker import Worker
    from joule_cli.series.layout import Rows

#: Opens the input; called again for a second pass if `IngestOptions.repeatable`.
OpenReader: TypeAlias = Callable[[ReadOptions], Reader]
#: Some rows and interval breaks, and the share of the input that is done with them.
ReadPart: TypeAlias = "tuple[list[Rows | None], float | None]"


#: A break costs about as much as this many rows.
_BREAK_SIZE = 10


@dataclass(frozen=True, slots=True)
class IngestOptions:
    """How rows come into the stream.

    Parameters
    ----------
    read
        Passed to the reader; `datatype` there is the type of a stream that is created, too.
    create
        Create a stream that does not exist.
    keep_us
        For a stream that is created; `None` takes what the file says, else keeps everything.
    model
        Describes a stream that is created, in place of the file.
    on_conflict
        What to do when the stream has rows inside the intervals of the file: ``fail`` raises
        `OverlapError`, ``replace`` deletes them first, ``skip`` leaves the file's rows there out.
    max_gap
        End the interval where rows are more than this many µs apart.
    resume
        Begin after the stream's last row, in the same interval if the file has no break there.
    join
        Continue the stream's last interval with the first row.
    skip_bad
        Leave bad lines out instead of failing.
    max_errors
        With `skip_bad`: fail once there are more bad lines than this.
    on_reject
        Receives line number, text and reason of each line that is left out.
    repeatable
        The input can be opened a second time, as standard input cannot.
    flush_after
        For live input: store what came so far when nothing more comes for this many seconds.
        `None` waits until a block has come together.
    """

    read: ReadOptions = field(default_factory=ReadOptions)
    create: bool = True
    keep_us: int | None = None
    model: DataStream | None = None
    on_conflict: Literal["fail", "replace", "skip"] = "fail"
    max_gap: int | None = None
    resume: bool = False
    join: bool = False
    skip_bad: bool = False
    max_errors: int | None = None
    on_reject: Callable[[int, str, str], None] | None = None
    repeatable: bool = True
    flush_after: float | None = None


@dataclass(slots=True)
class Content:
    """What a whole file holds."""

    rows: int = 0
    tally: Tally = field(default_factory=Tally)
    intervals: list[Interval] = field(default_factory=list)
    gaps: GapWatch = field(default_factory=GapWatch)
    _fresh: bool = True

    def add(self, items: list[Rows | None]) -> None:
        """Take what comes next in the file."""
        for rows in items:
            if rows is None:
                self._fresh = True
                continue
            self.rows += len(rows)
            self.gaps.add(rows, fresh=self._fresh)
            first, last = int(rows["timestamp"][0]), int(rows["timestamp"][-1])
            start = first if self._fresh else self.intervals.pop().start
            self.intervals.append(Interval(start, last + 1))
            self._fresh = False


def _names(stream: DataStream) -> list[str]:
    return [element.name for element in stream.elements]


class Source:
    """An input that is open and fits its stream. The reader works in the worker's thread."""

    def __init__(
        self, worker: Worker, open_reader: OpenReader, node: Node, options: IngestOptions
    ) -> None:
        self.worker = worker
        self.options = options
        self.stream: DataStream | None = None
        self.place = Place(node, "")
        self._open_reader = open_reader
        self._read = options.read
        if options.model is not None and options.read.datatype is None:
            self._read = replace(options.read, datatype=options.model.datatype)
        self._reader: Reader | None = None
        self._held_rejects: list[tuple[int, str, str]] | None = []
        self._examining = False

    @property
    def reader(self) -> Reader:
        """The open reader."""
        assert self._reader is not None
        return self._reader

    async def open(self, path: str | None) -> None:
        """Open the input for the stream at `path`, by default the one that the file names."""
        if path:
            await self._find(path)
            await self._refuse_missing(self.stream)
            if self.stream is not None:
                self._read = replace(self._read, elements=_names(self.stream))
                if not self.options.repeatable:
                    self._read = replace(self._read, datatype=self.stream.datatype)
        else:
            await self._refuse_missing(None)
        await self.reopen()
        if not path:
            if not self.reader.head.path:
                raise OperationError(
                    "the file does not say which stream its rows belong to",
                    object=self.reader.name,
                    hint="name the stream",
                )
            await self._find(self.reader.head.path)
        if self.stream is not None:
            self._check(self.stream)
            names = _names(self.stream)
            if self.stream.datatype != self.reader.head.layout.datatype or (
                not path and [element.name for element in self.reader.head.elements] != names
            ):
                self._read = replace(self._read, datatype=self.stream.datatype, elements=names)
                await self.reopen()

    async def _refuse_missing(self, stream: DataStream | None) -> None:
        """Let the reader refuse missing values that the node cannot hold."""
        is_float = stream is None or stream.datatype.startswith("float")
        if self._read.missing == "store" and is_float and not await holds_missing(self.place.node):
            self._read = replace(self._read, missing="refuse")

    async def _find(self, path: str) -> None:
        split_path(path)
        self.place = Place(self.place.node, path)
        self.stream = await find_stream(self.place)
        if self.stream is None and not self.options.create:
            raise StreamNotFound("stream does not exist", object=path)

    def _check(self, stream: DataStream) -> None:
        head, wanted = self.reader.head, self.options.read.datatype
        width = len(stream.elements)
        if head.layout.width != width:
            raise LayoutMismatchError(
                f"the stream has {width} elements, the file {head.layout.width}",
                object=self.place.path,
            )
        if wanted is not None and wanted != stream.datatype:
            raise LayoutMismatchError(
                f"the stream stores {stream.datatype}, not {wanted}", object=self.place.path
            )
        told = head.stream.datatype if head.stream else stream.datatype
        if wanted is None and not np.can_cast(told, stream.datatype, "safe"):
            raise LayoutMismatchError(
                f"the stream stores {stream.datatype}, the file {told}",
                object=self.place.path,
                hint="state the stream's datatype to convert the rows",
            )

    async def reopen(self) -> None:
        """Open the input, once more from its beginning."""
        if self._reader is not None:
            if not self.options.repeatable:
                raise OperationError(
                    "the input would have to be read twice",
                    object=self._reader.name,
                    hint="save it to a file first",
                )
            await self.close()
        read = self._read
        if self.options.skip_bad:
            self._held_rejects = []
            read = replace(read, on_reject=self._rejecter())
        self._reader = await self.worker.call(self._open_reader, read)

    def tell_rejects(self) -> None:
        """Pass bad lines on from now, and those met since the input was opened.

        Until then they are kept back, because the input may be read again from its beginning.
        """
        held, self._held_rejects = self._held_rejects, None
        if self.options.on_reject is not None:
            for reject in held or ():
                self.options.on_reject(*reject)

    def _rejecter(self) -> Callable[[int, str, str], None]:
        count = 0
        limit = self.options.max_errors

        def reject(line: int, text: str, reason: str) -> None:
            nonlocal count
            count += 1
            if limit is not None and count > limit:
                name = None if self._reader is None else self._reader.name
                raise FormatError(f"{reason}; more than {limit} bad lines", file=name, line=line)
            if self._examining:
                return
            if self._held_rejects is not None:
                self._held_rejects.append((line, text, reason))
            elif self.options.on_reject is not None:
                self.options.on_reject(line, text, reason)

        return reject

    def batches(self, items: Iterator[Rows | None]) -> Iterator[ReadPart]:
        """Collect small items of a file; those of live input stay as they come."""
        limit = BLOCK_ROWS if self.options.flush_after is None else 0
        found = batches(items, lambda rows: _BREAK_SIZE if rows is None else len(rows), limit)
        return with_share(found, self.reader)

    def items(self) -> Iterator[Rows | None]:
        """Give blocks of rows and `None` for interval breaks; to be used in the worker."""
        if self.options.max_gap is None:
            return self.reader.blocks()
        return split_at_gaps(self.reader.blocks(), self.options.max_gap)

    async def examine(self, progress: ProgressCallback | None) -> Content:
        """Read the input to its end and tell what it holds."""
        content = Content()
        self._examining = True
        try:
            found = read_ahead(self.worker, self.batches(self.items()))
            async with aclosing(found) as ahead:
                async for items, share in ahead:
                    content.add(items)
                    if progress is not None:
                        told = Step(self.place.path, content.rows, share=share, checking=True)
                        progress(told)
        finally:
            self._examining = False
        content.tally = self.reader.tally
        return content

    def model(self) -> DataStream:
        """Return the stream that the file describes, ready to be created."""
        head = self.reader.head
        told = self.options.model or head.stream
        keep_us = self.options.keep_us
        if keep_us is None:
            keep_us = told.keep_us if told else KEEP_ALL
        return DataStream(
            name=split_path(self.place.path)[1],
            description=told.description if told else "",
            datatype=head.layout.datatype,
            keep_us=keep_us,
            elements=self._elements(),
            decimate=told.decimate if told else True,
        )

    def _elements(self) -> list[Element]:
        head, model = self.reader.head, self.options.model
        for elements in (model.elements if model else (), head.elements):
            if len(elements) == head.layout.width:
                return fresh_elements(elements)
        return [Element(name) for name in column_names(head)]

    async def close(self) -> None:
        """Close the reader; a second call does nothing."""
        if self._reader is not None:
            # not in the thread, which may be waiting for input that never comes
            self._reader.close()
            self._reader = None
