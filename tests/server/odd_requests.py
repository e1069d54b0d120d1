"""Requests that no client sends: to every endpoint, of any size and encoding, with keys or not."""

from __future__ import annotations

import base64
import gzip
import io
import json
import zipfile
import zlib
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from aiohttp import hdrs
from yarl import URL

from joule_cli.server.app import _GROUPS
from joule_cli.wire import endpoints
from tests.server.test_fuzz import NAMES, TEXTS, body_of, value

if TYPE_CHECKING:
    import random

#: The table of endpoints, with their methods; those of web interfaces have no fixed path.
ROUTES = [
    (route.method, route.path)
    for group in _GROUPS
    for route in group.routes
    if "{" not in route.path
]
ODD_PATHS = [
    *("/nothing", "/interface/p0/x", "/interface/p0", "/%00", "/..%2f..%2fetc", "//", "/data/"),
    *("/STREAM.JSON", "/interface/m0/", "/%ff", "/" + "a" * 5000, "/stream.json;x"),
]
METHODS = ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "TRACE", "X"]
PARAMETERS = [
    *NAMES, "max-rows", "decimation-level", "merge-gap", "max_gap", "statistics",
    "master_type", "identifier", "api_key", "key", "port", "scheme", "base_uri", "name_is_host",
    "duration_us", "private",
]  # fmt: skip
#: Nobody listens there, and nobody beyond this machine is asked.
PLACES = ["http://127.0.0.1:1", "127.0.0.1:1", "http://[::1]:1/x", "ftp://x", "::", "", "a b"]
CODINGS = ["gzip", "deflate", "br", "zstd", "x-gzip", "identity", "gzip, gzip", "x", ""]
ROW = np.dtype([("timestamp", "<i8"), ("data", "<f4", (2,))])
#: 20 MB of zeros: for JSON, rows (breaks) and archives alike.
BOMB = gzip.compress(b"\0" * 20_000_000, 9)


class OddRequest(NamedTuple):
    method: str
    target: URL
    headers: dict[str, str]
    body: bytes | None
    #: Send the body without telling its length.
    chunked: bool


def odd_request(rng: random.Random, key: str) -> OddRequest:
    """Return a request that has little sense; `key` is that of a master."""
    method, path = rng.choice(ROUTES)
    if rng.random() < 0.05:
        path = rng.choice(ODD_PATHS)
    if rng.random() < 0.1:
        method = rng.choice(METHODS)
    headers = _key(rng, key, path) | _odd_headers(rng)
    body = None
    if hdrs.UPGRADE in headers:
        # with a body the connection may end before the answer, as `test_app` tests
        method = "GET"
    elif method in {"POST", "PUT", "PATCH"} or rng.random() < 0.05:
        types = ["application/json"] * 9 + ["text/plain", "a/b; c", "application/json; charset=x"]
        headers["Content-Type"] = rng.choice(types)
        body = _body(rng, path)
        if rng.random() < 0.15:
            body, headers["Content-Encoding"] = _packed(rng, body)
    target = URL.build(path=path, encoded=True).with_query(_query(rng))
    return OddRequest(method, target, headers, body, rng.random() < 0.2)


def _key(rng: random.Random, key: str, path: str) -> dict[str, str]:
    kind = rng.random()
    if kind < 0.6:
        return {"X-API-KEY": key}
    if kind < 0.65:
        return {"X-API-KEY": rng.choice(["x", "é", key[:-1], key + "x", "k" * 5000])}
    if kind < 0.7:
        cookie = rng.choice([key, "x", ""])
        return {"Cookie": f"a=b; X-API-KEY={cookie}", "Origin": rng.choice(PLACES)}
    return {}


