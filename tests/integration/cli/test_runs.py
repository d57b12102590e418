"""`runs` against the local server: what is printed where, what is sent, and the exit codes."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from airflow_provider_wherobots.api.runs.models import ACTIVE_STATUSES, TERMINAL_STATUSES
from airflow_provider_wherobots.cli.main import DEFAULT_CONN_ID, STATUSES, main
from airflow_provider_wherobots.cli.runs import LIST_COLUMNS
from airflow_provider_wherobots.hooks.wherobots import WherobotsHook
from tests.integration.conftest import API_KEY, set_connection
from tests.support.places import TREE
from tests.support.waiting import wait_for
from wherobots_local.control.client import ControlClient


class Printed(NamedTuple):
    code: int
    out: str
    err: str


Command = Callable[..., Printed]


@pytest.fixture
def command(conn_id: str, capsys: pytest.CaptureFixture[str]) -> Command:
    def run(*arguments: str) -> Printed:
        # What the test itself made Airflow log.
        capsys.readouterr()
        try:
            code = main(arguments)
        except SystemExit as wrong:
            code = int(wrong.code or 0)
        return Printed(code, *capsys.readouterr())

    return run


@pytest.fixture
def hook(conn_id: str) -> WherobotsHook:
    return WherobotsHook(conn_id)


def start(hook: WherobotsHook, name: str, job: str = "talk.py", *args: str, **fields: Any) -> str:
    payload = {"name": name, "runtime": "tiny", "runPython": {"uri": f"s3://jobs/{job}", "args": list(args)}}
    return hook.create_run({**payload, **fields}).id


def ended(hook: WherobotsHook, name: str, job: str = "talk.py", *args: str, **fields: Any) -> str:
    run_id = start(hook, name, job, *args, **fields)
    wait_for(lambda: hook.get_run(run_id).is_terminal, what="the run to end")
    return run_id


def as_program(*arguments: str, stdout: int = subprocess.PIPE) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "airflow_provider_wherobots", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(TREE)}
    # As for users: a pipe is buffered.
    environment.pop("PYTHONUNBUFFERED", None)
    return subprocess.Popen(command, env=environment, stdout=stdout, stderr=subprocess.PIPE, text=True)


def test_list_has_what_was_asked_for(command: Command, hook: WherobotsHook) -> None:
    completed = ended(hook, "commands_list_a", "talk.py", "1")
    failed = ended(hook, "commands_list_b", "fail.py")
    ended(hook, "another_name_b", "fail.py")
    printed = command("runs", "list", "--name", "commands_list_*", "--output", "json")
    assert (printed.code, printed.err) == (0, "")
    rows = json.loads(printed.out)
    assert [row["id"] for row in rows] == [failed, completed]
    assert rows[1].keys() >= set(LIST_COLUMNS)
    assert (rows[1]["status"], rows[1]["name"], rows[1]["runtime"]) == ("COMPLETED", "commands_list_a", "tiny")
    assert rows[1]["url"].endswith(completed)
    only = command("runs", "list", "--name", "commands_list_*", "--status", "failed", "-o", "json")
    assert [row["id"] for row in json.loads(only.out)] == [failed]
    later = command("runs", "list", "--created-after", "2999-01-01", "-o", "json")
    assert (later.code, json.loads(later.out), later.err) == (0, [], "No such runs.\n")


def test_a_limit_says_that_there_is_more(command: Command, hook: WherobotsHook) -> None:
    for number in range(3):
        ended(hook, f"commands_limit_{number}", "talk.py", "0")
    printed = command("runs", "list", "--name", "commands_limit_*", "--limit", "2", "-o", "json")
    assert len(json.loads(printed.out)) == 2
    assert printed.err == "There are more runs than --limit allows (2).\n"
    whole = command("runs", "list", "--name", "commands_limit_*", "--limit", "3", "-o", "json")
    assert (len(json.loads(whole.out)), whole.err) == (3, "")


def test_a_table_shows_a_name_of_any_length_as_it_is(command: Command, hook: WherobotsHook) -> None:
    run_id = ended(hook, "commands_table_" + "x" * 230, "talk.py", "0")
    table = command("runs", "list", "--name", "commands_table_*").out
    assert run_id in table
    assert re.sub(r"[^x]", "", table).count("x") >= 230


def test_what_the_service_says_changes_no_terminal(command: Command, control: ControlClient) -> None:
    """Neither control characters nor the markup of rich, in any form of output."""
    run_id = control.create_run("commands_hostile")["id"]
    control.patch_run(run_id, status="\x1b[31m[red]no[/red] \u202eevil")
    for output in ("table", "json"):
        printed = command("runs", "list", "--name", "commands_hostile", "-o", output)
        assert printed.code == 0, printed.err
        assert "\x1b" not in printed.out
        assert "\u202e" not in printed.out
        assert "[red]no[/red]" in printed.out


def test_ctrl_c_ends_a_command_quietly(hook: WherobotsHook, control: ControlClient) -> None:
    control.add_fault("listJobRuns", "hang")
    program = as_program("runs", "list")
    wait_for(lambda: control.requests("listJobRuns"), what="the command's request")
    program.send_signal(signal.SIGINT)
    out, err = program.communicate(timeout=120)
    assert (program.returncode, out) == (130, "")
    assert "Traceback" not in err
    assert "KeyboardInterrupt" not in err


def test_a_reader_that_has_read_enough_is_no_error(hook: WherobotsHook) -> None:
    readers_end, writers_end = os.pipe()
    os.close(readers_end)
    program = as_program("runs", "list", "-o", "json", stdout=writers_end)
    os.close(writers_end)
    _, err = program.communicate(timeout=120)
    assert program.returncode == 0
    assert "Traceback" not in err
    assert "BrokenPipe" not in err


def test_cancel_is_dry_until_yes(command: Command, hook: WherobotsHook, control: ControlClient) -> None:
    active, other = (start(hook, f"commands_cancel_{which}", "wait.py", "600") for which in ("a", "b"))
    over = ended(hook, "commands_cancel_c", "talk.py", "0")
    dry = command("runs", "cancel", active, over, active)
    assert dry.code == 0
    assert "2 runs: 1 would be cancelled, 1 had ended" in dry.out
    assert "Nothing was cancelled. --yes cancels the runs." in dry.out
    assert control.requests("cancelJobRun") == []
    done = command("runs", "cancel", active, over, "--yes", "-o", "json")
    assert done.code == 0
    assert {row["id"]: (row["status"], row["result"]) for row in json.loads(done.out)} == {
        active: ("CANCELLED", "cancelled"),
        over: ("COMPLETED", "had ended"),
    }
    assert [entry["path"].split("/")[-2] for entry in control.requests("cancelJobRun")] == [active]
    assert hook.get_run(other).is_active
    hook.cancel_run(other)


def test_a_cancel_that_failed_fails_the_command(command: Command, hook: WherobotsHook, control: ControlClient) -> None:
    active = start(hook, "commands_no_cancel", "wait.py", "600")
    control.add_fault("cancelJobRun", {"type": "status", "status": 403})
    printed = command("runs", "cancel", active, "nobody", "--yes", "-o", "json")
    assert printed.code == 1
    results = {row["id"]: row["result"] for row in json.loads(printed.out)}
    assert results[active].startswith("not cancelled")
    assert results["nobody"].startswith("not cancelled: Reading the run failed: 404")
    assert "could not be cancelled" in printed.err
    control.clear_faults()
    hook.cancel_run(active)


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        ("runs list --limit 0", "'0': must be a whole number, 1 or more"),
        ("runs list --limit many", "'many': must be a whole number, 1 or more"),
        ("runs list --name a*b*", "'a*b*': must be a name with at most one *"),
        ("runs list --created-after yesterday", "'yesterday': must be a time in ISO 8601"),
        ("runs list --status DONE", "invalid choice: 'DONE'"),
        ("runs list --output xml", "invalid choice: 'xml'"),
        ("runs cancel ..", "'..': must be the id of a run"),
        ("runs cancel --yes", "RUN_ID"),
        ("runs", "ACTION"),
        ("", "COMMAND"),
        ("runs delete x", "invalid choice: 'delete'"),
    ],
)
def test_wrong_arguments_send_nothing(arguments: str, rule: str, command: Command, control: ControlClient) -> None:
    printed = command(*arguments.split())
    assert printed.code == 2
    assert rule in printed.err
    assert printed.out == ""
    assert control.requests() == []


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"password": ""},
            "error: connection 'wherobots_default': password: must hold the Wherobots API key, but is empty",
        ),
        ({"password": "a-wrong-key-9911"}, "error: connection 'wherobots_default': the API key is refused"),
        ({"host": "http://127.0.0.1:9"}, "error: "),
    ],
)
def test_a_bad_connection_is_one_line(
    fields: dict[str, Any], message: str, command: Command, hook: WherobotsHook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airflow_provider_wherobots.cli.runs.MAX_OUTAGE_SECONDS", 1.0)
    host = hook.settings.endpoint.base_url
    set_connection(monkeypatch, **{"conn_type": "wherobots", "host": host, "password": API_KEY, **fields})
    printed = command("runs", "list")
    assert (printed.code, printed.out) == (1, "")
    assert printed.err.splitlines()[-1].startswith(message)
    assert "Traceback" not in printed.err
    assert "9911" not in printed.err


def test_an_unknown_connection_is_one_line(command: Command) -> None:
    unknown = command("runs", "list", "--conn", "nobody")
    assert (unknown.code, unknown.out) == (1, "")
    assert unknown.err.splitlines()[-1] == "error: The conn_id `nobody` isn't defined"


def test_its_words_are_those_of_the_rest() -> None:
    assert WherobotsHook.default_conn_name == DEFAULT_CONN_ID
    assert set(STATUSES) == ACTIVE_STATUSES | TERMINAL_STATUSES


def test_the_totals_by_dag(command: Command, hook: WherobotsHook) -> None:
    for name, job in (("by_dag_1.first", "talk.py"), ("by_dag_1.second", "fail.py"), ("by_dag_2.first", "talk.py")):
        ended(hook, name, job, "1")
    rows = json.loads(command("runs", "list", "--by", "dag", "--name", "by_dag_*", "--output", "json").out)
    assert [(row["dag"], row["runs"], row["cost_usd"], row["without_cost"], row["failures"]) for row in rows] == [
        ("by_dag_1", 2, 0, 0, {"unknown": 1}),
        ("by_dag_2", 1, 0, 0, {}),
    ]
    table = command("runs", "list", "--by", "dag", "--name", "by_dag_*").out
    assert re.search(r"by_dag_1 *\| 2 *\| 0 *\| 0 *\| 0 *\| unknown: 1 ", table)
