"""Exit statuses, errors, signals and standard streams that go away."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import time

import pytest


def test_usage_errors_are_2_and_suggest_the_nearest_name(joule):
    result = joule("strem", "list")
    assert result.status == 2
    assert "Did you mean 'stream'?" in result.err
    assert "Did you mean 'read'?" in joule("help", "data", "raed").err
    assert "'--layout'" in joule("stream", "list", "--layuot").err
    assert joule("stream", "rename", "/a").status == 2
    assert joule("stream").status == 2


def test_long_options_cannot_be_abbreviated(joule):
    assert joule("stream", "list", "--lay").status == 2


@pytest.mark.parametrize("word", ["remove", "destroy"])
def test_synonyms_work_and_are_hidden(joule, word):
    joule.ok("folder", "create", "/a")
    assert joule.ok("folder", word, "/a") == "Deleted /a: no streams\nOK\n"
    assert word not in joule.ok("folder", "--help")


def test_a_failure_is_one_line_and_1(joule):
    result = joule("stream", "info", "/no/such")
    assert (result.status, result.out) == (1, "")
    assert result.err == "Error: stream does not exist: /no/such\n"


def test_with_json_the_error_is_an_object(joule):
    result = joule("folder", "list", "/no/such", "--json")
    assert (result.status, result.out) == (1, "")
    assert result.error() == {
        "code": "folder_not_found",
        "message": "folder does not exist",
        "status": 404,
        "object": "/no/such",
    }


def test_a_usage_error_with_json_is_an_object_too(joule):
    result = joule("--json", "stream", "list", "--nope")
    assert (result.status, result.error()["code"]) == (2, "usage_error")


def test_tracebacks_only_on_demand(joule):
    assert "Traceback" not in joule("stream", "info", "/x", "-v").err
    assert "Traceback" in joule("stream", "info", "/x", "-vv").err
    assert "Traceback" in joule("stream", "info", "/x", env={"JOULE_DEBUG": "1"}).err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--start", "yestrday"], "start time"),
        (["--end", "13 o'clock"], "end time"),
        (["--start", "now", "--end", "now-1h"], "start time must be before the end time"),
        (["--last", "soon"], "--last"),
    ],
)
def test_bad_times_are_1_before_any_request(joule, options, words):
    # the stream does not exist either, and nobody asked for it
    result = joule("annotation", "list", "/no/such", *options)
    assert result.status == 1
    assert words in result.err
    assert not (joule.folder / "joule.db").exists()


def test_start_and_last_exclude_each_other(joule):
    assert joule("annotation", "list", "/a", "--last", "1h", "--start", "1").status == 2


def test_a_time_with_two_readings_warns_on_stderr(filled):
    result = filled("annotation", "list", "/house/mains", "--start", "1700000000")
    assert result.status == 0
    assert "Warning" in result.err
    assert "@1700000000" in result.err
    assert filled("annotation", "list", "/house/mains", "--start", "1700000000", "-q").err == ""


def test_a_closed_pipe_ends_quietly_with_141(joule):
    for number in range(3):
        joule.ok("folder", "create", f"/{'x' * 200}{number}")
    # head has gone before the first byte is written
    result = joule.shell("joule folder list | true; echo ${PIPESTATUS[0]}")
    assert (result.out, result.err) == ("141\n", "")


def test_a_closed_pipe_behind_a_drawn_table(filled):
    line = "joule stream list --info --format table | exec true; echo ${PIPESTATUS[0]}"
    result = filled.shell(line)
    assert (result.out, result.err) == ("141\n", "")


def test_a_closed_stdout_is_an_error(filled):
    result = filled.shell("joule stream list >&-")
    assert result.status == 1
    assert result.err.startswith("Error: cannot write the output")


def test_a_full_disk_under_stdout_is_an_error(filled):
    result = filled.shell("joule stream list >/dev/full")
    assert (result.status, result.err) == (
        1,
        "Error: cannot write the output: No space left on device\n",
    )


def test_closed_stdin_and_stderr_do_no_harm(filled):
    result = filled.shell("joule stream list <&- 2>&-")
    assert result.status == 0
    assert "/house/mains" in result.out


def test_nobody_watching_means_silence_on_stderr(filled):
    assert filled("folder", "list").err == ""


_SLEEPER = textwrap.dedent(
    """
    import asyncio, sys, time
    import click
    from joule_cli.cli import app
    from joule_cli.cli._lazy import group
    from joule_cli.cli._run import run

    @group("t")
    def t(): "Test."

    @t.command("wait")
    def wait():
        async def work():
            try:
                click.echo("ready", err=True)
                await asyncio.gather(*(asyncio.to_thread(time.sleep, 30) for _ in range(2)))
            finally:
                click.echo("cleaned", err=True)
        run(work)

    @t.command("flood")
    def flood():
        async def work():
            click.echo("ready", err=True)
            while True:
                sys.stdout.write("x" * 1000)
        run(work)

    @t.command("stubborn")
    def stubborn():
        async def work():
            click.echo("ready", err=True)
            while True:
                try:
                    await asyncio.sleep(0.05)
                except asyncio.CancelledError:
                    click.echo("no", err=True)
        run(work)

    @t.command("live")
    def live():
        async def work():
            click.echo("ready", err=True)
            try:
                await asyncio.sleep(30)
            except asyncio.CancelledError:
                sys.stdout.write("last line")
        run(work)

    @t.command("broken")
    def broken():
        raise ZeroDivisionError("oops")

    app.root.add_command(t)
    app.main()
    """
)


def _start(joule, command):
    child = subprocess.Popen(
        [sys.executable, "-c", _SLEEPER, "t", command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=joule.environment(),
    )
    assert child.stderr.readline() == b"ready\n"
    return child


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_cleans_up_and_does_not_wait_for_threads(joule, number, status):
    child = _start(joule, "wait")
    began = time.monotonic()
    child.send_signal(number)
    _, err = child.communicate(timeout=10)
    assert (child.returncode, err) == (status, b"cleaned\n")
    assert time.monotonic() - began < 1.0


def test_a_signal_ends_a_write_that_blocks(joule):
    child = _start(joule, "flood")
    time.sleep(0.3)  # until the pipe is full
    child.send_signal(signal.SIGINT)
    assert child.wait(timeout=5) == 130
    child.communicate()


def test_the_second_signal_kills_at_once(joule):
    child = _start(joule, "stubborn")
    child.send_signal(signal.SIGINT)
    assert child.stderr.readline() == b"no\n"
    began = time.monotonic()
    child.send_signal(signal.SIGINT)
    child.communicate(timeout=5)
    assert child.returncode in {-signal.SIGINT, 130}
    assert time.monotonic() - began < 0.5


def test_work_that_ends_well_on_a_signal_is_0(joule):
    child = _start(joule, "live")
    child.send_signal(signal.SIGINT)
    out, _ = child.communicate(timeout=5)
    assert (child.returncode, out) == (0, b"last line")


def test_a_defect_is_one_line_too(joule):
    done = subprocess.run(
        [sys.executable, "-c", _SLEEPER, "t", "broken"],
        capture_output=True,
        text=True,
        env=joule.environment(),
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == "Error: internal error: ZeroDivisionError: oops\n"


def test_a_hint_is_a_sentence(joule):
    result = joule("data", "count", "/a", "--start", "nonsense")
    assert result.err.endswith("\nSee [joule help times] for the forms of times and durations.\n")


@pytest.mark.parametrize(
    ("option", "wrong"), [("--tz", "Mars/Olympus"), ("--time", "nonsense"), ("--tz", "")]
)
def test_common_options_are_checked_before_anything_is_done(joule, option, wrong):
    result = joule("folder", "create", "/a", option, wrong)
    assert (result.status, result.out) == (1, "")
    assert joule.ok("folder", "list", "--flat") == ""


def test_a_wrong_column_does_not_make_a_change_look_failed(joule):
    result = joule("folder", "create", "/a", "--json", "--columns", "name,nope")
    assert (result.status, result.json()) == (0, {"name": "a"})
    assert "there is no column 'nope'" in result.err


def test_the_name_of_an_option_is_told_as_it_is_written(joule):
    joule.ok("stream", "create", "/a:int8[x]")
    assert "--max-gap" in joule("data", "consolidate", "/a", "--max-gap", "soon").err


@pytest.mark.parametrize(
    ("outcomes", "status"), [("fp", 3), ("pp", 3), ("ff", 1), ("fd", 3), ("dd", 0)]
)
def test_several_of_which_some_fail(outcomes, status):
    # failed, partly done, done
    program = f"""
        import click
        from joule_cli.cli import _run
        from joule_cli.cli._settings import Settings
        from joule_cli.errors import StreamNotFound
        from joule_cli.ops.errors import PartialError

        async def one(outcome):
            missing = StreamNotFound("stream does not exist", object="/a")
            if outcome == "f":
                raise missing
            if outcome == "p":
                raise PartialError(missing, "/b", 10, 5)

        settings = Settings()

        def program():
            with click.Context(click.Command("x"), obj=settings):
                _run.run(lambda: _run.for_each({outcomes!r}, one))

        _run.guard(program, settings)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == status
    assert done.stderr.count("Error: stream does not exist") == len(outcomes.replace("d", ""))


