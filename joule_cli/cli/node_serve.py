"""`joule node serve`: a node file on the network."""

from __future__ import annotations

import os
import re
import signal
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from joule_cli.cli._lazy import command
from joule_cli.cli._options import DURATION
from joule_cli.cli._run import open_node, run
from joule_cli.cli._settings import current
from joule_cli.errors import ApiError, ConfigurationError

if TYPE_CHECKING:
    import asyncio
    import logging
    import ssl
    from collections.abc import Iterator
    from ipaddress import IPv4Network, IPv6Network
    from types import FrameType

    from joule_cli.api.node import Node
    from joule_cli.server.listeners import SocketAddress, TcpAddress
    from joule_cli.server.settings import ServerSettings

_FILE = click.Path(path_type=Path)
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_SIZE = re.compile(r"(\d{1,15})\s*(?:([kmg])(?:i?b)?|b)?", re.IGNORECASE)
_UNITS = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}


class SizeType(click.ParamType[int]):
    """A number of bytes, as in ``1MiB``."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        found = _SIZE.fullmatch(value.strip())
        if found is None:
            self.fail(f"{value!r} is not a size such as 1MiB", param, ctx)
        return int(found[1]) * _UNITS[(found[2] or "").lower()]


@command(
    "serve",
    examples=[
        "joule node serve",
        "joule node serve /data/lab.db --port 8088 --socket /run/joule/api",
        "joule node serve --bind 0.0.0.0 --tls-cert server.crt --tls-key server.key",
        "joule node serve --proxy grafana=http://127.0.0.1:3000",
    ],
)
@click.argument("path", required=False)
@click.option("--bind", metavar="ADDR", help="Listen on this address.  [default: 127.0.0.1]")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    metavar="N",
    help="Listen on this port, 0 for any.  [default: 8088]",
)
@click.option(
    "--socket",
    "socket_path",
    type=_FILE,
    metavar="PATH",
    help="Listen on a UNIX socket; alone, nowhere else.",
)
@click.option("--tls-cert", type=_FILE, metavar="FILE", help="Speak TLS with this certificate.")
@click.option("--tls-key", type=_FILE, metavar="FILE", help="Its key, if it is not in that file.")
@click.option("--name", metavar="NAME", help="Name of the node.  [default: that of this machine]")
@click.option("--public-url", metavar="URL", help="Where other nodes reach this one.")
@click.option("--ca", "ca_file", type=_FILE, metavar="FILE", help="Trust it in other nodes, too.")
@click.option(
    "--proxy",
    "proxies",
    multiple=True,
    metavar="NAME=URL",
    help="Serve a web interface under /interface/; may be repeated.",
)
@click.option("--proxies-file", type=_FILE, metavar="FILE", help="Read NAME = URL of proxies.")
@click.option("--importer-dir", type=_FILE, metavar="DIR", help="Import archives by these rules.")
@click.option("--importer-key-file", metavar="FILE", help="Key that may upload archives only.")
@click.option("--archive-dir", type=_FILE, metavar="DIR", help="Keep uploaded archives.")
@click.option(
    "--archive-limit", type=SizeType(), metavar="SIZE", help="Largest archive.  [default: 1GiB]"
)
@click.option(
    "--archive-quota",
    type=SizeType(),
    metavar="SIZE",
    help="What --archive-dir may hold.  [default: 10GiB]",
)
@click.option(
    "--accept-followers",
    is_flag=True,
    help="Let other nodes join at any time, not only after 'joule follower accept'.",
)
@click.option(
    "--private-followers",
    is_flag=True,
    help="Let them join from private and loopback addresses, too.",
)
@click.option(
    "--trusted-proxy",
    "trusted_proxies",
    multiple=True,
    metavar="ADDR",
    help="Believe what this address or network says about its clients; may be repeated.",
)
@click.option(
    "--access-log/--no-access-log", default=True, help="Log every request, or only refused ones."
)
@click.option(
    "--body-limit", type=SizeType(), metavar="SIZE", help="Largest JSON body.  [default: 1MiB]"
)
@click.option(
    "--connections",
    type=click.IntRange(min=1),
    metavar="N",
    help="Connections at the same time, of each kind.  [default: 512]",
)
@click.option(
    "--grace",
    type=DURATION,
    metavar="D",
    help="Time that requests have to finish at the end.  [default: 10s]",
)
@click.option(
    "--ready-fd",
    type=click.IntRange(min=3),
    metavar="N",
    help="Write the address to this file descriptor when ready.",
)
def serve(
    path: str | None,
    bind: str | None,
    port: int | None,
    socket_path: Path | None,
    tls_cert: Path | None,
    tls_key: Path | None,
    name: str | None,
    public_url: str | None,
    ca_file: Path | None,
    proxies: tuple[str, ...],
    proxies_file: Path | None,
    importer_dir: Path | None,
    importer_key_file: str | None,
    archive_dir: Path | None,
    archive_limit: int | None,
    archive_quota: int | None,
    accept_followers: bool,
    private_followers: bool,
    trusted_proxies: tuple[str, ...],
    access_log: bool,
    body_limit: int | None,
    connections: int | None,
    grace: int | None,
    ready_fd: int | None,
) -> None:
    """Serve a node in a file over HTTP, until SIGTERM or Ctrl-C.

    PATH is the file, by default that of the node that is used anyway. It stays usable by other
    commands meanwhile.

    Over TCP, every request needs a key of a master of the node: 'joule admin authorize' makes and
    stores one for yourself on this machine, 'joule master add user NAME' makes one for others.
    Whoever may use the UNIX socket needs none.

    Other nodes become followers of this one only while 'joule follower accept' lets them. Headers
    such as X-Forwarded-For and X-Api-Scheme count when they come through the UNIX socket, or from a
    --trusted-proxy.

    The log goes to stderr and begins with the address. At the end, requests are finished, or cut
    off after a while; a second signal ends the program at once.
    """
    from joule_cli.server.settings import ServerSettings

    if path is not None and (current().url is not None or current().node is not None):
        raise click.UsageError("PATH, --node and --url exclude each other.")
    if tls_key is not None and tls_cert is None:
        raise click.UsageError("--tls-key needs --tls-cert.")
    addresses = _addresses(bind, port, socket_path, tls_cert, tls_key)
    settings = ServerSettings(name=_node_name(name), ca_file=_readable(ca_file))
    settings.proxies = _proxies(proxies, proxies_file)
    if public_url is not None:
        _advertise(settings, public_url)
    if importer_key_file is not None:
        from joule_cli.cli._secrets import read_secret

        settings.importer_key = read_secret(importer_key_file)
    if archive_dir is not None and not archive_dir.is_dir():
        raise ConfigurationError("the directory does not exist", object=str(archive_dir))
    settings.archive_directory = archive_dir
    settings.accept_followers = accept_followers
    settings.private_followers = private_followers
    settings.trusted_proxies = tuple(map(_network, trusted_proxies))
    if archive_limit is not None:
        settings.archive_limit_bytes = archive_limit
    if archive_quota is not None:
        settings.archive_quota_bytes = archive_quota
    if body_limit is not None:
        settings.json_limit_bytes = body_limit
    if connections is not None:
        settings.connection_limit = connections
    if grace is not None:
        settings.stop_timeout_s = grace / 1_000_000
    if path is not None:
        current().url = path

    async def serve_logging() -> None:
        with _started_log(access_log=access_log) as log:
            await _serve(settings, addresses, importer_dir, log, ready_fd)

    run(serve_logging)


async def _serve(
    settings: ServerSettings,
    addresses: list[TcpAddress | SocketAddress],
    importer_dir: Path | None,
    log: logging.Logger,
    fd: int | None,
) -> None:
    import asyncio

    from joule_cli.cli._notices import notify, tell_ready
    from joule_cli.daemon import archive_importer, served

    _allow_descriptors(settings.connection_limit * len(addresses))
    async with open_node(current()) as node:
        if importer_dir is not None:
            settings.import_archive = archive_importer(node, importer_dir)
        stopped = asyncio.Event()
        with _stopping(stopped):
            async with served(node, settings, addresses) as urls:
                places = " and ".join(urls)
                path = (await node.info()).path
                log.info("serving %s as [%s] at %s", path, settings.name, places)
                await _hint(node, addresses, urls, log)
                if fd is not None:
                    tell_ready(fd, urls[0])
                notify(os.environ, "READY=1", f"STATUS=serving at {places}")
                await _until(stopped, node, log)
                notify(os.environ, "STOPPING=1", "STATUS=finishing requests")
                log.info("stopping")
    log.info("stopped")


async def _until(stopped: asyncio.Event, node: Node, log: logging.Logger) -> None:
    """Wait for a signal, or raise when the file of the node is lost."""
    import asyncio

    from joule_cli.cli._notices import notify
    from joule_cli.daemon import file_lost

    signalled = asyncio.create_task(stopped.wait())
    lost = asyncio.create_task(file_lost(node))
    try:
        await asyncio.wait({signalled, lost}, return_when=asyncio.FIRST_COMPLETED)
        if lost.done():
            lost.result()
    except ApiError as exc:
        log.error("%s; every request is refused, and the server ends", exc.sentence())  # noqa: TRY400  (no traceback)
        notify(os.environ, "STOPPING=1", f"STATUS={exc.message}")
        raise
    finally:
        signalled.cancel()
        lost.cancel()
        await asyncio.wait({signalled, lost})


def _addresses(
    bind: str | None,
    port: int | None,
    socket_path: Path | None,
    tls_cert: Path | None,
    tls_key: Path | None,
) -> list[TcpAddress | SocketAddress]:
    from joule_cli.server.listeners import DEFAULT_PORT, SocketAddress, TcpAddress

    found: list[TcpAddress | SocketAddress] = []
    if socket_path is None or any(each is not None for each in (bind, port, tls_cert)):
        tls = None if tls_cert is None else _tls(tls_cert, tls_key)
        found.append(TcpAddress(bind or "127.0.0.1", DEFAULT_PORT if port is None else port, tls))
    if socket_path is not None:
        found.append(SocketAddress(socket_path.absolute()))
    return found


def _tls(certificate: Path, key: Path | None) -> ssl.SSLContext:
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["http/1.1"])
    for file in (certificate, *([key] if key is not None else [])):
        _readable(file)
    try:
        # a server cannot be asked for the password of a key
        context.load_cert_chain(certificate, key, password="")
    except (OSError, ValueError) as exc:
        raise ConfigurationError(
            "cannot use the certificate: it does not belong to the key, or is none",
            object=str(certificate),
        ) from exc
    return context


def _readable(file: Path | None) -> Path | None:
    if file is not None:
        try:
            with file.open("rb"):
                pass
        except OSError as exc:
            raise ConfigurationError(
                f"cannot read the file: {exc.strerror}", object=str(file)
            ) from exc
    return file


def _node_name(given: str | None) -> str:
    if given is None:
        import socket

        return socket.gethostname() or "joule"
    if not given.strip() or not given.isprintable():
        raise click.UsageError("The name of a node is a line of text.")
    return given.strip()


def _proxies(options: tuple[str, ...], file: Path | None) -> Any:
    if not options and file is None:
        return ()
    from joule_cli.server.proxy_config import make_proxies, read_option, read_proxies

    named = [] if file is None else read_proxies(file)
    return make_proxies([*named, *map(read_option, options)])


def _network(text: str) -> IPv4Network | IPv6Network:
    import ipaddress

    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise click.UsageError(
            f"--trusted-proxy takes an address or a network such as 192.0.2.0/24, not {text!r}."
        ) from None


def _advertise(settings: ServerSettings, url: str) -> None:
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise click.UsageError(f"The address {url!r} is no URL.") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query:
        raise click.UsageError("--public-url must begin with http:// or https://.")
    settings.scheme, settings.host = parts.scheme, parts.hostname
    settings.port = port or (443 if parts.scheme == "https" else 80)
    settings.base_uri = parts.path.rstrip("/")


@contextmanager
def _started_log(*, access_log: bool) -> Iterator[logging.Logger]:
    """Log what happens with its time, which the system's journal adds by itself."""
    import logging

    from joule_cli.cli._log_thread import threaded_log

    root = logging.getLogger("joule_cli")
    if not current().quiet:
        root.setLevel(min(root.level, logging.INFO))
    if not access_log:
        logging.getLogger("joule_cli.access").setLevel(logging.WARNING)
    form = "%(message)s" if "JOURNAL_STREAM" in os.environ else "%(asctime)s %(message)s"
    with threaded_log(form):
        yield logging.getLogger("joule_cli.node_serve")


