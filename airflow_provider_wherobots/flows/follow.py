"""Following a run to its end. Each round polls the status, reads the log, checks the deadline and sleeps."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, replace

from airflow_provider_wherobots import words
from airflow_provider_wherobots.api.errors import KeyLimitedError, NotFoundError, WherobotsApiError
from airflow_provider_wherobots.api.runs import calls
from airflow_provider_wherobots.api.runs.models import CANCELLED, PENDING, Run
from airflow_provider_wherobots.flows.cancel import MAX_END_WAIT_SECONDS, cancel_run
from airflow_provider_wherobots.flows.forward_logs import CATCH_UP_SECONDS, MIN_QUIET_SECONDS, LogForwarder
from airflow_provider_wherobots.flows.retry import (
    CANCEL_BUDGET_SECONDS,
    DEFAULT_MAX_OUTAGE_SECONDS,
    JITTER,
    MIN_FAILED_POLLS,
    REFUSED_SECONDS,
    Outage,
    time_left,
    within,
)
from airflow_provider_wherobots.io.base import Io, Pause
from airflow_provider_wherobots.logs.causes import LastErrors
from airflow_provider_wherobots.logs.result import MAX_EXCERPT_CHARS
from airflow_provider_wherobots.runs.outcome import Ending, Outcome
from airflow_provider_wherobots.runs.summary import RunSummary, spark_ui_url
from airflow_provider_wherobots.stored import SPARK_UI_URL_KEY, StoredOptions

DEFAULT_POLLING_INTERVAL = 30.0
POLL_JITTER = 0.1
HEARTBEAT_SECONDS = 300.0
APPEARANCE_SECONDS = 60.0
"""How long after its creation a run may be unknown to Get Run."""
DRAIN_SECONDS = 900.0
"""How long reading the log to its end may take after the run has ended, unless the deadline comes first."""
MIN_POLL_SECONDS = 2.0
"""The least ``polling_interval``: each poll costs the service a call."""
FIRST_POLL_SECONDS = 6.0
"""The delay between two polls while a run is young. Its log is read until 10 s after its end at least, so less gains
little.
"""
DELAY_PER_AGE = 1 / 120
"""How much that delay grows with the time that the attempt has followed the run."""
TAIL_SECONDS = 30.0
"""How long the log of a run that did not complete may be read, if the task asks for neither log nor result."""
LONG_HOLD_SECONDS = 60.0
"""If a limited API key delays a poll for this long, that is logged, at most every five minutes."""
CLOCK_SECONDS = 2.0
"""How much too early a run's end may seem: the service's ``Date`` has whole seconds, and a poll takes time."""
METRICS_SECONDS = 5.0
"""How long the one call for the metrics may take."""
LAST_LOOK_SECONDS = 5.0
"""How long each of these may take at the deadline: a refused cancel, the last read of the log, the last poll."""


@dataclass(frozen=True, slots=True)
class FollowOptions(StoredOptions):
    """What to follow and how; JSON-able, so that a trigger can carry it.

    :param run_id: the run's id.
    :param started_at: when this try got the run, in epoch seconds; the delay between polls grows from there.
    :param deadline: when to give up, in epoch seconds; default None, never.
    :param polling_interval: the longest delay between polls in seconds; default 30.
    :param poll_logs: whether the run's log is forwarded; default True.
    :param wait_post_run_logs_timeout_seconds: the longest wait for late lines after the end, in seconds; default 60.
    :param max_outage_seconds: how long consecutive transient failures are tolerated, in seconds; default 600.
    :param cancel_at_deadline: whether the run is cancelled when the deadline passes; default True.
    :param execution_timeout: the task's ``execution_timeout`` in seconds, for the message at the deadline; default
        None.
    :param return_result: whether the task needs the run's result; default False. Then the log is read to its end
        even if it is not forwarded, and the task warns if it cannot be.
    :param limit_name: the argument that sets the deadline, for the same message; default ``execution_timeout``. If it
        is another one, its seconds are in the field ``execution_timeout`` all the same.
    :param is_new: whether the run was created for this try, and was active at ``started_at``. Then the first poll
        comes a delay after that. Default False: at once.
    :param max_pending_seconds: how long the run may be PENDING until it is cancelled, in seconds; default 0, for ever.
    """

    run_id: str
    started_at: float
    deadline: float | None = None
    polling_interval: float = DEFAULT_POLLING_INTERVAL
    poll_logs: bool = True
    wait_post_run_logs_timeout_seconds: float = 60.0
    max_outage_seconds: float = DEFAULT_MAX_OUTAGE_SECONDS
    cancel_at_deadline: bool = True
    execution_timeout: float | None = None
    return_result: bool = False
    limit_name: str = "execution_timeout"
    is_new: bool = False
    max_pending_seconds: float = 0.0

    def poll_delay(self, moment: float) -> float:
        """Seconds until the next poll: 6, and one more for every two minutes of following; at most the interval."""
        age = max(0.0, moment - self.started_at)
        return max(MIN_POLL_SECONDS, min(FIRST_POLL_SECONDS + age * DELAY_PER_AGE, self.polling_interval))

    def describe(self, deferred: bool) -> str:
        """State who polls the run, how often, and until when."""
        shortest, longest = self.poll_delay(self.started_at), max(MIN_POLL_SECONDS, self.polling_interval)
        text = f"{'Deferred' if deferred else 'Not deferred'}. Polling run {self.run_id} every {shortest:g}"
        text += f" to {longest:g} s" if longest > shortest else " s"
        if self.deadline is not None:
            text += f"; giving up at {words.moment(self.deadline)}"
        return text if self.poll_logs else f"{text}; its log is not copied"

    def has_cancelled(self, moment: float) -> bool:
        """Whether a run that was cancelled at a moment was cancelled at the deadline, perhaps by a trigger that died
        before it could report that.
        """
        return self.cancel_at_deadline and self.deadline is not None and moment >= self.deadline - CLOCK_SECONDS

    def limit_and(self, what: str) -> str:
        """The reason of a timeout: the limit, and what has become of the run."""
        limit = self.execution_timeout
        return what if limit is None else f"the limit is {words.duration(limit)}; {what}"


async def follow_run(io: Io, options: FollowOptions) -> Outcome:
    """Follow a run until it ends, the deadline passes, or polling it is given up.

    Only a passed deadline, and ``max_pending_seconds``, cancel the run.
    """
    log = LogForwarder(
        options.run_id,
        forward=options.poll_logs,
        deadline=options.deadline,
        max_outage_seconds=options.max_outage_seconds,
    )
    # The run was created, or found, with the key.
    outage = Outage(options.max_outage_seconds, REFUSED_SECONDS, MIN_FAILED_POLLS, key_worked=True)
    outcome = await _follow(io, options, log, outage)
    return replace(outcome, outage_seconds=outage.seconds(outcome.ended_at))


async def _follow(io: Io, options: FollowOptions, log: LogForwarder, outage: Outage) -> Outcome:
    status, spark_ui, limit = _StatusNotes(), _SparkUi(), _PendingLimit(options)
    get_run = calls.get_run(options.run_id)
    seen_active_at: float | None = None
    if options.is_new:
        seen_active_at = options.started_at
        moment = io.now()
        # The trigger may start later, and its clock may be behind.
        left = options.poll_delay(options.started_at) - max(0.0, moment - options.started_at)
        if left > 0:
            await io.sleep(*within(options.deadline, moment, Pause(left, POLL_JITTER)))
    while True:
        moment = io.now()
        behind = False
        try:
            run = await io.send(get_run, time_left(options.deadline, moment))
        except WherobotsApiError as error:
            pause = await _after_failed_poll(io, error, options, outage, status, moment)
            if pause is None:
                return Outcome(Ending.GAVE_UP, options.run_id, status.last, outage.why_over(error), ended_at=moment)
        else:
            await outage.succeeded(io, moment)
            await status.seen(io, run, moment, options.started_at)
            await spark_ui.seen(io, run)
            if run.is_terminal or moment >= limit.over_at:
                # The service's clock may be wrong: the run cannot have ended before the last poll that saw it active.
                ended_ago = run.ended_ago if seen_active_at is None else min(run.ended_ago, moment - seen_active_at)
                summary = status.timed(RunSummary.of_run(run, spark_ui.url), options)
                outcome = limit.outcome_of(run, summary, io.now())
                if outcome.status == CANCELLED and options.has_cancelled(moment - ended_ago):
                    reason = options.limit_and("the run was cancelled")
                    outcome = replace(outcome, ending=Ending.DEADLINE, reason=reason, next_try="")
                del run
                return await _settle(io, outcome, summary, log, options, ended_ago)
            seen_active_at = moment
            may_have_log = options.poll_logs and run.status != PENDING
            limit_in = await limit.check(io, run, moment)
            # A triggerer holds thousands of waiting flows, so none may keep a response in memory.
            del run
            pause = Pause(min(options.poll_delay(moment), limit_in), POLL_JITTER)
            if may_have_log:
                until = io.now() + CATCH_UP_SECONDS
                longest_pause = options.polling_interval - pause.seconds
                behind = await log.keep_up(io, _earliest(until, options.deadline), longest_pause)
        moment = io.now()
        if options.deadline is not None and moment >= options.deadline:
            return await _stop_at_deadline(io, options, status.last, log, spark_ui.url)
        if not behind:
            await io.sleep(*within(options.deadline, moment, pause))


async def _after_failed_poll(
    io: Io, error: WherobotsApiError, options: FollowOptions, outage: Outage, status: _StatusNotes, moment: float
) -> Pause | None:
    """How long to wait after a failed poll; None to give up."""
    if isinstance(error, NotFoundError) and moment < options.started_at + APPEARANCE_SECONDS:
        return Pause(MIN_POLL_SECONDS, JITTER)
    try:
        pause = await outage.pause(io, error, moment, "the run is not affected; polling continues")
    except WherobotsApiError:
        return None
    if isinstance(error, KeyLimitedError):
        await status.held_up(io, error, moment)
    return pause


async def _settle(
    io: Io, outcome: Outcome, summary: RunSummary, log: LogForwarder, options: FollowOptions, ended_ago: float
) -> Outcome:
    is_asked_for = options.poll_logs or options.return_result
    if is_asked_for or outcome.ending is not Ending.COMPLETED:
        moment = io.now()
        # A log that is not requested is read for the lines that explain a failure.
        until = _earliest(moment + (DRAIN_SECONDS if is_asked_for else TAIL_SECONDS), options.deadline)
        # The log may not have been read yet: read it briefly even if the deadline has just passed.
        until = max(until, moment + MIN_POLL_SECONDS)
        wait = options.wait_post_run_logs_timeout_seconds
        if outcome.ending in (Ending.NOT_STARTED, Ending.PENDING_TOO_LONG):
            # Its script has written nothing.
            wait = min(wait, MIN_QUIET_SECONDS)
        needs_result = options.return_result and outcome.ending is Ending.COMPLETED
        await log.drain(io, wait, until, ended_ago, needs_result=needs_result)
        log_seconds = round(ended_ago + io.now() - moment, 3)
        summary = replace(summary, log_lateness_seconds=log.lateness.seconds, log_seconds=log_seconds)
    summary = await add_metrics(io, summary, options.deadline)
    return await _with_log(io, outcome, summary, log, options)


async def _with_log(
    io: Io, outcome: Outcome, summary: RunSummary, log: LogForwarder, options: FollowOptions
) -> Outcome:
    why_refused = ""
    if (refused := log.result.refused) is not None:
        why_refused = f"because it {refused.reason}: {words.quoted(refused.excerpt, MAX_EXCERPT_CHARS)}"
        await io.note(logging.WARNING, f"A line is not used as the run's result, {why_refused}")
    await io.note(logging.INFO, summary.describe())
    # An exception in the middle of a log may not be what ended the run.
    errors = LastErrors() if log.has_unread_rest else log.errors
    tail = log.tail.explain(errors.last) if outcome.ending is not Ending.COMPLETED else ""
    # A run that was stopped has no result, even if it printed one.
    result = None if outcome.ending in (Ending.DEADLINE, Ending.PENDING_TOO_LONG) else log.result.text
    failed_by_itself = outcome.ending in (Ending.FAILED, Ending.NOT_STARTED)
    outcome = replace(
        outcome,
        log_tail=tail,
        result=result,
        cause=errors.probable_cause(outcome.reason) if failed_by_itself else None,
        log_is_cut=log.has_unread_rest,
        result_refused=why_refused,
        result_logged=words.quoted(log.result.logged, MAX_EXCERPT_CHARS),
        value_refused=failed_by_itself and log.result.is_value_refused,
    )
    return replace(outcome, summary=replace(summary, cause=outcome.why or None).to_json())


async def add_metrics(io: Io, summary: RunSummary, deadline: float | None = None) -> RunSummary:
    """Add the run's metrics to a summary, if one short call before the deadline can get them. Never fails."""
    if deadline is not None and io.now() + METRICS_SECONDS > deadline:
        return summary
    try:
        # Not `send`: a refused key is no reason to read the connection again just for this.
        metrics = await io.send_once(calls.get_run_metrics(summary.run_id), METRICS_SECONDS)
    except WherobotsApiError:
        return summary
    return summary.measured(metrics)


