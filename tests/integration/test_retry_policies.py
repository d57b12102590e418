"""Which failures Airflow retries, and how a user has a say in it."""

import pickle
import time
from typing import Any

import pytest

from airflow_provider_wherobots import exceptions
from airflow_provider_wherobots.compat import AIRFLOW, AirflowException, AirflowFailException
from airflow_provider_wherobots.exceptions import (
    WherobotsArgumentException,
    WherobotsException,
    WherobotsQuotaException,
    WherobotsRequestException,
    WherobotsRunCancelledException,
    WherobotsRunFailedException,
    WherobotsRunNotStartedException,
    WherobotsRunPendingException,
    WherobotsSqlOutcomeUnknownException,
    WherobotsSqlStatementCancelledException,
    WherobotsUnavailableException,
    without_retry,
)
from airflow_provider_wherobots.flows.follow import FollowOptions
from airflow_provider_wherobots.operators.run import WherobotsRunOperator
from airflow_provider_wherobots.retry_policies import wherobots_retry_policy
from tests.integration.conftest import set_connection
from tests.integration.support import WAIT, Operator, Said, TaskInstance, context, deferral_of, follow, run_to_end
from wherobots_local.control.client import ControlClient

HAS_POLICIES = AIRFLOW >= (3, 3)
NEEDS_POLICIES = pytest.mark.skipif(not HAS_POLICIES, reason="Airflow has retry policies from 3.3 on")
ANY_POLICY: Any = object()


def failure_of_a_cancelled_run(task: WherobotsRunOperator) -> BaseException:
    ti = TaskInstance()
    deferred = deferral_of(task, ti)
    task.hook.cancel_run(ti.xcoms["run_id"])
    with pytest.raises(WherobotsRunCancelledException) as cancelled:
        task.execute_complete(context(ti), follow(deferred), **(deferred.kwargs or {}))
    return cancelled.value


def test_a_run_cancelled_on_the_service_is_not_retried(operator: Operator) -> None:
    assert isinstance(failure_of_a_cancelled_run(operator(run_python=WAIT)), AirflowFailException)


def test_a_user_may_have_a_cancelled_run_retried(operator: Operator) -> None:
    wanted = failure_of_a_cancelled_run(operator(run_python=WAIT, retry_cancelled=True))
    assert not isinstance(wanted, AirflowFailException)


def test_with_a_retry_policy_every_failure_is_up_to_it(operator: Operator) -> None:
    task = operator(run_python=WAIT)
    task.retry_policy = ANY_POLICY
    assert not isinstance(failure_of_a_cancelled_run(task), AirflowFailException)
    refused = operator(runtime="no-such-runtime")
    refused.retry_policy = ANY_POLICY
    with pytest.raises(WherobotsRequestException) as caught:
        refused.execute(context(TaskInstance()))
    assert not isinstance(caught.value, AirflowFailException)


def test_a_wrong_rendered_argument_fails_for_good_and_says_why(operator: Operator) -> None:
    task = operator(timeout_seconds="{{ x }}")
    task.timeout_seconds = "soon"
    with pytest.raises(WherobotsArgumentException, match="timeout_seconds='soon'") as caught:
        task.execute(context(TaskInstance()))
    assert isinstance(caught.value, AirflowFailException)
    assert type(caught.value).__name__ == "WherobotsArgumentException"


def test_a_failure_before_the_script(operator: Operator, control: ControlClient) -> None:
    run = control.create_run("not-started")
    app = {"status": "DEPLOY_FAILED", "message": "no nodes"}
    control.patch_run(run["id"], status="FAILED", completed=True, kubeApp=app)
    task = operator()
    options = FollowOptions(run["id"], started_at=time.time())
    event = task._new_attempt(context(TaskInstance())).follow(options).to_event()
    with pytest.raises(WherobotsRunNotStartedException, match=r"before its script began.*no nodes") as failed:
        task.execute_complete(context(TaskInstance()), event)
    assert isinstance(failed.value, WherobotsRunFailedException)
    assert not isinstance(failed.value, AirflowFailException)


def test_every_kind_can_be_told_from_every_other_and_made_final() -> None:
    kinds = [
        kind for kind in vars(exceptions).values() if isinstance(kind, type) and issubclass(kind, WherobotsException)
    ]
    assert len(kinds) > 10
    for kind in kinds:
        final = without_retry(kind("why"))
        assert isinstance(final, kind)
        assert isinstance(final, AirflowFailException)
        assert (str(final), type(final).__name__, type(final).__module__) == ("why", kind.__name__, kind.__module__)
        assert type(final) is type(without_retry(kind("another")))
        copy = pickle.loads(pickle.dumps(final))  # noqa: S301
        assert (type(copy), str(copy)) == (type(final), "why")
        assert not issubclass(kind, AirflowFailException)


