import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wherobots.api.errors import (
    Arrival,
    AuthenticationError,
    BadRequestError,
    ConflictError,
    ForeignResponseError,
    KeyLimitedError,
    NotFoundError,
    PermissionDeniedError,
    PlainHttpError,
    QuotaError,
    RateLimitedError,
    ResponseError,
    ResponseTooLargeError,
    ServerError,
    UnreadableResponseError,
    error_from_response,
    parse_http_date,
    parse_retry_after,
)
from tests.unit.api import shapes

NOW = datetime(2026, 7, 21, 8, 0, 0, tzinfo=UTC)


def error(
    status: int, body: Any = None, headers: dict[str, str] | None = None, address: str | None = None
) -> ResponseError:
    encoded = body if isinstance(body, bytes) else json.dumps(body).encode() if body is not None else b""
    return error_from_response("createJobRun", status, headers or {}, encoded, address=address)


ADDRESS = "https://api.example.com (connection 'x')"
FOREIGN = f"this response did not come from the Runs API; {ADDRESS} may be wrong or behind a proxy"


@pytest.mark.parametrize(
    ("status", "kind", "transient", "arrival"),
    [
        (400, BadRequestError, False, Arrival.REFUSED),
        (401, AuthenticationError, False, Arrival.REFUSED),
        (403, PermissionDeniedError, False, Arrival.REFUSED),
        (404, NotFoundError, False, Arrival.REFUSED),
        (405, BadRequestError, False, Arrival.REFUSED),
        (408, ServerError, True, Arrival.UNCLEAR),
        (409, ConflictError, False, Arrival.REFUSED),
        (413, BadRequestError, False, Arrival.REFUSED),
        (422, BadRequestError, False, Arrival.REFUSED),
        (429, RateLimitedError, True, Arrival.NOT_ARRIVED),
        (500, ServerError, True, Arrival.UNCLEAR),
        (502, ServerError, True, Arrival.UNCLEAR),
        (503, ServerError, True, Arrival.UNCLEAR),
        (504, ServerError, True, Arrival.UNCLEAR),
        (520, ServerError, True, Arrival.UNCLEAR),
        (301, ForeignResponseError, True, Arrival.UNCLEAR),
        (307, ForeignResponseError, True, Arrival.UNCLEAR),
        (407, ForeignResponseError, True, Arrival.UNCLEAR),
    ],
)
@pytest.mark.parametrize("body", [shapes.ERROR_BODY, {"message": "Forbidden"}, {"detail": "Not Found"}])
def test_each_status_says_whether_to_repeat_and_whether_it_had_an_effect(
    status: int, kind: type[ResponseError], transient: bool, arrival: Arrival, body: dict[str, Any]
) -> None:
    found = error(status, body, address=ADDRESS)
    assert type(found) is kind
    assert (found.transient, found.arrival, found.status) == (transient, arrival, status)


PAGE = b"<html>We are back soon</html>"


@pytest.mark.parametrize("body", [None, PAGE, {}, [], "text", {"error": "not found"}, {"errors": "none"}])
@pytest.mark.parametrize("status", [302, 400, 402, 403, 404, 407, 409, 410, 422, 451])
def test_an_error_that_is_not_of_the_api_is_an_outage_that_may_have_effect(status: int, body: Any) -> None:
    found = error(status, body, address=ADDRESS)
    assert type(found) is ForeignResponseError
    assert (found.transient, found.arrival) == (True, Arrival.UNCLEAR)
    assert not isinstance(found, NotFoundError | ConflictError | BadRequestError | PermissionDeniedError)
    assert str(found).endswith(f"; {FOREIGN}")


def test_such_an_error_shows_what_was_received() -> None:
    assert (
        str(error(404, PAGE, address=ADDRESS))
        == f"Creating the run failed: 404: <html>We are back soon</html>; {FOREIGN}"
    )


def test_an_unauthorized_call_is_a_refused_key_whoever_says_so() -> None:
    assert type(error(401, PAGE, address=ADDRESS)) is AuthenticationError


@pytest.mark.parametrize("status", [405, 413, 414, 431])
def test_what_is_wrong_with_the_request_itself_is_not_waited_for_whoever_says_so(status: int) -> None:
    found = error(status, PAGE, address=ADDRESS)
    assert type(found) is BadRequestError
    assert (found.transient, found.arrival) == (False, Arrival.REFUSED)
    assert str(found).endswith(f"; {FOREIGN}")


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_a_gateway_of_the_api_may_say_in_any_form_that_it_cannot_answer_now(status: int) -> None:
    found = error(status, PAGE, address=ADDRESS)
    assert type(found) in (ServerError, RateLimitedError)
    assert ADDRESS not in str(found)


@pytest.mark.parametrize(("status", "said"), [(404, "Not Found"), (405, "Method Not Allowed")])
def test_a_path_that_the_host_does_not_know_points_to_a_wrong_host(status: int, said: str) -> None:
    found = error(status, {"detail": said}, address=ADDRESS)
    assert str(found) == f"Creating the run failed: {status}: {said}; {ADDRESS} may be wrong or behind a proxy"
    assert (ADDRESS in str(error(status, shapes.ERROR_BODY, address=ADDRESS))) is (status == 405)
    assert ADDRESS not in str(error(403, {"message": "Forbidden"}, address=ADDRESS))


