"""What a script prints as its result reaches XCom, the return value and the events of outlets, by every way."""

import json
import time
from typing import Any

import pytest
from airflow.exceptions import TaskDeferred

from airflow_provider_wherobots.compat import AIRFLOW, AirflowFailException
from airflow_provider_wherobots.exceptions import (
    WherobotsArgumentException,
    WherobotsResultLostException,
    WherobotsResultNotPrintedException,
    WherobotsResultRefusedException,
    WherobotsRunFailedException,
)
from tests.integration.operators.outlets import Asset, AssetAlias, OutletEventAccessors, asset
from tests.integration.support import Operator, Said, TaskInstance, context, deferral_of, follow, next_try, run_to_end
from wherobots_local.control.client import ControlClient

RESULT = {"rows": 3, "paths": ["s3://bucket/été.parquet"], "none": None}
PRINTS = {"uri": "s3://jobs/result.py", "args": [json.dumps(RESULT), 0]}


def prints(text: str, code: int = 0) -> dict[str, Any]:
    return {"uri": "s3://jobs/result.py", "args": [text, code]}


class Counting(TaskInstance):
    """Counts what is pushed."""

    def __init__(self, **fields: Any) -> None:
        super().__init__(pushed=[], **fields)

    def xcom_push(self, key: str, value: Any) -> None:
        super().xcom_push(key, value)
        self.pushed.append(key)


def context_with_events(ti: TaskInstance) -> tuple[Any, OutletEventAccessors]:
    """A context as Airflow makes it for each process of a task."""
    events = OutletEventAccessors()
    return {**context(ti), "outlet_events": events}, events


@pytest.mark.parametrize(("poll_logs", "return_result"), [(True, True), (True, False), (False, True)])
@pytest.mark.parametrize("deferrable", [True, False])
def test_the_result_is_pushed_once_and_returned_if_asked_for(
    operator: Operator, said: Said, deferrable: bool, poll_logs: bool, return_result: bool
) -> None:
    ti = Counting()
    task = operator(run_python=PRINTS, deferrable=deferrable, poll_logs=poll_logs, return_result=return_result)
    returned = run_to_end(task, ti)
    assert ti.xcoms["result"] == RESULT
    assert ti.pushed.count("result") == 1
    assert returned == (RESULT if return_result else ti.xcoms["run_id"])
    size = len(json.dumps(RESULT).encode())
    text = said()
    assert f"Result: {size} bytes of JSON (XCom 'result')" in text
    assert ("airflow-result:" in text) == poll_logs, "only the run's own line shows the value"


@pytest.mark.parametrize("way", ["completed", "crashed trigger"])
def test_a_run_that_ended_before_the_worker_looked_again_has_its_result(operator: Operator, way: str) -> None:
    task, ti = operator(run_python=PRINTS, return_result=True), Counting()
    deferred = deferral_of(task, ti)
    while not task.hook.get_run(ti.xcoms["run_id"]).is_terminal:
        time.sleep(0.1)
    if way == "completed":
        returned = task.execute_complete(context(ti), follow(deferred), **(deferred.kwargs or {}))
    else:
        returned = task.resume_execution("__fail__", {"error": "Trigger failure"}, context(ti))
    assert returned == RESULT
    assert (ti.xcoms["result"], ti.pushed.count("result")) == (RESULT, 1)


def test_a_run_that_fails_has_its_result_too(operator: Operator) -> None:
    task, ti = operator(run_python=prints("[1, 2]", code=3), return_result=True), Counting()
    with pytest.raises(WherobotsRunFailedException):
        run_to_end(task, ti)
    assert ti.xcoms["result"] == [1, 2]


def test_a_missing_result_fails_the_task(operator: Operator, control: ControlClient, said: Said) -> None:
    first = Counting()
    task = operator(return_result=True, retries=1)
    says = r"printed no result, a line that begins with 'airflow-result:'\. A retry "
    with pytest.raises(WherobotsResultLostException, match=says) as lost:
        run_to_end(task, first)
    assert not isinstance(lost.value, AirflowFailException)
    assert "result" not in first.xcoms
    assert control.counts()["creates_received"] == 1
    with pytest.raises(TaskDeferred):
        task.execute(context(next_try(first)))
    assert f"Run {first.xcoms['run_id']} completed, but its result could not be read from its log" in said()
    assert control.counts()["creates_received"] == 2