@NEEDS_POLICIES
def test_the_ready_policy_does_what_the_operator_does_without_one() -> None:
    from airflow.sdk import RetryAction

    policy = wherobots_retry_policy()
    for kind, action in [
        (WherobotsArgumentException, RetryAction.FAIL),
        (WherobotsRequestException, RetryAction.FAIL),
        (WherobotsRunCancelledException, RetryAction.FAIL),
        (WherobotsSqlStatementCancelledException, RetryAction.FAIL),
        # Airflow treats it like DEFAULT, and keeps its reason.
        (WherobotsRunFailedException, RetryAction.RETRY),
        (WherobotsSqlOutcomeUnknownException, RetryAction.RETRY),
        (ValueError, RetryAction.DEFAULT),
    ]:
        assert policy.evaluate(kind("why"), 1, 3).action is action, kind
    assert type(policy).deserialize(policy.serialize()).serialize() == policy.serialize()


@NEEDS_POLICIES
def test_the_reason_says_in_a_line_what_failed_and_what_follows(operator: Operator) -> None:
    task, ti = operator(run_python={"uri": "s3://jobs/fail.py"}), TaskInstance()
    with pytest.raises(WherobotsRunFailedException) as failed:
        run_to_end(task, ti)
    policy = wherobots_retry_policy()
    assert policy.evaluate(failed.value, 1, 3).reason == (
        "FAILED; The process exited with code 1: ValueError: no such country: Atlantis; "
        f"run {ti.xcoms['run_id']}; 0 USD"
    )
    refused = policy.evaluate(WherobotsRequestException("Creating the run failed: 422\nlog"), 1, 3)
    assert refused.reason == "Creating the run failed: 422; The same request would be refused again"
    assert len(policy.evaluate(WherobotsQuotaException("x" * 1_000), 1, 3).reason or "") == 500
    assert policy.evaluate(ValueError("x"), 1, 3).reason is None


@NEEDS_POLICIES
@pytest.mark.parametrize(
    "kind",
    [
        WherobotsQuotaException,
        WherobotsRunNotStartedException,
        WherobotsRunPendingException,
        WherobotsUnavailableException,
    ],
)
def test_where_airflow_can_start_a_try_again_no_retry_is_used_three_times(kind: type[WherobotsException]) -> None:
    from airflow.sdk import RetryAction, RetryRule

    def decide(*rules: Any, error: BaseException | None = None, max_tries: int = 3) -> Any:
        return wherobots_retry_policy(*rules).evaluate(error or kind("why"), 1, max_tries)

    decision = decide()
    if AIRFLOW < (3, 4):
        assert decision.action is RetryAction.RETRY
    else:
        assert (decision.action.value, decision.max_reschedules) == ("reschedule", 3)
    assert decide(max_tries=0).action is RetryAction.RETRY, "the last try has cancelled its run"
    assert decide(RetryRule(kind, RetryAction.FAIL)).action is RetryAction.FAIL
    assert decide(error=WherobotsRunFailedException("why")).action is RetryAction.RETRY


@NEEDS_POLICIES
def test_rules_of_the_users_own_come_first() -> None:
    from airflow.sdk import RetryAction, RetryRule

    policy = wherobots_retry_policy(RetryRule(WherobotsRunCancelledException, RetryAction.RETRY))
    assert policy.evaluate(WherobotsRunCancelledException("why"), 1, 3).action is RetryAction.RETRY
    assert policy.evaluate(WherobotsRequestException("why"), 1, 3).action is RetryAction.FAIL


@pytest.mark.skipif(HAS_POLICIES, reason="this Airflow has retry policies")
def test_before_3_3_the_policy_says_what_to_use() -> None:
    with pytest.raises(WherobotsArgumentException, match=r"needs Airflow 3\.3 or later; retry_cancelled=True works"):
        wherobots_retry_policy()


@pytest.mark.parametrize("deferrable", [True, False])
def test_a_failed_run_has_its_reason_and_log(operator: Operator, deferrable: bool) -> None:
    task, ti = operator(run_python={"uri": "s3://jobs/fail.py"}, deferrable=deferrable), TaskInstance()
    with pytest.raises(WherobotsRunFailedException, match="no such country: Atlantis") as caught:
        run_to_end(task, ti)
    assert "Traceback (most recent call last)" in str(caught.value)
    assert ti.xcoms["run_url"] in str(caught.value)
    assert not isinstance(caught.value, AirflowFailException)


def test_a_refused_create_is_final(operator: Operator, control: ControlClient) -> None:
    with pytest.raises(WherobotsRequestException, match=r"422.*runtime") as caught:
        operator(runtime="no-such-runtime").execute(context(TaskInstance()))
    assert isinstance(caught.value, AirflowFailException)
    assert control.counts()["creates_effective"] == 0
    assert len(control.requests("listJobRuns")) == 1, "nothing more is looked for"


