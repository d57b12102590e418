"""What a proxy, a login page or a maintenance page answers says nothing about a run."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_wherobots.api.call import Call
from airflow_provider_wherobots.api.response import Response, read_response
from airflow_provider_wherobots.flows.cancel import cancel_run
from airflow_provider_wherobots.flows.follow import FollowOptions, follow_run
from airflow_provider_wherobots.flows.sql.session import stop_session
from airflow_provider_wherobots.flows.submit import Submission, submit_run
from airflow_provider_wherobots.runs.memory import Memory, Past
from airflow_provider_wherobots.runs.outcome import Ending
from airflow_provider_wherobots.runs.run_name import Identity
from tests.unit.flows.fake_service import FakeService
from tests.unit.flows.script import START, Answer, Script, always, by_operation

NAME = "hail_stats-0123456789abcd"
STATUSES = (302, 400, 403, 404, 407, 409, 410)


def page(status: int) -> Answer:
    """A maintenance page in place of any answer."""

    def answer(call: Call[Any], moment: float) -> Any:
        return read_response(call, Response(status, {}, b"<html>We are back soon</html>"))

    return answer


def until(moment: float, first: Answer, then: Answer) -> Answer:
    return lambda call, now: (first if now < START + moment else then)(call, now)


@pytest.mark.parametrize("status", STATUSES)
def test_a_run_is_followed_on(status: int) -> None:
    service = FakeService()
    run = service.add_run(NAME, START, plan=((0.0, "RUNNING"), (500.0, "COMPLETED")))
    script = Script(until(300, page(status), service))
    outcome = script.run(follow_run(FollowOptions(run.id, START)))
    assert outcome.ending is Ending.COMPLETED
    assert len(script.said("the run is not affected; polling continues")) == 1


@pytest.mark.parametrize("status", STATUSES)
def test_a_create_is_looked_up_before_it_is_repeated(status: int) -> None:
    service = FakeService()
    memory = Memory(Identity("012345", "6789abcd"), 0, Past.NOTHING)
    script = Script(by_operation(listJobRuns=service, createJobRun=until(30, page(status), service)))
    submission = script.run(submit_run({"name": NAME}, memory=memory))
    assert isinstance(submission, Submission)
    assert len(service.runs) == 1
    first = script.operations.index("createJobRun")
    assert set(script.operations[first + 1 : script.operations.index("createJobRun", first + 1)]) == {"listJobRuns"}


@pytest.mark.parametrize("status", STATUSES)
def test_a_cancel_is_repeated_until_the_service_has_it(status: int) -> None:
    service = FakeService()
    run = service.add_run(NAME, START)
    assert Script(until(10, page(status), service)).run(cancel_run(run.id)) is None
    assert [run_id for run_id, _ in service.cancels] == [run.id]
    script = Script(page(status))
    assert script.run(cancel_run(run.id)) is not None
    assert not script.said("need not be cancelled")
    assert script.said("It keeps running, and costs money, until its timeout_seconds")


@pytest.mark.parametrize("status", [404, 409])
def test_a_session_is_not_taken_to_be_stopped(status: int) -> None:
    script = Script(page(status))
    assert not script.run(stop_session("s1"))
    assert not script.said("need not be stopped")
    assert Script(until(5, page(status), always(None))).run(stop_session("s1"))
