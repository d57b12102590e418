"""What the tasks of one event loop share, and how many that start at once take turns."""

from __future__ import annotations

import asyncio

from airflow_provider_wherobots.shared import STARTS_PER_ROUND, of_event_loop, take_turn
from tests.unit.drivers.virtual_loop import run


def test_thousands_start_a_few_in_each_round_and_in_order() -> None:
    started: list[int] = []
    most = 0

    async def start(number: int) -> None:
        await take_turn()
        started.append(number)

    async def main() -> None:
        nonlocal most
        tasks = [asyncio.create_task(start(number)) for number in range(2_000)]
        while not all(task.done() for task in tasks):
            before = len(started)
            await asyncio.sleep(0)
            most = max(most, len(started) - before)

    run(main())
    assert started == list(range(2_000))
    assert 0 < most <= STARTS_PER_ROUND


def test_one_whose_turn_is_cancelled_holds_up_nobody() -> None:
    async def main() -> None:
        tasks = [asyncio.create_task(take_turn()) for _ in range(100)]
        await asyncio.sleep(0)
        for task in tasks[:50]:
            task.cancel()
        assert await asyncio.gather(*tasks[50:]) == [None] * 50
        assert all(task.cancelled() for task in tasks[:50])

    run(main())


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
