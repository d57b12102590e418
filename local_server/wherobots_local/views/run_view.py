"""``RunView``, ``RunMetricsResponse`` and ``KubeAppEvent``."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

from wherobots_local.api.vocabulary import USER_ID
from wherobots_local.runs.run import AppEvent, LocalRun, timestamp

_SINCE = timestamp(datetime(2026, 1, 1, tzinfo=UTC))
SINCE = {"createTime": _SINCE, "updateTime": _SINCE}
"""The times of the user, the organization and the storage."""

_MOVING_VERSIONS = ("", "latest", "preview")
_LOCAL_VERSION = "local"


def run_view(run: LocalRun) -> dict[str, Any]:
    return {
        "id": run.id,
        "createTime": timestamp(run.created_at),
        "updateTime": timestamp(run.updated_at),
        "name": run.request.name,
        "status": run.status,
        "triggeredBy": {
            "id": USER_ID,
            **SINCE,
            "email": None,
            "name": "local",
            "roles": [],
        },
        "startTime": timestamp(run.started_at) if run.started_at else None,
        "completeTime": timestamp(run.completed_at) if run.completed_at else None,
        "kubeApp": _kube_app(run),
        "payload": run.request.as_json(),
    }


def metrics_view(run: LocalRun) -> dict[str, Any]:
    """A local run is not measured, and costs nothing."""
    moment = int(run.completed_at.timestamp() if run.completed_at else time.time())
    return {
        "series_metrics": {
            f"{name.upper()}_UTILIZATION_PERCENT": {
                "display_name": f"{name} Utilization",
                "metric": {"data": [], "format": "PERCENTAGE"},
            }
            for name in ("CPU", "Memory")
        },
        "instant_metrics": {
            "COST_USD": _instant("Cost", 0.0, moment, "CURRENCY"),
            "CONSUMED_SPATIAL_UNITS": _instant("Consumed Spatial Units", 0.0, moment, "NUMBER"),
        },
    }


def event_view(event: AppEvent) -> dict[str, Any]:
    return {
        "id": event.id,
        "createTime": timestamp(event.created_at),
        "updateTime": timestamp(event.created_at),
        "code": event.code,
        "message": event.message,
        "eventMeta": event.meta,
    }


def resolved_version(version: str | None) -> str:
    """Return a version itself, unless it is a moving one."""
    return _LOCAL_VERSION if version is None or version in _MOVING_VERSIONS else version


def _kube_app(run: LocalRun) -> dict[str, Any]:
    return {
        "id": run.app_id,
        "createTime": timestamp(run.created_at),
        "updateTime": timestamp(run.updated_at),
        "instanceId": f"local-{run.app_id}",
        "appType": "RUN",
        "status": run.app_status,
        "createdById": USER_ID,
        "apiPayload": None,
        "appMeta": {
            "spark_ui_url": run.spark_ui_url,
            "spark_eventlogs_url": "",
            "resolved_version": resolved_version(run.request.version),
        },
        "events": [event_view(event) for event in run.events],
        "cpuUsage": 0,
        "regionName": run.region,
        "message": run.app_message,
    }


def _instant(name: str, value: float, moment: int, data_format: str) -> dict[str, Any]:
    return {"display_name": name, "metric": {"data": {"value": value, "timestamp": moment}, "format": data_format}}
