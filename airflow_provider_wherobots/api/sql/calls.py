"""One function per endpoint of SQL sessions: what to send, and how to read the response.

Source: the service's OpenAPI description, tag "sql". Operation ids are taken from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from airflow_provider_wherobots.api.call import Call, no_content
from airflow_provider_wherobots.api.errors import InvalidArgumentError
from airflow_provider_wherobots.api.sql.sessions import RequestedSession, SessionRequest, SqlSession, is_session_id

FALLBACK_HEADER = "X-Wherobots-Sql-Session-Fallback"
"""Present if the organization's quota allows no new session, so that another session of the caller is shared."""


def create_session(request: SessionRequest) -> Call[RequestedSession]:
    """``POST /sql/session`` (createSqlSession). The response is a 303 to the session, which may be shared. Repeatable
    unless each request makes a new one.
    """
    params = [("force_new", "true")] if request.force_new else []
    if request.region is not None:
        params.append(("region", request.region))
    return Call(
        "createSqlSession",
        "POST",
        "/sql/session",
        _session_from_body,
        tuple(params),
        request.body(),
        repeatable=request.is_repeatable,
        see_other=_session_from_location,
    )


def get_session(session_id: str) -> Call[SqlSession | None]:
    """``GET /sql/session/{session_id}`` (getSqlSession); None if the response is ``null``."""
    return Call("getSqlSession", "GET", _session_path(session_id), SqlSession.from_json)


def delete_session(session_id: str) -> Call[None]:
    """``DELETE /sql/session/{session_id}`` (deleteSqlSession), for the caller's own sessions."""
    return Call("deleteSqlSession", "DELETE", _session_path(session_id), no_content, urgent=True)


def _session_from_location(headers: Mapping[str, str]) -> RequestedSession:
    path = urlsplit(headers.get("Location", "")).path
    parent, _, session_id = path.rstrip("/").rpartition("/")
    if not parent.endswith("/sql/session") or not is_session_id(session_id):
        raise ValueError("its Location is not the address of a SQL session")
    return RequestedSession(session_id, headers.get(FALLBACK_HEADER) or "")


def _session_from_body(data: Any) -> RequestedSession:
    """Read a response to a redirect that a proxy has followed."""
    if not is_session_id(data["id"]):
        raise ValueError("its id is not the id of a SQL session")
    return RequestedSession(data["id"], "")


def _session_path(session_id: str) -> str:
    if not is_session_id(session_id):
        raise InvalidArgumentError(f"session_id={session_id!r}: must be the id of a SQL session")
    return f"/sql/session/{quote(session_id, safe='')}"
