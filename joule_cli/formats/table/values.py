"""Cells to numbers of one element type, with missing values as NaN."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from joule_cli.formats.numbers import Array, is_word, narrowed, read_value, shorten
from joule_cli.formats.table.options import MISSING_WORDS
from joule_cli.formats.table.problems import BadCell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from joule_cli.formats.containers.base import Cells
    from joule_cli.formats.table.options import ReadOptions
    from joule_cli.formats.table.problems import Problems

Mask = npt.NDArray[np.bool_]

#: Integers up to here are the same in float64.
_EXACT: Final = 1 << 53
_BOOLS: Final = {"true": 1, "false": 0}
_UNITS_BEHIND: Final = re.compile(r"\s*([+-]?[\d.,]*\d(?:[eE][+-]?\d+)?)\s*([^\d\s+\-.,][^\d]*)")


class Numbers(NamedTuple):
    """Values of one column, (n,), and which of them are missing (`None` for none)."""

    values: Array
    missing: Mask | None


@dataclass(frozen=True, slots=True)
class Marks:
    """How numbers are written."""

    decimal: str = "."
    thousands: str = ""

    @property
    def plain(self) -> bool:
        """Whether Python reads them as they are."""
        return self.decimal == "." and not self.thousands

    def bare(self, text: str) -> str:
        """Return a number as Python writes it.

        Raises
        ------
        BadCell
            The marks stand where they cannot.
        """
        if self.thousands and self.thousands in text:
            whole, mark, rest = text.partition(self.decimal)
            groups = whole.lstrip("+-").split(self.thousands)
            if not 1 <= len(groups[0]) <= 3 or any(len(group) != 3 for group in groups[1:]):
                raise BadCell(f"the digits of {shorten(text)} are not in groups of three")
            text = whole.replace(self.thousands, "") + mark + rest
        if self.decimal != ".":
            if "." in text:
                raise BadCell(
                    f"{shorten(text)} is not a number with the decimal mark '{self.decimal}'"
                )
            text = text.replace(self.decimal, ".")
        return text


class MissingValues:
    """What stands for a missing value."""

    def __init__(self, options: ReadOptions) -> None:
        self.words = MISSING_WORDS | {word.strip().lower() for word in options.missing_values}
        self.numbers = []
        for word in options.missing_values:
            try:
                self.numbers.append(float(word))
            except ValueError:
                continue

    def is_missing(self, cell: Any) -> bool:
        """Tell whether a cell holds no value."""
        if isinstance(cell, str):
            return cell.strip().lower() in self.words or (
                bool(self.numbers) and self._is_number(cell)
            )
        if cell is None or cell is np.ma.masked or cell != cell:
            return True
        return bool(self.numbers) and not isinstance(cell, bool) and cell in self.numbers

    def _is_number(self, cell: str) -> bool:
        try:
            return float(cell) in self.numbers
        except ValueError:
            return False


class ValueColumn:
    """Reads the cells of one column.

    Parameters
    ----------
    name
        Its name or its index, for messages.
    units
        Text behind every number of the column, which is taken off.
    """

    def __init__(
        self,
        name: str | int,
        element: np.dtype[Any],
        marks: Marks,
        missing: MissingValues,
        units: str = "",
    ) -> None:
        self.name = name
        self.units = units
        self._element = element
        self._marks = marks
        self._missing = missing

    def read(
        self, cells: Cells, problems: Problems, exact: Callable[[int], Any] | None = None
    ) -> Numbers:
        """Read (n,) cells.

        Parameters
        ----------
        exact
            Gives a cell with all digits of the file, where a number in `cells` may have lost some.
        """
        if isinstance(cells, np.ndarray):
            if cells.dtype.kind in "iufb":
                return self._array(cells, problems)
            cells = list(cells.tolist())
        found = self._fast(cells)
        if found is not None:
            return found
        values = np.zeros(len(cells), self._element)
        missing = np.zeros(len(cells), bool)
        for row, cell in enumerate(cells):
            try:
                value = self.one(cell if exact is None else exact(row))
            except BadCell as bad:
                problems.add(row, self._about(bad.text), bad.hint)
                continue
            if value is None:
                missing[row] = True
            else:
                values[row] = value
        return self.finished(values, missing, problems)

    def one(self, cell: Any) -> int | float | None:
        """Read one cell; `None` for a missing value.

        Raises
        ------
        BadCell
            It is no value of the element type.
        """
        if self._missing.is_missing(cell):
            return None
        if isinstance(cell, str):
            text = cell.strip()
            if (known := _BOOLS.get(text.lower())) is not None:
                return known
            if self.units and text.endswith(self.units):
                text = text.removesuffix(self.units).rstrip()
            cell = text if self._marks.plain or is_word(text) else self._marks.bare(text)
        elif isinstance(cell, bool):
            return int(cell)
        elif not isinstance(cell, int | float | Decimal):
            raise BadCell(f"{shorten(str(cell))} is not a number")
        try:
            value = read_value(cell, self._element)
        except ValueError as exc:
            raise self._explained(cell, str(exc)) from exc
        if isinstance(value, float) and abs(value) >= _EXACT:
            self._check_digits(cell, value)
        return value

    def _check_digits(self, cell: Any, value: float) -> None:
        """Refuse an integer whose last digits a float64 loses."""
        if self._element.itemsize < 8 or value in {float("inf"), float("-inf")}:
            return
        if isinstance(cell, float) or not str(cell).lstrip("+-").isdigit():
            # its digits are those of a measurement
            return
        if int(cell) != int(value):
            raise BadCell(
                f"{cell} has more digits than float64 can hold",
                "use --datatype int64",
            )

    def _explained(self, cell: Any, reason: str) -> BadCell:
        """Add the remedy to what is wrong with a cell."""
        if not isinstance(cell, str):
            if "whole" in reason or "range" in reason:
                return BadCell(reason, "use --datatype to choose a type that holds it")
            return BadCell(reason)
        if "whole" in reason or "range of" in reason:
            return BadCell(reason, "use --datatype to choose a type that holds it")
        if self._marks.decimal == "." and re.fullmatch(r"[+-]?\d+,\d+", cell):
            return BadCell(reason, "use --decimal , for numbers with a decimal comma")
        if self._marks.decimal == "." and re.fullmatch(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?", cell):
            return BadCell(reason, "use --thousands , for numbers with commas between thousands")
        if self._marks.decimal == "." and re.fullmatch(r"[+-]?\d{1,3}(\.\d{3})+,\d+", cell):
            return BadCell(reason, "use --decimal , --thousands .")
        return BadCell(
            reason,
            "use --missing-values if it stands for a missing value, --use-columns to leave the "
            "column out, or --on-error skip to leave such rows out",
        )

    def _fast(self, cells: list[Any]) -> Numbers | None:
        """Read texts or numbers of the usual form; `None` when some need a closer look."""
        element = self._element
        if not cells or element.kind != "f" or not self._marks.plain or self.units:
            return None
        missing = None
        try:
            if type(cells[0]) is str:
                joined = "".join(cells)
                if "_" in joined or "i" in joined.lower() or not joined.isascii():
                    # what Python reads as numbers is more than what this format does
                    return None
                floats = np.array(list(map(float, cells)))
            else:
                floats = np.array(cells, np.float64)
                if set(map(type, cells)) - {int, float, type(None)}:
                    return None
        except (ValueError, TypeError, OverflowError):
            return self._with_gaps(cells)
        if np.isnan(floats).any():
            missing = np.isnan(floats)
        return self._checked(floats, missing, cells)

    def _with_gaps(self, cells: list[Any]) -> Numbers | None:
        """Read texts of which some stand for missing values."""
        if set(map(type, cells)) != {str}:
            return None
        words = self._missing.words
        joined = "".join(cells)
        if "_" in joined or not joined.isascii():
            return None
        try:
            floats = np.array(
                [float("nan" if cell.strip().lower() in words else cell) for cell in cells]
            )
        except (ValueError, AttributeError):
            return None
        return self._checked(floats, np.isnan(floats), cells)

    def _checked(
        self, floats: npt.NDArray[np.float64], missing: Mask | None, cells: list[Any]
    ) -> Numbers | None:
        present = floats if missing is None else np.where(missing, 0.0, floats)
        if present.size and max(-present.min(), present.max()) >= _EXACT:
            return None
        values = narrowed(present, self._element)
        if values is None:
            return None
        if self._missing.numbers:
            named = np.isin(present, self._missing.numbers)
            missing = named if missing is None else missing | named
        if missing is None or not missing.any():
            return Numbers(values, None)
        values = np.where(missing, self._element.type(np.nan), values)
        return Numbers(values, missing)

    def _array(self, cells: npt.NDArray[Any], problems: Problems) -> Numbers:
        values = np.ma.getdata(cells)
        missing = np.ma.getmaskarray(cells)
        if values.dtype.kind == "f":
            missing = missing | np.isnan(values)
        if self._missing.numbers:
            missing = missing | np.isin(values, self._missing.numbers)
        if missing.any():
            values = np.where(missing, values.dtype.type(0), values)
        cast, wrong = self._cast(values)
        if wrong is not None:
            what = (
                f"is out of the range of {self._element.name}"
                if self._element.kind == "f"
                else f"is not a value of {self._element.name}"
            )
            for row in np.flatnonzero(wrong).tolist():
                bad = f"{values[row]} {what}"
                hint = "use --datatype to choose a type that holds it"
                if self._element.name == "float64":
                    bad = f"{values[row]} has more digits than float64 can hold"
                    hint = "use --datatype int64"
                problems.add(row, self._about(bad), hint)
        return self.finished(cast, missing, problems)

    def _cast(self, values: Array) -> tuple[Array, Mask | None]:
        """Convert numbers; the mask tells which are not in the type, `None` for none."""
        element = self._element
        with np.errstate(over="ignore", invalid="ignore"):
            cast = values.astype(element)
        if values.dtype.kind == "b":
            return cast, None
        if element.kind == "f":
            if values.dtype.kind != "f":
                far = (values > _EXACT) | (values < -_EXACT)
                if element.itemsize < 8 or not far.any():
                    return cast, None
                wrong = far.copy()
                wrong[far] = [int(a) != int(b) for a, b in zip(values[far], cast[far], strict=True)]
            else:
                wrong = np.isinf(cast) & ~np.isinf(values)
        elif values.dtype.kind == "f":
            limits = np.iinfo(element)
            # written so that NaN is wrong too
            wrong = ~(
                (values == np.rint(values))
                & (values >= float(limits.min))
                & (values < float(limits.max) + 1)
            )
        else:
            limits, own = np.iinfo(element), np.iinfo(values.dtype)
            wrong = np.zeros(len(values), bool)
            if limits.min > own.min:
                wrong |= values < limits.min
            if limits.max < own.max:
                wrong |= values > limits.max
        return cast, wrong if wrong.any() else None

    def finished(self, values: Array, missing: Mask, problems: Problems) -> Numbers:
        """Put NaN where values are missing, which only floats can hold."""
        if not missing.any():
            return Numbers(values, None)
        if self._element.kind == "f":
            values[missing] = np.nan
        else:
            problems.add_all(
                np.flatnonzero(missing).tolist(),
                self._about(f"the value is missing, and {self._element.name} cannot hold that"),
                "use --missing skip to leave such rows out, or a stream of float64",
            )
        return Numbers(values, missing)

    def _about(self, text: str) -> str:
        name = shorten(self.name) if isinstance(self.name, str) else self.name
        return f"column {name}: {text}"


def common_units(cells: Iterable[Any], missing: MissingValues) -> str:
    """Return the text behind every number of a column, empty if there is none."""
    units: str | None = None
    for cell in cells:
        if not isinstance(cell, str) or missing.is_missing(cell):
            continue
        found = _UNITS_BEHIND.fullmatch(cell)
        if found is None:
            return ""
        behind = found[2].strip()
        if units is not None and behind != units:
            return ""
        units = behind
    return units or ""
