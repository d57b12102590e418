"""The last lines of a log that explain a failure."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from airflow_provider_wherobots.api.runs.models import Line
from airflow_provider_wherobots.logs.records import make_plain, split_lines

MAX_TAIL_CHARS = 4_000
MAX_LINES = 60
MAX_LINE_CHARS = 500
UNMARKED_LINES = 15
_MARKS = ("Traceback (most recent call last)", "Caused by: ")
_CHAINS = ("The above exception was the direct cause", "During handling of the above exception")
"""What Python writes between the traceback of a cause and the traceback of its consequence."""


class LogTail:
    """The newest lines of a log."""

    def __init__(self) -> None:
        # A list: an empty deque takes 760 bytes, and a triggerer holds thousands of tails.
        self._lines: list[str] = []

    def add(self, lines: Sequence[Line]) -> None:
        """Remember lines. Each is split at line breaks, and cut if too long."""
        for _, raw in lines[-MAX_LINES:]:
            for text in deque(split_lines(raw), MAX_LINES):
                self._lines.append(text if len(text) <= MAX_LINE_CHARS else f"{text[:MAX_LINE_CHARS]}…")
        del self._lines[:-MAX_LINES]

    def explain(self, error: str = "") -> str:
        """The lines from the last ``Traceback`` or ``Caused by:`` on, else the last 15; at most 4,000 safe characters.

        A traceback includes the tracebacks of its causes. If lines have to be left out, the first one stays.

        :param error: the line that names the log's last exception; without those marks the lines begin at or before it.
        """
        lines = [make_plain(text) for text in self._lines]
        start = max(0, len(lines) - UNMARKED_LINES)
        first = error
        marks = [index for index, text in enumerate(lines) if any(mark in text for mark in _MARKS)]
        if marks:
            start = marks.pop()
            while marks and any(chain in text for text in lines[max(0, start - 2) : start] for chain in _CHAINS):
                start = marks.pop()
            first = lines[start]
        elif named := [index for index, text in enumerate(lines) if error and text.startswith(error)]:
            start = min(start, named[-1])
        text = "\n".join(lines[start:])
        shown = text if len(text) <= MAX_TAIL_CHARS else f"…{text[-MAX_TAIL_CHARS:]}"
        return shown if first in shown else f"{first}\n…\n{text[len(first) + 2 - MAX_TAIL_CHARS :]}"
