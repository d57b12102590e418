import json

import pytest
from requests.structures import CaseInsensitiveDict

from airflow_provider_wherobots.api.errors import (
    Arrival,
    ForeignResponseError,
    UnreadableResponseError,
    WherobotsApiError,
)
from airflow_provider_wherobots.api.response import Response, read_response
from airflow_provider_wherobots.api.runs import calls
from tests.unit.api import shapes


@pytest.mark.parametrize("status", [200, 201, 202])
def test_any_2xx_with_the_right_body_is_a_success(status: int) -> None:
    response = Response(status, {}, json.dumps(shapes.RUN_2026).encode())
    assert read_response(calls.create_run({}), response).id == shapes.RUN_2026["id"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>Please log in</html>",
        b'{"id": "r1", "sta',
        b"[]",
        b'{"id": "r1"}',
        b"\xff\xff",
        b"[" * 100_000,
        b"1" * 10_000,
    ],
)
def test_a_success_that_cannot_be_read_is_transient_and_unclear(body: bytes) -> None:
    with pytest.raises(UnreadableResponseError, match="Creating the run failed: the response") as caught:
        read_response(calls.create_run({}), Response(200, {}, body))
    assert caught.value.transient
    assert caught.value.arrival is Arrival.UNCLEAR
    assert len(str(caught.value)) < 1_000


@pytest.mark.parametrize("body", [b"", b" \n", b"{}", b"null"])
def test_a_cancel_needs_no_body(body: bytes) -> None:
    read_response(calls.cancel_run("r1"), Response(200, {}, body))
    with pytest.raises(UnreadableResponseError):
        read_response(calls.get_run("r1"), Response(200, {}, body))


def test_an_error_status_is_an_error_even_with_a_body_that_reads_as_a_run() -> None:
    with pytest.raises(ForeignResponseError):
        read_response(calls.get_run("r1"), Response(404, {}, json.dumps(shapes.RUN_2026).encode()))


def test_an_answer_that_is_not_the_apis_names_what_was_called() -> None:
    for status in (200, 404):
        response = Response(status, {}, b"<html>", address="https://x.example.com (connection 'x')")
        with pytest.raises(WherobotsApiError, match=r"; https://x\.example\.com \(connection 'x'\) may be wrong"):
            read_response(calls.get_run("r1"), response)


def ended(**headers: str) -> float:
    body = json.dumps({"id": "r1", "status": "COMPLETED", "completeTime": "2026-11-25T08:00:00.250000+00:00"}).encode()
    return read_response(calls.get_run("r1"), Response(200, CaseInsensitiveDict(headers), body)).ended_ago


def test_how_long_ago_a_run_ended_is_told_by_the_services_own_clock() -> None:
    assert ended(Date="Wed, 25 Nov 2026 08:00:09 GMT") == 8.75
    assert ended(date="Wed, 25 Nov 2026 08:00:09 -0000") == 8.75


@pytest.mark.parametrize("date", ["Wed, 25 Nov 2026 08:00:00 GMT", "yesterday", "", "Wed, 99 Nov 2026 08:00:09 GMT"])
def test_an_end_whose_age_is_not_known_is_a_young_one(date: str) -> None:
    assert ended(Date=date) == 0.0
    assert ended() == 0.0
