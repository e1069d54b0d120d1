"""Files of events as tables: a sure header in CSV, and objects of JSON as they are."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from joule_cli.errors import FormatError
from joule_cli.formats.containers.base import SAMPLE_ROWS, Batch, Heading
from joule_cli.formats.containers.delimited import DelimitedContainer
from joule_cli.formats.containers.json import JsonContainer, has_lines
from joule_cli.formats.containers.json_rows import NO_ROW, BadRow, JsonRows, n_keys, read_text
from joule_cli.formats.containers.jsonl import JsonlContainer
from joule_cli.formats.containers.shape import Shape, kind_of, split
from joule_cli.formats.containers.zipped import open_zip
from joule_cli.formats.events.base import CONTENT, END, ID, START, STREAM, UUID
from joule_cli.formats.events.columns import may_be_times
from joule_cli.formats.events.exact import dumps, has_long_numbers, loads
from joule_cli.formats.registry import sniff
from joule_cli.formats.source import ByteSource
from joule_cli.formats.table.problems import Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from joule_cli.formats.base import FileRef
    from joule_cli.formats.containers.base import Cells, Container
    from joule_cli.formats.registry import Opener
    from joule_cli.formats.table.options import ReadOptions

#: Names of the starts that leave no doubt about what a line or an object is.
_SURE = frozenset({START, "start"})
_NO_EVENT = Reason("expected an object with start_time, end_time and content")


class EventTable(DelimitedContainer):
    """Text with a delimiter; a first line with ``start_time`` is the header, whatever follows."""

    def _shape_of(self, texts: Sequence[str], delimiters: Sequence[str]) -> Shape:
        lines = [i for i, text in enumerate(texts) if text.strip() and text.lstrip()[0] != "#"]
        found: list[tuple[list[str], str]] = []
        for mark in delimiters if lines else ():
            rows = [split(texts[i], mark) for i in lines[:2]] if mark else [[]]
            if _SURE & set(map(str.strip, rows[0])) or _are_names(rows):
                found.append((rows[0], mark))
        if not found:
            return super()._shape_of(texts, delimiters)
        names, mark = max(found, key=lambda pair: len(pair[0]))
        return Shape(mark, names, [], lines[0] + 1, len(names), texts[lines[0]])


def _are_names(rows: Sequence[Sequence[str]]) -> bool:
    """Tell whether the first of two lines names the columns of the other, of which one is times."""
    if len(rows) < 2 or len(rows[0]) != len(rows[1]) or {*map(kind_of, rows[0])} != {"text"}:
        return False
    kinds = [kind_of(cell) for name, cell in zip(*rows, strict=True) if may_be_times(name)]
    return bool({"number", "time"} & set(kinds))


class EventTabTable(EventTable):
    """Tabs between the columns."""

    delimiters = ("\t",)


class ObjectRows(JsonRows):
    """Objects whose keys are columns, with their values as they are, and the objects themselves.

    The first column holds the objects, since any of them may have further keys.
    """

    #: Each is a line of its own.
    in_lines = False

    def __init__(self, first: Iterable[Any], names: Sequence[str] | None = None) -> None:
        self._cells_of = names
        found = [row for row in map(self._object, first) if row is not None]
        keys = dict.fromkeys(key for row in found for key in row)
        # what the first objects do not have, later ones may
        end = END if START in keys else "end"
        others = [part for part in (end, CONTENT, ID, STREAM, UUID) if part not in keys]
        self.names = ["", *keys, *others]
        self.columns = [Heading(kind="other", hidden=True), *(Heading(name=key) for key in keys)]
        self.columns += [Heading(name=name, hidden=True) for name in others]
        if not found:
            self.columns = []
        self.carried: int | None = None
        self._last: Any = None
        self._chosen: list[int] = []
        self._sampled = found[:SAMPLE_ROWS]

    def _object(self, row: Any) -> dict[str, Any] | None:
        if type(row) is dict:
            return row
        names = self._cells_of
        if names is not None and type(row) is list and len(row) == len(names):
            return dict(zip(names, row, strict=True))
        return None

    def choose(self, columns: Collection[int], exact: Collection[int] = ()) -> None:
        """Take note of the columns that are needed; docstring of `Container.choose` applies."""
        self._chosen = sorted(set(columns) - {0})

    def sample(self, rows: Sequence[Any]) -> Batch:
        """Return a batch of the first rows."""
        return self._batch_of(self._sampled, range(1, len(self.names)))

    def batches(
        self,
        body: bytes,
        texts: Callable[[], Sequence[bytes]],
        numbers: Sequence[int],
        items: list[Any] | None = None,
    ) -> Iterator[Batch | None]:
        """Turn some rows into a batch; docstring of `JsonRows.batches` applies."""
        bad: dict[int, Reason] = {}
        kept: Sequence[int] = range(len(numbers))
        if items is None or has_long_numbers(body):
            try:
                items = loads(b"[" + body + b"]")
            except ValueError:
                items = None
        if items is None or len(items) != len(numbers):
            items = [_parse(text, in_line=self.in_lines) for text in texts()]
            kept = [at for at, item in enumerate(items) if item is not NO_ROW]
        rows = [items[at] for at in kept]
        if set(map(type, rows)) != {dict}:
            for at, row in enumerate(rows):
                found = self._object(row)
                if found is None:
                    bad[at] = row if isinstance(row, Reason) else _NO_EVENT
                rows[at] = found or {}
        if not rows:
            return
        if _may_have_twice(body, rows):
            for at, row in enumerate(kept):
                told = read_text(texts()[row])
                if isinstance(told, BadRow):
                    bad.setdefault(at, Reason(told.reason))
        batch = self._batch_of(rows, self._chosen)
        batch.bad = bad
        batch.numbers = numbers if len(kept) == len(numbers) else [numbers[at] for at in kept]
        batch.show = lambda row: _on_one_line(texts()[kept[row]])
        yield batch

    def _batch_of(self, rows: list[dict[str, Any]], chosen: Iterable[int]) -> Batch:
        if self.carried is not None:
            name = self.names[self.carried]
            for row in rows:
                self._last = row.setdefault(name, self._last)
        cells: list[Cells | None] = [None] * len(self.names)
        cells[0] = rows
        for at in chosen:
            name = self.names[at]
            cells[at] = [row.get(name) for row in rows]
        return Batch(len(rows), cells)


class _LineRows(ObjectRows):
    in_lines = True


class EventLines(JsonlContainer):
    """One object per line."""

    rows_type = _LineRows


class EventDocument(JsonContainer):
    """A list of objects, or one object alone."""

    rows_type = ObjectRows

    def _rows_of_document(self) -> tuple[list[Any], Sequence[str] | None]:
        text = self._whole()
        try:
            value = loads(text)
        except ValueError as exc:
            place = getattr(exc, "lineno", None), getattr(exc, "colno", None)
            raise FormatError(
                f"not JSON, or cut: {_told(exc)}", file=self.name, line=place[0], column=place[1]
            ) from exc
        if isinstance(value, dict) and _SURE & value.keys():
            return [value], None
        return super()._rows_of_document()


def _open_text(name: str | None, place: FileRef | ByteSource, options: ReadOptions) -> Container:
    """Open text that may be empty; without a name the first line tells what it is."""
    source = place
    if not isinstance(source, ByteSource):
        source = ByteSource(source, options.encoding, may_be_empty=True)
    try:
        return _kind(name or sniff(source), source)(source, options)
    except BaseException:
        source.close()
        raise


def _kind(name: str, source: ByteSource) -> type[EventTable | EventLines | EventDocument]:
    if name == "tsv":
        return EventTabTable
    if name not in {"json", "jsonl"}:
        return EventTable
    first = source.peek().lstrip()[:1]
    if first == b"[" or (name == "json" and first == b"{" and not has_lines(source)):
        return EventDocument
    return EventLines


def _open_zip(place: FileRef | ByteSource, options: ReadOptions) -> Container:
    assert not isinstance(place, ByteSource)
    return open_zip(place, options, CONTAINERS)


#: What opens text formats; the containers of rows open the others.
CONTAINERS: Final[Mapping[str, Opener]] = {
    **{name: partial(_open_text, name) for name in ("csv", "tsv", "json", "jsonl")},
    # a suffix such as .txt tells nothing
    "text": partial(_open_text, None),
    "zip": _open_zip,
}


def _parse(text: bytes, *, in_line: bool) -> Any:
    """Parse the text of a row; what is none is a `Reason`, or `NO_ROW` for a comment."""
    bare = text.strip()
    if not bare or bare.startswith(b"#"):
        return NO_ROW
    try:
        text.decode()
        return loads(text)
    except UnicodeDecodeError as exc:
        return Reason(f"the text is not UTF-8 (column {exc.start + 1})")
    except json.JSONDecodeError as exc:
        place = f" (column {exc.colno})" if in_line else ""
        return Reason(f"not JSON: {_told(exc)}{place}")
    except ValueError as exc:
        return Reason(f"not JSON: {exc}")


def _may_have_twice(body: bytes, rows: Sequence[dict[str, Any]]) -> bool:
    """Tell whether a key may occur twice in an object, of which one value would be lost."""
    keys = body.count(b'":') - sum(map(len, rows))
    if keys == sum(len(row[CONTENT]) for row in rows if type(row.get(CONTENT)) is dict):
        return False
    return keys != sum(map(n_keys, rows)) - sum(map(len, rows))


def _told(exc: ValueError) -> str:
    text = str(getattr(exc, "msg", exc))
    return text[:1].lower() + text[1:]


def _on_one_line(raw: bytes) -> str:
    """Return an object as it stands in the file, but in a file of bad ones each has one line."""
    text = raw.decode("utf-8", "backslashreplace")
    if "\n" not in text:
        return text
    try:
        return dumps(loads(raw)).decode()
    except ValueError:
        return " ".join(text.split())
