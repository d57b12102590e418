import logging
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wherobots.api.call import Call
from airflow_provider_wherobots.api.errors import (
    AuthenticationError,
    BadRequestError,
    ConflictError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitedError,
    ServerError,
    WherobotsApiError,
)
from airflow_provider_wherobots.api.runs import calls
from airflow_provider_wherobots.api.runs.models import Run
from airflow_provider_wherobots.flows.cancel import cancel_run, cancel_runs_of
from airflow_provider_wherobots.flows.retry import CANCEL_BUDGET_SECONDS, WORKER_CANCEL_BUDGET_SECONDS
from airflow_provider_wherobots.io.base import Note
from airflow_provider_wherobots.io.rate_limit import RateLimits
from airflow_provider_wherobots.runs.memory import Memory, Past
from airflow_provider_wherobots.runs.run_name import Identity
from tests.unit.flows.fake_service import FakeService, Fault
from tests.unit.flows.script import KEY, START, Hang, Script, always, by_operation

IDENTITY = Identity("012345", "6789abcd")
NAME = f"hail_stats{IDENTITY.suffix}"
KNOWN = Memory(IDENTITY, 0, Past.KNOWN, has_looked=True)
UNANSWERED = replace(KNOWN, is_create_unanswered=True)


def test_an_accepted_cancel_is_one_call_and_one_note() -> None:
    service = FakeService()
    run = service.add_run(NAME, START)
    script = Script(service)
    assert script.run(cancel_run, run.id) is None
    assert service.cancels == [(run.id, START)]
    assert script.operations == ["cancelJobRun"]
    assert [(note.level, note.text) for note in script.notes] == [(logging.INFO, "Cancel of run run0 was accepted")]


@pytest.mark.parametrize("seen", [Run("r1", "n", "COMPLETED"), Run("r1", "n", "CANCELLED")])
@pytest.mark.parametrize(
    "error",
    [
        NotFoundError("cancelJobRun", 404),
        ConflictError("cancelJobRun", 409),
        *(BadRequestError("cancelJobRun", status) for status in (400, 410, 422)),
    ],
)
def test_a_run_that_has_ended_needs_no_cancelling(error: WherobotsApiError, seen: Any) -> None:
    script = Script(by_operation(cancelJobRun=always(error), getJobRun=always(seen)))
    assert script.run(cancel_run, "r1") is None
    assert [note.level for note in script.said("need not be cancelled")] == [logging.INFO]
    assert script.elapsed < (12 if isinstance(error, NotFoundError) else 1)


@pytest.mark.parametrize("budget", [0.5, 1.0, 3.8, 25.0])
@pytest.mark.parametrize("latency", [0.05, 0.13, 0.3])
@pytest.mark.parametrize("seen", [NotFoundError("getJobRun", 404), RateLimitedError("getJobRun", 429)])
def test_a_run_that_is_not_there_was_not_cancelled(seen: WherobotsApiError, budget: float, latency: float) -> None:
    script = Script(
        by_operation(cancelJobRun=always(NotFoundError("cancelJobRun", 404)), getJobRun=always(seen)), latency=latency
    )
    assert isinstance(script.run(cancel_run, "r1", budget), NotFoundError)
    (note,) = script.notes
    assert note.level == logging.WARNING
    assert note.text == "Run r1 was not cancelled, because it is not there (404: no body)"


@pytest.mark.parametrize("seen", [Run("r1", "n", "RUNNING"), ServerError("getJobRun", 503)])
def test_a_conflict_that_lasts_is_no_success(seen: Any) -> None:
    conflict = always(ConflictError("cancelJobRun", 409))
    script = Script(by_operation(cancelJobRun=conflict, getJobRun=always(seen)))
    assert script.run(cancel_run, "r1", 10.0) is not None
    assert script.sleeps == [0.4] * 6 + [2.0] * 3
    assert script.elapsed < 10.0
    assert [(note.level, note.text) for note in script.notes] == [
        (
            logging.ERROR,
            "Run r1 could not be cancelled (409: no body). It keeps running, and costs money, until its "
            "timeout_seconds, unless an earlier cancel takes effect. To cancel it: "
            "python -m airflow_provider_wherobots runs cancel --yes r1",
        )
    ]