@pytest.mark.parametrize(
    ("printed", "kind", "says"),
    [
        ("{'a': 1}", WherobotsResultRefusedException, "because it is not JSON (Expecting property name"),
        ("[NaN]", WherobotsResultRefusedException, "because it is not JSON (which has no NaN): airflow-result: [NaN]"),
        ("logged", WherobotsResultNotPrintedException, "not at the beginning of its line: INFO airflow-result: 1"),
    ],
)
def test_a_scripts_bug_fails_the_task_without_another_run(
    operator: Operator, control: ControlClient, printed: str, kind: type[Exception], says: str
) -> None:
    """The same script would print the same line."""
    ti = Counting(max_tries=2)
    script = {"uri": "s3://jobs/logged_result.py"} if printed == "logged" else prints(printed)
    task = operator(run_python=script, return_result=True, retries=2)
    deferral_of(task, ti)
    while not task.hook.get_run(ti.xcoms["run_id"]).is_terminal:
        time.sleep(0.1)
    # The worker has died before it could say so.
    with pytest.raises(kind) as caught:
        run_to_end(task, next_try(ti))
    assert says in str(caught.value)
    assert str(caught.value).endswith(
        "\nNo retry follows, because the script would print it again. Correct the script, and clear the task. "
        + ti.xcoms["run_url"]
    )
    assert isinstance(caught.value, AirflowFailException)
    assert control.counts()["creates_received"] == 1


def test_a_retry_that_cannot_find_the_run_does_not_promise_to_read_again(operator: Operator) -> None:
    task = operator(return_result=True, retries=1, durable=False, wait_post_run_logs_timeout_seconds=0)
    with pytest.raises(WherobotsResultLostException, match="A retry starts a new run"):
        run_to_end(task, Counting())
    task = operator(return_result=True, wait_post_run_logs_timeout_seconds=0)
    with pytest.raises(WherobotsResultLostException, match=r"No retry follows"):
        run_to_end(task, Counting(max_tries=0))


def test_without_a_result_nobody_asked_for_nothing_is_said(operator: Operator, said: Said) -> None:
    ti = Counting()
    assert run_to_end(operator(), ti) == ti.xcoms["run_id"]
    assert "result" not in said().lower()


def test_null_is_a_result_for_which_airflow_has_no_xcom(operator: Operator, said: Said) -> None:
    ti = Counting()
    assert run_to_end(operator(run_python=prints("null"), return_result=True), ti) is None
    assert "result" not in ti.xcoms
    text = said()
    assert "has no result" not in text
    assert "Result: 4 bytes of JSON (null, for which Airflow stores no XCom)" in text


def test_do_xcom_push_false_keeps_the_result_out_of_xcom(operator: Operator, said: Said) -> None:
    ti = Counting()
    assert run_to_end(operator(run_python=PRINTS, return_result=True, do_xcom_push=False), ti) == RESULT
    assert "result" not in ti.xcoms
    assert "(not pushed, because of do_xcom_push=False)" in said()


def test_a_result_needs_the_runs_end(operator: Operator) -> None:
    with pytest.raises(WherobotsArgumentException, match=r"return_result=True: needs wait_for_completion=True"):
        operator(return_result=True, wait_for_completion=False)
    with pytest.raises(WherobotsArgumentException, match=r"return_result='yes': must be True or False"):
        operator(return_result="yes")


@pytest.mark.parametrize("deferrable", [True, False])
def test_each_asset_of_the_outlets_says_what_made_it(operator: Operator, deferrable: bool) -> None:
    one, other = asset("one"), asset("other")
    ti = TaskInstance()
    task = operator(run_python=PRINTS, deferrable=deferrable, outlets=[one, other, AssetAlias("alias"), "no asset"])
    given, events = context_with_events(ti)
    try:
        events[other].extra = {"result": "the author's own", "checked": True}
        task.execute(given)
    except TaskDeferred as deferred:
        given, events = context_with_events(ti)
        events[other].extra = {"result": "the author's own", "checked": True}
        task.execute_complete(given, follow(deferred), **(deferred.kwargs or {}))
    extra = events[one].extra
    summary = ti.xcoms["run_summary"]
    assert extra == {
        "run_id": ti.xcoms["run_id"],
        "run_url": ti.xcoms["run_url"],
        "cost_usd": summary["cost_usd"],
        "queued_seconds": summary["queued_seconds"],
        "ran_seconds": summary["ran_seconds"],
        "result": RESULT,
    }
    assert json.loads(json.dumps(extra)) == extra
    assert events[other].extra == {**extra, "result": "the author's own", "checked": True}
    assert len(events) == 2, "the alias is left alone"


@pytest.mark.skipif(AIRFLOW < (3, 0), reason="2.11 has no references to assets")
def test_an_asset_is_resolved_and_none_warned(operator: Operator, said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    one = asset("one")

    def find(name: str | None = None, uri: str | None = None) -> Any:
        if uri == one.uri:
            return one
        raise LookupError("there is no such asset")

    monkeypatch.setattr(OutletEventAccessors, "_get_asset_from_db", staticmethod(find))
    given, events = context_with_events(TaskInstance())
    outlets = [Asset.ref(uri=one.uri), Asset.ref(name="unknown")]
    task = operator(run_python=PRINTS, deferrable=False, outlets=outlets)
    task.execute(given)
    assert events[one].extra["result"] == RESULT
    assert "has no details of the run: LookupError" in said()
