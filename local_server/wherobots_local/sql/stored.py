"""Where results of statements are stored."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, BinaryIO

from wherobots_local.api.requests import StoreRequest
from wherobots_local.files.uploads import USER_FILES, UrlSigner
from wherobots_local.sql.engine import EngineError, Executed, StoreTarget
from wherobots_local.storage import SCHEME

_FOLDER = "sql-results"


class StoredResults:
    """Stored results in the user's managed storage. They are kept."""

    def __init__(self, signer: UrlSigner) -> None:
        self._signer = signer

    def target(self, request: StoreRequest, key: str) -> StoreTarget:
        """Choose the place of a result. Each execution has its own key. Raises an ``EngineError`` for several files
        with a presigned URL."""
        if request.generate_presigned_url and not request.single:
            raise EngineError("generate_presigned_url needs single: only one file can have a presigned URL")
        address = USER_FILES.address(f"{_FOLDER}/{key}")
        return StoreTarget(request.format, bool(request.single), address, request.options)

    def shown(self, request: StoreRequest, executed: Executed, origin: str) -> dict[str, Any]:
        """Return ``result_uri``, None without rows, and ``size`` if it is known."""
        uri = executed.result_uri
        if uri is not None and request.generate_presigned_url:
            uri = self._signer.url(origin, "GET", uri.removeprefix(SCHEME), time.time())
        return {"result_uri": uri, **({} if executed.size is None else {"size": executed.size})}


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
