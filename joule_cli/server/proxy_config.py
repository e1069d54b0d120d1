"""Web interfaces behind a node, as ``proxies.conf`` or an option names them.

::

    [Proxies]
    grafana = http://127.0.0.1:3000

The section may be in the main file of a Joule 1.0.1 node, among others, and its head may be left
out in a file that has nothing else. Source: Joule node and modules, "Proxies".
"""

from __future__ import annotations

import configparser
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from joule_cli.errors import ConfigurationError
from joule_cli.model import Proxy

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_SECTION: Final = "Proxies"


def read_proxies(path: Path) -> list[tuple[str, str]]:
    """Return name and URL of each proxy in a file, in its order.

    Raises
    ------
    ConfigurationError
        The file cannot be read, or has something else in it.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as exc:
        raise ConfigurationError(
            f"cannot read the proxies: {exc.strerror}", object=str(path)
        ) from exc
    except UnicodeDecodeError as exc:
        raise ConfigurationError("cannot read the proxies: not text", object=str(path)) from exc
    if not any(line.startswith("[") for line in text.splitlines()):
        text = f"[{_SECTION}]\n{text}"
    parser = configparser.ConfigParser()
    try:
        parser.read_string(text, source=str(path))
        return parser.items(_SECTION) if parser.has_section(_SECTION) else []
    except configparser.Error as exc:
        raise ConfigurationError(
            f"cannot read the proxies: {exc.message.splitlines()[0]}", object=str(path)
        ) from exc


def read_option(text: str) -> tuple[str, str]:
    """Return name and URL from ``NAME=URL``.

    Raises
    ------
    ConfigurationError
        There is no name, or no URL.
    """
    name, _, url = text.partition("=")
    if not name.strip() or not url.strip():
        raise ConfigurationError("a proxy is NAME=URL", object=text)
    return name.strip(), url.strip()


def make_proxies(named: Iterable[tuple[str, str]]) -> tuple[Proxy, ...]:
    """Return proxies with ids in their order.

    Raises
    ------
    ConfigurationError
        A name occurs twice, or a URL is none of a web server.
    """
    made: dict[str, Proxy] = {}
    for name, url in named:
        lowered = name.lower()
        if lowered in made:
            raise ConfigurationError(f"the proxy [{lowered}] is there twice", object=lowered)
        made[lowered] = Proxy(len(made), lowered, _checked(lowered, url))
    return tuple(made.values())


def _checked(name: str, url: str) -> str:
    try:
        parts = urlsplit(url)
        usable = parts.port != 0
    except ValueError:
        usable = False
        parts = urlsplit("")
    if not usable or parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ConfigurationError(f"the proxy [{name}] needs a URL of http or https", object=url)
    if parts.query or parts.fragment or not url.isprintable() or " " in url:
        raise ConfigurationError(
            f"the URL of the proxy [{name}] may only have a host, a port and a path", object=url
        )
    return url if url.endswith("/") else f"{url}/"
