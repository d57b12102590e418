"""The trigger that waits for a run of a name, and follows it, while its task is deferred."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from airflow_provider_wherobots.compat import pull_text
from airflow_provider_wherobots.flows.effects import Flow
from airflow_provider_wherobots.flows.follow import follow_run
from airflow_provider_wherobots.flows.named_run import NamedRun, follow_named_run
from airflow_provider_wherobots.links.run import WherobotsRunLink
from airflow_provider_wherobots.messages.unforeseen import reason_of
from airflow_provider_wherobots.runs.outcome import Outcome
from airflow_provider_wherobots.stored import ignore_unknown
from airflow_provider_wherobots.triggers.run import XCOM_TIMEOUT_SECONDS, WherobotsRunTrigger
from airflow_provider_wherobots.xcoms import RUN_ID_KEY


class WherobotsNamedRunTrigger(WherobotsRunTrigger):
    """Wait until there is a run of a name, follow it to its end, and fire one event with the outcome.

    One trigger does both, so that no worker is needed in between. If it restarts, or moves to another triggerer, it
    follows the run that it has published.

    :param wherobots_conn_id: id of the connection.
    :param follow: fields of :class:`~airflow_provider_wherobots.flows.follow.FollowOptions`; ``run_id`` is empty.
    :param run_name: the run's name; see :class:`~airflow_provider_wherobots.flows.named_run.NamedRun`.
    :param created_after: the earliest time of its creation, in epoch seconds.
    :param cancel_on_kill: whether a kill of the task cancels the run, once it is found; default False.
    """

    @ignore_unknown
    def __init__(
        self,
        wherobots_conn_id: str,
        follow: dict[str, Any],
        run_name: str,
        created_after: float,
        cancel_on_kill: bool = False,
    ) -> None:
        super().__init__(wherobots_conn_id, follow, cancel_on_kill)
        self.named = NamedRun(run_name, created_after)

    def _arguments(self) -> dict[str, Any]:
        # Also called once a run is found, which must not be stored.
        follow = replace(self.options, run_id="").to_kwargs()
        named = {"run_name": self.named.name, "created_after": self.named.created_after}
        return {**super()._arguments(), "follow": follow, **named}

    async def _wait(self) -> dict[str, Any]:
        self.options = replace(self.options, run_id=await self._published_run_id())
        return await super()._wait()

    def _flow(self) -> Flow[Outcome]:
        if self.options.run_id:
            return follow_run(self.options)
        return follow_named_run(self.named, self.options)

    @property
    def _what(self) -> str:
        return f"the {self.named.describe()}"

    @property
    def _first_line(self) -> str:
        return f"Waiting for a {self.named.describe()}"

    async def _publish(self, key: str, value: str) -> None:
        if key != RUN_ID_KEY:
            await super()._publish(key, value)
            return
        self.options = replace(self.options, run_id=value)
        await self._push(value, RUN_ID_KEY)
        await self._push(self._hook.settings.run_url(value), *WherobotsRunLink().address_keys)

    async def _published_run_id(self) -> str:
        """The run that this trigger has found before it was restarted. Empty if there is none, or it is unknown."""
        if not self._is_in_triggerer:
            return ""
        try:
            async with asyncio.timeout(XCOM_TIMEOUT_SECONDS):
                run_id = await pull_text(self.task_instance, RUN_ID_KEY)
        except Exception as error:
            self.log.warning("XCom %s could not be read, so using the newest run: %s", RUN_ID_KEY, reason_of(error))
            return ""
        return run_id if isinstance(run_id, str) else ""

    async def _cancel_if_killed(self) -> None:
        if self.options.run_id:
            await super()._cancel_if_killed()