async def settle_run(io: Io, run: Run, options: FollowOptions) -> Outcome:
    """The outcome of a run that ended while no flow followed it. Its log is read, but not forwarded."""
    summary = RunSummary.of_run(run, spark_ui_url(run))
    log = LogForwarder(run.id, forward=False, max_outage_seconds=options.max_outage_seconds)
    outcome = _PendingLimit(options).outcome_of(run, summary, io.now())
    return await _settle(io, outcome, summary, log, options, run.ended_ago)


async def _stop_at_deadline(
    io: Io, options: FollowOptions, status: str, log: LogForwarder, seen_spark_ui_url: str | None
) -> Outcome:
    """Cancel first: reading the log and the summary takes time, and may be cut short.

    The status becomes CANCELLED up to a minute after the cancel. That is not awaited.
    """
    doing = "cancelling" if options.cancel_at_deadline else "leaving alone"
    await io.note(logging.WARNING, f"The task's {options.limit_name} was reached: {doing} run {options.run_id}")
    cancel_failed = False
    if options.cancel_at_deadline:
        failure = await cancel_run(io, options.run_id, refused_seconds=LAST_LOOK_SECONDS)
        cancel_failed = failure is not None
        reason = "cancelling the run failed" if cancel_failed else "the run was cancelled"
    else:
        reason = "the run was left alone (cancel_on_kill=False)"
    moment = io.now()
    await log.read_last(io, moment + LAST_LOOK_SECONDS, LAST_LOOK_SECONDS)
    reason = options.limit_and(reason)
    outcome = Outcome(Ending.DEADLINE, options.run_id, status, reason, ended_at=moment, cancel_failed=cancel_failed)
    summary = RunSummary(options.run_id, "", status, spark_ui_url=seen_spark_ui_url)
    try:
        run = await io.send(calls.get_run(options.run_id).at_once(), LAST_LOOK_SECONDS)
    except WherobotsApiError as error:
        await io.note(logging.WARNING, f"{error}; the run's summary is incomplete")
    else:
        summary = RunSummary.of_run(run, seen_spark_ui_url)
        if run.is_terminal and run.status != CANCELLED:
            # It had ended before the cancel arrived.
            outcome = Outcome.of_run(run, moment)
        summary = await add_metrics(io, summary)
    return await _with_log(io, outcome, summary, log, options)


