"""The hook, the operator and both transports against a local server in this process."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_provider_wherobots.local import LocalServer
from airflow_provider_wherobots.local.control_client import ControlClient

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


@pytest.fixture
def control(server: LocalServer) -> Iterator[ControlClient]:
    client = ControlClient(server.url, API_KEY)
    client.clear_requests()
    yield client
    client.clear_faults()


@pytest.fixture
def conn_id(server: LocalServer, control: ControlClient, monkeypatch: pytest.MonkeyPatch) -> str:
    """A connection to the local server, as Airflow reads it from the environment."""
    set_connection(monkeypatch, conn_type="wherobots", host=server.url, password=API_KEY)
    return "wherobots_default"


def set_connection(monkeypatch: pytest.MonkeyPatch, **fields: object) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_WHEROBOTS_DEFAULT", json.dumps(fields))
