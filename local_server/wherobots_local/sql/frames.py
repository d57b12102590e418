"""The messages of a session, before they are encoded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, BinaryIO

from wherobots_local.api.vocabulary import EXECUTION_ERROR, EXECUTION_PROGRESS, EXECUTION_RESULT, STATE_UPDATED

NOT_FOUND = "Execution not found"
"""Clients recognise an unknown or forgotten execution by this text."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One message of a session. ``event``, such as ``stateUpdated``, is its name in faults. ``file`` has the bytes of
    its result."""

    event: str
    content: dict[str, Any]
    file: BinaryIO | None = None

    def close(self) -> None:
        if self.file is not None:
            self.file.close()

    @property
    def state(self) -> str | None:
        state: str | None = self.content.get("state")
        return state


def state_frame(execution_id: str, state: str, **stored: Any) -> Frame:
    """``stored`` are ``result_uri`` and ``size`` of a stored result."""
    return Frame(STATE_UPDATED, {"kind": "state_updated", "execution_id": execution_id, "state": state, **stored})


def result_frame(
    execution_id: str, state: str, results: dict[str, Any] | None, file: BinaryIO | None, **more: Any
) -> Frame:
    """The response to ``retrieve_results``. ``more`` are ``result_uri`` and ``size`` if stored, and ``attached``."""
    content = {"kind": "execution_result", "execution_id": execution_id, "state": state, **more, "results": results}
    return Frame(EXECUTION_RESULT, content, file)


def error_frame(execution_id: str, message: str) -> Frame:
    return Frame(EXECUTION_ERROR, {"kind": "error", "execution_id": execution_id, "message": message})


def progress_frame(execution_id: str, total: int, completed: int, active: int) -> Frame:
    content = {
        "kind": "execution_progress",
        "execution_id": execution_id,
        "tasks_total": total,
        "tasks_completed": completed,
        "tasks_active": active,
    }
    return Frame(EXECUTION_PROGRESS, content)
