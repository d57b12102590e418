"""A run's log as the Runs API may serve it: lines that arrive over time, under every reading of the cursor.

``tests/contract/test_contract.py`` holds it against the local server, in the readings that both have.
"""

import json
from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from operator import attrgetter
from typing import Any, Literal

from airflow_provider_wherobots.api.call import Response

T0 = 1_750_000_000_000_000_000
"""The time of a first line, in epoch nanoseconds."""

CursorMode = Literal["nanoseconds", "int", "offset", "opaque"]
"""What a cursor is.

* ``nanoseconds``: a time, inclusive, in a string; ``int``: the same as a number.
* ``offset``: a count of lines, in a string.
* ``opaque``: a token for a place after a line; a foreign one is refused.
"""
CaughtUp = Literal["null", "absent", "equal", "end"]
"""What ``next_page`` is when there are no more lines for now: null, left out, the cursor sent, or the log's end."""
Boundary = Literal["last", "next", "after"]
"""Whose time names a next page: the last line's, and that page begins with it or after it, or its own first line's."""


@dataclass(frozen=True)
class FakeLine:
    """A line.

    :param arrives: seconds after the run's creation from which on it can be read.
    """

    arrives: float
    timestamp: int
    text: str


@dataclass
class FakeLog:
    """A log.

    :param caught_up: what ``next_page`` is when there are no more lines.
    :param cap: the most lines on a page, whatever is asked for.
    :param max_chars: the most characters on a page that has more than one line; 0 for no limit.
    :param max_size: a greater ``size`` is refused.
    :param lags: by how many seconds the replica that answers lags behind, call after call; in the end none does.
    :param boundary: whose time a next page is named by.
    """

    lines: list[FakeLine] = field(default_factory=list)
    mode: CursorMode = "nanoseconds"
    caught_up: CaughtUp = "null"
    cap: int = 1000
    max_chars: int = 0
    max_size: int = 1_000_000
    boundary: Boundary = "last"
    lags: list[float] = field(default_factory=list)
    _in_order: list[FakeLine] = field(default_factory=list, init=False, repr=False)
    # What tells lines of one time apart.
    _numbers: dict[int, int] = field(default_factory=dict, init=False, repr=False)

    def answer(self, params: Mapping[str, str], age: float) -> Response:
        """Answer Get Run Logs.

        :param age: seconds since the run's creation.
        """
        cursor, size = params["cursor"], int(params.get("size", "100"))
        age = max(0.0, age - (self.lags.pop(0) if self.lags else 0.0))
        arrived = [line for line in self._sorted() if line.arrives <= age]
        start = self._start(cursor, arrived)
        if start is None or size > self.max_size:
            return Response(422, {}, b'{"errors": [{"code": "INVALID_INPUT_ERROR", "message": "invalid"}]}')
        end = start + min(size, self.cap)
        if self.max_chars and end > start + 1:
            sizes = accumulate(len(line.text) for line in arrived[start:end])
            end = start + max(1, sum(size <= self.max_chars for size in sizes))
        end = self._between_times(arrived, start, end)
        page: dict[str, Any] = {
            "items": [{"timestamp": self._stamp(line.timestamp), "raw": line.text} for line in arrived[start:end]],
            "current_page": self._cursor(cursor),
        }
        if end < len(arrived):
            page["next_page"] = self._name(arrived, end)
        elif self.caught_up == "end":
            page["next_page"] = self._name(arrived, len(arrived)) if arrived[start:] else self._cursor(cursor)
        elif self.caught_up != "absent":
            page["next_page"] = None if self.caught_up == "null" else self._cursor(cursor)
        return Response(200, {}, json.dumps(page).encode())

    def _sorted(self) -> list[FakeLine]:
        # A test may add lines.
        if len(self._in_order) != len(self.lines):
            self._in_order = sorted(self.lines, key=attrgetter("timestamp"))
            self._numbers = {id(line): number for number, line in enumerate(self.lines)}
        return self._in_order

    def _start(self, cursor: str, arrived: list[FakeLine]) -> int | None:
        if cursor == "0":
            return 0
        if self.mode == "opaque":
            prefix, _, place = cursor.partition(":")
            if prefix != "after":
                return None
            timestamp, _, number = place.partition(":")
            passed = int(timestamp), int(number)
            return bisect_right(arrived, passed, key=lambda line: (line.timestamp, self._numbers[id(line)]))
        if self.mode == "offset":
            return min(int(cursor), len(arrived))
        return bisect_left(arrived, int(cursor) + self._is_exclusive, key=attrgetter("timestamp"))

    @property
    def _is_exclusive(self) -> bool:
        return self.boundary == "after" and self.mode in ("nanoseconds", "int")

    def _between_times(self, arrived: list[FakeLine], start: int, end: int) -> int:
        """The end of a page: an exclusive cursor would lose the rest of the lines of one time."""
        if not self._is_exclusive or not start < end < len(arrived):
            return end
        last = arrived[end - 1].timestamp
        if arrived[end].timestamp != last:
            return end
        before = sum(line.timestamp < last for line in arrived)
        return before if before > start else sum(line.timestamp <= last for line in arrived)

    def _name(self, arrived: list[FakeLine], end: int) -> str | int:
        match self.mode:
            case "opaque":
                return f"after:{arrived[end - 1].timestamp}:{self._numbers[id(arrived[end - 1])]}"
            case "offset":
                return str(end)
        first_unread = self.boundary == "next" and end < len(arrived)
        timestamp = arrived[end if first_unread else end - 1].timestamp
        return timestamp if self.mode == "int" else str(timestamp)

    def _stamp(self, timestamp: int) -> str | int:
        return timestamp if self.mode == "int" else str(timestamp)

    def _cursor(self, sent: str) -> str | int:
        return int(sent) if self.mode == "int" else sent
