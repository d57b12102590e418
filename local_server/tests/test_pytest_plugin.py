"""The pytest plugin, in pytest processes of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

# Without asyncio: on Python 3.14 pytest imports it with pdb.
OTHERS = ("starlette", "uvicorn", "pydantic", "psutil", "cryptography", "websockets")

UNUSED = f"""
import sys

def test_nothing_of_the_server_is_imported(pytestconfig):
    assert pytestconfig.pluginmanager.get_plugin("wherobots_local") is not None
    assert [name for name in sys.modules if name.startswith("wherobots_local.")] == ["wherobots_local.pytest_plugin"]
    assert [name for name in {OTHERS} if name in sys.modules] == []
"""

USED = """
import json
import urllib.error
import urllib.request
from pathlib import Path

import pytest

import wherobots_local as package
from wherobots_local import ControlError

BODY = {"name": "a_test_run", "runPython": {"uri": "s3://jobs/job.py"}}


def call(server, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    headers = {"X-API-Key": server.api_key, "Content-Type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(server.url + path, data, headers), timeout=30) as answer:
        return json.load(answer)


@pytest.fixture(scope="session")
def first_url(wherobots_local):
    return wherobots_local.url


def test_a_job_runs(fresh_wherobots_local, first_url, tmp_path_factory):
    server = fresh_wherobots_local
    assert server.url == first_url
    assert isinstance(server.root, Path) and server.root.is_relative_to(tmp_path_factory.getbasetemp())
    (server.root / "jobs").mkdir()
    (server.root / "jobs" / "job.py").write_text("print('hello')")
    run = call(server, "/runs", BODY)
    while (shown := call(server, f"/runs/{run['id']}"))["status"] not in ("COMPLETED", "FAILED"):
        pass
    assert call(server, f"/runs/{run['id']}/logs")["items"][0]["raw"] == "hello"
    assert server.control.runs() == [shown]
    assert {entry["operation"] for entry in server.control.requests()} == {"createJobRun", "getJobRun", "getJobRunLogs"}


def test_switches_and_faults(fresh_wherobots_local):
    server = fresh_wherobots_local
    assert (server.control.runs(), server.control.requests(), list(server.root.glob("[!.]*"))) == ([], [], [])
    assert server.control.behaviour(synthetic_runs=True)["synthetic_runs"]
    server.control.add_fault("createJobRun", {"type": "status", "status": 503}, times=1)
    with pytest.raises(urllib.error.HTTPError, match="503"):
        call(server, "/runs", BODY)
    call(server, "/runs", BODY)
    assert [entry["status"] for entry in server.control.requests()] == [503, 201]
    with pytest.raises(ControlError, match="there is no such_a_switch"):
        server.control.behaviour(such_a_switch=1)


def test_what_a_test_has_changed_is_over_afterwards(wherobots_local):
    assert wherobots_local.control.faults() == wherobots_local.control.runs() == []
    assert not wherobots_local.control.behaviour()["synthetic_runs"]
    call(wherobots_local, "/runs", BODY)


def test_the_fixture_of_the_session_resets_nothing(wherobots_local):
    assert len(wherobots_local.control.runs()) == 1
    wherobots_local.control.reset()
    assert wherobots_local.control.runs() == []


def test_the_connection(fresh_wherobots_local):
    server = fresh_wherobots_local
    before = server.airflow_connection
    assert json.loads(before) == {"conn_type": "wherobots", "host": server.url, "password": server.api_key}
    server.control.rotate_api_key("another/key")
    assert json.loads(server.airflow_connection)["password"] == "another/key"
    server.control.reset()
    assert server.airflow_connection == before


def test_nothing_shows_the_key(wherobots_local):
    assert wherobots_local.api_key not in repr(wherobots_local) + repr(vars(wherobots_local))


def test_the_package_has_its_name(wherobots_local):
    import wherobots_local as imported

    assert imported is package and imported.__version__
"""

WITH_TABLES = """
import pytest


@pytest.fixture(scope="session")
def wherobots_local_init(tmp_path_factory):
    (file := tmp_path_factory.mktemp("sql") / "tables.sql").write_text("CREATE TABLE t AS SELECT 1 AS a")
    return file


def test_the_tables_are_there(fresh_wherobots_local):
    assert (fresh_wherobots_local.root / ".wherobots-local" / "sql" / "warehouse.duckdb").exists()
"""


def run_pytest(folder: Path, source: str, *arguments: str, **environment: str) -> str:
    (folder / "test_it.py").write_text(source)
    # As in a project of its own, wherever the temporary folder lies.
    (folder / "pytest.ini").write_text("[pytest]\n")
    done = subprocess.run(
        # In the order of the file, for what one test leaves to the next.
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", *arguments, "test_it.py"],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_unused_it_costs_two_imports(tmp_path: Path) -> None:
    # Only this plugin: others import some of the same packages.
    run_pytest(tmp_path, UNUSED, "-p", "wherobots_local", PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")


@pytest.mark.parametrize(
    ("mode", "others"),
    [
        # Found by its entry point, as those of other packages are.
        ("prepend", {}),
        ("importlib", {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_PLUGINS": "wherobots_local.pytest_plugin"}),
    ],
)
def test_its_fixtures(mode: str, others: dict[str, str], tmp_path: Path) -> None:
    assert "7 passed" in run_pytest(
        tmp_path, USED, f"--import-mode={mode}", "-W", "error::pytest.PytestWarning", **others
    )


def test_its_tables(tmp_path: Path) -> None:
    assert "1 passed" in run_pytest(tmp_path, WITH_TABLES)
