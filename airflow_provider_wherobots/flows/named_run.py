"""Waiting for a run that is known by its name only and may not exist yet, and following it once it does."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial

from airflow_provider_wherobots.api.errors import KeyLimitedError, NotFoundError, WherobotsApiError
from airflow_provider_wherobots.api.runs import calls
from airflow_provider_wherobots.api.runs.models import Run
from airflow_provider_wherobots.flows.effects import Flow, Note, Publish, Sleep, attempt, now
from airflow_provider_wherobots.flows.follow import (
    APPEARANCE_SECONDS,
    HEARTBEAT_SECONDS,
    POLL_JITTER,
    FollowOptions,
    follow_run,
)
from airflow_provider_wherobots.flows.list_runs import PAGE_SIZE, age, read_pages
from airflow_provider_wherobots.flows.retry import JITTER, REFUSED_SECONDS, Outage, wait_out, within
from airflow_provider_wherobots.messages import words
from airflow_provider_wherobots.runs.outcome import Ending, Outcome
from airflow_provider_wherobots.runs.poll_delays import MIN_POLL_SECONDS
from airflow_provider_wherobots.runs.run_name import MAX_NAME_CHARS, SUFFIX_CHARS, Identity
from airflow_provider_wherobots.xcoms import RUN_ID_KEY


@dataclass(frozen=True, slots=True)
class NamedRun:
    """A run that is known by its name only.

    :param name: its name, or the ``name`` that its ``WherobotsRunOperator`` has, to which a suffix is added.
    :param created_after: the earliest time of its creation, in epoch seconds.
    """

    name: str
    created_after: float

    @property
    def earliest(self) -> datetime:
        return datetime.fromtimestamp(self.created_after, UTC)

    @property
    def pattern(self) -> str:
        """The ``name`` to list by. Matches more than this run: the API allows one ``*``, and no choice of endings."""
        return f"{self._stem}*"

    def matches(self, run: Run) -> bool:
        """Whether a run has the name, and was created late enough.

        A run without a create time does not match: it may be any earlier one.
        """
        stem, is_durable = run.name[:-SUFFIX_CHARS], Identity.in_name(run.name) is not None
        has_name = run.name == self.name or (is_durable and stem == self._stem)
        return has_name and run.create_time is not None and run.create_time >= self.earliest

    def describe(self) -> str:
        return f"run named {self.name!r} created since {words.moment(self.created_after)}"

    @property
    def _stem(self) -> str:
        """The name before a suffix: a long one is cut to make room for it."""
        return self.name[: MAX_NAME_CHARS - SUFFIX_CHARS]


def find_newest(named: NamedRun) -> Flow[Run | None]:
    """Look for the run once (``GET /runs?name=…*&created_after=…``). It may be in any status. None if there is none."""
    call = partial(calls.list_runs, name=named.pattern, created_after=named.earliest, size=PAGE_SIZE)
    runs = yield from read_pages(call, wanted=named.matches)
    return max(runs, key=age, default=None)


def await_run(named: NamedRun, options: FollowOptions) -> Flow[Run | Outcome]:
    """Wait until there is a run of the name. The ``run_id`` of ``options`` is unused.

    Returns an outcome without a ``run_id``, with the ``reason``, if there was no run until the deadline, or looking for
    it was given up.
    """
    outage, noted_at = Outage(options.max_outage_seconds, REFUSED_SECONDS), options.started_at
    while True:
        moment = yield from now()
        try:
            run = yield from find_newest(named)
        except WherobotsApiError as error:
            try:
                pause = yield from outage.pause(error, moment, "listing runs again")
            except WherobotsApiError:
                reason = f"No {named.describe()} was found: {outage.why_over(error)}"
                return Outcome(Ending.GAVE_UP, "", "", reason, ended_at=moment)
        else:
            yield from outage.succeeded(moment)
            if run is not None:
                return run
            if moment - noted_at >= HEARTBEAT_SECONDS:
                noted_at = moment
                waited = words.minutes(moment - options.started_at)
                yield Note(logging.INFO, f"Still no {named.describe()} after {waited}")
            pause = Sleep(options.poll_delay(moment), POLL_JITTER)
        moment = yield from now()
        if options.deadline is not None and moment >= options.deadline:
            limit = words.duration(options.execution_timeout or 0.0)
            reason = f"No {named.describe()} was found before the task's {options.limit_name} ({limit}) was reached"
            return Outcome(Ending.DEADLINE, "", "", reason, ended_at=moment)
        yield within(options.deadline, moment, pause)


def poll_once(
    which: str | NamedRun, options: FollowOptions, failing_since: float | None
) -> Flow[tuple[Run | None, float | None]]:
    """Look for a run once, for a rescheduled sensor: the next poll is in another process.

    Returns the run, None if there is none yet or the call failed; and when the first of the consecutive failed polls
    was, in epoch seconds, None if this one succeeded. A run that is given by its id may be unknown for a minute, if it
    was created a moment ago. Raises a failure that is no longer tolerated.
    """
    moment = yield from now()
    try:
        if isinstance(which, NamedRun):
            return (yield from find_newest(which)), None
        return (yield from attempt(calls.get_run(which))), None
    except KeyLimitedError as error:
        yield Note(logging.INFO, str(error))
        return None, failing_since
    except WherobotsApiError as error:
        tolerated = options.max_outage_seconds
        if not error.transient:
            tolerated = min(REFUSED_SECONDS, tolerated)
        if isinstance(error, NotFoundError) and not isinstance(which, NamedRun):
            tolerated = APPEARANCE_SECONDS
        since = moment if failing_since is None else failing_since
        if moment - since >= tolerated:
            if error.transient:
                error.args = (f"{error}; {words.given_up(tolerated)}",)
            raise
        yield Note(
            logging.WARNING,
            f"{error}; lookups have failed since {words.moment(since)}; retrying until "
            f"{words.moment(since + tolerated)}",
        )
        return None, since


def follow_named_run(named: NamedRun, options: FollowOptions) -> Flow[Outcome]:
    """Wait until there is a run of the name, publish its id, and follow it to its end."""
    found = yield from await_run(named, options)
    if isinstance(found, Outcome):
        return found
    yield Note(logging.INFO, f"Found run {words.short(found.id)} ({words.short(found.name)})")
    yield Publish(RUN_ID_KEY, found.id)
    options = replace(options, run_id=found.id)
    # A triggerer holds thousands of waiting flows, so none may keep a response in memory.
    del found
    moment = yield from now()
    return (yield from follow_run(replace(options, started_at=moment)))


def get_created_run(options: FollowOptions) -> Flow[Run]:
    """Get a run that may have been created a moment ago: for a minute Get Run may not know it yet."""
    began_at = yield from now()
    left = math.inf if options.deadline is None else max(0.0, options.deadline - began_at)
    outage = Outage(min(options.max_outage_seconds, left))
    known_by = began_at + min(APPEARANCE_SECONDS, left)
    is_noted = False
    while True:
        try:
            return (yield from attempt(calls.get_run(options.run_id)))
        except NotFoundError:
            left = known_by - (yield from now())
            if left <= 0:
                raise
            if not is_noted:
                is_noted, limit = True, words.duration(left)
                text = f"The service does not know run {options.run_id}; polling again for up to {limit}"
                yield Note(logging.INFO, text)
            yield Sleep(MIN_POLL_SECONDS, JITTER)
        except WherobotsApiError as error:
            yield from wait_out(outage, error)
