"""What a try knows of the runs of the tries before it: after a clear, and when one has completed."""

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest

from airflow_provider_wherobots.exceptions import WherobotsRunFailedException
from airflow_provider_wherobots.operators.run import WherobotsRunOperator
from tests.integration import support
from tests.integration.support import TaskInstance, deferral_of, next_try, run_to_end
from wherobots_local.control.client import ControlClient

WAIT = {"uri": "s3://jobs/wait.py", "args": ["60"]}
RESULT = {"uri": "s3://jobs/result.py", "args": ["1", "0"]}


def start(task: WherobotsRunOperator, ti: TaskInstance) -> str:
    deferral_of(task, ti)
    run_id: str = ti.xcoms["run_id"]
    return run_id


@pytest.fixture
def another_start(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Gives the DAG run another start, as a clear does once it has ended."""
    return lambda: monkeypatch.setattr(support, "dag_run_start", datetime.now(UTC))


def test_a_clear_after_the_end_of_the_dag_run_replaces_the_active_run(
    operator: Callable[..., WherobotsRunOperator], control: ControlClient, another_start: Callable[[], None]
) -> None:
    task = operator(run_python=WAIT, retries=1)
    first = TaskInstance()
    replaced = start(task, first)
    for tries in (2, 3):
        another_start()
        first = next_try(first, max_tries=tries)
        last = start(task, first)
    assert last != replaced
    counts = control.counts()
    assert (counts["creates_effective"], counts["cancels_effective"]) == (3, 2)
    task.hook.cancel_run(last)


def test_a_retry_after_such_a_clear_re_attaches(
    operator: Callable[..., WherobotsRunOperator], control: ControlClient, another_start: Callable[[], None]
) -> None:
    task = operator(run_python=WAIT, retries=1)
    first = TaskInstance()
    start(task, first)
    another_start()
    cleared = next_try(first, max_tries=2)
    second = start(task, cleared)
    assert start(task, next_try(cleared, max_tries=2)) == second
    assert control.counts()["creates_effective"] == 2
    task.hook.cancel_run(second)


def test_a_task_of_another_deployment_with_the_same_ids_is_a_stranger(
    operator: Callable[..., WherobotsRunOperator], control: ControlClient, another_start: Callable[[], None]
) -> None:
    task = operator(run_python=WAIT, retries=1)
    ours = start(task, TaskInstance())
    another_start()
    theirs = start(task, next_try(TaskInstance(), max_tries=1))
    assert ours != theirs
    assert control.counts()["cancels_received"] == 0
    for run_id in (ours, theirs):
        task.hook.cancel_run(run_id)


@pytest.mark.parametrize("deferrable", [True, False])
def test_a_retry_takes_over_the_completed_run_of_the_try_before(
    operator: Callable[..., WherobotsRunOperator], control: ControlClient, deferrable: bool
) -> None:
    """Its worker was killed between the run's end and the task's."""
    task = operator(run_python=RESULT, retries=1, return_result=True, deferrable=deferrable)
    first = TaskInstance()
    assert run_to_end(task, first) == 1
    again = next_try(first)
    assert run_to_end(task, again) == 1
    assert control.counts()["creates_received"] == 1
    assert again.xcoms["run_id"] == first.xcoms["run_id"]
    assert again.xcoms["run_summary"]["status"] == "COMPLETED"


@pytest.mark.parametrize("task_ids", [("one", "other"), ("same", "same")])
def test_operators_that_one_function_executes_do_not_take_over_each_others_runs(
    operator: Callable[..., WherobotsRunOperator], control: ControlClient, task_ids: tuple[str, str]
) -> None:
    """The second one fails. The retry repeats it, and not the first one."""
    run_ids = []
    ti = TaskInstance(task_id="of the function")
    for _ in range(2):
        for task_id, code in zip(task_ids, ("0", "1"), strict=True):
            python = {"uri": "s3://jobs/result.py", "args": ["1", code]}
            with suppress(WherobotsRunFailedException):
                run_to_end(operator(task_id=task_id, run_python=python, retries=1, deferrable=False), ti)
            run_ids.append(ti.xcoms["run_id"])
        ti = next_try(ti, task_id="of the function")
    assert run_ids[0] == run_ids[2]
    assert len(set(run_ids)) == 3


@pytest.mark.parametrize(
    ("arguments", "second"),
    [
        pytest.param({"reuse_completed": False}, {}, id="switched off"),
        pytest.param({}, {"max_tries": 2}, id="cleared"),
        pytest.param({"run_python": {"uri": "s3://jobs/result.py", "args": ["1", "1"]}}, {}, id="failed"),
        pytest.param({"durable": False}, {}, id="not durable"),
    ],
)
def test_otherwise_a_run_that_has_ended_is_repeated(
    operator: Callable[..., WherobotsRunOperator],
    control: ControlClient,
    arguments: dict[str, Any],
    second: dict[str, Any],
) -> None:
    task = operator(**{"run_python": RESULT, "retries": 1, **arguments})
    ti = TaskInstance()
    with suppress(WherobotsRunFailedException):
        run_to_end(task, ti)
    with suppress(WherobotsRunFailedException):
        run_to_end(task, next_try(ti, **second))
    assert control.counts()["creates_received"] == 2


def test_a_run_from_before_a_clear_is_not_taken_over_by_a_later_retry(
    operator: Callable[..., WherobotsRunOperator], control: ControlClient
) -> None:
    """The try that began after the clear was killed before it had a run."""
    task = operator(run_python=RESULT, retries=1)
    first = TaskInstance()
    run_to_end(task, first)
    cleared = next_try(first, max_tries=2)
    suffix_only = [key for key in first.xcoms if key.startswith("run_suffix")]
    cleared.xcoms = dict.fromkeys(suffix_only, True)
    run_to_end(task, next_try(cleared, max_tries=2))
    assert control.counts()["creates_received"] == 2


def test_an_xcom_of_the_users_own_is_not_taken_for_the_suffix(
    operator: Callable[..., WherobotsRunOperator], control: ControlClient
) -> None:
    task, first = operator(run_python=WAIT, retries=1), TaskInstance()
    run_id = start(task, first)
    first.xcoms = {"run_suffix": 1, "run_suffix_of_day": 2, "run_suffix-of-today": 3, **first.xcoms}
    assert start(task, next_try(first)) == run_id
    task.hook.cancel_run(run_id)
