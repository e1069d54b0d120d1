"""The original client from the side of the tests."""

from __future__ import annotations

import asyncio
import json
import os
import select
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from types import TracebackType

    from tests.serving import Served

_PEER = Path(__file__).with_name("peer.py")
#: A command of the original that takes longer than this hangs.
_LONGEST_S = 60


class OriginalError(Exception):
    """An exception that the original client raised."""

    def __init__(self, kind: str, text: str, traceback: str) -> None:
        super().__init__(f"{kind}: {text}")
        self.kind = kind
        self.text = text
        self.traceback = traceback


@dataclass(frozen=True)
class Printed:
    """What a command of the original printed, and its exit status."""

    code: int
    out: str
    err: str


class Original:
    """A process of the original client, which carries out one order after the other."""

    def __init__(self, python: Path, home: Path) -> None:
        #: The command as it is installed, and what it runs with.
        self.command = python.with_name("joule")
        self._log = (home / "log").open("w+")
        environment = {
            k: v for k, v in os.environ.items() if not k.startswith(("JOULE_", "PYTHON"))
        }
        environment |= {"HOME": str(home), "TZ": "UTC", "LC_ALL": "C.UTF-8", "NO_COLOR": "1"}
        self.environment = environment
        self._process = subprocess.Popen(
            [python, "-W", "ignore", _PEER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=environment,
            cwd=home,
        )

    def __enter__(self) -> Original:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._log.close()

    async def order(self, order: dict[str, Any]) -> Any:
        """Have something done; the node that is asked may be served by the running event loop."""
        answer = await asyncio.to_thread(self._exchange, json.dumps(order))
        if "error" in answer:
            raise OriginalError(answer["error"], answer["text"], answer["traceback"])
        return answer["result"]

    def _exchange(self, order: str) -> dict[str, Any]:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(order.encode() + b"\n")
        stdin.flush()
        ready, _, _ = select.select([stdout], [], [], _LONGEST_S)
        line = stdout.readline() if ready else b""
        if not line:
            self._process.kill()
            self._log.seek(0)
            raise RuntimeError(f"the original gave no answer to {order}: {self._log.read()}")
        answer: dict[str, Any] = json.loads(line)
        return answer


class Place(NamedTuple):
    """Where a node is."""

    url: str  # http://..., https://... or unix:PATH
    key: str
    ca_file: Path | None


class Client:
    """The original client, as somebody has it who knows one node.

    Parameters
    ----------
    original
        The process.
    config
        Its directory of settings, empty at first.
    place
        Where the node is.
    name
        What the node is called there.
    """

    def __init__(self, original: Original, config: Path, place: Place | Served, name: str) -> None:
        self._original = original
        self.config = config
        self._place: dict[str, str] = {"name": name}
        if place.url.startswith("unix:"):
            self._place["unix"] = place.url.removeprefix("unix:")
            return
        ca_file = "" if place.ca_file is None else str(place.ca_file)
        self._place |= {"url": place.url, "key": place.key, "ca_file": ca_file}
        self.add_node(name, place.url, place.key)
        if place.ca_file is not None:
            (config / "ca.crt").write_bytes(place.ca_file.read_bytes())

    def add_node(self, name: str, url: str, key: str) -> None:
        """Make a node known to its commands."""
        file = self.config / "nodes.json"
        known = json.loads(file.read_text()) if file.exists() else []
        file.write_text(json.dumps([*known, {"name": name, "url": url, "key": key}]))

    async def run(self, script: str, helpers: str = "", **arguments: Any) -> Any:
        """Return what a script returns, as JSON tells it; it has the arguments, and `node`.

        Parameters
        ----------
        helpers
            Functions that the script uses.

        Raises
        ------
        OriginalError
            The script ended with an exception.
        """
        return await self._order(
            script=script, helpers=helpers, place=self._place, arguments=arguments
        )

    async def joule(self, *arguments: str | Path | int, text: str = "") -> Printed:
        """Run a command, which may end with any exit status, but not with a traceback."""
        command = [str(argument) for argument in arguments]
        result = await self._order(command=command, input=text)
        exception = result.pop("exception")
        assert not exception, f"joule {' '.join(command)}: {exception}"
        return Printed(**result)

    async def _order(self, **order: Any) -> Any:
        return await self._original.order({"config": str(self.config), **order})
