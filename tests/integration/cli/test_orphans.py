"""`orphans` against the local server and a metadata database of its own: what it says, and which runs it cancels."""

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from airflow_provider_wherobots.flows.run_name import durable_run_name
from airflow_provider_wherobots.hooks.wherobots import WherobotsHook
from dev.places import TREE
from dev.waiting import wait_for
from tests.integration.conftest import API_KEY
from wherobots_local import LocalServer
from wherobots_local.control.client import ControlClient

HERE = Path(__file__).parent
STARTED = datetime.now(UTC).replace(microsecond=123456) - timedelta(hours=1)
ACTIVE = ["PENDING", "RUNNING"]

Done: TypeAlias = "subprocess.CompletedProcess[str]"
Program: TypeAlias = Callable[..., Done]
Json = dict[str, Any]


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The AIRFLOW_HOME of a deployment with an empty metadata database, in SQLite."""
    home = tmp_path_factory.mktemp("deployment")
    done = run_program(home, Path(sys.executable).with_name("airflow"), "db", "migrate")
    assert done.returncode == 0, done.stdout + done.stderr
    return home


def run_program(home: Path, *command: str | Path, given: str = "", **variables: str) -> Done:
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_")},
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "PYTHONPATH": str(TREE),
        **variables,
    }
    return subprocess.run(
        command, input=given, env=environment, capture_output=True, text=True, timeout=300, check=False
    )


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    """A server without the runs of other tests."""
    with LocalServer(tmp_path_factory.mktemp("root"), api_key=API_KEY) as running:
        yield running


@pytest.fixture
def database(deployment: Path) -> Callable[[str, list[Json]], None]:
    def change(what: str, rows: list[Json]) -> None:
        program = HERE / "task_instances.py"
        done = run_program(deployment, sys.executable, program, what, given=json.dumps(rows))
        assert done.returncode == 0, done.stderr

    return change


@pytest.fixture
def orphans(deployment: Path, server: LocalServer) -> Program:
    connection = json.dumps({"conn_type": "wherobots", "host": server.url, "password": API_KEY})

    def run(*arguments: str) -> Done:
        command = (sys.executable, "-m", "airflow_provider_wherobots", "orphans", *arguments)
        return run_program(deployment, *command, AIRFLOW_CONN_WHEROBOTS_DEFAULT=connection)

    return run


@pytest.fixture
def hook(conn_id: str) -> Iterator[WherobotsHook]:
    hook = WherobotsHook(conn_id)
    yield hook
    for run in hook.list_runs(status=ACTIVE):
        hook.cancel_run(run.id)


def task_instance(task_id: str, state: str | None, *, map_index: int = -1, xcom_keys: tuple[str, ...] = ()) -> Json:
    return {
        "dag_id": "nightly",
        "run_id": f"manual__{task_id}",
        "task_id": task_id,
        "map_index": map_index,
        "dag_run_start": STARTED.isoformat(),
        "dag_run_state": "failed" if state == "failed" else "running",
        "state": state,
        "xcom_keys": xcom_keys,
    }


def start_run(control: ControlClient, of: Json, *, later: timedelta = timedelta(0), name: str | None = None) -> str:
    """Create the run of a task instance; of a stranger's, if its DAG run started a little later."""
    name = name or durable_run_name(
        f"nightly.{of['task_id']}",
        dag_id=of["dag_id"],
        run_id=of["run_id"],
        task_id=of["task_id"],
        map_index=of["map_index"],
        dag_run_start=datetime.fromisoformat(of["dag_run_start"]) + later,
    )
    return str(control.create_run(name)["id"])


