"""A trigger whose code is broken."""

from collections.abc import AsyncIterator
from typing import Any, NoReturn

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_wherobots.operators.run import WherobotsRunOperator


class CrashingTrigger(BaseTrigger):
    """Raises as soon as it runs."""

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return ("crashing.CrashingTrigger", {})

    async def run(self) -> AsyncIterator[TriggerEvent]:
        raise RuntimeError("this trigger is broken on purpose")
        yield


class CrashingOperator(WherobotsRunOperator):
    """Defers to that trigger."""

    def defer(self, *, trigger: BaseTrigger, **kwargs: Any) -> NoReturn:
        super().defer(trigger=CrashingTrigger(), **kwargs)  # type: ignore[no-untyped-call]
