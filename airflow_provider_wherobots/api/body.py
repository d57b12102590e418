"""Reading the body of an answer, piece by piece and never without a limit.

What is limited is the body as it is read from here on, after decompression: a few kilobytes of gzip can stand for
gigabytes (RFC 9110, section 8.4). So both transports hand over the bytes as received, and gzip and deflate are undone
here, a bounded step at a time. A success over the limit is an error; of an error status the beginning is enough.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping

from airflow_provider_wherobots.api.call import Call
from airflow_provider_wherobots.api.errors import AnswerLostError, AnswerTooLargeError, UnreadableAnswerError

ERROR_BODY_BYTES = 262_144
"""The most that is read of an error status's body."""
STEP_BYTES = 262_144
"""The most that is decompressed at once."""


class Body:
    """The body of one answer.

    :param call: the call that is answered; its ``max_bytes`` is the limit.
    :param status: HTTP status code.
    :param headers: response headers, looked up case-insensitively.
    :raises AnswerTooLargeError: when the headers already say so.
    :raises AnswerLostError: when they do not say where the body ends.
    :raises UnreadableAnswerError: for a success in an encoding that was not asked for.
    """

    def __init__(self, call: Call[object], status: int, headers: Mapping[str, str]) -> None:
        self._call = call
        self._status = status
        self._is_success = 200 <= status < 300
        self._limit = call.max_bytes if self._is_success else min(ERROR_BODY_BYTES, call.max_bytes)
        self._pieces: list[bytes] = []
        self._size = 0
        self._encoding = headers.get("Content-Encoding", "").strip().lower()
        self._inflater: zlib._Decompress | None = None
        self._left = b""
        self.ended = False
        """Whether the rest of the body is not needed."""
        if self._encoding not in ("", "identity", "gzip", "x-gzip", "deflate"):
            self._fail(f"Content-Encoding: {self._encoding[:50]!r} was not asked for")
        length = headers.get("Content-Length", "0")
        if not (length.isdecimal() and length.isascii()):
            raise AnswerLostError(call.operation, f"Content-Length: {length[:50]!r} is no number of bytes")
        if self._is_success and (len(length) > 18 or int(length) > self._limit):
            raise AnswerTooLargeError(call.operation, self._limit)

    def feed(self, piece: bytes) -> bool:
        """Add the next piece.

        :param piece: bytes as received; ``b""`` to continue with those of the piece before.
        :returns: whether some of it is still to be decompressed: feed ``b""`` then, after a turn for others.
        :raises AnswerTooLargeError: when a success grows over the limit.
        :raises UnreadableAnswerError: when a success cannot be decompressed.
        """
        if self.ended:
            return False
        if self._encoding in ("", "identity"):
            self._add(piece)
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
        # A full step may have left some output behind though its input is used up.
        return not self.ended and (bool(self._left) or len(step) == STEP_BYTES)

    def close(self) -> bytes:
        """The whole body, or the beginning of an error status's.

        :raises UnreadableAnswerError: when the compressed body of a success was cut.
        """
        if self._inflater is not None and not self._inflater.eof and not self.ended:
            self._fail(f"its {self._encoding} body is cut")
        return b"".join(self._pieces)

    def _inflate(self) -> bytes:
        if self._inflater is None:
            # Some servers mean bare deflate (RFC 1951) by "deflate"; a zlib header (RFC 1950) has an 8 in its low bits.
            is_bare = self._encoding == "deflate" and self._left[0] & 0x0F != 8
            self._inflater = zlib.decompressobj(-zlib.MAX_WBITS if is_bare else zlib.MAX_WBITS | 32)
        step = self._inflater.decompress(self._left, STEP_BYTES)
        self._left = self._inflater.unconsumed_tail
        if self._inflater.eof:
            # gzip may go on with another member (RFC 1952, section 2.2); zeros after the last are padding.
            self._left = self._inflater.unused_data.lstrip(b"\x00") if "gzip" in self._encoding else b""
            if self._left:
                self._inflater = None
        return step

    def _add(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size <= self._limit:
            self._pieces.append(piece)
        elif self._is_success:
            raise AnswerTooLargeError(self._call.operation, self._limit)
        else:
            self._pieces.append(piece[: self._limit - self._size])
            self.ended = True

    def _fail(self, what: str) -> None:
        # An error status says enough without its body.
        if self._is_success:
            raise UnreadableAnswerError(self._call.operation, self._status, b"", what)
        self.ended = True
