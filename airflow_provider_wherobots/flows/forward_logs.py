"""Forwarding a run's log: page after page until caught up, and after the run's end until the log is quiet.

A failed logs call never affects the task's result. Consecutive failures log one warning. After the run's end, only a
log that could not be read to its end logs one.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Sequence
from itertools import chain

from airflow_provider_wherobots.api.call import Call
from airflow_provider_wherobots.api.errors import (
    BadRequestError,
    KeyLimitedError,
    NotFoundError,
    ResponseTooLargeError,
    WherobotsApiError,
)
from airflow_provider_wherobots.api.runs import calls
from airflow_provider_wherobots.api.runs.models import Line, LogPage
from airflow_provider_wherobots.flows.effects import Flow, Forward, Note, Prefetch, Sleep, attempt, now
from airflow_provider_wherobots.flows.retry import at_most, pause_after, time_left
from airflow_provider_wherobots.logs.causes import LastErrors
from airflow_provider_wherobots.logs.cursor import LogCursor
from airflow_provider_wherobots.logs.records import MAX_HELD_SECONDS, LogRecord, RecordReader, split_lines
from airflow_provider_wherobots.logs.result import ResultReader
from airflow_provider_wherobots.logs.tail import LogTail

QUIET_LOOKS = (1.0, 3.0, 7.0)
"""Seconds after the run's end at which its log is read for late lines. If none has come by the last, it is complete."""
ROUNDING_SECONDS = 0.01
"""Sums of these delays that differ by less are equal."""
SECOND_LOOK_SECONDS = 10.0
"""Seconds until a page that was left for the next one is read again."""
LOOK_FAILURES, LAST_LOOK_FAILURES = 5, 2
"""After this many failed calls in a row a second look is given up, and its late lines are lost: if one of its pages is
unreadable, new lines would wait forever. Fewer after the run's end, where there is less time.
"""
CATCH_UP_SECONDS = 10.0
"""How long pages are read before the run's status is polled again."""
SLICE_LINES, SLICE_CHARS = 200, 100_000
"""The most lines and characters forwarded at once: between two slices a driver can yield to the event loop."""


