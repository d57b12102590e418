from __future__ import annotations

from dataclasses import replace
from email.utils import formatdate
from typing import Any

import pytest

from airflow_provider_wherobots.api.connection import read_settings
from airflow_provider_wherobots.api.errors import (
    AuthenticationError,
    CaBundleError,
    ErrorInfo,
    ForeignResponseError,
    NotFoundError,
    NotSentError,
    PermissionDeniedError,
    PlainHttpError,
    ProxySettingError,
    RateLimitedError,
    ResponseLostError,
    ServerError,
    UnreadableResponseError,
    UntrustedServerError,
    WherobotsApiError,
)
from airflow_provider_wherobots.api.runs.models import RunPage
from airflow_provider_wherobots.doctor.check import Check, State
from airflow_provider_wherobots.doctor.service import Responses, Sample, query_service, service_checks
from tests.unit.doctor.recorded import START
from tests.unit.flows.script import Script, answers, by_operation

OPERATION = "listJobRuns"
SAID = (ErrorInfo("CODE", "what the service said"),)
ORGANIZATION = {"allowedRegions": ["aws-us-west-2"], "defaultRegion": "aws-us-west-2", "defaultRuntime": "tiny"}
STORAGE = [{"type": "MANAGED", "readOnly": False}, {"type": "INTEGRATION", "readOnly": True}]
DENIED = PermissionDeniedError("listIntegration", 403, SAID)


def checks(
    responses: Responses, *samples: Sample, proxy: str | None = None, host: str = "", extra: str = ""
) -> dict[str, Check]:
    settings = read_settings(host=host, password="a-key", extra=extra)
    return {check.name: check for check in service_checks(replace(responses, samples=list(samples)), settings, proxy)}


def healthy(**changes: Any) -> Responses:
    return replace(Responses(None, ORGANIZATION, STORAGE, {}), **changes)


def dated(behind: float = 0.0, seconds: float = 0.2) -> Sample:
    """A list whose answer was dated so many seconds before this machine's clock."""
    return Sample(START, seconds, formatdate(START - behind, usegmt=True))


def test_all_is_well() -> None:
    found = checks(healthy(), dated())
    assert {name: check.state for name, check in found.items()} == dict.fromkeys(found, State.OK)
    assert [check for check in found.values() if check.advice] == []


@pytest.mark.parametrize(
    ("error", "states", "advice"),
    [
        (NotSentError(OPERATION, "Failed to resolve 'x'"), "failed not not not", "correct the name"),
        (NotSentError(OPERATION, "refused"), "ok failed not not", "allow https://api.cloud.wherobots.com"),
        (PlainHttpError(OPERATION, "[SSL: WRONG_VERSION_NUMBER]"), "ok failed not not", "put http:// before the host"),
        (ResponseLostError(OPERATION, "timed out"), "ok failed not not", "allow https://"),
        (UntrustedServerError(OPERATION, "self-signed"), "ok failed not not", "set REQUESTS_CA_BUNDLE"),
        (CaBundleError(OPERATION, "no file"), "not failed not not", "correct REQUESTS_CA_BUNDLE"),
        (ProxySettingError(OPERATION, "socks"), "not failed not not", "name an HTTP proxy"),
        (AuthenticationError(OPERATION, 401, SAID), "ok ok failed not", "put a valid key"),
        (PermissionDeniedError(OPERATION, 403, SAID), "ok ok ok failed", "Professional or Enterprise"),
        (RateLimitedError(OPERATION, 429, SAID), "ok ok failed not", "repeat the command"),
        (ServerError(OPERATION, 503, SAID), "ok ok failed not", "repeat the command"),
        (NotFoundError(OPERATION, 404), "ok ok failed not", "set the API host"),
        (UnreadableResponseError(OPERATION, 200, b"<html>", "x"), "ok ok failed not", "set the API host"),
        (ForeignResponseError(OPERATION, 302), "ok ok failed not", "set the API host"),
    ],
)
def test_one_cause_fails_one_check(error: WherobotsApiError, states: str, advice: str) -> None:
    found = checks(Responses(error))
    names = ("DNS", "reach and TLS", "API key", "rights: list runs")
    assert [found[name].state.value.split()[0] for name in names] == states.split()
    failed = [check for check in found.values() if check.state is State.FAILED]
    assert any(advice in check.advice for check in failed)
    # Checks whose calls were not made are not blamed.
    for name in ("clock", "latency", "region", "rights: storage"):
        assert found[name].state is State.NOT_CHECKED
        assert found[name].text == "List Runs failed, so nothing else was requested."


def test_the_services_own_words_are_shown() -> None:
    found = checks(Responses(AuthenticationError(OPERATION, 401, SAID, "req-1")))
    assert "what the service said [request id: req-1]" in found["API key"].text


def test_a_proxy() -> None:
    found = checks(healthy(), dated(), proxy="http://proxy.example.com:3128")
    assert found["DNS"].state is State.NOT_CHECKED
    assert "through the proxy http://proxy.example.com:3128" in found["reach and TLS"].text
    wrong = checks(Responses(NotSentError(OPERATION, "Failed to resolve 'proxy'")), proxy="http://proxy:1")
    assert wrong["DNS"].state is State.FAILED


