"""The trigger that waits for a SQL session while it starts, which takes minutes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from airflow_provider_wherobots.api.errors import WherobotsApiError
from airflow_provider_wherobots.flows.effects import Flow
from airflow_provider_wherobots.flows.sql.session import SessionWait, await_session, stop_session
from airflow_provider_wherobots.messages import words
from airflow_provider_wherobots.stored import ignore_unknown
from airflow_provider_wherobots.triggers.guarded import DEFERRED, WITH_WORKER, GuardedTrigger


class WherobotsSqlSessionTrigger(GuardedTrigger):
    """Wait until a SQL session is ready, has ended, or takes too long, and fire one event.

    The worker then checks the session itself, so the event has nothing that the worker needs.

    :param wherobots_conn_id: id of the connection.
    :param session_id: the session's id.
    :param wait: fields of :class:`~airflow_provider_wherobots.flows.sql.session.SessionWait`.
    :param stop_on_kill: whether a kill of the task stops the session; default False, as others may share it.
    """

    _if_not_cancelled = "It ends by itself some time after its start"
    # A worker uses it, also after a clear.
    _kept_in = (DEFERRED, *WITH_WORKER)

    @ignore_unknown
    def __init__(
        self,
        wherobots_conn_id: str,
        session_id: str,
        wait: dict[str, Any],
        stop_on_kill: bool = False,
    ) -> None:
        super().__init__(wherobots_conn_id, cancel_on_kill=stop_on_kill)
        self.session_id = session_id
        self.wait = SessionWait.from_kwargs(wait)

    def _arguments(self) -> dict[str, Any]:
        return {"session_id": self.session_id, "wait": self.wait.to_kwargs(), "stop_on_kill": self.cancel_on_kill}

    async def _wait(self) -> dict[str, Any]:
        async with self._hook.async_driver(self.log, max_outage_seconds=self.wait.max_outage_seconds) as driver:
            try:
                session = await driver.run(await_session(self.session_id, self.wait))
            except WherobotsApiError as error:
                return self._gave_up(words.quoted(str(error)))
        return {"session_id": self.session_id, "status": session.status}

    def _gave_up(self, reason: str) -> dict[str, Any]:
        return {"session_id": self.session_id, "reason": reason}

    def _cancelling(self, left: Callable[[], float]) -> Flow[object]:
        return stop_session(self.session_id, left())

    @property
    def _what(self) -> str:
        return f"SQL session {words.short(self.session_id)}"
