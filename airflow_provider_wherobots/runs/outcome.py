"""How following a run ended, and its messages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

from airflow_provider_wherobots import words
from airflow_provider_wherobots.api.errors import Arrival, WherobotsApiError
from airflow_provider_wherobots.api.runs.models import CANCELLED, COMPLETED, FAILED, TIMED_OUT, Run
from airflow_provider_wherobots.api.runs.payload import redact
from airflow_provider_wherobots.logs.causes import OUT_OF_MEMORY, Found
from airflow_provider_wherobots.stored import known_arguments

REATTACHED = "It stays active; a retry of the task re-attaches to it"
NOT_FOUND_AGAIN = "It stays active; a retry will not find it (durable=False)"
CANCELLED_AT_LAST = "It was cancelled, because no retry follows"
LEFT_AT_LAST = (
    "It could not be cancelled, and no retry follows: it keeps running, and costs money, until its timeout_seconds"
)
NOT_THERE = (
    "It was not cancelled: {} has no such run. If the connection pointed to another organization, it may run there"
)
LEFT_ALONE = "It stays active: no retry follows, and cancel_on_kill=False leaves it alone"


class Ending(StrEnum):
    """How following a run ended. The values are part of the trigger event."""

    COMPLETED = "completed"
    FAILED = "failed"
    NOT_STARTED = "not_started"
    PENDING_TOO_LONG = "pending_too_long"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"
    DEADLINE = "deadline"
    GAVE_UP = "gave_up"


MAX_REASON_CHARS = 200
_ENDINGS = {ending.value: ending for ending in Ending}
_ENDINGS_BY_STATUS = {
    COMPLETED: Ending.COMPLETED,
    FAILED: Ending.FAILED,
    CANCELLED: Ending.CANCELLED,
    TIMED_OUT: Ending.TIMED_OUT,
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """How following a run ended, with the details; the triggerer sends it to the worker as an event. ``result`` is
    JSON, see :mod:`airflow_provider_wherobots.logs.result`. ``summary`` is None if following was given up.
    ``outage_seconds`` counts all outages. ``next_try`` is a sentence about what the retry does otherwise, or should.
    ``cancel_failed``: the run should have been cancelled at a limit of the task, and was not.
    ``log_is_cut``: the log was not read to its end.
    ``result_refused``: why the last refused line is not the result, with the line. ``result_logged``: a line that has
    text before the result's marker.
    ``value_refused``: the run failed because its function returned what cannot be sent or stored.
    """

    ending: Ending
    run_id: str
    status: str
    reason: str = ""
    log_tail: str = ""
    ended_at: float = 0.0
    summary: dict[str, Any] | None = None
    result: str | None = None
    outage_seconds: float = 0.0
    cause: Found | None = None
    next_try: str = ""
    cancel_failed: bool = False
    log_is_cut: bool = False
    result_refused: str = ""
    result_logged: str = ""
    value_refused: bool = False

    @property
    def has_wrong_result(self) -> bool:
        """Whether the script has printed a result that cannot be used. It would print the same again."""
        return self.result is None and not self.log_is_cut and bool(self.result_refused or self.result_logged)

    @property
    def is_out_of_memory(self) -> bool:
        """Whether the run has definitely run out of memory."""
        return self.cause is not None and self.cause.name == OUT_OF_MEMORY

    @property
    def why(self) -> str:
        """Why the run failed, in short: without the log, and without what looks like a secret."""
        return self.cause.in_short if self.cause else redact(self.reason)[:MAX_REASON_CHARS]

    def to_event(self) -> dict[str, Any]:
        cause = None if self.cause is None else list(self.cause)
        return {**asdict(self), "ending": self.ending.value, "cause": cause}

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> Outcome:
        """Read an outcome from a trigger event, which a triggerer of another version may have sent.

        Unknown keys are left out. An unknown ending is derived from the run's status; if the run is active, it is
        ``GAVE_UP``, so that a retry re-attaches.

        Raises a ``ValueError`` for what :meth:`to_event` did not make.
        """
        try:
            given = known_arguments(cls, event)
            name, status = given["ending"], given["status"]
            ending = _ENDINGS.get(name) or _ENDINGS_BY_STATUS.get(status, Ending.GAVE_UP)
            cause = given.get("cause")
            outcome = cls(**{**given, "ending": ending, "cause": None if cause is None else Found(*cause)})
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"the trigger's event cannot be read: {error!r}") from None
        if name in _ENDINGS or ending is Ending.COMPLETED:
            return outcome
        unknown = f"the triggerer has a later version of this provider, which reports {name!r}"
        return replace(outcome, reason=f"{unknown}: {outcome.reason}" if outcome.reason else unknown)

    @classmethod
    def of_run(cls, run: Run, ended_at: float) -> Outcome:
        if run.status == COMPLETED:
            ending = Ending.COMPLETED
        elif run.status == CANCELLED:
            ending = Ending.CANCELLED
        elif run.has_timed_out:
            ending = Ending.TIMED_OUT
        elif run.kube_app.has_failed:
            ending = Ending.NOT_STARTED
        else:
            ending = Ending.FAILED
        reason = "" if ending is Ending.COMPLETED else words.quoted(run.reason or "")
        if ending is Ending.CANCELLED and _ran_out_of_time(run):
            reason = f"{reason} (it had used up its timeout_seconds)".strip()
        return cls(ending, run.id, words.short(run.status), reason, ended_at=ended_at)

    def in_short(self) -> str:
        """What Airflow's pages can show beside a task: without the log, and without what looks like a secret."""
        cost = (self.summary or {}).get("cost_usd")
        parts = (
            self.status,
            self.why,
            f"run {words.short(self.run_id)}",
            "" if cost is None else f"{cost:.4g} USD",
            self.next_try,
        )
        return "; ".join(filter(None, parts))

    def describe(self, run_url: str = "", *, left: str = REATTACHED, limit_name: str = "execution_timeout") -> str:
        """The message of the task's exception. ``left`` is a sentence about a run that can no longer be followed."""
        run = f"Run {words.short(self.run_id)}"
        still = "cancelled" if self.status == CANCELLED else f"still {self.status}"
        text = {
            Ending.COMPLETED: f"{run} completed",
            Ending.FAILED: f"{run} failed ({self.status})",
            Ending.NOT_STARTED: f"{run} failed before its script began ({self.status})",
            Ending.PENDING_TOO_LONG: f"{run} did not start within the task's max_pending_seconds",
            Ending.TIMED_OUT: f"{run} was ended by its timeout_seconds ({self.status})",
            Ending.CANCELLED: f"{run} was cancelled on the service's side",
            Ending.DEADLINE: f"{run} was {still} when the task's {limit_name} was reached",
            Ending.GAVE_UP: f"{run} ({self.status}) can no longer be followed",
        }[self.ending]
        if self.reason:
            text += f": {self.reason}"
        if self.ending is Ending.GAVE_UP:
            text += f". {left}"
        # Before the log: an alert may cut the end of a long message.
        for sentence in filter(None, (self.cause, self.next_try)):
            text += f"\n{sentence}"
        if run_url:
            text += f"\nRun: {run_url}"
        if self.log_tail:
            heading = "Its log, as far as it could be read:" if self.log_is_cut else "The end of its log:"
            text += f"\n{heading}\n{self.log_tail}"
        return text


LOOK_UPS = ("listJobRuns", "getJobRun")
"""The calls with which a try looks for the runs of earlier tries. If one fails, they may exist and be active."""
NO_RUN = "No run was created"


def describe_no_run(error: WherobotsApiError, max_outage_seconds: float, *, again: str) -> str:
    """Why a try has no run, and whether one may exist anyway. ``again`` is a sentence about the run that may exist."""
    text, tolerated = str(error), words.given_up(max_outage_seconds) if error.transient else ""
    advice = f". {words.CHECK_KEY}" if error.key_may_change else ""
    if error.operation in LOOK_UPS:
        return f"{text}; {tolerated}. {again}" if tolerated else f"{text}. {again}{advice}"
    if not tolerated:
        return f"{text}. {NO_RUN}{advice}" if advice else text
    if error.operation == "createJobRun" and error.arrival is Arrival.UNCLEAR:
        return f"{text}. {again}"
    return f"{text}. {NO_RUN}: {tolerated}"


def _ran_out_of_time(run: Run) -> bool:
    limit, start, end = run.payload.get("timeoutSeconds"), run.start_time, run.complete_time
    if not isinstance(limit, int) or not start or not end:
        return False
    return (end - start).total_seconds() >= limit
