"""A run that does not start in time is cancelled, and a retry creates another one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from airflow.exceptions import AirflowFailException

from airflow_provider_wherobots.exceptions import (
    WherobotsArgumentException,
    WherobotsRunPendingException,
    WherobotsTaskKilledException,
)
from airflow_provider_wherobots.operators.run import WherobotsRunOperator
from tests.integration.signals import signal_when
from tests.integration.support import Operator, TaskInstance, context, deferral_of, follow, next_try, run_to_end
from wherobots_local.control.client import ControlClient

WAITS = {"runtime": "tiny", "region": "aws-us-west-2", "max_pending_seconds": 2, "retries": 1}


@pytest.fixture(autouse=True)
def slow_start(control: ControlClient) -> Iterator[None]:
    control.behaviour(start_delay_seconds=3600)
    yield
    control.behaviour(start_delay_seconds=0, cancel_delay_seconds=0.5)


@pytest.mark.parametrize("deferrable", [True, False])
def test_the_task_fails_at_the_limit_and_the_retry_gets_a_run_of_its_own(
    operator: Operator, control: ControlClient, deferrable: bool
) -> None:
    ti = TaskInstance()
    with pytest.raises(WherobotsRunPendingException) as failed:
        run_to_end(operator(**WAITS, deferrable=deferrable), ti)
    assert not isinstance(failed.value, AirflowFailException), "it is retried"
    assert "did not start within the task's max_pending_seconds: it waited " in str(failed.value)
    assert " for runtime tiny, region aws-us-west-2, and was cancelled\nRequest another runtime" in str(failed.value)
    assert ti.xcoms["run_summary"]["status"] == "CANCELLED"
    control.behaviour(start_delay_seconds=0)
    again = next_try(ti)
    assert run_to_end(operator(**WAITS, deferrable=deferrable), again) == again.xcoms["run_id"] != ti.xcoms["run_id"]


def test_the_limit_is_stored_with_the_trigger_and_counts_for_the_run_that_a_retry_finds(operator: Operator) -> None:
    deferred = deferral_of(operator(**WAITS), ti := TaskInstance())
    assert deferred.trigger.serialize()[1]["follow"]["max_pending_seconds"] == 2.0
    again = next_try(ti)
    deferred = deferral_of(operator(**WAITS, cancel_on_kill=False), again)
    assert again.xcoms["run_id"] == ti.xcoms["run_id"]
    event = follow(deferred)
    assert (event["ending"], event["status"]) == ("pending_too_long", "CANCELLED"), "also with cancel_on_kill=False"
    with pytest.raises(WherobotsRunPendingException):
        operator(**WAITS).execute_complete(context(again), event, **(deferred.kwargs or {}))


def test_a_kill_wins_while_the_cancel_at_the_limit_does_not_show(operator: Operator, control: ControlClient) -> None:
    control.behaviour(cancel_delay_seconds=60)
    task = operator(**WAITS, deferrable=False)
    kill = signal_when(lambda: control.counts()["cancels_received"], lambda *_: task.on_kill())
    with kill, pytest.raises(WherobotsTaskKilledException):
        task.execute(context(TaskInstance()))
    assert control.counts()["cancels_received"] == 2


def test_a_task_that_does_not_wait_for_the_end_cannot_have_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    job = {"uri": "s3://jobs/talk.py"}
    with pytest.raises(WherobotsArgumentException, match=r"^task: max_pending_seconds: needs wait_for_completion=True"):
        WherobotsRunOperator(task_id="task", run_python=job, max_pending_seconds=5, wait_for_completion=False)
    monkeypatch.setenv("AIRFLOW__WHEROBOTS__MAX_PENDING_SECONDS", "900")
    assert WherobotsRunOperator(task_id="task", run_python=job).max_pending_seconds == 900
    assert WherobotsRunOperator(task_id="task", run_python=job, max_pending_seconds=0).max_pending_seconds == 0
    WherobotsRunOperator(task_id="task", run_python=job, wait_for_completion=False)
