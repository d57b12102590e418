"""The trigger that follows a statement while its task is deferred. It attaches, and never executes anything."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from airflow_provider_wherobots.flows.effects import Flow
from airflow_provider_wherobots.flows.sql.cancel import last_word_after_cancel
from airflow_provider_wherobots.flows.sql.outcome import StatementOutcome, StatementState
from airflow_provider_wherobots.flows.sql.session import stop_session
from airflow_provider_wherobots.flows.sql.statement import StatementOptions, attach
from airflow_provider_wherobots.messages import words
from airflow_provider_wherobots.stored import ignore_unknown
from airflow_provider_wherobots.triggers.guarded import WITH_WORKER, GuardedTrigger


class WherobotsSqlStatementTrigger(GuardedTrigger):
    """Attach to a statement, follow it to its end, and fire one event with the outcome, without the result.

    If the trigger restarts or moves to another triggerer, it attaches again. The session cancels a statement that
    nobody is attached to for two minutes. The statement is cancelled if its task is no longer deferred, because a user
    marked or cleared it, or if the deadline passes.

    :param wherobots_conn_id: id of the connection.
    :param execution_id: id of its execution.
    :param follow: fields of :class:`~airflow_provider_wherobots.flows.sql.statement.StatementOptions`.
    :param tells_address: whether the event has the address of a stored result; default True. Airflow logs the event, so
        it must not contain a presigned URL.
    :param stops_session: whether a kill of the task stops the session too, as nobody else has it; default False.
    """

    _if_not_cancelled = "The session cancels it by itself, usually two minutes after its connection was lost"

    @ignore_unknown
    def __init__(
        self,
        wherobots_conn_id: str,
        execution_id: str,
        follow: dict[str, Any],
        tells_address: bool = True,
        stops_session: bool = False,
    ) -> None:
        super().__init__(wherobots_conn_id, cancel_on_kill=True)
        self.execution_id = execution_id
        self.options = StatementOptions.from_kwargs(follow)
        self.tells_address = tells_address
        self.stops_session = stops_session

    def _arguments(self) -> dict[str, Any]:
        return {
            "execution_id": self.execution_id,
            "follow": self.options.to_kwargs(),
            "tells_address": self.tells_address,
            "stops_session": self.stops_session,
        }

    async def _wait(self) -> dict[str, Any]:
        async with self._hook.async_driver(self.log, max_outage_seconds=self.options.max_outage_seconds) as driver:
            self.log.info("Following %s in SQL session %s", self._what, words.short(self.options.session_id))
            outcome = await driver.run(attach(self.execution_id, self.options, wants_result=False))
        event = outcome.to_event()
        return event if self.tells_address else {**event, "result_uri": None}

    def _gave_up(self, reason: str) -> dict[str, Any]:
        # The worker attaches in the trigger's place.
        return StatementOutcome(StatementState.RUNNING, self.execution_id, reason).to_event()

    def _cancelling(self, left: Callable[[], float]) -> Flow[None]:
        yield from last_word_after_cancel(self.execution_id, left(), self.options.url)
        # A worker uses it, also after a clear.
        if self.stops_session and self._state_at_kill not in WITH_WORKER:
            yield from stop_session(self.options.session_id, max(1.0, left()))

    @property
    def _what(self) -> str:
        return f"statement {words.short(self.execution_id)}"
