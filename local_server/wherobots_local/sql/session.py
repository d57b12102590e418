"""One SQL session, from its request to its end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, NamedTuple

from wherobots_local.api.errors import ORGANIZATION_ID, ApiError
from wherobots_local.api.queries import checked_region
from wherobots_local.api.requests import SqlSessionPayload
from wherobots_local.control.faults import Behaviour
from wherobots_local.runs.run import AppEvent, new_id, utc_now
from wherobots_local.sql.engine import Engine, EngineDiedError, EngineError
from wherobots_local.sql.executions import Executions, SqlListener
from wherobots_local.sql.stored import StoredResults

_log = logging.getLogger(__name__)

READY = "READY"
DESTROYED = "DESTROYED"
INIT_FAILED = "INIT_FAILED"
SOCKET_VERSION = "1.0.0"
UNUSED = 1000
"""The code that closes the connections of an inactive or deleted session."""

_START_STEPS = ("PREPARING", "REQUESTED", "DEPLOYING", "DEPLOYED", "INITIALIZING")
_ENDING = "DESTROYING"
_DIED = 1011
_INACTIVE_SECONDS = 900.0


class LocalSqlSession:
    """A SQL session with its engine. Belongs to one event loop."""

    def __init__(
        self,
        payload: SqlSessionPayload,
        region: str,
        make_engine: Callable[[str], Engine],
        rules: Callable[[], Behaviour],
        *,
        stored: StoredResults,
    ) -> None:
        self.id = new_id()
        self.payload = payload
        self.region = region
        self.created_at = self.updated_at = utc_now()
        self.status = "PENDING"
        self.message: str | None = None
        self.events = [AppEvent("APP_START_CREATION", None)]
        self._rules = rules
        self._engine = make_engine(self.id)
        self._listeners: set[SqlListener] = set()
        self.executions = Executions(self._engine, rules, stored=stored, on_death=self.die)
        self._deadline: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._starting: asyncio.Task[None] | None = None
        self._ending: asyncio.Task[None] | None = None

    @property
    def path(self) -> str:
        """The path in ``appMeta.url``. The WebSocket adds the version of the protocol."""
        return f"/sql/{ORGANIZATION_ID}/{self.id}/ws"

    @property
    def is_ready(self) -> bool:
        return self.status == READY

    @property
    def has_ended(self) -> bool:
        return self._ending is not None

    @property
    def connections(self) -> int:
        return len(self._listeners)

    def start(self) -> None:
        self._starting = self._task(self._start())

    def begin_to_end(self, status: str, message: str, *, code: int) -> bool:
        """Start the end. Returns False if it had started before."""
        if self._ending is not None:
            return False
        self._progress(_ENDING, message)
        self._ending = self._task(self._end(status, message, code))
        return True

    def die(self, reason: str) -> None:
        self.begin_to_end(DESTROYED, reason, code=_DIED)

    async def end(self, reason: str) -> None:
        self.begin_to_end(DESTROYED, reason, code=1001)
        if self._ending is not None:
            await asyncio.wait([self._ending])

    def connect(self, listener: SqlListener) -> None:
        self._listeners.add(listener)
        self._watch()

    def disconnect(self, listener: SqlListener, *, was_clean: bool = False) -> None:
        self._listeners.discard(listener)
        if not self.has_ended:
            self.executions.detach(listener, was_clean=was_clean)
        self._watch()

    async def _start(self) -> None:
        pause = self._rules().sql_start_delay_seconds / (len(_START_STEPS) + 1)
        for step in _START_STEPS if pause else _START_STEPS[-1:]:
            await asyncio.sleep(pause)
            self._progress(step)
        await asyncio.sleep(pause)
        try:
            await self._engine.start()
        except Exception as error:
            is_foreseen = isinstance(error, EngineError | EngineDiedError)
            _log.warning("The SQL session %s cannot start: %s", self.id, error, exc_info=not is_foreseen)
            self.begin_to_end(INIT_FAILED, str(error), code=_DIED)
            return
        self._progress(READY)
        self._watch()

    async def _end(self, status: str, message: str, code: int) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        for listener in tuple(self._listeners):
            listener.close(code, message)
        if self._starting is not None and not self._starting.done():
            self._starting.cancel()
        try:
            await self.executions.end()
            await self._engine.kill()
        except Exception:
            _log.exception("The engine of the SQL session %s cannot be ended", self.id)
        self._progress(status, message)

    def _watch(self) -> None:
        """Set the time at which the session ends because it is unused."""
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        if self.is_ready and not self._listeners:
            self._deadline = asyncio.get_running_loop().call_later(self.unused_seconds, self._end_unused)

    @property
    def unused_seconds(self) -> float:
        """How long the session can be without a client."""
        inactive, idle_minutes = self.payload.shutdown_after_inactive_seconds, self.payload.idle_timeout_minutes
        seconds = _INACTIVE_SECONDS if inactive is None else inactive
        return seconds if idle_minutes is None else min(seconds, idle_minutes * 60)

    def _end_unused(self) -> None:
        self.begin_to_end(DESTROYED, "the session was inactive", code=UNUSED)

    def _progress(self, status: str, message: str | None = None) -> None:
        self.status = status
        self.message = message
        self.updated_at = utc_now()

    def _task(self, work: Any) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


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