def test_twenty_runs_half_of_them_orphans(
    hook: WherobotsHook, database: Callable[[str, list[Json]], None], orphans: Program, control: ControlClient
) -> None:
    ended = [
        task_instance("failed_1", "failed"),
        task_instance("failed_2", "failed"),
        task_instance("failed_3", "failed", xcom_keys=("run_id", "run_url")),
        *(task_instance("mapped", "failed", map_index=index) for index in range(2)),
        task_instance("skipped", "skipped"),
        task_instance("upstream", "upstream_failed"),
        task_instance("removed_from_the_dag", "removed", xcom_keys=("run_id",)),
        task_instance("marked_success_1", "success", xcom_keys=("run_id", "run_url")),
        task_instance("marked_success_2", "success", xcom_keys=("run_id",)),
    ]
    waiting = [
        task_instance("followed", "deferred", xcom_keys=("run_id",)),
        task_instance("on_a_worker", "running"),
        task_instance("retried", "up_for_retry"),
        task_instance("cleared", None),
        task_instance("requeued", "queued"),
    ]
    fire_and_forget = task_instance("not_waited_for", "success", xcom_keys=("run_id", "run_left_active"))
    database("write", [*ended, *waiting, fire_and_forget, task_instance("without_a_run", "failed")])
    microsecond = timedelta(microseconds=1)

    expected = {
        **{start_run(control, of): "orphan" for of in ended},
        **{start_run(control, of): "in use" for of in waiting},
        start_run(control, fire_and_forget): "left active",
        # Another deployment, with the same DAGs: its DAG runs started a microsecond later, or earlier.
        start_run(control, ended[0], later=microsecond): "of others",
        start_run(control, ended[3], later=-microsecond): "of others",
        start_run(control, waiting[0], later=microsecond): "of others",
        # Not of Airflow.
        start_run(control, ended[0], name="somebody-else-0123456789ab"): "of others",
    }
    assert len(expected) == 20

    before = orphans()
    assert before.returncode == 0, before.stderr
    assert "20 active runs: 10 orphans, 5 in use, 1 left active, 4 of others" in before.stdout
    assert "Nothing was cancelled. --cancel cancels the orphans." in before.stdout
    listed = orphans("--output", "json")
    assert {row["id"]: row["verdict"] for row in json.loads(listed.stdout)} == expected
    assert cancels(control) == []

    done = orphans("--cancel")
    assert done.returncode == 0, done.stderr
    assert "10 runs: 10 cancelled" in done.stdout
    # Not one cancel was even sent for any other run.
    assert sorted(cancels(control)) == sorted(run for run, verdict in expected.items() if verdict == "orphan")
    active = {run.id for run in hook.list_runs(status=ACTIVE)}
    assert active == {run for run, verdict in expected.items() if verdict != "orphan"}

    after = orphans("--cancel")
    assert after.returncode == 0
    assert "10 active runs: 0 orphans, 5 in use, 1 left active, 4 of others" in after.stdout
    assert len(cancels(control)) == 10

    # A task that did not wait is removed from its DAG, or marked: its run is to go on all the same.
    for state in ("removed", "failed"):
        database("set_states", [{**fire_and_forget, "state": state}])
        assert "10 active runs: 0 orphans, 5 in use, 1 left active, 4 of others" in orphans().stdout

    # The next try of a task that was to be retried has failed too: now its run is an orphan.
    database("set_states", [{**waiting[2], "state": "failed"}])
    assert "10 active runs: 1 orphan, 4 in use, 1 left active, 4 of others" in orphans().stdout
    as_json = orphans("--cancel", "-o", "json")
    results = {row["id"]: row["result"] for row in json.loads(as_json.stdout)}
    assert list(results.values()).count("cancelled") == 1
    assert list(results.values()).count(None) == 9


def cancels(control: ControlClient) -> list[str]:
    return [entry["path"].split("/")[-2] for entry in control.requests() if entry["path"].endswith("/cancel")]


