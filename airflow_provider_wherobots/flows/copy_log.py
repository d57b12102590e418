"""Copying the log of a run that has ended into the worker's part of the task log, for deployments that lose the
triggerer's part.

Airflow's log view sorts records by their times. So the first mark has the time of the first line, and the last mark the
time of the last line: the copied lines stay between them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

from airflow_provider_wherobots.api.errors import WherobotsApiError
from airflow_provider_wherobots.api.runs.models import Line, LogPage
from airflow_provider_wherobots.flows import words
from airflow_provider_wherobots.flows.effects import Flow, Forward, now
from airflow_provider_wherobots.flows.follow import DRAIN_SECONDS
from airflow_provider_wherobots.flows.forward_logs import LogForwarder
from airflow_provider_wherobots.flows.retry import Outage, within
from airflow_provider_wherobots.logs.records import LogRecord, read_time_ns

COPY_SECONDS = DRAIN_SECONDS
"""How long the log may be read, unless the task's deadline comes first."""
UNREADABLE_SECONDS = 60.0
"""How long a page may take, and how long pages may fail in a row."""


def begin_of_copy(run_id: str, part: str) -> str:
    return f"Log of run {words.short(run_id)}, copied when the task resumed (copy_log_on_resume = {part}):"


def end_of_copy(run_id: str) -> str:
    return f"End of the copied log of run {words.short(run_id)}"


class _MarkedLog(LogForwarder):
    """Forwards a mark before the first line, remembers the last line, and reads pages that fail again."""

    def __init__(self, run_id: str) -> None:
        super().__init__(run_id)
        self.last: Line | None = None
        self._outage = Outage(UNREADABLE_SECONDS)

    def read_all(self, until: float) -> Flow[bool]:
        """Read the log to its end, within the time. Returns whether it is complete."""
        self._is_ending = True
        behind, moment = True, (yield from now())
        while moment < until:
            behind = yield from self._read_on(until, look_back=True)
            moment = yield from now()
            if behind or self._failure is None:
                break
            try:
                pause = yield from self._outage.pause(self._failure, moment, "it is read again")
            except WherobotsApiError:
                break
            yield within(until, moment, pause)
            moment = yield from now()
        yield from self._note_unread_rest(behind or self._held_up)
        return not self.has_unread_rest

    def _fetch(self, timeout: float | None, until: float) -> Flow[LogPage | None]:
        left = until - (yield from now())
        page = yield from super()._fetch(max(1.0, min(left, UNREADABLE_SECONDS)), until)
        if page is not None:
            self._outage.over((yield from now()))
        return page

    def _take(self, lines: Sequence[Line]) -> Iterator[list[LogRecord]]:
        if lines and self.last is None:
            yield [_mark(lines[0], begin_of_copy(self._run_id, "all"))]
        self.last = lines[-1] if lines else self.last
        yield from super()._take(lines)


def copy_log(run_id: str, seconds: float, *, failed: bool) -> Flow[None]:
    """Forward the whole log with its own times, as far as it can be read within ``seconds``."""
    log = _MarkedLog(run_id)
    until = (yield from now()) + seconds
    is_read = yield from log.read_all(until)
    yield from log.release(failed=failed)
    if log.last is not None:
        cut = "" if is_read else ": incomplete"
        if (yield from now()) >= until:
            cut = f": cut off after {words.duration(seconds)}"
        yield Forward([_mark(log.last, end_of_copy(run_id) + cut)])


def _mark(line: Line, text: str) -> LogRecord:
    return LogRecord(read_time_ns(line[0]), logging.INFO, text)
