"""The names of the published API: statuses, runtimes and operations; and the ids and defaults of this server."""

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
DEFAULT_TIMEOUT_SECONDS = 3600

FILE_TYPES = {".jar": "JAR", ".whl": "PYTHON_WHEEL", ".zip": "ZIP", ".json": "OTHER"}
"""``fileType`` of a FILE dependency by the ending of its path."""

LIST_RUNS = "listJobRuns"
CREATE_RUN = "createJobRun"
GET_RUN = "getJobRun"
CANCEL_RUN = "cancelJobRun"
GET_RUN_LOGS = "getJobRunLogs"
GET_RUN_METRICS = "getJobRunMetrics"

LIST_STORAGE = "listIntegration"
GET_STORAGE = "getIntegration"
STORAGE_ACCESS = "verifyIntegrationAccess"
STORAGE_CREDENTIALS = "getStorageCredentials"
FILE_UPLOAD_URL = "createFileUploadUrl"
DOWNLOAD_FROM_STORAGE = "downloadFileFromStorage"
DELETE_FROM_STORAGE = "deleteFileFromStorage"
RENAME_IN_STORAGE = "renameFileInStorage"
LIST_DIRECTORY = "listDirectoryContents"
CREATE_DIRECTORY = "createDirectory"
DELETE_DIRECTORY = "deleteDirectory"
UPLOAD_URL = "createUploadUrl"
GET_DIRECTORY = "getDirectory"
GET_INTEGRATION_DIRECTORY = "getIntegrationDirectory"
DOWNLOAD_FILE = "downloadFile"
GET_ORGANIZATION = "getMyOrganization"
LIST_QUOTAS = "listQuotas"
GET_ME = "getMe"
GET_COSTS = "getWorkloadCosts"

RUN_OPERATIONS = (LIST_RUNS, CREATE_RUN, GET_RUN, CANCEL_RUN, GET_RUN_LOGS, GET_RUN_METRICS)
"""The ``operationId`` of each endpoint for runs."""

STORAGE_OPERATIONS = (
    *(LIST_STORAGE, GET_STORAGE, STORAGE_ACCESS, STORAGE_CREDENTIALS),
    *(FILE_UPLOAD_URL, DOWNLOAD_FROM_STORAGE, DELETE_FROM_STORAGE, RENAME_IN_STORAGE),
    *(LIST_DIRECTORY, CREATE_DIRECTORY, DELETE_DIRECTORY),
    *(UPLOAD_URL, GET_DIRECTORY, GET_INTEGRATION_DIRECTORY, DOWNLOAD_FILE),
)
"""The same for files."""

ACCOUNT_OPERATIONS = (GET_ORGANIZATION, LIST_QUOTAS, GET_ME, GET_COSTS)
"""The same for the organization, the user and costs."""

CREATE_SQL_SESSION = "createSqlSession"
GET_SQL_SESSION = "getSqlSession"
DELETE_SQL_SESSION = "deleteSqlSession"
LIST_SQL_SESSIONS = "listSqlSessions"
SQL_OPERATIONS = (CREATE_SQL_SESSION, GET_SQL_SESSION, DELETE_SQL_SESSION, LIST_SQL_SESSIONS)
"""The same for SQL sessions."""

OPERATIONS = (*RUN_OPERATIONS, *STORAGE_OPERATIONS, *ACCOUNT_OPERATIONS, *SQL_OPERATIONS)

OPEN_SQL_SOCKET = "openSqlSocket"
"""The upgrade to the WebSocket of a session: not an operation of the API, but faults apply to it too."""

EXECUTE_SQL = "executeSql"
RETRIEVE_RESULTS = "retrieveResults"
CANCEL_EXECUTION = "cancelExecution"
SQL_MESSAGES = (EXECUTE_SQL, RETRIEVE_RESULTS, CANCEL_EXECUTION)
"""What a client sends over the WebSocket of a session."""

STATE_UPDATED = "stateUpdated"
EXECUTION_RESULT = "executionResult"
EXECUTION_ERROR = "executionError"
EXECUTION_PROGRESS = "executionProgress"
SQL_EVENTS = (STATE_UPDATED, EXECUTION_RESULT, EXECUTION_ERROR, EXECUTION_PROGRESS)
"""What a session sends over its WebSocket."""

PUT_OBJECT = "putObject"
GET_OBJECT = "getObject"
OBJECT_OPERATIONS = (PUT_OBJECT, GET_OBJECT)
"""Uploads and downloads, over presigned URLs or S3: not operations of the API, but faults apply to them too."""
