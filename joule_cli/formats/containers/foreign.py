"""What a file is that no container reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from joule_cli.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Collection

_TO_TABLE: Final = "save it as .xlsx or CSV"
_UNPACK: Final = "unpack it and name the file in it"
_EXPORT: Final = "export the table as CSV"
_NUMPY: Final = "save the array with numpy.savetxt, or as HDF5"

#: Beginnings of files, what they are and what helps.
_MAGICS: Final = (
    (b"MATLAB 5.0 MAT-file", "a MATLAB 5 file", "save it with save(NAME, '-v7.3') or as CSV"),
    (b"SQLite format 3\0", "an SQLite database", _EXPORT),
    (b"%PDF", "a PDF document", None),
    (b"\x89PNG\r\n\x1a\n", "a PNG picture", None),
    (b"\xff\xd8\xff", "a JPEG picture", None),
    (b"GIF8", "a GIF picture", None),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", _UNPACK),
    (b"Rar!\x1a\x07", "a RAR archive", _UNPACK),
    (b"BZh", "bzip2 data", "unpack it with bunzip2"),
    (b"\xfd7zXZ\0", "xz data", "unpack it with unxz"),
    (b"\x93NUMPY", "an array of NumPy", _NUMPY),
    (b"CDF\x01", "a netCDF 3 file", "convert it with nccopy -k nc4"),
    (b"CDF\x02", "a netCDF 3 file", "convert it with nccopy -k nc4"),
    (b"CDF\x05", "a netCDF 3 file", "convert it with nccopy -k nc4"),
    (b"\x0e\x03\x13\x01", "an HDF4 file", "convert it with h4toh5"),
    (b"MDF     ", "an ASAM MDF file", "convert it to CSV or Parquet with asammdf"),
    (b"UnFinMF ", "an ASAM MDF file", "convert it to CSV or Parquet with asammdf"),
    (b"ORC", "an ORC file", "convert it to Parquet"),
    (b"Obj\x01", "an Avro file", "convert it to Parquet"),
    (b"\x7fELF", "a program", None),
    (b"\x80\x03", "a pickle of Python", "save the table with to_parquet or to_csv"),
    (b"\x80\x04\x95", "a pickle of Python", "save the table with to_parquet or to_csv"),
    (b"\x80\x05\x95", "a pickle of Python", "save the table with to_parquet or to_csv"),
    (b"\xd4\xc3\xb2\xa1", "a recording of network packets", None),
    (b"\x0a\x0d\x0d\x0a", "a recording of network packets", None),
    (b"OggS", "an Ogg recording", None),
    (b"fLaC", "a FLAC recording", None),
    (b"ID3", "an MP3 recording", None),
)
#: Beginnings of texts that are no tables, in lower case and without blanks before them.
_TEXTS: Final = (
    (b"<!doctype html", "an HTML page", "was a page of a login or an error downloaded?"),
    (b"<html", "an HTML page", "was a page of a login or an error downloaded?"),
    (b"<?xml", "an XML document", "convert it to CSV"),
    (b"{\\rtf", "an RTF document", None),
)
_OLE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


def foreign(head: bytes, name: str = "") -> FormatError | None:
    """Return the error for a file that is known but not read, `None` for any other.

    Parameters
    ----------
    head
        The first bytes, some 512 if the file has so many.
    name
        The file's name, for the error and for its suffix.
    """
    for magic, what, hint in _MAGICS:
        if head.startswith(magic):
            return refused(what, hint, name)
    if head.startswith(_OLE):
        other = name.lower().endswith((".doc", ".ppt", ".msi", ".msg"))
        what = "an old Office document" if other else "an Excel 97 workbook"
        return refused(what, _TO_TABLE, name)
    if head.startswith((b"RIFF", b"RF64")) and head[8:12] in (b"WAVE", b"AVI "):
        wave = head[8:12] == b"WAVE"
        return refused("a WAV recording" if wave else "an AVI film", None, name)
    if head[257:262] == b"ustar":
        return refused("a tar archive", _UNPACK, name)
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:20].lower()
    for begin, what, hint in _TEXTS:
        if text.startswith(begin):
            return refused(what, hint, name)
    return None


def foreign_zip(members: Collection[str], name: str) -> FormatError | None:
    """Return the error for a zip archive that is a document, `None` for one that holds files.

    Parameters
    ----------
    members
        Names of the files in it.
    """
    found = set(members)
    if "mimetype" in found and "content.xml" in found:
        return refused("an OpenDocument file", _TO_TABLE, name)
    if "xl/workbook.bin" in found:
        return refused("a binary Excel workbook", _TO_TABLE, name)
    if "word/document.xml" in found:
        return refused("a Word document", None, name)
    if "ppt/presentation.xml" in found:
        return refused("a PowerPoint presentation", None, name)
    if found and all(member.endswith(".npy") for member in found):
        return refused("a file of NumPy arrays", _NUMPY, name)
    return None


def refused(what: str, hint: str | None, name: str) -> FormatError:
    """Return an error that says what a file is."""
    return FormatError(f"the file is {what}, which is not read", file=name or None, hint=hint)
