"""Operators of these tests: their connection is told by the DAG run's conf, as each worker has a server of its own."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NoReturn

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_wherobots.operators.run import WherobotsRunOperator


class TenantOperator(WherobotsRunOperator):
    """A run with a connection that is a template."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(wherobots_conn_id="{{ dag_run.conf['conn_id'] }}", **kwargs)


class CrashingTrigger(BaseTrigger):
    """Raises once a file is there."""

    def __init__(self, path: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.path = path

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return ("tenant.CrashingTrigger", {"path": self.path})

    async def run(self) -> AsyncIterator[TriggerEvent]:
        while not await asyncio.to_thread(Path(self.path).exists):  # noqa: ASYNC110 -- a file has no event
            await asyncio.sleep(0.2)
        raise RuntimeError("this trigger is broken on purpose")
        yield


class CrashingOperator(TenantOperator):
    """Defers to that trigger."""

    def defer(self, *, trigger: BaseTrigger, **kwargs: Any) -> NoReturn:
        release = Path(self.run_python["args"][0])  # type: ignore[index]
        super().defer(trigger=CrashingTrigger(str(release.with_suffix(".crash"))), **kwargs)