class LogForwarder:
    """Forwards one run's log and keeps its position. Without ``forward``, it keeps only what other parts need of it.

    No call lasts longer than until the deadline, in epoch seconds.
    """

    def __init__(self, run_id: str, *, forward: bool = True, deadline: float | None = None) -> None:
        self._run_id = run_id
        self._forward = forward
        self._deadline = deadline
        self._cursor = LogCursor()
        self._reader = RecordReader()
        # What is not forwarded yet of the last page. Something remains only if forwarding is interrupted.
        self._untaken: Iterator[list[LogRecord]] = iter(())
        self._held: LogRecord | None = None
        self._held_since = 0.0
        # The failure of the last call, and how many have failed in a row.
        self._failure: WherobotsApiError | None = None
        self._failures = 0
        self._has_warned = False
        self._has_left_out = False
        self._has_read = False
        self._is_ending = False
        # The API key is limited for longer than there is time.
        self._held_up = False
        # A page was too large until a single line was requested. No line has come since.
        self._too_large: ResponseTooLargeError | None = None
        self._has_noted_too_large = False
        self._fresh = 0
        # When the log was read to its present end; None if the last attempt did not get there.
        self._caught_up_at: float | None = None
        # When the log last had new lines; None if it has not been read yet.
        self._fresh_at: float | None = None
        self.has_unread_rest = False
        """Whether the end of the log is missing: it could not be read, or there was no time."""
        self.tail = LogTail()
        self.errors = LastErrors()
        self.result = ResultReader()

    @property
    def is_read(self) -> bool:
        """Whether the last call succeeded."""
        return self._failure is None

    def keep_up(self, until: float, longest_pause: float) -> Flow[bool]:
        """Catch up, unless the log has no new lines and was read recently.

        A log that had no new line for ten seconds is read again after ten more seconds, then after twenty, and so on,
        at most ``longest_pause``. Returns whether there is more to fetch at once.
        """
        moment = yield from now()
        if self._caught_up_at is not None and self._fresh_at is not None:
            silence = self._caught_up_at - self._fresh_at
            # Not negative, unless the clock was set back.
            if 0.0 <= moment - self._caught_up_at < min(silence, longest_pause):
                yield from self._release_overdue(moment)
                return False
        return (yield from self.catch_up(until))

    def catch_up(self, until: float) -> Flow[bool]:
        """Read pages, without sleeping, until there are no more for now. Returns whether there is more to fetch."""
        before = self._fresh
        behind = yield from self._read_on(until)
        moment = yield from now()
        if self._fresh > before or self._fresh_at is None:
            self._fresh_at = moment
        is_caught_up = not behind and not self._held_up and self._failure is None
        self._caught_up_at = moment if is_caught_up else None
        yield from self._release_overdue(moment)
        return behind

    def _release_overdue(self, moment: float) -> Flow[None]:
        # Later than this moment only if the clock was set back.
        self._held_since = min(self._held_since, moment)
        if self._reader.held_from is not self._held:
            self._held, self._held_since = self._reader.held_from, moment
        elif self._held is not None and moment >= self._held_since + MAX_HELD_SECONDS:
            yield from self.release()

    def release(self, *, failed: bool = False) -> Flow[None]:
        """Forward the lines that are held back. ``failed``: the run has failed, and its log was read to its end."""
        yield from self._take_all()
        if records := self._reader.release(failed=failed):
            yield Forward(records)

    def read_last(self, until: float, timeout: float) -> Flow[None]:
        """Read the log a last time, with recently left pages, when following ends before the run does."""
        self._is_ending = True
        behind = yield from self._read_on(until, look_back=True, timeout=timeout)
        yield from self._note_unread_rest(behind or self._held_up)

    def _read_on(self, until: float, *, look_back: bool = False, timeout: float | None = None) -> Flow[bool]:
        moment = yield from now()
        self._held_up = False
        self._cursor.begin_round(moment if look_back else moment - SECOND_LOOK_SECONDS)
        while moment < until:
            page = yield from self._fetch(timeout, until)
            if page is None:
                return False
            moment = yield from now()
            lines, more = self._cursor.accept(page, moment, is_ending=self._is_ending)
            self._fresh += len(lines)
            # Before any effect that may be interrupted.
            self._untaken = chain(self._untaken, self._take(lines))
            if lines and more and moment < until:
                yield Prefetch(self._next_call(), self._time_for_call(timeout, moment))
            if self._has_warned:
                self._has_warned = False
                yield Note(logging.INFO, "The run's log can be read again")
            if page.left_out and not self._has_left_out:
                self._has_left_out = True
                yield Note(
                    logging.WARNING, f"Items of the run's log without a text are left out ({page.left_out} so far)"
                )
            if lines:
                self._too_large = None
            elif not more and self._too_large is not None:
                yield from self._note_too_large(self._too_large)
            yield from self._take_all()
            if not more:
                return False
        return True

    def drain(self, max_wait_seconds: float, until: float, ended_ago: float = 0.0) -> Flow[None]:
        """Read the log of a run that has ended, until it has been quiet long enough, or until a limit: of
        ``max_wait_seconds`` of waiting in all, or of ``until``, in epoch seconds.
        """
        self._is_ending = True
        behind = yield from self._read_until_quiet(max_wait_seconds, until, ended_ago)
        yield from self._note_unread_rest(behind)

    def _read_until_quiet(self, max_wait_seconds: float, until: float, ended_ago: float) -> Flow[bool]:
        waited, quiet, is_first = 0.0, max(0.0, ended_ago), True
        while True:
            before = self._fresh
            is_last = quiet >= QUIET_LOOKS[-1] - ROUNDING_SECONDS or waited >= max_wait_seconds - ROUNDING_SECONDS
            behind = yield from self._read_on(until, look_back=is_last)
            if behind or self._held_up:
                return True
            found = self._fresh > before
            if found and not is_first:
                quiet = 0.0
            delay = _next_look(quiet, found=found, unreadable=self._failure is not None and self._failure.transient)
            if delay is None:
                return False
            delay = min(delay, max_wait_seconds - waited)
            if delay <= 0 or (yield from now()) + delay >= until:
                return False
            waited, quiet, is_first = waited + delay, quiet + delay, False
            yield Sleep(delay)

    def _note_unread_rest(self, behind: bool) -> Flow[None]:
        self.has_unread_rest = behind or self._failure is not None or self._too_large is not None
        if behind:
            yield Note(logging.WARNING, f"The log of run {self._run_id} was not read to its end within the time limit")
        elif self._failure is not None:
            what = "The end of the log" if self._has_read else "The log"
            yield Note(logging.WARNING, f"{what} of run {self._run_id} could not be read ({self._failure})")

    def _take_all(self) -> Flow[None]:
        for records in self._untaken:
            # Even without records: a driver can yield to the event loop.
            yield Forward(records)
        self._untaken = iter(())

    def _take(self, lines: Sequence[Line]) -> Iterator[list[LogRecord]]:
        """Read the lines of a page, step by step. Yields the records that each step makes."""
        for part in _slices(lines):
            self.tail.add(part)
            self.errors.add(part)
            self.result.add(part)
            yield from self._reader.steps(part) if self._forward else ([],)

    def _next_call(self) -> Call[LogPage]:
        return calls.get_run_logs(self._run_id, self._cursor.cursor, self._cursor.size)

    def _time_for_call(self, timeout: float | None, moment: float) -> float | None:
        return time_left(self._deadline, moment) if timeout is None else timeout

    def _fetch(self, timeout: float | None, until: float) -> Flow[LogPage | None]:
        while True:
            try:
                allowed = self._time_for_call(timeout, (yield from now()))
                page = yield from attempt(self._next_call(), allowed)
            except KeyLimitedError as error:
                # It was not sent: this is no failure of the log.
                left = until - (yield from now())
                if error.seconds >= left:
                    self._held_up = True
                    return None
                yield at_most(left, pause_after(error, error.seconds))
                continue
            except WherobotsApiError as error:
                if isinstance(error, BadRequestError) and self._cursor.refuse():
                    continue
                if isinstance(error, ResponseTooLargeError):
                    was_single = self._cursor.size == 1
                    has_more_to_try = self._cursor.refuse(too_large=True)
                    if was_single or self._cursor.size == 1:
                        self._too_large = error
                    if has_more_to_try:
                        continue
                    self._failure = None
                    yield from self._note_too_large(error)
                    return None
                self._failures += 1
                most = LAST_LOOK_FAILURES if self._is_ending else LOOK_FAILURES
                if self._failures >= most or not error.transient:
                    self._cursor.abandon()
                self._cursor.request_fewer()
                self._failure = error
                # The log of a run that has just started may not exist yet.
                if not (self._has_warned or self._is_ending or isinstance(error, NotFoundError)):
                    self._has_warned = True
                    yield Note(
                        logging.WARNING, f"The run's log cannot be read for now ({error}); this does not affect the run"
                    )
                return None
            self._failure, self._failures, self._has_read = None, 0, True
            return page

    def _note_too_large(self, error: ResponseTooLargeError) -> Flow[None]:
        if not self._has_noted_too_large:
            self._has_noted_too_large = True
            yield Note(logging.WARNING, f"The run's log cannot be read past a line that is too long: {error}")


