"""Whatever befalls a create, at most one run of its is left, and it is the one that is returned.

The rule in full. Let any transient faults befall the create, the looks and the cancels, in any order, within the
outage limit. If List Runs shows every run by the time of the last look, then after ``submit_run`` exactly one run is
active and it is the one returned; if every run shows within the looks of each create (ten seconds), no second create
takes effect at all.
"""

from __future__ import annotations

import json
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from airflow_provider_wherobots.api.errors import WherobotsApiError
from airflow_provider_wherobots.flows.effects import Flow
from airflow_provider_wherobots.flows.quota import AwaitingQuota, QuotaWait
from airflow_provider_wherobots.flows.submit import (
    LOOK_UP_DELAYS,
    Submission,
    UnclearCreateError,
    submit_run,
)
from tests.unit.flows.fake_service import FakeService, Fault
from tests.unit.flows.script import START, Script

NAME = "hail_stats-0123456789ab"
PAYLOAD: dict[str, Any] = {"name": NAME, "runPython": {"uri": "s3://b/j.py"}}
FAULTS = st.lists(st.none() | st.sampled_from(list(Fault)), max_size=12)
WITHIN_THE_LOOKS = st.floats(0, sum(LOOK_UP_DELAYS))


def submitted(script: Script, flow: Flow[Submission | AwaitingQuota]) -> Submission:
    submission = script.run(flow)
    assert isinstance(submission, Submission)
    return submission


def json_copy(wait: QuotaWait) -> dict[str, Any]:
    copy: dict[str, Any] = json.loads(json.dumps(wait.to_kwargs()))
    return copy


def failure_of(script: Script, flow: Flow[Submission | AwaitingQuota]) -> WherobotsApiError | None:
    try:
        script.run(flow)
    except WherobotsApiError as error:
        return error
    return None


@given(FAULTS, FAULTS, WITHIN_THE_LOOKS, st.booleans(), st.floats(0, 1))
def test_exactly_one_create_takes_effect_when_runs_show_within_the_looks(
    creates: list[Fault | None], looks: list[Fault | None], list_lag: float, look_first: bool, jitter: float
) -> None:
    service = FakeService(list_lag=list_lag)
    service.fault("createJobRun", *creates)
    service.fault("listJobRuns", *looks)
    script = Script(service, jitter=jitter)
    submission = submitted(script, submit_run(PAYLOAD, look_first=look_first, max_outage_seconds=3_600))
    assert [run.id for run in service.runs] == [submission.run.id]
    assert service.cancels == []


@example([Fault.LOST_AFTER_EFFECT], [None, None, None, None, None, Fault.ERROR_500], [], 11.0, False, 0.0)
@given(FAULTS, FAULTS, FAULTS, st.floats(0, 30) | st.floats(0, 600), st.booleans(), st.floats(0, 1))
def test_exactly_one_run_is_kept_when_every_run_shows_by_the_last_look(
    creates: list[Fault | None],
    looks: list[Fault | None],
    cancels: list[Fault | None],
    list_lag: float,
    look_first: bool,
    jitter: float,
) -> None:
    service = FakeService(list_lag=list_lag)
    service.fault("createJobRun", *creates)
    service.fault("listJobRuns", *looks)
    # Hangs use up a cancel's whole budget, and a few of them would end it: see the cancel's own tests.
    service.fault("cancelJobRun", *(fault for fault in cancels[:2] if fault is None or fault.manner != "hang"))
    script = Script(service, jitter=jitter)
    submission = submitted(script, submit_run(PAYLOAD, look_first=look_first, max_outage_seconds=3_600))
    last_look = max((sent.at for sent in script.sent_of("listJobRuns")), default=START)
    hidden = {run.id for run in service.runs if run.visible_at > last_look}
    assert submission.run.id not in {run_id for run_id, _ in service.cancels}
    assert {run.id for run in service.kept(script.now)} - hidden <= {submission.run.id}


@given(FAULTS, FAULTS, st.floats(0, 30), st.floats(1, 120))
def test_an_attempt_that_gives_up_is_taken_up_by_the_next_one(
    creates: list[Fault | None], looks: list[Fault | None], list_lag: float, outage: float
) -> None:
    service = FakeService(list_lag=list_lag)
    service.fault("createJobRun", *creates)
    service.fault("listJobRuns", *looks)
    script = Script(service)
    failure = failure_of(script, submit_run(PAYLOAD, max_outage_seconds=outage))
    if service.runs:
        assert failure is None or isinstance(failure, UnclearCreateError)
    service.heal()
    script.now += 300
    submission = submitted(script, submit_run(PAYLOAD, look_first=True, max_outage_seconds=3_600))
    assert [run.id for run in service.kept(script.now)] == [submission.run.id]


@given(
    FAULTS,
    FAULTS,
    st.lists(st.booleans(), max_size=12),
    st.floats(0, 30),
    st.booleans(),
    st.floats(0, 1),
)
def test_a_wait_for_quota_ends_in_exactly_one_run_however_often_it_is_handed_over(
    creates: list[Fault | None],
    looks: list[Fault | None],
    room: list[bool],
    list_lag: float,
    hand_over: bool,
    jitter: float,
) -> None:
    """Quota is there or not at each create; other faults befall the creates that it lets through."""
    service = FakeService(list_lag=min(list_lag, sum(LOOK_UP_DELAYS)))
    service.fault("createJobRun", *creates)
    service.fault("listJobRuns", *looks)
    left = list(room)

    def full_or_not(call: Any, moment: float) -> Any:
        if call.operation == "createJobRun":
            service.quota = 1_000 if not left or left.pop(0) else 0
        return service(call, moment)

    script = Script(full_or_not, jitter=jitter)
    wait = QuotaWait(100_000, may_hand_over=hand_over)
    look_first = False
    while True:
        result = script.run(
            submit_run(
                PAYLOAD, look_first=look_first, max_outage_seconds=3_600, quota=QuotaWait.from_kwargs(json_copy(wait))
            )
        )
        if isinstance(result, Submission):
            break
        assert hand_over
        wait, look_first = result.wait, True
        script.now += result.pause.seconds
    assert [run.id for run in service.kept(script.now)] == [result.run.id]


@given(st.lists(st.sampled_from(list(Fault)), max_size=6), st.floats(0, 60))
def test_not_durable_never_sends_a_second_create_after_an_unclear_one(faults: list[Fault], list_lag: float) -> None:
    service = FakeService(list_lag=list_lag)
    service.fault("createJobRun", *faults)
    script = Script(service)
    failure = failure_of(script, submit_run(PAYLOAD, durable=False, max_outage_seconds=3_600))
    assert failure is None or isinstance(failure, UnclearCreateError)
    assert len(service.runs) <= 1
    assert "listJobRuns" not in script.operations
