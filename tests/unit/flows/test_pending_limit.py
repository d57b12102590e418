"""``max_pending_seconds``: a run that waits too long for its machines is cancelled."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wherobots.api.call import Call
from airflow_provider_wherobots.api.runs import calls
from airflow_provider_wherobots.api.runs.models import Run
from airflow_provider_wherobots.flows.cancel import MAX_END_WAIT_SECONDS
from airflow_provider_wherobots.flows.follow import (
    DEFAULT_POLLING_INTERVAL,
    MIN_POLL_SECONDS,
    FollowOptions,
    follow_run,
    settle_run,
)
from airflow_provider_wherobots.logs.result import MARKER
from airflow_provider_wherobots.runs.outcome import Ending, Outcome
from tests.unit.flows.fake_log import T0, FakeLine, FakeLog
from tests.unit.flows.fake_service import FakeRun, FakeService, Fault
from tests.unit.flows.script import START, Answer, Script

LIMIT = 600.0
FOR_EVER = ((0.0, "PENDING"),)


def serve(plan: tuple[tuple[float, str], ...] = FOR_EVER, **details: Any) -> tuple[FakeService, FakeRun]:
    service = FakeService()
    payload = {"name": "some_name", "runtime": "tiny"}
    return service, service.add_run("some_name", START, plan=plan, payload=payload, region="aws-us-west-2", **details)


def follow(service: Answer, *, begin: float = 0.0, jitter: float = 0.0, **options: Any) -> tuple[Outcome, Script]:
    """Follow the run, which was created at ``START``, from so many seconds later."""
    script = Script(service, jitter=jitter)
    script.moment += begin
    defaults: dict[str, Any] = {"run_id": "run0", "started_at": START + begin, "max_pending_seconds": LIMIT}
    return script.run(follow_run, FollowOptions(**defaults | options)), script


def test_a_run_that_does_not_start_is_cancelled_at_the_limit() -> None:
    service, run = serve()
    outcome, script = follow(service)
    assert run.cancelled_at == pytest.approx(START + LIMIT, abs=MIN_POLL_SECONDS * 2)
    assert outcome.describe() == (
        "Run run0 did not start within the task's max_pending_seconds: it waited 10 minutes 1 second for runtime tiny, "
        "region aws-us-west-2, and was cancelled\nRequest another runtime or region, or raise max_pending_seconds"
    )
    assert (outcome.ending, outcome.status, outcome.cancel_failed) == (Ending.PENDING_TOO_LONG, "CANCELLED", False)
    (warning,) = script.said("cancelling it")
    assert warning.text.startswith("Run run0 has been PENDING for 10 minutes")
    assert warning.text.endswith(": cancelling it (max_pending_seconds=600)")
    assert outcome == Outcome.from_event(outcome.to_event())


def test_a_runtime_and_a_region_that_the_service_does_not_tell_are_left_out() -> None:
    service, run = serve()
    run.payload, run.region = {"name": "some_name"}, None
    assert follow(service)[0].reason == "it waited 10 minutes 1 second for its machines, and was cancelled"


@pytest.mark.parametrize("limit", [0.0, LIMIT])
def test_a_run_without_a_limit_or_that_starts_before_it_is_left_alone(limit: float) -> None:
    starts = 5_000.0 if not limit else LIMIT - 1
    service, run = serve(((0, "PENDING"), (starts, "RUNNING"), (9_000, "COMPLETED")))
    outcome, _ = follow(service, max_pending_seconds=limit)
    assert (outcome.ending, run.cancelled_at) == (Ending.COMPLETED, None)


@pytest.mark.parametrize(
    ("begin", "waited"), [(400.0, LIMIT), (LIMIT - 0.5, LIMIT), (LIMIT, LIMIT), (7_200.0, 7_200.0)]
)
def test_the_time_of_earlier_tries_counts(begin: float, waited: float) -> None:
    service, run = serve()
    outcome, script = follow(service, begin=begin)
    assert outcome.ending is Ending.PENDING_TOO_LONG
    assert run.cancelled_at == pytest.approx(START + waited, abs=MIN_POLL_SECONDS * 2)
    polls = [sent.at for sent in script.sent_of("getJobRun")]
    assert all(after - before >= MIN_POLL_SECONDS for before, after in pairwise(polls))


@pytest.mark.parametrize("ahead", [-3_600.0, 3_600.0])
def test_the_time_is_that_of_the_service(ahead: float) -> None:
    service, run = serve()

    def answer(call: Call[Any], moment: float) -> Any:
        return service(call, moment - ahead)

    outcome, _ = follow(answer, begin=ahead)
    assert outcome.ending is Ending.PENDING_TOO_LONG
    assert run.cancelled_at == pytest.approx(START + LIMIT, abs=MIN_POLL_SECONDS * 2)


def test_without_a_time_of_the_creation_the_time_of_this_try_counts() -> None:
    service, run = serve()

    def answer(call: Call[Any], moment: float) -> Any:
        found = service(call, moment)
        return Run.from_json({**found.raw, "createTime": None}) if isinstance(found, Run) else found

    outcome, _ = follow(answer, begin=1_000)
    assert outcome.ending is Ending.PENDING_TOO_LONG
    assert run.cancelled_at == pytest.approx(START + 1_000 + LIMIT, abs=MIN_POLL_SECONDS * 2)


def test_a_run_that_is_pending_with_a_start_and_an_end_is_still_waiting() -> None:
    """As in the responses of the service's documentation."""
    service, run = serve()

    def answer(call: Call[Any], moment: float) -> Any:
        found = service(call, moment)
        if not isinstance(found, Run):
            return found
        times = dict.fromkeys(("startTime", "completeTime"), found.raw["createTime"])
        return replace(found, raw={**found.raw, **times})

    outcome, _ = follow(answer, deadline=START + 5_000)
    assert outcome.ending is Ending.PENDING_TOO_LONG
    assert run.cancelled_at == pytest.approx(START + LIMIT, abs=MIN_POLL_SECONDS * 2)