def test_plain_http_on_this_machine() -> None:
    assert "in plain http" in checks(healthy(), dated(), host="http://127.0.0.1:8765")["reach and TLS"].text


@pytest.mark.parametrize(
    ("behind", "state", "text"),
    [
        (0, State.OK, "differs by"),
        (4, State.OK, "differs by"),
        (60, State.WARNING, "60 s ahead of"),
        (-60, State.WARNING, "60 s behind"),
        (3_600, State.FAILED, "3600 s ahead of"),
    ],
)
def test_the_clock(behind: float, state: State, text: str) -> None:
    found = checks(healthy(), dated(behind))["clock"]
    assert text in found.text
    assert found.state is state
    assert bool(found.advice) is (state is not State.OK)


def test_a_slow_answer_makes_no_wrong_clock() -> None:
    slow = replace(dated(), seconds=9.0, at=START - 4.5)
    assert checks(healthy(), slow)["clock"].state is State.OK


def test_answers_without_a_date() -> None:
    no_date, unreadable = Sample(START, 0.2), Sample(START, 0.2, "yesterday")
    assert checks(healthy(), no_date, unreadable)["clock"].state is State.NOT_CHECKED


@pytest.mark.parametrize(("seconds", "state"), [(0.05, State.OK), (3.0, State.WARNING)])
def test_the_latency_is_the_median(seconds: float, state: State) -> None:
    found = checks(healthy(), dated(seconds=seconds), dated(seconds=seconds), dated(seconds=60))["latency"]
    assert found.state is state
    assert f"{seconds * 1000:.0f} ms (the median of 3 calls)" in found.text
    assert checks(healthy())["latency"].state is State.NOT_CHECKED


@pytest.mark.parametrize(
    ("extra", "organization", "region", "runtime"),
    [
        ("", ORGANIZATION, State.OK, State.OK),
        ('{"region": "aws-us-west-2", "runtime": "small"}', ORGANIZATION, State.OK, State.OK),
        ('{"region": "aws-us-wets-2", "runtime": "smal"}', ORGANIZATION, State.FAILED, State.WARNING),
        ('{"region": "byoc-1", "runtime": "own"}', {"defaultRuntime": "own"}, State.OK, State.OK),
        ("", {}, State.WARNING, State.NOT_CHECKED),
        ('{"region": "aws-us-west-2", "runtime": "small"}', DENIED, State.NOT_CHECKED, State.OK),
    ],
)
def test_region_and_runtime(extra: str, organization: Any, region: State, runtime: State) -> None:
    found = checks(healthy(organization=organization), extra=extra)
    assert (found["region"].state, found["runtime"].state) == (region, runtime)


@pytest.mark.parametrize(
    ("storage", "state", "text"),
    [
        (STORAGE, State.OK, "sees 2 storage sources: 1 can be written, 1 of them managed"),
        ([{"type": "MANAGED", "readOnly": True}], State.WARNING, "0 can be written"),
        ([], State.WARNING, "0 storage sources"),
        (DENIED, State.WARNING, "what the service said"),
        (NotFoundError("listIntegration", 404), State.WARNING, "does not show the storage"),
        (ResponseLostError("listIntegration", "timed out"), State.NOT_CHECKED, "timed out"),
    ],
)
def test_storage(storage: Any, state: State, text: str) -> None:
    found = checks(healthy(storage=storage))["rights: storage"]
    assert text in found.text
    assert found.state is state


def test_the_calls_change_nothing() -> None:
    page = RunPage(())
    script = Script(answers(page, page, page, ORGANIZATION, STORAGE, {"id": "me"}))
    responses = script.run(query_service())
    assert (responses.refused, responses.organization, responses.storage) == (None, ORGANIZATION, STORAGE)
    assert {sent.call.method for sent in script.sent} == {"GET"}
    assert [sent.call.path for sent in script.sent] == ["/runs"] * 3 + ["/organization", "/storage", "/users/me"]
    assert {sent.timeout for sent in script.sent} == {15.0}


def test_a_service_that_refuses_gets_no_further_call() -> None:
    script = Script(answers(AuthenticationError(OPERATION, 401)))
    assert isinstance(script.run(query_service()).refused, AuthenticationError)
    assert len(script.sent) == 1


def test_an_error_of_one_answer_does_not_end_the_others() -> None:
    def refuse(*_: Any) -> Any:
        raise DENIED

    script = Script(
        by_operation(listJobRuns=lambda *_: RunPage(()), getMyOrganization=refuse, listIntegration=refuse, getMe=refuse)
    )
    responses = script.run(query_service())
    assert responses.organization is responses.storage is responses.me is DENIED


@pytest.mark.parametrize(("operation", "document"), [("getMyOrganization", []), ("listIntegration", {})])
def test_an_answer_of_another_kind_is_an_error(operation: str, document: Any) -> None:
    def given(call: Any, _: float) -> Any:
        with pytest.raises(ValueError, match="must be a"):
            call.parse(document)
        return document

    others: dict[str, Any] = {name: lambda *_: {} for name in ("getMyOrganization", "listIntegration", "getMe")}
    Script(by_operation(**{"listJobRuns": lambda *_: RunPage(()), **others, operation: given})).run(query_service())
