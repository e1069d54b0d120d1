"""Questions: who is asked, how they are answered, and what happens without an answer."""

from __future__ import annotations

import signal

import pytest


@pytest.fixture
def stream(joule):
    joule.ok("stream", "create", "/a/x:int8[v]")
    return joule


def exists(joule):
    return joule("stream", "info", "/a/x").status == 0


def test_yes_through_a_pipe(stream):
    result = stream.shell("yes | joule stream delete /a/x")
    assert (result.status, result.out) == (0, "Deleted /a/x: 0 rows\nOK\n")
    assert "Delete /a/x? [y/N]" in result.err
    assert not exists(stream)


def test_no_is_cancelled_with_0(stream):
    result = stream("stream", "delete", "/a/x", stdin="N\n")
    assert (result.status, result.out) == (0, "Cancelled\n")
    assert exists(stream)


def test_the_default_is_no(stream):
    assert stream("stream", "delete", "/a/x", stdin="\n").out == "Cancelled\n"


def test_another_answer_is_asked_again(stream):
    result = stream("stream", "delete", "/a/x", stdin="what\ny\n")
    assert (result.status, result.out) == (0, "Deleted /a/x: 0 rows\nOK\n")
    assert result.err.count("[y/N]") == 2


def test_the_end_of_input_is_1_with_a_hint(stream):
    result = stream("stream", "delete", "/a/x")
    assert result.status == 1
    assert "--yes" in result.err
    assert exists(stream)


@pytest.mark.parametrize("option", ["-y", "--yes"])
def test_yes_answers_everything(stream, option):
    assert stream.ok("stream", "delete", "/a/x", option) == "Deleted /a/x: 0 rows\nOK\n"


@pytest.mark.parametrize(("options", "env"), [(["--no-input"], {}), ([], {"JOULE_NO_INPUT": "1"})])
def test_no_input_fails_at_once(stream, options, env):
    result = stream("stream", "delete", "/a/x", *options, stdin="y\n", env=env)
    assert result.status == 1
    assert "--yes" in result.err
    assert exists(stream)


def test_what_never_asked_does_not_ask_without_a_terminal(stream):
    assert stream.ok("folder", "delete", "/a", "-r").endswith("OK\n")


def test_what_never_asked_asks_a_person(stream):
    shown = stream.terminal("folder", "delete", "/a", typed="n\r", when="[y/N]")
    assert shown.status == 0
    assert "1 stream, 0 rows" in shown.out
    assert "Cancelled" in shown.out
    assert exists(stream)
    stream.terminal("folder", "delete", "/a", typed="y\r", when="[y/N]")
    assert not exists(stream)


def test_a_pattern_in_a_change_asks_everywhere(stream):
    assert stream("folder", "delete", "/*").status == 1
    assert exists(stream)
    assert stream.ok("folder", "delete", "/*", "--yes").endswith("OK\n")
    assert not exists(stream)


def test_a_dry_run_changes_and_asks_nothing(stream):
    out = stream.ok("folder", "delete", "/a", "--dry-run", "--csv")
    assert out == "kind,path,rows,start,end,events\nfolder,/a,,,,\nstream,/a/x,0,,,\n"
    assert exists(stream)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_at_the_question(stream, number):
    shown = stream.terminal("stream", "delete", "/a/x", when="[y/N]", send=number)
    assert shown.status == 128 + number
    assert exists(stream)


def test_ctrl_c_at_the_question(stream):
    shown = stream.terminal("stream", "delete", "/a/x", when="[y/N]", send=signal.SIGINT)
    assert "Traceback" not in shown.out