def _earliest(moment: float, deadline: float | None) -> float:
    return moment if deadline is None else min(moment, deadline)


class _PendingLimit:
    """Cancels a run that is PENDING for too long. Until that shows it is followed, as a retry would re-attach to it."""

    def __init__(self, options: FollowOptions) -> None:
        self._options = options
        self._has_failed = False
        self.over_at = math.inf
        """When the cancel has had the time that it takes to show, in epoch seconds."""

    async def check(self, io: Io, run: Run, moment: float) -> float:
        """Cancel a run at its limit, unless the deadline has passed. Returns the seconds until the limit."""
        limit = self._options.max_pending_seconds
        if not limit or run.status != PENDING or self.over_at < math.inf:
            return math.inf
        waited, now = self._waited(run, moment), io.now()
        if waited < limit:
            return max(MIN_POLL_SECONDS, limit - waited)
        budget = _earliest(now + CANCEL_BUDGET_SECONDS, self._options.deadline) - now
        if budget > 0:
            text = f"Run {run.id} has been PENDING for {words.duration(waited)}: cancelling it"
            await io.note(logging.WARNING, f"{text} (max_pending_seconds={limit:g})")
            self.over_at = moment + MAX_END_WAIT_SECONDS
            self._has_failed = await cancel_run(io, run.id, budget) is not None
        return math.inf

    def outcome_of(self, run: Run, summary: RunSummary, moment: float) -> Outcome:
        """How the run has ended: at the limit too if a trigger that has died had cancelled it there."""
        outcome, waited = Outcome.of_run(run, moment), self._waited(run, moment)
        # A run that went on after its start was cancelled by somebody else, however long it had waited.
        ran = summary.ran_seconds or 0.0
        was_at_limit = waited >= self._options.max_pending_seconds > 0 and ran <= MAX_END_WAIT_SECONDS
        if not (was_at_limit or self.over_at < math.inf) or (run.is_terminal and run.status != CANCELLED):
            return outcome
        place = words.labelled(("runtime", summary.runtime), ("region", summary.region)) or "its machines"
        has_failed = self._has_failed and not run.is_terminal
        end = "cancelling it failed" if has_failed else "was cancelled"
        reason = f"it waited {words.duration(waited)} for {place}, and {end}"
        ending, advice = Ending.PENDING_TOO_LONG, "Request another runtime or region, or raise max_pending_seconds"
        return replace(outcome, ending=ending, reason=reason, next_try=advice, cancel_failed=has_failed)

    def _waited(self, run: Run, moment: float) -> float:
        """How long the run was PENDING by the service's clock, or if that is unknown, since this try got it."""
        until = run.start_time or run.complete_time or run.responded_at
        if until is None or run.create_time is None:
            return moment - self._options.started_at
        return (until - run.create_time).total_seconds()


