"""`orphans` against the local server and a metadata database: what it prints, and which runs it cancels."""

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import pytest
from airflow.models import xcom
from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from airflow.utils.session import create_session
from sqlalchemy import select, update

from airflow_provider_wherobots.api.sql import calls as sql_calls
from airflow_provider_wherobots.api.sql.session_request import SessionRequest
from airflow_provider_wherobots.cli import deployment
from airflow_provider_wherobots.cli import orphans as orphans_command
from airflow_provider_wherobots.cli.main import main
from airflow_provider_wherobots.flows.orphans import Owner
from airflow_provider_wherobots.flows.retry import send
from airflow_provider_wherobots.flows.run_name import durable_run_name, make_suffix, task_identity
from airflow_provider_wherobots.hooks.wherobots import WherobotsHook
from airflow_provider_wherobots.xcoms import RUN_SUFFIX_KEY
from tests.integration.conftest import API_KEY
from wherobots_local import LocalServer
from wherobots_local.control.client import ControlClient

STARTED = datetime.now(UTC).replace(microsecond=123456) - timedelta(hours=1)
ACTIVE = ["PENDING", "RUNNING"]


class Printed(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


Program: TypeAlias = Callable[..., Printed]
Json = dict[str, Any]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    """A server without the runs of other tests."""
    with LocalServer(tmp_path_factory.mktemp("root"), api_key=API_KEY, behaviour={"sql_synthetic": True}) as running:
        yield running


@pytest.fixture
def orphans(conn_id: str, database: Path, capsys: pytest.CaptureFixture[str]) -> Program:
    def run(*arguments: str) -> Printed:
        capsys.readouterr()
        code = main(["orphans", *arguments])
        return Printed(code, *capsys.readouterr())

    return run


@pytest.fixture
def hook(conn_id: str, control: ControlClient) -> Iterator[WherobotsHook]:
    hook = WherobotsHook(conn_id)
    yield hook
    for run in hook.list_runs(status=ACTIVE):
        hook.cancel_run(run.id)
    for session in control.sql_sessions():
        control.end_sql_session(session["id"])


def task_instance(task_id: str, state: str | None, *, map_index: int = -1, xcom_keys: tuple[str, ...] = ()) -> Json:
    return {
        "dag_id": "nightly",
        "run_id": f"manual__{task_id}",
        "task_id": task_id,
        "map_index": map_index,
        "dag_run_state": "failed" if state == "failed" else "running",
        "state": state,
        "xcom_keys": xcom_keys,
    }


def write(*rows: Json) -> None:
    """Write DAG runs, task instances and XComs into the metadata database."""
    xcoms: Any = getattr(xcom, "XComModel", None) or xcom.XCom
    with create_session() as session:

        def insert(model: Any, **values: Any) -> None:
            session.execute(model.__table__.insert().values(**values))

        for row in rows:
            key = {"dag_id": row["dag_id"], "run_id": row["run_id"]}
            task = {"task_id": row["task_id"], "map_index": row["map_index"]}
            found = select(DagRun.id).where(DagRun.dag_id == row["dag_id"], DagRun.run_id == row["run_id"])
            if session.scalar(found) is None:
                # Airflow 3 derives it from columns that are not given here.
                after = {"run_after": STARTED} if hasattr(DagRun, "run_after") else {}
                started = row.get("started", STARTED)
                insert(DagRun, **key, **after, run_type="manual", state=row["dag_run_state"], start_date=started)
            insert(TaskInstance, **key, **task, state=row["state"], pool="default_pool")
            values = dict.fromkeys(row["xcom_keys"]) | row.get("xcoms", {})
            for name, value in values.items():
                stored = xcoms.serialize_value(value, key=name, **key, **task)
                insert(xcoms, **key, **task, dag_run_id=session.scalar(found), key=name, value=stored)


def set_state(row: Json, state: str | None) -> None:
    with create_session() as session:
        named = (getattr(TaskInstance, name) == row[name] for name in ("dag_id", "run_id", "task_id"))
        session.execute(update(TaskInstance).where(*named).values(state=state))


def start_run(control: ControlClient, of: Json, *, later: timedelta = timedelta(0), name: str | None = None) -> str:
    """Create the run of a task instance; of a stranger's, if its DAG run started a little later."""
    ids = of["dag_id"], of["run_id"], of["task_id"], of["map_index"]
    name = name or durable_run_name(f"nightly.{of['task_id']}", make_suffix(task_identity(*ids, STARTED + later)))
    return str(control.create_run(name)["id"])


def test_twenty_runs_half_of_them_orphans(hook: WherobotsHook, orphans: Program, control: ControlClient) -> None:
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
    write(*ended, *waiting, fire_and_forget, task_instance("without_a_run", "failed"))
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

    # A task that did not wait is removed from its DAG, or marked: its run is kept.
    for state in ("removed", "failed"):
        set_state(fire_and_forget, state)
        assert "10 active runs: 0 orphans, 5 in use, 1 left active, 4 of others" in orphans().stdout

    # The next try of a task that was to be retried has failed too: now its run is an orphan.
    set_state(waiting[2], "failed")
    assert "10 active runs: 1 orphan, 4 in use, 1 left active, 4 of others" in orphans().stdout
    as_json = orphans("--cancel", "-o", "json")
    results = {row["id"]: row["result"] for row in json.loads(as_json.stdout)}
    assert list(results.values()).count("cancelled") == 1
    assert list(results.values()).count(None) == 9


def test_a_run_of_an_old_dag_run_is_found_by_its_suffix(
    hook: WherobotsHook, orphans: Program, control: ControlClient
) -> None:
    age = timedelta(days=60)
    row = task_instance("old", "failed")
    ids = row["dag_id"], row["run_id"], row["task_id"], row["map_index"]
    suffix = make_suffix(task_identity(*ids, STARTED - age))
    write(row | {"started": STARTED - age, "xcom_keys": ("run_id", f"{RUN_SUFFIX_KEY}{suffix}")})
    start_run(control, row, later=-age)
    assert "1 active run: 1 orphan" in orphans().stdout


def start_session(hook: WherobotsHook, session_key: str) -> str:
    """Start a SQL session, as the service shares it with those who know its key."""
    with hook.driver() as driver:
        return driver.run(send(sql_calls.create_session(SessionRequest(session_key=session_key)), 10.0)).id


def test_sql_sessions(hook: WherobotsHook, orphans: Program, control: ControlClient) -> None:
    names = ("orphan", "in use", "of others")
    keys = {name: f"nightly.start_{name.replace(' ', '_')}-{index:012x}" for index, name in enumerate(names)}
    keys["unsure"] = "a-key-of-the-user"
    ids = {name: start_session(hook, key) for name, key in keys.items()}

    def started(name: str) -> Json:
        xcoms = {"session_id": ids[name], "session_key": keys[name]}
        return {**task_instance(f"start_{name.replace(' ', '_')}", "success"), "xcoms": xcoms}

    use = {**task_instance("use", "failed"), "run_id": "manual__start_orphan", "xcoms": {"session_id": ids["orphan"]}}
    rows = [{**started(name), "dag_run_state": "success"} for name in ("orphan", "unsure")]
    write(*rows, use, started("in use"))

    before = orphans()
    assert "4 SQL sessions: 1 orphan, 1 in use, 1 unsure, 1 of others" in before.stdout
    listed = json.loads(orphans("--output", "json").stdout)
    assert {row["id"]: row["verdict"] for row in listed} == {session: name for name, session in ids.items()}
    (mine,) = (row for row in listed if row["id"] == ids["orphan"])
    assert (mine["name"], mine["kind"]) == (keys["orphan"], "SQL session")
    assert mine["task_instance"] == "nightly.start_orphan manual__start_orphan, nightly.use manual__start_orphan"
    assert control.requests("deleteSqlSession") == []

    done = orphans("--cancel")
    assert done.returncode == 0, done.stderr
    assert "1 SQL session: 1 stopped" in done.stdout
    assert [entry["path"] for entry in control.requests("deleteSqlSession")] == [f"/sql/session/{ids['orphan']}"]

    # One of another verdict has to be named.
    named = orphans("--stop-session", ids["unsure"])
    assert "1 SQL session: 1 stopped" in named.stdout
    assert "2 SQL sessions: 0 orphans, 1 in use, 1 of others" in orphans().stdout
    again = orphans("--stop-session", ids["unsure"], "--stop-session", "a-typing-error")
    assert again.returncode == 1
    assert "2 SQL sessions: 1 had ended, 1 not cancelled" in again.stdout
    assert len(control.requests("deleteSqlSession")) == 2


def test_a_task_that_is_cleared_during_the_command_keeps_its_session(
    hook: WherobotsHook, orphans: Program, control: ControlClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = f"nightly.start_cleared-{99:012x}"
    session_id = start_session(hook, key)
    row = {
        **task_instance("start_cleared", "success"),
        "dag_run_state": "success",
        "xcoms": {"session_id": session_id, "session_key": key},
    }
    write(row)
    read = deployment.read_session_users

    def read_and_clear(session_ids: list[str]) -> Any:
        found = read(session_ids)
        set_state(row, None)
        return found

    monkeypatch.setattr(orphans_command, "read_session_users", read_and_clear)
    results = json.loads(orphans("--cancel", "-o", "json").stdout)
    assert [one["result"] for one in results if one["id"] == session_id] == ["kept: in use"]
    assert control.requests("deleteSqlSession") == []


def test_an_organization_without_sql(orphans: Program, control: ControlClient) -> None:
    control.add_fault("listSqlSessions", {"type": "status", "status": 403})
    printed = orphans()
    control.clear_faults()
    assert printed.returncode == 0
    assert "SQL sessions cannot be listed: listSqlSessions: 403" in printed.stderr
    assert "0 active runs" in printed.stdout


def test_sessions_that_an_outage_hides_fail_the_command(
    orphans: Program, control: ControlClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orphans_command, "MAX_OUTAGE_SECONDS", 0.0)
    control.add_fault("listSqlSessions", {"type": "status", "status": 500})
    printed = orphans("--cancel")
    control.clear_faults()
    assert printed.returncode == 1
    assert "SQL sessions cannot be listed: listSqlSessions: 500" in printed.stderr.splitlines()[-1]
    assert "0 active runs" in printed.stdout


def test_a_session_that_cannot_be_read_hides_no_result_of_another(
    hook: WherobotsHook, orphans: Program, control: ControlClient
) -> None:
    session_id = start_session(hook, f"nightly.start-{98:012x}")
    control.add_fault("getSqlSession", {"type": "status", "status": 422}, session_id="another")
    printed = orphans("--stop-session", session_id, "--stop-session", "another", "-o", "json")
    control.clear_faults()
    assert printed.returncode == 1
    first, second = json.loads(printed.stdout)
    assert first == {"id": session_id, "result": "stopped"}
    assert second["result"].startswith("not cancelled: getSqlSession: 422")


def cancels(control: ControlClient) -> list[str]:
    return [entry["path"].split("/")[-2] for entry in control.requests() if entry["path"].endswith("/cancel")]


AfterTheFirstCancel: TypeAlias = Callable[[Callable[[], None]], None]


@pytest.fixture
def after_the_first_cancel(control: ControlClient, monkeypatch: pytest.MonkeyPatch) -> AfterTheFirstCancel:
    """Has something happen between the first cancel and the next read of a task instance."""

    def arrange(happen: Callable[[], None]) -> None:
        def read_again(owner: Owner) -> Owner | None:
            if cancels(control):
                happen()
            return deployment.read_again(owner)

        monkeypatch.setattr(orphans_command, "read_again", read_again)

    return arrange


def test_a_task_that_is_cleared_during_the_command_keeps_its_run(
    hook: WherobotsHook,
    orphans: Program,
    control: ControlClient,
    after_the_first_cancel: AfterTheFirstCancel,
) -> None:
    """The cancel before it may have taken long, so its state is read again."""
    tasks = [task_instance("first", "failed"), task_instance("second", "failed")]
    write(*tasks)
    first, second = (start_run(control, of) for of in tasks)
    after_the_first_cancel(lambda: set_state(tasks[1], None))
    printed = orphans("--cancel").stdout
    assert "2 active runs: 2 orphans" in printed
    assert "kept: in use (its task instance is cleared)" in printed
    assert "2 runs: 1 cancelled, 1 kept" in printed
    assert cancels(control) == [first]
    assert hook.get_run(second).status in ACTIVE


def test_a_database_that_goes_away_during_the_command_hides_no_cancel(
    hook: WherobotsHook,
    orphans: Program,
    database: Path,
    control: ControlClient,
    after_the_first_cancel: AfterTheFirstCancel,
) -> None:
    tasks = [task_instance("before", "failed"), task_instance("after", "failed")]
    write(*tasks)
    before, after = (start_run(control, of) for of in tasks)

    def go_away() -> None:
        with closing(sqlite3.connect(database)) as connection, connection:
            connection.execute("ALTER TABLE xcom RENAME TO xcom_away")

    after_the_first_cancel(go_away)
    printed = orphans("--cancel", "-o", "json")
    results = {row["id"]: row["result"] for row in json.loads(printed.stdout)}
    assert results[before] == "cancelled"
    assert results[after].startswith("not cancelled: Airflow's metadata database cannot be read")
    assert printed.returncode == 1
    assert cancels(control) == [before]
    assert hook.get_run(after).status in ACTIVE


@pytest.mark.usefixtures("database", "conn_id")
def test_orphans_are_cancelled_even_if_nobody_reads_the_table(control: ControlClient) -> None:
    """`orphans --cancel | head -1`, with a table that is larger than the buffer of a pipe's writer."""
    tasks = [task_instance(f"{'long' * 50}_{number}", "failed") for number in range(12)]
    write(*tasks)
    runs = [start_run(control, of) for of in tasks]
    reader, writer = os.pipe()
    os.close(reader)
    program = [sys.executable, "-m", "airflow_provider_wherobots", "orphans", "--cancel"]
    # The environment of this process names the database and the connection.
    done = subprocess.run(program, stdout=writer, stderr=subprocess.PIPE, text=True, timeout=300, check=False)
    os.close(writer)
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert sorted(cancels(control)) == sorted(runs)


def test_a_database_that_cannot_be_read(
    hook: WherobotsHook, conn_id: str, control: ControlClient, capsys: pytest.CaptureFixture[str]
) -> None:
    run_id = start_run(control, task_instance("of_another_home", "failed"))
    assert main(["orphans", "--cancel"]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.splitlines()[-1].startswith(
        "error: Airflow's metadata database cannot be read: OperationalError: no such table"
    )
    assert hook.get_run(run_id).status in ACTIVE
