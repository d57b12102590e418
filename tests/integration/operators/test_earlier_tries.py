"""What a try knows of the tries before it: by its memory, and without one."""

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from unittest.mock import AsyncMock, Mock

import pytest

from airflow_provider_wherobots import task_memory
from airflow_provider_wherobots.api.runs.models import ACTIVE_STATUSES
from airflow_provider_wherobots.compat import AirflowFailException, AirflowSkipException
from airflow_provider_wherobots.exceptions import (
    WherobotsRunFailedException,
    WherobotsTaskKilledException,
    WherobotsUnavailableException,
)
from airflow_provider_wherobots.operators import run
from airflow_provider_wherobots.operators.run import WherobotsRunOperator
from tests.integration import support
from tests.integration.support import (
    RESULT,
    WAIT,
    Operator,
    Said,
    StateStore,
    TaskInstance,
    context,
    deferral_of,
    follow,
    next_try,
    run_to_end,
)
from wherobots_local.control.client import ControlClient

BROKEN = {"uri": "s3://jobs/wait.py", "args": ["{{ 1 / 0 }}"]}


def start(task: WherobotsRunOperator, ti: TaskInstance) -> str:
    deferral_of(task, ti)
    run_id: str = ti.xcoms["run_id"]
    return run_id


def killed_at_its_end(ti: TaskInstance) -> TaskInstance:
    """The worker was killed after the run had completed, and before the task could say so."""
    store = StateStore(ti.store)
    store.set(task_memory.KEY, {**store.get(task_memory.KEY), "done_in_try": 0, "is_over": False})
    return ti


