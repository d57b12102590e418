"""The control surface for SQL sessions under ``/_control/sql``."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from wherobots_local.api.validation import validated
from wherobots_local.control.sql_requests import ConnectionsEnd, Eviction, NewAnswer, Release, SessionEnd, SessionPatch
from wherobots_local.http.answers import JsonAnswer
from wherobots_local.http.bodies import decoded
from wherobots_local.http.control_api import PREFIX, ControlCall
from wherobots_local.http.sql_api import origin_of
from wherobots_local.runs.run import utc_now
from wherobots_local.service import LocalService
from wherobots_local.sql.answers import SyntheticAnswer
from wherobots_local.sql.session import LocalSqlSession
from wherobots_local.sql.view import controlled_session_view, session_view


def sql_control_routes(service: LocalService) -> list[Route]:
    return [
        Route(f"{PREFIX}/sql{path}", ControlCall(handler, service), methods=[method])
        for method, path, handler in (
            ("GET", "/sessions", _list_sessions),
            ("GET", "/sessions/{session_id}", _get_session),
            ("PATCH", "/sessions/{session_id}", _patch_session),
            ("POST", "/sessions/{session_id}/end", _end_session),
            ("POST", "/sessions/{session_id}/drop", _drop_connections),
            ("POST", "/sessions/{session_id}/evict", _evict),
            ("POST", "/answers", _add_answer),
            ("DELETE", "/answers", _clear_answers),
            ("POST", "/release", _release),
        )
    ]


def _list_sessions(service: LocalService, request: Request, body: bytes) -> Response:
    sessions = service.sql_sessions.all
    if "brief" in request.query_params:
        # As the status page asks again and again: the executions of all sessions may be many megabytes.
        origin, now = origin_of(request), utc_now()
        return JsonAnswer({"sessions": [session_view(session, origin, now) for session in sessions]})
    return JsonAnswer({"sessions": [_view(session, request) for session in sessions]})


def _get_session(service: LocalService, request: Request, body: bytes) -> Response:
    return JsonAnswer(_view(_session(service, request), request))


def _patch_session(service: LocalService, request: Request, body: bytes) -> Response:
    session = _session(service, request)
    patch = validated(SessionPatch, decoded(body))
    for name in patch.model_fields_set:
        setattr(session.shown, name, getattr(patch, name))
    return JsonAnswer(_view(session, request))


def _end_session(service: LocalService, request: Request, body: bytes) -> Response:
    session = _session(service, request)
    wanted = validated(SessionEnd, decoded(body) if body else {})
    session.begin_to_end(wanted.status, wanted.message, code=wanted.code)
    return JsonAnswer(_view(session, request))


def _drop_connections(service: LocalService, request: Request, body: bytes) -> Response:
    wanted = validated(ConnectionsEnd, decoded(body) if body else {})
    return JsonAnswer({"dropped": _session(service, request).drop_connections(wanted.code)})


def _evict(service: LocalService, request: Request, body: bytes) -> Response:
    wanted = validated(Eviction, decoded(body))
    return JsonAnswer({"known": _session(service, request).executions.evict(wanted.execution_id)})


def _add_answer(service: LocalService, request: Request, body: bytes) -> Response:
    given = validated(NewAnswer, decoded(body))
    answer = SyntheticAnswer(given.columns, tuple(given.geometry), given.error, given.seconds, given.held)
    service.sql_answers.give(given.statement, answer)
    return JsonAnswer({"answers": len(service.sql_answers.given)}, 201)


def _clear_answers(service: LocalService, request: Request, body: bytes) -> Response:
    service.sql_answers.given.clear()
    return JsonAnswer({"answers": 0})


def _release(service: LocalService, request: Request, body: bytes) -> Response:
    wanted = validated(Release, decoded(body) if body else {})
    service.sql_answers.release(wanted.statement)
    return JsonAnswer({})


def _session(service: LocalService, request: Request) -> LocalSqlSession:
    return service.sql_sessions.get(request.path_params["session_id"])


def _view(session: LocalSqlSession, request: Request) -> dict[str, Any]:
    return controlled_session_view(session, origin_of(request), utc_now())
