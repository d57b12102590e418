"""`orphans` against the local server and Airflow's REST API: what it prints, and which runs it cancels."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, NamedTuple, TypeAlias

import pytest

from airflow_provider_wherobots.cli import orphans as deployment
from airflow_provider_wherobots.cli.main import main
from airflow_provider_wherobots.hooks.wherobots import WherobotsHook
from airflow_provider_wherobots.runs.run_name import Identity, durable_run_name
from tests.integration.cli.fake_airflow import IS_V2, PASSWORD, STARTED, TOKEN, USERNAME, FakeAirflow
from tests.integration.conftest import API_KEY
from wherobots_local import LocalServer
from wherobots_local.control.client import ControlClient

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
    with LocalServer(tmp_path_factory.mktemp("root"), api_key=API_KEY) as running:
        yield running


@pytest.fixture
def airflow(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeAirflow]:
    """An Airflow that has a page for every three things, and a user in the environment."""
    monkeypatch.setattr(deployment, "PAGE_SIZE", 3)
    monkeypatch.setenv("AIRFLOW_API_USERNAME", USERNAME)
    monkeypatch.setenv("AIRFLOW_API_PASSWORD", PASSWORD)
    with FakeAirflow() as running:
        monkeypatch.setenv(f"AIRFLOW__{'API' if IS_V2 else 'WEBSERVER'}__BASE_URL", running.url)
        yield running


@pytest.fixture
def orphans(conn_id: str, airflow: FakeAirflow, capsys: pytest.CaptureFixture[str]) -> Program:
    def run(*arguments: str) -> Printed:
        capsys.readouterr()
        code = main(["orphans", *arguments])
        return Printed(code, *capsys.readouterr())

    return run


@pytest.fixture
def hook(conn_id: str) -> Iterator[WherobotsHook]:
    hook = WherobotsHook(conn_id)
    yield hook
    for run in hook.list_runs(status=ACTIVE):
        hook.cancel_run(run.id)


def task_instance(task_id: str, state: str | None, *, map_index: int = -1, **xcoms: Any) -> Json:
    return {
        "dag_id": "nightly",
        "run_id": f"manual__{task_id}",
        "task_id": task_id,
        "map_index": map_index,
        "state": state,
        "xcoms": xcoms,
    }


def start_run(control: ControlClient, of: Json, *, later: timedelta = timedelta(0), name: str | None = None) -> str:
    """Create the run of a task instance; of a stranger's, if its DAG run started a little later."""
    ids = of["dag_id"], of["run_id"], of["task_id"], of["map_index"]
    name = name or durable_run_name(f"nightly.{of['task_id']}", Identity.of_task(*ids, STARTED + later))
    return str(control.create_run(name)["id"])


