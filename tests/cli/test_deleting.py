"""Every deletion says what went, to people and to programs."""

from __future__ import annotations

import json

import pytest
from aiohttp import ClientSession, web

from tests.cli.command_table import SECOND, T
from tests.cli.serving import running
from tests.cli.test_remote_node import serving
from tests.serving import KEY, listening

ROWS = "2023-11-14 22:13:20+00:00 to 2023-11-14 22:13:34+00:00"
EVENTS = "2023-11-14 22:13:20+00:00 to 2023-11-14 22:13:20.000007+00:00"
UTC = {"TZ": "UTC"}


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("stream delete /lab/rows --yes", f"Deleted /lab/rows: 12 rows, {ROWS}\nOK\n"),
        ("stream delete /lab/runs --yes", f"Deleted /lab/runs: 3 events, {EVENTS}\nOK\n"),
        ("event delete /lab/runs --yes", f"Deleted /lab/runs: 3 events, {EVENTS}\nOK\n"),
        ("folder delete /lab/inner", "Deleted /lab/inner: no streams\nOK\n"),
        (
            "data delete /lab/rows --all",
            "Deleted 12 rows of /lab/rows, 2023-11-14 22:13:20+00:00 to "
            "2023-11-14 22:13:34.000001+00:00\nOK\n",
        ),
        ("data delete /lab/rows --before 2020-01-01", "Nothing to delete in /lab/rows\nOK\n"),
        ("data drop-decimations /lab/rows", "Dropped the decimated rows of /lab/rows\nOK\n"),
        ("event remove /lab/runs --all", f"3 events of /lab/runs removed, {EVENTS}\n"),
        (
            "event remove /lab/runs --start 2030-01-01",
            "0 events of /lab/runs removed from 2030-01-01 00:00:00+00:00\n",
        ),
        (
            "event remove /lab/runs --where 'load > 1' --end 2023-11-15",
            "1 event of /lab/runs removed before 2023-11-15 00:00:00+00:00, "
            'matching [[["load","gt",1]]]\n',
        ),
        (
            "annotation delete 1",
            "Deleted annotation 1 of /lab/rows: on, 2023-11-14 22:13:20+00:00\nOK\n",
        ),
        (
            "annotation clear /lab/rows --all",
            "1 annotation of /lab/rows deleted, 2023-11-14 22:13:20+00:00\n",
        ),
        (
            "stream annotations /lab/rows --delete",
            "1 annotation of /lab/rows deleted, 2023-11-14 22:13:20+00:00\nOK\n",
        ),
        (
            f"data write /lab/rows more.txt --start {T} --end {T + 3 * SECOND}",
            "Deleted 3 rows of /lab/rows from 2023-11-14 22:13:20+00:00 to "
            "2023-11-14 22:13:23+00:00\n",
        ),
        ("data write /lab/rows more.txt --start 2024-01-01 --end 2024-01-02", ""),
        ("node delete stored", "Removed node [stored]\n"),
        ("follower delete pump", "Follower [pump] removed\n"),
    ],
)
def test_people_are_told(forked, line, told):
    result = forked(line, env=UTC)
    assert (result.status, result.out, result.err) == (0, told, "")


def test_folders_streams_and_what_they_held(forked):
    forked("event create /lab/inner/none", env=UTC)
    told = (
        "Deleted /lab: 2 streams, 24 rows, 2 event streams, 3 events, "
        "2023-11-14 22:13:20+00:00 to 2023-11-14 22:13:34.250000+00:00\n"
        "  /lab/other  12 rows, 2023-11-14 22:13:20.250000+00:00 to "
        "2023-11-14 22:13:34.250000+00:00\n"
        f"  /lab/rows  12 rows, {ROWS}\n"
        f"  /lab/runs  3 events, {EVENTS}\n"
        "  /lab/inner/none  0 events\n"
        "OK\n"
    )
    assert forked("folder delete /lab -r", env=UTC).out == told


def test_everything(forked):
    told = forked("admin erase --yes", env=UTC).out
    assert told.startswith(f"Deleted everything in file:{forked.folder}/joule.db: 2 streams, 24")
    assert told.endswith("OK\n")


def test_what_a_backup_replaces(forked):
    told = forked("admin restore older.db --yes", env=UTC).out
    assert told.startswith(
        f"Replaced everything in file:{forked.folder}/joule.db by older.db: 2 streams, 24 rows, "
    )
    found = json.loads(forked("admin restore older.db --yes --json").out)
    assert (found["restored"], found["streams"], found["rows"]) == ("older.db", 2, 24)


def test_rows_that_a_filter_replaces(forked):
    line = "data mean /lab/rows /lab/out -w 3 --yes"
    forked(line)
    result = forked(line, env=UTC)
    assert "8 rows of /lab/out replaced, 2023-11-14 22:13:20+00:00 to " in result.out
    found = json.loads(forked(line, "--json").out)
    assert found["replaced"] == 8
    assert found["replaced_start"] == T


