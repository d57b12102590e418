"""How following a run ended, and the words for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

from airflow_provider_wherobots.api.models import CANCELLED, COMPLETED, FAILED, TIMED_OUT, Run
from airflow_provider_wherobots.flows.known_fields import known_fields
from airflow_provider_wherobots.flows.log_records import make_safe
from airflow_provider_wherobots.flows.summary import RunSummary
from airflow_provider_wherobots.flows.unforeseen import MAX_REASON_CHARS

MAX_TAIL_CHARS = 4_000


class Ending(StrEnum):
    """What became of the run, as far as this attempt is concerned. Values are part of the trigger event."""

    COMPLETED = "completed"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"
    DEADLINE = "deadline"
    LOST_SIGHT = "lost_sight"


_ENDINGS = {ending.value: ending for ending in Ending}
_ENDINGS_BY_STATUS = {
    COMPLETED: Ending.COMPLETED,
    FAILED: Ending.FAILED,
    CANCELLED: Ending.CANCELLED,
    TIMED_OUT: Ending.TIMED_OUT,
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of following a run; travels from the triggerer to the worker as an event.

    :param ending: what became of the run.
    :param run_id: its id.
    :param status: its last known status.
    :param reason: the service's words, or how following failed; may be empty.
    :param log_tail: the last lines of the run's log that explain a failure; may be empty.
    :param ended_at: when this was known, in epoch seconds.
    :param summary: fields of :class:`~airflow_provider_wherobots.flows.summary.RunSummary` when the run was followed
        to its end, else None; also in events of before there was one.
    """

    ending: Ending
    run_id: str
    status: str
    reason: str = ""
    log_tail: str = ""
    ended_at: float = 0.0
    summary: dict[str, Any] | None = None

    def to_event(self) -> dict[str, Any]:
        """The outcome as a JSON-able dict."""
        return {**asdict(self), "ending": self.ending.value}

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> Outcome:
        """Read an outcome from a trigger event, which a triggerer of another version may have sent.

        What this version does not know is left out. An ending that it does not know is told from the status; where the
        run has not ended by that, it is lost sight of: a retry attaches to it.

        :param event: what :meth:`to_event` made.
        :raises ValueError: for anything else.
        """
        try:
            given = known_fields(cls, event)
            said, status = given["ending"], given["status"]
            ending = _ENDINGS.get(said) or _ENDINGS_BY_STATUS.get(status, Ending.LOST_SIGHT)
            outcome = cls(**{**given, "ending": ending})
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"not an event of a followed run: {error!r}") from None
        if said in _ENDINGS or ending is Ending.COMPLETED:
            return outcome
        unknown = f"the triggerer, of a later version, says {said!r}"
        return replace(outcome, reason=f"{unknown}: {outcome.reason}" if outcome.reason else unknown)

    @classmethod
    def of_run(cls, run: Run, ended_at: float, log_tail: str = "", summary: RunSummary | None = None) -> Outcome:
        """The outcome of a run that has ended.

        :param run: the run, in a terminal status.
        :param ended_at: when this was known, in epoch seconds.
        :param log_tail: the last lines of its log; left out where the run completed.
        :param summary: what the run came to.
        """
        if run.status == COMPLETED:
            ending = Ending.COMPLETED
        elif run.status == CANCELLED:
            ending = Ending.CANCELLED
        elif run.has_timed_out:
            ending = Ending.TIMED_OUT
        else:
            ending = Ending.FAILED
        reason = "" if ending is Ending.COMPLETED else make_safe(run.reason or "")
        if ending is Ending.CANCELLED and _ran_out_of_time(run):
            reason = f"{reason} (it had used up its timeoutSeconds)".strip()
        tail = "" if ending is Ending.COMPLETED else log_tail
        told = summary.to_json() if summary is not None else None
        return cls(ending, run.id, run.status, reason[:MAX_REASON_CHARS], tail, ended_at, told)

    def describe(self, run_url: str = "") -> str:
        """Say what happened, for the exception and so for alerts and the UI.

        :param run_url: address of the run's page; left out when empty.
        """
        text = {
            Ending.COMPLETED: f"Run {self.run_id} completed",
            Ending.FAILED: f"Run {self.run_id} failed ({self.status})",
            Ending.TIMED_OUT: f"Run {self.run_id} was ended by its timeoutSeconds ({self.status})",
            Ending.CANCELLED: f"Run {self.run_id} was cancelled on the service's side",
            Ending.DEADLINE: f"Run {self.run_id} was still {self.status} when the task's execution_timeout was reached",
            Ending.LOST_SIGHT: f"Run {self.run_id} ({self.status}) could not be followed any longer; it was left alone",
        }[self.ending]
        if self.reason:
            text += f": {self.reason}"
        if run_url:
            text += f"\nRun: {run_url}"
        if self.log_tail:
            text += f"\nThe end of its log:\n{self.log_tail}"
        return text


def _ran_out_of_time(run: Run) -> bool:
    limit = run.payload.get("timeoutSeconds")
    if not isinstance(limit, int) or not run.start_time or not run.complete_time:
        return False
    return (run.complete_time - run.start_time).total_seconds() >= limit
