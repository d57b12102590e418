"""``SqlSessionKubeApp``."""

from __future__ import annotations

from typing import Any

from wherobots_local.api.errors import USER_ID
from wherobots_local.runs.run import timestamp
from wherobots_local.sql.session import LocalSqlSession
from wherobots_local.views.runs import event_view, resolved_version


def session_view(session: LocalSqlSession, origin: str) -> dict[str, Any]:
    return {
        "id": session.id,
        "createTime": timestamp(session.created_at),
        "updateTime": timestamp(session.updated_at),
        "instanceId": f"local-{session.id}",
        "appType": "SQL_SESSION",
        "status": session.status,
        "createdById": USER_ID,
        "apiPayload": session.payload.as_json(),
        "appMeta": {
            "url": f"{origin}{session.path}" if session.is_ready else "",
            "resolved_version": resolved_version(session.payload.version),
        },
        "events": [event_view(event) for event in session.events],
        "cpuUsage": 0,
        "regionName": session.region,
        "message": session.message,
    }


def controlled_session_view(session: LocalSqlSession, origin: str) -> dict[str, Any]:
    more = {"connections": session.connections, "executions": session.executions.as_json()}
    return {**session_view(session, origin), **more}
