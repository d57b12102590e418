"""Forwarding a run's log: page after page until caught up, and once more after its end until it is quiet.

A logs call that fails is a warning, once per row of failures; it never decides anything.
"""

from __future__ import annotations

import logging

from airflow_provider_wherobots.api import calls
from airflow_provider_wherobots.api.errors import BadRequestError, NotFoundError, WherobotsApiError
from airflow_provider_wherobots.api.models import LogPage
from airflow_provider_wherobots.flows.effects import Flow, Forward, Note, Sleep, attempt, now
from airflow_provider_wherobots.flows.log_cursor import LogCursor
from airflow_provider_wherobots.flows.log_records import LogRecord, RecordReader
from airflow_provider_wherobots.flows.log_tail import LogTail

QUIET_DELAYS = (1.0, 2.0, 4.0)
"""Seconds to wait for late lines after the end; when all three bring none, the log is complete."""
CATCH_UP_SECONDS = 10.0
"""How long pages are followed before the run's status is asked again."""


class LogForwarder:
    """Forwards one run's log, remembering where it is.

    :param run_id: the run's id.
    :param forward: whether lines go to the task log; False only remembers the tail.
    """

    def __init__(self, run_id: str, *, forward: bool = True) -> None:
        self._run_id = run_id
        self._forward = forward
        self._cursor = LogCursor()
        self._reader = RecordReader()
        self._failing = False
        self._interrupted = False
        self._fresh = 0
        self.tail = LogTail()

    def catch_up(self, until: float) -> Flow[bool]:
        """Follow pages, without sleeping, until there are no more for now.

        :param until: when to stop in any case, in epoch seconds.
        :returns: whether there is more to fetch at once.
        """
        while (yield from now()) < until:
            page = yield from self._fetch()
            if page is None:
                return False
            lines, more = self._cursor.accept(page)
            records: list[LogRecord] = []
            for line in lines:
                self.tail.add(line.raw)
                records.extend(self._reader.read(line))
            self._fresh += len(lines)
            if records and self._forward:
                yield Forward(records)
            if not more:
                return False
        return True

    def drain(self, max_wait_seconds: float, until: float) -> Flow[None]:
        """After the run's end: catch up, then wait a few growing moments for late lines.

        :param max_wait_seconds: the most to wait in all.
        :param until: when to stop in any case, in epoch seconds.
        """
        waited, quiet = 0.0, 0
        while True:
            before = self._fresh
            behind = yield from self.catch_up(until)
            if behind:
                yield Note(
                    logging.WARNING, f"The log of run {self._run_id} was not read to its end in the time there was"
                )
                return
            if self._fresh > before:
                quiet = 0
            elif self._interrupted:
                # A log that cannot be read for the moment is not a quiet one.
                quiet = min(quiet, len(QUIET_DELAYS) - 1)
            if quiet == len(QUIET_DELAYS):
                return
            delay = min(QUIET_DELAYS[quiet], max_wait_seconds - waited, until - (yield from now()))
            if delay <= 0:
                return
            quiet += 1
            waited += delay
            yield Sleep(delay)

    def _fetch(self) -> Flow[LogPage | None]:
        while True:
            try:
                page = yield from attempt(calls.get_run_logs(self._run_id, self._cursor.cursor, self._cursor.size))
            except WherobotsApiError as error:
                if isinstance(error, BadRequestError) and self._cursor.refuse():
                    continue
                if not self._failing and not isinstance(error, NotFoundError):
                    yield Note(logging.WARNING, f"The run's log cannot be read for now ({error}); the run goes on")
                self._failing = not isinstance(error, NotFoundError)
                self._interrupted = error.transient
                return None
            self._interrupted = False
            if self._failing:
                self._failing = False
                yield Note(logging.INFO, "The run's log can be read again")
            return page