def test_a_run_that_starts_while_it_is_being_cancelled_counts_as_cancelled_at_the_limit() -> None:
    log = FakeLog([FakeLine(LIMIT + 35, T0, f"{MARKER} 1")])
    service, _ = serve(((0, "PENDING"), (LIMIT + 30, "RUNNING")), cancel_seconds=60.0, log=log)
    outcome, _ = follow(service)
    assert (outcome.ending, outcome.status, outcome.result) == (Ending.PENDING_TOO_LONG, "CANCELLED", None)
    assert outcome.reason.startswith("it waited 10 minutes 30 seconds")
    assert len(service.cancels) == 1


def test_so_does_one_whose_end_is_seen_late() -> None:
    service, _ = serve(((0, "PENDING"), (LIMIT + 2, "RUNNING")), cancel_seconds=100.0)
    service.fault("getJobRun", None, *[Fault.ERROR_500] * 20)
    outcome, script = follow(service, begin=LIMIT, max_outage_seconds=1e9)
    assert (outcome.ending, outcome.status) == (Ending.PENDING_TOO_LONG, "CANCELLED")
    assert script.elapsed > 100


def test_a_run_that_ends_by_itself_while_it_is_being_cancelled_has_its_own_end() -> None:
    plan = ((0.0, "PENDING"), (LIMIT + 10, "RUNNING"), (LIMIT + 30, "COMPLETED"))
    service, _ = serve(plan, cancel_seconds=60.0)
    assert follow(service)[0].ending is Ending.COMPLETED


@pytest.mark.parametrize("plan", [FOR_EVER, ((0.0, "PENDING"), (LIMIT + 30, "RUNNING"))])
@pytest.mark.parametrize("resumed", [LIMIT + 20, LIMIT + 40, LIMIT + 3_600])
def test_a_triggerer_that_dies_after_the_cancel_changes_nothing(
    plan: tuple[tuple[float, str], ...], resumed: float
) -> None:
    service, run = serve(plan, cancel_seconds=60.0, cancelled_at=START + LIMIT + 1)
    outcome, _ = follow(service, begin=resumed, started_at=START)
    assert (outcome.ending, outcome.status) == (Ending.PENDING_TOO_LONG, "CANCELLED")
    assert run.cancelled_at == START + LIMIT + 1


@pytest.mark.parametrize(("limit", "ending"), [(LIMIT, Ending.PENDING_TOO_LONG), (0.0, Ending.CANCELLED)])
def test_a_trigger_that_fails_after_the_cancel_changes_nothing(limit: float, ending: Ending) -> None:
    service, _ = serve(cancelled_at=START + LIMIT + 1)
    script, later = Script(service), START + LIMIT + 20
    script.moment = later
    run: Any = service(calls.get_run("run0"), later)
    outcome = script.run(settle_run, run, FollowOptions("run0", later, max_pending_seconds=limit))
    assert (outcome.ending, outcome.status) == (ending, "CANCELLED")


