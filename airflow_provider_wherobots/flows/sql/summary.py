"""The summary of a task's statements: as one line and as data."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from airflow_provider_wherobots.messages import words

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