def test_events_that_a_copy_replaces(forked):
    line = "event copy /lab/runs /lab/copied --action replace"
    forked(line)
    forked("event write /lab/copied --start 2023-11-15 load=9")
    told = forked(f"{line} --start 2023-11-14", env=UTC).out
    assert ", 1 event removed from 2023-11-14 00:00:00+00:00\n" in told


PROGRAMS = [
    (
        "stream delete /lab/rows --yes",
        {
            "deleted": ["/lab/rows"],
            "streams": 1,
            "rows": 12,
            "event_streams": 0,
            "events": 0,
            "start": T,
            "end": T + 14 * SECOND,
        },
    ),
    (
        "event delete /lab/runs --yes",
        {
            "deleted": ["/lab/runs"],
            "streams": 0,
            "rows": 0,
            "event_streams": 1,
            "events": 3,
            "start": T,
            "end": T + 7,
        },
    ),
    ("folder delete /lab -r", {"deleted": ["/lab"], "streams": 2, "rows": 24, "events": 3}),
    ("admin erase --yes", {"streams": 2, "rows": 24, "event_streams": 1, "events": 3}),
    (
        f"event remove /lab/runs --end {T + 2}",
        {"removed": 2, "start": None, "end": T + 2, "filter": None},
    ),
    ("event remove /lab/runs --all", {"removed": 3, "start": T, "end": T + 7}),
    (
        "annotation clear /lab/rows --all",
        {"deleted": 1, "stream": "/lab/rows", "start": T, "end": T},
    ),
    ("stream annotations /lab/rows --delete", {"deleted": 1, "stream": "/lab/rows", "start": T}),
    (
        f"data write /lab/rows more.txt --start {T} --end {T + 3 * SECOND}",
        {"deleted": 3, "deleted_start": T, "deleted_end": T + 3 * SECOND, "rows": 5},
    ),
]


@pytest.mark.parametrize(("line", "wanted"), PROGRAMS)
def test_programs_are_told(forked, line, wanted):
    found = json.loads(forked(line, "--json").out)
    assert {key: found[key] for key in wanted} == wanted


def test_the_single_streams_are_listed_for_programs(forked):
    found = json.loads(forked("folder delete /lab -r --json").out)
    assert [each["path"] for each in found["contents"]] == [
        *("/lab", "/lab/inner", "/lab/other", "/lab/rows", "/lab/runs"),
    ]
    assert found["contents"][3]["rows"] == 12


@pytest.fixture
def refusing(forked):
    """The address of a node that deletes nothing called rows."""

    async def forward(request):
        if request.method == "DELETE" and "rows" in request.query_string:
            return web.Response(status=400, text="stream is locked")
        async with (
            ClientSession() as session,
            session.request(
                request.method,
                f"{served.url}{request.path_qs}",
                headers={"X-API-KEY": KEY},
                data=await request.read(),
            ) as answer,
        ):
            return web.Response(
                status=answer.status, body=await answer.read(), content_type=answer.content_type
            )

    async def start(stack):
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", forward)
        return await stack.enter_async_context(listening(app))

    with serving(forked.folder / "joule.db") as served, running(start) as url:
        yield {"JOULE_URL": url, **UTC}


def test_what_went_before_a_failure_is_told(forked, refusing):
    result = forked("stream delete /lab/rows /lab/runs --yes", env=refusing)
    assert result.status == 3
    assert "stream is locked" in result.err
    assert result.out == f"Deleted /lab/runs: 3 events, {EVENTS}\n"
    result = forked("data delete /lab/rows /lab/other --all --json", env=refusing)
    assert result.status == 3
    assert [each["path"] for each in json.loads(result.out)["deleted"]] == ["/lab/other"]


@pytest.mark.parametrize("line", [line for line, _ in PROGRAMS])
def test_quiet_drops_it(forked, line):
    result = forked(line, "--quiet")
    assert (result.status, result.out, result.err) == (0, "", "")


@pytest.mark.parametrize(("options", "status"), [("", 1), ("-r", 0), ("--yes", 0)])
def test_a_folder_with_streams_is_not_deleted_by_its_name_alone(forked, options, status):
    forked("stream create /bare/x:float32[x]")
    result = forked(f"folder delete /bare {options}")
    assert result.status == status
    if status:
        assert result.err == (
            "Error: the folder holds streams: /bare\n"
            "Use -r or --yes to delete them with all data.\n"
        )
    assert (forked("stream get /bare/x").status == 0) == (status == 1)


def test_event_streams_are_streams(forked):
    forked("event create /bare/x")
    assert forked("folder delete /bare").status == 1


def test_a_person_is_asked_about_the_streams(forked):
    forked("stream create /bare/x:float32[x]")
    shown = forked("folder delete /bare", typed="y\n", env={"TERM": "xterm"})
    assert shown.status == 0
    assert "Delete /bare with 1 stream, 0 rows? [y/N]" in shown.out
