"""The nodes that a user has stored: ``nodes.json`` and ``default_node.txt``.

Place and format are those of Joule 1.0.1, whose programs share the files.
"""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from joule_cli.errors import ConfigurationError
from joule_cli.part_file import lock_folder, make_folder, sync, write_whole

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Self

#: Name of the node in the default file, unless a stored node has it.
LOCAL: Final = "local"

_NODES: Final = "nodes.json"
_DEFAULT: Final = "default_node.txt"


@dataclass(frozen=True, slots=True)
class NodeEntry:
    """One stored node.

    Parameters
    ----------
    name, url
        Unique name, and where the node is.
    key
        What the node asks for, empty if nothing.
    extra
        Further keys of the entry, written by other programs and kept as they are.
    """

    name: str
    url: str
    key: str = field(default="", repr=False)
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)


class Registry:
    """The stored nodes in `directory`.

    Every call reads the files anew, and reading never creates one. A change takes a lock on the
    directory against other processes, and replaces a file in one step; the new file is readable
    by its owner only from the start.

    Parameters
    ----------
    owner
        User and group id that the files are handed to, `None` to keep them.
    """

    def __init__(self, directory: Path, *, owner: tuple[int, int] | None = None) -> None:
        self.directory = directory
        self._owner = owner

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Self:
        """Return the registry of the user; under sudo, of the user who called it.

        Raises
        ------
        ConfigurationError
            The user has no home directory and no variable names a place.
        """
        return cls(default_directory(environ), owner=_sudo_owner(environ))

    def nodes(self) -> list[NodeEntry]:
        """Return the stored nodes in the order of the file.

        Raises
        ------
        ConfigurationError
            The file cannot be read.
        """
        text = self._read(_NODES)
        if text is None or not text.strip():
            return []
        import json

        path = self.directory / _NODES
        try:
            data = json.loads(text)
        except json.JSONDecodeError as exc:
            place = f"line {exc.lineno} column {exc.colno}"
            raise _unreadable(path, f"{place}: {exc.msg}") from exc
        except RecursionError as exc:
            raise _unreadable(path, "nested too deep") from exc
        if not isinstance(data, list):
            raise _unreadable(path, "not a list of nodes")
        return [_entry(item, number, path) for number, item in enumerate(data, start=1)]

    def get(self, name: str) -> NodeEntry:
        """Return a stored node.

        Raises
        ------
        ConfigurationError
            It is not stored.
        """
        nodes = self.nodes()
        for entry in nodes:
            if entry.name == name:
                return entry
        raise ConfigurationError(
            f"Node ['{name}'] is not available, add it with [joule node add]",
            object=name,
            hint=_nearest(name, nodes),
        )

    def default(self) -> NodeEntry | None:
        """Return the default node: the one that was chosen, else the first.

        `None` stands for the node in the default file: no node is stored, or `LOCAL` was chosen.
        """
        nodes = self.nodes()
        chosen = (self._read(_DEFAULT) or "").strip()
        first = nodes[0] if nodes and chosen != LOCAL else None
        return next((entry for entry in nodes if entry.name == chosen), first)

    def save(self, entry: NodeEntry) -> None:
        """Store a node; it takes the place of one with the same name.

        Raises
        ------
        ConfigurationError
            Name or address are empty, or the file cannot be written.
        """
        _check_name(entry.name)
        if not entry.url:
            raise ConfigurationError("Specify the address of the node, it may not be empty")
        with self._locked(create=True):
            nodes = self.nodes()
            for index, old in enumerate(nodes):
                if old.name == entry.name:
                    nodes[index] = replace(entry, extra={**old.extra, **entry.extra})
                    break
            else:
                nodes.append(entry)
            self._write_nodes(nodes)

    def delete(self, name: str) -> None:
        """Remove a stored node.

        Raises
        ------
        ConfigurationError
            It is not stored, or the file cannot be written.
        """
        with self._locked():
            nodes = self.nodes()
            left = [entry for entry in nodes if entry.name != name]
            if len(left) == len(nodes):
                raise absent(name, nodes)
            self._write_nodes(left)

    def set_default(self, name: str) -> None:
        """Choose the default node; `LOCAL` need not be stored.

        Raises
        ------
        ConfigurationError
            The node is not stored, or the file cannot be written.
        """
        _check_name(name)
        with self._locked(create=name == LOCAL):
            nodes = self.nodes()
            if name != LOCAL and all(entry.name != name for entry in nodes):
                raise ConfigurationError(
                    "Invalid node name, view nodes with [joule node list]",
                    object=name,
                    hint=_nearest(name, nodes),
                )
            self._write(_DEFAULT, f"{name}\n")

    def rename(self, old: str, new: str) -> None:
        """Rename a stored node; the default node stays the default.

        Raises
        ------
        ConfigurationError
            `old` is not stored, `new` is taken or empty, or a file cannot be written.
        """
        _check_name(new)
        with self._locked():
            nodes = self.nodes()
            names = [entry.name for entry in nodes]
            if old not in names:
                raise absent(old, nodes)
            if old == new:
                return
            if new in names:
                raise ConfigurationError(f"Node [{new}] exists already", object=new)
            chosen = (self._read(_DEFAULT) or "").strip() == old
            self._write_nodes([replace(e, name=new) if e.name == old else e for e in nodes])
            if chosen:
                self._write(_DEFAULT, f"{new}\n")

    def _read(self, name: str) -> str | None:
        path = self.directory / name
        try:
            return path.read_text(encoding="utf-8")
        except (FileNotFoundError, NotADirectoryError):
            return None
        except UnicodeDecodeError as exc:
            raise _unreadable(path, "not UTF-8 text") from exc
        except OSError as exc:
            raise ConfigurationError(f"Cannot read [{path}]: {exc.strerror}") from exc

    def _write_nodes(self, nodes: list[NodeEntry]) -> None:
        import json

        data = [{"name": e.name, "url": e.url, "key": e.key, **e.extra} for e in nodes]
        self._write(_NODES, json.dumps(data, indent=2, ensure_ascii=False) + "\n")

    @contextmanager
    def _locked(self, *, create: bool = False) -> Iterator[None]:
        if not create and not self.directory.is_dir():
            # nothing to lock, and what is about to fail should leave nothing behind
            yield
            return
        try:
            self._make_directory()
            # some network file systems have no such lock; each file is still replaced whole
            descriptor = lock_folder(self.directory)
        except OSError as exc:
            raise _unwritable(self.directory, exc) from exc
        try:
            yield
        finally:
            os.close(descriptor)

    def _make_directory(self) -> None:
        if self.directory.is_dir():
            return
        make_folder(self.directory.parent)
        with suppress(FileExistsError):
            self.directory.mkdir(mode=0o700)
            with suppress(PermissionError):
                sync(self.directory.parent)
            # only what this call made: an existing directory may belong to another user
            if self._owner is not None:
                os.chown(self.directory, *self._owner)

    def _write(self, name: str, text: str) -> None:
        # through a symbolic link, so that a file kept elsewhere stays there
        path = Path(os.path.realpath(self.directory / name))
        try:
            write_whole(path, text.encode(), mode=0o600, owner=self._owner)
        except OSError as exc:
            raise _unwritable(path, exc) from exc


