"""How a statement ended, or why it is no longer followed, and the summary of a task's statements."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from typing import Any

from airflow_provider_wherobots import words
from airflow_provider_wherobots.api.sql.messages import Results
from airflow_provider_wherobots.stored import known_arguments

_NOT_IN_EVENT = ("results", "is_earlier")


class Effect(StrEnum):
    """What a statement has done to the data, as far as that is known."""

    NONE = "none"
    TAKEN = "taken"
    UNKNOWN = "unknown"


class StatementState(StrEnum):
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    """The engine refused it, or could not finish it. The message is the engine's."""
    CANCELLED = "cancelled"
    """Somebody else has cancelled it: part of it may have taken effect."""
    UNKNOWN = "unknown"
    """It was sent, and it can no longer be known how it ended: a write may have happened."""
    NOT_FOUND = "not_found"
    """The same, because the session does not know it."""
    DEADLINE = "deadline"
    """The deadline was reached. If it still ran, it was cancelled."""
    RUNNING = "running"
    """It runs, and the session lets another process attach to it."""
    NOT_SENT = "not_sent"
    """Nothing of it was sent."""
    NO_RESULT = "no_result"
    """It succeeded, and its result could not be fetched."""
    RESULT_FORGOTTEN = "result_forgotten"
    """It succeeded, and the session no longer knows its result."""
    RESULT_TOO_LARGE = "result_too_large"
    """It succeeded, and its result is larger than is fetched, now and later."""


_EFFECTS = {
    StatementState.SUCCEEDED: Effect.TAKEN,
    StatementState.NO_RESULT: Effect.TAKEN,
    StatementState.RESULT_FORGOTTEN: Effect.TAKEN,
    StatementState.RESULT_TOO_LARGE: Effect.TAKEN,
    StatementState.FAILED: Effect.NONE,
    StatementState.NOT_SENT: Effect.NONE,
}


@dataclass(frozen=True, slots=True)
class StatementOutcome:
    """How a statement ended, or why it is no longer followed.

    :param state: how it ended.
    :param execution_id: its id.
    :param message: why, in the engine's or in our words; empty for a success.
    :param results: its result as it was sent; None if it has none, or none was requested. Never part of an event.
    :param result_uri: address of its stored result; None if there is none.
    :param size: size of the stored result in bytes, if known.
    :param seconds: how long it took in all, in seconds.
    :param started_at: when it was sent, in epoch seconds.
    :param is_location_lost: whether a stored result may have an address that can no longer be known.
    :param at_deadline: what it has done, with ``DEADLINE``.
    :param is_earlier: whether an earlier try has executed it, successfully. Never part of an event.
    """

    state: StatementState
    execution_id: str
    message: str = ""
    results: Results | None = None
    result_uri: str | None = field(default=None, repr=False)
    size: int | None = None
    seconds: float = 0.0
    started_at: float = 0.0
    is_location_lost: bool = False
    at_deadline: Effect = Effect.UNKNOWN
    is_earlier: bool = False

    @property
    def effect(self) -> Effect:
        """What it has done. A cancel that the task has requested counts like a failure, if the session has confirmed
        it. If somebody else has cancelled the statement, part of it may have taken effect.
        """
        return _EFFECTS.get(self.state, self.at_deadline)

    def to_event(self) -> dict[str, Any]:
        """The outcome as a JSON-able dict, without the result itself."""
        names = [each.name for each in fields(self) if each.name not in _NOT_IN_EVENT]
        event = {name: getattr(self, name) for name in names}
        return {**event, "state": self.state.value, "at_deadline": self.at_deadline.value}

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> StatementOutcome:
        """Read an outcome that another version of this package may have sent. Unknown keys are left out. A state that
        only a later version knows is ``UNKNOWN``.
        """
        known = {name: value for name, value in known_arguments(cls, event).items() if name not in _NOT_IN_EVENT}
        known["execution_id"] = str(known.get("execution_id") or "")
        state, was_sent = str(known.get("state")), event.get("was_sent", True)
        # What this package has sent before it had these values.
        if state == "gave_up":
            state = StatementState.NO_RESULT if was_sent else StatementState.NOT_SENT
        wrote_nothing = event.get("wrote_nothing") or not was_sent
        effect = event.get("at_deadline", Effect.NONE if wrote_nothing else Effect.UNKNOWN)
        known["state"] = StatementState(state) if state in set(StatementState) else StatementState.UNKNOWN
        known["at_deadline"] = Effect(effect) if effect in set(Effect) else Effect.UNKNOWN
        return cls(**known)


STATES = {
    "deadline": "stopped at the task's execution_timeout",
    "unknown": "outcome unknown",
    "not_found": "outcome unknown",
}
"""How a summary names states whose own name is too short."""


@dataclass(frozen=True, slots=True)
class SqlSummary:
    """What a task has executed. What is not known is None. The service reports neither the rows that a statement
    has written nor what it cost.

    :param state: the state of the statement that was executed last, such as ``succeeded`` or ``unknown``.
    :param session_id: id of the session.
    :param execution_id: id of the last execution.
    :param region: the compute region of the session.
    :param version: the Wherobots version of the session.
    :param statements: how many statements were executed, or found executed by an earlier try.
    :param seconds: how long they took in all, in seconds.
    :param rows: how many rows the last result has, at most 1,000.
    :param stored_bytes: size of the stored result in bytes.
    """

    state: str
    session_id: str
    execution_id: str | None = None
    region: str | None = None
    version: str | None = None
    statements: int = 0
    seconds: float = 0.0
    rows: int | None = None
    stored_bytes: int | None = None

    def to_json(self) -> dict[str, Any]:
        """The summary as a JSON-able dict, with every key."""
        return asdict(self)

    def describe(self) -> str:
        """The summary in one line; unknown values are left out."""
        count = words.counted(self.statements, "statement")
        if self.seconds:
            count += f" in {words.duration(self.seconds)}"
        details = words.labelled(
            ("rows", None if self.rows is None else f"{self.rows:,}"),
            ("stored", None if self.stored_bytes is None else words.size(self.stored_bytes)),
            ("region", self.region and words.short(self.region)),
            ("version", self.version and words.short(self.version)),
        )
        ended = STATES.get(self.state, self.state.replace("_", " "))
        return f"SQL session {words.short(self.session_id)}: {ended}; {count}" + (f", {details}" if details else "")
