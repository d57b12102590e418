"""The doctor's runs are always ended, whatever happens while they are created and observed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from airflow_provider_wherobots.api.call import Call
from airflow_provider_wherobots.api.errors import (
    AuthenticationError,
    BadRequestError,
    ErrorInfo,
    NotSentError,
    QuotaError,
    ResponseLostError,
    WherobotsApiError,
)
from airflow_provider_wherobots.doctor import job
from airflow_provider_wherobots.doctor.trial import CANCEL, LOG, TIMEOUT, Plan, Trial, end_runs, numbers, try_out
from tests.unit.flows.fake_service import FakeService
from tests.unit.flows.script import Script

PLAN = Plan("0123456789ab", "s3://bucket/job.py", max_seconds=60, list_seconds=10, late_seconds=5)
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
    """Do what the command does; the driver that ends the runs is a new one."""
    trial, script = Trial(PLAN), Script(service)
    if kind is None:
        script.run(try_out(trial))
    else:
        with pytest.raises(kind):
            script.run(try_out(trial))
    ending = Script(service)
    ending.now = script.now
    left = ending.run(end_runs(trial))
    script.now = ending.now
    return trial, script, left


def test_three_runs_are_created_with_a_bound_each() -> None:
    service = Service({})
    _, script, left = carried_out(service)
    payloads = [sent.call.json or {} for sent in script.sent_of("createJobRun")]
    assert [payload["name"] for payload in payloads] == [PLAN.name(role) for role in (LOG, CANCEL, TIMEOUT)]
    assert [payload["timeoutSeconds"] for payload in payloads] == [60, 60, 30]
    assert {payload["runtime"] for payload in payloads} == {"tiny"}
    assert payloads[0]["runPython"]["args"] == [LOG, *job.ARGUMENTS]
    assert left == []
    assert service.active(script.now) == []


def test_a_trial_is_bounded_in_time_when_nothing_ends() -> None:
    service = Service({}, plan=((0.0, "PENDING"),))
    trial, script, _ = carried_out(service)
    assert script.elapsed < PLAN.max_seconds + 30
    assert trial.ended == set()
    assert service.active(script.now) == []


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
@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, RuntimeError])
def test_an_interruption_leaves_no_run(operation: str, number: int, kind: type[BaseException]) -> None:
    service = Service({(operation, number): kind()})
    _, script, left = carried_out(service, kind)
    assert left == []
    assert service.active(script.now) == []


@pytest.mark.parametrize("number", [1, 2, 3])
def test_the_run_of_an_interrupted_create_is_looked_for_until_lists_show_it(number: int) -> None:
    service = Service({("createJobRun", number): KeyboardInterrupt()}, list_lag=8.0)
    trial, script, left = carried_out(service, KeyboardInterrupt)
    assert (left, trial.creating, len(trial.ids)) == ([], set(), number)
    assert service.active(script.now) == []


@pytest.mark.parametrize("number", [1, 2, 3])
def test_the_run_of_an_interrupted_create_that_no_list_shows_in_time_stays_unclear(number: int) -> None:
    service = Service({("createJobRun", number): KeyboardInterrupt()}, list_lag=3_600.0)
    trial, script, left = carried_out(service, KeyboardInterrupt)
    assert (left, trial.creating, len(trial.ids)) == ([], {(LOG, CANCEL, TIMEOUT)[number - 1]}, number - 1)
    assert len(service.active(script.now)) == 1
    assert script.elapsed < PLAN.list_seconds + 30


def test_lists_that_fail_are_repeated_while_a_run_is_looked_for() -> None:
    failure = NotSentError("listJobRuns", "refused")
    service = Service({("createJobRun", 1): KeyboardInterrupt(), **{("listJobRuns", n): failure for n in (1, 2)}})
    trial, script, left = carried_out(service, KeyboardInterrupt)
    assert (left, trial.creating) == ([], set())
    assert service.active(script.now) == []


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_create_whose_answer_was_lost_leaves_no_run(number: int) -> None:
    service = Service({("createJobRun", number): ResponseLostError("createJobRun", "reset")})
    trial, script, left = carried_out(service)
    assert left == []
    assert trial.creating == set()
    assert service.active(script.now) == []


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


def test_unusual_arguments_that_are_refused_are_left_out() -> None:
    service = Service({("createJobRun", 1): BadRequestError("createJobRun", 422)})
    trial, script, _ = carried_out(service)
    first, second, *_ = (sent.call.json or {} for sent in script.sent_of("createJobRun"))
    assert (first["runPython"]["args"][1:], second["runPython"]["args"]) == (list(job.ARGUMENTS), [LOG])
    assert LOG in trial.ids
    assert LOG not in trial.failures


def test_a_key_that_is_revoked_ends_the_trial() -> None:
    service = Service({("getJobRun", 4): AuthenticationError("getJobRun", 401)})
    _, script, left = carried_out(service, WherobotsApiError)
    assert left == []
    assert service.active(script.now) == []


def test_a_run_that_cannot_be_cancelled_is_named() -> None:
    failure = AuthenticationError("cancelJobRun", 401)
    service = Service({("cancelJobRun", number): failure for number in range(1, 50)}, plan=((0.0, "PENDING"),))
    trial, _, left = carried_out(service)
    assert left == list(trial.ids.values())


def test_numbers_of_lines() -> None:
    lines = ["noise", f"{job.LINE}2", f"{job.LINE}1", f"{job.LINE}", f"{job.LINE}x", f"{job.ERROR_LINE}9"]
    assert numbers(lines, job.LINE) == [2, 1]
