"""What the task log shows of a statement: each thing once, progress now and then, and never without end."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from airflow_provider_wherobots.api.sql.messages import ExecutionProgress
from airflow_provider_wherobots.flows.effects import Flow, Note

PROGRESS_SECONDS = 10.0
"""The shortest time between two log lines about progress."""
MAX_NOTES = 20
"""How many different texts are logged: the session could make up states without end."""


class Notes:
    """Writes the notes of one execution."""

    def __init__(self, what: str, progress: bool) -> None:
        self._what = what
        self._says_progress = progress
        self._progress: ExecutionProgress | None = None
        self._progress_at = float("-inf")
        self._said: set[str] = set()

    def write(self, notes: Iterable[Note]) -> Flow[None]:
        """Write those that are new."""
        for note in notes:
            if note.text not in self._said and len(self._said) < MAX_NOTES:
                self._said.add(note.text)
                yield note

    def progress(self, message: ExecutionProgress, now: float) -> Flow[None]:
        """Write progress if there is any and the last line about it is old enough."""
        is_due = now - self._progress_at >= PROGRESS_SECONDS
        if self._says_progress and is_due and message != self._progress and message.total:
            self._progress, self._progress_at = message, now
            done = f"{message.completed} of {message.total} tasks completed, {message.active} active"
            yield Note(logging.INFO, f"{self._what}: {done}")
