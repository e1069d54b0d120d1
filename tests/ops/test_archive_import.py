"""Archives into streams."""

from __future__ import annotations

import io
import json
import random
import zipfile

import numpy as np
import pytest

from joule_cli.daemon import archive_importer
from joule_cli.errors import ConfigurationError, FormatError
from joule_cli.formats.archive import Archive
from joule_cli.ops.archive_importers import find_importer, read_importer, read_importers
from tests.archives import T, event, flow_model, npy, write_archive, write_importer

PATH = "/imported/inlet flow"


@pytest.fixture
def configured(tmp_path):
    return write_importer(tmp_path / "importers")


async def run(node, directory, path):
    return (await archive_importer(node, directory)(path)).to_json()


def texts(log, kind):
    return [message["message"] for message in log[kind]]


def two_blocks():
    return (
        "flow",
        flow_model(),
        {
            f"{T + 1}.dat": npy([T, T + 1]),
            f"{T + 2}_interval_break.dat": " ",
            "None_interval_break.dat": " ",
            f"{T + 101}.dat": npy([T + 100, T + 101], first=4),
        },
    )


async def test_rows_with_their_breaks(node, configured, tmp_path):
    path = write_archive(tmp_path / "a.zip", data=[two_blocks()])
    log = await run(node, configured, path)
    assert texts(log, "errors") == texts(log, "warnings") == []
    assert log["info"] == [
        {
            "source_label": "flow",
            "destination": PATH,
            "message": message,
            "target_type": "data_stream",
        }
        for message in (f"creating data stream {PATH}", f"importing 4 rows of data into {PATH}")
    ]
    stream = await node.data_stream_get(PATH)
    assert (stream.name, stream.layout, stream.keep_us) == ("inlet flow", "float32_2", 10**17)
    assert await node.data_intervals(PATH) == [[T, T + 2], [T + 100, T + 102]]
    values = await node.data_read_array(PATH, flatten=True)
    assert np.array_equal(values[:, 1:].ravel(), np.arange(8))


async def test_missing_values_are_imported(node, configured, tmp_path):
    rows = np.load(io.BytesIO(npy([T, T + 1])))
    rows["data"][1] = [np.nan, 7]
    file = io.BytesIO()
    np.save(file, rows)
    members = {f"{T + 1}.dat": file.getvalue()}
    path = write_archive(tmp_path / "a.zip", data=[("flow", flow_model(), members)])
    assert (await run(node, configured, path))["errors"] == []
    assert (await node.data_read_array(PATH)).tobytes() == rows.tobytes()


async def test_files_are_taken_in_the_order_of_time_not_of_names(node, configured, tmp_path):
    members = {"9.dat": npy([8, 9]), "10_interval_break.dat": " ", "1001.dat": npy([1000, 1001])}
    path = write_archive(tmp_path / "a.zip", data=[("flow", flow_model(), members)])
    log = await run(node, configured, path)
    assert log["errors"] == []
    assert await node.data_intervals(PATH) == [[8, 10], [1000, 1002]]


async def test_sent_again_it_tells_what_is_there(node, configured, tmp_path):
    path = write_archive(tmp_path / "a.zip", data=[two_blocks()])
    await run(node, configured, path)
    log = await run(node, configured, path)
    assert texts(log, "errors") == ["data at 2023-11-14 22:13:20 already exists in target"]
    assert texts(log, "info") == [f"importing 4 rows of data into {PATH}"]
    assert await node.data_intervals(PATH) == [[T, T + 2], [T + 100, T + 102]]


async def test_the_first_row_that_exists_is_named(node, configured, tmp_path):
    path = write_archive(tmp_path / "a.zip", data=[two_blocks()])
    await run(node, configured, path)
    members = {f"{T + 150}.dat": npy([T + 50, T + 101, T + 150])}
    path = write_archive(tmp_path / "b.zip", data=[("flow", flow_model(), members)])
    log = await run(node, configured, path)
    assert texts(log, "errors") == ["data at 2023-11-14 22:13:20.000101 already exists in target"]


