"""The list of what a directory of exported streams holds: ``manifest.json``."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from joule_cli.errors import FormatError
from joule_cli.model import Annotation, DataStream
from joule_cli.part_file import write_whole

if TYPE_CHECKING:
    from pathlib import Path

MANIFEST = "manifest.json"
VERSION = 1
#: Of the text of every manifest.
_BEGINNING = f'{{\n "format_version": {VERSION},\n "node": '


@dataclass(slots=True)
class Part:
    """One file with rows of one stream.

    Parameters
    ----------
    file
        Relative to the directory, with ``/``.
    rows, bytes
        In the file.
    start, end
        Of its rows: the first, and 1 µs past the last; `None` without rows.
    continues
        Its first row belongs to the last interval of the part before.
    """

    file: str
    rows: int
    bytes: int
    start: int | None
    end: int | None
    continues: bool = False


@dataclass(slots=True)
class Entry:
    """One exported stream.

    Parameters
    ----------
    stream
        The model of the rows in the files: of the chosen elements, if not of all.
    key
        Which rows were asked for, so that a resumed export finds what it can keep.
    """

    path: str
    stream: dict[str, Any]
    decimation_level: int = 1
    key: str = ""
    parts: list[Part] = field(default_factory=list)
    annotations: list[dict[str, Any]] = field(default_factory=list)

    def model(self) -> DataStream:
        """Return the stream that the rows belong to."""
        return DataStream.from_json(self.stream)

    def notes(self) -> list[Annotation]:
        """Return its annotations."""
        return [Annotation.from_json(note) for note in self.annotations]


@dataclass(slots=True)
class Manifest:
    """All exported streams by path.

    Parameters
    ----------
    cut
        The file that it was read from is empty, or ends before its end, as after a power cut;
        `entries` has what of it is whole.
    """

    node: str = ""
    entries: dict[str, Entry] = field(default_factory=dict)
    cut: bool = False

    @classmethod
    def load(cls, directory: Path) -> Manifest | None:
        """Read the manifest of `directory`, `None` if there is none.

        Raises
        ------
        FormatError
            It cannot be read, or is not one.
        """
        file = directory / MANIFEST
        try:
            text = file.read_bytes().rstrip(b"\0").decode(errors="replace")
        except FileNotFoundError:
            return None
        except OSError as exc:
            raise FormatError((exc.strerror or str(exc)).lower(), file=str(file)) from exc
        try:
            data = json.loads(text)
        except ValueError as exc:
            if not text.startswith(_BEGINNING[: len(text)]):
                raise FormatError("not a manifest of exported streams", file=str(file)) from exc
            data = _whole_part(text)
        try:
            if data["format_version"] != VERSION:
                raise FormatError(
                    f"the format version {data['format_version']} is not known", file=str(file)
                )
            entries = [
                Entry(**{**entry, "parts": [Part(**part) for part in entry["parts"]]})
                for entry in data["streams"]
            ]
            return cls(
                data["node"], {entry.path: entry for entry in entries}, data.get("cut", False)
            )
        except (KeyError, TypeError) as exc:
            raise FormatError("not a manifest of exported streams", file=str(file)) from exc

    def require_whole(self, directory: Path) -> None:
        """Refuse to take a part for all.

        Raises
        ------
        FormatError
            The manifest is cut.
        """
        if self.cut:
            raise FormatError(
                "the manifest is cut, so that files may be missing from it",
                file=str(directory / MANIFEST),
                hint="'joule data export --resume' to the same directory makes it whole, "
                "and each file can be ingested by itself",
            )

    def save(self, directory: Path) -> None:
        """Write the manifest; the old one stays until the new one is complete."""
        file = directory / MANIFEST
        data = {
            "format_version": VERSION,
            "node": self.node,
            "streams": [asdict(self.entries[path]) for path in sorted(self.entries)],
        }
        text = json.dumps(data, indent=1, ensure_ascii=False) + "\n"
        try:
            write_whole(file, text.encode())
        except OSError as exc:
            raise FormatError((exc.strerror or str(exc)).lower(), file=str(file)) from exc


def _whole_part(text: str) -> dict[str, Any]:
    """Return what is complete of a manifest that ends too early."""
    data: dict[str, Any] = {"format_version": VERSION, "node": "", "streams": [], "cut": True}
    decoder = json.JSONDecoder()
    with suppress(ValueError):
        name = '"node":'
        at = text.index(name) + len(name) + 1
        data["node"], at = decoder.raw_decode(text, at)
        at = text.index("[", at) + 1
        while True:
            at += len(text[at:]) - len(text[at:].lstrip(" \n,"))
            entry, at = decoder.raw_decode(text, at)
            data["streams"].append(entry)
    return data


def file_stem(path: str) -> str:
    """Return a relative file name, without suffix, for the stream at `path`.

    Names that a file system would take for something else are written with ``%``.
    """
    return "/".join(_safe(name) for name in path.strip("/").split("/"))


def _safe(name: str) -> str:
    if name in {".", ".."}:
        return name.replace(".", "%2E")
    return "".join(
        f"%{ord(letter):02X}" if letter in "%\\" or ord(letter) < 32 else letter for letter in name
    )
