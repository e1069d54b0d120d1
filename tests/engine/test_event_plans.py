"""What SQLite does for a question about events: it looks at few of them.

Counted in steps of its machine, which no other process can change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from joule_cli.api.event_reading import Window
from joule_cli.engine.event_validation import CheckedEvent
from joule_cli.engine.stores.sqlite.events import SqliteEventStore
from joule_cli.engine.stores.sqlite.retention import Expiry
from joule_cli.model import EventStream
from joule_cli.series.event_filter import parse_filter
from tests.nodes import FileNode

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    import apsw

    from joule_cli.engine.stores.sqlite.database import Database

N_EVENTS = 40_000
#: Of `database`: an event each second, most of them short, some of an hour; and a few long ones.
SECOND, HOUR = 1_000_000, 3_600_000_000
MIDDLE = N_EVENTS // 2 * SECOND
FEW = Window(MIDDLE, MIDDLE + 10 * SECOND)
FILTERED = FEW._replace(filter=parse_filter([[["n", "gt", 0]]]))


class Watched:
    """The database of a node; notes statements and counts the steps that they take."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.steps = 0
        self.statements: list[tuple[str, Any]] = []

    async def read(self, body: Callable[[apsw.Connection], Any]) -> Any:
        return await self.database.read(lambda c: self._run(c, body))

    async def write(self, body: Callable[[apsw.Connection], Any]) -> Any:
        return await self.database.write(lambda c: self._run(c, body))

    def _run(self, connection: apsw.Connection, body: Callable[[apsw.Connection], Any]) -> Any:
        def note(cursor: apsw.Cursor, statement: str, bindings: Any) -> bool:
            self.statements.append((statement, bindings))
            return True

        def step() -> bool:
            self.steps += 10
            return False

        connection.set_progress_handler(step, 10)
        connection.exec_trace = note
        try:
            return body(connection)
        finally:
            connection.exec_trace = None
            connection.set_progress_handler(None)

    async def plans(self) -> list[str]:
        """Return how each noted statement about events is carried out."""

        def explain(connection: apsw.Connection) -> list[str]:
            return [
                detail
                for statement, bindings in self.statements
                if "event " in statement and statement.startswith(("SELECT", "DELETE", "WITH"))
                for *_, detail in connection.execute(f"EXPLAIN QUERY PLAN {statement}", bindings)
            ]

        return await self.database.read(explain)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("plans") / "node.db"


@pytest.fixture
async def watched(path: Path) -> AsyncIterator[Watched]:
    filled = path.exists()
    async with FileNode("demo", path) as node:
        if not filled:
            stream = await node.event_stream_create(EventStream("s"), "/a")
            assert stream.id == 1
            await SqliteEventStore(node.storage.database, node.storage.expiry).write(
                1, list(events())
            )
        yield Watched(node.storage.database)


def events() -> list[CheckedEvent]:
    found = []
    for i in range(N_EVENTS):
        length = {2500: HOUR, 1: 10**12, 2: None}.get(i % 5000, SECOND // 2)
        start = i * SECOND
        found.append(
            CheckedEvent(start, None if length is None else start + length, f'{{"n":{i}}}', None)
        )
    return found


def store(watched: Watched) -> SqliteEventStore:
    return SqliteEventStore(watched, Expiry(lambda: 0, lambda: 0))  # type: ignore[arg-type]


async def read(watched: Watched, window: Window, limit: int | None = None) -> int:
    found = 0
    async for block in store(watched).read(1, window, limit, 5000):
        found += len(block)
    return found


#: Ten that start in the window, one hour that goes on, four long and four open ones.
N_FOUND = 19


@pytest.mark.parametrize(
    ("ask", "expected"),
    [
        pytest.param(lambda w: store(w).count(1, FEW), N_FOUND, id="count"),
        pytest.param(lambda w: store(w).count(1, FILTERED), N_FOUND, id="count filtered"),
        pytest.param(lambda w: read(w, FEW), N_FOUND, id="read"),
        pytest.param(lambda w: read(w, FILTERED), N_FOUND, id="read filtered"),
        pytest.param(lambda w: read(w, FEW._replace(ongoing=False)), 10, id="read starting"),
        pytest.param(lambda w: read(w, Window(MIDDLE), 15), 15, id="read limited"),
        pytest.param(lambda w: read(w, Window(None, None), 15), 15, id="read first"),
        pytest.param(lambda w: read(w, Window(latest=True), 15), 15, id="read last"),
        pytest.param(
            lambda w: store(w).remove(1, Window(-HOUR, -SECOND)), 0, id="remove before all"
        ),
    ],
)
async def test_a_short_window_touches_few_events(
    watched: Watched, ask: Callable[[Watched], Awaitable[int]], expected: int
):
    assert await ask(watched) == expected
    # an hour of events may be looked at for those that go on; a scan takes ten times as much
    assert watched.steps < 4 * HOUR // SECOND * 5
    plans = await watched.plans()
    assert any("SEARCH event USING" in plan for plan in plans)
    assert not [plan for plan in plans if plan.startswith("SCAN event")]
    assert {"event_start", "event_reach"} >= {
        plan.partition("INDEX ")[2].partition(" ")[0] for plan in plans if "SEARCH event" in plan
    }


async def test_ongoing_events_come_from_the_index_of_reaches(watched: Watched):
    await store(watched).count(1, FEW)
    plans = await watched.plans()
    reaches = [plan for plan in plans if "event_reach (stream_id=? AND reach=? AND start>?" in plan]
    assert len(reaches) == 4
    assert any("event_start (stream_id=? AND start>? AND start<?)" in plan for plan in plans)


async def test_blocks_of_one_start_do_not_begin_anew(tmp_path: Path):
    async with FileNode("demo", tmp_path / "node.db") as node:
        await node.event_stream_create(EventStream("s"), "/a")
        watched = Watched(node.storage.database)
        same = [CheckedEvent(0, 1, "{}", None)] * 5000
        await store(watched).write(1, same)
        steps = {}
        for size in (5000, 500):
            watched.steps = 0
            blocks = [b async for b in store(watched).read(1, Window(), None, size)]
            assert sum(map(len, blocks)) == 5000
            steps[size] = watched.steps
        assert steps[500] < 2 * steps[5000]


async def test_scan_is_what_it_is_compared_with(watched: Watched):
    """Without this the limit above would prove little."""
    everything = Window(filter=parse_filter([[["n", "lt", 0]]]))
    assert await store(watched).count(1, everything) == 0
    assert watched.steps > 10 * N_EVENTS
