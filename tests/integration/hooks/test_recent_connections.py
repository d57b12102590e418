"""Reads of a connection that triggers share."""

import asyncio
import gc
from typing import Any

import pytest

from airflow_provider_wherobots.hooks import recent_connections
from airflow_provider_wherobots.hooks.recent_connections import recent_connection
from airflow_provider_wherobots.shared import STARTS_PER_ROUND, of_event_loop


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The reads so far. Each takes a moment, and those of ``absent`` fail."""
    done: list[str] = []

    async def get_async_connection(conn_id: str) -> Any:
        done.append(conn_id)
        await asyncio.sleep(0.01)
        if conn_id == "absent":
            raise LookupError(conn_id)
        return f"{conn_id} {len(done)}"

    monkeypatch.setattr(recent_connections, "get_async_connection", get_async_connection)
    return done


async def gathered(*conn_ids: str) -> list[Any]:
    return await asyncio.gather(*map(recent_connection, conn_ids), return_exceptions=True)


def test_reads_at_the_same_time_are_one_and_each_connection_has_its_own(reads: list[str]) -> None:
    found = asyncio.run(gathered("a", "b", "a", "a"))
    assert reads == ["a", "b"]
    assert found[0] == found[2] == found[3] != found[1]


def test_a_read_is_shared_for_a_while(reads: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        await recent_connection("a")
        await recent_connection("a")
        assert reads == ["a"]
        monkeypatch.setattr(recent_connections, "SHARED_SECONDS", -1.0)
        assert str(await recent_connection("a")) == "a 2"

    asyncio.run(main())


def test_a_failed_read_is_told_to_all_who_wait_for_it_and_then_repeated(reads: list[str]) -> None:
    async def main() -> None:
        assert [str(error) for error in await gathered("absent", "absent")] == ["absent", "absent"]
        await gathered("absent")

    asyncio.run(main())
    assert reads == ["absent", "absent"]


def test_a_killed_trigger_does_not_end_the_read_of_the_others(reads: list[str]) -> None:
    async def main() -> None:
        killed, other = (asyncio.create_task(recent_connection("a")) for _ in range(2))
        await asyncio.sleep(0)
        killed.cancel()
        assert str(await other) == "a 1"
        assert killed.cancelled()

    asyncio.run(main())
    assert reads == ["a"]


def test_a_read_that_fails_after_all_who_waited_were_killed_is_no_error_of_the_event_loop(reads: list[str]) -> None:
    told: list[str] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: told.append(context["message"]))
        killed = asyncio.create_task(recent_connection("absent"))
        await asyncio.sleep(0)
        killed.cancel()
        await asyncio.sleep(0.05)
        of_event_loop(recent_connections.Reads).clear()
        del killed
        gc.collect()

    asyncio.run(main())
    assert reads == ["absent"]
    assert told == []


def test_those_who_share_a_read_continue_a_few_in_each_round_of_the_event_loop(reads: list[str]) -> None:
    continued = most = 0

    async def start() -> None:
        nonlocal continued
        await recent_connection("a")
        continued += 1

    async def main() -> None:
        nonlocal most
        tasks = [asyncio.create_task(start()) for _ in range(500)]
        while not all(task.done() for task in tasks):
            before = continued
            await asyncio.sleep(0)
            most = max(most, continued - before)

    asyncio.run(main())
    assert reads == ["a"]
    assert 0 < most <= STARTS_PER_ROUND


def test_a_kill_does_not_wait_for_its_turn(reads: list[str]) -> None:
    async def main() -> None:
        await recent_connection("a")
        starting = [asyncio.create_task(recent_connection("a")) for _ in range(10 * STARTS_PER_ROUND)]
        await asyncio.sleep(0)
        await recent_connection("a", in_turn=False)
        assert sum(task.done() for task in starting) < len(starting) / 2
        await asyncio.gather(*starting)

    asyncio.run(main())
