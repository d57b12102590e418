"""Answers in the service's recorded shapes."""

from __future__ import annotations

from typing import Any

RUN_2026: dict[str, Any] = {
    "id": "0s3wureoxx7aw3",
    "createTime": "2026-07-21T08:00:00.123456Z",
    "updateTime": "2026-07-21T08:04:00Z",
    "name": "hail_stats_20260721",
    "status": "FAILED",
    "triggeredBy": {
        "id": "u1",
        "createTime": "2026-01-01T00:00:00Z",
        "updateTime": "2026-01-01T00:00:00Z",
        "roles": [],
        "email": None,
        "name": None,
    },
    "startTime": "2026-07-21T08:03:00+00:00",
    "completeTime": "2026-07-21T08:04:00Z",
    "kubeApp": {
        "id": "k1",
        "createTime": "2026-07-21T08:00:01Z",
        "updateTime": "2026-07-21T08:04:00Z",
        "instanceId": "i1",
        "appType": "RUN",
        "status": "DESTROYED",
        "createdById": None,
        "cpuUsage": 4,
        "regionName": "aws-us-west-2",
        "message": "Driver exited with code 1",
        "apiPayload": None,
        "appMeta": {"spark_ui_url": "", "spark_eventlogs_url": "", "resolved_version": "2.1.0"},
        "events": [
            {
                "id": "e1",
                "createTime": "2026-07-21T08:00:01Z",
                "updateTime": "2026-07-21T08:00:01Z",
                "code": "APP_START_CREATION",
                "message": None,
                "eventMeta": {"use_v2_workflow": True},
            },
            {
                "id": "e2",
                "createTime": "2026-07-21T08:04:00Z",
                "updateTime": "2026-07-21T08:04:00Z",
                "code": None,
                "message": "exit code 1",
                "eventMeta": None,
            },
        ],
    },
    "payload": {
        "name": "hail_stats_20260721",
        "runtime": "tiny",
        "version": "latest",
        "runPython": {"uri": "s3://bucket/job.py", "args": ["--date", "2026-07-21"]},
        "runJar": None,
        "timeoutSeconds": 3600,
        "environment": {
            "sparkConfigs": {},
            "dependencies": [{"sourceType": "FILE", "filePath": "s3://b/x.whl", "fileType": "PYTHON_WHEEL"}],
        },
    },
}
"""``RunView`` as the OpenAPI description of 2026-07 has it."""

RUN_2024: dict[str, Any] = {
    "id": "gt3oirei5widjk",
    "createTime": "2024-09-25T18:23:01.538Z",
    "updateTime": "2024-09-25T18:23:01.538Z",
    "name": "string-run",
    "status": "PENDING",
    "triggeredBy": {
        "id": "string",
        "createTime": "2024-09-25T18:23:01.538Z",
        "updateTime": "2024-09-25T18:23:01.538Z",
        "email": "string",
        "name": "string",
        "roles": [],
    },
    "startTime": "2024-09-25T18:23:01.538Z",
    "completeTime": "2024-09-25T18:23:01.538Z",
    "kubeApp": {
        "id": "string",
        "createTime": "2024-09-25T18:23:01.538Z",
        "updateTime": "2024-09-25T18:23:01.538Z",
        "instanceId": "string",
        "appType": "string",
        "status": "PENDING",
        "createdById": "string",
        "apiPayload": {},
        "appMeta": {},
        "events": [],
        "message": "string",
    },
    "payload": {
        "runtime": "tiny",
        "name": "string",
        "runPython": {"uri": "string", "args": []},
        "timeoutSeconds": 3600,
        "environment": {"sparkConfigs": {}, "dependencies": []},
    },
}
"""The same as the documentation of 2024-09 shows it."""

LOGS_2026: dict[str, Any] = {
    "items": [{"timestamp": "1721548800123456789", "raw": "first"}, {"timestamp": "1721548800123456790", "raw": ""}],
    "current_page": "0",
    "next_page": None,
}
LOGS_2024: dict[str, Any] = {
    "items": [{"timestamp": 1721548800123456789, "raw": "first"}, {"timestamp": 1721548800123456790, "raw": ""}],
    "current_page": 0,
    "next_page": 1721548800123456790,
}

ERROR_BODY: dict[str, Any] = {
    "errors": [
        {
            "code": "BAD_REQUEST_ERROR",
            "message": "Bad Request",
            "details": "InvalidInputException (No storage source found for bucket: flag-prefix)",
            "path": "/files/upload-url",
            "suggestion": "Update your request and try again.",
        }
    ],
    "requestId": "req-1",
}
ERROR_BODY_WITH_FIELD: dict[str, Any] = {
    "errors": [
        {
            "code": "INVALID_INPUT_ERROR",
            "message": "Invalid input",
            "details": "String should match pattern",
            "path": "/runs",
            "documentation_url": None,
            "field": "name",
            "data": {},
        }
    ],
    "requestId": "req-2",
}

METRICS: dict[str, Any] = {
    "series_metrics": {
        "CPU_UTILIZATION_PERCENT": {
            "display_name": "CPU",
            "metric": {"data": [{"value": 12.5, "timestamp": 1710000000}], "format": "PERCENTAGE"},
        }
    },
    "instant_metrics": {
        "COST_USD": {
            "display_name": "Cost",
            "metric": {"data": {"value": None, "timestamp": 1710000000}, "format": "CURRENCY"},
        },
        "CONSUMED_SPATIAL_UNITS": {
            "display_name": "SU",
            "metric": {"data": {"value": 1.25, "timestamp": 1710000000}, "format": "NUMBER"},
        },
    },
}
