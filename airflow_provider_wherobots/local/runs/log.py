"""The log of one run: its lines in the order of their timestamps."""

from __future__ import annotations

import bisect
import math
import time
from collections.abc import Sequence
from typing import NamedTuple

MAX_LOG_BYTES = 256 * 1024 * 1024
"""Lines beyond this many bytes are dropped, so that a run cannot fill the machine's memory."""


class StoredLine(NamedTuple):
    """One line: its timestamp (ns since the epoch), a number that is unique in the run, its text,
    and when it was read (``time.monotonic()``; minus infinity for inserted lines)."""

    timestamp: int
    number: int
    raw: str
    read_at: float


class RunLog:
    """The lines of a run, sorted by timestamp and, if that is equal, by arrival."""

    def __init__(self) -> None:
        self._lines: list[StoredLine] = []
        self._next_number = 0
        self._bytes = 0
        self._latest_read = 0

    @property
    def lines(self) -> Sequence[StoredLine]:
        """All lines, sorted."""
        return self._lines

    def append(self, line: bytes) -> None:
        """Add a line that the run has just written, stamped with the time of this call.

        :param line: the line without its line end; decoded as UTF-8, with U+FFFD for invalid bytes.
        """
        if self._bytes > MAX_LOG_BYTES:
            return
        self._bytes += len(line)
        raw = line.decode("utf-8", errors="replace")
        if self._bytes > MAX_LOG_BYTES:
            raw = f"The log has reached the local server's limit of {MAX_LOG_BYTES} bytes. Further lines are dropped."
        # A clock that is set back must not reorder lines, and a cursor is the time of a line: no two share one.
        self._latest_read = max(time.time_ns(), self._latest_read + 1)
        self._add(StoredLine(self._latest_read, self._take_number(), raw, time.monotonic()))

    def insert(self, timestamp: int, raw: str) -> None:
        """Put a line where its timestamp belongs, visible at once.

        :param timestamp: nanoseconds since the epoch.
        :param raw: the text of the line.
        """
        self._add(StoredLine(timestamp, self._take_number(), raw, -math.inf))

    def _take_number(self) -> int:
        self._next_number += 1
        return self._next_number

    def _add(self, line: StoredLine) -> None:
        if not self._lines or self._lines[-1] < line:
            self._lines.append(line)
        else:
            bisect.insort(self._lines, line)