async def test_one_stream_that_fails_stops_no_other(node, configured, tmp_path):
    bad = ("flow", flow_model(), {f"{T}.dat": npy([T, T + 1], width=3)})
    starts = ("starts", [event(T, note="a")])
    unknown = ("other", flow_model(), {})
    path = write_archive(
        tmp_path / "a.zip",
        data=[bad, unknown],
        events=[starts, ("more", [event(T)])],
        extra=[("data/0/data/notes.txt", "x"), ("data/x/metadata.json", "{"), ("../../evil", "x")],
    )
    log = await run(node, configured, path)
    assert texts(log, "errors") == [f"data/0/data/{T}.dat has no rows of float32_2"]
    assert texts(log, "warnings") == [
        "Importer[exports]: unexpected file in datastream folder, ignoring",
        "No match for data stream with label [other]",
        "No match for event stream with label [more]",
    ]
    assert log["warnings"][1]["destination"] is None
    assert texts(log, "info")[-1] == "imported 1 events into /imported/starts"


async def test_another_layout_is_refused(node, configured, tmp_path):
    await run(node, configured, write_archive(tmp_path / "a.zip", data=[two_blocks()]))
    other = ("flow", flow_model("int16"), {f"{T}.dat": npy([T], "<i2")})
    log = await run(node, configured, write_archive(tmp_path / "b.zip", data=[other]))
    assert texts(log, "errors") == ["cannot import int16_2 into a stream of float32_2"]


async def test_values_go_to_the_element_of_their_name(node, configured, tmp_path):
    await run(node, configured, write_archive(tmp_path / "a.zip", data=[two_blocks()]))
    for names, first in ((("e1", "e0"), 10), (("e1", "other"), 20)):
        model = flow_model()
        for element, name in zip(model.elements, names, strict=True):
            element.name = name
        other = ("flow", model, {f"{T + 1000 + first}.dat": npy([T + 1000 + first], first=first)})
        log = await run(node, configured, write_archive(tmp_path / "b.zip", data=[other]))
    assert texts(log, "errors") == [
        "the names differ: the elements are e1, other, those of the destination e0, e1; "
        "nothing for e0; no place for other"
    ]
    rows = await node.data_read_array(PATH, T + 1000, flatten=True)
    assert rows[:, 1:].tolist() == [[11, 10]]


async def test_rows_that_the_node_refuses(node, configured, tmp_path):
    bad = npy([T + 5, T + 4])
    members = {f"{T}.dat": npy([T]), f"{T + 5}.dat": bad, f"{T + 9}.dat": npy([T + 9])}
    path = write_archive(tmp_path / "a.zip", data=[("flow", flow_model(), members)])
    log = await run(node, configured, path)
    [text] = texts(log, "errors")
    assert text.startswith(
        "cannot import data over range 2023-11-14 22:13:20.000005-- 2023-11-14 22:13:20.000004: "
    )
    assert await node.data_intervals(PATH) == [[T, T + 1]]


async def events_of(node):
    return [
        (e.start_time, e.end_time, e.content)
        async for e in node.event_stream_read("/imported/starts")
    ]


@pytest.mark.parametrize(
    ("on_conflict", "left"),
    [
        ("keep_both", [{"a": 1, "b": 1}, {"a": 2, "c": 2}]),
        ("keep_source", [{"a": 2, "c": 2}]),
        ("keep_destination", [{"a": 1, "b": 1}]),
        ("merge", [{"a": 2, "b": 1, "c": 2}]),
    ],
)
async def test_events_in_conflict(node, tmp_path, on_conflict, left):
    directory = write_importer(tmp_path / "importers", on_conflict=on_conflict)
    before = write_archive(tmp_path / "a.zip", events=[("starts", [event(T, a=1, b=1)])])
    after = write_archive(
        tmp_path / "b.zip", events=[("starts", [event(T, a=2, c=2)], [event(T + 50, a=3)])]
    )
    log = await run(node, directory, before)
    assert texts(log, "info")[0] == "creating event stream /imported/starts"
    for _ in range(2):  # again, nothing changes
        assert (await run(node, directory, after))["errors"] == []
    assert await events_of(node) == [
        *((T, T + 10, content) for content in left),
        (T + 50, T + 60, {"a": 3}),
    ]


async def test_events_of_an_archive_overwrite_no_others(node, configured, tmp_path):
    own = [event(T + i, id=i, n=i) for i in range(5)]
    await run(node, configured, write_archive(tmp_path / "a.zip", events=[("starts", own)]))
    other = [event(T + 100 + i, id=i, n=-i) for i in range(5)]
    log = await run(node, configured, write_archive(tmp_path / "b.zip", events=[("starts", other)]))
    assert texts(log, "info") == ["imported 5 events into /imported/starts"]
    assert len(await events_of(node)) == 10


