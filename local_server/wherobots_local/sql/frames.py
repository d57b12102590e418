"""The messages of a session, before they are encoded."""

from __future__ import annotations

from typing import Any

NOT_FOUND = "Execution not found"
"""Clients recognise an unknown or forgotten execution by this text."""

EXECUTION_PROGRESS = "execution_progress"

Frame = dict[str, Any]
"""One message of a session."""


def state_frame(execution_id: str, state: str, **stored: Any) -> Frame:
    """``stored`` are ``result_uri`` and ``size`` of a stored result."""
    return {"kind": "state_updated", "execution_id": execution_id, "state": state, **stored}


def result_frame(execution_id: str, state: str, results: dict[str, Any] | None, **more: Any) -> Frame:
    """The response to ``retrieve_results``. ``more`` are ``result_uri`` and ``size`` if stored, and ``attached``."""
    return {"kind": "execution_result", "execution_id": execution_id, "state": state, "results": results, **more}


def error_frame(execution_id: str, message: str) -> Frame:
    return {"kind": "error", "execution_id": execution_id, "message": message}


def progress_frame(execution_id: str, total: int, completed: int, active: int) -> Frame:
    return {
        "kind": EXECUTION_PROGRESS,
        "execution_id": execution_id,
        "tasks_total": total,
        "tasks_completed": completed,
        "tasks_active": active,
    }
