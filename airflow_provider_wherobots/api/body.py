"""Reading the body of a response, piece by piece and within a limit.

The limit applies to the decompressed body, because a few kilobytes of gzip can expand to gigabytes (RFC 9110, section
8.4). So both transports pass on the bytes as received, and gzip and deflate are decompressed here, in bounded steps.
A success over the limit is an error. An error status has a lower limit, and its body is cut there.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping

from airflow_provider_wherobots.api.call import Call
from airflow_provider_wherobots.api.errors import ResponseLostError, ResponseTooLargeError, UnreadableResponseError

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
        self._inflater: zlib._Decompress | None = None
        self._left = b""
        self.ended = False
        """Whether the rest of the body is not needed."""
        if self._encoding not in ("", "identity", "gzip", "x-gzip", "deflate"):
            self._fail(f"Content-Encoding: {self._encoding[:50]!r} was not requested")
        length = headers.get("Content-Length", "0")
        if not (length.isdecimal() and length.isascii()):
            raise ResponseLostError(call.operation, f"Content-Length: {length[:50]!r} is not a number of bytes")
        if self._is_success and (len(length) > 18 or int(length) > self._limit):
            raise ResponseTooLargeError(call.operation, self._limit)

    def feed(self, piece: bytes) -> bool:
        """Add the next piece. True means that some of it must still be decompressed, by ``feed(b"")``. In an event
        loop, other tasks should run first.
        """
        if self.ended:
            return False
        if self._encoding in ("", "identity"):
            self._add(piece)
            return False
        # The limit of the output does not bound the input: a member of gzip may be empty.
        self._received += len(piece)
        if self._received > self._limit + STEP_BYTES:
            self._end_at_limit()
            return False
        self._left += piece
        if not self._left and self._inflater is None:
            return False
        failure = None
        try:
            step = self._inflate()
        except zlib.error as error:
            failure = f"its {self._encoding} body cannot be decompressed: {error}"
        if failure is not None:
            self._fail(failure)
            return False
        self._add(step)
        # After a full step there may be more output, even if all input is used up.
        return not self.ended and (bool(self._left) or len(step) == STEP_BYTES)

    def close(self) -> bytes:
        """Return the body; of an error status, up to the limit."""
        if self._inflater is not None and not self._inflater.eof and not self.ended:
            self._fail(f"its {self._encoding} body is truncated")
        return b"".join(self._pieces)

    def _inflate(self) -> bytes:
        if self._inflater is None:
            # Some servers send "deflate" (RFC 1951) without the zlib header (RFC 1950), which has an 8 in its low bits.
            is_bare = self._encoding == "deflate" and self._left[0] & 0x0F != 8
            self._inflater = zlib.decompressobj(-zlib.MAX_WBITS if is_bare else zlib.MAX_WBITS | 32)
        step = self._inflater.decompress(self._left, STEP_BYTES)
        self._left = self._inflater.unconsumed_tail
        if self._inflater.eof:
            # Another gzip member may follow (RFC 1952, section 2.2). Zeros after the last one are padding.
            self._left = self._inflater.unused_data.lstrip(b"\x00") if "gzip" in self._encoding else b""
            if self._left:
                self._inflater = None
        return step

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
