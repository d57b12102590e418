"""Splitting a stream of bytes into lines."""

from __future__ import annotations

from collections.abc import Iterator

MAX_LINE_BYTES = 16 * 1024 * 1024
"""A line longer than this is cut into pieces, so that output without line ends cannot fill the memory."""


class LineSplitter:
    """Collects pieces of a stream and returns whole lines, without their line ends."""

    def __init__(self) -> None:
        self._pending: list[bytes] = []
        self._pending_bytes = 0

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """Take the next piece.

        :param piece: bytes as they were read.
        :returns: the lines that are complete now.
        """
        head, newline, rest = piece.partition(b"\n")
        self._keep(head)
        if newline:
            yield self._take()
            *lines, tail = rest.split(b"\n")
            yield from (line.removesuffix(b"\r") for line in lines)
            self._keep(tail)
        if self._pending_bytes > MAX_LINE_BYTES:
            yield self._take()

    def finish(self) -> Iterator[bytes]:
        """Return the last line if the stream did not end with a line end."""
        if self._pending_bytes:
            yield self._take()

    def _keep(self, piece: bytes) -> None:
        if piece:
            self._pending.append(piece)
            self._pending_bytes += len(piece)

    def _take(self) -> bytes:
        line = b"".join(self._pending)
        self._pending.clear()
        self._pending_bytes = 0
        return line.removesuffix(b"\r")
