"""The body of an answer: whatever the pieces and the encoding, whole or refused, and never over the limit."""

import gzip
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wherobots.api.call import Call
from airflow_provider_wherobots.api.errors import Arrival, ResponseTooLargeError, UnreadableResponseError
from airflow_provider_wherobots.api.response import ERROR_BODY_BYTES, STEP_BYTES, Body
from airflow_provider_wherobots.api.runs import calls

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
