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


PENDING = "PENDING"
RUNNING = "RUNNING"
FAILED = "FAILED"
COMPLETED = "COMPLETED"
CANCELLED = "CANCELLED"
TIMED_OUT = "TIMED_OUT"

RUN_STATUSES = (PENDING, RUNNING, FAILED, COMPLETED, CANCELLED, TIMED_OUT)
TERMINAL_STATUSES = frozenset({FAILED, COMPLETED, CANCELLED, TIMED_OUT})

RUNTIMES = (
    *("micro", "tiny", "small", "medium", "large", "x-large", "2x-large", "4x-large"),
    *("medium-himem", "large-himem", "x-large-himem", "2x-large-himem", "4x-large-himem"),
    *("x-large-hicpu", "2x-large-hicpu", "x-large-matcher", "2x-large-matcher"),
    *("micro-a10-gpu", "tiny-a10-gpu", "small-a10-gpu", "medium-a10-gpu", "large-a10-gpu", "x-large-a10-gpu"),
    # Names of earlier versions of the API, which the description still has.
    *("TINY", "SMALL", "MEDIUM", "LARGE", "XLARGE", "XXLARGE"),
)

USER_ID = "local0user0000"
ORGANIZATION_ID = "local0org00000"

DEFAULT_REGION = "aws-us-west-2"
REGIONS = (DEFAULT_REGION, "aws-us-east-1", "aws-us-east-2", "aws-eu-west-1", "aws-ap-south-1")
OWN_REGION = "byoc-"
"""How the name of a customer's own region begins."""
DEFAULT_TIMEOUT_SECONDS = 3600

FILE_TYPES = {".jar": "JAR", ".whl": "PYTHON_WHEEL", ".zip": "ZIP", ".json": "OTHER"}
"""``fileType`` of a FILE dependency by file extension."""

CREATE_RUN = "createJobRun"
CANCEL_RUN = "cancelJobRun"

OPERATIONS = (
    *("listJobRuns", CREATE_RUN, "getJobRun", CANCEL_RUN, "getJobRunLogs", "getJobRunMetrics"),
    *("listIntegration", "getIntegration", "verifyIntegrationAccess", "getStorageCredentials"),
    *("createFileUploadUrl", "downloadFileFromStorage", "deleteFileFromStorage", "renameFileInStorage"),
    *("listDirectoryContents", "createDirectory", "deleteDirectory"),
    *("createUploadUrl", "getDirectory", "getIntegrationDirectory", "downloadFile"),
    *("getMyOrganization", "listQuotas", "getMe", "getWorkloadCosts"),
    *("createSqlSession", "getSqlSession", "deleteSqlSession", "listSqlSessions"),
)
"""The ``operationId`` of each call."""

OPEN_SQL_SOCKET = "openSqlSocket"
"""The WebSocket's request. It is not an operation of the API, but faults apply to it too."""

EXECUTE_SQL = "executeSql"
RETRIEVE_RESULTS = "retrieveResults"
CANCEL_EXECUTION = "cancelExecution"
"""The names of the messages of a client over the WebSocket of a session, for the list of requests."""

PUT_OBJECT = "putObject"
GET_OBJECT = "getObject"
OBJECT_OPERATIONS = (PUT_OBJECT, GET_OBJECT)
"""Uploads and downloads. They are not operations of the API, but faults apply to them too."""
