"""From a name or an address to a node."""

from __future__ import annotations

import importlib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol, cast

from joule_cli.api.registry import NodeEntry, Registry, home_directory
from joule_cli.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from joule_cli.api.node import Node

#: Name of the node in the default file.
LOCAL: Final = "local"

#: What serves the addresses of each scheme, as ``module:class``; loaded on use.
SCHEMES: Final = {"file": "joule_cli.engine.node:EmbeddedNode"}

_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(.*)", re.DOTALL)


class _OpensFile(Protocol):
    def __call__(self, name: str, path: Path) -> Node: ...


def get_node(
    name: str = "", *, url: str | None = None, environ: Mapping[str, str] | None = None
) -> Node:
    """Return a node, without contacting it yet.

    The first of these that is given decides: `url`; `name`, looked up among the stored nodes;
    ``JOULE_NODE``, likewise a name; ``JOULE_URL``; the stored default node; the node in the
    default file. Unless a stored node has that name, ``local`` is the node in the default file.

    Parameters
    ----------
    name
        Name of a stored node.
    url
        ``file:PATH``, ``file:///PATH`` or a bare path.
    environ
        `None` for the environment of the process.

    Raises
    ------
    ConfigurationError
        No such stored node, an address of an unknown kind, or unreadable files.
    """
    environ = os.environ if environ is None else environ
    if url is not None:
        return _open(url, name or None, environ)
    name = name or environ.get("JOULE_NODE", "")
    if not name and environ.get("JOULE_URL"):
        return _open(environ["JOULE_URL"], None, environ)
    if not name and _has_no_place(environ):
        return _local_node(environ)
    registry = Registry.from_environment(environ)
    if name:
        # only a missing entry may become the default file, not one that cannot be read
        if name == LOCAL and all(entry.name != LOCAL for entry in registry.nodes()):
            return _local_node(environ)
        entry: NodeEntry | None = registry.get(name)
    else:
        entry = registry.default()
    return _local_node(environ) if entry is None else _open(entry.url, entry.name, environ)


def get_nodes(*, environ: Mapping[str, str] | None = None) -> list[Node]:
    """Return the stored nodes; without any, the node in the default file.

    Raises
    ------
    ConfigurationError
        An address of an unknown kind, or unreadable files.
    """
    environ = os.environ if environ is None else environ
    entries = Registry.from_environment(environ).nodes()
    if not entries:
        return [_local_node(environ)]
    return [_open(entry.url, entry.name, environ) for entry in entries]


def save_node(
    node: Node, *, key: str | None = None, environ: Mapping[str, str] | None = None
) -> None:
    """Store a node under its name, so that `get_node` finds it.

    Parameters
    ----------
    key
        What the node asks for; `None` keeps the key that is stored with the name.

    Raises
    ------
    ConfigurationError
        The files cannot be read or written.
    """
    registry = _registry(environ)
    if key is None:
        key = next((entry.key for entry in registry.nodes() if entry.name == node.name), "")
    registry.save(NodeEntry(node.name, node.url, key))


def delete_node(node: Node | str, *, environ: Mapping[str, str] | None = None) -> None:
    """Forget a stored node; its data stay where they are.

    Raises
    ------
    ConfigurationError
        It is not stored, or the files cannot be written.
    """
    _registry(environ).delete(node if isinstance(node, str) else node.name)


def set_default_node(node: Node | str, *, environ: Mapping[str, str] | None = None) -> None:
    """Make a stored node the one that `get_node` returns when no name is given.

    Raises
    ------
    ConfigurationError
        It is not stored, or the files cannot be written.
    """
    _registry(environ).set_default(node if isinstance(node, str) else node.name)


def default_path(environ: Mapping[str, str]) -> Path:
    """Return the default file of the embedded node; it may not exist.

    Raises
    ------
    ConfigurationError
        The user has no home directory and no variable names a place.
    """
    chosen = environ.get("JOULE_DATA_DIR")
    if chosen:
        return _absolute(chosen) / "joule.db"
    base = environ.get("XDG_DATA_HOME")
    # a relative path in XDG_* is invalid and must be ignored
    if base and Path(base).is_absolute():
        return Path(base) / "joule" / "joule.db"
    home = home_directory(environ)
    if home is None:
        raise ConfigurationError("specify JOULE_DATA_DIR environment variable")
    return _absolute(home) / ".local" / "share" / "joule" / "joule.db"


def _registry(environ: Mapping[str, str] | None) -> Registry:
    return Registry.from_environment(os.environ if environ is None else environ)


def _has_no_place(environ: Mapping[str, str]) -> bool:
    """Whether the data have a place and the registry has none, as in a bare container."""
    if home_directory(environ) is not None or not environ.get("JOULE_DATA_DIR"):
        return False
    try:
        Registry.from_environment(environ)
    except ConfigurationError:
        return True
    return False


def _local_node(environ: Mapping[str, str]) -> Node:
    return _embedded(LOCAL, default_path(environ))


def _open(url: str, name: str | None, environ: Mapping[str, str]) -> Node:
    path = _file_path(url, environ)
    return _embedded(name or path.stem or LOCAL, path)


def _file_path(url: str, environ: Mapping[str, str]) -> Path:
    found = _SCHEME.fullmatch(url)
    scheme, rest = ("file", url) if found is None else (found[1].lower(), found[2])
    if scheme not in SCHEMES:
        works = " or ".join(f"{scheme}:PATH" for scheme in SCHEMES)
        raise ConfigurationError(
            f"nodes at [{scheme}:] are not supported: {url}", hint=f"give the address as {works}"
        )
    if found is not None and rest.startswith("//"):
        from urllib.parse import unquote

        host, slash, below = rest[2:].partition("/")
        if host not in {"", "localhost"}:
            raise ConfigurationError(
                f"the file of a node must be on this machine, not on [{host}]: {url}",
                hint="write file:///PATH for an absolute path",
            )
        rest = unquote(slash + below)
    if not rest or "\0" in rest:
        raise ConfigurationError(f"the address [{url}] names no file", hint="write file:PATH")
    if rest == "~" or rest.startswith("~/"):
        home = home_directory(environ)
        if home is None:
            raise ConfigurationError(f"there is no home directory for [{url}]")
        rest = f"{home}{rest[1:]}"
    if rest.endswith("/"):
        raise ConfigurationError(f"the address [{url}] names a directory, not a file")
    return _absolute(rest)


def _absolute(path: str | Path) -> Path:
    # not resolve(): the path stays as the user knows it, symbolic links included
    text = os.path.abspath(path)  # noqa: PTH100
    # two slashes at the start are kept there, and would make a host of the first name in an address
    return Path(f"/{text.lstrip('/')}")


def _embedded(name: str, path: Path) -> Node:
    module, _, attribute = SCHEMES["file"].partition(":")
    implementation = cast("_OpensFile", getattr(importlib.import_module(module), attribute))
    return implementation(name, path)
