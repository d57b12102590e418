from __future__ import annotations

import pytest

from airflow_provider_wherobots.api import calls
from airflow_provider_wherobots.api.errors import AuthenticationError, PermissionDeniedError, RateLimitedError
from airflow_provider_wherobots.api.models import Run
from airflow_provider_wherobots.flows.effects import attempt, now
from tests.unit.flows.script import START, Script, always, answers

RUN = Run("r1", "name", "RUNNING")
REFUSED = AuthenticationError("getJobRun", 401)


def test_now_is_the_drivers_clock() -> None:
    assert Script(answers()).run(now()) == START


def test_a_refused_key_is_read_again_once_and_the_call_repeated_if_it_changed() -> None:
    script = Script(answers(REFUSED, RUN), reload=lambda: True)
    assert script.run(attempt(calls.get_run("r1"))) == RUN
    assert (script.reloads, script.operations) == (1, ["getJobRun"] * 2)


def test_a_refused_key_that_has_not_changed_is_the_end_at_once() -> None:
    script = Script(answers(REFUSED))
    with pytest.raises(AuthenticationError):
        script.run(attempt(calls.get_run("r1")))
    assert (script.reloads, script.operations) == (1, ["getJobRun"])


def test_a_changed_key_that_is_refused_too_is_the_end() -> None:
    script = Script(always(REFUSED), reload=lambda: True)
    with pytest.raises(AuthenticationError):
        script.run(attempt(calls.get_run("r1")))
    assert (script.reloads, len(script.sent)) == (1, 2)


def test_a_create_is_repeated_too_as_a_refused_one_had_no_effect() -> None:
    script = Script(answers(REFUSED, RUN), reload=lambda: True)
    assert script.run(attempt(calls.create_run({}))) == RUN
    assert script.operations == ["createJobRun"] * 2


@pytest.mark.parametrize("error", [PermissionDeniedError("getJobRun", 403), RateLimitedError("getJobRun", 429)])
def test_no_other_error_reads_the_connection_again(error: Exception) -> None:
    script = Script(always(error), reload=lambda: True)
    with pytest.raises(type(error)):
        script.run(attempt(calls.get_run("r1")))
    assert (script.reloads, len(script.sent)) == (0, 1)


def test_the_timeout_is_that_of_every_sending() -> None:
    script = Script(answers(REFUSED, RUN), reload=lambda: True)
    script.run(attempt(calls.get_run("r1"), 7.0))
    assert [sent.timeout for sent in script.sent] == [7.0, 7.0]
