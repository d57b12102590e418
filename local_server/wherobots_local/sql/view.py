"""``SqlSessionKubeApp``."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from wherobots_local.api.vocabulary import USER_ID
from wherobots_local.runs.run import timestamp
from wherobots_local.sql.session import LocalSqlSession
from wherobots_local.views.run_view import event_view, resolved_version


def session_view(session: LocalSqlSession, origin: str, now: datetime, url_delay_seconds: float = 0) -> dict[str, Any]:
    shown = session.shown
    ready_seconds = (now - (session.ready_at or now)).total_seconds()
    has_url = session.is_ready and ready_seconds >= url_delay_seconds
    url = f"{origin}{session.path}" if has_url else ""
    return {
        "id": session.id,
        "createTime": timestamp(session.created_at),
        "updateTime": timestamp(session.updated_at),
        "instanceId": f"local-{session.id}",
        "appType": "SQL_SESSION",
        "status": session.status if shown.status is None else shown.status,
        "createdById": USER_ID,
        "apiPayload": session.payload.as_json(),
        "appMeta": {
            "url": url if shown.url is None else shown.url,
            "resolved_version": resolved_version(session.payload.version),
        },
        "events": [event_view(event) for event in session.events],
        "cpuUsage": 0,
        "regionName": session.region,
        "message": session.message if shown.message is None else shown.message,
    }


def controlled_session_view(session: LocalSqlSession, origin: str, now: datetime) -> dict[str, Any]:
    more = {"connections": session.connections, "executions": session.executions.as_json()}
    return {**session_view(session, origin, now), **more}
