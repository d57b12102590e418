"""The enumerations of the published API description."""

from __future__ import annotations

from airflow_provider_wherobots.api.runs.runtimes import RUNTIMES as KNOWN_RUNTIMES

PENDING = "PENDING"
RUNNING = "RUNNING"
FAILED = "FAILED"
COMPLETED = "COMPLETED"
CANCELLED = "CANCELLED"
TIMED_OUT = "TIMED_OUT"

RUN_STATUSES = (PENDING, RUNNING, FAILED, COMPLETED, CANCELLED, TIMED_OUT)
TERMINAL_STATUSES = frozenset({FAILED, COMPLETED, CANCELLED, TIMED_OUT})

RUNTIMES = (
    *KNOWN_RUNTIMES,
    "TINY",
    "SMALL",
    "MEDIUM",
    "LARGE",
    "XLARGE",
    "XXLARGE",
)

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

OPERATIONS = (LIST_RUNS, CREATE_RUN, GET_RUN, CANCEL_RUN, GET_RUN_LOGS, GET_RUN_METRICS)
"""The ``operationId`` of each endpoint."""
