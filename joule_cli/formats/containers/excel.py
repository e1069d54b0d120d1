"""Excel workbooks (``.xlsx``), by python-calamine."""

from __future__ import annotations

import os
import zipfile
from contextlib import suppress
from datetime import date, datetime, time, timedelta
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from python_calamine import CalamineError, CalamineWorkbook, SheetVisibleEnum, WorkbookClosed

from joule_cli.errors import FormatError
from joule_cli.formats.base import os_failure, place_name
from joule_cli.formats.containers.base import SAMPLE_ROWS, Batch, Cells, Container, Heading
from joule_cli.formats.containers.foreign import foreign
from joule_cli.formats.containers.shape import LINES, find_shape
from joule_cli.formats.seekable import check_seekable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from python_calamine import CalamineSheet

    from joule_cli.formats.base import FileRef
    from joule_cli.formats.table.options import ReadOptions

#: A workbook is loaded as a whole: unpacked it may have so many bytes.
_MOST_BYTES: Final = 1 << 30
_BLOCK_ROWS: Final = 1 << 14
#: What the library raises about damaged files; Rust calls the last of them a panic.
_ERRORS: Final = (CalamineError, ValueError, KeyError, IndexError, zipfile.BadZipFile, OSError)


class ExcelContainer(Container):
    """One sheet: the one of the name ``dataset``, else the first that shows and is not empty."""

    kind = "an Excel workbook"

    def __init__(self, place: FileRef, options: ReadOptions) -> None:
        self.name = place_name(place)
        self.notes = []
        self.warnings = []
        check_seekable(place, self.name, self.kind)
        self._check(place)
        try:
            self._book = CalamineWorkbook.from_object(place)
        except _ERRORS as exc:
            raise self._damaged(exc) from exc
        try:
            self._sheet = self._find(options.dataset)
            self._open(options)
        except _ERRORS as exc:
            self.close()
            raise self._damaged(exc) from exc
        except BaseException:
            self.close()
            raise

    def _check(self, place: FileRef) -> None:
        """Refuse what is no workbook, or too large to be loaded."""
        try:
            with zipfile.ZipFile(place) as packed:
                members = packed.infolist()
        except zipfile.BadZipFile as exc:
            raise self._not_excel(place) from exc
        except (OSError, ValueError, NotImplementedError) as exc:
            raise self._damaged(exc) from exc
        if not any(member.filename == "xl/workbook.xml" for member in members):
            raise FormatError("the file is no Excel workbook (.xlsx)", file=self.name)
        size = sum(member.file_size for member in members)
        if size > _MOST_BYTES:
            raise FormatError(
                f"the workbook is too large: it unpacks to {size >> 20:,} MB",
                file=self.name,
                hint="save the sheet as CSV",
            )
        if not isinstance(place, str | os.PathLike):
            place.seek(0)

    def _not_excel(self, place: FileRef) -> FormatError:
        if isinstance(place, str | os.PathLike):
            with Path(place).open("rb") as file:
                head = file.read(512)
        else:
            place.seek(0)
            head = place.read(512)
        if head.startswith(b"PK"):
            return FormatError("the file is cut or damaged", file=self.name)
        known = foreign(head, self.name)
        return known or FormatError("the file is no Excel workbook (.xlsx)", file=self.name)

    def _damaged(self, exc: BaseException) -> FormatError:
        if isinstance(exc, OSError) and exc.errno:
            return os_failure(exc, self.name)
        if "assword" in str(exc):
            return FormatError("the workbook is encrypted", file=self.name)
        return FormatError("the file is cut or damaged", file=self.name)

    def _find(self, wanted: str | None) -> CalamineSheet:
        names = self._book.sheet_names
        if wanted is not None:
            if wanted not in names:
                known = ", ".join(map(repr, names))
                raise FormatError(f"there is no sheet {wanted!r}, only {known}", file=self.name)
            return self._book.get_sheet_by_name(wanted)
        shown = [
            sheet.name
            for sheet in self._book.sheets_metadata
            if sheet.visible == SheetVisibleEnum.Visible
        ]
        filled = [name for name in shown if self._book.get_sheet_by_name(name).height > 1]
        if not filled:
            raise FormatError("the workbook holds no table", file=self.name)
        if len(filled) > 1:
            others = ", ".join(map(repr, filled[1:]))
            self.warnings.append(
                f"{self.name}: only the sheet {filled[0]!r} is read, not {others} (--dataset NAME)"
            )
        return self._book.get_sheet_by_name(filled[0])

    def _open(self, options: ReadOptions) -> None:
        sheet = self._sheet
        self.notes.append(f"sheet {sheet.name!r}")
        skip = options.skip_lines or 0
        self._left = sheet.start[1] if sheet.start else 0
        first = [row[self._left :] for row in islice(sheet.iter_rows(), skip, skip + LINES)]
        narrowest = 2 if options.stamps is None else 1
        shape = find_shape(
            list(map(_line, first)), ("\t",), header=options.header, narrowest=narrowest
        )
        if not shape.width:
            raise FormatError(f"the sheet {sheet.name!r} is no table", file=self.name)
        self.notes += shape.notes
        self.heading = shape.header.replace("\t", ",")
        self._begin = skip + shape.begin
        self.columns = [
            Heading(
                name=shape.names[at] if shape.names else "",
                units=shape.units[at] if shape.units else "",
            )
            for at in range(shape.width)
        ]
        self._rows = max(sheet.total_height - self._begin, 0)
        self._done = 0
        self._chosen: Collection[int] = range(shape.width)
        self._has_clock = any(isinstance(cell, time) for row in first for cell in row)

    def sample(self) -> Batch:
        """Return the first rows; docstring of `Container.sample` applies."""
        rows = list(islice(self._filled(), SAMPLE_ROWS))
        return self._batch(rows, range(len(self.columns)))

    def choose(self, columns: Collection[int], exact: Collection[int] = ()) -> None:
        """Take note of the columns; docstring of `Container.choose` applies."""
        self._chosen = sorted(set(columns))

    def batches(self) -> Iterator[Batch | None]:
        """Give the rows; docstring of `Container.batches` applies."""
        rows = self._filled()
        while block := list(islice(rows, _BLOCK_ROWS)):
            self._done = block[-1][0] - self._begin
            yield self._batch(block, self._chosen)
        self._done = self._rows

    def _filled(self) -> Iterator[tuple[int, list[Any]]]:
        """Give the rows that are not empty, with their numbers in the sheet."""
        try:
            for at, row in enumerate(islice(self._sheet.iter_rows(), self._begin, None)):
                cells = row[self._left : self._left + len(self.columns)]
                if any(cell != "" for cell in cells):
                    cells += [""] * (len(self.columns) - len(cells))
                    yield self._begin + at + 1, cells
        except _ERRORS as exc:
            raise self._damaged(exc) from exc

    def _batch(self, rows: list[tuple[int, list[Any]]], columns: Collection[int]) -> Batch:
        cells: list[Cells | None] = [None] * len(self.columns)
        for at in columns:
            cells[at] = [self._cell(row[at]) for _, row in rows]
        return Batch(
            len(rows),
            cells,
            numbers=[number for number, _ in rows],
            show=lambda at: ",".join(map(str, rows[at][1])),
        )

    def _cell(self, cell: Any) -> Any:
        if cell == "":
            return None
        if type(cell) is date:
            # midnight, unless the time of day stands in another column
            return str(cell) if self._has_clock else datetime.combine(cell, time())
        if isinstance(cell, time):
            return str(cell)
        return cell.total_seconds() if isinstance(cell, timedelta) else cell

    @property
    def share(self) -> float | None:
        """The share of the rows that is done."""
        return min(self._done / self._rows, 1.0) if self._rows else 1.0

    def close(self) -> None:
        """Close the file; one that was handed in stays open."""
        with suppress(WorkbookClosed):
            self._book.close()


def _line(row: list[Any]) -> str:
    """Return a row as a line of text; titles take the first cell only."""
    return "\t".join(" ".join(str(cell).split()) for cell in row).rstrip("\t")
