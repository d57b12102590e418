"""A full organization is waited for, within the user's bound."""

import json
import logging
from typing import Any

import pytest

from airflow_provider_wherobots.api.call import Call
from airflow_provider_wherobots.api.errors import AuthenticationError, ErrorInfo, NotSentError, QuotaError
from airflow_provider_wherobots.flows.quota import (
    HOLD_SECONDS,
    MAX_QUOTA_RETRY_SECONDS,
    AwaitingQuota,
    QuotaNotFreedError,
    QuotaWait,
)
from airflow_provider_wherobots.flows.submit import Submission, UnclearCreateError, submit_run
from airflow_provider_wherobots.io.base import Note, Pause
from airflow_provider_wherobots.runs.memory import Memory, Past
from airflow_provider_wherobots.runs.run_name import Identity
from tests.unit.flows.fake_service import FakeService, Fault
from tests.unit.flows.script import START, Script, always

FIRST = Memory(Identity("abcdef", "01234567"), 0, Past.NOTHING)
SUFFIX = FIRST.identity.suffix
PAYLOAD: dict[str, Any] = {"name": f"hail_stats{SUFFIX}", "runPython": {"uri": "s3://b/j.py"}}
DISK = QuotaError("createJobRun", 403, (ErrorInfo("INSUFFICIENT_QUOTA_ERROR", "DISK_PER_NODE_GB is 500, asked 900"),))


def full_until(moment: float, service: FakeService) -> Any:
    def answer(call: Any, now: float) -> Any:
        service.quota = 0 if now < moment else 1
        return service(call, now)

    return answer


@pytest.mark.parametrize("status", [400, 403, 409, 422, 429, 500, 503])
@pytest.mark.parametrize("durable", [True, False])
def test_a_full_organization_is_waited_for_and_then_there_is_one_run(status: int, durable: bool) -> None:
    service = FakeService()
    service.quota_status = status
    script = Script(full_until(START + 100, service))
    result = script.run(submit_run, PAYLOAD, memory=FIRST if durable else None)
    assert isinstance(result, Submission)
    assert [run.id for run in service.runs] == [result.run.id]
    assert set(script.operations[1:]) == {"createJobRun"}
    assert script.sleeps == [5.0, 10.0, 20.0, 40.0, 80.0]
    assert script.told == [
        Note(
            logging.WARNING,
            f"No run was created yet: the organization's quota is used up. {status} "
            "INSUFFICIENT_QUOTA_ERROR: insufficient_quota_error. Retrying the create request for up to 1 hour "
            "(max_quota_wait_seconds=3600), first in 5 seconds",
        )
    ]


def test_a_long_wait_says_now_and_then_that_it_goes_on() -> None:
    script = Script(full_until(START + 3_000, FakeService()))
    script.run(submit_run, PAYLOAD)
    first, *others = script.told[1:]
    assert first == Note(
        logging.INFO, "Still waiting for quota after 5 minutes 15 seconds; next create request in 5 minutes"
    )
    assert len(others) == 8
    assert max(script.sleeps) == MAX_QUOTA_RETRY_SECONDS


def test_a_refusal_for_quota_is_an_answer_and_ends_an_outage() -> None:
    def answer(call: Call[Any], now: float) -> Any:
        if now < START + 10 or START + 25 <= now < START + 80:
            raise NotSentError(call.operation, "connection refused")
        return full_until(START + 80, service)(call, now)

    service = FakeService()
    assert isinstance(Script(answer).run(submit_run, PAYLOAD, max_outage_seconds=60), Submission)


def test_a_key_that_is_refused_during_the_wait_delays_the_create() -> None:
    def answer(call: Call[Any], now: float) -> Any:
        if START + 60 <= now < START + 100:
            raise AuthenticationError(call.operation, 401)
        return full_until(START + 120, service)(call, now)

    service = FakeService()
    script = Script(answer)
    assert isinstance(script.run(submit_run, PAYLOAD, memory=FIRST), Submission)
    assert script.reloads > 1


