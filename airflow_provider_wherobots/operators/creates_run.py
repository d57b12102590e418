"""The arguments of a task that creates a run, and the body of ``POST /runs`` that is built from them.

The body is built twice by the same rules: when the DAG is parsed, to check the arguments that are known then; and
before it is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from enum import Enum
from math import ceil
from typing import TYPE_CHECKING, Any

from airflow_provider_wherobots.api.runs.payload import build_payload, checked_choice, checked_runtimes
from airflow_provider_wherobots.api.storage import checked_upload_to
from airflow_provider_wherobots.operators.follows_run import FollowsRun
from airflow_provider_wherobots.operators.wherobots_task import argument_errors, is_unrendered
from airflow_provider_wherobots.runs.run_name import default_run_name, durable_run_name

if TYPE_CHECKING:
    from airflow_provider_wherobots.compat import Context
    from airflow_provider_wherobots.runs.memory import Memory


class CreatesRun(FollowsRun):
    """What a try needs of the task that creates a run. ``WherobotsRunOperator`` describes the arguments."""

    run_python: Mapping[str, Any] | None
    run_jar: Mapping[str, Any] | None
    name: str | None
    runtime: str | Enum | None
    runtime_on_out_of_memory: Any
    region: str | Enum | None
    version: str | Enum | None
    environment: Mapping[str, Any] | None
    timeout_seconds: int | str | None
    upload_to: str | None
    openlineage_inject_parent_job_info: bool | None
    durable: bool
    wait_for_completion: bool
    max_quota_wait_seconds: float
    max_pending_seconds: float
    reuse_completed: bool
    run_id: str | None = None
    """The run's id, once the task has one: for subclasses, and for code that calls ``execute``."""

    def check_arguments(self) -> None:
        """Check the arguments that are known when the DAG is parsed."""
        self._checked_payload(self._name_or_default("dag"), is_unrendered)

    def payload_to_send(self, context: Context, memory: Memory | None) -> dict[str, Any]:
        """Build the body after all arguments are rendered. Without a memory the name is sent as it is."""
        from airflow_provider_wherobots.tasks.openlineage import add_parent_job

        settings, name = self.hook.settings, self._name_or_default(context["ti"].dag_id)
        payload = self._checked_payload(name)
        for key, default in (("runtime", settings.runtime), ("version", settings.version)):
            if default is not None:
                payload.setdefault(key, default)
        if self.execution_timeout is not None:
            payload.setdefault("timeoutSeconds", max(1, ceil(self.execution_timeout.total_seconds())))
        if memory is not None:
            payload["name"] = durable_run_name(name, memory.identity)
            if raised := self.runtimes_of_round(memory):
                payload["runtime"] = raised[-1]
        return add_parent_job(payload, self.openlineage_inject_parent_job_info, context, self.log.warning)

    @contextmanager
    def script_of_this_try(self, context: Context) -> Iterator[None]:
        """The time in which a script that is made for each try exists. ``@task.wherobots`` makes one."""
        yield

    @property
    def given_runtime(self) -> str:
        """The task's rendered runtime; empty for the default."""
        return checked_choice("runtime", self.runtime) or ""

    def runtimes_of_round(self, memory: Memory) -> tuple[str, ...]:
        """The task's runtime, and those chosen instead after runs that were out of memory; empty if none was."""
        return memory.runtimes_of(self.given_runtime) if self.runtime_on_out_of_memory else ()

    @property
    def region_to_send(self) -> str | None:
        """The task's region, else the connection's; None takes the organization's."""
        region: str | None = checked_choice("region", self.region)
        return region or self.hook.settings.region

    def _name_or_default(self, dag_id: str) -> str:
        return self.name if self.name is not None else default_run_name(dag_id, self.task_id)

    def _checked_payload(self, name: str, is_unrendered: Callable[[Any], bool] = lambda value: False) -> dict[str, Any]:
        with argument_errors(self.task_id):
            if self.upload_to is not None and not is_unrendered(self.upload_to):
                checked_upload_to("upload_to", self.upload_to)
            # Airflow also stores the arguments, so members of an enum are replaced by their values.
            self.runtime = checked_choice("runtime", self.runtime, is_unrendered)
            self.runtime_on_out_of_memory = checked_runtimes(
                "runtime_on_out_of_memory", self.runtime_on_out_of_memory, self.runtime, is_unrendered
            )
            self.region = checked_choice("region", self.region, is_unrendered)
            self.version = checked_choice("version", self.version, is_unrendered)
            return build_payload(
                name=name,
                run_python=self.run_python,
                run_jar=self.run_jar,
                runtime=self.runtime,
                version=self.version,
                timeout_seconds=self.timeout_seconds,
                environment=self.environment,
                is_unrendered=is_unrendered,
            )