class _StatusNotes:
    """Logs each change of status once, a heartbeat while there is none, and long delays by a limited API key."""

    def __init__(self) -> None:
        self.last = PENDING
        self._noted: str | None = None
        self._noted_at = 0.0
        self._held_up_at = 0.0
        self._starting_at: float | None = None

    def timed(self, summary: RunSummary, options: FollowOptions) -> RunSummary:
        """The summary with how long the application of a new run took to start, if a poll saw it start."""
        if self._starting_at is None or summary.queued_seconds is None or not options.is_new:
            return summary
        starting = summary.queued_seconds - (self._starting_at - options.started_at)
        return replace(summary, starting_seconds=max(0.0, round(starting, 3)))

    async def seen(self, io: Io, run: Run, moment: float, started_at: float) -> None:
        self.last = words.short(run.status)
        detail = run.kube_app.status if run.status == PENDING else None
        status = self.last
        if detail and detail != PENDING:
            status += f" ({words.short(detail)})"
            self._starting_at = self._starting_at or moment
        if status != self._noted:
            await io.note(logging.INFO, f"Run {run.id} is {status}")
        elif moment - self._noted_at >= HEARTBEAT_SECONDS:
            await io.note(logging.INFO, f"Run {run.id} is still {status} after {words.minutes(moment - started_at)}")
        else:
            return
        self._noted, self._noted_at = status, moment

    async def held_up(self, io: Io, error: KeyLimitedError, moment: float) -> None:
        if error.seconds >= LONG_HOLD_SECONDS and moment - self._held_up_at >= HEARTBEAT_SECONDS:
            self._held_up_at = moment
            await io.note(logging.INFO, str(error))