def test_each_call_has_the_time_that_is_left_at_most_10_seconds_and_at_least_half_a_second() -> None:
    conflict = always(ConflictError("cancelJobRun", 409))
    service = by_operation(cancelJobRun=conflict, getJobRun=always(Run("r1", "n", "RUNNING")))
    script = Script(service, latency=1.0)
    assert script.run(cancel_run, "r1", 12.0) is not None
    assert [(sent.call.operation, sent.timeout) for sent in script.sent[:4]] == [
        ("cancelJobRun", 10.0),
        ("getJobRun", 10.0),
        ("cancelJobRun", pytest.approx(9.6)),
        ("getJobRun", pytest.approx(8.6)),
    ]
    script = Script(service)
    assert script.run(cancel_run, "r1", 0.1) is not None
    assert [sent.timeout for sent in script.sent] == [0.5, 0.5]


@pytest.mark.parametrize("budget", [CANCEL_BUDGET_SECONDS, WORKER_CANCEL_BUDGET_SECONDS])
def test_a_cancel_whose_wait_is_longer_than_the_budget_is_tried_again_within_it(budget: float) -> None:
    script = Script(always(RateLimitedError("cancelJobRun", 429, retry_after=60.0)))
    assert script.run(cancel_run, "r1", budget) is not None
    assert 3 <= len(script.sent) <= 7
    assert budget / 2 < script.elapsed < budget


@pytest.mark.parametrize(
    "error",
    [
        PermissionDeniedError("cancelJobRun", 403),
        AuthenticationError("cancelJobRun", 401),
        BadRequestError("cancelJobRun", 400),
    ],
)
def test_a_refusal_is_repeated_within_the_budget_and_said_as_an_error(error: WherobotsApiError) -> None:
    script, said = Script(always(error)), error.reason
    assert script.run(cancel_run, "r1") is not None
    assert CANCEL_BUDGET_SECONDS - 2.0 < script.elapsed < CANCEL_BUDGET_SECONDS
    (note,) = script.notes
    assert note.level == logging.ERROR
    assert note.text.startswith("Run r1 could not be cancelled (")
    assert said in note.text
    assert note.text.endswith(
        "). It keeps running, and costs money, until its timeout_seconds. To cancel it: "
        "python -m airflow_provider_wherobots runs cancel --yes r1"
    )


def test_a_refusal_can_end_it_at_once() -> None:
    script = Script(always(PermissionDeniedError("cancelJobRun", 403)))
    assert script.run(cancel_run, "r1", refused_seconds=0.0) is not None
    assert len(script.sent) == 1


@given(st.lists(st.sampled_from([*Fault, None]), max_size=40), st.floats(0.1, 30), st.floats(0, 1))
def test_a_cancel_ends_in_time_and_says_true(faults: list[Fault | None], budget: float, jitter: float) -> None:
    service = FakeService()
    run = service.add_run(NAME, START)
    service.fault("cancelJobRun", *faults)
    script = Script(service, jitter=jitter)
    cancelled = script.run(cancel_run, run.id, budget) is None
    assert script.elapsed <= budget + 0.6
    if cancelled:
        assert run.cancelled_at is not None


def test_by_name_the_active_runs_are_cancelled_and_no_others() -> None:
    service = FakeService()
    service.add_run(NAME, START - 90, id="ended", plan=((0.0, "COMPLETED"),))
    service.add_run(NAME, START - 80, id="destroyed", app_status="DESTROYING")
    service.add_run(f"{NAME}x", START - 70, id="stranger")
    service.add_run(NAME, START - 60, id="first")
    service.add_run(NAME, START - 50, id="second")
    assert Script(service).run(cancel_runs_of, UNANSWERED, WORKER_CANCEL_BUDGET_SECONDS) == ["first", "second"]
    assert [run_id for run_id, _ in service.cancels] == ["first", "second"]


