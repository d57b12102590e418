"""What the command line prints about runs: starts and ends, whatever scripts write and wherever it goes."""

import contextlib
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_server.tests.started import Started
from local_server.tests.support import KEY, require
from tests.support.waiting import wait_for
from wherobots_local.runs.store import OWN_FOLDER_OF_A_RUN, RECORD_FILE
from wherobots_local.terminal import escaped


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    """A server that runs one script at a time."""
    with Started(tmp_path_factory.mktemp("quiet"), "--max-parallel-runs", "1", key=KEY) as server:
        yield server


def lines_about(server: Started, run_id: str) -> list[str]:
    return [line for line in server.printed().splitlines() if run_id in line]


def wait_for_end(server: Started, run_id: str) -> list[str]:
    wait_for(lambda: any("| log: " in line for line in lines_about(server, run_id)), what="the line of the end")
    return lines_about(server, run_id)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain\tüñí 日本 🌍 a\u00a0b", "plain\tüñí 日本 🌍 a\u00a0b"),
        ("\x1b[31mred\x07\r\x9b2J\x7f", "\\x1b[31mred\\x07\\r\\x9b2J\\x7f"),
        ("a\nb\u2028c", "a\\nb\\u2028c"),
        ("\u202eright to left\u200b", "\\u202eright to left\\u200b"),
        ("\ud800\ue000", "\\ud800\\ue000"),
    ],
)
def test_what_could_change_the_terminal_is_escaped(text: str, shown: str) -> None:
    assert escaped(text) == shown


def test_one_line_at_the_start_and_one_at_the_end(quiet: Started) -> None:
    client = quiet.client()
    run, _ = client.run("print('hello')", name="a_good_run", runtime="tiny")
    log = quiet.root / ".wherobots-local" / "runs" / run["id"] / ".run" / "log.txt"
    begun, ended = wait_for_end(quiet, run["id"])
    assert re.fullmatch(rf'\d\d:\d\d:\d\d run {run["id"]} started: "a_good_run", runtime tiny', begun)
    assert re.fullmatch(rf"\d\d:\d\d:\d\d run {run['id']} COMPLETED after [\d.]+ s \| log: {log}", ended)
    assert log.read_text() == "hello\n"
    assert "hello" not in quiet.printed()
    assert KEY not in quiet.printed()


def test_the_end_of_a_failed_run_has_the_reason(quiet: Started) -> None:
    run, _ = quiet.client().run(r"raise ValueError('\x1b]0;owned\x07 no such column')", status="FAILED")
    _, ended = wait_for_end(quiet, run["id"])
    assert r"FAILED after" in ended
    assert r": The process exited with code 1: ValueError: \x1b]0;owned\x07 no such column | log: " in ended
    assert "\x1b" not in quiet.printed()


def test_runs_that_never_start_have_one_line(quiet: Started) -> None:
    client = quiet.client()
    holding = client.create("import time\ntime.sleep(600)")
    client.wait(holding["id"], "RUNNING")
    # The script of the other is not replaced: it may not have been read yet.
    waiting = client.create(runPython={"uri": client.script("", "waiting.py")})
    client.cancel(waiting["id"])
    client.wait(waiting["id"], "CANCELLED")
    (ended,) = wait_for_end(quiet, waiting["id"])
    assert "CANCELLED before it started: The run was cancelled | log: " in ended
    client.cancel(holding["id"])
    client.wait(holding["id"], "CANCELLED")


def test_a_stopped_server_prints_the_ends_of_its_runs(tmp_path: Path) -> None:
    with Started(tmp_path, key=KEY) as server:
        client = server.client()
        run = client.create("import time\ntime.sleep(600)")
        client.wait(run["id"], "RUNNING")
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(60) == 130
    _, ended = lines_about(server, run["id"])
    assert "CANCELLED after" in ended
    assert "The local server was stopped" in ended


def test_earlier_runs_are_not_announced_again(tmp_path: Path) -> None:
    with Started(tmp_path, key=KEY) as first:
        run, _ = first.client().run("")
        wait_for_end(first, run["id"])
        end_well(first)
    with Started(tmp_path, key=KEY) as second:
        second.control().patch_run(run["id"], kubeApp={"spark_ui_url": "http://127.0.0.1:4040"})
        marker, _ = second.client().run("")
        wait_for_end(second, marker["id"])
        assert lines_about(second, run["id"]) == []


