"""The trigger in which a sensor starts, without a worker (Airflow 3.3 and later)."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from airflow_provider_wherobots.api.runs.lookup import check_run_id, moment_of
from airflow_provider_wherobots.api.runs.payload import check_run_name
from airflow_provider_wherobots.flows.effects import Flow
from airflow_provider_wherobots.flows.named_run import NamedRun, follow_created_run, follow_named_run
from airflow_provider_wherobots.flows.outcome import Outcome
from airflow_provider_wherobots.triggers.named_run import WherobotsNamedRunTrigger
from airflow_provider_wherobots.triggers.run import WherobotsRunTrigger


class WherobotsSensorTrigger(WherobotsNamedRunTrigger):
    """Do what ``WherobotsRunSensor`` does on a worker before it defers, and then what its triggers do.

    The scheduler makes this trigger from the ``StartTriggerArgs`` of the DAG. The triggerer renders the arguments that
    the sensor has too: the first one, and the last three.

    :param wherobots_conn_id: id of the connection, or a template.
    :param follow: fields of :class:`~airflow_provider_wherobots.flows.follow.FollowOptions`, without a run, a start and
        a deadline.
    :param margin: how long before Airflow's own timeout of the trigger the wait ends, in seconds.
    :param cancel_on_kill: whether a kill of the task cancels the run; default False.
    :param run_id: the run's id, or a template; None if ``run_name`` is given.
    :param run_name: the run's name, or a template; None if ``run_id`` is given.
    :param created_after: the earliest time of its creation as ISO 8601 text, or a template.
    :param of_later_versions: arguments that a later version added; ignored.
    """

    def __init__(
        self,
        wherobots_conn_id: str,
        follow: dict[str, Any],
        margin: float,
        cancel_on_kill: bool = False,
        run_id: str | None = None,
        run_name: str | None = None,
        created_after: str | None = None,
        **of_later_versions: Any,
    ) -> None:
        WherobotsRunTrigger.__init__(self, wherobots_conn_id, follow, cancel_on_kill)
        self.margin = margin
        self.run_id = run_id
        self.run_name = run_name
        self.created_after = created_after

    def _arguments(self) -> dict[str, Any]:
        arguments = WherobotsRunTrigger._arguments(self)
        arguments["follow"]["run_id"] = ""
        rendered = {"run_id": self.run_id, "run_name": self.run_name, "created_after": self.created_after}
        return {**arguments, "margin": self.margin, **rendered}

    def _flow(self) -> Flow[Outcome]:
        # Airflow keeps the end of the wait when the trigger restarts.
        timeout_after = getattr(self, "timeout_after", None)
        deadline = None if timeout_after is None else timeout_after.timestamp() - self.margin
        self.options = replace(self.options, started_at=time.time(), deadline=deadline)
        if self.run_name is not None:
            check_run_name("run_name", self.run_name)
            moment = moment_of(self.created_after)
            self.named = NamedRun(self.run_name, 0.0 if moment is None else moment.timestamp())
            return follow_named_run(self.named, self.options)
        check_run_id(self.run_id)
        return follow_created_run(replace(self.options, run_id=str(self.run_id)))

    @property
    def _what(self) -> str:
        return f"Run {self.run_id}" if self.run_name is None else f"The run named {self.run_name!r}"

    @property
    def _first_line(self) -> str:
        return f"Waiting for {self._what[:1].lower()}{self._what[1:]}; the task started in the triggerer"
