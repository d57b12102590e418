"""The operations for SQL sessions. Their WebSocket is in ``sql_socket.py``."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from wherobots_local.api import vocabulary
from wherobots_local.api.queries import parse_query
from wherobots_local.api.sql_requests import SqlSessionPayload, SqlSessionQuery, SqlSessionsQuery
from wherobots_local.api.validation import validated
from wherobots_local.http.answers import JsonAnswer
from wherobots_local.http.bodies import decoded_json
from wherobots_local.http.operations import Handler, ReceivedCall
from wherobots_local.runs.run import utc_now
from wherobots_local.sql.view import session_view

FALLBACK_HEADER = "X-Wherobots-Sql-Session-Fallback"


def _create(call: ReceivedCall) -> Response:
    payload = validated(SqlSessionPayload, decoded_json(call.request, call.body))
    query = parse_query(SqlSessionQuery, call.request.query_params.multi_items())
    granted = call.service.sql_sessions.ask(payload, query.region, force_new=query.force_new)
    call.entry.session_id = granted.session.id
    if granted.is_new:
        call.service.journal.took_effect(call.entry)
    headers = {"Location": f"/sql/session/{granted.session.id}"}
    if granted.fallback:
        headers[FALLBACK_HEADER] = granted.fallback
    return JsonAnswer(None, 303, headers)


def _get(call: ReceivedCall) -> Response:
    service, behaviour, now = call.service, call.service.behaviour, utc_now()
    session = service.sql_sessions.find(call.request.path_params["session_id"])
    if session is None and behaviour.sql_unknown_session == 404:
        session = service.sql_sessions.get(call.request.path_params["session_id"])
    if session is None or (now - session.created_at).total_seconds() < behaviour.sql_null_seconds:
        return JsonAnswer(None)
    return JsonAnswer(session_view(session, origin_of(call.request), now, behaviour.sql_url_delay_seconds))


def _delete(call: ReceivedCall) -> Response:
    session = call.service.sql_sessions.get(call.request.path_params["session_id"])
    if call.service.sql_sessions.delete(session):
        call.service.journal.took_effect(call.entry)
    return JsonAnswer(None)


def _list(call: ReceivedCall) -> Response:
    region = parse_query(SqlSessionsQuery, call.request.query_params.multi_items()).region
    now, delay = utc_now(), call.service.behaviour.sql_url_delay_seconds
    return JsonAnswer(
        [
            session_view(session, origin_of(call.request), now, delay)
            for session in call.service.sql_sessions.all
            if not session.has_ended and region in (None, session.region)
        ]
    )


def origin_of(request: Request) -> str:
    """Return scheme, host and port of this server as the client of a request knows them."""
    # The ``Host`` header, which has been checked.
    return f"{request.url.scheme}://{request.headers['host']}"


OPERATIONS: tuple[tuple[str, str, str, Handler], ...] = (
    ("POST", "/sql/session", vocabulary.CREATE_SQL_SESSION, _create),
    ("GET", "/sql/session/{session_id}", vocabulary.GET_SQL_SESSION, _get),
    ("DELETE", "/sql/session/{session_id}", vocabulary.DELETE_SQL_SESSION, _delete),
    ("GET", "/sql/sessions", vocabulary.LIST_SQL_SESSIONS, _list),
)
"""Method, path, ``operationId`` and handler of each operation."""
