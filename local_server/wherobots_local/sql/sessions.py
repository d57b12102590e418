"""All SQL sessions of a server: which requests share one, and how many there can be."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import NamedTuple

from wherobots_local.api.errors import ApiError
from wherobots_local.api.queries import checked_region
from wherobots_local.api.sql_requests import SqlSessionPayload
from wherobots_local.control.behaviour import Behaviour
from wherobots_local.sql.engine import Engine
from wherobots_local.sql.session import DESTROYED, UNUSED, LocalSqlSession
from wherobots_local.sql.stored import StoredResults

_log = logging.getLogger(__name__)

_ENDED_KEPT = 200


class GrantedSession(NamedTuple):
    """``fallback`` is the reason why it is another session than requested; else empty."""

    session: LocalSqlSession
    is_new: bool = False
    fallback: str = ""


class SqlSessions:
    """The sessions of the only user. Belongs to one event loop."""

    def __init__(
        self, make_engine: Callable[[str], Engine], rules: Callable[[], Behaviour], *, stored: StoredResults
    ) -> None:
        self._make_engine = make_engine
        self._rules = rules
        self._stored = stored
        self._sessions: dict[str, LocalSqlSession] = {}

    def request(self, payload: SqlSessionPayload, region: str | None, *, force_new: bool) -> GrantedSession:
        """Return a session to share, or start one. If there can be no more, it is the newest other one."""
        region = checked_region(region)
        if not self._rules().sql_session_key:
            payload = payload.model_copy(update={"session_key": None})
        living = [session for session in self._sessions.values() if not session.has_ended]
        if payload.session_type == "multi" and not force_new:
            for session in reversed(living):
                if (session.payload, session.region) == (payload, region):
                    return GrantedSession(session)
        most = self._rules().sql_max_sessions
        if most is not None and len(living) >= most:
            _log.warning("There are %d SQL sessions (sql_max_sessions): the newest one is shared", len(living))
            return GrantedSession(living[-1], fallback="quota")
        session = LocalSqlSession(payload, region, self._make_engine, self._rules, stored=self._stored)
        self._sessions[session.id] = session
        self._forget_old_ones()
        session.start()
        return GrantedSession(session, is_new=True)

    def find(self, session_id: str) -> LocalSqlSession | None:
        return self._sessions.get(session_id)

    def get(self, session_id: str) -> LocalSqlSession:
        session = self.find(session_id)
        if session is None:
            raise ApiError(404, f"there is no SQL session with the id {session_id!r}")
        return session

    def delete(self, session: LocalSqlSession) -> bool:
        """Start the end of a session. Returns False if it had started before."""
        return session.begin_to_end(DESTROYED, "the session was deleted", code=UNUSED)

    @property
    def all(self) -> list[LocalSqlSession]:
        return list(self._sessions.values())

    async def end_all(self, reason: str) -> None:
        await asyncio.gather(*(session.end(reason) for session in self._sessions.values()))
        self._sessions.clear()

    def _forget_old_ones(self) -> None:
        ended = [session for session in self._sessions.values() if session.has_ended]
        for session in ended[: max(len(ended) - _ENDED_KEPT, 0)]:
            del self._sessions[session.id]
