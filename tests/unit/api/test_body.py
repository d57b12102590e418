"""The body of an answer: whatever the pieces and the encoding, whole or refused, and never over the limit."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wherobots.api.body import ERROR_BODY_BYTES, STEP_BYTES, Body
from airflow_provider_wherobots.api.call import Call
from airflow_provider_wherobots.api.errors import (
    Arrival,
    ResponseLostError,
    ResponseTooLargeError,
    UnreadableResponseError,
)
from airflow_provider_wherobots.api.runs import calls

CALL: Call[Any] = calls.get_run("r1")


def bare(data: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(data) + compressor.flush()


ENCODINGS: dict[str, Callable[[bytes], bytes]] = {
    "": lambda data: data,
    "identity": lambda data: data,
    "gzip": gzip.compress,
    "x-gzip": lambda data: gzip.compress(data[: len(data) // 2]) + gzip.compress(data[len(data) // 2 :]) + b"\0" * 7,
    "deflate": zlib.compress,
    "Deflate": bare,
}


def read(body: Body, data: bytes, size: int) -> bytes:
    for start in range(0, len(data), size):
        piece = data[start : start + size]
        while body.feed(piece):
            piece = b""
    return body.close()


@pytest.mark.parametrize("encoding", ENCODINGS)
@given(st.binary(max_size=300), st.integers(1, 50), st.integers(1, 100))
def test_a_body_is_what_was_sent_in_whatever_pieces(encoding: str, data: bytes, times: int, size: int) -> None:
    headers = {"Content-Encoding": encoding} if encoding else {}
    sent = ENCODINGS[encoding](data * times)
    assert read(Body(CALL, 200, headers), sent, size) == data * times


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
@pytest.mark.parametrize("size", [STEP_BYTES - 1, STEP_BYTES, STEP_BYTES + 1, 3 * STEP_BYTES + 7])
def test_large_bodies_are_decompressed_in_steps(encoding: str, size: int) -> None:
    for compress in (ENCODINGS[encoding], bare if encoding == "deflate" else gzip.compress):
        body, steps = Body(CALL, 200, {"Content-Encoding": encoding}), 1
        piece = compress(bytes(size))
        while body.feed(piece):
            piece = b""
            steps += 1
        assert body.close() == bytes(size)
        assert steps >= size // STEP_BYTES


@pytest.mark.parametrize("encoding", ["", "gzip", "deflate"])
def test_the_limit_counts_what_is_read_and_may_be_reached(encoding: str) -> None:
    call = replace(CALL, max_bytes=10_000)
    headers = {"Content-Encoding": encoding}
    assert len(read(Body(call, 200, headers), ENCODINGS[encoding](b"x" * 10_000), 100)) == 10_000
    with pytest.raises(ResponseTooLargeError, match="larger than 10,000 bytes") as caught:
        read(Body(call, 200, headers), ENCODINGS[encoding](b"x" * 10_001), 100)
    assert caught.value.transient
    assert caught.value.arrival is Arrival.UNCLEAR


@pytest.mark.parametrize("encoding", ["", "gzip"])
def test_the_body_of_an_error_is_cut_not_refused(encoding: str) -> None:
    body = Body(CALL, 503, {"Content-Encoding": encoding, "Content-Length": "99999999999"})
    assert read(body, ENCODINGS[encoding](b"x" * 1_000_000), 10_000) == b"x" * ERROR_BODY_BYTES
    assert body.ended


@pytest.mark.parametrize(
    ("headers", "kind"),
    [
        ({"Content-Length": str(CALL.max_bytes + 1)}, ResponseTooLargeError),
        ({"Content-Length": "9" * 5_000}, ResponseTooLargeError),
        ({"Content-Length": "ten"}, ResponseLostError),
        ({"Content-Length": "5, 5"}, ResponseLostError),
        ({"Content-Length": "-1"}, ResponseLostError),
        ({"Content-Encoding": "br"}, UnreadableResponseError),
        ({"Content-Encoding": "gzip, gzip"}, UnreadableResponseError),
    ],
)
def test_headers_that_say_enough(headers: dict[str, str], kind: type[Exception]) -> None:
    with pytest.raises(kind):
        Body(CALL, 200, headers)


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_what_cannot_be_decompressed_is_unreadable_but_of_an_error(encoding: str) -> None:
    for data in (b"{}", ENCODINGS[encoding](b"x" * 100)[:-5]):
        with pytest.raises(UnreadableResponseError, match=f"its {encoding} body") as caught:
            read(Body(CALL, 200, {"Content-Encoding": encoding}), data, 100)
        assert caught.value.__context__ is None
        read(Body(CALL, 500, {"Content-Encoding": encoding}), data, 100)


def test_the_whole_log_page_may_be_larger_than_another_answer() -> None:
    assert calls.get_run_logs("r1").max_bytes > CALL.max_bytes > 1_000_000


@pytest.mark.parametrize(("status", "limit"), [(200, 500_000), (500, ERROR_BODY_BYTES)])
def test_members_without_content_do_not_go_on_for_ever(status: int, limit: int) -> None:
    call = replace(CALL, max_bytes=500_000)
    body, members, received = Body(call, status, {"Content-Encoding": "gzip"}), gzip.compress(b"") * 500, 0
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