def end_well(server: Started) -> None:
    """Ask the server to end, and see that it does."""
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(60) == 143


def test_an_output_on_a_full_disk_does_not_end_the_server(tmp_path: Path) -> None:
    require(Path("/dev/full").exists(), "no /dev/full")
    with Path("/dev/full").open("wb") as full, Started(tmp_path, key=KEY, output=full) as server:
        server.client().run("print('lost')")
        end_well(server)


def test_a_closed_output_does_not_end_the_server(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as closed:
        server = Started(tmp_path, key=KEY, output=closed)
    with server:
        server.client().run("print('lost')")
        end_well(server)


@pytest.mark.parametrize("closed", [">&-", "<&- >&- 2>&-"])
def test_a_server_that_was_started_without_an_output_runs_scripts(closed: str, tmp_path: Path) -> None:
    with Started(tmp_path, key=KEY, through=f'exec "$@" {closed}') as server:
        assert server.client().run("print('in the log')")[1] == ["in the log"]
        end_well(server)


def test_an_output_that_is_full_from_the_start_stops_neither_the_start_nor_the_end(tmp_path: Path) -> None:
    # Such as that of a program that has read enough.
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writer, b"x" * 4096)
    os.set_blocking(writer, True)
    with os.fdopen(writer, "wb", 0) as output:
        server = Started(tmp_path, key=KEY, output=output)
    with server:
        server.client().run("print('lost')")
        end_well(server)
    os.close(reader)


def test_what_the_server_logs_is_shown_safely_too(tmp_path: Path) -> None:
    # A script can make any file under the root.
    record = tmp_path / "root" / ".wherobots-local" / "runs" / "\x1b[2Jowned" / OWN_FOLDER_OF_A_RUN / RECORD_FILE
    record.parent.mkdir(parents=True)
    record.write_text("no JSON")
    _, errors = starting(tmp_path)
    assert r"\x1b[2Jowned" in errors
    assert "\x1b" not in errors


# What is said at the start


def starting(tmp_path: Path, *arguments: str) -> tuple[str, str]:
    """Start a server, end it, and return its output and its errors."""
    with (tmp_path / "errors").open("w+") as errors:
        with Started(tmp_path, *arguments, key=KEY, errors=errors) as server:
            wait_for(lambda: "Ctrl-C" in server.printed(), what="what is said at the start")
            printed = server.printed()
        errors.seek(0)
        return printed, errors.read()


def test_remote_access_without_tls_is_warned_about(tmp_path: Path, certificate: tuple[Path, Path]) -> None:
    everywhere = ["--allow-remote", "--host", "0.0.0.0"]  # noqa: S104 - what is tested
    printed, errors = starting(tmp_path, *everywhere)
    assert "WARNING: --allow-remote without TLS" in errors
    assert "WARNING" not in printed
    certfile, keyfile = certificate
    for arguments in ([], [*everywhere, "--certfile", str(certfile), "--keyfile", str(keyfile)]):
        assert starting(tmp_path, *arguments)[1] == ""


def test_the_printed_connection_can_be_pasted(tmp_path: Path) -> None:
    printed, _ = starting(tmp_path, "--host-name", "wherobots.localhost")
    assert KEY not in printed
    says = "Airflow connection, for a shell in which WHEROBOTS_API_KEY is the key"
    (line,) = re.findall(rf"^{says}: (export AIRFLOW_CONN_WHEROBOTS_DEFAULT=.*)$", printed, re.MULTILINE)
    shown = subprocess.run(
        ["sh", "-c", f'{line}; printf %s "$AIRFLOW_CONN_WHEROBOTS_DEFAULT"'],
        env={**os.environ, "WHEROBOTS_API_KEY": KEY},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert re.fullmatch(
        rf'{{"conn_type": "wherobots", "host": "http://wherobots.localhost:\d+", "password": "{KEY}"}}', shown
    )