def test_twenty_runs_half_of_them_orphans(
    hook: WherobotsHook, orphans: Program, airflow: FakeAirflow, control: ControlClient
) -> None:
    ended = [
        task_instance("failed_1", "failed"),
        task_instance("failed_2", "failed"),
        task_instance("failed_3", "failed", run_id="another"),
        *(task_instance("mapped", "failed", map_index=index) for index in range(2)),
        task_instance("skipped", "skipped"),
        task_instance("upstream", "upstream_failed"),
        task_instance("removed_from_the_dag", "removed", run_id="another"),
        task_instance("marked_success_1", "success", run_id="another"),
        task_instance("marked_success_2", "success", run_id="another"),
    ]
    waiting = [
        task_instance("followed", "deferred", run_id="another"),
        # It began long before the runs were created.
        {**task_instance("on_a_worker", "running"), "updated": STARTED - timedelta(days=9)},
        task_instance("retried", "up_for_retry"),
        task_instance("cleared", None),
        task_instance("requeued", "queued"),
    ]
    fire_and_forget = task_instance("not_waited_for", "success", run_id="another", run_left_active=True)
    airflow.rows = [*ended, *waiting, fire_and_forget, task_instance("without_a_run", "failed")]
    microsecond = timedelta(microseconds=1)
    unsure = {
        # Of another deployment, or of before a clear: the DAG run started a microsecond later, or earlier.
        start_run(control, ended[0], later=microsecond),
        start_run(control, ended[3], later=-microsecond),
        start_run(control, waiting[0], later=microsecond),
    }
    expected = {
        **{start_run(control, of): "orphan" for of in ended},
        **{start_run(control, of): "in use" for of in waiting},
        start_run(control, fire_and_forget): "left running",
        **dict.fromkeys(unsure, "unsure"),
        # Not of Airflow.
        start_run(control, ended[0], name="somebody-else-0123456789abcd"): "not ours",
    }
    assert len(expected) == 20

    before = orphans()
    assert before.returncode == 0, before.stderr
    assert "20 active runs: 10 orphans, 5 in use, 1 left running, 3 unsure, 1 not ours" in before.stdout
    assert "Nothing was cancelled. --cancel cancels the orphans." in before.stdout
    listed = json.loads(orphans("--output", "json").stdout)
    assert {row["id"]: row["verdict"] for row in listed} == expected
    assert {row["task_instance"] for row in listed if row["id"] in unsure} == {
        f"same name as {ids}, but not started by it"
        for ids in (
            "nightly.failed_1 manual__failed_1",
            "nightly.mapped[0] manual__mapped",
            "nightly.followed manual__followed",
        )
    }
    assert cancels(control) == []

    done = orphans("--cancel")
    assert done.returncode == 0, done.stderr
    assert "10 runs: 10 cancelled" in done.stdout
    # Not one cancel was even sent for any other run.
    assert sorted(cancels(control)) == sorted(run for run, verdict in expected.items() if verdict == "orphan")
    active = {run.id for run in hook.list_runs(status=ACTIVE)}
    assert active == {run for run, verdict in expected.items() if verdict != "orphan"}


def test_task_instances_that_ended_long_before_the_oldest_run_are_not_read(
    hook: WherobotsHook, orphans: Program, airflow: FakeAirflow, control: ControlClient
) -> None:
    row = {**task_instance("long_ago", "failed"), "updated": STARTED}
    airflow.rows = [row]
    start_run(control, row)
    assert "1 active run: 0 orphans, 1 not ours" in orphans().stdout