def test_a_task_that_is_cleared_meanwhile_keeps_its_run(
    hook: WherobotsHook,
    database: Callable[[str, list[Json]], None],
    deployment: Path,
    orphans: Program,
    control: ControlClient,
) -> None:
    """Its state is read again immediately before the cancel: here, while the cancel before it takes five seconds."""
    tasks = [task_instance("first", "failed"), task_instance("second", "failed")]
    database("write", tasks)
    first, second = (start_run(control, of) for of in tasks)
    control.add_fault("cancelJobRun", {"type": "slow", "seconds": 5}, times=1)
    with ThreadPoolExecutor() as pool:
        done = pool.submit(orphans, "--cancel")
        wait_for(lambda: control.faults()[0]["applied"], what="the first cancel")
        with closing(sqlite3.connect(deployment / "airflow.db")) as connection, connection:
            connection.execute("UPDATE task_instance SET state = NULL WHERE task_id = 'second'")
    said = done.result().stdout
    assert "2 active runs: 2 orphans" in said
    assert "kept: in use (its task instance is cleared)" in said
    assert "2 runs: 1 cancelled, 1 kept" in said
    assert cancels(control) == [first]
    assert hook.get_run(second).status in ACTIVE


def test_a_database_that_goes_away_meanwhile_hides_no_cancel(
    hook: WherobotsHook,
    database: Callable[[str, list[Json]], None],
    deployment: Path,
    orphans: Program,
    control: ControlClient,
) -> None:
    tasks = [task_instance("before", "failed"), task_instance("after", "failed")]
    database("write", tasks)
    before, after = (start_run(control, of) for of in tasks)
    control.add_fault("cancelJobRun", {"type": "slow", "seconds": 5}, times=1)
    tables = ("xcom", "xcom_away")
    with ThreadPoolExecutor() as pool:
        done = pool.submit(orphans, "--cancel", "-o", "json")
        wait_for(lambda: control.faults()[0]["applied"], what="the first cancel")
        rename_table(deployment, *tables)
        try:
            printed = done.result()
        finally:
            rename_table(deployment, *reversed(tables))
    results = {row["id"]: row["result"] for row in json.loads(printed.stdout)}
    assert results[before] == "cancelled"
    assert results[after].startswith("not cancelled: Airflow's metadata database cannot be read")
    assert printed.returncode == 1
    assert cancels(control) == [before]
    assert hook.get_run(after).status in ACTIVE


def rename_table(deployment: Path, old: str, new: str) -> None:
    with closing(sqlite3.connect(deployment / "airflow.db")) as connection, connection:
        connection.execute(f"ALTER TABLE {old} RENAME TO {new}")


def test_orphans_are_cancelled_even_if_nobody_reads_the_table(
    hook: WherobotsHook,
    database: Callable[[str, list[Json]], None],
    deployment: Path,
    server: LocalServer,
    control: ControlClient,
) -> None:
    """`orphans --cancel | head -1`, with a table that is larger than the buffer of a pipe's writer."""
    tasks = [task_instance(f"{'long' * 50}_{number}", "failed") for number in range(12)]
    database("write", tasks)
    runs = [start_run(control, of) for of in tasks]
    connection = json.dumps({"conn_type": "wherobots", "host": server.url, "password": API_KEY})
    program = f"'{sys.executable}' -m airflow_provider_wherobots orphans --cancel | true"
    done = run_program(deployment, "bash", "-c", program, AIRFLOW_CONN_WHEROBOTS_DEFAULT=connection)
    assert "Traceback" not in done.stderr
    assert sorted(cancels(control)) == sorted(runs)


def test_a_database_that_cannot_be_read(
    server: LocalServer, hook: WherobotsHook, control: ControlClient, tmp_path: Path
) -> None:
    of = task_instance("of_another_home", "failed")
    run_id = start_run(control, of)
    connection = json.dumps({"conn_type": "wherobots", "host": server.url, "password": API_KEY})
    command = (sys.executable, "-m", "airflow_provider_wherobots", "orphans", "--cancel")
    done = run_program(tmp_path, *command, AIRFLOW_CONN_WHEROBOTS_DEFAULT=connection)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.splitlines()[-1].startswith(
        "error: Airflow's metadata database cannot be read: OperationalError: no such table"
    )
    assert "Traceback" not in done.stderr
    assert hook.get_run(run_id).status in ACTIVE
