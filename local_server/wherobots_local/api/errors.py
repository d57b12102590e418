"""Errors in the published envelope: an ``ErrorBody`` with ``ErrorInfo`` items."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

DEFAULT_SUGGESTION = "Update your request and try again."

_ERROR_CLASSES = {
    400: ("BAD_REQUEST_ERROR", "Bad Request"),
    401: ("UNAUTHORIZED_ERROR", "Unauthorized"),
    403: ("INSUFFICIENT_PERMISSIONS_ERROR", "Forbidden"),
    404: ("NOT_FOUND_ERROR", "Not Found"),
    409: ("CONFLICT_ERROR", "Conflict"),
    413: ("REQUEST_ENTITY_TOO_LARGE", "Request Entity Too Large"),
    422: ("INVALID_INPUT_ERROR", "Validation Error"),
    429: ("RATE_LIMIT_ERROR", "Too Many Requests"),
    502: ("BAD_GATEWAY_ERROR", "Bad Gateway"),
    504: ("GATEWAY_TIMEOUT_ERROR", "Gateway Timeout"),
}


@dataclass(frozen=True)
class Problem:
    """One problem of a request. ``field`` is None if no single field is wrong."""

    details: str
    field: str | None = None


class ApiError(Exception):
    """A request that is refused with an error body."""

    def __init__(self, status: int, problems: Sequence[Problem] | str, suggestion: str = DEFAULT_SUGGESTION) -> None:
        self.status = status
        default = ("BAD_REQUEST_ERROR", "Bad Request") if status < 500 else ("INTERNAL_SERVER_ERROR", "Internal Error")
        self.error_class = _ERROR_CLASSES.get(status, default)
        self.problems = (Problem(problems),) if isinstance(problems, str) else tuple(problems)
        self.suggestion = suggestion
        super().__init__("; ".join(problem.details for problem in self.problems))


def error_body(error: ApiError, *, path: str, request_id: str) -> dict[str, Any]:
    code, message = error.error_class
    return {
        "errors": [
            {
                "code": code,
                "message": message,
                "details": problem.details,
                "path": path,
                "suggestion": error.suggestion,
                "documentation_url": None,
                "field": problem.field,
            }
            for problem in error.problems
        ],
        "requestId": request_id,
    }
