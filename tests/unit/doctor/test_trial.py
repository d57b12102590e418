"""The doctor's runs are always ended, whatever happens while they are created and observed."""

from collections.abc import Mapping
from typing import Any

import pytest

from airflow_provider_wherobots.api.call import Call
from airflow_provider_wherobots.api.errors import (
    AuthenticationError,
    ErrorInfo,
    NotSentError,
    QuotaError,
    ResponseLostError,
    WherobotsApiError,
)
from airflow_provider_wherobots.doctor.checks import State
from airflow_provider_wherobots.doctor.trial import CANCEL, LOG, TIMEOUT, Plan, Trial, end_runs, runs_check, try_out
from airflow_provider_wherobots.runs.outcome import Ending, Outcome
from tests.unit.flows.fake_service import FakeRun, FakeService
from tests.unit.flows.script import Script

PLAN = Plan("0123456789ab", "s3://bucket/job.py", max_seconds=200, list_seconds=10, late_seconds=5)
RUNNING = ((0.0, "PENDING"), (5.0, "RUNNING"))


class Service:
    """A fake service that fails a chosen call."""

    def __init__(self, failures: Mapping[tuple[str, int], BaseException], **fields: Any) -> None:
        self.fake = FakeService(**{"plan": RUNNING, **fields})
        self._failures = failures
        self._counts: dict[str, int] = {}

    def __call__(self, call: Call[Any], moment: float) -> Any:
        count = self._counts[call.operation] = self._counts.get(call.operation, 0) + 1
        failure = self._failures.get((call.operation, count))
        if isinstance(failure, ResponseLostError) or (failure and not isinstance(failure, WherobotsApiError)):
            # The request arrives all the same.
            self.fake(call, moment)
        if failure is not None:
            raise failure
        return self.fake(call, moment)

    def active(self, moment: float) -> list[str]:
        return [run.id for run in self.fake.runs if run.status(moment) in ("PENDING", "RUNNING")]


def carried_out(service: Service, kind: type[BaseException] | None = None) -> tuple[Trial, Script, list[str]]:
    """Do what the command does; the ``Io`` that ends the runs is a new one."""
    trial, script = Trial(PLAN), Script(service)
    if kind is None:
        script.run(try_out, trial)
    else:
        with pytest.raises(kind):
            script.run(try_out, trial)
    ending = Script(service)
    ending.moment = script.moment
    left = ending.run(end_runs, trial)
    script.moment = ending.moment
    return trial, script, left


def test_three_runs_are_created_with_a_bound_each() -> None:
    service = Service({})
    _, script, left = carried_out(service)
    payloads = [sent.call.json or {} for sent in script.sent_of("createJobRun")]
    assert [payload["name"] for payload in payloads] == [PLAN.name(role) for role in (LOG, CANCEL, TIMEOUT)]
    assert [payload["timeoutSeconds"] for payload in payloads] == [200, 200, 30]
    assert {payload["runtime"] for payload in payloads} == {"tiny"}
    assert [payload["runPython"]["args"] for payload in payloads] == [["log"], ["sleep"], ["sleep"]]
    assert left == []
    assert service.active(script.moment) == []


def test_a_trial_is_bounded_in_time_when_nothing_ends() -> None:
    service = Service({}, plan=((0.0, "PENDING"),))
    trial, script, _ = carried_out(service)
    assert script.elapsed < PLAN.max_seconds + 30
    assert not any(map(trial.has_ended, trial.ids))
    assert service.active(script.moment) == []


@pytest.mark.parametrize(
    ("operation", "number"),
    [
        ("createJobRun", 1),
        ("createJobRun", 2),
        ("createJobRun", 3),
        ("getJobRun", 1),
        ("listJobRuns", 1),
        ("getJobRunLogs", 1),
    ],
)
def test_an_interruption_leaves_no_run(operation: str, number: int) -> None:
    service = Service({(operation, number): KeyboardInterrupt()})
    _, script, left = carried_out(service, KeyboardInterrupt)
    assert left == []
    assert service.active(script.moment) == []


@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize("list_lag", [8.0, 3_600.0])
def test_the_run_of_an_interrupted_create_is_found_or_time_is_up(number: int, list_lag: float) -> None:
    service = Service({("createJobRun", number): KeyboardInterrupt()}, list_lag=list_lag)
    trial, script, left = carried_out(service, KeyboardInterrupt)
    unclear = {(LOG, CANCEL, TIMEOUT)[number - 1]} if list_lag > 8.0 else set()
    assert (left, trial.creating, len(trial.ids)) == ([], unclear, number - len(unclear))
    assert len(service.active(script.moment)) == len(unclear)
    assert script.elapsed < PLAN.list_seconds + 30


def test_lists_that_fail_are_repeated_while_a_run_is_looked_for() -> None:
    failure = NotSentError("listJobRuns", "refused")
    service = Service({("createJobRun", 1): KeyboardInterrupt(), **{("listJobRuns", n): failure for n in (1, 2)}})
    trial, script, left = carried_out(service, KeyboardInterrupt)
    assert (left, trial.creating) == ([], set())
    assert service.active(script.moment) == []


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_create_whose_answer_was_lost_leaves_no_run(number: int) -> None:
    service = Service({("createJobRun", number): ResponseLostError("createJobRun", "reset")})
    trial, script, left = carried_out(service)
    assert left == []
    assert trial.creating == set()
    assert service.active(script.moment) == []


