"""Members of an HDF5 file, of which none may lie in another file.

Links and datasets can name any file of the machine that reads them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import h5py

from joule_cli.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

#: Lists of names and of intervals are far smaller.
_MOST_BYTES = 1 << 28
#: Links that are followed for one name.
_MOST_LINKS = 16


def member(group: h5py.Group, path: str, name: str) -> Any:
    """Return what stands below a group, `None` if there is nothing.

    Parameters
    ----------
    path
        Names with slashes between them; one at the beginning goes back to the root.
    name
        Of the file, for errors.

    Raises
    ------
    FormatError
        It lies in another file.
    """
    item: Any = group.file if path.startswith("/") else group
    parts = path.split("/")
    followed = 0
    while parts:
        part = parts.pop(0)
        if part in ("", "."):
            continue
        link = item.get(part, getlink=True) if isinstance(item, h5py.Group) else None
        if link is None or followed > _MOST_LINKS:
            return None
        if isinstance(link, h5py.ExternalLink):
            raise _elsewhere(
                f"{item.name.rstrip('/')}/{part}", f"to the file {link.filename!r}", name
            )
        if isinstance(link, h5py.SoftLink):
            followed += 1
            parts = link.path.split("/") + parts
            item = group.file if link.path.startswith("/") else item
        else:
            item = item[part]
    if isinstance(item, h5py.Dataset):
        check_inside(item, name)
    return item


def check_links(group: h5py.Group, name: str) -> None:
    """Refuse a group with a member in another file; docstring of `member` applies."""
    for key in group:
        if not isinstance(group.get(key, getlink=True), h5py.HardLink):
            member(group, key, name)


def members(group: h5py.Group, name: str) -> Iterator[tuple[str, Any]]:
    """Give what stands in a group by name; docstring of `member` applies."""
    for key in group:
        item = member(group, key, name)
        if item is not None:
            yield key, item


def check_inside(dataset: h5py.Dataset, name: str) -> None:
    """Refuse a dataset whose values lie in other files.

    Raises
    ------
    FormatError
        They do.
    """
    if dataset.external or dataset.is_virtual:
        raise _elsewhere(dataset.name, "with its values to other files", name)


def loaded(group: h5py.Group, path: str, name: str) -> npt.NDArray[Any]:
    """Return all values of a dataset that describes others, and so is small.

    Raises
    ------
    FormatError
        It is not there, lies in another file or is not small.
    """
    found = member(group, path, name)
    if not isinstance(found, h5py.Dataset) or found.size * found.dtype.itemsize > _MOST_BYTES:
        raise FormatError(f"{path!r} cannot be read", file=name)
    values: npt.NDArray[Any] = found[()]
    return values


def _elsewhere(path: str, where: str, name: str) -> FormatError:
    return FormatError(
        f"{path.lstrip('/')!r} points {where}, which is not followed",
        file=name,
        hint="copy the values into the file, such as with h5repack or h5copy",
    )
