"""The names of the published API (statuses, runtimes, operations), and the ids and defaults of this server."""

from __future__ import annotations

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
SQL_MESSAGES = (EXECUTE_SQL, RETRIEVE_RESULTS, CANCEL_EXECUTION)
"""Messages of a client over the WebSocket of a session."""

PUT_OBJECT = "putObject"
GET_OBJECT = "getObject"
OBJECT_OPERATIONS = (PUT_OBJECT, GET_OBJECT)
"""Uploads and downloads. They are not operations of the API, but faults apply to them too."""
