"""The rows of all cases: what an analog-to-digital converter at 1 kHz gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

SEED: Final = 20_240_301
START_US: Final = 1_700_000_000_000_000
PERIOD_US: Final = 1000
JITTER_US: Final = 20
AMPLITUDE: Final = 8000
NOISE: Final = 16.0
#: Periods of the sines, in rows: near 6 Hz, none of them a whole number of rows.
PERIODS: Final = (167.1, 162.8, 158.7, 154.7)

DTYPE: Final = np.dtype([("timestamp", "<i8"), ("data", "<f4", (len(PERIODS),))])
_BLOCK: Final = 500_000


def adc_block(first: int, n_rows: int, rng: np.random.Generator) -> npt.NDArray[np.void]:
    """Return rows `first` to ``first + n_rows`` of the recording."""
    index = np.arange(first, first + n_rows)
    rows = np.empty(n_rows, DTYPE)
    jitter = rng.integers(-JITTER_US, JITTER_US + 1, n_rows)
    rows["timestamp"] = START_US + index * PERIOD_US + jitter
    for column, period in enumerate(PERIODS):
        # the phase, not the index, keeps its precision in a long recording
        phase = index % (period * 10_000) / period
        counts = AMPLITUDE * np.sin(2 * np.pi * phase)
        counts += rng.normal(scale=NOISE, size=n_rows)
        rows["data"][:, column] = np.rint(counts)
    return rows


def save_adc(path: Path, n_rows: int) -> None:
    """Write a recording as `numpy.save` does, in blocks."""
    rng = np.random.default_rng(SEED)
    rows = np.lib.format.open_memmap(path, "w+", DTYPE, (n_rows,))
    for first in range(0, n_rows, _BLOCK):
        part = min(_BLOCK, n_rows - first)
        rows[first : first + part] = adc_block(first, part, rng)
    rows.flush()
