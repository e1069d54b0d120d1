"""Reading events in pages without losing those that share a start."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from joule_cli.errors import ProtocolError, SubscriptionError
from joule_cli.model import Event
from joule_cli.remote.answers import read_list
from joule_cli.wire import endpoints
from joule_cli.wire.codec import LINES_TYPE, require_keys
from joule_cli.wire.params import OPEN_ENDED

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from joule_cli.api.event_reading import Window
    from joule_cli.remote.session import Session
    from joule_cli.wire.params import Params

#: Fewest events worth a request.
_LEAST: Final = 1000
#: Bytes of one event; a node takes none that is longer than a mebibyte.
_LONGEST_LINE: Final = 16 * 2**20

_KEYS: Final = ("id", "event_stream_id", "start_time", "end_time", "content")


async def pages(
    session: Session,
    target: Params,
    window: Window,
    limit: int | None,
    page_size: int,
    uuid: str,
) -> AsyncGenerator[list[Event], None]:
    """Give events by start, then id; pages are of any size.

    A node gives the first events from a start on, in any order where starts are equal. So from a
    page that is full those with its last start are left out, and the next page begins with that
    start. If all of a page has one start, or began before the window, a larger page is asked for.

    Parameters
    ----------
    target
        Path or id of the stream, and the filter.
    uuid
        Of the node, which its events remember.
    """
    start, ongoing, left = window.start, window.ongoing, limit
    n_events = max(page_size, _LEAST)
    while left is None or left > 0:
        asked = n_events if left is None else min(n_events, left)
        here = window._replace(start=start, ongoing=ongoing)
        events = await first_page(session, target, here, asked, uuid)
        if len(events) < asked or asked == left:
            if events:
                yield events
            return
        last = events[-1].start_time
        before_window = start is not None and last < start
        if before_window or events[0].start_time == last:
            n_events *= 2
            continue
        whole = [event for event in events if event.start_time < last]
        if not whole:
            raise ProtocolError("Invalid node response: events are not in order")
        yield whole
        left = None if left is None else left - len(whole)
        start, ongoing = last, False
        n_events = max(page_size, _LEAST)


async def first_page(
    session: Session, target: Params, window: Window, limit: int, uuid: str
) -> list[Event]:
    """Return the first `limit` events of a window; with an end alone, the last ones."""
    params = target | window_params(window.start, window.end, ongoing=window.ongoing)
    params |= {"limit": str(limit), "return-subset": "1", OPEN_ENDED: "1"}
    answer = await session.get(endpoints.EVENT_DATA, params, about=target.get("path"))
    events = sorted(_read(answer, uuid), key=lambda e: (e.start_time, e.id or 0))
    return events[:limit]


async def follow(
    session: Session, target: Params, window: Window, uuid: str
) -> AsyncGenerator[list[Event], None]:
    """Give events as they are stored; first an empty list, once the node has begun.

    A Joule 1.0.1 node takes this for a read, of which one event is enough to see that.
    """
    params = target | window_params(window.start, None, ongoing=window.ongoing)
    params |= {"subscribe": "1", "limit": "1", "return-subset": "1", OPEN_ENDED: "1"}
    about = target.get("path")
    opening = session.open("GET", endpoints.EVENT_DATA, params, about=about, patience=0)
    async with opening as response:
        if response.content_type != LINES_TYPE:
            raise SubscriptionError("the node cannot tell of new events", object=about)
        yield []
        cut = b""
        arrival = session.arrival(response, patience=0)
        while part := await arrival.part():
            *lines, cut = (cut + part).split(b"\n")
            if len(cut) > _LONGEST_LINE:
                raise ProtocolError("Invalid node response: an event is too long", object=about)
            if lines:
                yield [_line(line, uuid) for line in lines]
    raise SubscriptionError("the node has stopped sending events", object=about)


def _line(line: bytes, uuid: str) -> Event:
    try:
        data = json.loads(line)
    except (ValueError, RecursionError) as exc:
        raise ProtocolError("Invalid node response: an event is not JSON") from exc
    return read_list([data], lambda data: _event(data, uuid), *_KEYS)[0]


def window_params(start: int | None, end: int | None, *, ongoing: bool) -> Params:
    """Return the bounds of a window; ongoing events are always spoken of."""
    bounds = {"start": start, "end": end}
    found = {name: str(value) for name, value in bounds.items() if value is not None}
    return found | {"include-ongoing-events": "1" if ongoing else "0"}


def _read(answer: Any, uuid: str) -> list[Event]:
    events = require_keys(answer, "events")["events"]
    return read_list(events, lambda data: _event(data, uuid), *_KEYS)


def _event(data: dict[str, Any], uuid: str) -> Event:
    if type(data["start_time"]) is not int:
        raise TypeError("start_time is not an integer")
    return Event.from_json(data, uuid or None)
