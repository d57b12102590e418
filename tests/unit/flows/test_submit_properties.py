"""Whatever befalls a create, at most one run of its is left, and it is the one that is returned.

The rule in full. Let any transient faults befall the create and the looks, in any order, within the outage limit. If
List Runs shows every run within the looks of each create (half a minute), no second create takes effect at all.
"""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wherobots.api.errors import WherobotsApiError
from airflow_provider_wherobots.flows.quota import QuotaWait
from airflow_provider_wherobots.flows.submit import LOOK_AGAIN_DELAYS, Submission, UnclearCreateError, submit_run
from airflow_provider_wherobots.runs.memory import Memory, Past
from airflow_provider_wherobots.runs.run_name import Identity
from tests.unit.flows.fake_service import FakeService, Fault
from tests.unit.flows.script import Script

IDENTITY = Identity("abcdef", "01234567")
NAME = f"hail_stats{IDENTITY.suffix}"
PAYLOAD: dict[str, Any] = {"name": NAME, "runPython": {"uri": "s3://b/j.py"}}
FAULTS = st.lists(st.none() | st.sampled_from(list(Fault)), max_size=12)
FIRST = Memory(IDENTITY, 0, Past.NOTHING)
MEMORIES = st.sampled_from([FIRST, Memory(IDENTITY, 0, Past.KNOWN, has_looked=True), Memory(IDENTITY, 0, Past.UNKNOWN)])
WITHIN_THE_LOOKS = st.floats(0, sum(LOOK_AGAIN_DELAYS))


def submitted(script: Script, *args: Any, **kwargs: Any) -> Submission:
    submission = script.run(submit_run, *args, **kwargs)
    assert isinstance(submission, Submission)
    return submission


def json_copy(document: dict[str, Any]) -> dict[str, Any]:
    copy: dict[str, Any] = json.loads(json.dumps(document))
    return copy


def failure_of(script: Script, *args: Any, **kwargs: Any) -> WherobotsApiError | None:
    try:
        script.run(submit_run, *args, **kwargs)
    except WherobotsApiError as error:
        return error
    return None


@given(FAULTS, FAULTS, WITHIN_THE_LOOKS, MEMORIES, st.floats(0, 1))
def test_exactly_one_create_takes_effect_when_runs_show_within_the_looks(
    creates: list[Fault | None], looks: list[Fault | None], list_lag: float, memory: Memory, jitter: float
) -> None:
    service = FakeService(list_lag=list_lag)
    service.fault("createJobRun", *creates)
    service.fault("listJobRuns", *looks)
    script = Script(service, jitter=jitter)
    submission = submitted(script, PAYLOAD, memory=memory, max_outage_seconds=3_600)
    assert [run.id for run in service.runs] == [submission.run.id]
    assert service.cancels == []


@given(FAULTS, FAULTS, st.floats(0, 30), st.floats(1, 120))
def test_an_attempt_that_gives_up_is_taken_up_by_the_next_one(
    creates: list[Fault | None], looks: list[Fault | None], list_lag: float, outage: float
) -> None:
    service = FakeService(list_lag=list_lag)
    service.fault("createJobRun", *creates)
    service.fault("listJobRuns", *looks)
    script = Script(service)
    failure = failure_of(script, PAYLOAD, memory=FIRST, max_outage_seconds=outage)
    if service.runs:
        assert failure is None or isinstance(failure, UnclearCreateError)
    service.heal()
    script.moment += 300
    memory = Memory.from_json(script.remembered[-1][0].to_json()) if script.remembered else FIRST
    submission = submitted(script, PAYLOAD, memory=memory, max_outage_seconds=3_600)
    assert [run.id for run in service.kept(script.moment)] == [submission.run.id]


@given(FAULTS, FAULTS, st.lists(st.booleans(), max_size=12), st.floats(0, 30), st.booleans(), st.floats(0, 1))
def test_a_wait_for_quota_ends_in_exactly_one_run_however_often_it_is_handed_over(
    creates: list[Fault | None],
    looks: list[Fault | None],
    room: list[bool],
    list_lag: float,
    hand_over: bool,
    jitter: float,
) -> None:
    """Quota is there or not at each create; other faults befall the creates that it lets through."""
    service = FakeService(list_lag=min(list_lag, sum(LOOK_AGAIN_DELAYS)))
    service.fault("createJobRun", *creates)
    service.fault("listJobRuns", *looks)
    left = list(room)

    def full_or_not(call: Any, moment: float) -> Any:
        if call.operation == "createJobRun":
            service.quota = 1_000 if not left or left.pop(0) else 0
        return service(call, moment)

    script = Script(full_or_not, jitter=jitter)
    wait = QuotaWait(100_000, may_hand_over=hand_over)
    memory = FIRST
    while True:
        kept = QuotaWait.from_kwargs(json_copy(wait.to_kwargs()))
        result = script.run(submit_run, PAYLOAD, memory=memory, max_outage_seconds=3_600, quota=kept)
        if isinstance(result, Submission):
            break
        assert hand_over
        wait, memory = result.wait, Memory.from_json(json_copy(script.remembered[-1][0].to_json()))
        script.moment += result.pause.seconds
    assert [run.id for run in service.kept(script.moment)] == [result.run.id]
