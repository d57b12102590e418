"""The last lines of a log that explain a failure, in bounded memory."""

from __future__ import annotations

from collections.abc import Sequence

from airflow_provider_wherobots.api.runs.models import Line
from airflow_provider_wherobots.logs.records import make_plain, split_lines

MAX_TAIL_CHARS = 4_000
MAX_LINES = 60
MAX_LINE_CHARS = 500
UNMARKED_LINES = 15
_MARKS = ("Traceback (most recent call last)", "Caused by: ")


class LogTail:
    """The newest lines of a log."""

    def __init__(self) -> None:
        # A list: an empty deque takes 760 bytes, and a triggerer holds thousands of tails.
        self._lines: list[str] = []

    def add(self, lines: Sequence[Line]) -> None:
        """Remember lines. Each is split at line breaks, and cut if too long.

        :param lines: the lines as received.
        """
        for _, raw in lines[-MAX_LINES:]:
            for text in split_lines(raw)[-MAX_LINES:]:
                self._lines.append(text if len(text) <= MAX_LINE_CHARS else f"{text[:MAX_LINE_CHARS]}…")
        del self._lines[:-MAX_LINES]

    def explain(self) -> str:
        """The lines from the last ``Traceback`` or ``Caused by:`` on, else the last 15; at most 4,000 characters.

        :returns: plain text that is safe for an exception and a trigger event.
        """
        lines = [make_plain(text) for text in self._lines]
        start = max(0, len(lines) - UNMARKED_LINES)
        for index in range(len(lines) - 1, -1, -1):
            if any(mark in lines[index] for mark in _MARKS):
                start = index
                break
        text = "\n".join(lines[start:])
        return text if len(text) <= MAX_TAIL_CHARS else f"…{text[-MAX_TAIL_CHARS:]}"