@pytest.mark.parametrize(("status", "kind"), [(302, BadRequestError), (404, NotFoundError), (410, BadRequestError)])
def test_another_server_than_the_api_sends_what_it_likes(status: int, kind: type[ResponseError]) -> None:
    assert type(error(status, PAGE)) is kind


def test_an_error_body_is_shown_with_code_message_details_suggestion_and_request_id() -> None:
    assert str(error(400, shapes.ERROR_BODY)) == (
        "Creating the run failed: 400 BAD_REQUEST_ERROR: Bad Request: InvalidInputException (No storage source found "
        "for bucket: flag-prefix). Update your request and try again. [request id: req-1]"
    )


def test_a_422_names_the_field() -> None:
    found = error(422, shapes.ERROR_BODY_WITH_FIELD)
    assert str(found) == (
        "Creating the run failed: 422 INVALID_INPUT_ERROR: Invalid input: String should match pattern (field: name) "
        "[request id: req-2]"
    )
    assert found.errors[0].field == "name"


def test_several_errors_are_all_shown() -> None:
    body = {"errors": [{"message": "first"}, {"code": "CONFLICT_ERROR"}, {"details": "third"}, "junk", None]}
    assert str(error(409, body)) == "Creating the run failed: 409: first; CONFLICT_ERROR; third"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"detail": "Not Found"}, "Not Found"),
        ({"message": "Forbidden"}, "Forbidden"),
        (
            {"detail": [{"loc": ["body", "name"], "msg": "too short"}]},
            '[{"loc": ["body", "name"], "msg": "too short"}]',
        ),
        ({"message": {"text": "odd"}}, '{"text": "odd"}'),
        ({"errors": []}, '{"errors": []}'),
        ({"errors": "nothing"}, '{"errors": "nothing"}'),
        ([1, 2], "[1, 2]"),
        ({}, "{}"),
        (b"<html><body>\n  502 Bad   Gateway\n</body></html>", "<html><body> 502 Bad Gateway </body></html>"),
        (
            b"<!DOCTYPE html>\n<html><head><title lang=en>\n 502 Bad\n&amp; Gateway</title>" + b"x" * 9,
            "502 Bad &amp; Gateway",
        ),
        (b"<html><head><title></title>", "<html><head><title></title>"),
        (b'{"x": "<title>no page</title>"}', '{"x": "<title>no page</title>"}'),
        (b"\xff\xfe\x00garbage", "\ufffd\ufffd\\x00garbage"),
        (b"", "no body"),
        (b"[" * 500, "[" * 500),
        (b"[" * 100_000, "[" * 500 + "…"),
    ],
)
def test_any_other_body_is_shown_as_far_as_it_says_something(body: Any, said: str) -> None:
    assert str(error(502, body)) == f"Creating the run failed: 502: {said}"


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({}, "no message"),
        ({"message": "Not an X.", "suggestion": "Try a Y."}, "Not an X. Try a Y."),
        ({"details": "a", "suggestion": "b", "field": "name"}, "a. b (field: name)"),
    ],
)
def test_an_entry_is_shown_with_what_it_has(entry: dict[str, str], said: str) -> None:
    assert str(error(400, {"errors": [entry]})) == f"Creating the run failed: 400: {said}"


def hide(text: str) -> str:
    return text.replace("secret", "***")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"errors": [{"message": "a secret", "field": "secret"}], "requestId": "secret"}, "a *** (field: ***)"),
        ({"message": "a secret", "requestId": "secret"}, "a ***"),
        ({"message": ["a secret"], "requestId": "secret"}, '["a ***"]'),
        ({"a": "secret", "requestId": "secret"}, '{"a": "***", "requestId": "***"}'),
    ],
)
def test_no_part_of_a_body_is_shown_with_a_secret(body: dict[str, Any], said: str) -> None:
    found = error_from_response("createJobRun", 400, {}, json.dumps(body).encode(), hide)
    assert str(found) == f"Creating the run failed: 400: {said} [request id: ***]"


def test_what_is_no_error_answer_says_what_happened() -> None:
    no_match = "does not match the API's format"
    said = {
        ResponseTooLargeError("getJobRun", 1_600_000): (
            "the response is larger than 1,600,000 bytes, the limit for this call"
        ),
        UnreadableResponseError("getJobRun", 200, b"<a\n secret>", "no secret", hide): (
            f"the response (200) {no_match}: no ***; body: <a ***>"
        ),
        UnreadableResponseError("getJobRun", 201, b"", "empty"): f"the response (201) {no_match}: empty",
        UnreadableResponseError("getJobRun", 200, b"<a>", "none", address=ADDRESS): (
            f"the response (200) {no_match}: none; body: <a>; {ADDRESS} may be wrong or behind a proxy"
        ),
        KeyLimitedError("getJobRun", 4.04): (
            "Not sent: the service limits calls with this API key (429); next attempt in 4.0 s"
        ),
    }
    first = "Reading the run failed: "
    assert [str(error).removeprefix(first) for error in said] == [*said.values()]
    assert sum(str(error).startswith(first) for error in said) == len(said) - 1
    assert {(error.operation, error.transient) for error in said} == {("getJobRun", True)}