async def test_equal_events_keep_their_number(node, configured, tmp_path):
    path = write_archive(tmp_path / "a.zip", events=[("starts", [event(T, n=1), event(T, n=1)])])
    await run(node, configured, path)
    await run(node, configured, path)
    assert len(await events_of(node)) == 2


async def test_nobody_expects_it(node, configured, tmp_path):
    path = write_archive(tmp_path / "a.zip", name="other")
    log = await run(node, configured, path)
    assert texts(log, "errors") == ["No importer defined for archive [other] from node [pumphouse]"]


@pytest.mark.parametrize("content", [b"", b"PK", b"text" * 100])
async def test_what_is_no_archive(node, configured, tmp_path, content):
    path = tmp_path / "a.zip"
    path.write_bytes(content)
    with pytest.raises(FormatError, match="invalid joule archive"):
        await run(node, configured, path)


@pytest.mark.parametrize("metadata", [None, "{", "[]", "{}", '{"magic": "x"}', "null", "\xff"])
def test_archives_without_a_description(tmp_path, metadata):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as file:
        if metadata is not None:
            file.writestr("metadata.json", metadata)
    with pytest.raises(FormatError, match="invalid joule archive"):
        Archive(path)


@pytest.mark.parametrize("cut", range(100, 2000, 190))
async def test_damaged_archives_fail_with_a_message(node, configured, tmp_path, cut):
    path = write_archive(tmp_path / "a.zip", data=[two_blocks()], events=[("starts", [event(T)])])
    content = bytearray(path.read_bytes())
    content[cut : cut + 40] = b"\xa5" * 40
    path.write_bytes(content)
    try:
        log = await run(node, configured, path)
    except FormatError:
        return
    assert set(log) == {"info", "warnings", "errors"}


def header(text):
    text = text.ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b" ",
        header("{'descr': [('timestamp', '<i8')], 'fortran_order': False, 'shape': (9**15,), }"),
        header(
            "{'descr': [('timestamp', '<i8'), ('data', '<f4', (2,))], 'fortran_order': False, "
            "'shape': (1000000000000,), }"
        ),
        header("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }") + b"x" * 8,
        header("{'descr': '<f4', 'fortran_order': False, 'shape': (), }") + b"x" * 4,
        header("__import__('os').abort()"),
        npy([T], "<f8"),
        npy([T], width=1),
    ],
)
async def test_files_that_hold_no_rows(node, configured, tmp_path, content):
    members = {f"{T}.dat": content}
    path = write_archive(tmp_path / "a.zip", data=[("flow", flow_model(), members)])
    log = await run(node, configured, path)
    assert texts(log, "errors") == [f"data/0/data/{T}.dat has no rows of float32_2"]


def test_the_summary(tmp_path):
    path = write_archive(tmp_path / "a.zip", data=[two_blocks()])
    with Archive(path) as archive:
        assert (archive.summary.name, archive.summary.node) == ("exports", "pumphouse")
        [stream] = archive.streams()
        assert (stream.source_label, stream.folder) == ("flow", "data/0")


def test_the_importer_of_the_node_comes_first(tmp_path):
    directory = write_importer(tmp_path / "importers", name="a.conf")
    write_importer(directory, name="b.conf", node="pumphouse")
    (directory / "c.conf").write_text("[Main]\n")
    (directory / "d.txt").write_text("[Main]\nname = exports\n")
    found = read_importers(directory)
    assert [importer.node for importer in found] == [None, "pumphouse"]
    assert find_importer(found, "exports", "pumphouse") is found[1]
    assert find_importer(found, "exports", "other") is found[0]
    assert find_importer(found, "x", "pumphouse") is None
    with pytest.raises(ConfigurationError, match="does not exist"):
        read_importers(tmp_path / "missing")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "missing name"),
        ("[Main]\nname = x\n[DataStream.1]\npath = /a/b", "missing source_label"),
        ("[Main]\nname = x\n[DataStream.1]\nsource_label = y", "missing path"),
        ("[Main]\nname = x\n[DataStream.1]\nsource_label = y\npath = a", "absolute path"),
        (
            "[Main]\nname = x\n[DataStream.1]\nsource_label = y\npath = /a\nmerge_gap = soon",
            "soon",
        ),
        ("[Main]\nname = x\n[EventStream.1]\nsource_label = y\npath = /a", "missing on_conflict"),
        (
            "[Main]\nname = x\n[EventStream.1]\nsource_label = y\npath = /a\non_conflict = z",
            "must be one of",
        ),
        ("[Main\n", "no section headers"),
    ],
)
def test_importers_that_cannot_be_used(tmp_path, text, message):
    path = tmp_path / "x.conf"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=message):
        read_importer(path)


