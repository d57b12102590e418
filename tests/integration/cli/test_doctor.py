"""The command `doctor` against the local server: what it prints, what it writes, and that it leaves no run."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from airflow_provider_wherobots.cli import doctor as checks
from airflow_provider_wherobots.cli import doctor as doctor_command
from airflow_provider_wherobots.cli.main import main
from airflow_provider_wherobots.doctor import job
from airflow_provider_wherobots.doctor.trial import QUESTIONS, Plan
from tests.integration.conftest import API_KEY, set_connection
from tests.support.places import TREE
from tests.support.sql_control import SqlControl
from tests.support.waiting import wait_for
from wherobots_local import LocalServer

SCRIPT_URI = "s3://doctors-bucket/job.py"

Document = list[dict[str, str]]
Doctor = Callable[..., tuple[int, Document]]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    """A server of its own: these tests change its behaviour."""
    with LocalServer(tmp_path_factory.mktemp("root"), api_key=API_KEY) as running:
        yield running


@pytest.fixture
def control(server: LocalServer) -> Iterator[SqlControl]:
    client = SqlControl(server)
    before = client.behaviour()
    client.clear_requests()
    yield client
    client.clear_faults()
    client.behaviour(**before)


@pytest.fixture
def doctor(conn_id: str, capsys: pytest.CaptureFixture[str]) -> Doctor:
    """Runs the command in this process; returns its exit code and its JSON."""

    def run(*arguments: str) -> tuple[int, Document]:
        code = main(["doctor", "--conn", conn_id, "--output", "json", *arguments])
        return code, json.loads(capsys.readouterr().out)

    return run


@pytest.fixture
def script(server: LocalServer) -> str:
    path = Path(server.root, SCRIPT_URI.removeprefix("s3://"))
    path.parent.mkdir(exist_ok=True)
    path.write_text(Path(job.__file__).read_text())
    return SCRIPT_URI


def states(document: Document) -> dict[str, str]:
    return {check["name"]: check["state"] for check in document}


def text_of(document: Document, name: str) -> str:
    (check,) = [check for check in document if check["name"] == name]
    return f"{check['text']} {check['advice']}"


def test_a_healthy_installation(doctor: Doctor, control: SqlControl) -> None:
    code, document = doctor()
    assert code == 0
    found = states(document)
    assert found.pop("trigger logs") == "not checked"
    assert found == dict.fromkeys(found, "ok")
    assert {request["method"] for request in control.requests()} == {"GET"}


@pytest.fixture
def synthetic(control: SqlControl) -> None:
    control.behaviour(sql_synthetic=True)


@pytest.mark.usefixtures("synthetic")
def test_sql_is_executed_in_a_session_that_is_stopped(doctor: Doctor, control: SqlControl) -> None:
    code, document = doctor("--sql")
    assert (code, states(document)["SQL"]) == (0, "ok")
    assert "SELECT 1 was executed in a new SQL session" in text_of(document, "SQL")
    assert [one["status"] for one in control.sql_sessions() if one["status"] == "READY"] == []
    assert len(control.requests("deleteSqlSession")) == 1


@pytest.mark.usefixtures("synthetic")
@pytest.mark.parametrize(
    ("operation", "text"),
    [("executeSql", "[NO_EXECUTOR] dead"), ("openSqlSocket", "404"), ("createSqlSession", "403")],
)
def test_a_dead_sql_engine_fails_the_command(
    doctor: Doctor, control: SqlControl, monkeypatch: pytest.MonkeyPatch, operation: str, text: str
) -> None:
    monkeypatch.setattr("airflow_provider_wherobots.flows.sql.statement.REFUSED_SECONDS", 0.0)
    if operation == "executeSql":
        control.answer_sql("SELECT 1", error=text)
    else:
        control.add_fault(operation, {"type": "status", "status": int(text)})
    code, document = doctor("--sql")
    control.clear_sql_answers()
    assert (code, states(document)["SQL"]) == (1, "failed")
    assert text in text_of(document, "SQL")
    assert [one["status"] for one in control.sql_sessions() if one["status"] == "READY"] == []


def test_what_a_person_sees(conn_id: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--conn", conn_id]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"^\| ok +\| API key +\|", printed, re.MULTILINE)
    assert printed.endswith("Nothing failed.\n")
    assert API_KEY not in printed


@pytest.mark.parametrize(
    ("connection", "failed", "text"),
    [
        ({"password": ""}, "connection", "must hold the Wherobots API key, but is empty"),
        ({"password": "another-key"}, "API key", "The API key is refused"),
        ({"extra": '{"region": "aws-us-wets-2"}'}, "region", "use one of aws-us-west-2"),
    ],
)
def test_what_is_wrong_is_named_and_no_run_is_created(
    connection: dict[str, str],
    failed: str,
    text: str,
    doctor: Doctor,
    server: LocalServer,
    control: SqlControl,
    monkeypatch: pytest.MonkeyPatch,
    script: str,
) -> None:
    fields = {"conn_type": "wherobots", "host": server.url, "password": API_KEY, **connection}
    set_connection(monkeypatch, **fields)
    code, document = doctor("--run", "--script-uri", script)
    assert code == 1
    assert [name for name, state in states(document).items() if state == "failed"] == [failed]
    assert text in text_of(document, failed)
    assert "docs/" not in str(document), "an installation has no such files"
    assert control.requests("createJobRun") == []


def test_a_script_that_cannot_be_uploaded(doctor: Doctor, control: SqlControl) -> None:
    for operation in ("createUploadUrl", "listIntegration", "createFileUploadUrl", "getMyOrganization"):
        control.add_fault(operation, {"type": "status", "status": 403})
    code, document = doctor("--run")
    assert (code, states(document)["upload"]) == (1, "failed")
    assert "--script-uri" in text_of(document, "upload")
    assert control.requests("createJobRun") == []


QUICK = partial(Plan, timeout_seconds=2, late_seconds=1, poll_seconds=0.2)


def test_the_scripts_runs_answer(doctor: Doctor, control: SqlControl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_command, "Plan", QUICK)
    code, document = doctor("--run")
    assert code == 0, document
    assert states(document)["upload"] == "ok"
    assert len(control.requests("createJobRun")) == 3
    assert states(document).keys() >= {question.text for question in QUESTIONS}
    assert "3 runs" in text_of(document, "runs")
    assert states(document)["Does the task log get every line once, in order?"] == "works as assumed"
    assert API_KEY not in str(document)


def test_an_answer_that_differs_fails_the_command(
    doctor: Doctor, control: SqlControl, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    monkeypatch.setattr(doctor_command, "Plan", partial(QUICK, list_seconds=1))
    control.behaviour(list_delay_seconds=3_600)
    code, document = doctor("--run", "--script-uri", script)
    assert code == 1
    assert states(document)["Can a retry find its run by name?"] == "differs: please report it"


def test_an_interrupted_doctor_cancels_its_own_runs_only(
    server: LocalServer, control: SqlControl, tmp_path: Path, script: str
) -> None:
    strangers = control.create_run("a_run_of_somebody_else")["id"]
    control.behaviour(start_delay_seconds=600)
    connection = json.dumps({"conn_type": "wherobots", "host": server.url, "password": API_KEY})
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW_CONN_WHEROBOTS_DEFAULT": connection,
        "PYTHONPATH": str(TREE),
    }
    command = [
        sys.executable,
        "-m",
        "airflow_provider_wherobots",
        "doctor",
        "--run",
        "--script-uri",
        script,
        "-o",
        "json",
    ]
    process = subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A program that is started with the signal ignored continues to ignore it.
        preexec_fn=partial(signal.signal, signal.SIGTERM, signal.SIG_DFL),
    )
    try:
        wait_for(lambda: len(control.requests("createJobRun")) == 3 or process.poll() is not None, what="three runs")
        wait_for(lambda: control.requests("getJobRun") != [], what="the runs to be observed")
        process.send_signal(signal.SIGTERM)
        out, errors = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 130, errors
    assert "Interrupted: cancelling the runs" in errors
    assert "Cancelled, if they had not ended" in text_of(json.loads(out), "runs")
    created = {request["run_id"] for request in control.requests("createJobRun")}
    cancelled = {request["run_id"] for request in control.requests("cancelJobRun")}
    assert len(created) == 3
    assert cancelled == created
    assert strangers not in cancelled


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_interrupts_as_ctrl_c_does(number: int) -> None:
    # Tests that were started by nohup ignore SIGHUP.
    before = signal.signal(number, signal.SIG_DFL)
    try:
        with pytest.raises(KeyboardInterrupt), doctor_command._signals_interrupt():
            os.kill(os.getpid(), number)
        assert signal.getsignal(number) is signal.SIG_DFL
    finally:
        signal.signal(number, before)


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    """Under `nohup` the end of the terminal ends nothing."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with doctor_command._signals_interrupt():
            os.kill(os.getpid(), signal.SIGHUP)
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
            assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGHUP, before)


def test_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--print-script"]) == 0
    printed = capsys.readouterr().out
    assert printed == Path(job.__file__).read_text()
    compile(printed, "job.py", "exec")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--script-uri", "job.py"], "'job.py': must be an S3 address"),
        (["--script-uri", "s3://bucket"], "'s3://bucket': must be an S3 address"),
        (["--runtime", ""], "'': must not be empty"),
    ],
)
def test_a_wrong_argument_sends_nothing(arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["doctor", "--run", *arguments])
    assert ended.value.code == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize(("version", "state"), [((3, 4), "ok"), ((3, 5), "warning")])
def test_a_newer_airflow_than_was_tested_is_said(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch, version: tuple[int, int], state: str
) -> None:
    monkeypatch.setattr(checks, "AIRFLOW", version)
    code, document = doctor()
    assert (code, states(document)["versions"]) == (0, state)
    assert ("not tested with Airflow 3.5" in text_of(document, "versions")) is (state == "warning")