def test_a_call_that_was_not_sent_says_when_it_may_be() -> None:
    found = KeyLimitedError("getJobRun", 4.04)
    assert (found.status, found.retry_after, found.seconds) == (429, 4.04, 4.04)


def test_the_request_id_comes_from_the_body_else_from_the_header_in_any_case() -> None:
    headers = {"X-REQUEST-ID": "req-header"}
    assert error(400, shapes.ERROR_BODY, headers).request_id == "req-1"
    assert error(502, b"<html>", headers).request_id == "req-header"
    assert "[request id: req-header]" in str(error(502, b"<html>", headers))
    assert error(502, b"<html>").request_id is None


def test_a_redirect_says_that_it_is_not_followed() -> None:
    for status in (300, 302, 399):
        found = error(status, b"<a>moved</a>", {"Location": "https://elsewhere.example.com/?key=1"})
        assert str(found) == (
            f"Creating the run failed: {status}: the host redirects, and redirects are not followed (they would "
            "forward the API key)"
        )


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("5", 5.0),
        ("5.2", 5.2),
        (" 7 ", 7.0),
        ("0", 0.0),
        ("-3", 0.0),
        ("Tue, 21 Jul 2026 08:00:30 GMT", 30.0),
        ("Tue, 21 Jul 2026 10:00:30 +0200", 30.0),
        ("Tue, 21 Jul 2026 08:00:30", 30.0),
        ("Tue, 21 Jul 2026 07:00:00 GMT", 0.0),
        ("inf", None),
        ("1e999", None),
        ("-inf", 0.0),
        ("nan", None),
        ("soon", None),
        ("", None),
        (None, None),
        ("Tue, 99 Jul 2026 08:00:30 GMT", None),
        ("Tue, 21 Jul 99999999999 08:00:30 GMT", None),
        ("Tue, 21 Jul 2026 08:00:30 +99999999999999999999", None),
    ],
)
def test_retry_after_as_whole_or_decimal_seconds_or_date_or_garbage(value: str | None, seconds: float | None) -> None:
    assert parse_retry_after(value, NOW) == seconds


def test_a_date_without_a_zone_is_utc() -> None:
    assert parse_http_date("Tue, 21 Jul 2026 08:00:30") == NOW.replace(second=30)


@given(st.text() | st.from_regex(r"[A-Z][a-z]{2}, \d+ Jul \d+ \d+:\d+:\d+ [+-]\d+", fullmatch=True))
def test_no_retry_after_can_break_the_classification(value: str) -> None:
    seconds = parse_retry_after(value, NOW)
    assert seconds is None or 0 <= seconds < float("inf")


def test_retry_after_is_read_off_any_error_answer_whatever_the_headers_case() -> None:
    assert error(429, None, {"retry-after": "5.2"}).retry_after == 5.2
    assert error(503, None, {"RETRY-AFTER": "3"}).retry_after == 3.0
    assert error(503, None, {"retry-after": "Tue, 21 Jul 2020 08:00:00 GMT"}).retry_after == 0.0
    assert error(503).retry_after is None


@given(st.integers(300, 599), st.binary(max_size=200), st.dictionaries(st.text(max_size=12), st.text(max_size=12)))
def test_any_error_answer_becomes_one_typed_error(status: int, body: bytes, headers: dict[str, str]) -> None:
    found = error_from_response("getJobRun", status, headers, body)
    assert found.status == status
    assert str(found).startswith(f"Reading the run failed: {status}")
    assert found.transient == (status in (408, 429) or status >= 500)


@pytest.mark.parametrize("status", [400, 403, 409, 422, 429, 500, 503])
def test_used_up_quota_is_told_by_its_code_whatever_the_status_and_the_key(status: int) -> None:
    body = json.dumps({"errors": [{"code": "INSUFFICIENT_QUOTA_ERROR", "message": "full"}], "requestId": "r"}).encode()
    error = error_from_response(
        "createJobRun", status, {"Retry-After": "7"}, body, lambda text: text.replace("QUOTA", "*")
    )
    assert type(error) is QuotaError
    assert (error.transient, error.arrival, error.retry_after) == (False, Arrival.REFUSED, 7.0)


def test_the_error_of_a_port_without_tls_says_how_to_correct_the_address() -> None:
    error = PlainHttpError("getJobRun", "https://local:8080: wrong version number")
    assert str(error) == (
        "Reading the run failed: https://local:8080: wrong version number; this port speaks plain http; correct the "
        "port, or put http:// before the host of a local server or a proxy"
    )
    assert error.operation == "getJobRun"
