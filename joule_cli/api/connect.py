"""From a name or an address to a node."""

from __future__ import annotations

import importlib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from joule_cli.api.registry import LOCAL as LOCAL
from joule_cli.api.registry import NodeEntry, Registry, home_directory
from joule_cli.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from joule_cli.api.node import Node

#: What keeps the node at an address of each scheme, as ``module:class`` of a
#: `joule_cli.engine.stores.storage.Storage`; loaded on use.
STORES: Final = {"file": "joule_cli.engine.stores.sqlite.storage:SqliteStorage"}
#: Schemes of nodes that are reached over a socket.
_SOCKETS: Final = frozenset({"http", "https", "unix"})
_EMBEDDED: Final = "joule_cli.engine.node:EmbeddedNode"
_REMOTE: Final = "joule_cli.remote.node:RemoteNode"
#: Where `joule_cli.api.Node` looks for a node when it is given no address.
DEFAULT_URL: Final = "http://localhost:8088"

#: Authorities that all nodes are verified by, beside the registry.
_CA_FILE: Final = "ca.crt"

_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(.*)", re.DOTALL)


def get_node(
    name: str = "",
    *,
    url: str | None = None,
    environ: Mapping[str, str] | None = None,
    timeout_s: float | None = None,
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
        ``http://HOST:PORT``, ``https://HOST``, ``unix:PATH`` of a socket, ``file:PATH``,
        ``file:///PATH`` or a bare path.
    environ
        `None` for the environment of the process.
    timeout_s
        Seconds that a node may send nothing before a call fails, 0 for no limit; one minute by
        default. A file has none.

    Raises
    ------
    ConfigurationError
        No such stored node, an address of an unknown kind, or unreadable files.

    Notes
    -----
    The key of a stored node is stored with it. For an address it is ``JOULE_API_KEY``, else that
    of a stored node with the same address. HTTPS is verified by the authorities of the system and
    those in the file that is stored with the node, else in ``JOULE_CA_FILE``, else in ``ca.crt``
    beside the stored nodes.
    """
    environ = os.environ if environ is None else environ
    return open_entry(find_entry(name, url=url, environ=environ), environ, timeout_s)


def find_entry(name: str = "", *, url: str | None, environ: Mapping[str, str]) -> NodeEntry:
    """Return the entry that `get_node` opens, made up for what is not stored.

    Raises
    ------
    ConfigurationError
        No such stored node, an address of an unknown kind, or unreadable files.
    """
    if url is not None:
        return _entry_at(url, name, environ)
    name = name or environ.get("JOULE_NODE", "")
    if not name and environ.get("JOULE_URL"):
        return _entry_at(environ["JOULE_URL"], "", environ)
    if not name and _has_no_place(environ):
        return _local_entry(environ)
    registry = Registry.from_environment(environ)
    if name:
        # only a missing entry may become the default file, not one that cannot be read
        if name == LOCAL and all(entry.name != LOCAL for entry in registry.nodes()):
            return _local_entry(environ)
        return registry.get(name)
    return registry.default() or _local_entry(environ)


def file_of(entry: NodeEntry, environ: Mapping[str, str]) -> Path | None:
    """Return the file of the node that an entry describes, `None` if it is reached otherwise.

    Raises
    ------
    ConfigurationError
        An address of an unknown kind.
    """
    return _file_path(entry.url, environ) if _scheme(entry.url) == "file" else None


def node_at(url: str = DEFAULT_URL, loop: object = None) -> Node:
    """Return the node at an address; this is what ``joule_cli.api.Node(url)`` calls.

    Parameters
    ----------
    loop
        Of no effect; a node belongs to the event loop that its first call runs in.

    Raises
    ------
    ConfigurationError
        The address cannot be used.
    """
    return get_node(url=url)


def create_tcp_node(url: str, key: str, name: str = "node") -> Node:
    """Return a node at an address with a key; nothing is stored.

    The name that Joule 1.0.1 has for it.

    Raises
    ------
    ConfigurationError
        The address cannot be used.
    """
    return open_entry(NodeEntry(name, url, key))


def open_entry(
    entry: NodeEntry,
    environ: Mapping[str, str] | None = None,
    timeout_s: float | None = None,
) -> Node:
    """Return the node that an entry of the registry describes, whether it is stored or not.

    Raises
    ------
    ConfigurationError
        An address of an unknown kind.
    """
    environ = os.environ if environ is None else environ
    scheme = _scheme(entry.url)
    if scheme in STORES:
        name, url, new_folder = entry.name or _host(entry.url), entry.url, True
        path = file_of(entry, environ)
        if path is not None:
            name, url = entry.name or path.stem or LOCAL, f"file:{path}"
            new_folder = _makes_folder(path, environ)
        storage = _load(STORES[scheme]).open(url, new_folder=new_folder)
        return cast("Node", _load(_EMBEDDED)(name, storage))
    limit = {} if timeout_s is None else {"timeout_s": timeout_s}
    return cast(
        "Node",
        _load(_REMOTE)(
            entry.name or _host(entry.url),
            entry.url,
            key=entry.key,
            ca_file=_ca_file(entry, environ),
            insecure=entry.extra.get("insecure") is True,
            **limit,
        ),
    )


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
        entries = [_local_entry(environ)]
    return [open_entry(entry, environ) for entry in entries]


def save_node(
    node: Node, *, key: str | None = None, environ: Mapping[str, str] | None = None
) -> None:
    """Store a node under its name, so that `get_node` finds it.

    Parameters
    ----------
    key
        What the node asks for; `None` for the key that it was opened with, else the one that is
        stored with the name.

    Raises
    ------
    ConfigurationError
        The files cannot be read or written.
    """
    registry = _registry(environ)
    if key is None:
        key = node.key or next((e.key for e in registry.nodes() if e.name == node.name), "")
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


def _local_entry(environ: Mapping[str, str]) -> NodeEntry:
    return NodeEntry(LOCAL, f"file:{default_path(environ)}")


def _entry_at(url: str, name: str, environ: Mapping[str, str]) -> NodeEntry:
    """Return the entry of an address, with what is stored for it, as its key."""
    if _scheme(url) == "file":
        return NodeEntry(name, url)
    stored = _stored_at(url, environ)
    key = environ.get("JOULE_API_KEY") or stored.key
    return NodeEntry(name or stored.name, url, key, stored.extra)


def _stored_at(url: str, environ: Mapping[str, str]) -> NodeEntry:
    unknown = NodeEntry("", url)
    try:
        entries = Registry.from_environment(environ).nodes()
    except ConfigurationError:
        # an address and a key are enough, as in a container without a home
        return unknown
    address = url.rstrip("/")
    return next((entry for entry in entries if entry.url.rstrip("/") == address), unknown)


def _ca_file(entry: NodeEntry, environ: Mapping[str, str]) -> Path | None:
    chosen = entry.extra.get("ca_file") or environ.get("JOULE_CA_FILE")
    if chosen:
        return Path(str(chosen))
    try:
        common = Registry.from_environment(environ).directory / _CA_FILE
    except ConfigurationError:
        return None
    return common if common.is_file() else None


def _host(url: str) -> str:
    """Return a name for a node that has none: its host and port, or the name of its socket."""
    from urllib.parse import urlsplit

    return urlsplit(url).netloc or url.rstrip("/").rpartition("/")[2] or LOCAL


def _scheme(url: str) -> str:
    """Return the kind of an address; a bare path is a file."""
    found = _SCHEME.fullmatch(url)
    scheme = "file" if found is None else found[1].lower()
    if scheme not in STORES and scheme not in _SOCKETS:
        raise ConfigurationError(
            f"nodes at [{scheme}:] are not supported: {url}",
            hint="give the address as http://HOST:PORT, https://HOST, unix:PATH or file:PATH",
        )
    return scheme


def _file_path(url: str, environ: Mapping[str, str]) -> Path:
    found = _SCHEME.fullmatch(url)
    rest = url if found is None else found[2]
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


def _makes_folder(path: Path, environ: Mapping[str, str]) -> bool:
    """Whether the folder of a node file is a place of this program, made when it is needed."""
    try:
        if path != default_path(environ):
            return False
    except ConfigurationError:
        return False
    # what was typed must exist but for its last part
    return not environ.get("JOULE_DATA_DIR") or path.parent.parent.is_dir()


def _load(place: str) -> Any:
    module, _, attribute = place.partition(":")
    return getattr(importlib.import_module(module), attribute)