@pytest.fixture
def another_start(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Gives the DAG run another start, as a clear does once it has ended."""
    return lambda: monkeypatch.setattr(support, "dag_run_start", datetime.now(UTC))


def test_a_clear_after_the_end_of_the_dag_run_replaces_the_active_run(
    operator: Operator, control: ControlClient, another_start: Callable[[], None]
) -> None:
    task = operator(run_python=WAIT, retries=1)
    ti = TaskInstance()
    replaced = start(task, ti)
    for tries in (2, 3):
        another_start()
        ti = next_try(ti, max_tries=tries)
        last = start(task, ti)
    assert last != replaced
    assert start(task, next_try(ti)) == last
    counts = control.counts()
    assert (counts["creates_effective"], counts["cancels_effective"]) == (3, 2)


@pytest.mark.parametrize("deferrable", [True, False])
def test_a_retry_takes_over_a_completed_run(operator: Operator, control: ControlClient, deferrable: bool) -> None:
    task = operator(run_python=RESULT, retries=1, return_result=True, deferrable=deferrable)
    first = TaskInstance()
    assert run_to_end(task, first) == 1
    again = next_try(killed_at_its_end(first))
    assert run_to_end(task, again) == 1
    assert control.counts()["creates_received"] == 1
    assert again.xcoms["run_id"] == first.xcoms["run_id"]
    assert again.xcoms["run_summary"]["status"] == "COMPLETED"


@pytest.mark.parametrize("deferrable", [True, False])
@pytest.mark.parametrize(
    ("arguments", "has_store", "known"),
    [
        pytest.param({}, True, [1, 2, 3], id="remembered"),
        pytest.param({}, False, [3], id="below Airflow 3.3"),
        pytest.param({"durable": False}, True, [3], id="not durable"),
    ],
)
def test_an_xcom_keeps_the_run_of_each_try(
    operator: Operator,
    control: ControlClient,
    deferrable: bool,
    arguments: dict[str, Any],
    has_store: bool,
    known: list[int],
) -> None:
    ti = TaskInstance(0, max_tries=2, store={} if has_store else None)
    ended: dict[int, Any] = {}
    for number, script in enumerate(("fail.py", "fail.py", "talk.py"), start=1):
        task = operator(
            run_python={"uri": f"s3://jobs/{script}", "args": [1]}, retries=2, deferrable=deferrable, **arguments
        )
        ti = next_try(ti)
        with suppress(WherobotsRunFailedException):
            run_to_end(task, ti)
        summary = ti.xcoms["run_summary"]
        told = {key: value for key, value in summary.items() if value is not None}
        ended[number] = {"cost_usd": None, **told, "try_number": number, "run_url": ti.xcoms["run_url"]}
    assert ti.xcoms["runs"] == [ended[number] for number in known]
    assert [ended[number]["status"] for number in ended] == ["FAILED", "FAILED", "COMPLETED"]


def test_the_run_of_a_try_that_died_stays_as_it_was_seen(operator: Operator, control: ControlClient) -> None:
    task, ti = operator(run_python=WAIT, retries=1), TaskInstance()
    run_id = start(task, ti)
    ti = next_try(ti)
    assert start(task, ti) == run_id
    assert [(one["try_number"], one["run_id"]) for one in ti.xcoms["runs"]] == [(1, run_id), (2, run_id)]
    assert all(one["status"] in ACTIVE_STATUSES for one in ti.xcoms["runs"])


@pytest.mark.parametrize("task_ids", [("one", "other"), ("same", "same")])
def test_operators_of_one_function(operator: Operator, control: ControlClient, task_ids: tuple[str, str]) -> None:
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
    ],
)
def test_otherwise_a_run_that_has_ended_is_repeated(
    operator: Operator, control: ControlClient, arguments: dict[str, Any], second: dict[str, Any]
) -> None:
    task, ti = operator(run_python=RESULT, retries=1, **arguments), TaskInstance()
    run_to_end(task, ti)
    run_to_end(task, next_try(killed_at_its_end(ti), **second))
    assert control.counts()["creates_received"] == 2


@pytest.mark.parametrize(
    ("max_tries", "task", "creates"),
    [
        pytest.param(0, {}, 2, id="after which no retry could follow"),
        pytest.param(2, {"retries": 1}, 2, id="whose retries were edited before it was cleared"),
        pytest.param(2, {"retries": 2}, 1, id="that Airflow has failed afterwards"),
    ],
)
@pytest.mark.parametrize("deferrable", [True, False])
def test_a_task_that_succeeded_creates_a_new_run_unless_airflow_has_failed_it(
    operator: Operator, control: ControlClient, max_tries: int, task: dict[str, Any], creates: int, deferrable: bool
) -> None:
    """``max_tries`` is the same: a clear cannot be told by it. After ``execute`` Airflow still pushes the return value,
    and calls ``post_execute``.
    """
    first = TaskInstance(max_tries=max_tries, task=SimpleNamespace(retries=max_tries))
    for ti in (first, next_try(first, task=SimpleNamespace(**{"retries": max_tries, **task}))):
        run_to_end(operator(run_python=RESULT, deferrable=deferrable), ti)
    assert control.counts()["creates_received"] == creates


def test_a_function_that_fails_repeats_no_job(operator: Operator, control: ControlClient) -> None:
    first = TaskInstance(task_id="of the function", max_tries=2)
    for ti in (first, next_try(first, task_id="of the function")):
        run_to_end(operator(task_id="one", run_python=RESULT, deferrable=False), ti)
    assert control.counts()["creates_received"] == 1


def test_a_clear_while_it_resumes_takes_no_run_from_before(operator: Operator, control: ControlClient) -> None:
    """As on Airflow 3.4. A clear of a running task leaves ``max_tries`` as they are."""
    first = TaskInstance()
    kept = deferral_of(operator(run_python=RESULT, retries=1), first)
    event = follow(kept)
    cleared = next_try(first, store={})
    deferral_of(operator(run_python=RESULT, retries=1), cleared, kept, event)
    assert cleared.xcoms["run_id"] != first.xcoms["run_id"]


@pytest.mark.parametrize("moment", ["rendering", "connection"])
def test_a_kill_before_a_retry_has_looked_cancels_the_run_of_the_try_before(
    operator: Operator, control: ControlClient, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    first = TaskInstance(max_tries=2)
    start(operator(run_python=WAIT, retries=2), first)
    task = operator(run_python=WAIT, retries=2)
    if moment == "rendering":
        task.on_kill()
    else:
        get_connection = task.hook.get_connection

        def kill_and_get(conn_id: str) -> Any:
            task.on_kill()
            return get_connection(conn_id)

        monkeypatch.setattr(task.hook, "get_connection", kill_and_get)
    with pytest.raises(WherobotsTaskKilledException):
        task.execute(context(next_try(first)))
    assert control.counts()["cancels_effective"] == 1


def test_a_memory_that_knows_less_is_read_with_the_defaults(operator: Operator, control: ControlClient) -> None:
    task, first = operator(run_python=RESULT, retries=1), TaskInstance()
    kept = deferral_of(task, first)
    event = follow(kept)
    assert kept.kwargs is not None
    least = {key: kept.kwargs["memory"][key] for key in ("identity", "max_tries", "past")}
    stored = {**kept.kwargs, "memory": least, "event": event}
    assert task.resume_execution("execute_complete", stored, context(first)) == first.xcoms["run_id"]


def test_the_end_after_a_failed_trigger_is_remembered_too(operator: Operator, control: ControlClient) -> None:
    task, first = operator(run_python=RESULT, retries=2), TaskInstance(max_tries=2)
    follow(deferral_of(task, first))
    assert task.resume_execution("__fail__", {"error": "Trigger failure"}, context(first))
    assert StateStore(first.store).get(task_memory.KEY)["done_in_try"] == 1


@pytest.mark.parametrize("how", ["arguments", "__fail__"])
@pytest.mark.parametrize("has_store", [True, False])
def test_a_wait_for_quota_after_an_unanswered_create_ends_without_a_run(
    operator: Operator, control: ControlClient, how: str, has_store: bool
) -> None:
    first = TaskInstance(max_tries=0, store={} if has_store else None)
    kept = deferral_of(operator(run_python=WAIT), first).kwargs
    assert kept is not None
    unanswered = {**kept["memory"], "runs": [], "is_create_unanswered": True}
    resumed = TaskInstance(max_tries=0, store=first.store)
    if has_store:
        StateStore(first.store).set(task_memory.KEY, unanswered)
    task = operator(run_python=WAIT)
    if how == "arguments":
        task.name = "short"
        with pytest.raises(Exception, match="short"):
            task.execute_after_quota_wait(context(resumed), {}, **{**kept, "memory": unanswered})
    else:
        with pytest.raises(Exception, match="Trigger timeout"):
            task.resume_execution("__fail__", {"error": "Trigger timeout"}, context(resumed))
    assert control.counts()["cancels_effective"] == 1


@pytest.mark.parametrize(
    ("operation", "warning"),
    [
        ("get", "Airflow's task state store cannot be read, so earlier attempts are unknown"),
        ("set", "The task's state could not be stored, so a retry may start a second run or repeat a statement"),
    ],
)
def test_a_store_that_fails_stops_a_create_and_no_run_that_there_is(
    operator: Operator,
    control: ControlClient,
    monkeypatch: pytest.MonkeyPatch,
    said: Said,
    operation: str,
    warning: str,
) -> None:
    task, first = operator(run_python=WAIT, retries=2), TaskInstance(max_tries=2)
    with monkeypatch.context() as patched:
        patched.setattr(StateStore, operation, Mock(side_effect=ConnectionError("the API server is away")))
        with pytest.raises(WherobotsUnavailableException, match=r"The run was not created, .* the API server is away"):
            start(task, first)
    assert f"{warning}: ConnectionError: the API server is away" in said()
    assert control.counts()["creates_received"] == 0
    second = next_try(first)
    run_id = start(task, second)
    with monkeypatch.context() as patched:
        patched.setattr(StateStore, operation, Mock(side_effect=ConnectionError("the API server is away")))
        assert start(task, next_try(second)) == run_id


@pytest.mark.parametrize(("retries", "cancels"), [(2, 0), (1, 1)], ids=["a retry follows", "the last try"])
def test_a_run_that_the_last_try_may_not_read_is_cancelled(
    operator: Operator, control: ControlClient, monkeypatch: pytest.MonkeyPatch, retries: int, cancels: int
) -> None:
    first = TaskInstance(max_tries=retries)
    start(operator(run_python=WAIT, retries=retries), first)
    # No list has the run yet.
    monkeypatch.setattr("airflow_provider_wherobots.flows.submit.find_runs_of_task", AsyncMock(return_value=[]))
    control.add_fault("getJobRun", {"type": "status", "status": 403})
    task = operator(run_python=WAIT, retries=retries, max_outage_seconds=0)
    with pytest.raises(WherobotsUnavailableException) as caught:
        task.execute(context(next_try(first)))
    assert not isinstance(caught.value, AirflowFailException)
    counts = control.counts()
    assert (counts["creates_received"], counts["cancels_effective"]) == (1, cancels)
    assert ("was found and cancelled, because no retry follows" in str(caught.value)) == bool(cancels)


def test_a_retry_that_finds_no_memory_follows_the_active_run(operator: Operator, control: ControlClient) -> None:
    """Airflow was upgraded to 3.3 between the two tries. A clear would have raised ``max_tries``."""
    task, first = operator(run_python=WAIT, retries=1), TaskInstance(store=None)
    run_id = start(task, first)
    assert start(task, next_try(first, store={}, task=task)) == run_id
    assert control.counts()["cancels_received"] == 0


def test_a_store_that_could_not_be_read_is_not_written(
    operator: Operator, control: ControlClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That would replace what it has."""
    task, first = operator(run_python=WAIT, retries=1), TaskInstance()
    run_id = start(task, first)
    before = dict(first.store)
    with monkeypatch.context() as patched:
        patched.setattr(StateStore, "get", Mock(side_effect=ConnectionError("the API server is away")))
        assert start(task, next_try(first)) == run_id
    assert first.store == before


@pytest.fixture
def in_task(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "is_in_task", lambda: True)


def render(task: WherobotsRunOperator, ti: TaskInstance) -> None:
    task.render_template_fields(context(ti))


def test_a_template_that_fails_elsewhere_cancels_nothing(operator: Operator, control: ControlClient) -> None:
    """``airflow tasks render`` has the number of the try that is followed."""
    first = TaskInstance()
    start(operator(run_python=WAIT, retries=1), first)
    with pytest.raises(ZeroDivisionError):
        render(operator(run_python=BROKEN, retries=1), next_try(first))
    assert control.counts()["cancels_received"] == 0


def test_what_follows_a_template_that_fails_does_not_hide_its_error(operator: Operator, in_task: None) -> None:
    with pytest.raises(ZeroDivisionError):
        operator(run_python=BROKEN).render_template_fields({"ds": "2026-01-01"})


def test_earlier_runs_that_cannot_be_looked_up_are_said_with_a_command(
    operator: Operator, monkeypatch: pytest.MonkeyPatch, said: Said, in_task: None
) -> None:
    first = TaskInstance(max_tries=1)
    start(operator(run_python=WAIT, retries=1), first)
    broken = operator(run_python=BROKEN, retries=1)
    monkeypatch.setattr(broken.hook, "get_connection", Mock(side_effect=ConnectionError("the backend is away")))
    with pytest.raises(ZeroDivisionError):
        render(broken, next_try(first))
    assert (
        "The runs of this task could not be cancelled (ConnectionError: the backend is away). To find them: "
        f"python -m airflow_provider_wherobots orphans --conn {broken.wherobots_conn_id}"
    ) in said()


@pytest.mark.parametrize("arguments", [{"durable": False}, {"cancel_on_kill": False}])
def test_a_try_that_fails_before_it_looks_leaves_runs_alone_if_told_so(
    operator: Operator, control: ControlClient, in_task: None, arguments: dict[str, Any]
) -> None:
    first = TaskInstance(max_tries=1)
    start(operator(run_python=WAIT, retries=1), first)
    with pytest.raises(ZeroDivisionError):
        render(operator(run_python=BROKEN, retries=1, **arguments), next_try(first))
    assert control.counts()["cancels_received"] == 0


@pytest.mark.parametrize(
    ("retries", "name", "second", "cancels"),
    [
        pytest.param(2, "{{ 1 / 0 }}", {}, 0, id="a retry follows"),
        pytest.param(1, "{{ 1 / 0 }}", {}, 1, id="no retry follows"),
        pytest.param(0, "{{ 1 / 0 }}", {"store": {}, "max_tries": 1}, 1, id="no retry follows and the store forgot"),
        pytest.param(3, Mock(side_effect=AirflowSkipException), {}, 1, id="the task is skipped"),
    ],
)
def test_a_try_whose_arguments_cannot_be_rendered_leaves_no_run_without_a_retry(
    operator: Operator,
    control: ControlClient,
    in_task: None,
    retries: int,
    name: Any,
    second: dict[str, Any],
    cancels: int,
) -> None:
    first = TaskInstance(max_tries=retries)
    run_id = start(operator(run_python=WAIT, retries=retries), first)
    broken = operator(run_python=WAIT, retries=retries)
    broken.name = name
    with pytest.raises((ZeroDivisionError, AirflowSkipException)):
        render(broken, next_try(first, **second))
    assert control.counts()["cancels_effective"] == cancels
    if not cancels:
        third = TaskInstance(3, retries, store=first.store)
        assert start(operator(run_python=WAIT, retries=retries), third) == run_id
        operator().hook.cancel_run(run_id)


def test_a_kill_in_the_rendering_cancels_the_run(operator: Operator, control: ControlClient, in_task: None) -> None:
    """As on 2.11, which raises in its signal handler. On Airflow 3 the rendering goes on."""

    class TaskTerminatedError(BaseException):
        pass

    def be_killed(*_: Any, **__: Any) -> None:
        task.on_kill()
        raise TaskTerminatedError

    first = TaskInstance(max_tries=3)
    start(operator(run_python=WAIT, retries=3), first)
    task = operator(run_python=WAIT, retries=3)
    task.name = Mock(side_effect=be_killed)
    with pytest.raises(TaskTerminatedError):
        render(task, next_try(first))
    assert control.counts()["cancels_effective"] == 1


def test_a_try_whose_arguments_are_wrong_leaves_no_run(operator: Operator, control: ControlClient) -> None:
    """An error of that kind is not retried, though there are retries left."""
    first = TaskInstance(max_tries=3)
    start(operator(run_python=WAIT, retries=3), first)
    wrong = operator(run_python=WAIT, retries=3)
    wrong.name = "short"
    with pytest.raises(Exception, match="name='short'"):
        wrong.execute(context(next_try(first)))
    assert control.counts()["cancels_effective"] == 1


def test_the_retry_of_a_cleared_task_whose_arguments_failed_replaces_the_run_from_before_the_clear(
    operator: Operator, control: ControlClient, in_task: None
) -> None:
    """On Airflow 3.4, whose clear has discarded the memory."""
    first = TaskInstance()
    start(operator(run_python=WAIT, retries=1), first)
    cleared = next_try(first, store={}, max_tries=2)
    with pytest.raises(ZeroDivisionError):
        render(operator(run_python=BROKEN, retries=1), cleared)
    start(operator(run_python=WAIT, retries=1), next_try(cleared))
    counts = control.counts()
    assert (counts["creates_effective"], counts["cancels_effective"]) == (2, 1)


def test_an_unrendered_first_try_asks_nothing(operator: Operator, control: ControlClient, in_task: None) -> None:
    with pytest.raises(ZeroDivisionError):
        render(operator(run_python=BROKEN), TaskInstance(max_tries=0))
    assert control.requests() == []


def test_each_iteration_of_a_loop_has_a_run_of_its_own(operator: Operator, control: ControlClient) -> None:
    """On Airflow 3.4: all share the ids, and the store."""
    task, store = operator(run_python=RESULT, retries=1), dict[str, str]()
    run_ids = []
    for index in (0, 1, 0):
        told = SimpleNamespace(loop=SimpleNamespace(index=index))
        ti = TaskInstance(store=store, _ti_context_from_server=told)
        run_to_end(task, ti)
        run_ids.append(ti.xcoms["run_id"])
    assert len(set(run_ids)) == 3
    assert len(store) == 2
