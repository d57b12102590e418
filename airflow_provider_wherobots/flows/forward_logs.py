"""Forwarding a run's log: page after page until caught up, and after the run's end until the log is quiet.

A log is read in rounds: with each poll while the run is active, then in a drain. A round requests pages, without
sleeping, until there are no more for now or its time is over. The log is always in one of these states, and each round
leaves it in one:

============  ==================================================================  =======================
state         meaning                                                             the next round is due
============  ==================================================================  =======================
`Unread`      no round yet                                                        at once
`Current`     the log was read to its present end                                 after as long a silence
`Behind`      the round's time was over before the log's end                      at once
`Limited`     the API key may not be used before the round's time is over         with the next poll
`CallFailed`  the last calls failed: one warning, and one line when that is over  with the next poll
`Blocked`     a line is too long to be read: one warning                          with the next poll
============  ==================================================================  =======================

The drain reads until the log is complete. A run writes its last line before it ends, so all lines can be read when the
run has ended as long ago as its lines come late (see ``logs.lateness``, with a margin), and nothing has come for a
while. As long as it is unknown how late they come, the drain waits. While a result is missing that the task needs, it
waits too. An outage does not count as waiting, and is tolerated for as long as while the run was active. At last, the
last pages are read again, for lines that have landed on them since.

Nothing is lost, doubled or out of order, because only :class:`LogCursor` decides which lines are new, and all new lines
of a page are taken over before the first ``await`` that can be interrupted. A round that is interrupted forwards them.

A failed logs call never affects the task's result. After the run's end, only a log that could not be read to its end
logs a warning.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from airflow_provider_wherobots import words
from airflow_provider_wherobots.api.errors import (
    AuthenticationError,
    BadRequestError,
    KeyLimitedError,
    NotFoundError,
    ResponseTooLargeError,
    WherobotsApiError,
)
from airflow_provider_wherobots.api.runs import calls
from airflow_provider_wherobots.api.runs.models import Line, LogPage
from airflow_provider_wherobots.flows.retry import DEFAULT_MAX_OUTAGE_SECONDS, Outage, at_most, pause_after, time_left
from airflow_provider_wherobots.io.base import Io, Pause
from airflow_provider_wherobots.logs.causes import LastErrors, LogTail
from airflow_provider_wherobots.logs.cursor import LogCursor
from airflow_provider_wherobots.logs.lateness import Lateness
from airflow_provider_wherobots.logs.records import LogRecord, RecordReader, split_lines
from airflow_provider_wherobots.logs.result import ResultReader

LATENESS_MARGIN_SECONDS = 3.0
"""A line may be later than those before it, and a ``Date`` has whole seconds."""
MIN_QUIET_SECONDS = 10.0
"""A log is complete no sooner than this after the run's end, and after its last late line. A log pipeline flushes once
more when a job's machine goes away: the last lines, the traceback among them, may come later than any line before.
"""
REST_NOTE_SECONDS, REST_NOTES_SECONDS = 10.0, 30.0
"""How long the rest of a log is read before that is logged, and how often it is logged again."""
MAX_DRAIN_PAUSE_SECONDS = 5.0
"""The longest pause between two rounds of a drain; the first is a third of it."""
ROUNDING_SECONDS = 0.01
"""Moments that differ by less are equal."""
CATCH_UP_SECONDS = 10.0
"""How long pages are read before the run's status is polled again."""
SLICE_LINES, SLICE_CHARS = 200, 100_000
"""The most lines and characters forwarded at once: between two slices an ``Io`` can yield to the event loop."""


@dataclass(frozen=True, slots=True)
class Unread:
    """No round yet."""


@dataclass(frozen=True, slots=True)
class Current:
    """Read to its present end ``at`` a moment, and ``fresh_at``: when it last had new lines. In epoch seconds."""

    at: float
    fresh_at: float


@dataclass(frozen=True, slots=True)
class Behind:
    """The time was over before the log's end."""


@dataclass(frozen=True, slots=True)
class Limited:
    """The service limits the API key for longer than there is time."""


@dataclass(frozen=True, slots=True)
class CallFailed:
    """The last calls failed."""

    error: WherobotsApiError
    is_noted: bool


@dataclass(frozen=True, slots=True)
class Blocked:
    """A page was too large although a single line was requested. No line has come since."""

    error: ResponseTooLargeError
    is_noted: bool = False


State: TypeAlias = Unread | Current | Behind | Limited | CallFailed | Blocked


