"""joule archive"""

from __future__ import annotations

import json
import zipfile

import pytest
from aiohttp import web

from tests.archives import T, event, flow_model, npy, write_archive
from tests.cli.serving import running
from tests.serving import listening

OK = {"info": [], "warnings": [], "errors": []}


def message(text, label="flow", destination="/a/flow"):
    return {
        "source_label": label,
        "destination": destination,
        "message": text,
        "target_type": "data_stream",
    }


@pytest.fixture
def archive(joule):
    return write_archive(
        joule.folder / "a.zip",
        data=[("flow", flow_model(), {f"{T}.dat": npy([T])})],
        events=[("starts", [event(T)])],
    )


@pytest.fixture
def answers(joule):
    """What a node says to uploads, one after the other."""
    found = []

    async def upload(request):
        await request.read()
        answer = found.pop(0) if found else OK
        return answer if isinstance(answer, web.Response) else web.json_response(answer)

    async def start(stack):
        app = web.Application()
        app.router.add_post("/archive.json", upload)
        return await stack.enter_async_context(listening(app))

    with running(start) as url:
        joule.env["JOULE_URL"] = url
        yield found


def test_inspect_works_offline(joule, archive):
    joule.env["JOULE_URL"] = "http://127.0.0.1:1"
    assert joule.ok("archive", "inspect", archive) == (
        "========= Source ===========\nNode:\tpumphouse\nLabel:\texports\n"
        "Date:\t2023-11-14 22:13:20+00:00\n\n"
        "========= Contents ========\n"
        "Start:\t2023-11-14 22:13:19.999995+00:00\nEnd:\t2023-11-14 22:13:20.001000+00:00\n"
        "1 data streams, 1 event streams\n"
    )
    verbose = joule.ok("archive", "inspect", "-v", archive)
    assert "Label:     flow\nPath:      /live/flow\nLayout:    float32_2\nRows:      4" in verbose
    assert "Events:    1\nFields:    note\n" in verbose
    found = json.loads(joule.ok("archive", "inspect", archive, "--json"))
    assert (found["node"], found["data_streams"][0]["row_count"]) == ("pumphouse", 4)


def test_inspect_names_what_is_none(joule, archive):
    (joule.folder / "b.zip").write_text("x")
    alone = joule("archive", "inspect", "b.zip")
    assert (alone.status, alone.out) == (1, "")
    assert "b.zip: invalid joule archive" in alone.err
    both = joule("archive", "inspect", archive, "b.zip", "--json")
    assert both.status == 3
    assert len(json.loads(both.out)) == 1
    assert joule("archive", "inspect", "missing.zip").status == 2


def test_upload(joule, archive, answers):
    assert joule.ok("archive", "upload", archive) == f"{archive}: [OK]\n"
    answers.append({**OK, "info": [message("importing")], "warnings": [message("hm")]})
    shown = joule.ok("archive", "upload", "-v", archive)
    assert shown == (
        f"{archive}: [OK]\n\t=== WARNINGS ===\n\tflow=>/a/flow: hm\n"
        "\t=== INFO ===\n\tflow=>/a/flow: importing\n"
    )
    answers.append({**OK, "info": [message("importing")]})
    [log] = json.loads(joule.ok("archive", "upload", archive, "--json"))
    assert log == {"file": str(archive), **OK, "info": [message("importing")]}
    assert joule.ok("archive", "upload", archive, "-q") == ""


def test_a_rejected_archive_is_never_ok_and_never_flushed(joule, archive, answers):
    answers.append({**OK, "errors": [message("No importer", None, None)]})
    result = joule("archive", "upload", "--flush", archive)
    assert result.status == 1
    assert result.out == f"{archive}:\n\t=== ERRORS ===\n\tNo importer\n"
    assert archive.exists()
    answers.append(web.Response(status=400, text="400: invalid joule archive"))
    refused = joule("archive", "upload", "--flush", archive)
    assert (refused.status, "invalid joule archive" in refused.err) == (1, True)
    assert archive.exists()
    answers.append({**OK, "warnings": [message("No match", "other", None)]})
    warned = joule("archive", "upload", "--flush", archive)
    assert (warned.status, warned.err) == (0, f"{archive} is kept, since there are warnings\n")
    assert archive.exists()
    told = joule.ok("archive", "upload", "--flush", archive)
    assert told == f"{archive}: [OK]\n{archive}: deleted\n"
    assert not archive.exists()


def test_folders(joule, archive, answers):
    below = joule.folder / "folder" / "below"
    below.mkdir(parents=True)
    for number in range(3):
        write_archive(below.parent / f"{number}.zip")
    write_archive(below / "deep.zip")
    (below.parent / "notes.txt").write_text("x")
    (below.parent / "broken.zip").write_text("x")
    listed = joule.ok("archive", "upload", "folder", "--dry-run", "--csv").splitlines()
    assert listed == ["file", "folder/0.zip", "folder/1.zip", "folder/2.zip"]
    assert "folder/below/deep.zip" in joule.ok(
        "archive", "upload", "folder", "--recursive", "--dry-run"
    )
    answers += [OK, {**OK, "errors": [message("no")]}, OK]
    partly = joule("archive", "upload", "folder", "-f")
    assert partly.status == 3
    assert [(below.parent / f"{n}.zip").exists() for n in range(3)] == [False, True, False]
    write_archive(below.parent / "0.zip")
    answers += [{**OK, "errors": [message("no")]}]
    stopped = joule("archive", "upload", "folder", "-f", "-e")
    assert stopped.status == 1
    assert stopped.out.count(".zip:") == 1
    answers[:] = [web.Response(status=400, text="400: no"), {**OK, "errors": [message("no")]}]
    assert joule("archive", "upload", "folder").status == 1
    empty = joule.folder / "empty"
    empty.mkdir()
    none = joule("archive", "upload", "empty")
    assert (none.status, "there are no archives" in none.err) == (1, True)
    assert joule("archive", "upload", "missing").status == 2


@pytest.mark.parametrize(
    "value", [None, True, 1.5, 10**400, 2**63, [], {}, ["abc", 1], {"a": [1]}, "x", "\u202e"]
)
def test_inspect_shows_whatever_an_archive_says(joule, archive, value):
    with zipfile.ZipFile(archive) as source:
        metadata = json.loads(source.read("metadata.json"))
    for each in (*metadata["data_streams"], *metadata["event_streams"]):
        each.update(dict.fromkeys(each, value))
    odd = joule.folder / "odd.zip"
    with zipfile.ZipFile(odd, "w") as file:
        file.writestr("metadata.json", json.dumps({**metadata, "created_at": value}))
    for options in ([], ["-v"], ["--json"], ["--csv"]):
        assert joule("archive", "inspect", odd, *options).status == 0