def test_airflow_is_not_asked_if_there_is_nothing_to_find(
    orphans: Program, airflow: FakeAirflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AIRFLOW_API_PASSWORD")
    assert "0 active runs" in orphans().stdout
    assert airflow.calls == []


@pytest.mark.parametrize("credentials", [{"TOKEN": f"{TOKEN}\n"}, {"USERNAME": USERNAME, "PASSWORD": PASSWORD}])
def test_the_credentials(
    credentials: dict[str, str],
    hook: WherobotsHook,
    orphans: Program,
    airflow: FakeAirflow,
    control: ControlClient,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("TOKEN", "USERNAME", "PASSWORD"):
        monkeypatch.setenv(f"AIRFLOW_API_{name}", credentials.get(name, ""))
    airflow.rows = [task_instance("failed", "failed")]
    start_run(control, airflow.rows[0])
    assert "1 orphan" in orphans().stdout
    assert ("POST /auth/token" in airflow.calls) == (IS_V2 and "TOKEN" not in credentials)


@pytest.mark.parametrize(
    ("credentials", "status", "message"),
    [
        ({}, None, "needs a user: set AIRFLOW_API_TOKEN, without spaces, or AIRFLOW_API_USERNAME"),
        ({"TOKEN": "a secret\nof two lines"}, None, "set AIRFLOW_API_TOKEN, without spaces"),
        ({"TOKEN": "a-secret"}, None, "401 Unauthorized"),
        ({"USERNAME": USERNAME, "PASSWORD": "a-secret"}, None, "401 Unauthorized"),
        ({"TOKEN": TOKEN}, 403, "403 Forbidden"),
        ({"TOKEN": TOKEN}, 404, "is not at http://"),
        ({"TOKEN": TOKEN}, 302, "302 Found"),
        ({"TOKEN": TOKEN}, 503, "503 Service Unavailable"),
    ],
)
def test_an_airflow_that_cannot_be_read(
    credentials: dict[str, str],
    status: int | None,
    message: str,
    hook: WherobotsHook,
    orphans: Program,
    airflow: FakeAirflow,
    control: ControlClient,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing is cancelled, and no secret is in the message."""
    for name in ("TOKEN", "USERNAME", "PASSWORD"):
        monkeypatch.setenv(f"AIRFLOW_API_{name}", credentials.get(name, ""))
    airflow.rows = [task_instance("failed", "failed")]
    airflow.before = lambda path: status
    start_run(control, airflow.rows[0])
    printed = orphans("--cancel")
    assert (printed.returncode, printed.stdout) == (1, "")
    last = printed.stderr.splitlines()[-1]
    assert last.startswith("error: ")
    assert message in last
    assert not any(word in printed.stderr for word in ("secret", PASSWORD, TOKEN))
    assert cancels(control) == []


def cancels(control: ControlClient) -> list[str]:
    return [entry["path"].split("/")[-2] for entry in control.requests() if entry["path"].endswith("/cancel")]


def test_a_task_that_is_cleared_during_the_command_keeps_its_run(
    hook: WherobotsHook, orphans: Program, airflow: FakeAirflow, control: ControlClient
) -> None:
    """The cancel before it may have taken long, so its state is read again."""
    airflow.rows = [task_instance("first", "failed"), task_instance("second", "failed")]
    first, second = (start_run(control, of) for of in airflow.rows)

    def clear(path: str) -> None:
        if cancels(control):
            airflow.rows[1]["state"] = None

    airflow.before = clear
    printed = orphans("--cancel").stdout
    assert "2 active runs: 2 orphans" in printed
    assert "kept: in use" in printed
    assert "2 runs: 1 cancelled, 1 kept" in printed
    assert cancels(control) == [first]
    assert hook.get_run(second).status in ACTIVE


def test_an_airflow_that_goes_away_during_the_command_hides_no_cancel(
    hook: WherobotsHook, orphans: Program, airflow: FakeAirflow, control: ControlClient
) -> None:
    airflow.rows = [task_instance("before", "failed"), task_instance("after", "failed")]
    before, after = (start_run(control, of) for of in airflow.rows)
    airflow.before = lambda path: 503 if cancels(control) else None
    printed = orphans("--cancel", "-o", "json")
    results = {row["id"]: row["result"] for row in json.loads(printed.stdout)}
    assert results[before] == "cancelled"
    assert results[after].startswith("not cancelled: Airflow's REST API at http")
    assert printed.returncode == 1
    assert cancels(control) == [before]
    assert hook.get_run(after).status in ACTIVE


@pytest.mark.usefixtures("conn_id")
def test_orphans_are_cancelled_even_if_nobody_reads_the_table(control: ControlClient, airflow: FakeAirflow) -> None:
    """`orphans --cancel | head -1`, with a table that is larger than the buffer of a pipe's writer."""
    airflow.rows = [task_instance(f"{'long' * 50}_{number}", "failed") for number in range(12)]
    runs = [start_run(control, of) for of in airflow.rows]
    reader, writer = os.pipe()
    os.close(reader)
    program = [sys.executable, "-m", "airflow_provider_wherobots", "orphans", "--cancel"]
    # The environment of this process names Airflow, its user and the connection.
    done = subprocess.run(program, stdout=writer, stderr=subprocess.PIPE, text=True, timeout=300, check=False)
    os.close(writer)
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert sorted(cancels(control)) == sorted(runs)
