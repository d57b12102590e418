"""The operator and its trigger against the local server, without an Airflow around them."""

from datetime import timedelta
from typing import Any

from airflow_provider_wherobots.api.runs.models import Run
from tests.integration.support import WAIT, Operator, Said, TaskInstance, context, deferral_of, follow
from wherobots_local.control.client import ControlClient


def test_a_deferred_run_ends_with_its_id_and_its_lines(operator: Operator, control: ControlClient) -> None:
    task, ti = operator(), TaskInstance()
    deferred = deferral_of(task, ti)
    run_id = ti.xcoms["run_id"]
    assert ti.xcoms["run_url"].endswith(f"/runs/{run_id}")
    event = follow(deferred)
    resumed = operator()
    assert resumed.execute_complete(context(ti), event, **(deferred.kwargs or {})) == run_id
    assert (task.run_id, resumed.run_id) == (run_id, run_id)
    counts = control.counts()
    assert (counts["creates_received"], counts["creates_effective"], counts["cancels_received"]) == (1, 1, 0)
    assert len(control.requests("listJobRuns")) == 1, "each try looks first"


def test_a_worker_run_goes_through_the_same_flow(operator: Operator, control: ControlClient) -> None:
    task, ti = operator(deferrable=False), TaskInstance()
    assert task.run_id is None
    assert task.execute(context(ti)) == task.run_id == ti.xcoms["run_id"]
    assert "run_left_active" not in ti.xcoms


def test_without_waiting_the_id_comes_at_once(operator: Operator) -> None:
    ti = TaskInstance()
    task = operator(run_python=WAIT, wait_for_completion=False)
    assert task.execute(context(ti)) == ti.xcoms["run_id"]
    # By this the command `orphans` knows that the run is meant to go on.
    assert ti.xcoms["run_left_active"] is True


def test_a_trigger_carries_no_secret(operator: Operator, server: Any) -> None:
    deferred = deferral_of(operator(), TaskInstance())
    assert server.api_key not in str(deferred.trigger.serialize()) + str(deferred.kwargs)


def test_the_deferral_says_which_run_it_follows_and_how(operator: Operator, said: Said) -> None:
    ti = TaskInstance()
    deferral_of(operator(polling_interval=20, execution_timeout=timedelta(hours=1)), ti)
    run_id = ti.xcoms["run_id"]
    text = said()
    assert f"Deferred. Polling run {run_id} every 0.15 to 20 s; giving up at " in text
    assert ti.xcoms["run_url"] in text


def test_a_name_from_the_service_is_escaped_and_bounded_in_the_log(operator: Operator, said: Said) -> None:
    operator()._new_attempt(context(TaskInstance())).announce(Run("r1", "name\x07" * 1_000, "PENDING"))
    text = said()
    assert "Run r1 (name\\x07name" in text
    assert len(text) < 1_000
