from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wherobots.api.errors import (
    AuthenticationError,
    BadRequestError,
    ErrorInfo,
    NotFoundError,
    PermissionDeniedError,
    RateLimitedError,
    ResponseError,
    ServerError,
)
from airflow_provider_wherobots.api.runs import calls
from airflow_provider_wherobots.api.runs.models import Run
from airflow_provider_wherobots.io.base import Io
from airflow_provider_wherobots.logs.records import make_safe
from tests.unit.flows.script import Script, always, answers

RUN = Run("r1", "name", "RUNNING")
REFUSED = AuthenticationError("getJobRun", 401)


@pytest.mark.parametrize("refused", [REFUSED, PermissionDeniedError("getJobRun", 403)])
def test_a_refused_key_is_read_again_once_and_the_call_repeated_if_it_changed(refused: ResponseError) -> None:
    script = Script(answers(refused, RUN), reload=lambda: True)
    assert script.run(Io.send, calls.get_run("r1")) == RUN
    assert (script.reloads, script.operations) == (1, ["getJobRun"] * 2)


def test_a_refused_key_that_has_not_changed_is_the_end_at_once() -> None:
    script = Script(answers(REFUSED))
    with pytest.raises(AuthenticationError):
        script.run(Io.send, calls.get_run("r1"))
    assert (script.reloads, script.operations) == (1, ["getJobRun"])


@pytest.mark.parametrize("error", [NotFoundError("getJobRun", 404), RateLimitedError("getJobRun", 429)])
def test_no_other_error_reads_the_connection_again(error: Exception) -> None:
    script = Script(always(error), reload=lambda: True)
    with pytest.raises(type(error)):
        script.run(Io.send, calls.get_run("r1"))
    assert (script.reloads, len(script.sent)) == (0, 1)


SUGGESTED = ErrorInfo("UNAUTHORIZED_ERROR", "Unauthorized", "Invalid API key", "Send the key in the header.")


@pytest.mark.parametrize("changed", [True, False])
def test_a_refused_key_is_named_by_its_connection_without_the_services_advice(changed: bool) -> None:
    script = Script(always(AuthenticationError("getJobRun", 401, (SUGGESTED,), "req-1")), reload=lambda: changed)
    with pytest.raises(AuthenticationError) as caught:
        script.run(Io.send, calls.get_run("r1"))
    assert str(caught.value) == (
        "connection 'script': the API key is refused (Reading the run failed: 401 UNAUTHORIZED_ERROR: Unauthorized: "
        "Invalid API key [request id: req-1])"
    )
    assert caught.value.__cause__ is None
    assert caught.value.errors == (replace(SUGGESTED, suggestion=""),)


def test_a_refused_key_without_the_services_form_of_an_error_is_named_too() -> None:
    script = Script(always(AuthenticationError("getJobRun", 401, excerpt="<html>log in</html>")))
    with pytest.raises(AuthenticationError) as caught:
        script.run(Io.send, calls.get_run("r1"))
    assert str(caught.value) == (
        "connection 'script': the API key is refused (Reading the run failed: 401: <html>log in</html>)"
    )


@given(st.sampled_from([AuthenticationError, BadRequestError, ServerError]), st.text())
def test_an_error_carries_the_services_words_safely_and_bounded(kind: type[ResponseError], text: str) -> None:
    script = Script(always(kind("getJobRun", 400, (ErrorInfo(text, text * 5_000, text, text, text),), text)))
    with pytest.raises(kind) as caught:
        script.run(Io.send, calls.get_run("r1"))
    assert make_safe(str(caught.value)) == str(caught.value)
    assert len(str(caught.value)) <= 2_000