def test_by_name_a_limited_key_delays_neither_the_look_nor_the_cancel() -> None:
    service = FakeService()
    service.add_run(NAME, START)
    limits = RateLimits()
    limits.of(KEY).refused(calls.get_run("r0"), RateLimitedError("getJobRun", 429, retry_after=60.0), 0.0)
    script = Script(service, limits=limits)
    assert script.run(cancel_runs_of, UNANSWERED, WORKER_CANCEL_BUDGET_SECONDS) == ["run0"]
    assert script.elapsed < 1.0


def test_by_name_what_hid_the_run_is_said_once() -> None:
    script = Script(always(ServerError("listJobRuns", 503)))
    script.run(cancel_runs_of, UNANSWERED, WORKER_CANCEL_BUDGET_SECONDS)
    (note,) = script.notes
    assert note == Note(
        logging.WARNING,
        "No run to cancel was found (Listing runs failed: 503: no body). If the create request still goes through, its "
        "run stays active until its timeout. Check: "
        "python -m airflow_provider_wherobots runs list --name '*-0123456789abcd'",
    )


def test_by_name_a_run_that_was_found_and_could_not_be_cancelled_is_not_said_to_be_missing() -> None:
    service = FakeService()
    service.add_run(NAME, START)
    service.fault("cancelJobRun", *[Fault.ERROR_500] * 20)
    script = Script(service)
    assert script.run(cancel_runs_of, UNANSWERED, WORKER_CANCEL_BUDGET_SECONDS) == []
    assert script.said("Run run0 could not be cancelled")
    assert not script.said("No run to cancel was found")


@pytest.mark.parametrize("budget", [3.8, 10.0])
def test_by_name_the_budget_bounds_it_all(budget: float) -> None:
    for service in (FakeService(), always(ServerError("listJobRuns", 503)), always(Hang())):
        script = Script(service)
        assert script.run(cancel_runs_of, UNANSWERED, budget) == []
        assert budget <= script.elapsed <= budget + 0.6
        assert script.said("No run to cancel was found")


def test_by_name_a_budget_that_is_used_up_sends_nothing_and_says_so() -> None:
    script = Script(FakeService())
    assert script.run(cancel_runs_of, UNANSWERED, 0.0) == []
    assert script.sent == []
    assert script.said("No run to cancel was found. If the create request")


@pytest.mark.parametrize("seconds", [1, 5, 8])
def test_a_run_too_new_to_be_known_is_asked_to_be_cancelled_again(seconds: int) -> None:
    service = FakeService()
    run = service.add_run(NAME, START)

    def too_new_at_first(call: Call[Any], moment: float) -> Any:
        if moment < START + seconds:
            raise NotFoundError("cancelJobRun", 404)
        return service(call, moment)

    assert Script(too_new_at_first).run(cancel_run, run.id) is None
    assert [run_id for run_id, _ in service.cancels] == [run.id]


def test_by_name_an_older_run_on_its_way_out_does_not_hide_the_new_one() -> None:
    service = FakeService(cancel_seconds=60, list_lag=1.0)
    service.add_run(NAME, START - 100, id="older")
    service.add_run(NAME, START, id="newer")
    memory = replace(UNANSWERED, passed_over=("older",))
    assert Script(service).run(cancel_runs_of, memory, WORKER_CANCEL_BUDGET_SECONDS) == ["older", "newer"]


def test_by_name_one_that_is_not_known_yet_does_not_use_up_the_time_of_the_other() -> None:
    service = FakeService()
    service.add_run(NAME, START - 2, id="new")
    service.add_run(NAME, START - 1, id="other")

    def unknown(call: Call[Any], moment: float) -> Any:
        if "new" in call.path:
            raise NotFoundError(call.operation, 404)
        return service(call, moment)

    assert Script(unknown).run(cancel_runs_of, UNANSWERED, WORKER_CANCEL_BUDGET_SECONDS) == ["other"]