def print_log(run_id: str) -> Flow[bool]:
    """Forward a run's log as far as it exists. Returns whether it could be read."""
    log = LogForwarder(run_id)
    yield from log.drain(0.0, math.inf)
    yield from log.release()
    return log.is_read


def _slices(lines: Sequence[Line]) -> Iterator[Sequence[Line]]:
    part: list[Line] = []
    chars = 0
    for line in _single_lines(lines):
        chars += len(line[1])
        if part and (len(part) == SLICE_LINES or chars > SLICE_CHARS):
            yield part
            part, chars = [], len(line[1])
        part.append(line)
    if part:
        yield part


def _single_lines(lines: Sequence[Line]) -> Iterator[Line]:
    """Lines without line breaks: one item of a log may have very many."""
    for line in lines:
        if "\n" in line[1]:
            yield from ((line[0], text) for text in split_lines(line[1]))
        else:
            yield line


def _next_look(quiet: float, *, found: bool, unreadable: bool) -> float | None:
    """Seconds until the log is read for late lines again; None when it is complete.

    ``quiet`` is the seconds since the run's end or the last late lines. A log that is unreadable for now is not quiet.
    """
    for seconds in QUIET_LOOKS:
        if quiet < seconds - ROUNDING_SECONDS:
            return seconds - quiet
    if unreadable:
        return QUIET_LOOKS[-1] - QUIET_LOOKS[-2]
    return QUIET_LOOKS[0] if found else None
