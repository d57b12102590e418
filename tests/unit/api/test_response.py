"""A response: what it means, and its body, whole or refused, and never over the limit."""

import gzip
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from requests.structures import CaseInsensitiveDict

from airflow_provider_wherobots.api.call import ERROR_BODY_BYTES, STEP_BYTES, Body, Call, Response, read_response
from airflow_provider_wherobots.api.errors import (
    Arrival,
    ForeignResponseError,
    ResponseTooLargeError,
    UnreadableResponseError,
    WherobotsApiError,
)
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


CALL: Call[Any] = calls.get_run("r1")


GZIP = {"Content-Encoding": "gzip"}


def encoded(encoding: str, data: bytes) -> bytes:
    return gzip.compress(data) if encoding == "gzip" else data


def read(body: Body, data: bytes, size: int) -> bytes:
    for start in range(0, len(data), size):
        piece = data[start : start + size]
        while body.feed(piece):
            piece = b""
    return body.close()


@pytest.mark.parametrize("encoding", ["", "identity", "gzip"])
@given(st.binary(max_size=300), st.integers(1, 50), st.integers(1, 100))
def test_a_body_is_what_was_sent_in_whatever_pieces(encoding: str, data: bytes, times: int, size: int) -> None:
    headers = {"Content-Encoding": encoding} if encoding else {}
    assert read(Body(CALL, 200, headers), encoded(encoding, data * times), size) == data * times


@pytest.mark.parametrize("size", [STEP_BYTES - 1, STEP_BYTES, STEP_BYTES + 1, 3 * STEP_BYTES + 7])
def test_large_bodies_are_decompressed_in_steps(size: int) -> None:
    body, steps = Body(CALL, 200, GZIP), 1
    piece = gzip.compress(bytes(size)) + b"what follows the end"
    while body.feed(piece):
        piece = b""
        steps += 1
    assert body.close() == bytes(size)
    assert steps >= size // STEP_BYTES


@pytest.mark.parametrize("encoding", ["", "gzip"])
def test_the_limit_counts_what_is_read_and_may_be_reached(encoding: str) -> None:
    call = replace(CALL, max_bytes=10_000)
    headers = {"Content-Encoding": encoding}
    assert len(read(Body(call, 200, headers), encoded(encoding, b"x" * 10_000), 100)) == 10_000
    with pytest.raises(ResponseTooLargeError, match="larger than 10,000 bytes") as caught:
        read(Body(call, 200, headers), encoded(encoding, b"x" * 10_001), 100)
    assert caught.value.transient
    assert caught.value.arrival is Arrival.UNCLEAR


@pytest.mark.parametrize("encoding", ["", "gzip"])
def test_the_body_of_an_error_is_cut_not_refused(encoding: str) -> None:
    body = Body(CALL, 503, {"Content-Encoding": encoding})
    assert read(body, encoded(encoding, b"x" * 1_000_000), 10_000) == b"x" * ERROR_BODY_BYTES
    assert body.ended


def test_an_encoding_that_was_not_requested_is_unreadable() -> None:
    with pytest.raises(UnreadableResponseError):
        Body(CALL, 200, {"Content-Encoding": "deflate"})


def test_what_cannot_be_decompressed_is_unreadable_but_of_an_error() -> None:
    for data in (b"{}", gzip.compress(b"x" * 100)[:-5]):
        with pytest.raises(UnreadableResponseError, match="its gzip body") as caught:
            read(Body(CALL, 200, GZIP), data, 100)
        assert caught.value.__context__ is None
        read(Body(CALL, 500, GZIP), data, 100)
    assert read(Body(CALL, 200, GZIP), b"", 1) == b""


def test_the_whole_log_page_may_be_larger_than_another_answer() -> None:
    assert calls.get_run_logs("r1").max_bytes > CALL.max_bytes > 1_000_000


@pytest.mark.parametrize(("status", "limit"), [(200, 500_000), (500, ERROR_BODY_BYTES)])
def test_what_follows_the_end_does_not_go_on_for_ever(status: int, limit: int) -> None:
    call = replace(CALL, max_bytes=500_000)
    body, members, received = Body(call, status, GZIP), gzip.compress(b"") * 500, 0
    outcome: bytes | str = b""
    try:
        while not body.ended and received < 2 * limit:
            received += len(members)
            piece = members
            while body.feed(piece):
                piece = b""
        outcome = body.close()
    except ResponseTooLargeError as error:
        outcome = str(error)
    assert received <= limit + STEP_BYTES + len(members)
    assert outcome == b"" if status == 500 else "500,000" in str(outcome)