def _odd_headers(rng: random.Random) -> dict[str, str]:
    headers = {}
    for name, texts in (
        ("Expect", ["100-continue", "x"]),
        ("X-Forwarded-For", ["192.0.2.1", "::1", "a, b", "é"]),
        ("X-Api-Scheme", ["https", "[]"]),
        ("X-Api-Port", ["1", "x"]),
        ("X-App-Id", ["p0", "m1", "p" + "9" * 400, "²"]),
        ("Accept-Encoding", ["gzip", "*"]),
        ("Range", ["bytes=0-1", "x"]),
        ("joule-precise", ["1"]),
        ("Content-Language", ["\t"]),
    ):
        if rng.random() < 0.03:
            headers[name] = rng.choice(texts)
    if rng.random() < 0.02:
        headers |= {
            "Connection": "Upgrade",
            "Upgrade": rng.choice(["websocket", "h2c"]),
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": base64.b64encode(rng.randbytes(16)).decode(),
        }
    return headers


def _query(rng: random.Random) -> list[tuple[str, str]]:
    texts = [*TEXTS, *PLACES, "9" * 5000]
    query = [
        (rng.choice(PARAMETERS), rng.choice(texts).replace("\ud800", "\ufffd"))
        for _ in range(rng.randrange(5))
    ]
    if rng.random() < 0.6:
        query.insert(0, ("path", rng.choice(["/a/flow", "/a/e", "/a"])))
    return query


def _body(rng: random.Random, path: str) -> bytes:
    if rng.random() < 0.02:
        # around the limit of JSON, and beyond
        return b'{"x": "' + b"y" * rng.choice([2**20 - 9, 2**20, 3 * 2**20]) + b'"}'
    if path in {endpoints.MASTER, endpoints.FOLLOWER, endpoints.FOLLOWER_ACCEPT}:
        return json.dumps(_join(rng)).encode()
    if path == endpoints.ARCHIVE:
        return _archive(rng)
    if path == endpoints.DATA or rng.random() < 0.05:
        return rows_of(rng)
    return body_of(rng)


def _join(rng: random.Random) -> dict[str, Any]:
    body: dict[str, Any] = {
        "master_type": rng.choice(["user", "joule", "lumen", "x"]),
        "identifier": rng.choice(PLACES),
        "lumen_params": {},
        "api_key": rng.choice([None, "k" * 40]),
        "key": "k" * 40,
        "port": rng.choice([1, "1", 99999]),
        "scheme": "http",
        "base_uri": "",
        "name": "127.0.0.1",
        "name_is_host": 1,
        # never long: the door is open anyway
        "duration_us": 5,
        "private": True,
    }
    if rng.random() < 0.5:
        name = rng.choice([each for each in body if each != "duration_us"])
        body[name] = value(rng)
    return body


def _archive(rng: random.Random) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        about = {"magic": "joule-data-archive-bundle", "name": "n", "node": "n"}
        file.writestr("metadata.json", json.dumps(about | {"data_streams": value(rng)}))
        for name in ("data/0/metadata.json", f"data/{'9' * 50}/metadata.json", "events/1/x"):
            file.writestr(name, json.dumps(value(rng)))
    content = out.getvalue()
    return content[: rng.randrange(len(content) + 1)] if rng.random() < 0.5 else content


def rows_of(rng: random.Random) -> bytes:
    """Return rows that increase, mostly, with breaks, odd values and a cut end."""
    rows = np.zeros(rng.randrange(200), ROW)
    step = rng.choice([1, 1, 1, 0, -1, 2**40])
    start = rng.choice([0, 10**15 + rng.randrange(10**9), -(2**62), 2**63 - 100])
    with np.errstate(over="ignore"):
        rows["timestamp"] = start + step * np.arange(len(rows), dtype="<i8")
    for _ in range(rng.randrange(3)):
        if len(rows):
            rows["data"][rng.randrange(len(rows))] = rng.choice([np.nan, np.inf, 1e38, -0.0])
            rows[rng.randrange(len(rows))] = 0
    data = rows.tobytes()
    return data[: rng.randrange(len(data) + 1)] if rng.random() < 0.2 else data


def _packed(rng: random.Random, body: bytes) -> tuple[bytes, str]:
    coding = rng.choice(CODINGS)
    kind = rng.random()
    if kind < 0.2:
        return BOMB, coding
    if kind < 0.4:
        return body, coding
    packed = zlib.compress(body) if coding == "deflate" else gzip.compress(body, 1)
    return (packed[: rng.randrange(len(packed))] if kind < 0.5 else packed), coding
