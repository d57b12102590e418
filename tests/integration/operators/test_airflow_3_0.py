"""A retry on Airflow 3.0 and 3.1.0, which hand it the event that the try before had waited for."""

import time
from datetime import timedelta
from typing import Any

import pytest
from airflow.exceptions import TaskDeferred

from airflow_provider_wherobots.compat import retry_resumes_deferral
from airflow_provider_wherobots.exceptions import WherobotsRunFailedException
from airflow_provider_wherobots.operators import airflow_3_0
from airflow_provider_wherobots.operators.run import WherobotsRunOperator
from tests.integration.support import TaskInstance, context, follow
from wherobots_local.control.client import ControlClient

EXECUTE_COMPLETE = "execute_complete"


@pytest.fixture
def task(conn_id: str) -> WherobotsRunOperator:
    fail = {"uri": "s3://jobs/fail.py"}
    return WherobotsRunOperator(task_id="task", run_python=fail, wait_post_run_logs_timeout_seconds=1)


def deferred(ti: TaskInstance, begin: Any) -> dict[str, Any]:
    """The arguments that Airflow keeps for the resumption."""
    with pytest.raises(TaskDeferred) as caught:
        begin()
    return {"event": follow(caught.value), **(caught.value.kwargs or {})}


@pytest.mark.parametrize(
    ("method", "kept"),
    [
        (EXECUTE_COMPLETE, None),
        # The try before was killed while it was deferred, so there was no event.
        (EXECUTE_COMPLETE, {"suffix": "0123456789ab"}),
        ("__fail__", {"error": "Trigger failure"}),
    ],
)
def test_a_retry_on_3_0_begins_afresh(
    task: WherobotsRunOperator,
    control: ControlClient,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    kept: dict[str, Any] | None,
) -> None:
    monkeypatch.setattr(airflow_3_0, "RETRY_RESUMES_DEFERRAL", True)
    ti = TaskInstance(try_number=1)
    first = deferred(ti, lambda: task.execute(context(ti)))
    with pytest.raises(WherobotsRunFailedException):
        task.resume_execution(EXECUTE_COMPLETE, first, context(ti))
    failed = ti.xcoms["run_id"]
    ti.try_number = 2
    second = deferred(ti, lambda: task.resume_execution(method, kept or first, context(ti)))
    assert ti.xcoms["run_id"] != failed
    with pytest.raises(WherobotsRunFailedException, match=ti.xcoms["run_id"]):
        task.resume_execution(EXECUTE_COMPLETE, second, context(ti))
    assert control.counts()["creates_effective"] == 2


def test_on_3_0_a_retry_has_a_start_and_xcoms_of_its_own(
    conn_id: str, control: ControlClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(airflow_3_0, "RETRY_RESUMES_DEFERRAL", True)
    task = WherobotsRunOperator(
        task_id="task",
        run_python={"uri": "s3://jobs/talk.py", "args": [1]},
        execution_timeout=timedelta(hours=1),
        wait_post_run_logs_timeout_seconds=1,
    )
    ti = TaskInstance(try_number=2)
    # Airflow 3.0 keeps the start of the first try.
    ti.start_date -= timedelta(days=1)
    old = {"run_id": "old", "run_url": "old", "run_summary": {"run_id": "old"}, "spark_ui_url": "old", "result": "old"}
    ti.xcoms.update(old, deferred_try=1)
    with pytest.raises(TaskDeferred) as caught:
        task.resume_execution(EXECUTE_COMPLETE, {"event": {}}, context(ti))
    assert caught.value.trigger.options.deadline > time.time() + 3_000
    assert not {key for key, value in old.items() if ti.xcoms[key] == value}
    assert (ti.xcoms["run_summary"], ti.xcoms["spark_ui_url"], ti.xcoms["result"]) == ("", "", "")
    assert follow(caught.value)["ending"] == "completed"


@pytest.mark.parametrize(
    ("version", "resumes"),
    [
        ("2.11.2", False),
        ("3.0.0", True),
        ("3.0.6", True),
        ("3.1.0", True),
        ("3.1.1", False),
        ("3.1.8", False),
        ("3.3.1", False),
    ],
)
def test_the_versions_whose_retries_resume_the_deferral(version: str, resumes: bool) -> None:
    assert retry_resumes_deferral(version) is resumes