# what means harm

LONG = "9" * 5000


@pytest.mark.parametrize(
    "name", [f"{LONG}.dat", f"-{LONG}.dat", "²³.dat", "\u0669.dat", "../x.dat"]
)
async def test_odd_names_of_files_are_unexpected_ones(node, configured, tmp_path, name):
    label, model, members = two_blocks()
    data = [(label, model, {**members, name: b""})]
    log = await run(node, configured, write_archive(tmp_path / "a.zip", data=data))
    assert texts(log, "warnings") == [
        "Importer[exports]: unexpected file in datastream folder, ignoring"
    ]
    assert await node.data_count(PATH) == 4


async def test_odd_numbers_of_streams_are_passed_over(node, configured, tmp_path):
    extra = [(f"data/{LONG}/metadata.json", "{}"), ("data/²/metadata.json", "{}")]
    path = write_archive(tmp_path / "a.zip", data=[two_blocks()], extra=extra)
    assert texts(await run(node, configured, path), "errors") == []


async def test_what_members_unpack_to_is_bounded_one_by_one_and_in_all(
    node, configured, tmp_path, monkeypatch
):
    monkeypatch.setattr("joule_cli.formats.archive._MOST_UNPACKED", (10_000, 1))
    label, model, _ = two_blocks()
    members = {f"{T + n}.dat": npy([T + n], width=2) + b"\0" * 5000 for n in range(9)}
    path = write_archive(tmp_path / "a.zip", data=[(label, model, members)])
    packed = tmp_path / "b.zip"
    with zipfile.ZipFile(path) as source:
        target = zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED)
        with target:
            for name in source.namelist():
                target.writestr(name, source.read(name))
    log = await run(node, configured, packed)
    assert [text.partition(" ")[2] for text in texts(log, "errors")] == ["is too large"]


@pytest.mark.parametrize("text", ["[" + "[]," * 1_000_001 + "[]]", "[" + "1," * 2_000_001 + "1]"])
async def test_many_small_values_are_refused_before_they_are_objects(
    node, configured, tmp_path, text
):
    path = write_archive(
        tmp_path / "a.zip",
        events=[("starts", [event(T)])],
        extra=[(f"events/0/data/{T + 1}.json", text)],
    )
    log = await run(node, configured, path)
    assert texts(log, "errors") == [f"events/0/data/{T + 1}.json is too large"]


ODD = [
    *(None, True, 1.5, -1, 10**400, [], {}, [[]], {"a": []}, "", "\0", "\ud800", "x" * 5000, LONG),
    *(["abc"], {"name": []}, float("nan"), "float32", [{}], [[1, 2]]),
]


def mutated(rng, value):
    """Return a JSON value with something odd at one place."""
    if isinstance(value, dict) and value and rng.random() < 0.9:
        key = rng.choice(list(value))
        if rng.random() < 0.1:
            return {k: v for k, v in value.items() if k != key}
        return {**value, key: mutated(rng, value[key])}
    if isinstance(value, list) and value and rng.random() < 0.9:
        index = rng.randrange(len(value))
        return [*value[:index], mutated(rng, value[index]), *value[index + 1 :]]
    return rng.choice(ODD)


async def test_anything_in_an_archive_is_told_and_does_no_harm(node, tmp_path):
    rng = random.Random(20261128)
    plain = write_archive(
        tmp_path / "a.zip",
        data=[two_blocks()],
        events=[("starts", [event(T, note="x"), event(T + 5)])],
    )
    directories = [
        write_importer(tmp_path / conflict, on_conflict=conflict)
        for conflict in ("keep_source", "merge", "keep_both")
    ]
    with zipfile.ZipFile(plain) as source:
        members = {name: source.read(name) for name in source.namelist()}
    told = 0
    for number in range(300):
        name = rng.choice([name for name in members if name.endswith(".json")])
        content = json.dumps(mutated(rng, json.loads(members[name]))).encode()
        path = tmp_path / f"{number}.zip"
        with zipfile.ZipFile(path, "w") as file:
            for each, text in members.items():
                file.writestr(each, content if each == name else text)
        try:
            log = await run(node, rng.choice(directories), path)
        except FormatError:
            told += 1
        else:
            told += bool(log["errors"] or log["warnings"])
        path.unlink()
    assert told > 100
