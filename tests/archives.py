"""Archives as a Joule 1.0.1 node exports them."""

from __future__ import annotations

import io
import json
import zipfile

import numpy as np

from joule_cli.model import DataStream, Element, EventStream

T = 1_700_000_000_000_000


def flow_model(datatype="float32", width=2):
    elements = [Element(name=f"e{i}") for i in range(width)]
    return DataStream(name="flow", datatype=datatype, elements=elements, keep_us=10**17)


def npy(times, datatype="<f4", width=2, first=0):
    """One file of rows, whose values rise."""
    rows = np.zeros(len(times), [("timestamp", "<i8"), ("data", datatype, (width,))])
    rows["timestamp"] = times
    rows["data"] = np.arange(first, first + len(times) * width).reshape(-1, width)
    file = io.BytesIO()
    np.save(file, rows)
    return file.getvalue()


def event(start, end=None, id=1, **content):
    return {
        "id": id,
        "event_stream_id": 9,
        "start_time": start,
        "end_time": end if end is not None else start + 10,
        "content": content,
    }


def write_archive(path, *, data=(), events=(), name="exports", node="pumphouse", extra=()):
    """Write an archive.

    Parameters
    ----------
    data
        For each stream its label, its model and a dict of file names and contents.
    events
        For each stream its label, and lists of events.
    """
    metadata = {
        "name": name,
        "node": node,
        "created_at": T,
        "version": "1.0.0",
        "magic": "joule-data-archive-bundle",
        "data_streams": [],
        "event_streams": [],
    }
    with zipfile.ZipFile(path, "w") as file:
        for number, (label, model, members) in enumerate(data):
            place = f"data/{number}"
            metadata["data_streams"].append(
                {
                    "source_label": label,
                    "stream_path": f"/live/{label}",
                    "stream_layout": model.layout,
                    "start_ts": T,
                    "end_ts": T + 1000,
                    "row_count": 4,
                    "interval_count": 2,
                }
            )
            file.writestr(f"{place}/metadata.json", description(label, model))
            for member, content in members.items():
                file.writestr(f"{place}/data/{member}", content)
        for number, (label, *blocks) in enumerate(events):
            place = f"events/{number}"
            model = EventStream(name=label, event_fields={"note": "string"})
            metadata["event_streams"].append(
                {
                    "source_label": label,
                    "stream_path": f"/ev/{label}",
                    "event_fields": {"note": "string"},
                    "start_ts": T - 5,
                    "end_ts": T + 5,
                    "event_count": sum(map(len, blocks)),
                }
            )
            file.writestr(f"{place}/metadata.json", description(label, model))
            for block in blocks:
                last = block[-1]["start_time"]
                file.writestr(f"{place}/data/{last}.json", json.dumps(block))
        for member, content in extra:
            file.writestr(member, content)
        file.writestr("metadata.json", json.dumps(metadata))
    return path


def description(label, model):
    return json.dumps(
        {
            "source_label": label,
            "stream_path": f"/live/{label}",
            "stream_model": {**model.to_json(), "id": 77},
        }
    )


IMPORTER = """
[Main]
name = exports
{node}
[DataStream.1]
source_label = flow
path = /imported/inlet flow
merge_gap = 0
[EventStream.1]
source_label = starts
path = /imported/starts
on_conflict = {on_conflict}
[Module.1]
source_label = x
"""


def write_importer(directory, *, on_conflict="keep_both", node="", name="one.conf"):
    directory.mkdir(exist_ok=True)
    node = f"node = {node}" if node else ""
    (directory / name).write_text(IMPORTER.format(on_conflict=on_conflict, node=node))
    return directory
