"""Good files of events with something changed in them: what comes out stands there, or is told."""

from __future__ import annotations

import csv
import json
import random

import pytest

from joule_cli.errors import JouleError
from joule_cli.formats.events import EventReadOptions, Fields, open_event_reader
from tests.field.test_mutations import NOW, mutate

T0 = 1_704_067_200
FIELDS = Fields({"power": "numeric", "kind": "string"})
MISSING = {"", "nan", "null", "na", "n/a", "none", "-", "nat", "+nan", "-nan", "#n/a"}


def csv_lines():
    yield "start,end,power,kind"
    for i in range(20):
        end = "" if i % 3 else str(T0 + 60 * i + 30)
        yield f"{T0 + 60 * i},{end},{i * 1.25},kind {i}"


def json_lines():
    for i in range(20):
        event = {"start": T0 + 60 * i, "end": None, "kind": f"kind {i}", "tags": {"n": [i, 1.5]}}
        if not i % 3:
            event |= {"end": T0 + 60 * i + 30}
        yield json.dumps(event)


def of_csv(line):
    """Return what Python makes of a line: start, end and content."""
    start, end, power, kind, *more = next(csv.reader([line], strict=True))
    if any(map(str.strip, more)):
        raise ValueError(line)
    content = {} if not kind.strip() else {"kind": kind}
    if power.strip().lower() not in MISSING:
        whole = power.strip().removeprefix("+")
        content["power"] = int(whole) if whole.removeprefix("-").isdigit() else float(power)
    return stamp(start), None if end.strip().lower() in MISSING else stamp(end), content


def of_json(line):
    event = json.loads(line)
    content = {
        key: value
        for key, value in event.items()
        if key not in {"start", "end"} and value is not None
    }
    end = event.get("end")
    return stamp(event["start"]), None if end is None else stamp(end), content


def stamp(time):
    return round(float(time) * 10**6)


@pytest.mark.parametrize("skip", [False, True], ids=["fail", "skip"])
@pytest.mark.parametrize(
    ("lines", "plainly", "mark"), [(csv_lines, of_csv, ","), (json_lines, of_json, ", ")]
)
def test_mutations(tmp_path, lines, plainly, mark, skip):
    rng = random.Random(f"{mark}{skip}")
    good = list(lines())
    head = good.pop(0).encode() + b"\n" if mark == "," else b""
    accepted = 0
    for number in range(1000):
        data = head + mutate(rng, good, mark)
        text = data.decode("utf-8", "replace").replace("\r\n", "\n").replace("\0", "")
        file = tmp_path / f"{number}{'.csv' if mark == ',' else '.jsonl'}"
        file.write_bytes(data)
        rejected = []
        options = EventReadOptions(
            time_format="auto",
            clock=lambda: NOW,
            fields=FIELDS,
            on_reject=(lambda *bad: rejected.append(bad)) if skip else None,  # noqa: B023  # read at once
        )
        try:
            with open_event_reader(file, None, options) as reader:
                found = [event for block in reader.blocks() for event in block.events]
        except JouleError:
            continue
        accepted += 1
        plain = []
        for line in text.split("\n"):
            try:
                plain.append(plainly(line))
            except (ValueError, KeyError, TypeError, AttributeError, OverflowError, csv.Error):
                continue
        for event in found:
            assert (event.start_time, event.end_time, described(event.content)) in [
                (start, end, described(content)) for start, end, content in plain
            ], text
        if not rejected and not reader.tally.warnings and '"\n' not in text:
            # nothing was left out in silence
            assert len(found) >= len(plain), text
    assert accepted > (300 if skip else 100)


def described(content):
    return json.dumps(content, sort_keys=True).replace(".0,", ",").replace(".0}", "}")