def default_directory(environ: Mapping[str, str]) -> Path:
    """Return the user's configuration directory; it may not exist.

    `JOULE_USER_CONFIG_DIR`, else ``~/.joule``. If that does not exist, ``$XDG_CONFIG_HOME/joule``
    when it does.

    Raises
    ------
    ConfigurationError
        The user has no home directory and no variable names a place.
    """
    chosen = environ.get("JOULE_USER_CONFIG_DIR")
    if chosen:
        return Path(chosen)
    home = home_directory(environ)
    own = None if home is None else home / ".joule"
    if own is not None and own.is_dir():
        return own
    base = environ.get("XDG_CONFIG_HOME")
    if base and Path(base).is_absolute() and (Path(base) / "joule").is_dir():
        return Path(base) / "joule"
    if own is not None:
        return own
    if environ.get("APPDATA"):
        return Path(environ["APPDATA"]) / ".joule"
    raise ConfigurationError("specify JOULE_USER_CONFIG_DIR environment variable")


def home_directory(environ: Mapping[str, str]) -> Path | None:
    """Return ``HOME``, else the home directory of the user database, `None` if neither knows."""
    home = environ.get("HOME")
    if home:
        return Path(home)
    import pwd

    try:
        return Path(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:
        return None


def _sudo_owner(environ: Mapping[str, str]) -> tuple[int, int] | None:
    """Return the user who called sudo, if files can be handed over."""
    uid, gid = environ.get("SUDO_UID", ""), environ.get("SUDO_GID", "")
    if not environ.get("SUDO_USER") or os.geteuid() != 0:
        return None
    return (int(uid), int(gid)) if uid.isdecimal() and gid.isdecimal() else None


def _entry(item: Any, number: int, path: Path) -> NodeEntry:
    if not isinstance(item, dict):
        raise _unreadable(path, f"entry {number} is not an object")
    name, url, key = item.get("name"), item.get("url"), item.get("key") or ""
    if not (isinstance(name, str) and isinstance(url, str) and isinstance(key, str)):
        raise _unreadable(path, f"entry {number} needs texts as name, url and key")
    known = {"name", "url", "key"}
    return NodeEntry(name, url, key, {k: value for k, value in item.items() if k not in known})


def _check_name(name: str) -> None:
    if not name.strip():
        raise ConfigurationError("Specify a node name, may not be empty")
    if name != name.strip() or not name.isprintable():
        raise ConfigurationError(
            f"Invalid node name [{name!r}]: no blanks at the ends and no control characters"
        )


def absent(name: str, stored: Iterable[NodeEntry]) -> ConfigurationError:
    """Return the error for the name of a node that is not stored."""
    return ConfigurationError(
        f"Node [{name}] does not exist", object=name, hint=_nearest(name, stored)
    )


def _nearest(name: str, stored: Iterable[NodeEntry]) -> str | None:
    from joule_cli.series.nearest import did_you_mean

    return did_you_mean(name, [*(entry.name for entry in stored), LOCAL])


def _unreadable(path: Path, reason: str) -> ConfigurationError:
    return ConfigurationError(
        f"Cannot parse [{path}], {reason}", hint="fix the syntax or remove it"
    )


def _unwritable(path: Path, exc: OSError) -> ConfigurationError:
    return ConfigurationError(f"Cannot write [{path}]: {exc.strerror}")
