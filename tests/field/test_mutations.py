"""Good files with something changed in them: what is stored is what stands there, or is told.

Every row that comes out is compared with what Python's own reader of CSV makes of its line.
"""

from __future__ import annotations

import csv
import random
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from joule_cli.errors import JouleError
from joule_cli.formats import open_reader
from joule_cli.formats.table.options import ReadOptions

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NOW = (datetime(2026, 1, 1, tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)
FIRST = datetime(2024, 3, 5, 10, 0, tzinfo=UTC)
MISSING = {"", "nan", "null", "na", "n/a", "none", "-", "+nan", "-nan", "#n/a"}
ROWS = 24


def lines_of(delimiter, show):
    """Return a header and rows."""
    yield delimiter.join(["time", "a", "b"])
    for number in range(ROWS):
        moment = FIRST + timedelta(seconds=number)
        yield delimiter.join([show(moment), f"{number * 1.25 + 100:.2f}", str(number * 3 - 7)])


KINDS = {
    "seconds": (",", lambda moment: str(int(moment.timestamp()))),
    "microseconds": (",", lambda moment: str(int(moment.timestamp()) * 1_000_000)),
    "iso": (",", datetime.isoformat),
    "tabs": ("\t", lambda moment: moment.strftime("%Y-%m-%d %H:%M:%S")),
    "semicolons": (";", lambda moment: moment.strftime("%Y/%m/%d %H:%M:%S")),
}
CELLS = [
    "", "NaN", "null", "ERR", "1e5", "-0", "007", "+3", "1_000", "0x10", "1,5", "1.2.3", "inf",
    "99999999999999999999", "9007199254740993", "1e400", "TRUE", '"', '"5"', "5 V", " 6 ", "١",
    "2024-03-05", "1709632800", "-", "1 000", "\0", "3\0", "1709632800.5", "24:00", "1E+3", "#",
]  # fmt: skip


def mutate(rng, lines, delimiter):
    """Change one to three things in the lines; return the bytes of the file."""
    lines = list(lines)
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(lines))
        match rng.randrange(9):
            case 0 | 1 | 2:
                cells = lines[at].split(delimiter)
                cells[rng.randrange(len(cells))] = rng.choice(CELLS)
                lines[at] = delimiter.join(cells)
            case 3:
                lines.pop(at)
                lines = lines or [""]
            case 4:
                lines.insert(at, lines[rng.randrange(len(lines))])
            case 5:
                other = rng.randrange(len(lines))
                lines[at], lines[other] = lines[other], lines[at]
            case 6:
                lines[at] = lines[at][: rng.randrange(len(lines[at]) + 1)]
            case 7:
                lines[at] += rng.choice([delimiter, delimiter + "9", " ", "x"])
            case _:
                lines.insert(at, rng.choice(["", "# a remark", "---", "End of file", "Total,1,2"]))
    data = bytearray("\n".join(lines).encode() + b"\n" * (rng.random() < 0.9))
    if rng.random() < 0.3 and data:
        data[rng.randrange(len(data))] = rng.choice([0, 9, 10, 13, 32, 34, 44, 46, 48, 57, 255])
    return bytes(data)


def plainly(data, delimiter):
    """Return what Python makes of each line that is a row without doubt."""
    rows = set()
    # a header with more names makes longer rows good
    longer = data.split(b"\n")[0].count(delimiter.encode()) > 2
    for line in data.decode("utf-8", "replace").replace("\r\n", "\n").split("\n"):
        try:
            cells = next(csv.reader([line], delimiter=delimiter, strict=True), [])
            moment = _moment(cells[0].strip())
            values = tuple(_value(cell) for cell in cells[1:])
        except (csv.Error, ValueError, IndexError, OverflowError):
            continue
        while len(values) > 2 and (longer or values[-1] is None):
            values = values[:-1]
        rows.add((moment, *values))
    return rows


def _moment(text):
    for unit in (1, 1_000_000):
        try:
            number = float(text) / unit
        except ValueError:
            break
        if 6e8 < number < 4.2e9:
            return round(number * 1e6)
    moment = datetime.fromisoformat(text.replace("/", "-"))
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (moment - EPOCH) // timedelta(microseconds=1)


def _value(cell):
    text = cell.strip()
    if text.lower() in MISSING:
        return None
    if text.lower() in {"true", "false"}:
        return float(text.lower() == "true")
    if "_" in text or not text.isascii():
        raise ValueError(text)
    return float(text)


def read(file, *, skip):
    """Read a file as a new stream would get it."""
    rejected = []
    options = ReadOptions(
        time_format="auto",
        clock=lambda: NOW,
        use_columns=["a", "b"],
        on_reject=(lambda *bad: rejected.append(bad)) if skip else None,
    )
    with open_reader(file, None, options) as reader:
        blocks = [block for block in reader.blocks() if block is not None]
        return blocks, reader.tally, rejected, reader.container.notes


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("skip", [False, True], ids=["fail", "skip"])
def test_mutations(tmp_path, kind, skip):
    delimiter, show = KINDS[kind]
    lines = list(lines_of(delimiter, show))
    rng = random.Random(f"{kind}{skip}")
    accepted = 0
    for number in range(1000):
        data = mutate(rng, lines, delimiter)
        file = tmp_path / f"{number}.csv"
        file.write_bytes(data)
        try:
            blocks, tally, rejected, _ = read(file, skip=skip)
        except JouleError:
            continue
        accepted += 1
        plain = plainly(data, delimiter)
        count = 0
        for block in blocks:
            for stamp, values in zip(block["timestamp"].tolist(), block["data"], strict=True):
                row = (stamp, *(None if np.isnan(x) else x for x in values.tolist()))
                assert row in plain, (row, data.decode("utf-8", "replace"))
                count += 1
        told = len(rejected) + tally.equal + bool(tally.warnings)
        assert tally.rejected == len(rejected)
        if not told:
            # nothing was left out in silence
            assert {row[0] for row in plain} == {
                stamp for block in blocks for stamp in block["timestamp"].tolist()
            }, data.decode("utf-8", "replace")
    assert accepted > (300 if skip else 100)
