"""The operations for SQL sessions. Their WebSocket is in ``sql_socket.py``."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from wherobots_local.api.queries import validated
from wherobots_local.api.requests import SqlSessionPayload, SqlSessionQuery, SqlSessionsQuery
from wherobots_local.http.faults import OperationTable, ReceivedCall
from wherobots_local.http.messages import JsonResponse, origin_of
from wherobots_local.sql.view import session_view

FALLBACK_HEADER = "X-Wherobots-Sql-Session-Fallback"


def _create(call: ReceivedCall) -> Response:
    payload, query = validated(SqlSessionPayload, call.json), call.query(SqlSessionQuery)
    granted = call.service.sql_sessions.request(payload, query.region, force_new=query.force_new)
    call.entry.session_id = granted.session.id
    if granted.is_new:
        call.service.journal.took_effect(call.entry)
    headers = {"Location": f"/sql/session/{granted.session.id}"}
    if granted.fallback:
        headers[FALLBACK_HEADER] = granted.fallback
    return JsonResponse(None, 303, headers)


def _get(call: ReceivedCall) -> dict[str, Any]:
    session = call.service.sql_sessions.get(call.request.path_params["session_id"])
    return session_view(session, origin_of(call.request.scope))


def _delete(call: ReceivedCall) -> None:
    session = call.service.sql_sessions.get(call.request.path_params["session_id"])
    if call.service.sql_sessions.delete(session):
        call.service.journal.took_effect(call.entry)


def _list(call: ReceivedCall) -> list[dict[str, Any]]:
    region = call.query(SqlSessionsQuery).region
    origin = origin_of(call.request.scope)
    return [
        session_view(session, origin)
        for session in call.service.sql_sessions.all
        if not session.has_ended and region in (None, session.region)
    ]


OPERATIONS: OperationTable = (
    ("POST", "/sql/session", "createSqlSession", _create),
    ("GET", "/sql/session/{session_id}", "getSqlSession", _get),
    ("DELETE", "/sql/session/{session_id}", "deleteSqlSession", _delete),
    ("GET", "/sql/sessions", "listSqlSessions", _list),
)