@pytest.mark.parametrize("operation", ["listJobRuns", "createJobRun"])
def test_a_key_refused_for_a_moment(operator: Operator, control: ControlClient, operation: str, said: Said) -> None:
    control.add_fault(operation, {"type": "status", "status": 401}, times=1)
    operator(deferrable=False).execute(context(TaskInstance()))
    assert control.counts()["creates_effective"] == 1
    assert "retrying in 1.0 s, for up to 1 minute, each time with the connection's current API key" in said()


@pytest.mark.parametrize(
    ("operation", "failed"), [("listJobRuns", "Listing runs failed"), ("createJobRun", "Creating the run failed")]
)
def test_a_key_that_stays_refused(operator: Operator, control: ControlClient, operation: str, failed: str) -> None:
    control.add_fault(operation, {"type": "status", "status": 401})
    with pytest.raises(WherobotsUnavailableException, match=f"the API key is refused .{failed}: 401") as caught:
        operator(max_outage_seconds=1).execute(context(TaskInstance()))
    assert not isinstance(caught.value, AirflowFailException)
    ends = ". No run was created. Check the API key in the connection. Each retry reads it again"
    assert str(caught.value).endswith(ends)
    assert control.counts()["creates_effective"] == 0


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (
            {"status": 401},
            r"Listing runs failed: 401.*\. The run may exist and be active; a retry of the task looks it up",
        ),
        (
            {"status": 503},
            r"Listing runs failed: 503.*\(max_outage_seconds=1\)\. The run may exist and be active; a retry",
        ),
    ],
)
def test_a_look_that_fails(operator: Operator, control: ControlClient, fault: dict[str, Any], says: str) -> None:
    control.add_fault("listJobRuns", {"type": "status", **fault})
    with pytest.raises(WherobotsUnavailableException, match=says) as caught:
        operator(max_outage_seconds=1).execute(context(TaskInstance(try_number=2, max_tries=5)))
    assert not isinstance(caught.value, AirflowFailException)
    assert control.counts()["creates_received"] == 0


def test_an_outage_may_be_retried(operator: Operator, control: ControlClient) -> None:
    control.add_fault("createJobRun", {"type": "status", "status": 429, "headers": {"Retry-After": "0.2"}})
    with pytest.raises(WherobotsUnavailableException, match="429") as caught:
        operator(max_outage_seconds=1).execute(context(TaskInstance()))
    assert not isinstance(caught.value, AirflowFailException)
    assert str(caught.value).endswith(
        ". No run was created: given up after 1 second of failures (max_outage_seconds=1)"
    )
    assert control.counts()["creates_effective"] == 0


def test_a_refused_key_names_its_connection(operator: Operator, server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    task, ti, words = (
        operator(max_outage_seconds=0),
        TaskInstance(),
        "connection 'wherobots_default': the API key is refused",
    )
    deferred = deferral_of(task, ti)
    set_connection(monkeypatch, conn_type="wherobots", host=server.url, password="another-key")
    event = follow(deferred)
    with pytest.raises(WherobotsUnavailableException, match=words) as in_the_trigger:
        operator().execute_complete(context(ti), event, **(deferred.kwargs or {}))
    with pytest.raises(WherobotsUnavailableException, match=words) as on_the_worker:
        operator(max_outage_seconds=0).execute(context(TaskInstance()))
    for caught in (in_the_trigger, on_the_worker):
        assert "header" not in str(caught.value), "the service's advice is for API clients"
        assert "another-key" not in str(caught.value)


def test_a_connection_that_cannot_be_read_loses_sight_of_the_run_but_leaves_it_alone(
    operator: Operator, control: ControlClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = WAIT
    task, ti = operator(run_python=job, max_outage_seconds=0), TaskInstance()
    deferred = deferral_of(task, ti)
    monkeypatch.delenv("AIRFLOW_CONN_WHEROBOTS_DEFAULT")
    event = follow(deferred)
    with pytest.raises(WherobotsUnavailableException, match=r"can no longer be followed: .*\. It stays active"):
        operator().execute_complete(context(ti), event, **(deferred.kwargs or {}))
    assert control.counts()["cancels_received"] == 0


def test_a_timeout_of_the_run_is_a_kind(operator: Operator, control: ControlClient) -> None:
    task, ti = operator(run_python=WAIT), TaskInstance()
    deferred = deferral_of(task, ti)
    task.hook.cancel_run(ti.xcoms["run_id"])
    follow(deferred)
    with pytest.raises(AirflowException, match="Trigger timeout") as failed:
        task.resume_execution("__fail__", {"error": "Trigger timeout"}, context(ti))
    assert not isinstance(failed.value, AirflowFailException)
