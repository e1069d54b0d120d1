"""Certificates for servers on loopback, made by openssl when the first test needs them."""

from __future__ import annotations

import ssl
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_AUTHORITY = """
[ca]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
"""
_SERVER = """
[server]
basicConstraints = CA:FALSE
subjectAltName = {names}
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
"""


@dataclass(frozen=True)
class Certificates:
    """Files in PEM form: an authority, and a server that it vouches for."""

    authority: Path
    certificate: Path
    key: Path

    def server_context(self) -> ssl.SSLContext:
        """Return what a server needs."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        return context


def make_certificates(folder: Path, names: str = "DNS:localhost,IP:127.0.0.1") -> Certificates:
    """Make a new authority and a server with these names, in an empty folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "ca.cnf").write_text(_AUTHORITY)
    (folder / "server.cnf").write_text(_SERVER.format(names=names))
    for name, subject in (("ca", "/CN=test authority"), ("server", "/CN=server")):
        _openssl(folder, "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                 "-out", f"{name}.key")  # fmt: skip
        _openssl(folder, "req", "-new", "-key", f"{name}.key", "-subj", subject,
                 "-config", "/dev/null", "-out", f"{name}.csr")  # fmt: skip
    _openssl(folder, "x509", "-req", "-in", "ca.csr", "-signkey", "ca.key", "-days", "2",
             "-extfile", "ca.cnf", "-extensions", "ca", "-out", "ca.crt")  # fmt: skip
    _openssl(folder, "x509", "-req", "-in", "server.csr", "-CA", "ca.crt", "-CAkey", "ca.key",
             "-CAcreateserial", "-days", "2", "-extfile", "server.cnf", "-extensions", "server",
             "-out", "server.crt")  # fmt: skip
    return Certificates(folder / "ca.crt", folder / "server.crt", folder / "server.key")


def _openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)