def test_by_name_runs_whose_cancels_are_not_answered_share_the_time() -> None:
    service = FakeService()
    for name in ("a", "b", "c"):
        service.add_run(NAME, START, id=name)
    script = Script(by_operation(listJobRuns=service, cancelJobRun=always(Hang()), getJobRun=service))
    script.run(cancel_runs_of, KNOWN, 12.0)
    asked = script.sent_of("cancelJobRun")
    assert {sent.call.path.split("/")[2] for sent in asked} == {"a", "b", "c"}
    assert [sent.timeout for sent in asked] == pytest.approx([3.9] * 3, abs=0.1)


def test_the_run_that_the_task_knows_has_half_of_the_time() -> None:
    script = Script(always(Hang()))
    assert script.run(cancel_runs_of, replace(KNOWN, runs=("run0",)), 12.0) == []
    assert script.operations[:2] == ["getJobRun", "cancelJobRun"]
    assert [sent.timeout for sent in script.sent[:2]] == pytest.approx([3.0, 3.0], abs=0.1)
    assert script.sent_of("listJobRuns")[0].at - START == pytest.approx(6.0, abs=0.2)


def test_by_name_a_look_that_failed_is_repeated_though_no_create_was_sent() -> None:
    service = FakeService()
    service.add_run(NAME, START)
    service.fault("listJobRuns", *[Fault.ERROR_500] * 9)
    assert Script(service).run(cancel_runs_of, KNOWN, 60.0) == ["run0"]


@pytest.mark.parametrize(
    "memory",
    [replace(KNOWN, runs=("run0",)), Memory(IDENTITY, 0, Past.NOTHING, passed_over=("run0",))],
    ids=["a retry", "after a clear"],
)
@pytest.mark.parametrize("get_lag", [0.0, 1.0])
def test_a_run_that_the_task_knows_is_cancelled_even_if_no_list_has_it(memory: Memory, get_lag: float) -> None:
    service = FakeService(list_lag=60.0, get_lag=get_lag)
    service.add_run(NAME, START)
    script = Script(service)
    assert script.run(cancel_runs_of, memory, WORKER_CANCEL_BUDGET_SECONDS) == ["run0"]
    assert [run_id for run_id, _ in service.cancels] == ["run0"]
    assert not script.said("No run to cancel was found")


def test_a_run_that_the_task_knows_and_that_has_ended_is_not_cancelled() -> None:
    service = FakeService()
    service.add_run(NAME, START - 60, plan=((0.0, "FAILED"),))
    script = Script(service)
    assert script.run(cancel_runs_of, replace(KNOWN, runs=("run0",)), WORKER_CANCEL_BUDGET_SECONDS) == []
    assert script.operations == ["getJobRun", "listJobRuns"]


def test_a_run_that_an_earlier_attempt_has_passed_over_is_not_asked_for() -> None:
    script = Script(FakeService())
    memory = replace(KNOWN, runs=("run0",), passed_over=("run0",))
    assert script.run(cancel_runs_of, memory, WORKER_CANCEL_BUDGET_SECONDS) == []
    assert script.operations == ["listJobRuns"]


def test_a_run_that_the_task_knows_and_that_is_gone_leaves_time_for_the_others() -> None:
    service = FakeService()
    service.add_run(NAME, START)
    script = Script(service, latency=0.2)
    assert script.run(cancel_runs_of, replace(KNOWN, runs=("gone",)), WORKER_CANCEL_BUDGET_SECONDS) == ["run0"]
    assert script.elapsed < WORKER_CANCEL_BUDGET_SECONDS


def test_by_name_one_look_is_enough_if_no_create_was_sent() -> None:
    script = Script(FakeService())
    assert script.run(cancel_runs_of, KNOWN, WORKER_CANCEL_BUDGET_SECONDS) == []
    assert script.operations == ["listJobRuns"]
    assert script.notes == []
