import json
from typing import Any

import pytest
from requests.structures import CaseInsensitiveDict

from airflow_provider_wherobots.api.call import Response, read_response
from airflow_provider_wherobots.api.errors import ForeignResponseError, InvalidArgumentError, UnreadableResponseError
from airflow_provider_wherobots.api.runs import calls as run_calls
from airflow_provider_wherobots.api.sql import sessions as calls
from airflow_provider_wherobots.api.sql.sessions import RequestedSession, SessionRequest


def answer(status: int, body: Any = None, **headers: str) -> Response:
    content = b"" if body is None else json.dumps(body).encode()
    return Response(
        status, CaseInsensitiveDict({name.replace("_", "-"): value for name, value in headers.items()}), content
    )


def asked(response: Response) -> RequestedSession:
    return read_response(calls.create_session(SessionRequest()), response)


def test_a_session_is_asked_for_with_what_was_given_and_no_more() -> None:
    call = calls.create_session(SessionRequest())
    assert (call.operation, call.method, call.path) == ("createSqlSession", "POST", "/sql/session")
    assert (call.params, call.json, call.repeatable) == ((), {"sessionType": "multi"}, True)
    request = SessionRequest("tiny", "aws-us-west-2", "preview", "single", True, "team-a", 600)
    call = calls.create_session(request)
    assert call.params == (("force_new", "true"), ("region", "aws-us-west-2"))
    assert call.json == {
        "runtimeId": "tiny",
        "version": "preview",
        "sessionType": "single",
        "sessionKey": "team-a",
        "shutdownAfterInactiveSeconds": 600,
    }
    assert not call.repeatable


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (SessionRequest(), True),
        (SessionRequest(session_key="k"), True),
        (SessionRequest(force_new=True), False),
        (SessionRequest(session_type="single"), False),
    ],
)
def test_a_request_for_a_new_session_is_not_repeatable(request_: SessionRequest, expected: bool) -> None:
    assert calls.create_session(request_).repeatable is expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"runtime": ""}, "runtime='': must be a string that is not empty, or None"),
        ({"region": 5}, "region=5: must be a string that is not empty, or None"),
        ({"session_key": " "}, "session_key=' ': must be a string that is not empty, or None"),
        ({"session_type": "MULTI"}, "session_type='MULTI': must be multi or single"),
        ({"force_new": "yes"}, "force_new='yes': must be True or False"),
        (
            {"shutdown_after_inactive_seconds": 0},
            "shutdown_after_inactive_seconds=0: must be a whole number of seconds, 1 or more, or None",
        ),
        (
            {"shutdown_after_inactive_seconds": True},
            "shutdown_after_inactive_seconds=True: must be a whole number of seconds, 1 or more, or None",
        ),
    ],
)
def test_a_bad_request_names_argument_value_and_rule(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        SessionRequest(**arguments)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    "location",
    [
        "/sql/session/s1",
        "/sql/session/s1/",
        "https://api.cloud.wherobots.com/sql/session/s1",
        "https://elsewhere.example.com/prefix/sql/session/s1?x=1#y",
    ],
)
def test_the_id_is_taken_from_the_redirect_which_is_not_followed(location: str) -> None:
    assert asked(answer(303, location=location)) == RequestedSession("s1")


def test_a_shared_session_in_place_of_a_new_one_is_told() -> None:
    response = answer(303, location="/sql/session/s1", X_Wherobots_Sql_Session_Fallback="quota")
    assert asked(response) == RequestedSession("s1", "quota")


def test_a_redirect_that_something_on_the_way_has_followed_is_read_from_its_body() -> None:
    assert asked(answer(200, {"id": "s1", "status": "PENDING"})) == RequestedSession("s1")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"location": "/sql/session/"},
        {"location": "/runs/s1"},
        {"location": "http://[::1"},
        {"location": "https://elsewhere.example.com/sql/session/.."},
        {"location": "/sql/session/a/b"},
    ],
)
def test_a_redirect_to_somewhere_else_is_unreadable(headers: dict[str, str]) -> None:
    with pytest.raises(UnreadableResponseError, match="Starting a SQL session failed"):
        asked(answer(303, **headers))


@pytest.mark.parametrize("session_id", [None, "", " ", "..", "None", 5, ["s1"], "a\nb", "\ud800"])
def test_an_answer_whose_id_is_none_is_unreadable(session_id: Any) -> None:
    with pytest.raises(UnreadableResponseError, match="Starting a SQL session failed"):
        asked(answer(200, {"id": session_id}))


def test_other_calls_and_other_redirects_are_errors_as_before() -> None:
    with pytest.raises(ForeignResponseError, match="redirects are not followed"):
        read_response(run_calls.get_run("r1"), answer(303, location="/runs/r2"))
    with pytest.raises(ForeignResponseError, match="redirects are not followed"):
        asked(answer(302, location="/sql/session/s1"))


def test_a_session_is_got_and_deleted() -> None:
    get, delete = calls.get_session("a/b"), calls.delete_session("s1")
    assert (get.operation, get.method, get.path) == ("getSqlSession", "GET", "/sql/session/a%2Fb")
    assert (delete.operation, delete.method, delete.path) == ("deleteSqlSession", "DELETE", "/sql/session/s1")
    assert delete.urgent


@pytest.mark.parametrize("session_id", ["", " ", ".", "..", "None", "a\nb", "\ud800"])
def test_no_id_leads_to_another_path(session_id: str) -> None:
    with pytest.raises(InvalidArgumentError, match="session_id"):
        calls.get_session(session_id)


def test_a_session_may_be_null_and_a_delete_needs_no_body() -> None:
    assert read_response(calls.get_session("s1"), answer(200, None)) is None
    assert read_response(calls.get_session("s1"), Response(200, {}, b"null")) is None
    for body in (b"", b"null", b"{}"):
        read_response(calls.delete_session("s1"), Response(200, {}, body))


@pytest.mark.parametrize("body", ["[]", '"READY"', "5", '{"status": "READY"}'])
def test_a_session_that_is_none_is_unreadable(body: str) -> None:
    with pytest.raises(UnreadableResponseError):
        read_response(calls.get_session("s1"), Response(200, {}, body.encode()))
