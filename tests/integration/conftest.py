"""The hook, the operator and both transports against a local server in this process."""

import json
import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from airflow_provider_wherobots import compat
from airflow_provider_wherobots.flows import cancel, follow, forward_logs, submit
from airflow_provider_wherobots.flows.sql import session
from airflow_provider_wherobots.operators.run import WherobotsRunOperator
from airflow_provider_wherobots.tasks import run_attempt
from airflow_provider_wherobots.triggers import guarded
from tests.integration import support
from tests.integration.support import Operator
from tests.support.made_up_sql import made_up_answers
from wherobots_local import LocalServer
from wherobots_local.control.client import ControlClient

JOBS = {
    "talk.py": """
import sys
for number in range(int(sys.argv[1])):
    print(f"line {number:05d}", flush=True)
""",
    "fail.py": """
import sys
print("about to fail", flush=True)
raise ValueError("no such country: Atlantis")
""",
    "result.py": """
import pathlib, sys, time
print("before", flush=True)
print("airflow-result:", sys.argv[1], flush=True)
while len(sys.argv) > 3 and not pathlib.Path(sys.argv[3]).exists():
    time.sleep(0.1)
print("after", flush=True)
sys.exit(int(sys.argv[2]))
""",
    "logged_result.py": """
print("INFO airflow-result: 1", flush=True)
""",
    "until.py": """
import pathlib, sys, time
print("started", flush=True)
while not pathlib.Path(sys.argv[1]).exists():
    time.sleep(0.1)
""",
    "wait.py": """
import sys, time
print("started", flush=True)
time.sleep(float(sys.argv[1]))
""",
}
API_KEY = "integration-key-7f3a"


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    root: Path = tmp_path_factory.mktemp("root")
    (root / "jobs").mkdir()
    for name, source in JOBS.items():
        (root / "jobs" / name).write_text(source)
    with LocalServer(root, api_key=API_KEY) as running:
        yield running


@pytest.fixture(scope="session", autouse=True)
def made_up_sql() -> Iterator[None]:
    with made_up_answers():
        yield


@pytest.fixture(autouse=True)
def dag_run_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(support, "dag_run_start", datetime.now(UTC))
    monkeypatch.setattr(support, "dag_run_id", f"manual__{uuid4()}")


@pytest.fixture(autouse=True)
def no_airflow_database(monkeypatch: pytest.MonkeyPatch) -> None:
    """On Airflow 2.11 a trigger reads its task's state from the database. There is none here."""
    monkeypatch.setattr(compat, "_get_task_state_from_database", lambda task_instance: None)


@pytest.fixture(autouse=True)
def events_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """No scheduler handles the deferral here, so no trigger need wait for it."""
    monkeypatch.setattr(guarded, "EARLIEST_EVENT_SECONDS", 0.0)


@pytest.fixture(autouse=True)
def short_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Polls and looks come forty times as soon: unit tests hold the delays, on a virtual clock."""
    for module, name in (
        (cancel, "END_POLL_SECONDS"),
        (follow, "MIN_POLL_SECONDS"),
        (follow, "FIRST_POLL_SECONDS"),
        (forward_logs, "LATENESS_MARGIN_SECONDS"),
        (forward_logs, "MAX_DRAIN_PAUSE_SECONDS"),
        (forward_logs, "MIN_QUIET_SECONDS"),
        (session, "FIRST_LOOK_SECONDS"),
        (submit, "LOOK_AGAIN_DELAYS"),
        (run_attempt, "FAILED_TRIGGER_OUTAGE_SECONDS"),
    ):
        seconds = vars(module)[name]
        short = tuple(each / 40 for each in seconds) if isinstance(seconds, tuple) else seconds / 40
        monkeypatch.setattr(module, name, short)


@pytest.fixture
def control(server: LocalServer) -> ControlClient:
    """A client of the server's control surface. Nothing is left of earlier tests."""
    client = ControlClient(server.url, API_KEY)
    client.reset(storage=False)
    return client


@pytest.fixture
def conn_id(server: LocalServer, control: ControlClient, monkeypatch: pytest.MonkeyPatch) -> str:
    """A connection to the local server, as Airflow reads it from the environment."""
    set_connection(monkeypatch, conn_type="wherobots", host=server.url, password=API_KEY)
    return "wherobots_default"


def set_connection(monkeypatch: pytest.MonkeyPatch, **fields: object) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_WHEROBOTS_DEFAULT", json.dumps(fields))


@pytest.fixture
def operator(conn_id: str) -> Operator:
    def make(**arguments: Any) -> WherobotsRunOperator:
        return WherobotsRunOperator(
            **{
                "task_id": "task",
                "run_python": {"uri": "s3://jobs/talk.py", "args": [3]},
                "wherobots_conn_id": conn_id,
                "wait_post_run_logs_timeout_seconds": 1,
                **arguments,
            }
        )

    return make


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> Callable[[], str]:
    """What was logged: Airflow 3 writes to stdout, 2.11 through logging."""
    caplog.set_level(logging.INFO)
    return lambda: caplog.text + "".join(capfd.readouterr())


@pytest.fixture
def times_said(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> Callable[[str], int]:
    """How often something was logged. Up to 3.0 Airflow logs through logging, and the console repeats it."""
    caplog.set_level(logging.INFO)
    return lambda words: caplog.text.count(words) or "".join(capfd.readouterr()).count(words)
