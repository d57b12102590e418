"""The control surface for SQL sessions under ``/_control/sql``."""

from __future__ import annotations

from typing import Any

from wherobots_local.api.validation import validated
from wherobots_local.control.requests import ConnectionsEnd, Eviction, NewAnswer, Release, SessionEnd, SessionPatch
from wherobots_local.http.control_api import ControlCall, ControlTable
from wherobots_local.http.responses import origin_of
from wherobots_local.runs.run import utc_now
from wherobots_local.sql.answers import SyntheticAnswer
from wherobots_local.sql.session import LocalSqlSession
from wherobots_local.sql.view import controlled_session_view, session_view


def _list_sessions(call: ControlCall) -> dict[str, Any]:
    # The status page requests this again and again, and the executions of all sessions may be many megabytes.
    view = session_view if "brief" in call.request.query_params else controlled_session_view
    origin, now = origin_of(call.request.scope), utc_now()
    return {"sessions": [view(session, origin, now) for session in call.service.sql_sessions.all]}


def _patch_session(call: ControlCall) -> dict[str, Any]:
    session, patch = _session(call), validated(SessionPatch, call.json)
    for name in patch.model_fields_set:
        setattr(session.shown, name, getattr(patch, name))
    return _view(call)


def _end_session(call: ControlCall) -> dict[str, Any]:
    session, wanted = _session(call), validated(SessionEnd, call.json_if_any)
    session.begin_to_end(wanted.status, wanted.message, code=wanted.code)
    return _view(call)


def _drop_connections(call: ControlCall) -> dict[str, Any]:
    wanted = validated(ConnectionsEnd, call.json_if_any)
    return {"dropped": _session(call).drop_connections(wanted.code)}


def _evict(call: ControlCall) -> dict[str, Any]:
    return {"known": _session(call).executions.evict(validated(Eviction, call.json).execution_id)}


def _add_answer(call: ControlCall) -> dict[str, Any]:
    given = validated(NewAnswer, call.json)
    answer = SyntheticAnswer(given.columns, tuple(given.geometry), given.error, given.seconds, given.held)
    call.service.sql_answers.give(given.statement, answer)
    return {"answers": len(call.service.sql_answers.given)}


def _clear_answers(call: ControlCall) -> dict[str, Any]:
    call.service.sql_answers.given.clear()
    return {"answers": 0}


def _release(call: ControlCall) -> dict[str, Any]:
    call.service.sql_answers.release(validated(Release, call.json_if_any).statement)
    return {}


def _session(call: ControlCall) -> LocalSqlSession:
    return call.service.sql_sessions.get(call.request.path_params["session_id"])


def _view(call: ControlCall) -> dict[str, Any]:
    return controlled_session_view(_session(call), origin_of(call.request.scope), utc_now())


CALLS: ControlTable = (
    ("GET", "/sql/sessions", 200, _list_sessions),
    ("GET", "/sql/sessions/{session_id}", 200, _view),
    ("PATCH", "/sql/sessions/{session_id}", 200, _patch_session),
    ("POST", "/sql/sessions/{session_id}/end", 200, _end_session),
    ("POST", "/sql/sessions/{session_id}/drop", 200, _drop_connections),
    ("POST", "/sql/sessions/{session_id}/evict", 200, _evict),
    ("POST", "/sql/answers", 201, _add_answer),
    ("DELETE", "/sql/answers", 200, _clear_answers),
    ("POST", "/sql/release", 200, _release),
)
