"""What the tasks of one event loop share."""

from __future__ import annotations

import asyncio

from airflow_provider_wherobots.shared import of_event_loop
from tests.unit.drivers.virtual_loop import run


def test_the_tasks_of_one_event_loop_share_an_object_and_those_of_another_do_not() -> None:
    class Kept:
        """Anything."""

    async def both() -> tuple[Kept, Kept]:
        return await asyncio.create_task(get()), await asyncio.create_task(get())

    async def get() -> Kept:
        return of_event_loop(Kept)

    first, second = run(both()), run(both())
    assert first[0] is first[1]
    assert second[0] is second[1]
    assert first[0] is not second[0]
