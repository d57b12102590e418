"""What a try knows of the tries before it: by its memory, and without one."""

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest

from airflow_provider_wherobots.exceptions import WherobotsRunFailedException
from airflow_provider_wherobots.operators.run import WherobotsRunOperator
from airflow_provider_wherobots.tasks import memory
from tests.integration import support
from tests.integration.support import StateStore, TaskInstance, context, deferral_of, next_try, run_to_end
from wherobots_local.control.client import ControlClient

WAIT = {"uri": "s3://jobs/wait.py", "args": ["60"]}
RESULT = {"uri": "s3://jobs/result.py", "args": ["1", "0"]}
BROKEN = {"uri": "s3://jobs/wait.py", "args": ["{{ 1 / 0 }}"]}


def start(task: WherobotsRunOperator, ti: TaskInstance) -> str:
    deferral_of(task, ti)
    run_id: str = ti.xcoms["run_id"]
    return run_id


def killed_at_its_end(ti: TaskInstance) -> TaskInstance:
    """The worker was killed after the run had completed, and before the task could say so."""
    store = StateStore(ti.store)
    store.set(memory.KEY, {**store.get(memory.KEY), "is_done": False})
    return ti


@pytest.fixture
def another_start(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Gives the DAG run another start, as a clear does once it has ended."""
    return lambda: monkeypatch.setattr(support, "dag_run_start", datetime.now(UTC))


def test_a_clear_after_the_end_of_the_dag_run_replaces_the_active_run(
    operator: Callable[..., WherobotsRunOperator], control: ControlClient, another_start: Callable[[], None]
) -> None:
    task = operator(run_python=WAIT, retries=1)
    ti = TaskInstance()
    replaced = start(task, ti)
    for tries in (2, 3):
        another_start()
        ti = next_try(ti, max_tries=tries)
        last = start(task, ti)
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
    assert start(task, next_try(cleared)) == second
    assert control.counts()["creates_effective"] == 2
    task.hook.cancel_run(second)


@pytest.mark.parametrize("store", [{}, None], ids=["the store has forgotten", "there is no store"])
def test_an_active_run_with_the_same_ids_and_another_start_is_named_and_left_alone(
    operator: Callable[..., WherobotsRunOperator],
    control: ControlClient,
    another_start: Callable[[], None],
    caplog: pytest.LogCaptureFixture,
    store: Any,
) -> None:
    """It may be another deployment's."""
    task = operator(run_python=WAIT, retries=1)
    first = start(task, TaskInstance(store=store))
    another_start()
    second = start(task, next_try(TaskInstance(), store=store and {}, max_tries=2))
    assert first != second
    assert control.counts()["cancels_received"] == 0
    for run_id in (first, second):
        task.hook.cancel_run(run_id)


@pytest.mark.parametrize("deferrable", [True, False])
def test_a_retry_takes_over_the_completed_run_of_the_try_before(
    operator: Callable[..., WherobotsRunOperator], control: ControlClient, deferrable: bool
) -> None:
    task = operator(run_python=RESULT, retries=1, return_result=True, deferrable=deferrable)
    first = TaskInstance()
    assert run_to_end(task, first) == 1
    again = next_try(killed_at_its_end(first))
    assert run_to_end(task, again) == 1
    assert control.counts()["creates_received"] == 1
    assert again.xcoms["run_id"] == first.xcoms["run_id"]
    assert again.xcoms["run_summary"]["status"] == "COMPLETED"


@pytest.mark.parametrize("task_ids", [("one", "other"), ("same", "same")])
def test_operators_that_one_function_executes_do_not_take_over_each_others_runs(
    operator: Callable[..., WherobotsRunOperator], control: ControlClient, task_ids: tuple[str, str]
) -> None:
    run_ids = []
    ti = TaskInstance(task_id="of the function")
    for task_id, code in zip(task_ids, ("0", "1"), strict=True):
        python = {"uri": "s3://jobs/result.py", "args": ["1", code]}
        with suppress(WherobotsRunFailedException):
            run_to_end(operator(task_id=task_id, run_python=python, retries=1, deferrable=False), ti)
        run_ids.append(ti.xcoms["run_id"])
    assert len(set(run_ids)) == 2
    assert control.counts()["creates_received"] == 2


@pytest.mark.parametrize(
    ("arguments", "second"),
    [
        pytest.param({"reuse_completed": False}, {}, id="switched off"),
        pytest.param({}, {"max_tries": 2}, id="cleared"),
        pytest.param({}, {"store": {}}, id="forgotten"),
        pytest.param({}, {"store": None}, id="no store"),
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
    if ti.store:
        killed_at_its_end(ti)
    with suppress(WherobotsRunFailedException):
        run_to_end(task, next_try(ti, **second))
    assert control.counts()["creates_received"] == 2


def test_a_task_that_is_done_begins_another_round_whatever_max_tries_says(
    operator: Callable[..., WherobotsRunOperator], control: ControlClient
) -> None:
    """As when its retries were edited before it was cleared."""
    task, first = operator(run_python=RESULT, retries=0), TaskInstance(max_tries=0)
    run_to_end(task, first)
    run_to_end(task, next_try(first))
    assert control.counts()["creates_received"] == 2


def test_a_run_from_before_a_clear_is_not_taken_over_by_a_later_retry(
    operator: Callable[..., WherobotsRunOperator], control: ControlClient
) -> None:
    """The try that began after the clear was killed before it had a run."""
    task = operator(run_python=RESULT, retries=1)
    first = TaskInstance()
    run_to_end(task, first)
    cleared = next_try(killed_at_its_end(first), max_tries=2)
    task.memory_of(context(cleared)).remember(task.memory_of(context(cleared)).now)
    run_to_end(task, next_try(cleared))
    assert control.counts()["creates_received"] == 2


@pytest.mark.parametrize("operation", ["get", "set"])
def test_a_store_that_fails_does_not_stop_a_run(
    operator: Callable[..., WherobotsRunOperator],
    control: ControlClient,
    monkeypatch: pytest.MonkeyPatch,
    operation: str,
) -> None:
    monkeypatch.setattr(StateStore, operation, Mock(side_effect=ConnectionError("the API server is away")))
    task, first = operator(run_python=WAIT, retries=1), TaskInstance()
    run_id = start(task, first)
    assert start(task, next_try(first, store=None)) == run_id
    assert control.counts()["creates_received"] == 1
    task.hook.cancel_run(run_id)


def test_a_store_that_could_not_be_read_is_not_written(
    operator: Callable[..., WherobotsRunOperator], control: ControlClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That would replace what it has."""
    task, first = operator(run_python=WAIT, retries=1), TaskInstance()
    run_id = start(task, first)
    before = dict(first.store)
    with monkeypatch.context() as patched:
        patched.setattr(StateStore, "get", Mock(side_effect=ConnectionError("the API server is away")))
        assert start(task, next_try(first)) == run_id
    assert first.store == before
    task.hook.cancel_run(run_id)


def render(task: WherobotsRunOperator, ti: TaskInstance) -> None:
    task.render_template_fields(context(ti))


@pytest.mark.parametrize(("max_tries", "cancels"), [(2, 0), (1, 1)], ids=["a retry follows", "no retry follows"])
def test_a_try_whose_arguments_cannot_be_rendered_leaves_no_run_without_a_retry(
    operator: Callable[..., WherobotsRunOperator], control: ControlClient, max_tries: int, cancels: int
) -> None:
    first = TaskInstance(max_tries=max_tries)
    run_id = start(operator(run_python=WAIT, retries=max_tries), first)
    with pytest.raises(ZeroDivisionError):
        render(operator(run_python=BROKEN, retries=max_tries), next_try(first))
    assert control.counts()["cancels_effective"] == cancels
    if not cancels:
        assert (
            start(operator(run_python=WAIT, retries=max_tries), TaskInstance(3, max_tries, store=first.store)) == run_id
        )
        operator().hook.cancel_run(run_id)


def test_a_try_whose_arguments_are_wrong_leaves_no_run(
    operator: Callable[..., WherobotsRunOperator], control: ControlClient
) -> None:
    """An error of that kind is not retried, though there are retries left."""
    first = TaskInstance(max_tries=3)
    start(operator(run_python=WAIT, retries=3), first)
    wrong = operator(run_python=WAIT, retries=3)
    wrong.name = "short"
    with pytest.raises(Exception, match="name='short'"):
        wrong.execute(context(next_try(first)))
    assert control.counts()["cancels_effective"] == 1


def test_a_first_try_whose_arguments_cannot_be_rendered_asks_the_service_nothing(
    operator: Callable[..., WherobotsRunOperator], control: ControlClient
) -> None:
    with pytest.raises(ZeroDivisionError):
        render(operator(run_python=BROKEN), TaskInstance(max_tries=0))
    assert control.requests() == []


def test_each_iteration_of_a_loop_has_a_run_of_its_own(
    operator: Callable[..., WherobotsRunOperator], control: ControlClient
) -> None:
    """On Airflow 3.4, as its page "Task Loops" describes it: all share the ids, and the store."""
    task, store = operator(run_python=RESULT, retries=1), dict[str, str]()
    run_ids = []
    for index in (1, 2, 1):
        told = SimpleNamespace(loop=SimpleNamespace(index=index))
        ti = TaskInstance(store=store, _ti_context_from_server=told)
        run_to_end(task, ti)
        run_ids.append(ti.xcoms["run_id"])
    assert len(set(run_ids)) == 3
    assert len(store) == 2
