"""How a statement ended, or why it is no longer followed, and the summary of a task's statements."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from typing import Any

from airflow_provider_wherobots import words
from airflow_provider_wherobots.api.sql.messages import Results
from airflow_provider_wherobots.stored import known_arguments

_NOT_IN_EVENT = ("results", "has_succeeded", "is_result_forgotten", "is_too_large", "is_not_found", "is_earlier")


class StatementState(StrEnum):
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    """The engine refused it, or could not finish it. The message is the engine's."""
    CANCELLED = "cancelled"
    """Somebody else has cancelled it: part of it may have taken effect."""
    UNKNOWN = "unknown"
    """It was sent, and it can no longer be known how it ended: a write may have happened."""
    DEADLINE = "deadline"
    """The deadline was reached. If it still ran, it was cancelled."""
    RUNNING = "running"
    """It runs, and the session lets another process attach to it."""
    GAVE_UP = "gave_up"
    """It was never sent, or it succeeded and its result could not be fetched; see ``was_sent``."""


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
    :param was_sent: whether it may have reached the session. If not, it may be sent again.
    :param is_location_lost: whether a stored result may have an address that can no longer be known.
    :param wrote_nothing: whether, with ``DEADLINE``, it is known to have written nothing.
    :param has_succeeded: whether, with ``DEADLINE``, it is known to have succeeded: only its result is missing. Never
        part of an event.
    :param is_result_forgotten: whether it has succeeded, and the session no longer knows its result. Never part of an
        event.
    :param is_too_large: whether it has succeeded, and its result is larger than is fetched, now and later. Never part
        of an event.
    :param is_not_found: whether the session does not know it. Never part of an event.
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
    was_sent: bool = True
    is_location_lost: bool = False
    wrote_nothing: bool = False
    has_succeeded: bool = False
    is_result_forgotten: bool = False
    is_too_large: bool = False
    is_not_found: bool = False
    is_earlier: bool = False

    def to_event(self) -> dict[str, Any]:
        """The outcome as a JSON-able dict, without the result itself."""
        names = [each.name for each in fields(self) if each.name not in _NOT_IN_EVENT]
        return {**{name: getattr(self, name) for name in names}, "state": self.state.value}

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> StatementOutcome:
        """Read an outcome that another version of this package may have sent. Unknown keys are left out. A state that
        only a later version knows is ``UNKNOWN``.
        """
        known = {name: value for name, value in known_arguments(cls, event).items() if name not in _NOT_IN_EVENT}
        known["execution_id"] = str(known.get("execution_id") or "")
        try:
            known["state"] = StatementState(str(known.get("state")))
        except ValueError:
            known["state"] = StatementState.UNKNOWN
        return cls(**known)


STATES = {"deadline": "stopped at the task's execution_timeout", "unknown": "outcome unknown"}
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