class _SparkUi:
    """Logs and publishes the address of the Spark UI as soon as it is known, and again when it changes."""

    def __init__(self) -> None:
        self.url: str | None = None

    async def seen(self, io: Io, run: Run) -> None:
        url = spark_ui_url(run)
        if url is None or url == self.url:
            return
        self.url = url
        await io.note(logging.INFO, f"Spark UI: {url}")
        await io.publish(SPARK_UI_URL_KEY, url)


COPY_SECONDS = DRAIN_SECONDS
"""How long the log may be read, unless the task's deadline comes first."""
UNREADABLE_SECONDS = 60.0
"""How long a log that cannot be read for now is waited for."""


async def copy_log(io: Io, run_id: str, seconds: float) -> None:
    """Forward the log from its beginning, as far as it can be read within ``seconds``."""
    run = f"the log of run {words.short(run_id)}"
    await io.note(logging.INFO, f"Copying {run} (copy_log_on_resume). Airflow shows its lines at their own times")
    until = io.now() + seconds
    log = LogForwarder(run_id, deadline=until, max_outage_seconds=UNREADABLE_SECONDS)
    await log.drain(io, UNREADABLE_SECONDS, until, ended_ago=math.inf)
    if not log.has_unread_rest:
        await io.note(logging.INFO, f"Copied {run}")