def test_a_full_organization_has_what_could_be_created_observed() -> None:
    full = QuotaError("createJobRun", 403, (ErrorInfo("INSUFFICIENT_QUOTA_ERROR", "full"),))
    service = Service({("createJobRun", 2): full, ("createJobRun", 3): full})
    trial, script, _ = carried_out(service)
    assert (set(trial.ids), set(trial.failures), trial.creating) == ({LOG}, {CANCEL, TIMEOUT}, set())
    assert "getJobRun" in script.operations


def test_nothing_is_observed_without_the_first_run() -> None:
    refused = NotSentError("createJobRun", "refused")
    service = Service({("createJobRun", number): refused for number in range(1, 100)})
    trial, script, left = carried_out(service)
    assert (trial.ids, left, set(script.operations)) == ({}, [], {"createJobRun"})
    assert "refused" in trial.failures[LOG]


def test_a_key_that_is_revoked_ends_the_trial() -> None:
    failure = AuthenticationError("getJobRun", 401)
    service = Service({("getJobRun", number): failure for number in range(2, 100)})
    trial, script, left = carried_out(service)
    assert (left, set(trial.outcomes)) == ([], {LOG})
    assert service.active(script.moment) == []


def test_each_run_is_observed_to_its_end() -> None:
    """The fake runs do not print, so the log is read until the time for late lines has passed."""
    service = Service({}, plan=(*RUNNING, (30.0, "COMPLETED")), cancel_seconds=3.0)
    trial, script, left = carried_out(service)
    assert [trial.outcomes[role].status for role in (LOG, TIMEOUT)] == ["COMPLETED", "COMPLETED"]
    assert trial.listed_seconds == pytest.approx(0.1)
    assert trial.printing_run is not None
    assert trial.printing_run.id == trial.ids[LOG]
    assert (left, script.sent_of("cancelJobRun")) == ([], [])


def test_the_run_that_is_to_be_cancelled_is_cancelled_while_it_runs() -> None:
    class OneEnds(FakeService):
        def add_run(self, name: str, created_at: float, **details: Any) -> FakeRun:
            plan = RUNNING if CANCEL in name else (*RUNNING, (8.0, "COMPLETED"))
            return super().add_run(name, created_at, plan=plan, **details)

    service = Service({})
    service.fake = OneEnds(cancel_seconds=3.0)
    trial, script, left = carried_out(service)
    # The log that is read for a minute after its run has ended, and again for late lines, is that of the first run.
    assert script.elapsed < 8.0 + 60.0 + PLAN.late_seconds + 15.0
    assert trial.cancelled_at is not None
    assert trial.outcomes[CANCEL].status == "CANCELLED"
    assert trial.outcomes[CANCEL].ended_at == pytest.approx(trial.cancelled_at + 4.0, abs=1.0)
    assert left == []


def test_nothing_else_is_observed_if_the_first_run_does_not_end_in_time() -> None:
    trial, _, _ = carried_out(Service({}))
    assert (set(trial.outcomes), trial.cancelled_at) == ({LOG}, None)


def test_a_run_that_cannot_be_cancelled_is_named() -> None:
    failure = AuthenticationError("cancelJobRun", 401)
    service = Service({("cancelJobRun", number): failure for number in range(1, 50)}, plan=((0.0, "PENDING"),))
    trial, _, left = carried_out(service)
    assert left == list(trial.ids.values())


ENDED = Outcome(Ending.COMPLETED, "r", "COMPLETED")
FIND = (
    "python -m airflow_provider_wherobots runs list --name '*-0123456789ab' --conn wb, then "
    "python -m airflow_provider_wherobots runs cancel --yes RUN_ID --conn wb"
)


@pytest.mark.parametrize(
    ("ended", "creating", "failures", "left", "state", "text", "advice"),
    [
        ("log cancel timeout", "", {}, [], State.OK, "Created 3 runs named *-0123456789ab. All have ended.", ""),
        (
            "log cancel",
            "",
            {},
            [],
            State.FAILED,
            "Cancelled, if they had not ended: timeout0. Created 3 runs named *-0123456789ab.",
            "repeat the command",
        ),
        (
            "log cancel timeout",
            "cancel",
            {CANCEL: "reset"},
            [],
            State.WARNING,
            "May still be active: airflow-doctor-cancel-0123456789ab. The create of airflow-doctor-cancel-0123456789ab "
            "failed (reset). Created 3 runs named *-0123456789ab.",
            FIND,
        ),
    ],
)
def test_what_became_of_the_runs(
    ended: str, creating: str, failures: dict[str, str], left: list[str], state: State, text: str, advice: str
) -> None:
    trial = Trial(PLAN, ids={role: f"{role}0" for role in (LOG, CANCEL, TIMEOUT)}, failures=failures)
    trial.outcomes, trial.creating = dict.fromkeys(ended.split(), ENDED), set(creating.split())
    check = runs_check(trial, left, "wb")
    assert (check.state, check.text, check.advice) == (state, text, advice)
