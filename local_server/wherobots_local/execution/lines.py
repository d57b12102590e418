"""Cutting a stream of bytes at line ends. Costs the same for many short lines as for a few long ones."""

from __future__ import annotations

from collections.abc import Iterator

MAX_LINE_BYTES = 1024 * 1024
"""A longer line is cut into pieces. So output without line ends cannot fill the memory, and two lines always fit on a
page of the log."""


class LineSplitter:
    """Collects pieces of a stream and returns blocks of whole lines, each line with its line end."""

    def __init__(self) -> None:
        self._pending: list[bytes] = []
        self._pending_bytes = 0

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """Take a piece shorter than ``MAX_LINE_BYTES``; return the lines that are complete now, in blocks."""
        whole, newline, rest = piece.rpartition(b"\n")
        if newline and self._pending_bytes:
            # On its own, so that no piece is longer than the limit.
            first, _, whole = (whole + newline).partition(b"\n")
            yield from self._keep(first)
            yield self._take()
        elif newline:
            whole += newline
        if whole:
            yield whole
        yield from self._keep(rest)

    def finish(self) -> Iterator[bytes]:
        """Return the last line if the stream did not end with a line end."""
        if self._pending_bytes:
            yield self._take()

    def _keep(self, piece: bytes) -> Iterator[bytes]:
        if piece:
            if self._pending_bytes + len(piece) > MAX_LINE_BYTES:
                yield self._take()
            self._pending.append(piece)
            self._pending_bytes += len(piece)

    def _take(self) -> bytes:
        line = b"".join(self._pending)
        self._pending.clear()
        self._pending_bytes = 0
        return line + b"\n"
