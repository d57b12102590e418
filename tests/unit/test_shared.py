"""Many that start at once start a few in each round of the event loop, in their order."""

from __future__ import annotations

import asyncio

from airflow_provider_wherobots.shared import STARTS_PER_ROUND, take_turn
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
        await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 10)

    run(main())