async def _hint(
    node: Node,
    addresses: list[TcpAddress | SocketAddress],
    urls: list[str],
    log: logging.Logger,
) -> None:
    """Tell what keeps others out, or lets too many in."""
    from joule_cli.server.listeners import DEFAULT_PORT, TcpAddress

    tcp = [address for address in addresses if isinstance(address, TcpAddress)]
    if tcp and not await node.master_list():
        served = next(url for url in urls if not url.startswith("unix:"))
        log.warning(
            "no key of this node exists yet; make one for yourself on this machine with: "
            "joule --url %s admin authorize%s; for others with: "
            "joule --url %s master add user NAME",
            node.url,
            "" if served.endswith(f":{DEFAULT_PORT}") else f" --url {served}",
            node.url,
        )
    for address in tcp:
        if address.tls is None and not _is_loopback(address.host):
            log.warning(
                "keys and data cross the network unencrypted; "
                "use --tls-cert, or a reverse proxy in front of --socket"
            )


def _is_loopback(host: str) -> bool:
    import ipaddress

    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _allow_descriptors(connections: int) -> None:
    """Let this process have a file open for each connection, and those of the node."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 4 * connections + 256
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


@contextmanager
def _stopping(stopped: asyncio.Event) -> Iterator[None]:
    """Set an event at the first signal; the second one ends the process at once."""
    import asyncio

    loop = asyncio.get_running_loop()
    # what the parent chose to ignore (nohup, background jobs) stays ignored
    numbers = [each for each in _SIGNALS if signal.getsignal(each) is not signal.SIG_IGN]
    before = {number: signal.getsignal(number) for number in numbers}

    def handle(signum: int, frame: FrameType | None) -> None:
        for number in numbers:
            signal.signal(number, signal.SIG_DFL)
        loop.call_soon_threadsafe(stopped.set)

    for number in numbers:
        signal.signal(number, handle)
    try:
        yield
    finally:
        if not stopped.is_set():
            for number, handler in before.items():
                signal.signal(number, handler)
