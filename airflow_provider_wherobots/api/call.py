"""A request to the API as data, and its response: how the body is read, and how it becomes a model or a typed error.

The limit applies to the decompressed body, because a few kilobytes of gzip can expand to gigabytes (RFC 9110, section
8.4). So both transports pass on the bytes as received, and gzip is decompressed here, in bounded steps.
A success over the limit is an error. An error status has a lower limit, and its body is cut there.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Generic, Literal, TypeVar

from airflow_provider_wherobots.api.errors import ResponseTooLargeError, UnreadableResponseError, error_from_response

T = TypeVar("T")

MAX_RESPONSE_BYTES = 8_000_000
"""A usual response has a few kilobytes. The limit keeps one that never ends from filling the memory."""


def no_content(_: Any) -> None:
    """The parser of a response whose body is ignored."""


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """A request to be sent, as data.

    :param operation: operation id in the OpenAPI description; names the call in messages.
    :param parse: turns the decoded JSON body of a success into a model.
    :param params: query parameters, in order; a name may repeat.
    :param repeatable: whether sending it twice has the same effect as sending it once.
    :param date: takes the response's ``Date`` header into the model; None for a model without one.
    :param max_bytes: limit of the response body, after decompression.
    :param urgent: whether it is sent even while the service limits the API key, or other calls hang.
    :param see_other: reads the headers of a 303 in place of a body; None for a call without such a response.
    :param is_response_secret: whether errors must not show the response body of a success.
    :param command: what sends it, ``cmd`` in the service's client chain; default empty.
    """

    operation: str
    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str
    parse: Callable[[Any], T]
    params: tuple[tuple[str, str], ...] = ()
    json: Mapping[str, Any] | None = None
    repeatable: bool = True
    date: Callable[[T, str], T] | None = None
    max_bytes: int = MAX_RESPONSE_BYTES
    urgent: bool = False
    see_other: Callable[[Mapping[str, str]], T] | None = None
    is_response_secret: bool = False
    command: str = ""

    def at_once(self) -> Call[T]:
        """The same call, as an urgent one."""
        return replace(self, urgent=True)


SEE_OTHER = 303


@dataclass(frozen=True, slots=True)
class Response:
    """One HTTP response, read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    redact: Callable[[str], str] = str
    address: str = "the host"


def read_response(call: Call[T], response: Response) -> T:
    """Turn the response to a call into its model. Any 2xx is a success: the service sends 201 where its older
    documentation has 200.
    """
    see_other = call.see_other if response.status == SEE_OTHER else None
    if see_other is None and not 200 <= response.status < 300:
        raise error_from_response(
            call.operation,
            response.status,
            response.headers,
            response.body,
            response.redact,
            address=response.address,
        )
    unreadable: UnreadableResponseError | None = None
    try:
        # The documentation shows no body for a cancel. Every other call's parser refuses None.
        if see_other is not None:
            model = see_other(response.headers)
        else:
            model = call.parse(json.loads(response.body) if response.body.strip() else None)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        body = b"" if call.is_response_secret else response.body
        unreadable = UnreadableResponseError(
            call.operation, response.status, body, str(error), response.redact, address=response.address
        )
    if unreadable is not None:
        # Raised outside the except block: the parser's error may quote the key, and a traceback would show it.
        raise unreadable
    if call.date is None:
        return model
    # When the service sent it, by its own clock (RFC 9110, section 6.6.1).
    date = response.headers.get("Date")
    return model if date is None else call.date(model, date)


ERROR_BODY_BYTES = 262_144
"""How much of an error status's body is read, after decompression."""
STEP_BYTES = 262_144
"""How much is decompressed at once."""


class Body:
    """The body of one response. An error's body is cut at the limit; a success over it is an error."""

    def __init__(self, call: Call[object], status: int, headers: Mapping[str, str]) -> None:
        self._call = call
        self._status = status
        self._is_success = 200 <= status < 300
        self._limit = call.max_bytes if self._is_success else min(ERROR_BODY_BYTES, call.max_bytes)
        self._pieces: list[bytes] = []
        self._size = self._received = 0
        self._encoding = headers.get("Content-Encoding", "").strip().lower()
        # RFC 1952.
        self._inflater = zlib.decompressobj(zlib.MAX_WBITS | 16) if self._encoding == "gzip" else None
        self._left = b""
        self.ended = False
        """Whether the rest of the body is not needed."""
        if self._encoding not in ("", "identity", "gzip"):
            self._fail(f"Content-Encoding: {self._encoding[:50]!r} was not requested")

    def feed(self, piece: bytes) -> bool:
        """Add the next piece. True means that some of it must still be decompressed, by ``feed(b"")``. In an event
        loop, other tasks should run first.
        """
        if self.ended:
            return False
        if self._inflater is None:
            self._add(piece)
            return False
        # The limit of the output does not bound the input: a block may be empty, and anything may follow the end.
        self._received += len(piece)
        if self._received > self._limit + STEP_BYTES:
            self._end_at_limit()
        if self.ended or self._inflater.eof:
            return False
        failure = None
        try:
            step = self._inflater.decompress(self._left + piece, STEP_BYTES)
        except zlib.error as error:
            failure = f"its gzip body cannot be decompressed: {error}"
        if failure is not None:
            self._fail(failure)
            return False
        self._left = self._inflater.unconsumed_tail
        self._add(step)
        # After a full step there may be more output, even if all input is used up.
        return not self.ended and not self._inflater.eof and (bool(self._left) or len(step) == STEP_BYTES)

    def close(self) -> bytes:
        """Return the body; of an error status, up to the limit."""
        is_whole = self._inflater is None or self._inflater.eof or not self._received
        if not is_whole and not self.ended:
            self._fail("its gzip body is truncated")
        return b"".join(self._pieces)

    def _add(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size <= self._limit:
            self._pieces.append(piece)
        else:
            self._end_at_limit()
            self._pieces.append(piece[: self._limit - self._size])

    def _end_at_limit(self) -> None:
        if self._is_success:
            raise ResponseTooLargeError(self._call.operation, self._limit)
        self.ended = True

    def _fail(self, what: str) -> None:
        # An error status is clear enough without its body.
        if self._is_success:
            raise UnreadableResponseError(self._call.operation, self._status, b"", what)
        self.ended = True