@pytest.mark.parametrize(
    "plan",
    [
        ((0.0, "PENDING"), (LIMIT - 50, "CANCELLED")),
        ((0.0, "PENDING"), (50, "RUNNING"), (LIMIT + 30, "CANCELLED")),
        # It has started late while the service could not be reached.
        ((0.0, "PENDING"), (LIMIT + 30, "RUNNING"), (9_000, "CANCELLED")),
    ],
)
def test_a_run_that_others_cancel_is_not_cancelled_at_the_limit(plan: tuple[tuple[float, str], ...]) -> None:
    service, run = serve(plan)
    service.fault("getJobRun", *([Fault.ERROR_500] * 20 if plan[-1][0] == 9_000 else []))
    outcome, _ = follow(service, begin=500.0, max_outage_seconds=1e9)
    assert (outcome.ending, run.cancelled_at) == (Ending.CANCELLED, None)


@pytest.mark.parametrize("deadline", [LIMIT - 100, LIMIT, LIMIT + 20])
def test_the_deadline_wins(deadline: float) -> None:
    service, _ = serve(cancel_seconds=60.0)
    outcome, script = follow(service, deadline=START + deadline)
    assert outcome.ending is Ending.DEADLINE
    assert script.elapsed <= deadline + 2


def test_a_triggerer_that_dies_after_the_cancel_at_the_deadline_changes_nothing_either() -> None:
    service, _ = serve(cancelled_at=START + LIMIT + 30)
    outcome, _ = follow(service, begin=LIMIT + 40, started_at=START, deadline=START + LIMIT + 30)
    assert (outcome.ending, outcome.reason, outcome.next_try) == (Ending.DEADLINE, "the run was cancelled", "")


def test_a_deadline_that_has_passed_wins() -> None:
    service, _ = serve()
    outcome, script = follow(service, begin=7_200, deadline=START + 7_000)
    assert outcome.ending is Ending.DEADLINE
    assert not script.said("max_pending_seconds")


@pytest.mark.parametrize(
    ("fault", "end", "fails"), [(None, "and was cancelled", False), (Fault.ERROR_500, "and cancelling it failed", True)]
)
def test_a_cancel_that_does_not_show_is_not_waited_for_for_ever(fault: Fault | None, end: str, fails: bool) -> None:
    service, _ = serve(cancel_seconds=1e6)
    service.fault("cancelJobRun", *([fault] * 20))
    outcome, script = follow(service)
    assert (outcome.ending, outcome.status, outcome.cancel_failed) == (Ending.PENDING_TOO_LONG, "PENDING", fails)
    assert outcome.reason.endswith(end)
    assert LIMIT + MAX_END_WAIT_SECONDS <= script.elapsed <= LIMIT + MAX_END_WAIT_SECONDS + DEFAULT_POLLING_INTERVAL + 5


def test_a_cancel_that_arrived_although_its_response_was_lost_has_not_failed() -> None:
    service, _ = serve()
    service.fault("cancelJobRun", *([Fault.ERROR_503_AFTER_EFFECT] * 20))
    outcome, _ = follow(service)
    assert (outcome.ending, outcome.cancel_failed) == (Ending.PENDING_TOO_LONG, False)


@given(
    starts=st.floats(0, 900) | st.none(),
    ran=st.floats(1, 900),
    begin=st.floats(0, 900),
    cancel_seconds=st.sampled_from([0.0, 1.0, 60.0]),
    outage=st.integers(0, 8),
    interval=st.floats(2, 300),
    jitter=st.floats(0, 1),
)
def test_only_a_run_that_has_waited_for_longer_is_cancelled_and_only_then_it_is_the_reason(
    starts: float | None,
    ran: float,
    begin: float,
    cancel_seconds: float,
    outage: int,
    interval: float,
    jitter: float,
) -> None:
    started = () if starts is None else ((starts, "RUNNING"), (starts + ran, "COMPLETED"))
    service, run = serve((*FOR_EVER, *started), cancel_seconds=cancel_seconds)
    service.fault("getJobRun", *([Fault.ERROR_500] * outage))
    outcome, script = follow(service, begin=begin, jitter=jitter, polling_interval=interval, max_outage_seconds=1e9)
    if run.cancelled_at is None:
        assert outcome.ending is Ending.COMPLETED
        return
    # It is not seen in the very moment, so it may have started just before the cancel.
    seen = max(sent.at for sent in script.sent_of("getJobRun") if sent.at <= run.cancelled_at)
    assert START + LIMIT <= seen <= START + (starts or 1e9)
    assert outcome.ending is (Ending.PENDING_TOO_LONG if outcome.status == "CANCELLED" else Ending.COMPLETED)
    if not outage:
        assert run.cancelled_at <= START + max(LIMIT, begin) + 3 * MIN_POLL_SECONDS
