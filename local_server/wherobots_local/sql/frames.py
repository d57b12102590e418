"""The messages of a session, before they are encoded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, BinaryIO

NOT_FOUND = "Execution not found"
"""Clients recognise an unknown or forgotten execution by this text."""
_PROGRESS = "execution_progress"


@dataclass(frozen=True, slots=True)
class Frame:
    """One message of a session. ``file`` has the bytes of its result."""

    content: dict[str, Any]
    file: BinaryIO | None = None

    @property
    def is_progress(self) -> bool:
        return bool(self.content["kind"] == _PROGRESS)

    def close(self) -> None:
        if self.file is not None:
            self.file.close()


def state_frame(execution_id: str, state: str, **stored: Any) -> Frame:
    """``stored`` are ``result_uri`` and ``size`` of a stored result."""
    return Frame({"kind": "state_updated", "execution_id": execution_id, "state": state, **stored})


def result_frame(
    execution_id: str, state: str, results: dict[str, Any] | None, file: BinaryIO | None, **more: Any
) -> Frame:
    """The response to ``retrieve_results``. ``more`` are ``result_uri`` and ``size`` if stored, and ``attached``."""
    content = {"kind": "execution_result", "execution_id": execution_id, "state": state, **more, "results": results}
    return Frame(content, file)


def error_frame(execution_id: str, message: str) -> Frame:
    return Frame({"kind": "error", "execution_id": execution_id, "message": message})


def progress_frame(execution_id: str, total: int, completed: int, active: int) -> Frame:
    counts = {"tasks_total": total, "tasks_completed": completed, "tasks_active": active}
    return Frame({"kind": _PROGRESS, "execution_id": execution_id, **counts})
