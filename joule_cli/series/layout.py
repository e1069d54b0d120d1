"""Row layouts: ``float32_3`` and the NumPy types that belong to it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias

from joule_cli.model.data_stream import DATATYPES

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

#: (n,) structured rows of one layout: ``timestamp`` int64 µs, ``data`` (k,) of the element type.
Rows: TypeAlias = "npt.NDArray[np.void]"

#: float32 holds the means, minima and maxima of these exactly enough; the others need float64.
_FLOAT32_LEVELS = frozenset({"float32", "int16", "int8", "uint16", "uint8"})


@dataclass(frozen=True, slots=True)
class Layout:
    """An element type and a number of elements.

    Parameters
    ----------
    datatype
        One of `joule_cli.model.data_stream.DATATYPES`.
    width
        Number of elements, at least 1.

    Notes
    -----
    Source: the row encoding of the wire protocol, little endian and packed.
    """

    datatype: str
    width: int

    @classmethod
    def parse(cls, text: str) -> Layout:
        """Read ``<datatype>_<width>``.

        Raises
        ------
        ValueError
            ``bad layout: [<text>]``.
        """
        datatype, _, width = text.rpartition("_")
        if datatype not in DATATYPES or not (width.isascii() and width.isdigit()) or int(width) < 1:
            raise ValueError(f"bad layout: [{text}]")
        return cls(datatype, int(width))

    def __str__(self) -> str:
        return f"{self.datatype}_{self.width}"

    @property
    def element(self) -> np.dtype[np.generic]:
        """NumPy type of one value, little endian."""
        import numpy as np

        return np.dtype(self.datatype).newbyteorder("<")

    @property
    def dtype(self) -> np.dtype[np.void]:
        """NumPy type of one row: ``timestamp`` and ``data`` with `width` values, packed."""
        return _row_dtype(self)

    @property
    def row_bytes(self) -> int:
        """Size of one packed row."""
        return 8 + self.width * self.element_bytes

    @property
    def element_bytes(self) -> int:
        """Size of one value."""
        return int(self.datatype.removeprefix("u").removeprefix("int").removeprefix("float")) // 8

    @property
    def decimated(self) -> Layout:
        """Layout of decimated rows: all means, then all minima, then all maxima."""
        datatype = "float32" if self.datatype in _FLOAT32_LEVELS else "float64"
        return Layout(datatype, 3 * self.width)


@lru_cache(maxsize=128)
def _row_dtype(layout: Layout) -> np.dtype[np.void]:
    import numpy as np

    return np.dtype([("timestamp", "<i8"), ("data", layout.element, (layout.width,))])
