"""What the doctor checks, asks of a trial, and makes of the answers."""

from typing import Any

import pytest

from airflow_provider_wherobots.api.connection import read_settings
from airflow_provider_wherobots.api.errors import (
    AuthenticationError,
    ErrorInfo,
    NotFoundError,
    NotSentError,
    PermissionDeniedError,
    ResponseLostError,
    UntrustedServerError,
    WherobotsApiError,
)
from airflow_provider_wherobots.api.runs.models import RunPage
from airflow_provider_wherobots.doctor.checks import (
    LOCAL,
    Check,
    State,
    check_handler,
    check_region,
    check_runtime,
    check_service,
    check_storage,
)
from tests.unit.flows.script import Script, answers, by_operation

OPERATION = "listJobRuns"
SAID = (ErrorInfo("CODE", "what the service said"),)
ORGANIZATION = {"allowedRegions": ["aws-us-west-2"], "defaultRegion": "aws-us-west-2", "defaultRuntime": "tiny"}
STORAGE = [{"type": "MANAGED", "readOnly": False}, {"type": "INTEGRATION", "readOnly": True}]
DENIED = PermissionDeniedError("listIntegration", 403, SAID)
SETTINGS = read_settings(host="", password="a-key", extra="")


def checks(script: Script) -> dict[str, Check]:
    return {check.name: check for check in script.run(check_service, SETTINGS)}


def test_all_is_well_and_the_calls_change_nothing() -> None:
    script = Script(answers(RunPage(()), ORGANIZATION, STORAGE))
    found = checks(script)
    assert {name: check.state for name, check in found.items()} == dict.fromkeys(
        ("API key", "region", "runtime", "storage"), State.OK
    )
    assert [check for check in found.values() if check.advice] == []
    assert [(sent.call.method, sent.call.path) for sent in script.sent] == [
        ("GET", "/runs"),
        ("GET", "/organization"),
        ("GET", "/storage"),
    ]


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (NotSentError(OPERATION, "Failed to resolve 'x'"), "The host cannot be reached: Failed to resolve 'x'."),
        (UntrustedServerError(OPERATION, "self-signed"), "The host's TLS certificate is not trusted: self-signed."),
        (AuthenticationError(OPERATION, 401, SAID, "req-1"), "what the service said [request id: req-1]"),
        (PermissionDeniedError(OPERATION, 403, SAID), "The API key is valid, but may not use runs"),
    ],
)
def test_a_service_that_refuses_gets_no_further_call(error: WherobotsApiError, text: str) -> None:
    script = Script(answers(error))
    (check,) = checks(script).values()
    assert check.state is State.FAILED
    assert text in check.text
    assert check.advice == "check the connection's host and API key, and the proxy"
    assert len(script.sent) == 1


def test_an_error_of_one_response_does_not_end_the_others() -> None:
    found = checks(Script(answers(RunPage(()), DENIED, STORAGE)))
    assert (found["region"].state, found["storage"].state) == (State.NOT_CHECKED, State.OK)
    assert "what the service said" in found["region"].text


@pytest.mark.parametrize(("operation", "document"), [("getMyOrganization", []), ("listIntegration", {})])
def test_a_response_of_another_kind_is_an_error(operation: str, document: Any) -> None:
    def given(call: Any, _: float) -> Any:
        with pytest.raises(ValueError, match="must be a"):
            call.parse(document)
        raise DENIED

    others: dict[str, Any] = {"getMyOrganization": lambda *_: {}, "listIntegration": lambda *_: []}
    Script(by_operation(**{OPERATION: lambda *_: RunPage(()), **others, operation: given})).run(check_service, SETTINGS)


@pytest.mark.parametrize(
    ("found", "state", "text"),
    [
        (check_region(None, ORGANIZATION), State.OK, "default is aws-us-west-2"),
        (check_region(None, {}), State.WARNING, "Neither"),
        (check_region("aws-us-west-2", ORGANIZATION), State.OK, "is allowed"),
        (check_region("byoc-1", {"allowedRegions": None}), State.OK, "is allowed"),
        (check_region("aws-us-wets-2", ORGANIZATION), State.FAILED, "'aws-us-wets-2' is not allowed"),
        (check_region("aws-us-west-2", DENIED), State.NOT_CHECKED, "does not show the organization"),
        (check_runtime(None, ORGANIZATION), State.OK, "default is tiny"),
        (check_runtime(None, {}), State.NOT_CHECKED, "default is unknown"),
        (check_runtime(None, DENIED), State.NOT_CHECKED, "default is unknown"),
        (check_runtime("small", DENIED), State.OK, "small is a published one"),
        (check_runtime("own", {"defaultRuntime": "own"}), State.OK, "own is"),
        (check_runtime("smal", ORGANIZATION), State.WARNING, "'smal' is not"),
        (check_storage(STORAGE), State.OK, "sees 2 storage sources, and can write to 1."),
        (check_storage([{"type": "MANAGED", "readOnly": True}]), State.WARNING, "can write to 0"),
        (check_storage([]), State.WARNING, "0 storage sources"),
        (check_storage(DENIED), State.WARNING, "what the service said"),
        (check_storage(NotFoundError("listIntegration", 404)), State.WARNING, "does not show the storage"),
        (check_storage(ResponseLostError("listIntegration", "timed out")), State.NOT_CHECKED, "timed out"),
    ],
)
def test_a_region_a_runtime_and_the_storage(found: Check, state: State, text: str) -> None:
    assert text in found.text
    assert found.state is state


def check(name: str, *, supports: bool = True, unseen: str = "", copies: bool = False) -> Check:
    return check_handler(name, supports_triggers=supports, unseen_connection=unseen, copies=copies)


@pytest.mark.parametrize(
    ("found", "state", "text", "advice"),
    [
        (check("S3RemoteLogIO"), State.OK, "S3RemoteLogIO keeps what a trigger writes.", ""),
        (check("WasbTaskHandler"), State.OK, "WasbTaskHandler keeps", ""),
        (check("CloudWatchRemoteLogIO"), State.WARNING, "issues 70314 and 70317", "set [wherobots] copy_log_on_resume"),
        (check("HdfsRemoteLogIO"), State.WARNING, "after the end of the task.", "to True"),
        (check("OSSTaskHandler", supports=False), State.WARNING, "OSSTaskHandler does not store", "to True"),
        (
            check("S3RemoteLogIO", unseen="logs"),
            State.NOT_CHECKED,
            "'logs' in a triggerer",
            "no line 'Following run …'",
        ),
        (check(LOCAL), State.NOT_CHECKED, "[logging] base_log_folder", "no line 'Following run …'"),
        (check("OwnLogIO"), State.NOT_CHECKED, "Whether OwnLogIO keeps", "no line 'Following run …'"),
    ],
)
def test_a_handler_and_what_to_do(found: Check, state: State, text: str, advice: str) -> None:
    assert found.state is state
    assert text in found.text
    assert advice in found.advice
    assert bool(advice) == bool(found.advice)


@pytest.mark.parametrize("name", ["CloudWatchRemoteLogIO", "OwnLogIO", LOCAL])
def test_a_log_that_is_copied_is_not_lost(name: str) -> None:
    found = check(name, copies=True)
    assert (found.state, found.advice) == (State.OK, "")
    assert found.text.endswith(" copy_log_on_resume = True copies the run's log.")


def test_a_copy_that_is_not_needed_shows_lines_twice() -> None:
    assert check("GCSRemoteLogIO", copies=True).advice == "the copy shows lines twice: set copy_log_on_resume to False"