@pytest.mark.parametrize(
    ("limit", "when"),
    [
        (0.0, ". Not waiting, because max_quota_wait_seconds=0"),
        (1.0, " for 1 second (max_quota_wait_seconds=1)"),
        (60.0, " for 1 minute (max_quota_wait_seconds=60)"),
        (4_000.0, " for 1 hour 7 minutes (max_quota_wait_seconds=4000)"),
    ],
)
def test_quota_that_is_never_there_ends_within_the_bound_with_the_services_words(limit: float, when: str) -> None:
    script = Script(always(DISK), jitter=1.0)
    with pytest.raises(QuotaNotFreedError) as caught:
        script.run(submit_run, PAYLOAD, quota=QuotaWait(limit))
    assert limit <= script.elapsed < limit + 5
    assert str(caught.value) == (
        f"No run was created: the organization's quota was used up{when}. "
        "403 INSUFFICIENT_QUOTA_ERROR: DISK_PER_NODE_GB is 500, asked 900. Free quota, request a smaller runtime or "
        "disks, or raise max_quota_wait_seconds"
    )
    assert caught.value.transient
    assert not caught.value.at_deadline


def test_the_tasks_deadline_ends_the_wait_while_a_run_still_makes_sense() -> None:
    script = Script(always(DISK), jitter=1.0)
    with pytest.raises(QuotaNotFreedError) as caught:
        script.run(submit_run, PAYLOAD, quota=QuotaWait(3_600, deadline=START + 100))
    assert (
        "was used up for 1 minute 30 seconds, and the task's execution_timeout leaves no time for a run. 403"
    ) in str(caught.value)
    assert caught.value.at_deadline
    assert 90 <= script.elapsed < 95
    assert script.said("Retrying the create request for up to 1 minute 30 seconds (execution_timeout)")


def test_a_limit_beyond_all_measure_is_a_limit_all_the_same() -> None:
    service = FakeService()
    script = Script(full_until(START + 100, service))
    assert isinstance(script.run(submit_run, PAYLOAD, quota=QuotaWait(1.7e308)), Submission)


def test_what_the_service_asks_for_is_waited_within_the_bound() -> None:
    wait = QuotaWait(100).refused(START)
    asked = QuotaError("createJobRun", 429, retry_after=60.0)
    pause = wait.next_attempt(asked, START)
    assert pause is not None
    assert pause.seconds == 60.0
    pause = wait.next_attempt(asked, START + 70)
    assert pause is not None
    assert (pause.seconds, pause.jitter) == (30.0, 0.0)


def test_a_long_wait_is_handed_over_and_goes_on_from_there() -> None:
    service = FakeService()
    service.add_run(f"earlier{SUFFIX}", START - 100, cancel_seconds=1_000)
    script = Script(full_until(START + 1_000, service))
    result = script.run(submit_run, PAYLOAD, memory=FIRST, quota=QuotaWait(may_hand_over=True))
    assert isinstance(result, AwaitingQuota)
    assert script.elapsed + result.pause.seconds > HOLD_SECONDS >= script.elapsed
    memory = script.remembered[-1][0]
    assert memory.passed_over == ("run0",), "the run that was replaced, and may not have gone yet"
    assert script.told[-1].text == (
        "Still waiting for quota after 2 minutes 35 seconds; next create request in 2 minutes 40 seconds"
    )
    while isinstance(result, AwaitingQuota):
        script.moment += result.pause.seconds
        stored = json.loads(json.dumps(result.wait.to_kwargs()))
        assert stored == result.wait.to_kwargs()
        kept = QuotaWait.from_kwargs(stored | {"of_a_later_version": 1})
        assert kept == result.wait
        result = script.run(submit_run, PAYLOAD, memory=memory, quota=kept)
    assert (result.run.id, result.reattached) == ("run1", False)
    assert [run.id for run in service.kept(script.moment)] == ["run1"]


def test_a_wait_of_a_version_that_knew_less_has_the_defaults() -> None:
    assert QuotaWait.from_kwargs({}) == QuotaWait()
    assert QuotaWait().waited(START) == 0.0


