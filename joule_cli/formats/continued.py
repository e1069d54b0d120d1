"""Text files that are continued: where their last whole line ends, and what it says."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
from contextlib import ExitStack, closing
from datetime import datetime, timedelta, timezone
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import IO, Any, NamedTuple

import zstandard

from joule_cli.errors import FormatError
from joule_cli.formats.base import os_failure

_BLOCK_BYTES = 1 << 20
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
#: µs per unit of a time that is a number.
TIME_UNITS = {
    "s": Decimal(1_000_000),
    "ms": Decimal(1000),
    "us": Decimal(1),
    "ns": Decimal("0.001"),
}
#: Times of today's data lie between 1990 and 2100, µs; in two units at once they do not.
_EARLIEST, _LATEST = 631_152_000_000_000, 4_102_444_800_000_000


class Tail(NamedTuple):
    """The end of a file of lines.

    Parameters
    ----------
    length
        Bytes of whole lines, `None` if the file is compressed.
    whole
        Whether nothing follows them.
    line
        The last whole line with a row, empty if there is none.
    """

    length: int | None
    whole: bool
    line: bytes


def tail(path: str | os.PathLike[str], name: str | None = None) -> Tail:
    """Look at the end of a file of lines, compressed or not.

    Parameters
    ----------
    name
        What it is called in errors.

    Raises
    ------
    FormatError
        It cannot be read, or no line of it is whole.
    """
    name = name or os.fspath(path)
    try:
        found = _tail(Path(path))
    except (gzip.BadGzipFile, EOFError, zstandard.ZstdError) as exc:
        raise FormatError(f"the file cannot be continued: {exc}", file=name) from exc
    except OSError as exc:
        raise os_failure(exc, name) from exc
    if not found.whole and not found.line:
        raise FormatError(
            "the file cannot be continued: no line of it is whole",
            file=name,
            hint="remove it, or write it anew",
        )
    if not found.whole and found.length is None:
        raise FormatError(
            "the file cannot be continued: its last line has no end, and it is compressed",
            file=name,
            hint="write it anew",
        )
    return found


def _tail(path: Path) -> Tail:
    with ExitStack() as stack:
        file: IO[bytes] = stack.enter_context(path.open("rb"))
        start = file.read(4)
        file.seek(0)
        if start[:2] == _GZIP:
            return _last_of(stack.enter_context(gzip.GzipFile(fileobj=file)), None)
        if start == _ZSTD:
            reader = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True)
            return _last_of(stack.enter_context(closing(reader)), None)
        size = file.seek(0, os.SEEK_END)
        found = Tail(0, size == 0, b"")
        reach = _BLOCK_BYTES
        while True:
            file.seek(max(size - reach, 0))
            found = _last_of(file, file.tell())
            if found.line or reach >= size:
                return found
            reach *= 8


def _last_of(file: Any, offset: int | None) -> Tail:
    """Look for the last lines from the present position on, which is `offset` in the file."""
    line = rest = b""
    length = offset
    # before the first line end it is part of a line that begins earlier
    known = not offset
    while block := file.read(_BLOCK_BYTES):
        lines, end, rest = (rest + block).rpartition(b"\n")
        if not end:
            # no line ends here
            continue
        if length is not None:
            length += len(lines) + 1
        parts = lines.split(b"\n")
        for each in reversed(parts if known else parts[1:]):
            if each.strip() and not each.lstrip().startswith(b"#"):
                line = each.rstrip(b"\r")
                break
        known = True
    return Tail(length, not rest, line)


def beginning(path: str | os.PathLike[str], length: int) -> IO[bytes]:
    """Open a file as if it had `length` bytes."""
    return io.BufferedReader(_Beginning(path, length))


class _Beginning(io.RawIOBase):
    def __init__(self, path: str | os.PathLike[str], length: int) -> None:
        self.name = os.fspath(path)
        self._file = Path(path).open("rb")  # noqa: SIM115  (closed by `close`)
        self._left = length

    def readable(self) -> bool:
        """Tell that it can be read, from the beginning to the end."""
        return True

    def readinto(self, buffer: Any, /) -> int:
        """Read as much as is left."""
        data = self._file.read(min(len(buffer), self._left))
        buffer[: len(data)] = data
        self._left -= len(data)
        return len(data)

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()


def time_text(line: bytes, format: str, delimiter: str | None) -> str:
    """Return the time of a row as it stands in its line; empty if it has none.

    Parameters
    ----------
    format
        ``text``, ``csv``, ``tsv`` or ``jsonl``.
    delimiter
        Of CSV.
    """
    text = line.decode("utf-8", "replace")
    if format == "text":
        return next(iter(text.split()), "")
    if format == "jsonl":
        try:
            row = json.loads(text, parse_int=str, parse_float=str)
        except ValueError:
            return ""
        if isinstance(row, dict):
            return str(row.get("timestamp", ""))
        return str(row[0]) if row else ""
    between = delimiter or ("\t" if format == "tsv" else ",")
    return next(iter(next(csv.reader([text], delimiter=between), [])), "").strip()


def time_options(text: str) -> str | None:
    """Return the options that print a time as this text, or `None` if it has no usual form.

    As in ``--time s`` or ``--time iso --tz +01:00``.
    """
    for unit, factor in TIME_UNITS.items():
        try:
            timestamp = Decimal(text) * factor
        except InvalidOperation:
            break
        if _EARLIEST <= timestamp < _LATEST:
            return f"--time {unit}"
    try:
        dt = datetime.fromisoformat(text)
    except ValueError:
        return None
    offset = dt.utcoffset()
    if offset is None:
        return None
    form = "iso" if "T" in text else "human"
    return f"--time {form} --tz {_zone(offset)}"


def _zone(offset: timedelta) -> str:
    return str(timezone(offset)).removeprefix("UTC") or "UTC"
