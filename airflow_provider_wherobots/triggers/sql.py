"""The trigger that waits for a SQL session while it starts, or follows a statement in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from airflow_provider_wherobots import words
from airflow_provider_wherobots.api.errors import WherobotsApiError
from airflow_provider_wherobots.flows.sql.outcome import StatementOutcome, StatementState
from airflow_provider_wherobots.flows.sql.session import SessionWait, await_session, stop_session
from airflow_provider_wherobots.flows.sql.statement import StatementOptions, attach, last_word_after_cancel
from airflow_provider_wherobots.io.base import Io
from airflow_provider_wherobots.stored import ignore_unknown
from airflow_provider_wherobots.triggers.guarded import DEFERRED, WITH_WORKER, GuardedTrigger


class WherobotsSqlTrigger(GuardedTrigger):
    """Wait for a SQL session, or follow a statement in it, and fire one event.

    A session takes minutes to start. The trigger waits until it is ready, has ended, or takes too long. The worker then
    checks the session itself, so the event has nothing that the worker needs.

    A statement was sent by a worker. The trigger attaches to it, and follows it to its end. The event has the outcome,
    without the result. If the trigger restarts or moves to another triggerer, it attaches again: the session cancels a
    statement that nobody is attached to for two minutes. If a user marks or clears the task, or the deadline passes,
    the trigger cancels the statement. It never executes anything.

    :param wherobots_conn_id: id of the connection.
    :param session_id: the session's id; default that in ``follow``.
    :param wait: for a session: fields of :class:`~airflow_provider_wherobots.flows.sql.session.SessionWait`.
    :param execution_id: id of the statement's execution; default empty, the trigger waits for the session.
    :param follow: for a statement: fields of
        :class:`~airflow_provider_wherobots.flows.sql.statement.StatementOptions`.
    :param tells_address: whether the event has the address of a stored result; default True. Airflow logs the event, so
        it must not contain a presigned URL.
    :param own_key: key of a session that only this task uses: a kill of the task stops it. Default empty, others may
        use the session.
    """

    @ignore_unknown
    def __init__(
        self,
        wherobots_conn_id: str,
        session_id: str = "",
        wait: dict[str, Any] | None = None,
        execution_id: str = "",
        follow: dict[str, Any] | None = None,
        tells_address: bool = True,
        own_key: str = "",
    ) -> None:
        super().__init__(wherobots_conn_id, cancel_on_kill=bool(execution_id or own_key))
        self.wait = SessionWait.from_kwargs(wait or {})
        self.execution_id = execution_id
        self.options = StatementOptions.from_kwargs(follow or {})
        self.session_id = session_id or self.options.session_id
        self.tells_address = tells_address
        self.own_key = own_key
        # A worker uses the session, also after a clear.
        self._kept_in = (DEFERRED,) if execution_id else (DEFERRED, *WITH_WORKER)

    def _arguments(self) -> dict[str, Any]:
        return {
            "session_id": self.session_id,
            "wait": self.wait.to_kwargs(),
            "execution_id": self.execution_id,
            "follow": self.options.to_kwargs(),
            "tells_address": self.tells_address,
            "own_key": self.own_key,
        }

    async def _wait(self) -> dict[str, Any]:
        seconds = (self.options if self.execution_id else self.wait).max_outage_seconds
        async with self._hook.async_io(self.log, max_outage_seconds=seconds) as io:
            if not self.execution_id:
                try:
                    session = await await_session(io, self.session_id, self.wait)
                except WherobotsApiError as error:
                    return self._gave_up(str(error))
                return {"session_id": self.session_id, "status": session.status}
            self.log.info("Following %s in SQL session %s", self._what, words.short(self.session_id))
            outcome = await attach(io, self.execution_id, self.options, wants_result=False)
        event = outcome.to_event()
        return event if self.tells_address else {**event, "result_uri": None}

    def _gave_up(self, reason: str) -> dict[str, Any]:
        if not self.execution_id:
            return {"session_id": self.session_id, "reason": reason}
        # The worker attaches in the trigger's place.
        return StatementOutcome(StatementState.RUNNING, self.execution_id, reason).to_event()

    async def _cancelling(self, io: Io, left: Callable[[], float]) -> None:
        if self.execution_id:
            await last_word_after_cancel(io, self.execution_id, left(), self.options.url)
        if self.own_key and self._state_at_kill not in WITH_WORKER:
            await stop_session(io, self.session_id, max(1.0, left()), own_key=self.own_key)

    @property
    def _what(self) -> str:
        return (
            f"statement {words.short(self.execution_id)}"
            if self.execution_id
            else f"SQL session {words.short(self.session_id)}"
        )

    @property
    def _if_not_cancelled(self) -> str:
        if self.execution_id:
            return "The session cancels it by itself, usually two minutes after its connection was lost"
        return "It ends by itself some time after its start"