@pytest.mark.parametrize(
    ("limit", "pause"), [(0.0, None), (5.5, Pause(5.5)), (5.9, Pause(5.9)), (6.0, Pause(5.0, 0.2))]
)
def test_jitter_does_not_carry_an_attempt_past_the_limit(limit: float, pause: Pause | None) -> None:
    assert QuotaWait(limit).refused(START).next_attempt(DISK, START) == pause


def test_a_wait_that_goes_on_elsewhere_says_so_at_once_and_not_each_time() -> None:
    script = Script(full_until(START + 60, FakeService()))
    script.run(submit_run, PAYLOAD, quota=QuotaWait(since=START - 100, refusals=3))
    assert [note.text for note in script.told] == [
        "Still waiting for quota after 1 minute 40 seconds; next create request in 40 seconds"
    ]


@pytest.mark.parametrize(("limit", "is_deadline"), [(89.0, False), (90.0, True), (91.0, True)])
def test_the_limit_that_comes_first_ends_the_wait(limit: float, is_deadline: bool) -> None:
    wait = QuotaWait(limit, deadline=START + 100, since=START)
    assert wait.ends_at_deadline(START + 50) is is_deadline


def test_a_worker_waits_for_three_minutes_and_no_longer() -> None:
    wait = QuotaWait(may_hand_over=True).refused(START)
    handed_over = [wait.is_handed_over(5.0, START + waited) for waited in (0.0, 175.0, 175.1)]
    assert handed_over == [False, False, True]
    assert not QuotaWait().refused(START).is_handed_over(5.0, START + 1_000.0)


def service_filled_by_a_lost_create(list_lag: float) -> FakeService:
    service = FakeService(list_lag=list_lag)
    service.quota = 1
    service.fault("createJobRun", Fault.LOST_AFTER_EFFECT)
    return service


def test_it_is_found_after_a_pause_too_though_there_is_room_for_another_one_by_then() -> None:
    service = service_filled_by_a_lost_create(list_lag=32.0)

    def answer(call: Call[Any], now: float) -> Any:
        service.quota = 1 if now < START + 33 else 2
        return service(call, now)

    script = Script(answer)
    result = script.run(submit_run, PAYLOAD, memory=FIRST)
    assert isinstance(result, Submission)
    assert [run.id for run in service.runs] == [result.run.id]
    assert script.operations.count("createJobRun") == 2, "the lost one and the refused one"


@pytest.mark.parametrize("limit", [0.0, 20.0])
def test_a_wait_that_ends_after_an_unclear_create_does_not_say_that_there_is_no_run(limit: float) -> None:
    service = service_filled_by_a_lost_create(list_lag=600.0)
    with pytest.raises(UnclearCreateError, match="It is unclear whether the run was created"):
        Script(service).run(submit_run, PAYLOAD, memory=FIRST, quota=QuotaWait(limit))


def test_quota_that_the_run_of_a_lost_create_has_used_up_is_not_waited_for() -> None:
    service = service_filled_by_a_lost_create(list_lag=30.5)
    script = Script(service)
    assert isinstance(script.run(submit_run, PAYLOAD, memory=FIRST), Submission)
    assert len(service.runs) == 1
    assert script.operations[-2:] == ["createJobRun", "listJobRuns"]
    assert not script.said("quota")


@pytest.mark.parametrize("ends", [False, True])
def test_an_unclear_create_is_remembered_through_a_hand_over(ends: bool) -> None:
    service = service_filled_by_a_lost_create(list_lag=200.0)
    script = Script(service)
    result: Any = script.run(submit_run, PAYLOAD, memory=FIRST, quota=QuotaWait(may_hand_over=True))
    while isinstance(result, AwaitingQuota):
        memory = Memory.from_json(script.remembered[-1][0].to_json())
        assert memory.is_create_unanswered
        if ends:
            service.runs[0].plan = ((0.0, "RUNNING"), (60.0, "COMPLETED"))
            service.quota = 0
        script.moment += result.pause.seconds
        result = script.run(submit_run, PAYLOAD, memory=memory, quota=QuotaWait.from_kwargs(result.wait.to_kwargs()))
    assert (result.run.id, result.run.status) == ("run0", "COMPLETED" if ends else "RUNNING")
    assert len(service.runs) == 1
