"""Operators of these tests: their connection is told by the DAG run's conf, as each worker has a server of its own."""

from collections.abc import AsyncIterator
from typing import Any, NoReturn

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_wherobots.operators.run import WherobotsRunOperator


class TenantOperator(WherobotsRunOperator):
    """A run with a connection that is a template."""

    template_fields = ("wherobots_conn_id", *WherobotsRunOperator.template_fields)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(wherobots_conn_id="{{ dag_run.conf['conn_id'] }}", **kwargs)


class CrashingTrigger(BaseTrigger):
    """Raises as soon as it runs."""

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return ("tenant.CrashingTrigger", {})

    async def run(self) -> AsyncIterator[TriggerEvent]:
        raise RuntimeError("this trigger is broken on purpose")
        yield


class CrashingOperator(TenantOperator):
    """Defers to that trigger."""

    def defer(self, *, trigger: BaseTrigger, **kwargs: Any) -> NoReturn:
        super().defer(trigger=CrashingTrigger(), **kwargs)  # type: ignore[no-untyped-call]
