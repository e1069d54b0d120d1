"""Another node, or a Lumen server, that this node calls."""

from __future__ import annotations

import errno
import ipaddress
import socket
import ssl
from typing import TYPE_CHECKING, Any, Final, Literal

import aiohttp

from joule_cli.errors import ApiError, ConfigurationError
from joule_cli.server.auth import KEY_HEADER
from joule_cli.wire import codec

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

#: Seconds for a node of unknown scheme to answer at all.
_PROBE_S: Final = 5.0
#: Seconds for another node to answer; it may be calling back meanwhile.
ANSWER_S: Final = 30.0
_LONGEST_ANSWER: Final = 64 * 1024
#: Prefix of IPv6 addresses that lead to the IPv4 address at their end (RFC 6052).
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")


class JoinError(ApiError):
    """The other node could not be reached, or refused."""


class Other:
    """A node or Lumen server that this node calls.

    Parameters
    ----------
    ca_file
        A certificate authority to trust besides the system's.
    public
        Only call it at an address that is reached from everywhere, whatever its name leads to.
    """

    def __init__(self, url: str, *, ca_file: Path | None, public: bool = False) -> None:
        self.url = url
        self._tls = _tls(ca_file)
        self._make_socket = _public_socket if public else None

    async def post(self, endpoint: str, key: str, body: Mapping[str, Any]) -> Any:
        """Send JSON and return that of the answer, `None` for ``ok``.

        Raises
        ------
        JoinError
            With the text that the operator sees.
        """
        return await self._ask("POST", endpoint, key, codec.dump(body).encode(), ANSWER_S)

    async def get(self, endpoint: str, key: str, timeout_s: float) -> Any:
        """Return the JSON of an answer, `None` for ``ok``.

        Raises
        ------
        JoinError
            As `post`.
        """
        return await self._ask("GET", endpoint, key, None, timeout_s)

    async def _ask(
        self,
        method: Literal["GET", "POST"],
        endpoint: str,
        key: str,
        body: bytes | None,
        timeout_s: float,
    ) -> Any:
        headers = {KEY_HEADER: key}
        if body is not None:
            headers["Content-Type"] = codec.MEDIA_TYPE
        headers["Connection"] = "close"
        try:
            async with (
                self._client() as client,
                client.request(
                    method,
                    f"{self.url}{endpoint}",
                    data=body,
                    headers=headers,
                    allow_redirects=False,
                    timeout=aiohttp.ClientTimeout(total=timeout_s),
                ) as response,
            ):
                content = await _content(response)
                status, media_type = response.status, response.content_type
        except aiohttp.ClientConnectorCertificateError as exc:
            raise JoinError(
                "the specified certificate authority did not validate this server"
            ) from exc
        except (aiohttp.ClientError, TimeoutError, ValueError) as exc:
            raise JoinError(f"Cannot contact node at [{self.url}]") from exc
        text = content.decode("utf-8", "replace").strip()
        if status != 200:
            told = response.reason if media_type == "text/html" else " ".join(text.splitlines())
            raise JoinError(f"{told} [{status}]")
        if media_type == codec.MEDIA_TYPE:
            try:
                return codec.load_response(content)
            except ApiError as exc:
                raise JoinError(exc.message) from exc
        if text.lower() == "ok":
            return None
        raise JoinError(f"Invalid node response: {text[:200]}")

    async def answers(self) -> bool:
        """Tell whether anything speaks HTTP there, whatever it says."""
        timeout = aiohttp.ClientTimeout(total=_PROBE_S)
        try:
            async with (
                self._client() as client,
                client.get(self.url, allow_redirects=False, timeout=timeout),
            ):
                return True
        except (aiohttp.ClientError, TimeoutError, ValueError):
            return False

    def _client(self) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(ssl=self._tls, socket_factory=self._make_socket)
        return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())


async def _content(response: aiohttp.ClientResponse) -> bytes:
    """Return the beginning of an answer, which is all of one that makes sense."""
    content = bytearray()
    async for part in response.content.iter_any():
        content += part
        if len(content) >= _LONGEST_ANSWER:
            break
    return bytes(content[:_LONGEST_ANSWER])


def _tls(ca_file: Path | None) -> ssl.SSLContext | bool:
    if ca_file is None:
        return True
    context = ssl.create_default_context()
    try:
        context.load_verify_locations(cafile=ca_file)
    except (OSError, ssl.SSLError) as exc:
        raise ConfigurationError(
            "cannot read the certificate authority", object=str(ca_file)
        ) from exc
    return context


def _public_socket(info: tuple[Any, ...]) -> socket.socket:
    """Return a socket for an address that a name has been resolved to, if it is public."""
    family, kind, protocol, _, place = info
    if not is_public(place[0]):
        raise OSError(errno.EACCES, "the address is not public")
    return socket.socket(family, kind, protocol)


def is_public(address: str) -> bool:
    """Tell whether an address is reached from everywhere, and not just near this machine."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if found.version == 6:
        inside = found.ipv4_mapped or found.sixtofour
        if found in _NAT64:
            inside = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        if inside is not None:
            found = inside
    return found.is_global and not found.is_multicast