class LogForwarder:
    """Forwards one run's log and keeps its position. Without ``forward``, it keeps only what other parts need of it.

    No call lasts longer than until the deadline, in epoch seconds.
    """

    def __init__(
        self,
        run_id: str,
        *,
        forward: bool = True,
        deadline: float | None = None,
        max_outage_seconds: float = DEFAULT_MAX_OUTAGE_SECONDS,
    ) -> None:
        self._run_id = run_id
        self._forward = forward
        self._deadline = deadline
        self._max_outage_seconds = max_outage_seconds
        self._outage: Outage | None = None
        self._was_read = False
        self._rest_lines, self._next_rest_note = 0, math.inf
        self._cursor = LogCursor()
        self._reader = RecordReader()
        # What is not forwarded yet of the last page. Something remains only if forwarding is interrupted.
        self._untaken: Iterator[list[LogRecord]] = iter(())
        self.state: State = Unread()
        self._has_left_out = False
        self.lateness = Lateness()
        self.tail = LogTail()
        self.errors = LastErrors()
        self.result = ResultReader()

    @property
    def has_unread_rest(self) -> bool:
        """Whether the end of the log is missing: it could not be read, or there was no time."""
        return not isinstance(self.state, Unread | Current)

    async def keep_up(self, io: Io, until: float, longest_pause: float) -> bool:
        """Catch up, unless the log has no new lines and was read recently.

        A log that had no new line for ten seconds is read again after ten more seconds, then after twenty, and so on,
        at most ``longest_pause``. Returns whether there is more to fetch at once.
        """
        if isinstance(self.state, Current):
            moment, silence = io.now(), self.state.at - self.state.fresh_at
            # Not negative, unless the clock was set back.
            if 0.0 <= moment - self.state.at < min(silence, longest_pause):
                return False
        return await self.catch_up(io, until)

    async def catch_up(self, io: Io, until: float) -> bool:
        """Read a round while the run is active. Returns whether there is more to fetch at once."""
        await self._read_round(io, until)
        return isinstance(self.state, Behind)

    async def _release(self, io: Io) -> None:
        """Forward the lines that were read."""
        for records in self._untaken:
            # Even without records: an ``Io`` can yield to the event loop.
            await io.forward(records)

    async def read_last(self, io: Io, until: float, timeout: float) -> None:
        """Read the last round, when following ends before the run does."""
        await self._read_round(io, until, is_ending=True, timeout=timeout)
        await self._note_unread_rest(io)

    async def drain(
        self, io: Io, max_wait_seconds: float, until: float, ended_ago: float = 0.0, *, needs_result: bool = False
    ) -> None:
        """Read the log of a run that has ended, until it is complete, or until a limit: of ``max_wait_seconds`` of
        waiting in all, or of ``until``, in epoch seconds.

        ``needs_result``: the task needs the run's result. A log that is not forwarded is read no further than to it.
        """
        began = io.now()
        ended = quiet_since = began - max(0.0, ended_ago)
        self._next_rest_note = began + REST_NOTE_SECONDS
        waited, wait, is_first = 0.0, MAX_DRAIN_PAUSE_SECONDS / 3, True
        while True:
            had_left_pages = self._cursor.has_left_pages
            found = await self._read_round(io, until, is_ending=True)
            has_looked_back = self._cursor.looks_back and isinstance(self.state, Current)
            if has_looked_back or isinstance(self.state, Behind | Limited):
                break
            moment = io.now()
            if isinstance(self.state, CallFailed):
                pause = self._pause_in_outage(self.state.error, moment)
                if pause is None or moment + pause.seconds >= until:
                    break
                await io.sleep(*pause)
                continue
            if found and not is_first:
                quiet_since = moment
            if needs_result and not self.result.is_seen:
                left = math.inf
            elif needs_result and not self._forward and self.result.text is not None:
                left = 0.0
            else:
                left = self._complete_at(ended, quiet_since, max_wait_seconds) - moment
            delay = min(wait, left, max_wait_seconds - waited)
            if delay <= ROUNDING_SECONDS or moment + delay >= until:
                # No line can have landed on a page that was left a moment ago.
                if had_left_pages and self._cursor.look_back():
                    continue
                break
            await io.sleep(delay)
            waited, wait, is_first = waited + delay, min(wait * 2, MAX_DRAIN_PAUSE_SECONDS), False
        await self._note_unread_rest(io)

    def _pause_in_outage(self, error: WherobotsApiError, moment: float) -> Pause | None:
        """The pause after a round that failed; None to give up."""
        if self._outage is None:
            # The key has worked: the run was followed with it. But perhaps it may never read logs (403).
            key_worked = self._was_read or isinstance(error, AuthenticationError)
            self._outage = Outage(self._max_outage_seconds, MIN_QUIET_SECONDS, key_worked=key_worked)
        try:
            return pause_after(error, self._outage.failed(error, moment))
        except WherobotsApiError:
            return None

    def _complete_at(self, ended: float, quiet_since: float, max_wait_seconds: float) -> float:
        """When the log is complete, if no line comes until then."""
        late = self.lateness.bound
        if late is None:
            return ended + max_wait_seconds
        return max(ended + late + LATENESS_MARGIN_SECONDS, quiet_since + MIN_QUIET_SECONDS)

    async def _note_unread_rest(self, io: Io) -> None:
        match self.state:
            case Behind() | Limited():
                why = "was not read to its end within the time limit"
            case CallFailed(error=error):
                why = f"could not be read to its end ({error.reason})"
            case _:
                return
        await io.note(logging.WARNING, f"The log of run {self._run_id} {why}. Read the rest on the run's page")

    async def _note_rest(self, io: Io, moment: float) -> None:
        """Log that a long rest of the log is read, and every 30 s how much of it was."""
        if moment >= self._next_rest_note and not self._cursor.looks_back:
            self._next_rest_note = moment + REST_NOTES_SECONDS
            await io.note(
                logging.INFO, f"Reading the rest of the log: {words.counted(self._rest_lines, 'line')} so far"
            )

    async def _read_round(self, io: Io, until: float, *, is_ending: bool = False, timeout: float | None = None) -> bool:
        """Read pages until there are no more for now. Returns whether there were new lines.

        ``is_ending``: the run has ended, or following it ends.
        """
        try:
            return await self._read_pages(io, until, is_ending, timeout)
        except GeneratorExit:
            raise
        except BaseException:
            # A task that is killed also writes the lines it has read.
            await self._release(io)
            raise

    async def _read_pages(self, io: Io, until: float, is_ending: bool, timeout: float | None) -> bool:
        was = self.state
        oldest: Line | None = None
        moment = io.now()
        while moment < until:
            asked = moment
            page = await self._fetch(io, until, is_ending, timeout)
            if page is None:
                return oldest is not None
            moment = io.now()
            self.lateness.compare_clocks(page, asked, moment)
            self._outage, self._was_read = None, True
            lines, more = self._cursor.accept(page, is_ending=is_ending)
            # Before any ``await`` that may be interrupted.
            self._untaken = self._take(lines)
            if lines:
                oldest, newest = oldest or lines[0], lines[-1]
            if oldest is not None and not (more or self._cursor.looks_back):
                before = was.at if isinstance(was, Current) else None
                self.lateness.measure(oldest, newest, moment, before)
            if isinstance(self.state, CallFailed) and self.state.is_noted:
                await io.note(logging.INFO, "The run's log can be read again")
            if page.left_out and not self._has_left_out:
                self._has_left_out = True
                await io.note(logging.WARNING, f"Items of the log without a text are left out: {page.left_out} so far")
            if lines or not isinstance(self.state, Blocked):
                fresh_at = was.fresh_at if isinstance(was, Current) and oldest is None else moment
                self.state = Current(moment, fresh_at)
            elif not more:
                await self._note_blocked(io)
            await self._release(io)
            if not more:
                return oldest is not None
            self._rest_lines += len(lines)
            await self._note_rest(io, moment)
        self.state = Behind()
        return oldest is not None

    def _take(self, lines: Sequence[Line]) -> Iterator[list[LogRecord]]:
        """Read the lines of a page, step by step. Yields the records that each step makes."""
        for part in _slices(lines):
            self.tail.add(part)
            self.errors.add(part)
            self.result.add(part)
            yield from self._reader.steps(part) if self._forward else ([],)

    async def _fetch(self, io: Io, until: float, is_ending: bool, timeout: float | None) -> LogPage | None:
        """Fetch the page of the cursor. None if that is not possible, which the state explains."""
        while True:
            try:
                allowed = time_left(self._deadline, io.now()) if timeout is None else timeout
                call = calls.get_run_logs(self._run_id, self._cursor.cursor, self._cursor.size)
                return await io.send(call, allowed)
            except KeyLimitedError as error:
                # It was not sent: this is no failure of the log.
                left = until - io.now()
                if error.seconds >= left:
                    self.state = Limited()
                    return None
                await io.sleep(*at_most(left, pause_after(error, error.seconds)))
            except ResponseTooLargeError as error:
                was_single = self._cursor.size == 1
                has_more_to_try = self._cursor.refuse(too_large=True)
                if was_single or self._cursor.size == 1 or not has_more_to_try:
                    is_noted = isinstance(self.state, Blocked) and self.state.is_noted
                    self.state = Blocked(error, is_noted)
                if not has_more_to_try:
                    await self._note_blocked(io)
                    return None
            except WherobotsApiError as error:
                if isinstance(error, BadRequestError) and self._cursor.refuse():
                    continue
                await self._note_failure(io, error, is_ending)
                return None

    async def _note_failure(self, io: Io, error: WherobotsApiError, is_ending: bool) -> None:
        was_noted = isinstance(self.state, CallFailed) and self.state.is_noted
        # The log of a run that has just started may not exist yet.
        is_worth_it = not (was_noted or is_ending or isinstance(error, NotFoundError))
        self.state = CallFailed(error, was_noted or is_worth_it)
        if is_worth_it:
            await io.note(
                logging.WARNING, f"The run's log cannot be read for now ({error.reason}); this does not affect the run"
            )

    async def _note_blocked(self, io: Io) -> None:
        if isinstance(self.state, Blocked) and not self.state.is_noted:
            self.state = Blocked(error := self.state.error, is_noted=True)
            await io.note(logging.WARNING, f"The run's log cannot be read past a line that is too long: {error.reason}")


async def print_log(io: Io, run_id: str) -> bool:
    """Forward a run's log as far as it exists. Returns whether it could be read to its end."""
    log = LogForwarder(run_id, max_outage_seconds=0.0)
    await log.drain(io, 0.0, math.inf)
    return not log.has_unread_rest


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