def test_a_signal_wakes_the_program_whichever_thread_gets_it():
    """As one does that comes while the program goes to sleep."""
    program = """
        import asyncio, os, signal, threading
        from joule_cli.cli import _run
        from joule_cli.cli._settings import Settings

        threading.Thread(target=threading.Event().wait, daemon=True).start()
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])

        async def wait():
            # when the loop sleeps
            threading.Timer(0.2, os.kill, [os.getpid(), signal.SIGTERM]).start()
            await asyncio.Event().wait()

        settings = Settings()
        _run.guard(lambda: _run.run(wait, settings), settings)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=20,
    )
    assert done.returncode == 128 + signal.SIGTERM


def test_ctrl_c_while_the_program_loads_shows_no_traceback(joule):
    # the signal comes as soon as the first module after the entry point is looked for
    program = """
        import os, signal, sys

        class Interrupting:
            def find_spec(self, name, path=None, target=None):
                if name == "joule_cli.cli":
                    os.kill(os.getpid(), signal.SIGINT)

        signal.signal(signal.SIGINT, signal.default_int_handler)
        from joule_cli.__main__ import main

        sys.meta_path.insert(0, Interrupting())
        main()
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True,
        env=joule.environment(),
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, b"", b"")


def test_a_failure_that_nobody_waits_for_is_told_on_demand_only(tmp_path):
    program = textwrap.dedent("""
        import asyncio, gc, sys
        from joule_cli.cli import _run
        from joule_cli.cli._settings import Settings
        from joule_cli.errors import ApiError

        async def fail():
            raise ConnectionResetError("of a library")

        async def work():
            loop = asyncio.get_running_loop()
            task = loop.create_task(fail())
            future = loop.create_future()
            future.set_exception(ConnectionResetError("of a library"))
            await asyncio.sleep(0)
            del task, future
            gc.collect()
            raise ApiError("the node is gone")

        settings = Settings()
        settings.verbose = int(sys.argv[1])
        _run.guard(lambda: _run.run(work, settings), settings)
    """)

    def run(verbose):
        return subprocess.run(
            [sys.executable, "-c", program, str(verbose)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    quiet, verbose = run(0), run(2)
    assert (quiet.returncode, quiet.stderr) == (1, "Error: the node is gone\n")
    assert verbose.stderr.count("exception was never retrieved") == 2
